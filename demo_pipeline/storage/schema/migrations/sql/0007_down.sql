-- squawk-ignore-file ban-drop-function, ban-drop-trigger
-- squawk-ignore-file require-concurrent-index-deletion
--   back to 0006: the functions are as they were before
--
-- The functions as they were, without planner settings and checks of documents.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

set local role demo_owner;
drop index if exists crm.contacts_company_ref_idx, crm.deals_contact_ref_idx, crm.deals_company_ref_idx,
    crm.activities_contact_ref_idx, crm.activities_deal_ref_idx, crm.activities_company_ref_idx,
    crm.contact_tags_contact_ref_idx;
drop trigger if exists tenant_metadata_readable on demo.tenant_metadata;
drop trigger if exists tenant_months_readable on demo.tenant_months;
drop trigger if exists job_months_readable on demo.job_months;
drop trigger if exists job_ledger_readable on demo.job_ledger;

grant create on schema demo to demo_guard;
set local role demo_guard;

-- The end of a demo tenant, for administrators: all of its rows in crm, at once. Waits for its job, as long
-- as lock_timeout allows. Its history in schema demo stays. Returns rows by table.
create or replace function demo.delete_tenant(p_tenant uuid, p_requested_by text) returns jsonb
    language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_tenant demo.tenant_metadata;
    v_table text;
    v_count bigint;
    v_counts jsonb := '{}';
begin
    if not exists (
        select from demo.tenant_metadata m where m.tenant_id = p_tenant and m.deleted_at is null
    ) then
        raise exception 'tenant % is not a demo tenant', p_tenant using errcode = 'DP001';
    end if;
    perform pg_advisory_xact_lock(demo.tenant_lock_key(p_tenant));
    v_tenant := demo.lock_tenant(p_tenant);
    update demo.job_attempts a
    set status = 'failed', error_code = 'interrupted', error_message = 'the process ended before the job',
        ended_at = clock_timestamp()
    from demo.job_ledger l
    where l.tenant_id = p_tenant and l.status = 'running' and a.job_id = l.id and a.status = 'running';
    update demo.job_ledger l
    set status = 'failed', error_code = 'tenant_deleted', error_message = 'the tenant was deleted'
    where l.tenant_id = p_tenant and l.status in ('pending', 'running');
    foreach v_table in array array['activities', 'deals', 'contact_tags', 'contacts', 'companies', 'tags',
                                   'pipeline_stages', 'users'] loop
        execute format('delete from crm.%I where tenant_id = $1', v_table) using p_tenant;
        get diagnostics v_count = row_count;
        v_counts := v_counts || jsonb_build_object(v_table, v_count);
    end loop;
    delete from crm.tenants t where t.id = p_tenant;
    update demo.tenant_metadata m set deleted_at = clock_timestamp() where m.tenant_id = p_tenant;
    insert into demo.audit_log (event, tenant_id, slug, detail)
    values ('TENANT_DELETED', p_tenant, v_tenant.slug, jsonb_build_object(
        'incarnation', v_tenant.incarnation, 'requested_by', p_requested_by, 'rows', v_counts));
    return v_counts;
end
$$;

-- What a job must know of its tenant, in one answer of one moment; null: not a demo tenant.
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
        'changes', coalesce((
            select jsonb_agg(jsonb_build_object(
                'month', c.month, 'leads_created', c.leads_created, 'contacts_created', c.contacts_created,
                'companies_created', c.companies_created, 'deals_created', c.deals_created,
                'closed_won_count', c.closed_won_count, 'closed_won_value', c.closed_won_value::text,
                'pipeline_added_value', c.pipeline_added_value::text,
                'activities_created', c.activities_created) order by c.month)
            from (
                select h.month, sum(h.leads_created)::bigint as leads_created,
                    sum(h.contacts_created)::bigint as contacts_created,
                    sum(h.companies_created)::bigint as companies_created,
                    sum(h.deals_created)::bigint as deals_created,
                    sum(h.closed_won_count)::bigint as closed_won_count,
                    sum(h.closed_won_value) as closed_won_value,
                    sum(h.pipeline_added_value) as pipeline_added_value,
                    sum(h.activities_created)::bigint as activities_created
                from demo.job_months h where h.tenant_id = p_tenant group by h.month
            ) c), '[]'),
        'jobs', coalesce((
            select jsonb_agg(jsonb_build_object(
                'job_id', l.id, 'kind', l.kind, 'mode', l.mode, 'plan_type', l.plan_type,
                'status', l.status, 'ordinal', l.ordinal, 'number', l.number,
                'range_start_month', l.range_start_month, 'range_end_month', l.range_end_month,
                'as_of', l.as_of, 'undone_by', l.undone_by, 'seed', l.seed,
                'companies_created', coalesce((l.metrics -> 'created' ->> 'companies')::bigint, 0))
                order by l.number)
            from demo.job_ledger l where l.tenant_id = p_tenant), '[]'))
    from demo.tenant_metadata m
    join crm.tenants t on t.id = m.tenant_id
    where m.tenant_id = p_tenant and m.deleted_at is null
$$;

do $planner$
declare
    v_function regprocedure;
begin
    for v_function in
        select p.oid::regprocedure from pg_catalog.pg_proc p
        where p.pronamespace = 'demo'::regnamespace and p.prosecdef and p.proname <> 'tenant_lock_key'
            and p.proowner = 'demo_guard'::regrole
    loop
        execute format('alter function %s reset enable_seqscan', v_function);
        execute format('alter function %s reset plan_cache_mode', v_function);
    end loop;
end
$planner$;

drop function if exists demo.refuse_unreadable_tenant, demo.refuse_unreadable_month, demo.refuse_unreadable_job,
    demo.job_problems, demo.plan_problems, demo.figures_problems, demo.minor_digits, demo.is_instant,
    demo.is_month, demo.is_text, demo.is_whole, demo.row_count;

set local role demo_owner;
revoke create on schema demo from demo_guard;
