-- squawk-ignore-file prefer-text-field, ban-drop-function
--   varchar(7) is what programs outside rely on; a program that knows the functions as they were is refused
--   by its look at the revision
--
-- Patches and undo: what a job changed of a tenant's expected figures, the blueprint's rows that a patch
-- makes on its way, requests by the minute, and the end of a tenant.

set local lock_timeout = '5s';
set local statement_timeout = '300s';

-- What completed jobs changed of what is expected of a month, beyond the blueprint; money in major units.
create table demo.job_months (
    tenant_id uuid not null,
    job_id uuid not null,
    month varchar(7) not null,
    leads_created bigint not null default 0,
    contacts_created bigint not null default 0,
    companies_created bigint not null default 0,
    deals_created bigint not null default 0,
    closed_won_count bigint not null default 0,
    closed_won_value numeric(17, 2) not null default 0,
    pipeline_added_value numeric(17, 2) not null default 0,
    activities_created bigint not null default 0,
    constraint job_months_pkey primary key (tenant_id, job_id, month),
    constraint job_months_job_fkey foreign key (tenant_id, job_id) references demo.job_ledger (tenant_id, id),
    constraint job_months_month_check check (month ~ '^[0-9]{4}-(0[1-9]|1[0-2])$')
);

-- Requests of the last minute, for the rate limit; older ones are cleared away.
create table demo.requests (
    id bigint generated always as identity constraint requests_pkey primary key,
    tenant_id uuid not null,
    at timestamptz not null default clock_timestamp()
);
create index requests_at_idx on demo.requests (at);

-- A patch first makes what the blueprint owes, as a job of the blueprint's own, in the same transaction.
alter table demo.tenant_metadata add column claim_blueprint_job_id uuid;

grant select, insert on demo.job_months to demo_guard;
grant select, insert, delete on demo.requests to demo_guard;
grant select, delete on crm.tenants, crm.users, crm.pipeline_stages, crm.tags, crm.contact_tags, crm.companies,
    crm.contacts, crm.deals, crm.activities to demo_guard;
do $policies$
declare
    v_table text;
begin
    foreach v_table in array array['tenants', 'users', 'pipeline_stages', 'tags', 'companies', 'contacts',
                                   'contact_tags', 'deals', 'activities'] loop
        -- Of tenants that are demos, and of nobody else.
        execute format('create policy guard_delete on crm.%1$I for delete to demo_guard using (%2$s in'
                       ' (select m.tenant_id from demo.tenant_metadata m))',
                       v_table, case v_table when 'tenants' then 'id' else 'tenant_id' end);
        if v_table <> 'tenants' then
            execute format('create policy guard_select on crm.%1$I for select to demo_guard using (tenant_id in'
                           ' (select m.tenant_id from demo.tenant_metadata m))', v_table);
        end if;
    end loop;
end
$policies$;

grant create on schema demo to demo_guard;
set local role demo_guard;

-- The jobs whose rows this transaction may write: the one that it claimed, and the blueprint's beside it.
create function demo.claimed_jobs() returns uuid[]
    language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
    select array_remove(array[m.claim_job_id, m.claim_blueprint_job_id], null)
    from demo.tenant_metadata m
    where m.claim_xid = pg_current_xact_id_if_assigned() and m.claim_at = now()
        and m.claim_job_id is not null and m.deleted_at is null
$$;

drop function demo.claim_job(uuid, uuid);
-- First in the data transaction. From here to finish_job this transaction, and no other, may write rows
-- of this tenant under this job, and under the pending or failed job of the blueprint, if one is given.
create function demo.claim_job(p_tenant uuid, p_job uuid, p_blueprint_job uuid) returns void
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

drop function demo.finish_job(uuid, jsonb, jsonb, jsonb, jsonb, jsonb);
-- Last in the data transaction: the claim ends here. p_months: [{"month", "loaded_as_of", "is_whole", and
-- the eight metrics}], the state of the blueprint's rows that replaces what was recorded. p_changes:
-- [{"month", and metrics}], what this job changes of what is expected. p_blueprint_metrics: of the
-- blueprint's job that was claimed beside this one.
create function demo.finish_job(
    p_job uuid, p_before jsonb, p_after jsonb, p_diff jsonb, p_metrics jsonb, p_months jsonb,
    p_changes jsonb, p_blueprint_metrics jsonb
) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp
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

-- Within the claim of an undo: its job took back another one (is_undone), or brought it back.
create function demo.mark_undone(p_job uuid, p_other uuid, p_is_undone boolean) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp
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
    where l.id = p_other and l.tenant_id = v_tenant and l.status = 'completed' and l.kind in ('patch', 'undo')
        and (l.undone_by is null) = p_is_undone;
    if not found then
        raise exception 'job % cannot be marked', p_other using errcode = 'DP005';
    end if;
end
$$;

-- Counts a request; false: there were as many in the last minute as the limits allow.
create function demo.admit_request(p_tenant uuid, p_per_tenant integer, p_total integer) returns boolean
    language plpgsql security definer set search_path = pg_catalog, pg_temp
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

revoke all on function
    demo.claimed_jobs, demo.claim_job, demo.finish_job, demo.mark_undone, demo.admit_request,
    demo.delete_tenant
    from public;
grant execute on function
    demo.claimed_jobs, demo.claim_job, demo.finish_job, demo.mark_undone, demo.admit_request
    to demo_loader;
grant execute on function demo.delete_tenant to demo_owner;

set local role demo_owner;
revoke create on schema demo from demo_guard;

do $policies$
declare
    v_table text;
begin
    foreach v_table in array array['companies', 'contacts', 'deals', 'activities'] loop
        -- The job too: comparing the tenant alone would let rows in under an older job. One InitPlan a
        -- statement each; as plain calls they would run for every row.
        execute format(
            'alter policy loader_insert on crm.%I with check (demo_generated'
            ' and tenant_id = (select c.tenant_id from demo.current_claim() c)'
            ' and demo_job_id = any ((select demo.claimed_jobs())::uuid[]))', v_table);
    end loop;
end
$policies$;
