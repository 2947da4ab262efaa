-- Grants, row-level security, and the triggers of generated rows.

set local lock_timeout = '5s';
set local statement_timeout = '300s';

grant usage on schema crm to demo_loader, crm_views;
grant usage on schema demo to demo_loader;
grant usage on schema crm_app to crm_reader, crm_views;

grant select, insert, delete on crm.tenants to demo_guard;
grant select, insert, update on demo.tenant_metadata, demo.tenant_months, demo.job_ledger,
    demo.job_progress, demo.job_attempts to demo_guard;
grant insert on demo.audit_log to demo_guard;
grant select on demo.alembic_version to demo_guard;
-- Append-only for its owner too; the triggers refuse changes where the right is granted again.
revoke update, delete, truncate on demo.audit_log from demo_owner;

grant select on crm.tenants, crm.users, crm.pipeline_stages, crm.tags, crm.companies, crm.contacts,
    crm.contact_tags, crm.deals, crm.activities to demo_loader;
grant insert on crm.users, crm.pipeline_stages, crm.tags, crm.contact_tags, crm.companies, crm.contacts,
    crm.deals, crm.activities to demo_loader;
grant update (deleted_at, updated_at) on crm.users, crm.pipeline_stages, crm.tags, crm.contact_tags
    to demo_loader;
grant update (deleted_at, updated_at, demo_generated, demo_job_id, demo_source_month)
    on crm.companies, crm.contacts, crm.deals, crm.activities to demo_loader;
grant select, delete on crm.users, crm.pipeline_stages, crm.tags, crm.contact_tags, crm.companies,
    crm.contacts, crm.deals, crm.activities to demo_guard;
grant select on demo.edited_rows to demo_loader;
grant select, insert, delete on demo.edited_rows, demo.requests to demo_guard;
grant select, insert on demo.job_months to demo_guard;

-- A way back for administrators after DROP OWNED BY demo_loader, which takes the loader's policies away.
create function demo.restore_loader_policies() returns void
    language plpgsql set search_path = pg_catalog, pg_temp set lock_timeout = '5s'
as $$
declare
    v_table text;
    -- One InitPlan per statement; as a plain call it would run for every row.
    v_tenant constant text := '(select c.tenant_id from demo.current_claim() c)';
begin
    execute 'drop policy if exists loader_select on crm.tenants';
    execute format('create policy loader_select on crm.tenants for select to demo_loader using (id = %s)',
                   v_tenant);
    execute 'drop policy if exists loader_select on demo.edited_rows';
    execute format('create policy loader_select on demo.edited_rows for select to demo_loader'
                   ' using (tenant_id = %s)', v_tenant);
    foreach v_table in array array['users', 'pipeline_stages', 'tags', 'companies', 'contacts', 'contact_tags',
                                   'deals', 'activities'] loop
        execute format('drop policy if exists loader_select on crm.%I', v_table);
        execute format('drop policy if exists loader_update on crm.%I', v_table);
        execute format('drop policy if exists loader_insert on crm.%I', v_table);
        execute format('create policy loader_select on crm.%I for select to demo_loader'
                       ' using (tenant_id = %s)', v_table, v_tenant);
        if v_table not in ('companies', 'contacts', 'deals', 'activities') then
            execute format('create policy loader_update on crm.%1$I for update to demo_loader'
                           ' using (tenant_id = %2$s) with check (tenant_id = %2$s)', v_table, v_tenant);
            execute format('create policy loader_insert on crm.%I for insert to demo_loader'
                           ' with check (tenant_id = %s)', v_table, v_tenant);
            continue;
        end if;
        -- Of the times only the one that it may write: people may have changed the others.
        execute format('create policy loader_update on crm.%1$I for update to demo_loader'
                       ' using (tenant_id = %2$s)'
                       ' with check (tenant_id = %2$s and (deleted_at is null or deleted_at >= created_at))',
                       v_table, v_tenant);
        -- All in one permissive policy: a restrictive one would bind every member of demo_loader, and before
        -- PostgreSQL 16 the administrator is one.
        execute format('create policy loader_insert on crm.%I for insert to demo_loader with check ('
                       'demo_generated and tenant_id = %s'
                       ' and demo_job_id = any ((select demo.claimed_jobs())::uuid[])'
                       ' and demo_source_month = to_char(created_at at time zone ''UTC'', ''YYYY-MM'')'
                       ' and updated_at >= created_at and (deleted_at is null or deleted_at >= created_at)%s)',
                       v_table, v_tenant,
                       case v_table
                           when 'deals' then ' and (closed_at is null or closed_at >= created_at)'
                           when 'activities' then ' and (completed_at is null or completed_at >= created_at)'
                           else '' end);
    end loop;
end
$$;

-- Provenance is written once, and with the month that the row lies in then. The owners of the data may still
-- take it away or correct it.
create function demo.keep_provenance() returns trigger
    language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
    if pg_catalog.pg_has_role(current_user, 'demo_owner', 'USAGE') then
        return new;
    end if;
    if (old.demo_generated or old.demo_job_id is not null or old.demo_source_month is not null)
       and (old.demo_generated, old.demo_job_id, old.demo_source_month)
           is distinct from (new.demo_generated, new.demo_job_id, new.demo_source_month) then
        raise exception 'provenance of %.% is written once', tg_table_name, old.id
            using errcode = 'insufficient_privilege';
    end if;
    if not old.demo_generated and new.demo_generated
       and new.demo_source_month is distinct from to_char(new.created_at at time zone 'UTC', 'YYYY-MM') then
        raise exception '%.% is not of month %', tg_table_name, old.id, new.demo_source_month
            using errcode = 'insufficient_privilege';
    end if;
    return new;
end
$$;
-- For its owner, who owns the tables too.
revoke all on function demo.restore_loader_policies, demo.keep_provenance, demo.refuse_audit_change from public;

do $policies$
declare
    v_table text;
    -- A bad setting is no tenant, not an error.
    v_served constant text := $$(select case
        when current_setting('app.tenant_id', true) ~ '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$'
        then current_setting('app.tenant_id', true)::uuid end)$$;
    v_column text;
begin
    foreach v_table in array array['tenants', 'users', 'pipeline_stages', 'tags', 'companies', 'contacts',
                                   'contact_tags', 'deals', 'activities'] loop
        v_column := case v_table when 'tenants' then 'id' else 'tenant_id' end;
        execute format('alter table crm.%I enable row level security', v_table);
        execute format('alter table crm.%I force row level security', v_table);
        execute format('create policy owner_all on crm.%I to demo_owner using (true) with check (true)',
                       v_table);
        execute format('create policy served_tenant on crm.%I to crm_views using (%s = %s)',
                       v_table, v_column, v_served);
        -- Of tenants that are demos, and of nobody else.
        execute format('create policy guard_delete on crm.%I for delete to demo_guard using (%s in'
                       ' (select m.tenant_id from demo.tenant_metadata m))', v_table, v_column);
        if v_table = 'tenants' then
            continue;
        end if;
        execute format('create policy guard_select on crm.%I for select to demo_guard using (tenant_id in'
                       ' (select m.tenant_id from demo.tenant_metadata m))', v_table);
        if v_table in ('companies', 'contacts', 'deals', 'activities') then
            execute format('create trigger %I before update of demo_generated, demo_job_id,'
                           ' demo_source_month on crm.%I for each row'
                           ' execute function demo.keep_provenance()', v_table || '_keep_provenance', v_table);
            -- The whole row, so that a CRM's own columns count as well, and can be altered and dropped.
            -- Compared byte by byte, since not every type has an equality operator.
            execute format('create trigger %I after update on crm.%I for each row'
                           ' when (old.demo_generated and old.* operator(pg_catalog.*<>) new.*)'
                           ' execute function demo.record_edit()', v_table || '_record_edit', v_table);
        end if;
    end loop;
end
$policies$;

create policy guard_select on crm.tenants for select to demo_guard using (true);
create policy guard_insert on crm.tenants for insert to demo_guard with check (true);
create policy guard_all on demo.edited_rows to demo_guard using (true) with check (true);
select demo.restore_loader_policies();
