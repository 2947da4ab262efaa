-- What administrators read of demo tenants.

set local lock_timeout = '5s';
set local statement_timeout = '300s';

create view demo.jobs as
select
    l.id, l.tenant_id, l.kind, l.mode, l.plan_type, l.plan, l.seed, l.range_start_month, l.range_end_month,
    l.tolerances, l.as_of, l.before_kpis, l.after_kpis, l.diff_report, l.status, l.undone_by,
    case when l.status = 'completed' then 100 else coalesce(p.progress, 0) end as progress,
    case when l.status = 'completed' then 'completed' else p.current_step end as current_step,
    l.metrics, l.error_message, l.dagster_run_id, l.requested_by, l.started_at, l.completed_at,
    l.error_code, l.incarnation, l.ordinal, l.number, l.seconds, l.created_at
from demo.job_ledger l
left join demo.job_progress p on p.job_id = l.id;

create view demo.kpi_monthly as
select
    f.tenant_id,
    to_char(f.month_start, 'YYYY-MM') as month,
    sum(f.leads_created)::bigint as leads_created,
    sum(f.contacts_created)::bigint as contacts_created,
    sum(f.companies_created)::bigint as companies_created,
    sum(f.deals_created)::bigint as deals_created,
    sum(f.closed_won_count)::bigint as closed_won_count,
    round(sum(f.closed_won_value), 2) as closed_won_value,
    round(sum(f.pipeline_added_value), 2) as pipeline_added_value,
    sum(f.activities_created)::bigint as activities_created
from (
    select
        r.tenant_id, date_trunc('month', r.created_at at time zone 'UTC') as month_start,
        count(*) filter (where r.status = 'lead') as leads_created, count(*) as contacts_created,
        0::bigint as companies_created, 0::bigint as deals_created, 0::bigint as closed_won_count,
        0::numeric as closed_won_value, 0::numeric as pipeline_added_value, 0::bigint as activities_created
    from crm.contacts r
    where r.deleted_at is null
    group by 1, 2
    union all
    select r.tenant_id, date_trunc('month', r.created_at at time zone 'UTC'), 0, 0, count(*), 0, 0, 0, 0, 0
    from crm.companies r
    where r.deleted_at is null
    group by 1, 2
    union all
    select
        r.tenant_id, date_trunc('month', r.created_at at time zone 'UTC'), 0, 0, 0, count(*),
        count(*) filter (where s.is_won),
        coalesce(sum(r.value) filter (where s.is_won), 0),
        coalesce(sum(r.value) filter (where s.is_lost is not true), 0),
        0
    from crm.deals r
    left join crm.pipeline_stages s on s.tenant_id = r.tenant_id and s.id = r.stage_id
    where r.deleted_at is null
    group by 1, 2
    union all
    select r.tenant_id, date_trunc('month', r.created_at at time zone 'UTC'), 0, 0, 0, 0, 0, 0, 0, count(*)
    from crm.activities r
    where r.deleted_at is null
    group by 1, 2
) f
group by f.tenant_id, f.month_start;
