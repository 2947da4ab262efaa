-- Edits that people make to generated rows, recorded by a trigger; rules about our own writing, as policies of
-- the loader. Can be executed again: the statements after it run outside of its transaction.

set local lock_timeout = '5s';
set local statement_timeout = '300s';

-- People and applications have no reason to write these columns: this holds for everybody.
alter table crm.companies add constraint companies_provenance_check check (
    not demo_generated or (demo_job_id is not null and demo_source_month is not null)) not valid;
alter table crm.contacts add constraint contacts_provenance_check check (
    not demo_generated or (demo_job_id is not null and demo_source_month is not null)) not valid;
alter table crm.deals add constraint deals_provenance_check check (
    not demo_generated or (demo_job_id is not null and demo_source_month is not null)) not valid;
alter table crm.activities add constraint activities_provenance_check check (
    not demo_generated or (demo_job_id is not null and demo_source_month is not null)) not valid;

-- Generated rows that were changed outside of a job. With the job: a row that is made again under the same id
-- is a row of another job. No foreign key: its lock would refuse an edit in a demo tenant that succeeds in a
-- customer's (REPEATABLE READ while a job changes the ledger).
create table if not exists demo.edited_rows (
    tenant_id uuid not null,
    job_id uuid not null,
    id uuid not null,
    constraint edited_rows_pkey primary key (tenant_id, job_id, id)
);
alter table demo.edited_rows enable row level security;
grant select on demo.edited_rows to demo_loader;
grant select, insert, delete on demo.edited_rows to demo_guard;
drop policy if exists guard_all on demo.edited_rows;
create policy guard_all on demo.edited_rows to demo_guard using (true) with check (true);

grant create on schema demo to demo_guard;
set local role demo_guard;

-- After an UPDATE that changed anything of a generated row. Nothing is recorded within the tenant's own claim,
-- where only a job writes, nor for a tenant that is not a demo. A session that may pass row security by can have
-- switched it off; this function's role may not, and would be refused.
create or replace function demo.record_edit() returns trigger
    language plpgsql security definer set search_path = pg_catalog, pg_temp set row_security = on
as $$
begin
    insert into demo.edited_rows (tenant_id, job_id, id)
    select m.tenant_id, new.demo_job_id, new.id
    from demo.tenant_metadata m
    where m.tenant_id = new.tenant_id and m.deleted_at is null and new.demo_job_id is not null
        and (m.claim_job_id is null or m.claim_at is distinct from now()
             or m.claim_xid is distinct from pg_current_xact_id_if_assigned())
    on conflict do nothing;
    return null;
end
$$;

-- After a tenant was deleted.
create or replace function demo.forget_edits() returns trigger
    language plpgsql security definer set search_path = pg_catalog, pg_temp set row_security = on
as $$
begin
    delete from demo.edited_rows e where e.tenant_id = new.tenant_id;
    return null;
end
$$;

revoke all on function demo.record_edit, demo.forget_edits from public;
-- To make the triggers; the users that they fire for need no right.
grant execute on function demo.record_edit, demo.forget_edits to demo_owner;

set local role demo_owner;
revoke create on schema demo from demo_guard;

create or replace trigger tenant_metadata_forget_edits
    after update of deleted_at on demo.tenant_metadata
    for each row when (new.deleted_at is not null) execute function demo.forget_edits();

do $triggers$
declare
    v_table text;
begin
    foreach v_table in array array['companies', 'contacts', 'deals', 'activities'] loop
        -- The whole row, so that a CRM's own columns count as well, and can be altered and dropped. Compared
        -- byte by byte, since not every type has an equality operator.
        execute format('create or replace trigger %I after update on crm.%I for each row'
                       ' when (old.demo_generated and old.* operator(pg_catalog.*<>) new.*)'
                       ' execute function demo.record_edit()', v_table || '_record_edit', v_table);
    end loop;
end
$triggers$;

-- Provenance is written once, and with the month that the row lies in then. The owners of the data may still
-- take it away or correct it.
create or replace function demo.keep_provenance() returns trigger
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

-- A way back for administrators after DROP OWNED BY demo_loader, which takes the loader's policies away.
create or replace function demo.restore_loader_policies() returns void
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
select demo.restore_loader_policies();
