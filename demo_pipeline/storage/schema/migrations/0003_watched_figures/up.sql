-- Watched figures, and incidents with the notices that are due because of them.
--
-- All of it is for administrators. The loader and the CRM's reader have no right on it.

set local lock_timeout = '5s';
set local statement_timeout = '300s';

-- Tenants whose scheduling lock a session holds now: a job that says running beside them is alive.
create view demo.held_tenants as
select m.tenant_id
from demo.tenant_metadata m
where m.deleted_at is null and demo.tenant_lock_key(m.tenant_id) in (
    select (k.classid::bigint << 32) | k.objid::bigint
    from pg_catalog.pg_locks k
    where k.locktype = 'advisory' and k.objsubid = 1 and k.granted
        and k.database = (select d.oid from pg_catalog.pg_database d where d.datname = current_database()));

-- Attempts of the last 7 days. seconds: until the end or until now; null: interrupted, so the end may be the
-- instant at which the interruption was detected.
create view demo.recent_attempts as
select
    a.job_id, a.attempt, m.tenant_id, m.slug, l.kind, a.status, a.error_code, a.started_at, a.ended_at,
    case
        when a.status = 'running' and m.tenant_id in (select h.tenant_id from demo.held_tenants h)
            then extract(epoch from clock_timestamp() - a.started_at)
        when a.status <> 'running' and a.error_code is distinct from 'interrupted'
            then extract(epoch from a.ended_at - a.started_at)
    end as seconds
from demo.job_attempts a
join demo.job_ledger l on l.id = a.job_id
join demo.tenant_metadata m on m.tenant_id = l.tenant_id
where a.started_at >= now() - interval '7 days'
    -- of the job's last attempt: by its index
    and l.started_at >= now() - interval '7 days';

-- What the figures that are no rates are made of: one row per patch attempt with its seconds, per detected
-- duplicate and per attempt on a tenant that is not a demo. subject: the same for all rows of one incident.
create view demo.watched_events as
select
    'patch_duration_seconds' as figure, a.job_id::text as subject, a.slug, a.job_id, a.started_at as at,
    a.seconds as value
from demo.recent_attempts a
where a.kind = 'patch' and a.seconds is not null
union all
-- The same patch was requested again.
select 'duplicate_detection_count' as figure, l.job_id::text as subject, l.slug, l.job_id, l.at, 1 as value
from demo.audit_log l
where l.event = 'PATCH_IDEMPOTENCY_DETECTED' and l.at >= now() - interval '7 days'
union all
-- Rows were there twice, and dedupe deleted the copies.
select
    'duplicate_detection_count' as figure, a.job_id::text as subject, a.slug, a.job_id, a.started_at as at, 1 as value
from demo.recent_attempts a
where a.kind = 'dedupe' and a.status = 'completed'
union all
select
    'non_demo_attempt_count' as figure, coalesce(l.slug, 'unnamed') as subject, l.slug, null as job_id, l.at, 1 as value
from demo.audit_log l
where l.event = 'NON_DEMO_TENANT_BLOCKED' and l.at >= now() - interval '7 days';

-- The watched figures of the last 7 days. attempts: those that a rate is taken of; a rate alerts from 20 on.
create view demo.watched_figures as
select
    f.name, f.value, f.threshold, f.attempts,
    coalesce(f.value > f.threshold, false) and (f.attempts is null or f.attempts >= 20) as is_alert
from (
    select
        1 as position, 'patch_failure_share' as name, 0.05 as threshold, count(*) as attempts,
        round(count(*) filter (where a.status = 'failed')::numeric / nullif(count(*), 0), 4) as value
    from demo.recent_attempts a
    where a.kind = 'patch' and a.status <> 'running'
    union all
    select 2 as position, 'patch_duration_seconds' as name, 120 as threshold, null as attempts, max(e.value) as value
    from demo.watched_events e
    where e.figure = 'patch_duration_seconds'
    union all
    select
        3 as position, 'kpi_verification_failure_share' as name, 0.10 as threshold, count(*) as attempts,
        round(count(*) filter (where a.error_code = 'verification_failed')::numeric / nullif(count(*), 0), 4)
            as value
    from demo.recent_attempts a
    where a.status <> 'running'
    union all
    select 4 as position, 'duplicate_detection_count' as name, 0 as threshold, null as attempts, count(*) as value
    from demo.watched_events e
    where e.figure = 'duplicate_detection_count'
    union all
    select 5 as position, 'non_demo_attempt_count' as name, 0 as threshold, null as attempts, count(*) as value
    from demo.watched_events e
    where e.figure = 'non_demo_attempt_count'
) f
order by f.position;

-- What is or was wrong. One incident is open per kind and subject.
create table demo.incidents (
    id bigint generated always as identity constraint incidents_pkey primary key,
    kind text not null,
    subject text not null,
    detail jsonb not null default '{}',
    opened_at timestamptz not null default now(),
    seen_at timestamptz not null default now(),
    closed_at timestamptz,
    constraint incidents_kind_check check (kind ~ '^[a-z][a-z_]*$'),
    constraint incidents_seen_check check (seen_at >= opened_at),
    constraint incidents_closed_check check (closed_at >= opened_at)
);
create unique index incidents_open_key on demo.incidents (kind, subject) where closed_at is null;

-- What each receiver is sent about an incident: one alert, then one recovery notice. receiver: a digest of its
-- address, which may hold a password.
create table demo.incident_notices (
    incident_id bigint not null,
    receiver text not null,
    is_recovery boolean not null,
    due_at timestamptz not null default now(),
    delivered_at timestamptz,
    constraint incident_notices_pkey primary key (incident_id, receiver, is_recovery),
    constraint incident_notices_incident_fkey foreign key (incident_id) references demo.incidents (id),
    constraint incident_notices_receiver_check check (receiver ~ '^[0-9a-f]{64}$')
);
create index incident_notices_due_idx on demo.incident_notices (receiver, due_at) where delivered_at is null;
