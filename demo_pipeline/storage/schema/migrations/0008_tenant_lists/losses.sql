-- What a downgrade below this revision deletes: nothing, lists stay in the plans that have them.
select 'nothing', 0::bigint;
