-- squawk-ignore-file prefer-bigint-over-int, prefer-text-field
--   numbers of jobs and attempts stay small; varchar(7) is what programs outside rely on
--
-- Schema demo: what is recorded about demo tenants and not visible to them. History outlives its tenant,
-- so nothing here references crm.tenants.

set local lock_timeout = '5s';
set local statement_timeout = '300s';

-- Only the login may make schemas; everything in them belongs to demo_owner.
set local role none;
create schema crm_app authorization demo_owner;
set local role demo_owner;

create table demo.tenant_metadata (
    tenant_id uuid constraint tenant_metadata_pkey primary key,
    slug text not null,
    is_demo_generated boolean not null default true,
    incarnation integer not null default 1,
    blueprint jsonb not null,
    plan jsonb not null,
    seed text not null,
    lists_version text not null,
    excluded_from_analytics boolean not null default true,
    requested_by text,
    provisioned_at timestamptz not null,
    deleted_at timestamptz,
    next_job_number integer not null default 1,
    claim_job_id uuid,
    claim_xid xid8,
    claim_at timestamptz,
    claim_blueprint_job_id uuid,
    constraint tenant_metadata_slug_key unique (slug, incarnation),
    constraint tenant_metadata_slug_check check (slug ~ '^[a-z][a-z0-9-]{1,38}$'),
    constraint tenant_metadata_demo_check check (is_demo_generated),
    constraint tenant_metadata_incarnation_check check (incarnation >= 1),
    constraint tenant_metadata_number_check check (next_job_number >= 1)
);
create unique index tenant_metadata_living_slug_key on demo.tenant_metadata (slug) where deleted_at is null;
create index tenant_metadata_claim_idx on demo.tenant_metadata (claim_xid);

-- The blueprint's figures that are loaded, by month; money in major units.
create table demo.tenant_months (
    tenant_id uuid not null,
    month varchar(7) not null,
    loaded_as_of timestamptz not null,
    is_whole boolean not null,
    leads_created bigint not null default 0,
    contacts_created bigint not null default 0,
    companies_created bigint not null default 0,
    deals_created bigint not null default 0,
    closed_won_count bigint not null default 0,
    closed_won_value numeric(17, 2) not null default 0,
    pipeline_added_value numeric(17, 2) not null default 0,
    activities_created bigint not null default 0,
    constraint tenant_months_pkey primary key (tenant_id, month),
    constraint tenant_months_tenant_fkey foreign key (tenant_id) references demo.tenant_metadata (tenant_id),
    constraint tenant_months_month_check check (month ~ '^[0-9]{4}-(0[1-9]|1[0-2])$'),
    constraint tenant_months_positive_check check (
        leads_created >= 0 and companies_created >= 0 and closed_won_count >= 0
        and closed_won_value >= 0 and activities_created >= 0),
    constraint tenant_months_contacts_check check (leads_created <= contacts_created),
    constraint tenant_months_deals_check check (closed_won_count <= deals_created),
    constraint tenant_months_value_check check (closed_won_value <= pipeline_added_value)
);

create table demo.job_ledger (
    id uuid constraint job_ledger_pkey primary key,
    tenant_id uuid not null,
    incarnation integer not null,
    number integer not null,
    ordinal integer not null default 0,
    kind text not null,
    mode text,
    plan_type text,
    plan jsonb,
    seed text,
    range_start_month varchar(7),
    range_end_month varchar(7),
    tolerances jsonb,
    as_of timestamptz,
    before_kpis jsonb,
    after_kpis jsonb,
    diff_report jsonb,
    status text not null default 'pending',
    undone_by uuid,
    metrics jsonb,
    error_code text,
    error_message text,
    dagster_run_id text,
    requested_by text,
    seconds numeric(12, 3),
    created_at timestamptz not null default now(),
    started_at timestamptz,
    completed_at timestamptz,
    constraint job_ledger_tenant_id_key unique (tenant_id, id),
    constraint job_ledger_number_key unique (tenant_id, number),
    constraint job_ledger_tenant_fkey foreign key (tenant_id) references demo.tenant_metadata (tenant_id),
    constraint job_ledger_undone_by_fkey foreign key (tenant_id, undone_by)
        references demo.job_ledger (tenant_id, id),
    constraint job_ledger_kind_check check (kind ~ '^[a-z][a-z_]*$'),
    constraint job_ledger_plan_type_check check (plan_type in ('deltas', 'targets')),
    constraint job_ledger_status_check check (status in ('pending', 'running', 'completed', 'failed')),
    constraint job_ledger_completed_check check (status <> 'completed' or completed_at is not null),
    constraint job_ledger_number_check check (number >= 1),
    constraint job_ledger_ordinal_check check (ordinal >= 0),
    constraint job_ledger_range_check check (
        range_start_month ~ '^[0-9]{4}-(0[1-9]|1[0-2])$' and range_end_month ~ '^[0-9]{4}-(0[1-9]|1[0-2])$'
        and range_start_month <= range_end_month)
);
create unique index job_ledger_one_running_key on demo.job_ledger (tenant_id) where status = 'running';
create index job_ledger_started_idx on demo.job_ledger (started_at);

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

-- Generated rows that were changed outside of a job. With the job: a row that is made again under the same id
-- is a row of another job. No foreign key: its lock would refuse an edit in a demo tenant that succeeds in a
-- customer's (REPEATABLE READ while a job changes the ledger).
create table demo.edited_rows (
    tenant_id uuid not null,
    job_id uuid not null,
    id uuid not null,
    constraint edited_rows_pkey primary key (tenant_id, job_id, id)
);
alter table demo.edited_rows enable row level security;

-- Requests of the last minute, for the rate limit; older ones are cleared away.
create table demo.requests (
    id bigint generated always as identity constraint requests_pkey primary key,
    tenant_id uuid not null,
    at timestamptz not null default clock_timestamp()
);
create index requests_at_idx on demo.requests (at);

-- Written on a second connection while the job's own transaction runs, hence a table of its own.
create table demo.job_progress (
    job_id uuid constraint job_progress_pkey primary key,
    progress integer not null default 0,
    current_step text,
    updated_at timestamptz not null default now(),
    constraint job_progress_job_fkey foreign key (job_id) references demo.job_ledger (id),
    constraint job_progress_progress_check check (progress between 0 and 100)
);

create table demo.job_attempts (
    job_id uuid not null,
    attempt integer not null,
    status text not null default 'running',
    error_code text,
    error_message text,
    started_at timestamptz not null default now(),
    ended_at timestamptz,
    backend_pid integer,
    requested_by text,
    dagster_run_id text,
    constraint job_attempts_pkey primary key (job_id, attempt),
    constraint job_attempts_job_fkey foreign key (job_id) references demo.job_ledger (id),
    constraint job_attempts_attempt_check check (attempt >= 1),
    constraint job_attempts_status_check check (status in ('running', 'completed', 'failed')),
    constraint job_attempts_ended_check check ((status = 'running') = (ended_at is null))
);

create table demo.audit_log (
    id bigint generated always as identity constraint audit_log_pkey primary key,
    at timestamptz not null default clock_timestamp(),
    event text not null,
    actor text not null default session_user,
    tenant_id uuid,
    slug text,
    job_id uuid,
    detail jsonb
);
create index audit_log_at_idx on demo.audit_log (at, event);

create function demo.refuse_audit_change() returns trigger
    language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
    if (select rolsuper from pg_catalog.pg_roles where rolname = session_user) then
        return coalesce(new, old);
    end if;
    raise exception 'demo.audit_log is append-only' using errcode = 'insufficient_privilege';
end
$$;

create trigger audit_log_append_only before update or delete on demo.audit_log
    for each row execute function demo.refuse_audit_change();
create trigger audit_log_no_truncate before truncate on demo.audit_log
    for each statement execute function demo.refuse_audit_change();
