-- Who may do what: grants and row-level security.

set local lock_timeout = '5s';
set local statement_timeout = '300s';

grant usage on schema crm to demo_loader, crm_views;
grant usage on schema demo to demo_loader;
grant usage on schema crm_app to crm_reader, crm_views;

grant select, insert on crm.tenants to demo_guard;
grant select, insert, update on demo.tenant_metadata, demo.tenant_months, demo.job_ledger,
    demo.job_progress, demo.job_attempts to demo_guard;
grant insert on demo.audit_log to demo_guard;
grant select on demo.alembic_version to demo_guard;
-- Append-only for its owner too; the triggers say so to whoever grants it back.
revoke update, delete, truncate on demo.audit_log from demo_owner;

grant select on all tables in schema crm to demo_loader;
grant insert on crm.users, crm.pipeline_stages, crm.tags, crm.contact_tags, crm.companies, crm.contacts,
    crm.deals, crm.activities to demo_loader;
grant update (deleted_at, updated_at) on crm.users, crm.pipeline_stages, crm.tags, crm.contact_tags
    to demo_loader;
grant update (deleted_at, updated_at, demo_generated, demo_job_id, demo_source_month)
    on crm.companies, crm.contacts, crm.deals, crm.activities to demo_loader;

-- Only where the defaults were taken away.
set local role none;
do $database$
declare
    v_database constant text := current_database();
begin
    if not has_database_privilege('demo_loader', v_database, 'CONNECT')
       or not has_database_privilege('demo_loader', v_database, 'TEMPORARY') then
        execute format('grant connect, temporary on database %I to demo_loader', v_database);
    end if;
    if not has_database_privilege('crm_reader', v_database, 'CONNECT') then
        execute format('grant connect on database %I to crm_reader', v_database);
    end if;
end
$database$;
set local role demo_owner;

do $policies$
declare
    v_table text;
    -- One InitPlan per statement; as a plain call it would run for every row.
    v_tenant constant text := '(select c.tenant_id from demo.current_claim() c)';
    v_job constant text := '(select c.tenant_id, c.job_id from demo.current_claim() c)';
    -- A bad setting is no tenant, not an error.
    v_served constant text := $$(select case
        when current_setting('app.tenant_id', true) ~ '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$'
        then current_setting('app.tenant_id', true)::uuid end)$$;
begin
    foreach v_table in array array['tenants', 'users', 'pipeline_stages', 'tags', 'companies', 'contacts',
                                   'contact_tags', 'deals', 'activities'] loop
        execute format('alter table crm.%I enable row level security', v_table);
        execute format('alter table crm.%I force row level security', v_table);
        execute format('create policy owner_all on crm.%I to demo_owner using (true) with check (true)',
                       v_table);
        if v_table = 'tenants' then
            execute format('create policy loader_select on crm.tenants for select to demo_loader'
                           ' using (id = %s)', v_tenant);
            execute format('create policy served_tenant on crm.tenants to crm_views using (id = %s)',
                           v_served);
            continue;
        end if;
        execute format('create policy loader_select on crm.%I for select to demo_loader'
                       ' using (tenant_id = %s)', v_table, v_tenant);
        execute format('create policy loader_update on crm.%I for update to demo_loader'
                       ' using (tenant_id = %2$s) with check (tenant_id = %2$s)', v_table, v_tenant);
        execute format('create policy served_tenant on crm.%I to crm_views using (tenant_id = %s)',
                       v_table, v_served);
        if v_table in ('companies', 'contacts', 'deals', 'activities') then
            -- The job too: comparing the tenant alone would let rows in under an older job.
            execute format('create policy loader_insert on crm.%I for insert to demo_loader'
                           ' with check (demo_generated and (tenant_id, demo_job_id) = %s)',
                           v_table, v_job);
            execute format('create trigger %I before update of demo_generated, demo_job_id,'
                           ' demo_source_month on crm.%I for each row'
                           ' execute function demo.keep_provenance()', v_table || '_keep_provenance', v_table);
        else
            execute format('create policy loader_insert on crm.%I for insert to demo_loader'
                           ' with check (tenant_id = %s)', v_table, v_tenant);
        end if;
    end loop;
end
$policies$;

create policy guard_select on crm.tenants for select to demo_guard using (true);
create policy guard_insert on crm.tenants for insert to demo_guard with check (true);
