-- What a downgrade below this revision deletes, by kind and count.
select 'incidents', count(*) from demo.incidents;
