-- squawk-ignore-file ban-drop-function, ban-drop-table, ban-drop-column
-- squawk-ignore-file require-concurrent-index-deletion
--   back to 0001: what completed patches and undos changed is lost, and the downgrade asks first
--
-- The functions as they were in 0001.

set local lock_timeout = '5s';
set local statement_timeout = '300s';

set local role demo_owner;
do $policies$
declare
    v_table text;
begin
    foreach v_table in array array['companies', 'contacts', 'deals', 'activities'] loop
        execute format(
            'alter policy loader_insert on crm.%I with check (demo_generated'
            ' and (tenant_id, demo_job_id) = (select c.tenant_id, c.job_id from demo.current_claim() c))',
            v_table);
    end loop;
    foreach v_table in array array['tenants', 'users', 'pipeline_stages', 'tags', 'companies', 'contacts',
                                   'contact_tags', 'deals', 'activities'] loop
        execute format('drop policy guard_delete on crm.%I', v_table);
        if v_table <> 'tenants' then
            execute format('drop policy guard_select on crm.%I', v_table);
        end if;
    end loop;
end
$policies$;
revoke delete on crm.tenants from demo_guard;
revoke select, delete on crm.users, crm.pipeline_stages, crm.tags, crm.contact_tags, crm.companies,
    crm.contacts, crm.deals, crm.activities from demo_guard;
drop function demo.claimed_jobs, demo.claim_job, demo.finish_job, demo.mark_undone, demo.admit_request,
    demo.delete_tenant;
drop table demo.job_months, demo.requests;
drop index crm.activities_company_idx;
alter table demo.tenant_metadata drop column claim_blueprint_job_id;

grant create on schema demo to demo_guard;
set local role demo_guard;

create function demo.claim_job(p_tenant uuid, p_job uuid) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_status text;
begin
    perform demo.lock_tenant(p_tenant);
    if exists (
        select from demo.tenant_metadata m
        where m.claim_xid = pg_current_xact_id_if_assigned() and m.claim_at = now()
    ) then
        raise exception 'this transaction has had its claim' using errcode = 'DP005';
    end if;
    select l.status into v_status from demo.job_ledger l where l.id = p_job and l.tenant_id = p_tenant;
    if v_status = 'completed' then
        raise exception 'job % is completed', p_job using errcode = 'DP002';
    elsif v_status is distinct from 'running' then
        raise exception 'job % of tenant % is not running', p_job, p_tenant using errcode = 'DP005';
    end if;
    update demo.tenant_metadata m
    set claim_job_id = p_job, claim_xid = pg_current_xact_id(), claim_at = now()
    where m.tenant_id = p_tenant;
end
$$;

create function demo.finish_job(
    p_job uuid, p_before jsonb, p_after jsonb, p_diff jsonb, p_metrics jsonb, p_months jsonb
) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_tenant uuid;
begin
    select c.tenant_id into v_tenant from demo.current_claim() c where c.job_id = p_job;
    if not found then
        raise exception 'job % is not claimed by this transaction', p_job using errcode = 'DP005';
    end if;
    update demo.job_ledger l
    set status = 'completed', before_kpis = p_before, after_kpis = p_after, diff_report = p_diff,
        metrics = p_metrics, completed_at = clock_timestamp(),
        seconds = extract(epoch from clock_timestamp() - l.started_at)
    where l.id = p_job and l.status = 'running';
    if not found then
        raise exception 'job % is not running', p_job using errcode = 'DP005';
    end if;
    update demo.job_attempts a set status = 'completed', ended_at = clock_timestamp()
    where a.job_id = p_job and a.status = 'running';
    insert into demo.tenant_months as t (
        tenant_id, month, loaded_as_of, is_whole, leads_created, contacts_created, companies_created,
        deals_created, closed_won_count, closed_won_value, pipeline_added_value, activities_created)
    select v_tenant, r.month, r.loaded_as_of, r.is_whole,
        coalesce(r.leads_created, 0), coalesce(r.contacts_created, 0), coalesce(r.companies_created, 0),
        coalesce(r.deals_created, 0), coalesce(r.closed_won_count, 0), coalesce(r.closed_won_value, 0),
        coalesce(r.pipeline_added_value, 0), coalesce(r.activities_created, 0)
    from jsonb_to_recordset(coalesce(p_months, '[]')) as r (
        month text, loaded_as_of timestamptz, is_whole boolean, leads_created bigint,
        contacts_created bigint, companies_created bigint, deals_created bigint, closed_won_count bigint,
        closed_won_value numeric, pipeline_added_value numeric, activities_created bigint)
    on conflict (tenant_id, month) do update set
        loaded_as_of = excluded.loaded_as_of, is_whole = excluded.is_whole,
        leads_created = excluded.leads_created, contacts_created = excluded.contacts_created,
        companies_created = excluded.companies_created, deals_created = excluded.deals_created,
        closed_won_count = excluded.closed_won_count, closed_won_value = excluded.closed_won_value,
        pipeline_added_value = excluded.pipeline_added_value,
        activities_created = excluded.activities_created;
    -- Transaction and time stay: one claim per transaction, also after its end.
    update demo.tenant_metadata m set claim_job_id = null where m.tenant_id = v_tenant;
end
$$;

create or replace function demo.tenant_state(p_tenant uuid) returns jsonb
    language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
    select jsonb_build_object(
        'tenant', jsonb_build_object(
            'tenant_id', t.id, 'slug', t.slug, 'name', t.name, 'country', t.country,
            'timezone', t.timezone, 'currency', t.currency, 'industry', t.industry,
            'created_at', t.created_at, 'incarnation', m.incarnation, 'seed', m.seed,
            'lists_version', m.lists_version, 'blueprint', m.blueprint, 'plan', m.plan,
            'excluded_from_analytics', m.excluded_from_analytics, 'provisioned_at', m.provisioned_at,
            'next_job_number', m.next_job_number),
        'months', coalesce((
            -- Money as text: in JSON numbers it would pass through floating point.
            select jsonb_agg(to_jsonb(h) - 'tenant_id' || jsonb_build_object(
                'closed_won_value', h.closed_won_value::text,
                'pipeline_added_value', h.pipeline_added_value::text) order by h.month)
            from demo.tenant_months h where h.tenant_id = p_tenant), '[]'),
        'jobs', coalesce((
            select jsonb_agg(jsonb_build_object(
                'job_id', l.id, 'kind', l.kind, 'mode', l.mode, 'plan_type', l.plan_type,
                'status', l.status, 'ordinal', l.ordinal, 'number', l.number,
                'range_start_month', l.range_start_month, 'range_end_month', l.range_end_month,
                'as_of', l.as_of, 'undone_by', l.undone_by) order by l.number)
            from demo.job_ledger l where l.tenant_id = p_tenant), '[]'))
    from demo.tenant_metadata m
    join crm.tenants t on t.id = m.tenant_id
    where m.tenant_id = p_tenant and m.deleted_at is null
$$;

revoke all on function demo.claim_job, demo.finish_job from public;
grant execute on function demo.claim_job, demo.finish_job to demo_loader;
set local role demo_owner;
revoke create on schema demo from demo_guard;
