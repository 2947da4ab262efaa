-- Releases: which months of a tenant may be shown, and whether a job has changed them since.
--
-- A release is a record; it hides nothing from the CRM's reader. The audit log keeps every release. All of it is
-- for administrators: the loader and the reader have no right on it.

set local lock_timeout = '5s';
set local statement_timeout = '300s';

-- reason: of a person who released the month although a check did not pass; null: its checks passed.
-- change_count: the completed jobs that had changed the month's figures.
create table demo.month_releases (
    tenant_id uuid not null,
    month text not null,
    released_at timestamptz not null default clock_timestamp(),
    released_by text not null,
    reason text,
    change_count bigint not null,
    constraint month_releases_pkey primary key (tenant_id, month),
    constraint month_releases_tenant_fkey foreign key (tenant_id) references demo.tenant_metadata (tenant_id),
    constraint month_releases_month_check check (month ~ '^[0-9]{4}-(0[1-9]|1[0-2])$'),
    constraint month_releases_reason_check check (reason ~ '\S'),
    constraint month_releases_count_check check (change_count >= 0)
);

-- How many completed jobs have changed the figures of a month. It never falls, and does not depend on the
-- order in which jobs were requested and completed.
create view demo.month_changes as
select l.tenant_id, k.month, count(*) as change_count
from demo.job_ledger l
cross join lateral jsonb_object_keys(coalesce(l.before_kpis, '{}') || coalesce(l.after_kpis, '{}')) as k (month)
where l.status = 'completed' and l.before_kpis -> k.month is distinct from l.after_kpis -> k.month
group by l.tenant_id, k.month;

-- The releases of living tenants. is_changed_since: a job has changed the month after it was released.
create view demo.released_months as
select
    r.tenant_id, m.slug, r.month, r.released_at, r.released_by, r.reason,
    coalesce(c.change_count, 0) <> r.change_count as is_changed_since
from demo.month_releases r
join demo.tenant_metadata m on m.tenant_id = r.tenant_id and m.deleted_at is null
left join demo.month_changes c on c.tenant_id = r.tenant_id and c.month = r.month;
