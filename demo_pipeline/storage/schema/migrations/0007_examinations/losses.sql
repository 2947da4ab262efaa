-- What a downgrade below this revision deletes, by kind and count.
select 'examinations of tenants', count(*) from demo.examinations;
