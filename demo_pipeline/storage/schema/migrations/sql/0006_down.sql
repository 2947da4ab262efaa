-- squawk-ignore-file ban-drop-function, ban-drop-table, require-concurrent-index-deletion
-- squawk-ignore-file disallowed-unique-constraint, constraint-missing-not-valid
--   back to 0005: recorded edits are lost, and the downgrade asks first
--
-- The checks come back as NOT VALID: rows that people changed stay as they are.

set local lock_timeout = '5s';
set local statement_timeout = '300s';

set local role demo_owner;
drop trigger companies_record_edit on crm.companies;
drop trigger contacts_record_edit on crm.contacts;
drop trigger deals_record_edit on crm.deals;
drop trigger activities_record_edit on crm.activities;
drop trigger tenant_metadata_forget_edits on demo.tenant_metadata;
drop function demo.record_edit, demo.forget_edits;
drop table demo.edited_rows;

do $policies$
declare
    v_table text;
    v_later text;
    -- One InitPlan per statement; as a plain call it would run for every row.
    v_tenant constant text := '(select c.tenant_id from demo.current_claim() c)';
begin
    foreach v_table in array array['companies', 'contacts', 'deals', 'activities'] loop
        v_later := case v_table
            when 'deals' then ' and closed_at >= created_at'
            when 'activities' then ' and completed_at >= created_at'
            else '' end;
        execute format('alter policy loader_update on crm.%I with check (tenant_id = %s)', v_table, v_tenant);
        execute format('alter policy loader_insert on crm.%I with check (demo_generated and tenant_id = %s'
                       ' and demo_job_id = any ((select demo.claimed_jobs())::uuid[]))', v_table, v_tenant);
        execute format('alter table crm.%1$I drop constraint %2$I, add constraint %2$I check (not demo_generated or ('
                       'demo_job_id is not null and demo_source_month is not null'
                       ' and demo_source_month = to_char(created_at at time zone ''UTC'', ''YYYY-MM''))) not valid',
                       v_table, v_table || '_provenance_check');
        execute format('alter table crm.%I add constraint %I check (not demo_generated or ('
                       'updated_at >= created_at and deleted_at >= created_at%s)) not valid',
                       v_table, v_table || '_time_check', v_later);
    end loop;
end
$policies$;

-- Of a tag that was removed and set again only one row fits: the living one, or the one removed last.
delete from crm.contact_tags r using crm.contact_tags o
where o.tenant_id = r.tenant_id and o.contact_id = r.contact_id and o.tag_id = r.tag_id and o.id <> r.id
    and r.deleted_at is not null
    and (o.deleted_at is null or (o.deleted_at, o.id) > (r.deleted_at, r.id));
drop index crm.contact_tags_living_key;
alter table crm.contact_tags
    add constraint contact_tags_contact_tag_key unique (tenant_id, contact_id, tag_id);

create or replace function demo.keep_provenance() returns trigger
    language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
    if (old.demo_generated or old.demo_job_id is not null or old.demo_source_month is not null)
       and (old.demo_generated, old.demo_job_id, old.demo_source_month)
           is distinct from (new.demo_generated, new.demo_job_id, new.demo_source_month)
       and not pg_catalog.pg_has_role(current_user, 'demo_owner', 'USAGE') then
        raise exception 'provenance of %.% is written once', tg_table_name, old.id
            using errcode = 'insufficient_privilege';
    end if;
    return new;
end
$$;

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
    foreach v_table in array array['users', 'pipeline_stages', 'tags', 'companies', 'contacts', 'contact_tags',
                                   'deals', 'activities'] loop
        execute format('drop policy if exists loader_select on crm.%I', v_table);
        execute format('drop policy if exists loader_update on crm.%I', v_table);
        execute format('drop policy if exists loader_insert on crm.%I', v_table);
        execute format('create policy loader_select on crm.%I for select to demo_loader'
                       ' using (tenant_id = %s)', v_table, v_tenant);
        execute format('create policy loader_update on crm.%I for update to demo_loader'
                       ' using (tenant_id = %2$s) with check (tenant_id = %2$s)', v_table, v_tenant);
        if v_table in ('companies', 'contacts', 'deals', 'activities') then
            execute format('create policy loader_insert on crm.%I for insert to demo_loader with check ('
                           'demo_generated and tenant_id = %s'
                           ' and demo_job_id = any ((select demo.claimed_jobs())::uuid[]))', v_table, v_tenant);
        else
            execute format('create policy loader_insert on crm.%I for insert to demo_loader'
                           ' with check (tenant_id = %s)', v_table, v_tenant);
        end if;
    end loop;
end
$$;
