-- The guard: the only way to demo tenants, their ledger and the right to write rows.
--
-- A claim is a row written inside the job's own transaction, bound to its transaction id and start, and
-- only demo.claim_job() writes it. No setting and no lock grants anything. Every function runs as
-- demo_guard with a fixed search path; EXECUTE is for demo_loader alone (0001_access.sql).
--
-- SQLSTATEs: DP001 not a demo tenant; DP002 the job is completed; DP003 another session holds the tenant;
-- DP004 the tenant exists already; DP005 the call does not fit the state of the job.

set local lock_timeout = '5s';
set local statement_timeout = '300s';

grant usage on schema crm, demo to demo_guard;
grant create on schema demo to demo_guard;
set local role demo_guard;

-- Scheduling lock of a tenant: orders the queue and tells who is alive, grants nothing.
create function demo.tenant_lock_key(p_tenant uuid) returns bigint
    language sql immutable strict security definer set search_path = pg_catalog, pg_temp
as $$ select hashtextextended('demo tenant ' || p_tenant::text, 0) $$;

create function demo.current_claim() returns table (tenant_id uuid, job_id uuid)
    language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
    -- The time too: a restored dump may hold a transaction id that comes round again.
    select m.tenant_id, m.claim_job_id
    from demo.tenant_metadata m
    where m.claim_xid = pg_current_xact_id_if_assigned() and m.claim_at = now()
        and m.claim_job_id is not null and m.deleted_at is null
$$;

-- Locks a demo tenant's metadata row; every function that changes something comes through here first.
create function demo.lock_tenant(p_tenant uuid) returns demo.tenant_metadata
    language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_tenant demo.tenant_metadata;
begin
    select m.* into v_tenant from demo.tenant_metadata m
    where m.tenant_id = p_tenant and m.deleted_at is null
    for no key update;
    if not found then
        raise exception 'tenant % is not a demo tenant', p_tenant using errcode = 'DP001';
    end if;
    return v_tenant;
end
$$;

create function demo.provision_tenant(
    p_tenant uuid, p_slug text, p_name text, p_country text, p_timezone text, p_currency text,
    p_industry text, p_incarnation integer, p_seed text, p_lists_version text, p_blueprint jsonb,
    p_plan jsonb, p_created_at timestamptz, p_provisioned_at timestamptz, p_excluded boolean,
    p_requested_by text
) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_expected integer;
    v_other record;
begin
    insert into crm.tenants (id, slug, name, country, timezone, currency, industry, created_at, updated_at)
    values (p_tenant, p_slug, p_name, p_country, p_timezone, p_currency, p_industry,
            p_created_at, p_created_at)
    on conflict do nothing;
    if not found then
        select t.slug, exists (
            select from demo.tenant_metadata m where m.tenant_id = t.id and m.deleted_at is null
        ) as is_demo
        into v_other
        from crm.tenants t where t.id = p_tenant or t.slug = p_slug
        order by t.id = p_tenant desc limit 1;
        if v_other.is_demo then
            raise exception 'demo tenant % exists already', v_other.slug using errcode = 'DP004';
        end if;
        raise exception 'tenant % exists and is not a demo tenant', p_slug using errcode = 'DP001';
    end if;
    select coalesce(max(m.incarnation), 0) + 1 into v_expected
    from demo.tenant_metadata m where m.slug = p_slug;
    if p_incarnation is distinct from v_expected then
        raise exception 'the next incarnation of % is %, not %', p_slug, v_expected, p_incarnation
            using errcode = 'DP005';
    end if;
    insert into demo.tenant_metadata (
        tenant_id, slug, incarnation, blueprint, plan, seed, lists_version, excluded_from_analytics,
        requested_by, provisioned_at)
    values (p_tenant, p_slug, p_incarnation, p_blueprint, p_plan, p_seed, p_lists_version,
            coalesce(p_excluded, true), p_requested_by, p_provisioned_at)
    on conflict do nothing;
    if not found then
        raise exception 'demo tenant % exists already', p_slug using errcode = 'DP004';
    end if;
    insert into demo.audit_log (event, tenant_id, slug, detail)
    values ('TENANT_PROVISIONED', p_tenant, p_slug,
            jsonb_build_object('incarnation', p_incarnation, 'requested_by', p_requested_by));
end
$$;

-- Makes the job pending, or finds it as it is. Returns its number within the tenant.
create function demo.register_job(
    p_tenant uuid, p_job uuid, p_kind text, p_mode text, p_plan_type text, p_plan jsonb, p_seed text,
    p_ordinal integer, p_first_month text, p_last_month text, p_tolerances jsonb, p_as_of timestamptz,
    p_requested_by text
) returns integer
    language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_tenant demo.tenant_metadata := demo.lock_tenant(p_tenant);
    v_job demo.job_ledger;
begin
    select l.* into v_job from demo.job_ledger l where l.id = p_job;
    if found then
        if v_job.tenant_id <> p_tenant or v_job.kind <> p_kind or v_job.ordinal <> p_ordinal
           or v_job.seed is distinct from p_seed or v_job.mode is distinct from p_mode
           or v_job.plan_type is distinct from p_plan_type then
            raise exception 'job % is another job', p_job using errcode = 'DP005';
        end if;
        return v_job.number;
    end if;
    insert into demo.job_ledger (
        id, tenant_id, incarnation, number, ordinal, kind, mode, plan_type, plan, seed,
        range_start_month, range_end_month, tolerances, as_of, requested_by)
    values (
        p_job, p_tenant, v_tenant.incarnation, v_tenant.next_job_number, p_ordinal, p_kind, p_mode,
        p_plan_type, p_plan, p_seed, p_first_month, p_last_month, p_tolerances, p_as_of, p_requested_by);
    insert into demo.job_progress (job_id) values (p_job);
    update demo.tenant_metadata m set next_job_number = m.next_job_number + 1 where m.tenant_id = p_tenant;
    return v_tenant.next_job_number;
end
$$;

-- In a short transaction of its own, under the scheduling lock: ends what was abandoned and opens a new
-- attempt. No row: the job is completed and there is nothing to do.
create function demo.begin_job(
    p_tenant uuid, p_job uuid, p_kind text, p_mode text, p_plan_type text, p_plan jsonb, p_seed text,
    p_ordinal integer, p_first_month text, p_last_month text, p_tolerances jsonb, p_as_of timestamptz,
    p_requested_by text, p_dagster_run_id text
) returns table (attempt integer, number integer)
    language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_attempt integer;
    v_number integer;
begin
    perform demo.lock_tenant(p_tenant);
    -- Whoever runs a job holds this lock; so nobody is told dead who is alive.
    if not pg_try_advisory_xact_lock(demo.tenant_lock_key(p_tenant)) then
        raise exception 'another session holds tenant %', p_tenant using errcode = 'DP003';
    end if;
    update demo.job_attempts a
    set status = 'failed', error_code = 'interrupted', error_message = 'the process ended before the job',
        ended_at = clock_timestamp()
    from demo.job_ledger l
    where l.tenant_id = p_tenant and l.status = 'running' and a.job_id = l.id and a.status = 'running';
    update demo.job_ledger l
    set status = 'failed', error_code = 'interrupted', error_message = 'the process ended before the job',
        seconds = null
    where l.tenant_id = p_tenant and l.status = 'running';

    v_number := demo.register_job(
        p_tenant, p_job, p_kind, p_mode, p_plan_type, p_plan, p_seed, p_ordinal, p_first_month,
        p_last_month, p_tolerances, p_as_of, p_requested_by);
    update demo.job_ledger l
    set status = 'running', plan = p_plan, range_start_month = p_first_month,
        range_end_month = p_last_month, tolerances = p_tolerances, as_of = p_as_of,
        requested_by = p_requested_by, dagster_run_id = p_dagster_run_id,
        error_code = null, error_message = null, seconds = null,
        started_at = clock_timestamp(), completed_at = null
    where l.id = p_job and l.status in ('pending', 'failed');
    if not found then
        return;
    end if;
    select coalesce(max(a.attempt), 0) + 1 into v_attempt from demo.job_attempts a where a.job_id = p_job;
    insert into demo.job_attempts (job_id, attempt, started_at, backend_pid, requested_by, dagster_run_id)
    values (p_job, v_attempt, clock_timestamp(), pg_backend_pid(), p_requested_by, p_dagster_run_id);
    update demo.job_progress p
    set progress = 0, current_step = 'begun', updated_at = clock_timestamp()
    where p.job_id = p_job;
    return query select v_attempt, v_number;
end
$$;

-- First in the data transaction. From here to finish_job this transaction, and no other, may write rows
-- of this tenant under this job.
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

-- Rows that nobody finished, and so nobody verified, cannot be committed.
create function demo.refuse_open_claim() returns trigger
    language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
    if exists (select from demo.current_claim() c where c.tenant_id = new.tenant_id) then
        raise exception 'job % is claimed and not finished: finish it or roll back', new.claim_job_id
            using errcode = 'DP005';
    end if;
    return null;
end
$$;

-- Last in the data transaction: the claim ends here. p_months: [{"month", "loaded_as_of", "is_whole", and
-- the eight metrics}], the state of the blueprint's rows that replaces what was recorded.
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

-- In a transaction of its own, after the roll-back of the data. False: that attempt is no longer the
-- running one, and nothing was changed.
create function demo.fail_job(
    p_tenant uuid, p_job uuid, p_attempt integer, p_error_code text, p_error_message text
) returns boolean
    language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
    perform demo.lock_tenant(p_tenant);
    if exists (select from demo.current_claim()) then
        raise exception 'roll the data back first' using errcode = 'DP005';
    end if;
    update demo.job_attempts a
    set status = 'failed', error_code = p_error_code, error_message = p_error_message,
        ended_at = clock_timestamp()
    from demo.job_ledger l
    where l.id = p_job and l.tenant_id = p_tenant and l.status = 'running'
        and a.job_id = p_job and a.attempt = p_attempt and a.status = 'running';
    if not found then
        return false;
    end if;
    update demo.job_ledger l
    set status = 'failed', error_code = p_error_code, error_message = p_error_message,
        seconds = extract(epoch from clock_timestamp() - l.started_at)
    where l.id = p_job;
    return true;
end
$$;

-- On a second connection, while the job runs. Never waits for the data transaction.
create function demo.report_progress(p_job uuid, p_progress integer, p_step text) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
    update demo.job_progress p
    set progress = least(greatest(p_progress, 0), 100), current_step = p_step,
        updated_at = clock_timestamp()
    where p.job_id = p_job
        and exists (select from demo.job_ledger l where l.id = p_job and l.status = 'running');
end
$$;

create function demo.audit(p_event text, p_tenant uuid, p_slug text, p_job uuid, p_detail jsonb) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
    insert into demo.audit_log (event, tenant_id, slug, job_id, detail)
    values (p_event, p_tenant, p_slug, p_job, p_detail);
end
$$;

-- {"tenant_id", "is_demo", "last_incarnation"} of the living tenant of that name and of the demos that
-- had it; tenant_id null: no living tenant; is_demo false: a real one, of which no more is told.
create function demo.find_tenant(p_slug text) returns jsonb
    language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
    select jsonb_build_object(
        'tenant_id', case when m.tenant_id is not null then t.id end,
        'exists', t.id is not null,
        'is_demo', m.tenant_id is not null,
        'last_incarnation', coalesce(
            (select max(h.incarnation) from demo.tenant_metadata h where h.slug = p_slug), 0))
    from (values (p_slug)) as asked (slug)
    left join crm.tenants t on t.slug = asked.slug
    left join demo.tenant_metadata m on m.tenant_id = t.id and m.deleted_at is null
$$;

-- What a job must know of its tenant, in one answer of one moment; null: not a demo tenant.
create function demo.tenant_state(p_tenant uuid) returns jsonb
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

create function demo.schema_revision() returns text
    language sql stable security definer set search_path = pg_catalog, pg_temp
as $$ select v.version_num from demo.alembic_version v $$;

revoke all on function
    demo.tenant_lock_key, demo.current_claim, demo.lock_tenant, demo.provision_tenant, demo.register_job,
    demo.begin_job, demo.claim_job, demo.finish_job, demo.fail_job, demo.report_progress, demo.audit,
    demo.find_tenant, demo.tenant_state, demo.schema_revision, demo.refuse_open_claim
    from public;
-- To make the trigger; whom it fires for needs no right.
grant execute on function demo.refuse_open_claim to demo_owner;
grant execute on function
    demo.current_claim, demo.provision_tenant, demo.register_job, demo.begin_job,
    demo.claim_job, demo.finish_job, demo.fail_job, demo.report_progress
    to demo_loader;
-- These tell and note, and change nothing: for administrators too.
grant execute on function
    demo.tenant_lock_key, demo.audit, demo.find_tenant, demo.tenant_state, demo.schema_revision
    to demo_loader, demo_owner;

set local role demo_owner;
revoke create on schema demo from demo_guard;
create constraint trigger tenant_metadata_open_claim
    after update of claim_job_id on demo.tenant_metadata deferrable initially deferred
    for each row when (new.claim_job_id is not null) execute function demo.refuse_open_claim();
revoke all on function demo.refuse_audit_change, demo.keep_provenance from public;
