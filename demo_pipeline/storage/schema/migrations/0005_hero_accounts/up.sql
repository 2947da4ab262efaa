-- Hero accounts: up to three accounts of a tenant whose story a person can present, one of each kind.
--
-- Marked here and not in schema crm, so that a tenant sees nothing of it. The loader and the reader have no
-- right on the table: a job has its accounts selected by a function of the guard, within its claim.

set local lock_timeout = '5s';
set local statement_timeout = '300s';

-- deal_id: the deal that the story is about; earlier_deal_id: the lost one before a comeback, the first won one
-- before an upsell. is_exact_fit: false for the nearest fit, which a later job may replace. chosen_at: the
-- instant of the job that selected it. A hard-deleted row takes its hero account along.
create table demo.hero_accounts (
    tenant_id uuid not null,
    kind text not null,
    contact_id uuid not null,
    company_id uuid,
    deal_id uuid not null,
    earlier_deal_id uuid,
    is_exact_fit boolean not null,
    chosen_at timestamptz not null,
    constraint hero_accounts_pkey primary key (tenant_id, kind),
    constraint hero_accounts_contact_fkey foreign key (tenant_id, contact_id)
        references crm.contacts (tenant_id, id) on delete cascade,
    constraint hero_accounts_company_fkey foreign key (tenant_id, company_id)
        references crm.companies (tenant_id, id) on delete cascade,
    constraint hero_accounts_deal_fkey foreign key (tenant_id, deal_id)
        references crm.deals (tenant_id, id) on delete cascade,
    constraint hero_accounts_earlier_deal_fkey foreign key (tenant_id, earlier_deal_id)
        references crm.deals (tenant_id, id) on delete cascade,
    constraint hero_accounts_kind_check check (kind in ('comeback', 'at_risk', 'upsell')),
    constraint hero_accounts_earlier_check check (kind <> 'at_risk' or earlier_deal_id is null)
);
alter table demo.hero_accounts enable row level security;
alter table demo.hero_accounts force row level security;
create policy owner_all on demo.hero_accounts to demo_owner using (true) with check (true);
create policy guard_all on demo.hero_accounts to demo_guard using (true) with check (true);
grant select, insert, update, delete on demo.hero_accounts to demo_guard;

-- The hero accounts whose rows are visible and still as their kind needs them. Each row is looked up by its primary
-- key: subqueries cannot be joined in another way, and conditions that another index would answer are in the
-- select list. The statistics may not know a fresh tenant, and then every index that begins with it looks alike.
create view demo.whole_hero_accounts as
select h.tenant_id, h.kind, h.contact_id, h.company_id, h.deal_id, h.earlier_deal_id, h.is_exact_fit, h.chosen_at
from demo.hero_accounts h
where (
        select case
            when d.deleted_at is not null or d.contact_id is distinct from h.contact_id
                or d.company_id is distinct from h.company_id then null
            when s.is_won then 'won' when s.is_lost then 'lost' else 'open' end
        from crm.deals d
        left join crm.pipeline_stages s on s.tenant_id = d.tenant_id and s.id = d.stage_id
        where d.tenant_id = h.tenant_id and d.id = h.deal_id
    ) = case h.kind when 'at_risk' then 'open' else 'won' end
    and (h.earlier_deal_id is null or (
        select case
            when d.deleted_at is not null then null
            when s.is_won then 'won' when s.is_lost then 'lost' else 'open' end
        from crm.deals d
        left join crm.pipeline_stages s on s.tenant_id = d.tenant_id and s.id = d.stage_id
        where d.tenant_id = h.tenant_id and d.id = h.earlier_deal_id
    ) = case h.kind when 'comeback' then 'lost' else 'won' end)
    and (select p.deleted_at is null from crm.contacts p where p.tenant_id = h.tenant_id and p.id = h.contact_id)
    and (h.company_id is null or (
        select c.deleted_at is null from crm.companies c where c.tenant_id = h.tenant_id and c.id = h.company_id));
grant select on demo.whole_hero_accounts to demo_guard;

grant create on schema demo to demo_guard;
set local role demo_guard;

-- Within the claim, before its end: select the tenant's hero accounts. One that is an exact fit and whole stays.
-- For each other kind the best exact fit is taken, or else the nearest one; each account for one kind only.
-- Generated deals only: what people enter while they try the CRM is no story. All that decides is in the rows and
-- in the job's instant, so the same rows give the same accounts.
create function demo.select_hero_accounts(p_job uuid) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp
    set enable_seqscan = off set enable_nestloop = on set plan_cache_mode = force_generic_plan
as $$
declare
    v_tenant uuid;
    v_as_of timestamptz;
    v_candidate demo.hero_accounts;
    v_former demo.hero_accounts[];
    v_selected demo.hero_accounts[];
    v_missing text[];
begin
    select c.tenant_id, coalesce(l.as_of, now()) into v_tenant, v_as_of
    from demo.current_claim() c join demo.job_ledger l on l.id = c.job_id
    where c.job_id = p_job;
    if not found then
        raise exception 'job % is not claimed by this transaction', p_job using errcode = 'DP005';
    end if;
    select coalesce(array_agg(h.mark) filter (where h.is_exact_fit), '{}'),
        coalesce(array_agg(h.mark) filter (where not h.is_exact_fit), '{}')
    into v_selected, v_former
    from (
        select row(w.tenant_id, w.kind, w.contact_id, w.company_id, w.deal_id, w.earlier_deal_id, w.is_exact_fit,
                   w.chosen_at)::demo.hero_accounts as mark, w.is_exact_fit
        from demo.whole_hero_accounts w
        where w.tenant_id = v_tenant
    ) h;
    v_missing := array(
        select k.kind from unnest(array['comeback', 'at_risk', 'upsell']) as k (kind)
        where k.kind not in (select s.kind from unnest(v_selected) s));
    if cardinality(v_missing) = 0 then
        return;
    end if;
    -- The statistics do not know fresh rows: a nested loop could read a large tenant once for every deal.
    perform set_config('enable_nestloop', 'off', true);
    for v_candidate in
        with deals as materialized (
            select d.id, d.contact_id, d.company_id, coalesce(d.company_id, d.contact_id) as account_id, d.value,
                d.created_at, coalesce(d.closed_at, d.created_at) as closed_at,
                coalesce(s.is_won, false) as is_won, coalesce(s.is_lost, false) as is_lost,
                coalesce(s.probability >= 50, false)
                    or coalesce(d.expected_close_date < (v_as_of at time zone 'UTC')::date, false) as is_late
            from crm.deals d
            left join crm.pipeline_stages s on s.tenant_id = d.tenant_id and s.id = d.stage_id
            where d.tenant_id = v_tenant and d.deleted_at is null and d.demo_generated and d.value > 0
                -- By their keys: a join may read an index of all tenants' contacts.
                and (select p.deleted_at is null from crm.contacts p
                     where p.tenant_id = v_tenant and p.id = d.contact_id)
                and (d.company_id is null
                     or (select c.deleted_at is null from crm.companies c
                         where c.tenant_id = v_tenant and c.id = d.company_id))
        ),
        -- How many deals of the account were lost before a won one was opened. A lost deal counts itself. No
        -- joins of deals with deals: an account may have ten thousands.
        closings as (
            select d.*, count(*) filter (where d.is_lost) over (
                partition by d.account_id
                order by case when d.is_lost then d.closed_at else d.created_at end, d.id) as loss_number
            from deals d
            where (d.is_won or d.is_lost) and 'comeback' = any (v_missing)
        ),
        -- The last loss before the won deal was opened, which is the first row of those with its number; or else
        -- the first loss of the account.
        losses as (
            select r.*,
                case when r.loss_number > 0 then first_value(r.id) over before else first_value(r.id) over ever end
                    as lost_id,
                case when r.loss_number > 0 then first_value(r.value) over before
                    else first_value(r.value) over ever end as lost_value,
                r.loss_number > 0 or first_value(r.is_lost) over ever and first_value(r.closed_at) over ever
                    <= r.closed_at as is_lost_before
            from closings r
            window
                before as (partition by r.account_id, r.loss_number order by r.is_lost desc, r.id),
                ever as (partition by r.account_id order by r.is_lost desc, r.closed_at, r.id)
        ),
        -- Both deals should be worth a story: the smaller one decides.
        comebacks as (
            select r.*, case when r.is_lost_before then r.lost_id end as earlier_deal_id,
                r.loss_number > 0 as is_exact_fit,
                case when r.is_lost_before then least(r.lost_value, r.value) else r.value end as weight
            from losses r
            where r.is_won
        ),
        best_comebacks as (
            select distinct on (r.account_id) r.* from comebacks r
            order by r.account_id, r.is_exact_fit desc, r.earlier_deal_id is null, r.weight desc, r.id
        ),
        open_deals as (
            select distinct on (d.account_id) d.* from deals d
            where not d.is_won and not d.is_lost and 'at_risk' = any (v_missing)
            order by d.account_id, d.is_late desc, d.value desc, d.id
        ),
        largest as materialized (
            select d.* from open_deals d order by d.is_late desc, d.value desc, d.id limit 5
        ),
        wins as (
            select d.*, row_number() over history as number, count(*) over (partition by d.account_id) as win_count,
                first_value(d.id) over history as first_id, first_value(d.value) over history as first_value
            from deals d
            where d.is_won and 'upsell' = any (v_missing)
            window history as (partition by d.account_id order by d.closed_at, d.id)
        ),
        candidates as (
            (select 1 as kind_number, 'comeback' as kind, r.contact_id, r.company_id, r.id, r.earlier_deal_id,
                r.is_exact_fit,
                row_number() over (order by r.is_exact_fit desc, r.earlier_deal_id is null, r.weight desc, r.id)
                    as place
            from best_comebacks r
            order by place limit 3)
            union all
            -- Of the five largest, the one on which nobody has worked for the longest time. No index but the one
            -- that begins with the deal answers these conditions, whatever the statistics say.
            select 2, 'at_risk', d.contact_id, d.company_id, d.id, null, d.is_late,
                row_number() over (order by d.is_late desc, w.last_at nulls last, d.value desc, d.id)
            from largest d
            cross join lateral (
                select max(coalesce(a.completed_at, a.created_at)) filter (where a.deleted_at is null) as last_at
                from crm.activities a
                where a.deal_id = d.id and a.tenant_id is not distinct from v_tenant
            ) w
            union all
            (select 3, 'upsell', r.contact_id, r.company_id, r.id, case when r.win_count > 1 then r.first_id end,
                r.value > r.first_value,
                row_number() over (
                    order by r.value > r.first_value desc, r.win_count desc, r.value - r.first_value desc,
                        r.value desc, r.id) as place
            from wins r
            where r.number = r.win_count
            order by place limit 3)
            union all
            -- A nearest fit of before stays, unless there is an exact one now.
            select array_position(array['comeback', 'at_risk', 'upsell'], h.kind), h.kind, h.contact_id,
                h.company_id, h.deal_id, h.earlier_deal_id, false, 0
            from unnest(v_former) h
        )
        select v_tenant, c.kind, c.contact_id, c.company_id, c.id, c.earlier_deal_id, c.is_exact_fit, v_as_of
        from candidates c
        order by c.is_exact_fit desc, c.kind_number, c.place
    loop
        if not exists (
            select from unnest(v_selected) s
            where s.kind = v_candidate.kind
                or coalesce(s.company_id, s.contact_id) = coalesce(v_candidate.company_id, v_candidate.contact_id)
        ) then
            v_selected := v_selected || v_candidate;
        end if;
    end loop;
    delete from demo.hero_accounts h
    where h.tenant_id = v_tenant and h.kind not in (select s.kind from unnest(v_selected) s);
    insert into demo.hero_accounts as h
    select s.* from unnest(v_selected) s where s.kind = any (v_missing)
    on conflict (tenant_id, kind) do update set
        contact_id = excluded.contact_id, company_id = excluded.company_id, deal_id = excluded.deal_id,
        earlier_deal_id = excluded.earlier_deal_id, is_exact_fit = excluded.is_exact_fit,
        chosen_at = excluded.chosen_at
    where (h.contact_id, h.company_id, h.deal_id, h.earlier_deal_id, h.is_exact_fit) is distinct from
        (excluded.contact_id, excluded.company_id, excluded.deal_id, excluded.earlier_deal_id,
         excluded.is_exact_fit);
end
$$;

revoke all on function demo.select_hero_accounts from public;
grant execute on function demo.select_hero_accounts to demo_loader;

set local role demo_owner;
revoke create on schema demo from demo_guard;
