-- What a downgrade below this revision deletes, by kind and count.
select 'hero accounts', count(*) from demo.hero_accounts;
