-- What a downgrade below this revision deletes, by kind and count.
select 'checkpoints', count(*) from demo.checkpoints where name is not null
union all
select 'rewinds that could be undone', count(*) from demo.checkpoints where name is null;
