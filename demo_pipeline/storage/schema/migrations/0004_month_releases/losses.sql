-- What a downgrade below this revision deletes, by kind and count.
select 'released months', count(*) from demo.month_releases;
