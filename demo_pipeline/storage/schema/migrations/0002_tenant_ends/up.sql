-- Closed and living tenants, extensions, and the versions of lists and generator that made a month.

set local lock_timeout = '5s';
set local statement_timeout = '300s';

-- Lists and generator, "2026.11/2026.11", of the rows of a month; the earlier version first.
alter table demo.tenant_months add column versions text[] not null default '{}';

grant create on schema demo to demo_guard;
set local role demo_guard;

-- Last in the data transaction: the claim ends here. p_months: [{"month", "loaded_as_of", "is_whole",
-- "versions" and the eight metrics}], the state of the blueprint's rows that replaces what was recorded. p_changes:
-- [{"month", and metrics}], what this job changes of what is expected. p_blueprint_metrics: of the
-- blueprint's job that was claimed beside this one.
create or replace function demo.finish_job(
    p_job uuid, p_before jsonb, p_after jsonb, p_diff jsonb, p_metrics jsonb, p_months jsonb,
    p_changes jsonb, p_blueprint_metrics jsonb
) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp
    set enable_seqscan = off set plan_cache_mode = force_generic_plan
as $$
declare
    v_tenant uuid;
    v_beside uuid;
    v_attempt integer;
    v_job demo.job_ledger;
begin
    select m.tenant_id, m.claim_blueprint_job_id into v_tenant, v_beside
    from demo.current_claim() c join demo.tenant_metadata m on m.tenant_id = c.tenant_id
    where c.job_id = p_job;
    if not found then
        raise exception 'job % is not claimed by this transaction', p_job using errcode = 'DP005';
    end if;
    update demo.job_ledger l
    set status = 'completed', before_kpis = p_before, after_kpis = p_after, diff_report = p_diff,
        metrics = p_metrics, completed_at = clock_timestamp(),
        seconds = extract(epoch from clock_timestamp() - l.started_at)
    where l.id = p_job and l.status = 'running'
    returning l.* into v_job;
    if not found then
        raise exception 'job % is not running', p_job using errcode = 'DP005';
    end if;
    update demo.job_attempts a set status = 'completed', ended_at = clock_timestamp()
    where a.job_id = p_job and a.status = 'running';
    if v_beside is not null then
        update demo.job_ledger l
        set status = 'completed', metrics = p_blueprint_metrics, as_of = v_job.as_of,
            error_code = null, error_message = null, requested_by = v_job.requested_by,
            dagster_run_id = v_job.dagster_run_id, started_at = v_job.started_at,
            completed_at = clock_timestamp(), seconds = extract(epoch from clock_timestamp() - v_job.started_at)
        where l.id = v_beside;
        select coalesce(max(a.attempt), 0) + 1 into v_attempt
        from demo.job_attempts a where a.job_id = v_beside;
        insert into demo.job_attempts (
            job_id, attempt, status, started_at, ended_at, backend_pid, requested_by, dagster_run_id)
        values (v_beside, v_attempt, 'completed', v_job.started_at, clock_timestamp(), pg_backend_pid(),
                v_job.requested_by, v_job.dagster_run_id);
    end if;
    insert into demo.tenant_months as t (
        tenant_id, month, loaded_as_of, is_whole, versions, leads_created, contacts_created, companies_created,
        deals_created, closed_won_count, closed_won_value, pipeline_added_value, activities_created)
    select v_tenant, r.month, r.loaded_as_of, r.is_whole, coalesce(r.versions, '{}'),
        coalesce(r.leads_created, 0), coalesce(r.contacts_created, 0), coalesce(r.companies_created, 0),
        coalesce(r.deals_created, 0), coalesce(r.closed_won_count, 0), coalesce(r.closed_won_value, 0),
        coalesce(r.pipeline_added_value, 0), coalesce(r.activities_created, 0)
    from jsonb_to_recordset(coalesce(p_months, '[]')) as r (
        month text, loaded_as_of timestamptz, is_whole boolean, versions text[], leads_created bigint,
        contacts_created bigint, companies_created bigint, deals_created bigint, closed_won_count bigint,
        closed_won_value numeric, pipeline_added_value numeric, activities_created bigint)
    on conflict (tenant_id, month) do update set
        loaded_as_of = excluded.loaded_as_of, is_whole = excluded.is_whole, versions = excluded.versions,
        leads_created = excluded.leads_created, contacts_created = excluded.contacts_created,
        companies_created = excluded.companies_created, deals_created = excluded.deals_created,
        closed_won_count = excluded.closed_won_count, closed_won_value = excluded.closed_won_value,
        pipeline_added_value = excluded.pipeline_added_value,
        activities_created = excluded.activities_created;
    insert into demo.job_months (
        tenant_id, job_id, month, leads_created, contacts_created, companies_created, deals_created,
        closed_won_count, closed_won_value, pipeline_added_value, activities_created)
    select v_tenant, p_job, r.month,
        coalesce(r.leads_created, 0), coalesce(r.contacts_created, 0), coalesce(r.companies_created, 0),
        coalesce(r.deals_created, 0), coalesce(r.closed_won_count, 0), coalesce(r.closed_won_value, 0),
        coalesce(r.pipeline_added_value, 0), coalesce(r.activities_created, 0)
    from jsonb_to_recordset(coalesce(p_changes, '[]')) as r (
        month text, leads_created bigint, contacts_created bigint, companies_created bigint,
        deals_created bigint, closed_won_count bigint, closed_won_value numeric,
        pipeline_added_value numeric, activities_created bigint);
    -- Transaction and time stay: one claim per transaction, also after its end.
    update demo.tenant_metadata m set claim_job_id = null, claim_blueprint_job_id = null
    where m.tenant_id = v_tenant;
end
$$;

-- Within the claim of an undo: its job undid another one (is_undone), or redid it. Jobs that only deleted rows
-- can be undone as well.
create or replace function demo.mark_undone(p_job uuid, p_other uuid, p_is_undone boolean) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp
    set enable_seqscan = off set plan_cache_mode = force_generic_plan
as $$
declare
    v_tenant uuid;
begin
    select c.tenant_id into v_tenant from demo.current_claim() c where c.job_id = p_job;
    if not found then
        raise exception 'job % is not claimed by this transaction', p_job using errcode = 'DP005';
    end if;
    if not exists (select from demo.job_ledger l where l.id = p_job and l.kind = 'undo') then
        raise exception 'job % is not an undo', p_job using errcode = 'DP005';
    end if;
    update demo.job_ledger l set undone_by = case when p_is_undone then p_job end
    where l.id = p_other and l.tenant_id = v_tenant and l.status = 'completed'
        and l.kind in ('patch', 'undo', 'repair', 'dedupe', 'cleanup', 'extend')
        and (l.undone_by is null) = p_is_undone;
    if not found then
        raise exception 'job % cannot be marked', p_other using errcode = 'DP005';
    end if;
end
$$;

-- A plan says whether its tenant is closed, and since which month.
create or replace function demo.refuse_unreadable_tenant() returns trigger
    language plpgsql security definer set search_path = pg_catalog, pg_temp
    set enable_seqscan = off set plan_cache_mode = force_generic_plan
as $$
declare
    v_tenant crm.tenants;
    v_problems text[] := demo.plan_problems(new.plan);
begin
    if cardinality(v_problems) = 0 then
        select t.* into v_tenant from crm.tenants t where t.id = new.tenant_id;
        select v_problems || coalesce(array_agg(k.name || ' of the plan is not the tenant''s'), '{}')
        into v_problems
        from (values
            ('slug', new.slug), ('seed', new.seed), ('lists_version', new.lists_version),
            ('name', v_tenant.name), ('country', v_tenant.country), ('timezone', v_tenant.timezone),
            ('currency', v_tenant.currency), ('industry', v_tenant.industry)
        ) as k (name, value)
        where new.plan ->> k.name is distinct from k.value;
    end if;
    select v_problems || coalesce(array_agg('blueprint.' || k.name || ' is not a text'), '{}')
    into v_problems
    from unnest(array['name', 'country', 'industry']) as k (name)
    where jsonb_typeof(new.blueprint -> k.name) is distinct from 'string';
    if not (demo.is_instant(new.provisioned_at) and demo.is_instant(v_tenant.created_at)) then
        v_problems := v_problems || 'an instant is not from 2000 to 2199'::text;
    end if;
    if not coalesce(
        new.plan -> 'closed_month' = 'null'
        or demo.is_text(new.plan -> 'closed_month', '') and demo.is_month(new.plan ->> 'closed_month'), false
    ) then
        v_problems := v_problems || 'closed_month is not a month or null'::text;
    end if;
    if cardinality(v_problems) > 0 then
        raise exception 'tenant % cannot be stored: %', new.slug, array_to_string(v_problems[1:20], '; ')
            using errcode = 'DP006';
    end if;
    return new;
end
$$;

set local role demo_owner;
revoke create on schema demo from demo_guard;

-- A tenant from before this revision is closed at the later of its span's end and its last loaded month.
do $tenants$
declare
    v_tenant record;
begin
    for v_tenant in select m.tenant_id, m.lists_version, m.plan from demo.tenant_metadata m loop
        begin
            update demo.tenant_months h set versions = array[v_tenant.lists_version || '/2026.11']
            where h.tenant_id = v_tenant.tenant_id;
            update demo.tenant_metadata m
            set plan = m.plan || jsonb_build_object('closed_month', greatest(
                to_char(to_date(m.plan ->> 'start_month', 'YYYY-MM')
                        + (jsonb_array_length(m.plan -> 'figures') - 1) * interval '1 month', 'YYYY-MM'),
                (select max(h.month) from demo.tenant_months h where h.tenant_id = m.tenant_id)))
            where m.tenant_id = v_tenant.tenant_id;
        exception
            -- Its stored documents cannot be read: verify reports it, and it can be deleted.
            when sqlstate 'DP006' or data_exception then null;
        end;
    end loop;
end
$tenants$;
