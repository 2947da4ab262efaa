-- The guard: the only way to demo tenants, their ledger and the right to write rows.
--
-- A claim is a row written inside the job's own transaction, bound to its transaction id and start, and
-- only demo.claim_job() writes it. No setting and no lock grants anything. Every function runs as
-- demo_guard with a fixed search path; EXECUTE is granted at the end of this file.
--
-- SQLSTATEs: DP001 not a demo tenant; DP002 the job is completed; DP003 another session holds the tenant;
-- DP004 the tenant exists already; DP005 the call does not fit the state of the job; DP006 a document cannot
-- be stored (4_documents.sql).
--
-- The planner settings of the functions: a plan that is cached for a session may be made while a table is tiny,
-- or for a tenant that the statistics do not know yet. With these settings it reads by an index that does not
-- depend on the tenant's value.

set local lock_timeout = '5s';
set local statement_timeout = '300s';

grant create on schema demo to demo_guard;
set local role demo_guard;

-- Scheduling lock of a tenant: orders the queue and shows whether its holder is alive; grants nothing.
create function demo.tenant_lock_key(p_tenant uuid) returns bigint
    language sql immutable strict security definer set search_path = pg_catalog, pg_temp
as $$ select hashtextextended('demo tenant ' || p_tenant::text, 0) $$;

create function demo.current_claim() returns table (tenant_id uuid, job_id uuid)
    language sql stable security definer set search_path = pg_catalog, pg_temp
    set enable_seqscan = off set plan_cache_mode = force_generic_plan
as $$
    -- The time too: a restored dump may hold a transaction id that comes round again.
    select m.tenant_id, m.claim_job_id
    from demo.tenant_metadata m
    where m.claim_xid = pg_current_xact_id_if_assigned() and m.claim_at = now()
        and m.claim_job_id is not null and m.deleted_at is null
$$;

-- The jobs whose rows this transaction may write: the one that it claimed, and the blueprint's beside it.
create function demo.claimed_jobs() returns uuid[]
    language sql stable security definer set search_path = pg_catalog, pg_temp
    set enable_seqscan = off set plan_cache_mode = force_generic_plan
as $$
    select array_remove(array[m.claim_job_id, m.claim_blueprint_job_id], null)
    from demo.tenant_metadata m
    where m.claim_xid = pg_current_xact_id_if_assigned() and m.claim_at = now()
        and m.claim_job_id is not null and m.deleted_at is null
$$;

-- Locks a demo tenant's metadata row; every function that changes something comes through here first.
create function demo.lock_tenant(p_tenant uuid) returns demo.tenant_metadata
    language plpgsql security definer set search_path = pg_catalog, pg_temp
    set enable_seqscan = off set plan_cache_mode = force_generic_plan
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
    set enable_seqscan = off set plan_cache_mode = force_generic_plan
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
    set enable_seqscan = off set plan_cache_mode = force_generic_plan
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
    set enable_seqscan = off set plan_cache_mode = force_generic_plan
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
-- of this tenant under this job, and under the pending or failed job of the blueprint, if one is given.
create function demo.claim_job(p_tenant uuid, p_job uuid, p_blueprint_job uuid) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp
    set enable_seqscan = off set plan_cache_mode = force_generic_plan
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
    if p_blueprint_job is not null and not exists (
        select from demo.job_ledger l
        where l.id = p_blueprint_job and l.tenant_id = p_tenant and l.kind = 'materialise'
            and l.status in ('pending', 'failed') and l.id <> p_job
    ) then
        raise exception 'job % is no open job of the blueprint', p_blueprint_job using errcode = 'DP005';
    end if;
    update demo.tenant_metadata m
    set claim_job_id = p_job, claim_blueprint_job_id = p_blueprint_job, claim_xid = pg_current_xact_id(),
        claim_at = now()
    where m.tenant_id = p_tenant;
end
$$;

-- Rows that nobody finished, and so nobody verified, cannot be committed.
create function demo.refuse_open_claim() returns trigger
    language plpgsql security definer set search_path = pg_catalog, pg_temp
    set enable_seqscan = off set plan_cache_mode = force_generic_plan
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
-- the eight metrics}], the state of the blueprint's rows that replaces what was recorded. p_changes:
-- [{"month", and metrics}], what this job changes of what is expected. p_blueprint_metrics: of the
-- blueprint's job that was claimed beside this one.
create function demo.finish_job(
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
create function demo.mark_undone(p_job uuid, p_other uuid, p_is_undone boolean) returns void
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
        and l.kind in ('patch', 'undo', 'repair', 'dedupe', 'cleanup')
        and (l.undone_by is null) = p_is_undone;
    if not found then
        raise exception 'job % cannot be marked', p_other using errcode = 'DP005';
    end if;
end
$$;

-- In a transaction of its own, after the rollback of the data. False: that attempt is no longer the
-- running one, and nothing was changed.
create function demo.fail_job(
    p_tenant uuid, p_job uuid, p_attempt integer, p_error_code text, p_error_message text
) returns boolean
    language plpgsql security definer set search_path = pg_catalog, pg_temp
    set enable_seqscan = off set plan_cache_mode = force_generic_plan
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
    set enable_seqscan = off set plan_cache_mode = force_generic_plan
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
    set enable_seqscan = off set plan_cache_mode = force_generic_plan
as $$
begin
    insert into demo.audit_log (event, tenant_id, slug, job_id, detail)
    values (p_event, p_tenant, p_slug, p_job, p_detail);
end
$$;

-- Counts a request; false: there were as many in the last minute as the limits allow.
create function demo.admit_request(p_tenant uuid, p_per_tenant integer, p_total integer) returns boolean
    language plpgsql security definer set search_path = pg_catalog, pg_temp
    set enable_seqscan = off set plan_cache_mode = force_generic_plan
as $$
declare
    v_since constant timestamptz := clock_timestamp() - interval '1 minute';
    v_all bigint;
    v_own bigint;
begin
    if not exists (
        select from demo.tenant_metadata m where m.tenant_id = p_tenant and m.deleted_at is null
    ) then
        raise exception 'tenant % is not a demo tenant', p_tenant using errcode = 'DP001';
    end if;
    perform pg_advisory_xact_lock(hashtextextended('demo requests', 0));
    delete from demo.requests r where r.at < v_since;
    select count(*), count(*) filter (where r.tenant_id = p_tenant) into v_all, v_own
    from demo.requests r where r.at >= v_since;
    if v_all >= p_total or v_own >= p_per_tenant then
        return false;
    end if;
    insert into demo.requests (tenant_id) values (p_tenant);
    return true;
end
$$;

-- The end of a demo tenant, for administrators: all of its rows in crm, at once. Waits for its job, as long
-- as lock_timeout allows. Its history in schema demo stays. Returns rows by table.
create function demo.delete_tenant(p_tenant uuid, p_requested_by text) returns jsonb
    language plpgsql security definer set search_path = pg_catalog, pg_temp
    set enable_seqscan = off set plan_cache_mode = force_generic_plan
as $$
declare
    v_tenant demo.tenant_metadata;
    v_table text;
    v_count bigint;
    v_counts jsonb := '{}';
begin
    -- This session may have planned the checks of foreign keys while the tables were tiny: such a plan reads
    -- a whole table for every row that is deleted.
    execute 'discard plans';
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

-- After an UPDATE that changed anything of a generated row. Nothing is recorded within the tenant's own claim,
-- where only a job writes, nor for a tenant that is not a demo. A session that may pass row security by can have
-- switched it off; this function's role may not, and would be refused.
create function demo.record_edit() returns trigger
    language plpgsql security definer set search_path = pg_catalog, pg_temp set row_security = on
    set enable_seqscan = off set plan_cache_mode = force_generic_plan
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
create function demo.forget_edits() returns trigger
    language plpgsql security definer set search_path = pg_catalog, pg_temp set row_security = on
    set enable_seqscan = off set plan_cache_mode = force_generic_plan
as $$
begin
    delete from demo.edited_rows e where e.tenant_id = new.tenant_id;
    return null;
end
$$;

-- {"tenant_id", "is_demo", "last_incarnation"} of the living tenant of that name and of the demos that
-- had it; tenant_id null: no living tenant; is_demo false: a real one, of which nothing else is returned.
create function demo.find_tenant(p_slug text) returns jsonb
    language sql stable security definer set search_path = pg_catalog, pg_temp
    set enable_seqscan = off set plan_cache_mode = force_generic_plan
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

-- The state of a tenant that a job needs, of one moment; null: not a demo tenant.
create function demo.tenant_state(p_tenant uuid) returns jsonb
    language sql stable security definer set search_path = pg_catalog, pg_temp
    set enable_seqscan = off set plan_cache_mode = force_generic_plan
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
                select h.month, sum(h.leads_created) as leads_created,
                    sum(h.contacts_created)as contacts_created,
                    sum(h.companies_created)as companies_created,
                    sum(h.deals_created)as deals_created,
                    sum(h.closed_won_count)as closed_won_count,
                    sum(h.closed_won_value) as closed_won_value,
                    sum(h.pipeline_added_value) as pipeline_added_value,
                    sum(h.activities_created)as activities_created
                from demo.job_months h where h.tenant_id = p_tenant group by h.month
            ) c), '[]'),
        'jobs', coalesce((
            select jsonb_agg(jsonb_build_object(
                'job_id', l.id, 'kind', l.kind, 'mode', l.mode, 'plan_type', l.plan_type,
                'status', l.status, 'ordinal', l.ordinal, 'number', l.number,
                'range_start_month', l.range_start_month, 'range_end_month', l.range_end_month,
                'as_of', l.as_of, 'undone_by', l.undone_by, 'seed', l.seed,
                'companies_created', demo.row_count(l.metrics #> '{created,companies}'))
                order by l.number)
            from demo.job_ledger l where l.tenant_id = p_tenant), '[]'))
    from demo.tenant_metadata m
    join crm.tenants t on t.id = m.tenant_id
    where m.tenant_id = p_tenant and m.deleted_at is null
$$;

create function demo.schema_revision() returns text
    language sql stable security definer set search_path = pg_catalog, pg_temp
    set enable_seqscan = off set plan_cache_mode = force_generic_plan
as $$ select v.version_num from demo.alembic_version v $$;

revoke all on function
    demo.tenant_lock_key, demo.current_claim, demo.claimed_jobs, demo.lock_tenant, demo.provision_tenant,
    demo.register_job, demo.begin_job, demo.claim_job, demo.refuse_open_claim, demo.finish_job,
    demo.mark_undone, demo.fail_job, demo.report_progress, demo.audit, demo.admit_request,
    demo.delete_tenant, demo.record_edit, demo.forget_edits, demo.find_tenant, demo.tenant_state,
    demo.schema_revision
    from public;
-- To make the triggers; the users that they fire for need no right.
grant execute on function demo.refuse_open_claim, demo.record_edit, demo.forget_edits to demo_owner;
grant execute on function
    demo.current_claim, demo.claimed_jobs, demo.provision_tenant, demo.register_job, demo.begin_job,
    demo.claim_job, demo.finish_job, demo.mark_undone, demo.fail_job, demo.report_progress,
    demo.admit_request
    to demo_loader;
-- These read, or add to the audit: for administrators too.
grant execute on function
    demo.tenant_lock_key, demo.audit, demo.find_tenant, demo.tenant_state, demo.schema_revision
    to demo_loader, demo_owner;
grant execute on function demo.delete_tenant to demo_owner;

set local role demo_owner;
revoke create on schema demo from demo_guard;

create constraint trigger tenant_metadata_open_claim
    after update of claim_job_id on demo.tenant_metadata deferrable initially deferred
    for each row when (new.claim_job_id is not null) execute function demo.refuse_open_claim();
create trigger tenant_metadata_forget_edits
    after update of deleted_at on demo.tenant_metadata
    for each row when (new.deleted_at is not null) execute function demo.forget_edits();
