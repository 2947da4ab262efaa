-- Checks of the documents that the loader may store: SQLSTATE DP006 where no program could read one.

set local lock_timeout = '5s';
set local statement_timeout = '300s';

grant usage on schema crm, demo to demo_guard;
grant create on schema demo to demo_guard;
set local role demo_guard;

-- A number of rows in a stored document; 0 where there is none.
create function demo.row_count(p_value jsonb) returns bigint
    language sql immutable set search_path = pg_catalog, pg_temp
as $$ select case when jsonb_typeof(p_value) = 'number' and p_value::text ~ '^[0-9]{1,13}$'
                  then p_value::text::bigint else 0 end $$;

-- Whether a stored value is a whole number from p_least to p_most.
create function demo.is_whole(p_value jsonb, p_least bigint, p_most bigint) returns boolean
    language sql immutable set search_path = pg_catalog, pg_temp
as $$ select coalesce(case when jsonb_typeof(p_value) = 'number' and p_value::text ~ '^-?[0-9]{1,18}$'
                           then p_value::text::bigint between p_least and p_most end, false) $$;

-- Whether a stored value is a text that matches p_pattern.
create function demo.is_text(p_value jsonb, p_pattern text) returns boolean
    language sql immutable set search_path = pg_catalog, pg_temp
as $$ select coalesce(jsonb_typeof(p_value) = 'string' and p_value #>> '{}' ~ p_pattern, false) $$;

create function demo.is_month(p_text text) returns boolean
    language sql immutable set search_path = pg_catalog, pg_temp
as $$ select coalesce(p_text ~ '^20[2-9][0-9]-(0[1-9]|1[0-2])$', false) $$;

create function demo.is_instant(p_instant timestamptz) returns boolean
    language sql immutable set search_path = pg_catalog, pg_temp
as $$ select p_instant is null or (p_instant >= '2000-01-01 00:00Z' and p_instant < '2200-01-01 00:00Z') $$;

-- What is wrong with the eight metrics of a stored document; unknown keys are ignored. Counts are whole
-- numbers, values are texts in major units with at most p_digits decimals. Recorded differences may be
-- negative and leave metrics out (p_is_difference).
create function demo.figures_problems(
    p_figures jsonb, p_digits integer, p_place text, p_is_difference boolean
) returns text[]
    language plpgsql immutable set search_path = pg_catalog, pg_temp
as $$
declare
    v_problems text[];
    v_value text := case when p_is_difference then '^-?' else '^' end || '[0-9]{1,15}'
        || case when p_digits > 0 then '(\.[0-9]{1,' || p_digits || '})?' else '' end || '$';
begin
    if jsonb_typeof(p_figures) is distinct from 'object' then
        return array[p_place || ' is not an object'];
    end if;
    select array_agg(p_place || '.' || m.name || case when p_figures ? m.name then ' is not '
        || case when m.is_value then 'an amount' else 'a count' end else ' is missing' end order by m.place)
    into v_problems
    from (values (1, 'leads_created', false), (2, 'contacts_created', false), (3, 'companies_created', false),
                 (4, 'deals_created', false), (5, 'closed_won_count', false), (6, 'closed_won_value', true),
                 (7, 'pipeline_added_value', true), (8, 'activities_created', false))
        as m (place, name, is_value)
    where not (p_is_difference and not p_figures ? m.name)
        and not case when m.is_value then demo.is_text(p_figures -> m.name, v_value)
                     else demo.is_whole(p_figures -> m.name,
                                        case when p_is_difference then -1000000000000 else 0 end,
                                        1000000000000) end;
    if v_problems is null and not p_is_difference then
        v_problems := array_remove(array[
            case when (p_figures ->> 'leads_created')::bigint > (p_figures ->> 'contacts_created')::bigint
                 then p_place || ' has more leads than contacts' end,
            case when (p_figures ->> 'closed_won_count')::bigint > (p_figures ->> 'deals_created')::bigint
                 then p_place || ' has more won deals than deals' end,
            case when (p_figures ->> 'closed_won_value')::numeric
                      > (p_figures ->> 'pipeline_added_value')::numeric
                 then p_place || ' has more won value than pipeline value' end], null);
    end if;
    return coalesce(v_problems, '{}');
end
$$;

-- What is wrong with a tenant's plan, all of it; unknown keys are ignored.
create function demo.plan_problems(p_plan jsonb) returns text[]
    language plpgsql immutable set search_path = pg_catalog, pg_temp
as $$
declare
    v_problems text[] := '{}';
    v_digits constant integer := case when demo.is_whole(p_plan -> 'minor_digits', 0, 2)
                                      then (p_plan ->> 'minor_digits')::integer else 2 end;
    v_channels jsonb := p_plan -> 'channel_ppm';
    v_figures jsonb := p_plan -> 'figures';
    v_growth jsonb := p_plan -> 'growth';
begin
    if jsonb_typeof(p_plan) is distinct from 'object' then
        return array['the plan is not an object'];
    end if;
    select coalesce(array_agg(k.name || case when p_plan ? k.name then ' is not ' || k.kind
                                             else ' is missing' end order by k.place), '{}')
    into v_problems
    from (values
        (1, 'slug', 'a slug', demo.is_text(p_plan -> 'slug', '^[a-z][a-z0-9-]{1,38}$')),
        (2, 'name', 'a name', demo.is_text(p_plan -> 'name', '^.{1,200}$')),
        (3, 'country', 'a country code', demo.is_text(p_plan -> 'country', '^[A-Z]{2}$')),
        (4, 'industry', 'an industry', demo.is_text(p_plan -> 'industry', '^[a-z_]{1,40}$')),
        (5, 'seed', 'a text', demo.is_text(p_plan -> 'seed', '^.*$')),
        (6, 'timezone', 'a time zone', demo.is_text(p_plan -> 'timezone', '^[A-Za-z0-9_+/-]{1,64}$')),
        (7, 'currency', 'a currency code', demo.is_text(p_plan -> 'currency', '^[A-Z]{3}$')),
        (8, 'minor_digits', 'a whole number from 0 to 2', demo.is_whole(p_plan -> 'minor_digits', 0, 2)),
        (9, 'team_size', 'a whole number from 2 to 50', demo.is_whole(p_plan -> 'team_size', 2, 50)),
        (10, 'mail_domain', 'a domain or null', p_plan -> 'mail_domain' = 'null'
             or demo.is_text(p_plan -> 'mail_domain', '^[a-z0-9.-]{1,253}$')),
        (11, 'channel_ppm', 'a list of channels', jsonb_typeof(v_channels) = 'array'),
        (12, 'drop_off_ppm', 'a share in millionths', demo.is_whole(p_plan -> 'drop_off_ppm', 0, 1000000)),
        (13, 'whale_ppm', 'a share in millionths', demo.is_whole(p_plan -> 'whale_ppm', 0, 1000000)),
        (14, 'response_sla_minutes', 'a whole number from 1 to 43200',
             demo.is_whole(p_plan -> 'response_sla_minutes', 1, 43200)),
        (15, 'start_month', 'a month', demo.is_month(p_plan ->> 'start_month')
             and demo.is_text(p_plan -> 'start_month', '')),
        (16, 'figures', 'a list of 1 to 24 months', jsonb_typeof(v_figures) = 'array'
             and jsonb_array_length(v_figures) between 1 and 24),
        (17, 'lists_version', 'a version', demo.is_text(p_plan -> 'lists_version', '^.{1,40}$')),
        (18, 'growth', 'a curve or null', v_growth = 'null' or jsonb_typeof(v_growth) = 'object')
    ) as k (place, name, kind, is_sound)
    where k.is_sound is not true;
    if jsonb_typeof(v_figures) = 'array' then
        select v_problems || coalesce(array_agg(one.problem order by f.place), '{}') into v_problems
        from jsonb_array_elements(v_figures) with ordinality as f (figures, place)
        cross join lateral unnest(demo.figures_problems(
            f.figures, v_digits, 'figures[' || (f.place - 1) || ']', false)) as one (problem)
        where f.place <= 24;
    end if;
    if jsonb_typeof(v_channels) = 'array' then
        if exists (
            select from jsonb_array_elements(v_channels) as c (pair)
            where not coalesce(jsonb_typeof(c.pair) = 'array' and jsonb_array_length(c.pair) = 2
                and demo.is_text(c.pair -> 0, '^[a-z_]{1,40}$')
                and demo.is_whole(c.pair -> 1, 0, 1000000), false)
        ) then
            v_problems := v_problems || 'channel_ppm has a channel without a share in millionths'::text;
        elsif (select coalesce(sum((c.pair ->> 1)::bigint), 0) from jsonb_array_elements(v_channels) as c (pair))
              <> 1000000 then
            v_problems := v_problems || 'channel_ppm does not sum to 1000000'::text;
        end if;
    end if;
    if jsonb_typeof(v_growth) = 'object' then
        if not demo.is_text(v_growth -> 'curve', '^(linear|exponential|logistic|step)$') then
            v_problems := v_problems || 'growth.curve is not a curve'::text;
        end if;
        if not demo.is_text(v_growth -> 'monthly_rate', '^(-0\.[0-9]{1,6}|[0-9]{1,3}(\.[0-9]{1,6})?)$') then
            v_problems := v_problems || 'growth.monthly_rate is not a rate'::text;
        end if;
        if not coalesce(jsonb_typeof(v_growth -> 'season_percent') = 'array'
                and jsonb_array_length(v_growth -> 'season_percent') = 12, false)
           or exists (select from jsonb_array_elements(
                    case jsonb_typeof(v_growth -> 'season_percent') when 'array'
                         then v_growth -> 'season_percent' else '[]' end) as s (percent)
                where not demo.is_whole(s.percent, 0, 10000)) then
            v_problems := v_problems || 'growth.season_percent is not twelve whole numbers'::text;
        end if;
    end if;
    return v_problems;
end
$$;

create function demo.refuse_unreadable_tenant() returns trigger
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
    if cardinality(v_problems) > 0 then
        raise exception 'tenant % cannot be stored: %', new.slug, array_to_string(v_problems[1:20], '; ')
            using errcode = 'DP006';
    end if;
    return new;
end
$$;

-- Decimals of a tenant's amounts.
create function demo.minor_digits(p_tenant uuid) returns integer
    language sql stable security definer set search_path = pg_catalog, pg_temp
    set enable_seqscan = off set plan_cache_mode = force_generic_plan
as $$
    select case when demo.is_whole(m.plan -> 'minor_digits', 0, 2)
                then (m.plan ->> 'minor_digits')::integer else 2 end
    from demo.tenant_metadata m where m.tenant_id = p_tenant
$$;

-- Figures of one month, loaded or recorded: in bounds, so that sums of them are, and in minor units.
create function demo.refuse_unreadable_month() returns trigger
    language plpgsql security definer set search_path = pg_catalog, pg_temp
    set enable_seqscan = off set plan_cache_mode = force_generic_plan
as $$
declare
    v_row constant jsonb := to_jsonb(new);
    v_digits constant integer := coalesce(demo.minor_digits(new.tenant_id), 2);
begin
    if not demo.is_month(new.month) or exists (
        select from unnest(array['leads_created', 'contacts_created', 'companies_created', 'deals_created',
                                 'closed_won_count', 'activities_created']) as k (name)
        where not demo.is_whole(v_row -> k.name, -1000000000000, 1000000000000)
    ) or scale(trim_scale(new.closed_won_value)) > v_digits
      or scale(trim_scale(new.pipeline_added_value)) > v_digits
      or not demo.is_instant((v_row ->> 'loaded_as_of')::timestamptz) then
        raise exception 'month % cannot be stored: its figures are out of bounds, or its amounts have more'
            ' than % decimals', new.month, v_digits using errcode = 'DP006';
    end if;
    return new;
end
$$;

-- What is wrong with what a job stores, as far as programs read it; unknown keys are ignored.
create function demo.job_problems(p_job demo.job_ledger, p_digits integer) returns text[]
    language plpgsql immutable set search_path = pg_catalog, pg_temp
as $$
declare
    v_plan constant jsonb := nullif(p_job.plan, 'null');
    v_metrics constant jsonb := nullif(p_job.metrics, 'null');
    v_id constant text := '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$';
    v_problems text[] := '{}';
begin
    select coalesce(array_agg(k.name || ' is not an object'), '{}') into v_problems
    from (values ('plan', p_job.plan), ('tolerances', p_job.tolerances), ('metrics', p_job.metrics),
                 ('before_kpis', p_job.before_kpis), ('after_kpis', p_job.after_kpis),
                 ('diff_report', p_job.diff_report)) as k (name, document)
    where jsonb_typeof(k.document) not in ('object', 'null');
    if cardinality(v_problems) > 0 then
        return v_problems;
    end if;
    if p_job.range_start_month is not null
       and not (demo.is_month(p_job.range_start_month) and demo.is_month(p_job.range_end_month)) then
        v_problems := v_problems || 'the range is not from 2020 to 2099'::text;
    end if;
    if p_job.kind = 'extend' and p_job.range_end_month is null then
        v_problems := v_problems || 'range_end_month is missing'::text;
    end if;
    if not demo.is_instant(p_job.as_of) then
        v_problems := v_problems || 'as_of is not from 2000 to 2199'::text;
    end if;
    if v_plan ? 'job' and not demo.is_text(v_plan -> 'job', v_id) then
        v_problems := v_problems || 'plan.job is not an id'::text;
    end if;
    if v_plan is not null and p_job.kind = 'undo' and not v_plan ? 'job' then
        v_problems := v_problems || 'plan.job is missing'::text;
    end if;
    if v_plan is not null and p_job.kind = 'patch' then
        if jsonb_typeof(v_plan -> 'months') is distinct from 'array' then
            v_problems := v_problems || 'plan.months is not a list'::text;
        elsif jsonb_array_length(v_plan -> 'months') not between 1 and 24 or exists (
            select from jsonb_array_elements(v_plan -> 'months') as m (entry)
            where not demo.is_month(m.entry ->> 'month')
                or cardinality(demo.figures_problems(m.entry -> 'metrics', 2, '', true)) > 0
        ) then
            v_problems := v_problems || 'plan.months is not 1 to 24 months with their metrics'::text;
        end if;
        if not coalesce(v_plan ->> 'plan_type' in ('deltas', 'targets')
                and demo.is_whole(v_plan #> '{tolerances,count}', 0, 1000000000)
                and demo.is_text(v_plan #> '{tolerances,value}', '^(0(\.[0-9]{1,6})?|1)$'), false) then
            v_problems := v_problems || 'plan has no plan_type or no tolerances'::text;
        end if;
    end if;
    select v_problems || coalesce(array_agg('metrics.' || k.name || ' is not rows by table'), '{}')
    into v_problems
    from (values ('created', v_metrics ? 'created', v_metrics -> 'created'),
                 ('hidden', v_metrics ? 'hidden', v_metrics -> 'hidden'),
                 ('shown', v_metrics ? 'shown', v_metrics -> 'shown'),
                 ('request.jobs[0].created', v_metrics ? 'request', v_metrics #> '{request,jobs,0,created}')
    ) as k (name, is_there, rows)
    where k.is_there and (jsonb_typeof(k.rows) is distinct from 'object' or exists (
        select from jsonb_each(case jsonb_typeof(k.rows) when 'object' then k.rows else '{}' end) as c (name, value)
        where not demo.is_whole(c.value, 0, 1000000000000)));
    -- The one job that came first in the same request.
    if v_metrics ? 'request' and not (
            coalesce(jsonb_typeof(v_metrics #> '{request,jobs}') = 'array', false)
            and v_metrics #> '{request,jobs,1}' is null
            and demo.is_text(v_metrics #> '{request,jobs,0,job_id}', v_id)
            and demo.is_text(v_metrics #> '{request,jobs,0,kind}', '')) then
        v_problems := v_problems || 'metrics.request.jobs is not one job'::text;
    end if;
    if v_metrics ? 'hidden_at' and not demo.is_text(v_metrics -> 'hidden_at',
            '^2[01][0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])'
            'T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?\+00:00$') then
        v_problems := v_problems || 'metrics.hidden_at is not an instant'::text;
    end if;
    select v_problems || coalesce(array_agg('metrics.' || k.name || ' is not a list'), '{}')
    into v_problems
    from unnest(array['changed_by_people', 'dependents']) as k (name)
    where v_metrics ? k.name and jsonb_typeof(v_metrics -> k.name) is distinct from 'array';
    -- By month figures, or by job and month.
    select v_problems || coalesce(array_agg(distinct one.problem), '{}') into v_problems
    from (
        select 'diff_report.' || m.month || '.' || k.name as place, m.month, m.entry -> k.name as figures
        from jsonb_each(coalesce(nullif(p_job.diff_report, 'null'), '{}')) as m (month, entry)
        cross join unnest(array['before', 'target', 'after', 'expected']) as k (name)
        where m.entry ? k.name or jsonb_typeof(m.entry) <> 'object' or k.name = 'after'
        union all
        select 'metrics.taken_along.' || j.job, m.month, m.figures
        from jsonb_each(case when v_metrics ? 'taken_along' then
                        case jsonb_typeof(v_metrics -> 'taken_along') when 'object'
                             then v_metrics -> 'taken_along' else '{"": 0}' end
                        else '{}' end) as j (job, months)
        cross join lateral jsonb_each(case jsonb_typeof(j.months) when 'object' then j.months
                                           else '{"": 0}' end) as m (month, figures)
        union all
        select 'metrics.request.before', m.month, m.figures
        from jsonb_each(case when v_metrics ? 'request' then
                        case jsonb_typeof(v_metrics #> '{request,before}') when 'object'
                             then v_metrics #> '{request,before}' else '{"": 0}' end
                        else '{}' end) as m (month, figures)
    ) f
    cross join lateral unnest(
        case when demo.is_month(f.month) then demo.figures_problems(f.figures, p_digits, f.place, true)
             else array[f.place || ' is not of a month'] end) as one (problem);
    return v_problems;
end
$$;

create function demo.refuse_unreadable_job() returns trigger
    language plpgsql security definer set search_path = pg_catalog, pg_temp
    set enable_seqscan = off set plan_cache_mode = force_generic_plan
as $$
declare
    v_problems constant text[] := demo.job_problems(new, coalesce(demo.minor_digits(new.tenant_id), 2));
begin
    if cardinality(v_problems) > 0 then
        raise exception 'job % cannot be stored: %', new.id, array_to_string(v_problems[1:20], '; ')
            using errcode = 'DP006';
    end if;
    return new;
end
$$;

revoke all on function
    demo.row_count, demo.is_whole, demo.is_text, demo.is_month, demo.is_instant, demo.figures_problems,
    demo.plan_problems, demo.job_problems, demo.minor_digits, demo.refuse_unreadable_tenant,
    demo.refuse_unreadable_month, demo.refuse_unreadable_job
    from public;
-- Administrators count rows of jobs with it.
grant execute on function demo.row_count to demo_owner;
-- To make the triggers.
grant execute on function
    demo.refuse_unreadable_tenant, demo.refuse_unreadable_month, demo.refuse_unreadable_job
    to demo_owner;

set local role demo_owner;
revoke create on schema demo from demo_guard;
create trigger tenant_metadata_readable before insert or update of plan, blueprint, slug, seed,
    lists_version, provisioned_at on demo.tenant_metadata
    for each row execute function demo.refuse_unreadable_tenant();
create trigger tenant_months_readable before insert or update on demo.tenant_months
    for each row execute function demo.refuse_unreadable_month();
create trigger job_months_readable before insert or update on demo.job_months
    for each row execute function demo.refuse_unreadable_month();
create trigger job_ledger_readable before insert or update of kind, plan, tolerances, metrics, before_kpis,
    after_kpis, diff_report, as_of, range_start_month, range_end_month on demo.job_ledger
    for each row execute function demo.refuse_unreadable_job();
