-- What a downgrade below this revision deletes, by kind and count.
select 'living tenants', count(*) from demo.tenant_metadata
where deleted_at is null and plan -> 'closed_month' = 'null'
union all
select 'extensions', count(*) from demo.job_ledger
where kind = 'extend' and status = 'completed' and undone_by is null
union all
select 'months made by later versions', count(*)
from demo.tenant_months h join demo.tenant_metadata m using (tenant_id)
where h.versions not in ('{}', array[m.lists_version || '/2026.11']);
