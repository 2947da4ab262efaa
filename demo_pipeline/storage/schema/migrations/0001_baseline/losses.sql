-- What a downgrade below this revision deletes, by kind and count.
select 'tenants', count(*) from crm.tenants
union all
select 'demo tenants', count(*) from demo.tenant_metadata
union all
select 'jobs', count(*) from demo.job_ledger
union all
select 'audit entries', count(*) from demo.audit_log
union all
select 'recorded changes of patches', count(*) from demo.job_months
union all
select 'recorded edits', count(*) from demo.edited_rows;
