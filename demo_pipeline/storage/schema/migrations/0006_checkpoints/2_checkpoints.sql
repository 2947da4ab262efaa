-- squawk-ignore-file prefer-bigint-over-int, prefer-text-field
--   columns have the types of the tables that they remember
--
-- Checkpoints: all that a demo tenant is at a moment, and the way back to it.
--
-- A checkpoint is a copy of the tenant's rows in tables of their own, made and read by functions of the guard alone.
-- The loader calls them within its claim; it has no right on the tables. A rewind changes only the rows that differ
-- and stores what it found of them in the same tables, under its own id: that is its undo.

set local lock_timeout = '5s';
set local statement_timeout = '300s';

-- id: the job that stored it. name: null for what a rewind, or the undo of one, found before it. jobs: the completed
-- jobs, each with the job that had undone it, or null. tenant: columns of crm.tenants. table_columns: of schema crm
-- (demo.crm_columns). digest: of all that the tenant saw.
create table demo.checkpoints (
    id uuid constraint checkpoints_pkey primary key,
    tenant_id uuid not null,
    name text,
    is_automatic boolean not null default false,
    taken_at timestamptz not null default clock_timestamp(),
    expires_at timestamptz not null,
    digest text,
    row_counts jsonb not null default '{}',
    tenant jsonb not null,
    months jsonb not null,
    jobs jsonb not null,
    hero_accounts jsonb not null,
    table_columns jsonb not null,
    constraint checkpoints_name_key unique (tenant_id, name),
    constraint checkpoints_job_fkey foreign key (tenant_id, id) references demo.job_ledger (tenant_id, id),
    constraint checkpoints_name_check check (name ~ '^[a-z0-9][a-z0-9._-]{0,39}$'),
    constraint checkpoints_automatic_check check (not is_automatic or name is not null),
    constraint checkpoints_digest_check check (digest ~ '^[0-9a-f]{64}$'),
    constraint checkpoints_named_check check ((name is null) = (digest is null))
);

-- Copies of rows. Only their keys are required: what a CRM accepts is accepted here.
create table demo.checkpoint_users (
    checkpoint_id uuid not null,
    tenant_id uuid not null,
    id uuid not null,
    email text,
    first_name text,
    last_name text,
    role text,
    created_at timestamptz,
    updated_at timestamptz,
    deleted_at timestamptz,
    constraint checkpoint_users_pkey primary key (checkpoint_id, id)
);
create table demo.checkpoint_pipeline_stages (
    checkpoint_id uuid not null,
    tenant_id uuid not null,
    id uuid not null,
    name text,
    position integer,
    probability integer,
    is_won boolean,
    is_lost boolean,
    created_at timestamptz,
    updated_at timestamptz,
    deleted_at timestamptz,
    constraint checkpoint_pipeline_stages_pkey primary key (checkpoint_id, id)
);
create table demo.checkpoint_tags (
    checkpoint_id uuid not null,
    tenant_id uuid not null,
    id uuid not null,
    name text,
    color text,
    created_at timestamptz,
    updated_at timestamptz,
    deleted_at timestamptz,
    constraint checkpoint_tags_pkey primary key (checkpoint_id, id)
);
create table demo.checkpoint_companies (
    checkpoint_id uuid not null,
    tenant_id uuid not null,
    id uuid not null,
    name text,
    domain text,
    industry text,
    size text,
    owner_id uuid,
    address text,
    city text,
    state text,
    country text,
    postal_code text,
    phone text,
    website text,
    created_at timestamptz,
    updated_at timestamptz,
    deleted_at timestamptz,
    demo_generated boolean,
    demo_job_id uuid,
    demo_source_month varchar(7),
    constraint checkpoint_companies_pkey primary key (checkpoint_id, id)
);
create table demo.checkpoint_contacts (
    checkpoint_id uuid not null,
    tenant_id uuid not null,
    id uuid not null,
    first_name text,
    last_name text,
    email text,
    phone text,
    company_id uuid,
    owner_id uuid,
    status text,
    source text,
    created_at timestamptz,
    updated_at timestamptz,
    deleted_at timestamptz,
    demo_generated boolean,
    demo_job_id uuid,
    demo_source_month varchar(7),
    constraint checkpoint_contacts_pkey primary key (checkpoint_id, id)
);
create table demo.checkpoint_contact_tags (
    checkpoint_id uuid not null,
    tenant_id uuid not null,
    id uuid not null,
    contact_id uuid,
    tag_id uuid,
    created_at timestamptz,
    updated_at timestamptz,
    deleted_at timestamptz,
    constraint checkpoint_contact_tags_pkey primary key (checkpoint_id, id)
);
create table demo.checkpoint_deals (
    checkpoint_id uuid not null,
    tenant_id uuid not null,
    id uuid not null,
    title text,
    value numeric(15, 2),
    currency text,
    stage_id uuid,
    owner_id uuid,
    contact_id uuid,
    company_id uuid,
    probability integer,
    expected_close_date date,
    closed_at timestamptz,
    created_at timestamptz,
    updated_at timestamptz,
    deleted_at timestamptz,
    demo_generated boolean,
    demo_job_id uuid,
    demo_source_month varchar(7),
    constraint checkpoint_deals_pkey primary key (checkpoint_id, id)
);
create table demo.checkpoint_activities (
    checkpoint_id uuid not null,
    tenant_id uuid not null,
    id uuid not null,
    type text,
    subject text,
    description text,
    contact_id uuid,
    company_id uuid,
    deal_id uuid,
    created_by_id uuid,
    scheduled_at timestamptz,
    completed_at timestamptz,
    duration_minutes integer,
    created_at timestamptz,
    updated_at timestamptz,
    deleted_at timestamptz,
    demo_generated boolean,
    demo_job_id uuid,
    demo_source_month varchar(7),
    constraint checkpoint_activities_pkey primary key (checkpoint_id, id)
);

-- Rows that a rewind, or the undo of one, changed, and how; is_generated: a job had made it since the checkpoint. Of
-- all but those that it inserted the copies above have what it found.
create table demo.rewind_rows (
    checkpoint_id uuid not null,
    entity text not null,
    id uuid not null,
    action text not null,
    is_generated boolean not null,
    constraint rewind_rows_pkey primary key (checkpoint_id, entity, id),
    constraint rewind_rows_action_check check (action in ('changed', 'inserted', 'hidden', 'deleted'))
);

-- Of a checkpoint: the rows that people had edited. Of a rewind: those whose record it changed, and whether they had
-- one before it.
create table demo.checkpoint_edits (
    checkpoint_id uuid not null,
    job_id uuid not null,
    id uuid not null,
    was_edited boolean not null,
    constraint checkpoint_edits_pkey primary key (checkpoint_id, job_id, id)
);

grant select, insert, update, delete on demo.checkpoints, demo.rewind_rows to demo_guard;
grant select, insert, delete on demo.checkpoint_edits to demo_guard;
grant delete on demo.tenant_months to demo_guard;
grant update (name, country, timezone, currency, industry, updated_at, deleted_at) on crm.tenants to demo_guard;

do $policies$
declare
    v_table text;
    v_columns text;
    -- One InitPlan per statement; as a plain call it would run for every row.
    v_tenant constant text := '(select c.tenant_id from demo.current_claim() c)';
begin
    execute format('create policy guard_update on crm.tenants for update to demo_guard using (id = %1$s)'
                   ' with check (id = %1$s)', v_tenant);
    foreach v_table in array array['users', 'pipeline_stages', 'tags', 'companies', 'contacts', 'contact_tags',
                                   'deals', 'activities'] loop
        -- Provenance is written once, with the row.
        select string_agg(format('%I', a.attname), ', ') into v_columns
        from pg_catalog.pg_attribute a
        where a.attrelid = format('demo.checkpoint_%I', v_table)::regclass and a.attnum > 0 and a.attname not in (
            'checkpoint_id', 'tenant_id', 'id', 'demo_generated', 'demo_job_id', 'demo_source_month');
        execute format('grant insert, update (%s) on crm.%I to demo_guard', v_columns, v_table);
        -- Of the tenant that this transaction has claimed, and of nobody else.
        execute format('create policy guard_insert on crm.%I for insert to demo_guard with check (tenant_id = %s)',
                       v_table, v_tenant);
        execute format('create policy guard_update on crm.%1$I for update to demo_guard using (tenant_id = %2$s)'
                       ' with check (tenant_id = %2$s)', v_table, v_tenant);
        execute format('grant select, insert, delete on demo.checkpoint_%I to demo_guard', v_table);
    end loop;
    foreach v_table in array array['checkpoint_users', 'checkpoint_pipeline_stages', 'checkpoint_tags',
                                   'checkpoint_companies', 'checkpoint_contacts', 'checkpoint_contact_tags',
                                   'checkpoint_deals', 'checkpoint_activities', 'checkpoints', 'rewind_rows',
                                   'checkpoint_edits'] loop
        execute format('alter table demo.%I enable row level security', v_table);
        execute format('alter table demo.%I force row level security', v_table);
        execute format('create policy owner_all on demo.%I to demo_owner using (true) with check (true)', v_table);
        execute format('create policy guard_select on demo.%I for select to demo_guard using (true)', v_table);
        execute format('create policy guard_delete on demo.%I for delete to demo_guard using (true)', v_table);
        if v_table in ('rewind_rows', 'checkpoint_edits') then
            execute format('create policy guard_insert on demo.%I for insert to demo_guard with check'
                           ' (checkpoint_id = (select c.job_id from demo.current_claim() c))', v_table);
        else
            execute format('create policy guard_insert on demo.%I for insert to demo_guard'
                           ' with check (tenant_id = %s)', v_table, v_tenant);
        end if;
    end loop;
end
$policies$;
create policy guard_update on demo.checkpoints for update to demo_guard
    using (id = (select c.job_id from demo.current_claim() c))
    with check (id = (select c.job_id from demo.current_claim() c));
create policy guard_update on demo.rewind_rows for update to demo_guard
    using (checkpoint_id = (select c.job_id from demo.current_claim() c))
    with check (checkpoint_id = (select c.job_id from demo.current_claim() c));

grant create on schema demo to demo_guard;
set local role demo_guard;

-- The tables whose rows a checkpoint copies, parents before children.
create function demo.checkpoint_tables() returns text[]
    language sql immutable security definer set search_path = pg_catalog, pg_temp
    set enable_seqscan = off set plan_cache_mode = force_generic_plan
as $$
    select array['users', 'pipeline_stages', 'tags', 'companies', 'contacts', 'contact_tags', 'deals', 'activities']
$$;

-- The columns that a checkpoint copies of a table, as a list; p_format: 'r.%I' or '%1$I = s.%1$I'; with
-- p_visible_only without the key and provenance.
create function demo.checkpoint_columns(p_table text, p_format text, p_visible_only boolean) returns text
    language sql stable security definer set search_path = pg_catalog, pg_temp
    set enable_seqscan = off set plan_cache_mode = force_generic_plan
as $$
    select string_agg(format(p_format, a.attname), ', ' order by a.attnum)
    from pg_attribute a
    where a.attrelid = format('demo.checkpoint_%I', p_table)::regclass and a.attnum > 1 and not a.attisdropped
        and not (p_visible_only and a.attname in (
            'tenant_id', 'id', 'demo_generated', 'demo_job_id', 'demo_source_month'))
$$;

-- The columns of the CRM's tables now, columns of its own included: {"contacts": {"email": "text"}}.
create function demo.crm_columns() returns jsonb
    language sql stable security definer set search_path = pg_catalog, pg_temp
    set enable_seqscan = off set plan_cache_mode = force_generic_plan
as $$
    select jsonb_object_agg(t.name, t.columns)
    from (
        select c.relname as name, jsonb_object_agg(
            a.attname, format_type(a.atttypid, a.atttypmod) || case when a.attnotnull then ' not null' else '' end
        ) as columns
        from pg_class c join pg_attribute a on a.attrelid = c.oid
        where c.relnamespace = 'crm'::regnamespace and c.relkind = 'r'
            and (c.relname = any (demo.checkpoint_tables()) or c.relname = 'tenants')
            and a.attnum > 0 and not a.attisdropped
        group by c.relname
    ) t
$$;

-- Delete stored copies with all that belongs to them.
create function demo.forget_stored(p_checkpoints uuid[]) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp set row_security = on
    set enable_seqscan = off set plan_cache_mode = force_generic_plan
as $$
declare
    v_table text;
begin
    if cardinality(p_checkpoints) = 0 then
        return;
    end if;
    foreach v_table in array demo.checkpoint_tables() loop
        execute format('delete from demo.checkpoint_%I c where c.checkpoint_id = any ($1)', v_table)
        using p_checkpoints;
    end loop;
    delete from demo.rewind_rows r where r.checkpoint_id = any (p_checkpoints);
    delete from demo.checkpoint_edits e where e.checkpoint_id = any (p_checkpoints);
    delete from demo.checkpoints c where c.id = any (p_checkpoints);
end
$$;

-- After a tenant was deleted.
create function demo.forget_checkpoints() returns trigger
    language plpgsql security definer set search_path = pg_catalog, pg_temp set row_security = on
    set enable_seqscan = off set plan_cache_mode = force_generic_plan
as $$
begin
    perform demo.forget_stored(array(select c.id from demo.checkpoints c where c.tenant_id = new.tenant_id));
    return null;
end
$$;

-- For administrators: delete the checkpoints whose time is over, those of all tenants. Returns how many there were.
create function demo.drop_expired_checkpoints() returns bigint
    language plpgsql security definer set search_path = pg_catalog, pg_temp set row_security = on
    set enable_seqscan = off set plan_cache_mode = force_generic_plan
as $$
declare
    v_expired constant uuid[] := array(select c.id from demo.checkpoints c where c.expires_at <= now());
begin
    perform demo.forget_stored(v_expired);
    return cardinality(v_expired);
end
$$;

-- The tenant of the claim, if its job is p_job and of that kind.
create function demo.claimed_tenant(p_job uuid, p_kind text) returns uuid
    language plpgsql stable security definer set search_path = pg_catalog, pg_temp
    set enable_seqscan = off set plan_cache_mode = force_generic_plan
as $$
declare
    v_tenant uuid;
begin
    select c.tenant_id into v_tenant
    from demo.current_claim() c join demo.job_ledger l on l.id = c.job_id
    where c.job_id = p_job and l.kind = p_kind;
    if not found then
        raise exception 'job % is not a % that this transaction has claimed', p_job, p_kind using errcode = 'DP005';
    end if;
    return v_tenant;
end
$$;

-- Store what there is of the claimed tenant besides its rows. p_name: null for what a rewind finds.
create function demo.store_state(p_id uuid, p_tenant uuid, p_name text, p_is_automatic boolean, p_digest text)
    returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp
    set enable_seqscan = off set plan_cache_mode = force_generic_plan
as $$
begin
    perform demo.forget_stored(array(
        select c.id from demo.checkpoints c where c.tenant_id = p_tenant and c.expires_at <= now()));
    insert into demo.checkpoints (
        id, tenant_id, name, is_automatic, expires_at, digest, tenant, months, jobs, hero_accounts, table_columns)
    select p_id, p_tenant, p_name, p_is_automatic, now() + interval '30 days', p_digest,
        jsonb_build_object(
            'name', t.name, 'country', t.country, 'timezone', t.timezone, 'currency', t.currency,
            'industry', t.industry, 'updated_at', t.updated_at, 'deleted_at', t.deleted_at),
        coalesce((select jsonb_agg(to_jsonb(h)) from demo.tenant_months h where h.tenant_id = p_tenant), '[]'),
        -- A checkpoint changes nothing, so there is nothing of it to go back on.
        coalesce((
            select jsonb_object_agg(l.id, l.undone_by) from demo.job_ledger l
            where l.tenant_id = p_tenant and l.status = 'completed' and l.kind <> 'checkpoint'), '{}'),
        coalesce((select jsonb_agg(to_jsonb(h)) from demo.hero_accounts h where h.tenant_id = p_tenant), '[]'),
        demo.crm_columns()
    from crm.tenants t where t.id = p_tenant;
end
$$;

-- Within the claim of a checkpoint: copy all rows of the tenant under a name. p_replaces: one of that name may be
-- there and goes. Of automatic ones the newest five stay. Returns rows by table, deleted ones included.
create function demo.take_checkpoint(
    p_job uuid, p_name text, p_is_automatic boolean, p_replaces boolean, p_digest text
) returns jsonb
    language plpgsql security definer set search_path = pg_catalog, pg_temp
    set enable_seqscan = off set plan_cache_mode = force_generic_plan
as $$
declare
    v_tenant constant uuid := demo.claimed_tenant(p_job, 'checkpoint');
    v_table text;
    v_count bigint;
    v_counts jsonb := '{}';
begin
    if p_replaces then
        perform demo.forget_stored(array(
            select c.id from demo.checkpoints c where c.tenant_id = v_tenant and c.name = p_name));
    end if;
    if p_is_automatic then
        perform demo.forget_stored(array(
            select c.id from demo.checkpoints c where c.tenant_id = v_tenant and c.is_automatic
            order by c.taken_at desc, c.id offset 4));
    end if;
    perform demo.store_state(p_job, v_tenant, p_name, p_is_automatic, p_digest);
    if not p_is_automatic and 5 < (
        select count(*) from demo.checkpoints c
        where c.tenant_id = v_tenant and c.name is not null and not c.is_automatic
    ) then
        raise exception 'tenant % has five checkpoints already', v_tenant using errcode = 'DP005';
    end if;
    foreach v_table in array demo.checkpoint_tables() loop
        execute format('insert into demo.checkpoint_%1$I (checkpoint_id, %2$s) select $1, %3$s from crm.%1$I r'
                       ' where r.tenant_id = $2',
                       v_table, demo.checkpoint_columns(v_table, '%I', false),
                       demo.checkpoint_columns(v_table, 'r.%I', false))
        using p_job, v_tenant;
        get diagnostics v_count = row_count;
        v_counts := v_counts || jsonb_build_object(v_table, v_count);
    end loop;
    insert into demo.checkpoint_edits (checkpoint_id, job_id, id, was_edited)
    select p_job, e.job_id, e.id, true from demo.edited_rows e where e.tenant_id = v_tenant;
    update demo.checkpoints c set row_counts = v_counts where c.id = p_job;
    return v_counts;
end
$$;

-- Within the claim of a checkpoint's job: delete the one of that name.
create function demo.delete_checkpoint(p_job uuid, p_name text) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp
    set enable_seqscan = off set plan_cache_mode = force_generic_plan
as $$
declare
    v_tenant constant uuid := demo.claimed_tenant(p_job, 'checkpoint');
begin
    perform demo.forget_stored(array(
        select c.id from demo.checkpoints c where c.tenant_id = v_tenant and c.name = p_name));
end
$$;

-- The rows of a tenant that are not as they were stored, and what a rewind does with each: what differs is changed,
-- what is missing is inserted, what was made since is hidden; rows that materialisations made since are deleted, so
-- that the same ones can be made again. p_checkpoint may be what a rewind stored: then only rows that it changed
-- count. Deleted rows that are still there count as well. The tenant's own row is there, and can only be changed. Merge
-- joins by the primary keys: memory does not grow with the rows.
create function demo.checkpoint_differences(p_checkpoint uuid)
    returns table (entity text, id uuid, action text, is_generated boolean)
    language plpgsql stable security definer set search_path = pg_catalog, pg_temp
    set enable_seqscan = off set plan_cache_mode = force_generic_plan
    set enable_nestloop = off set enable_hashjoin = off
as $$
declare
    v_stored demo.checkpoints;
    v_table text;
    v_made uuid[];
    v_is_made text;
    v_scope text;
begin
    select c.* into v_stored from demo.checkpoints c where c.id = p_checkpoint;
    if not found then
        raise exception 'there is no checkpoint %', p_checkpoint using errcode = 'DP005';
    end if;
    v_made := array(
        select l.id from demo.job_ledger l
        where l.tenant_id = v_stored.tenant_id and l.status = 'completed' and l.kind = 'materialise'
            and not v_stored.jobs ? l.id::text);
    foreach v_table in array demo.checkpoint_tables() loop
        v_is_made := case
            when v_table not in ('companies', 'contacts', 'contact_tags', 'deals', 'activities') then 'false'
            -- It inserted what a person had deleted.
            when v_stored.name is null then case v_table when 'contact_tags' then 'false' else 'r.demo_generated' end
            when cardinality(v_made) = 0 then 'false'
            -- Tags have no provenance: those of a contact are as old as its job at most, a person's are younger.
            when v_table = 'contact_tags' then
                'exists (select from crm.contacts k join demo.job_ledger l on l.id = k.demo_job_id'
                ' where k.tenant_id = r.tenant_id and k.id = r.contact_id and l.id = any ($3)'
                ' and r.created_at <= l.as_of)'
            else 'r.demo_generated and r.demo_job_id = any ($3)' end;
        v_scope := case when v_stored.name is null then format(
            ' and r.id in (select x.id from demo.rewind_rows x where x.checkpoint_id = $2 and x.entity = %L)',
            v_table)
            else '' end;
        return query execute format(
            $query$
            select %1$L::text, coalesce(r.id, s.id), case
                when r.id is null then 'inserted' when s.id is not null then 'changed'
                when %3$s then 'deleted' else 'hidden' end, s.id is null and %6$s
            from (select r.* from crm.%1$I r where r.tenant_id = $1%2$s) r
            full join (select s.* from demo.checkpoint_%1$I s where s.checkpoint_id = $2 and s.tenant_id = $1) s
                on s.id = r.id
            where case when r.id is null then true when s.id is null then r.deleted_at is null or %3$s
                else row(%4$s) is distinct from row(%5$s) end
            $query$,
            v_table, v_scope, v_is_made, demo.checkpoint_columns(v_table, 'r.%I', true),
            demo.checkpoint_columns(v_table, 's.%I', true),
            case when v_table in ('companies', 'contacts', 'deals', 'activities') then 'r.demo_generated'
                else 'false' end)
        using v_stored.tenant_id, p_checkpoint, v_made;
    end loop;
    return query
    select 'tenants', t.id, 'changed', false
    from crm.tenants t, jsonb_populate_record(null::crm.tenants, v_stored.tenant) s
    where t.id = v_stored.tenant_id
        and (t.name, t.country, t.timezone, t.currency, t.industry, t.updated_at, t.deleted_at)
            is distinct from (s.name, s.country, s.timezone, s.currency, s.industry, s.updated_at, s.deleted_at)
        and (v_stored.name is not null or exists (
            select from demo.rewind_rows x where x.checkpoint_id = p_checkpoint and x.entity = 'tenants'));
end
$$;

-- Within the claim of a rewind, to the checkpoint that its plan names; or within that of an undo, to what the rewind,
-- or the undo of one, that its plan names had found. All rows that differ are as they were stored then, and the ledger
-- with them: months, undone jobs, hero accounts, edits. Returns {"rows": [{"entity", "action", "is_generated",
-- "count"}], "recorded": what this changes of what is expected, by month}.
create function demo.rewind(p_job uuid, p_checkpoint uuid) returns jsonb
    language plpgsql security definer set search_path = pg_catalog, pg_temp
    set enable_seqscan = off set plan_cache_mode = force_generic_plan set enable_nestloop = off
as $$
declare
    v_stored demo.checkpoints;
    v_tenant uuid;
    v_table text;
    v_at timestamptz;
    v_is_unique boolean;
    v_unreferenced text;
    v_result jsonb;
begin
    select c.* into v_stored
    from demo.current_claim() k
    join demo.job_ledger l on l.id = k.job_id
    join demo.checkpoints c on c.tenant_id = k.tenant_id and c.id = p_checkpoint
    where k.job_id = p_job and c.expires_at > now() and case when c.name is not null
        then l.kind = 'rewind' and l.plan ->> 'checkpoint' = c.id::text
        else l.kind = 'undo' and l.plan ->> 'job' = c.id::text and exists (
            select from demo.job_ledger o
            where o.id = c.id and o.status = 'completed' and o.undone_by is null) end;
    if not found then
        raise exception 'job % is not a rewind to % that this transaction has claimed', p_job, p_checkpoint
            using errcode = 'DP005';
    end if;
    if v_stored.table_columns <> demo.crm_columns() then
        raise exception 'columns of the tables have changed since checkpoint % was taken', p_checkpoint
            using errcode = 'DP005';
    end if;
    v_tenant := v_stored.tenant_id;
    perform demo.store_state(p_job, v_tenant, null, false, null);
    insert into demo.rewind_rows (checkpoint_id, entity, id, action, is_generated)
    select p_job, d.entity, d.id, d.action, d.is_generated from demo.checkpoint_differences(p_checkpoint) d;
    v_at := clock_timestamp();
    foreach v_table in array demo.checkpoint_tables() loop
        execute format('insert into demo.checkpoint_%1$I (checkpoint_id, %2$s) select $1, %3$s from crm.%1$I r'
                       ' join demo.rewind_rows x on x.id = r.id where r.tenant_id = $2 and x.checkpoint_id = $1'
                       ' and x.entity = %1$L',
                       v_table, demo.checkpoint_columns(v_table, '%I', false),
                       demo.checkpoint_columns(v_table, 'r.%I', false))
        using p_job, v_tenant;
        -- First out of the way of unique indexes: two rows may have swapped what is unique among living ones.
        v_is_unique := exists (
            select from pg_index i
            where i.indrelid = format('crm.%I', v_table)::regclass and i.indisunique and not i.indisprimary);
        execute format('update crm.%1$I r set deleted_at = greatest($3, r.created_at) from demo.rewind_rows x'
                       ' where r.tenant_id = $2 and r.deleted_at is null and x.checkpoint_id = $1 and x.entity = %1$L'
                       ' and x.id = r.id and (x.action in (''hidden'', ''deleted'') or x.action = ''changed'' and $4)',
                       v_table)
        using p_job, v_tenant, v_at, v_is_unique;
    end loop;
    foreach v_table in array demo.checkpoint_tables() loop
        execute format('insert into crm.%1$I (%2$s) select %3$s from demo.checkpoint_%1$I s'
                       ' join demo.rewind_rows x on x.id = s.id where s.checkpoint_id = $2 and x.checkpoint_id = $1'
                       ' and x.entity = %1$L and x.action = ''inserted''',
                       v_table, demo.checkpoint_columns(v_table, '%I', false),
                       demo.checkpoint_columns(v_table, 's.%I', false))
        using p_job, p_checkpoint;
        execute format('update crm.%1$I r set %2$s from demo.checkpoint_%1$I s join demo.rewind_rows x on x.id = s.id'
                       ' where r.tenant_id = $3 and r.id = s.id and s.checkpoint_id = $2 and x.checkpoint_id = $1'
                       ' and x.entity = %1$L and x.action = ''changed''',
                       v_table, demo.checkpoint_columns(v_table, '%1$I = s.%1$I', true))
        using p_job, p_checkpoint, v_tenant;
    end loop;
    -- Children before parents. A row that another one still depends on, a person's say, stays hidden instead.
    foreach v_table in array array['activities', 'deals', 'contact_tags', 'contacts', 'companies'] loop
        if not exists (
            select from demo.rewind_rows x
            where x.checkpoint_id = p_job and x.entity = v_table and x.action = 'deleted'
        ) then
            continue;
        end if;
        select coalesce(string_agg(format(
            ' and not exists (select from crm.%I k where k.tenant_id = r.tenant_id and k.%I = r.id)',
            c.relname, a.attname), ''), '')
        into v_unreferenced
        from pg_constraint f
        join pg_class c on c.oid = f.conrelid
        join pg_attribute a on a.attrelid = f.conrelid and a.attnum = any (f.conkey) and a.attname <> 'tenant_id'
        where f.contype = 'f' and f.confrelid = format('crm.%I', v_table)::regclass
            and c.relnamespace = 'crm'::regnamespace and c.relname = any (demo.checkpoint_tables());
        begin
            execute format('delete from crm.%1$I r using demo.rewind_rows x where r.tenant_id = $2'
                           ' and x.checkpoint_id = $1 and x.entity = %1$L and x.id = r.id and x.action = ''deleted''%2$s',
                           v_table, v_unreferenced)
            using p_job, v_tenant;
        exception
            -- By a table of the CRM's own, or by a row that came meanwhile.
            when foreign_key_violation then null;
        end;
        execute format('update demo.rewind_rows x set action = ''hidden'' from crm.%1$I r where r.tenant_id = $2'
                       ' and r.id = x.id and x.checkpoint_id = $1 and x.entity = %1$L and x.action = ''deleted''',
                       v_table)
        using p_job, v_tenant;
    end loop;

    update crm.tenants t
    set name = s.name, country = s.country, timezone = s.timezone, currency = s.currency, industry = s.industry,
        updated_at = s.updated_at, deleted_at = s.deleted_at
    from jsonb_populate_record(null::crm.tenants, v_stored.tenant) s
    where t.id = v_tenant and exists (
        select from demo.rewind_rows x where x.checkpoint_id = p_job and x.entity = 'tenants');
    delete from demo.tenant_months h where h.tenant_id = v_tenant;
    insert into demo.tenant_months
    select h.* from jsonb_populate_recordset(null::demo.tenant_months, v_stored.months) h;
    insert into demo.checkpoint_edits (checkpoint_id, job_id, id, was_edited)
    select p_job, coalesce(e.job_id, s.job_id), coalesce(e.id, s.id), e.id is not null
    from (select e.* from demo.edited_rows e where e.tenant_id = v_tenant) e
    full join (select s.* from demo.checkpoint_edits s where s.checkpoint_id = p_checkpoint) s
        on s.job_id = e.job_id and s.id = e.id
    where case when s.id is null then v_stored.name is not null else s.was_edited <> (e.id is not null) end;
    delete from demo.edited_rows e using demo.checkpoint_edits s
    where e.tenant_id = v_tenant and s.checkpoint_id = p_job and s.job_id = e.job_id and s.id = e.id;
    insert into demo.edited_rows (tenant_id, job_id, id)
    select v_tenant, s.job_id, s.id from demo.checkpoint_edits s where s.checkpoint_id = p_job and not s.was_edited;
    delete from demo.hero_accounts h where h.tenant_id = v_tenant;
    insert into demo.hero_accounts
    select h.* from jsonb_populate_recordset(null::demo.hero_accounts, v_stored.hero_accounts) h
    -- A person may have deleted a row of it since, where an undo puts back other rows only.
    where exists (select from crm.contacts r where r.tenant_id = v_tenant and r.id = h.contact_id)
        and exists (select from crm.deals r where r.tenant_id = v_tenant and r.id = h.deal_id)
        and (h.company_id is null
             or exists (select from crm.companies r where r.tenant_id = v_tenant and r.id = h.company_id))
        and (h.earlier_deal_id is null
             or exists (select from crm.deals r where r.tenant_id = v_tenant and r.id = h.earlier_deal_id));

    -- Jobs since the checkpoint count as undone by this one; an undo gives back what was undone before.
    with undone as (
        select l.id, case when v_stored.jobs ? l.id::text then (v_stored.jobs ->> l.id::text)::uuid else p_job end as by
        from demo.job_ledger l
        where l.tenant_id = v_tenant and l.status = 'completed' and l.kind <> 'checkpoint'
            and (v_stored.name is not null or v_stored.jobs ? l.id::text or l.id = p_checkpoint)
    )
    update demo.job_ledger l set undone_by = u.by
    from undone u where l.id = u.id and l.undone_by is distinct from u.by;
    select jsonb_build_object(
        'rows', coalesce((
            select jsonb_agg(to_jsonb(n))
            from (
                select x.entity, x.action, x.is_generated, count(*) as count
                from demo.rewind_rows x where x.checkpoint_id = p_job
                group by x.entity, x.action, x.is_generated
            ) n), '[]'),
        -- As text: money in JSON numbers would pass through floating point.
        'recorded', coalesce((
            select jsonb_agg(c.figures || jsonb_build_object('month', c.month) order by c.month)
            from (
                select m.month, jsonb_object_agg(m.metric, m.total::text) as figures
                from (
                    select h.month, k.metric, -sum(k.figure::numeric) as total
                    from demo.job_months h
                    cross join jsonb_each_text(to_jsonb(h) - array['tenant_id', 'job_id', 'month']) as k (metric, figure)
                    where h.tenant_id = v_tenant and case when v_stored.name is null then h.job_id = p_checkpoint
                        else not v_stored.jobs ? h.job_id::text end
                    group by h.month, k.metric
                ) m
                group by m.month
            ) c), '[]'))
    into v_result;
    return v_result;
end
$$;

revoke all on function
    demo.checkpoint_tables, demo.checkpoint_columns, demo.crm_columns, demo.forget_stored, demo.forget_checkpoints,
    demo.drop_expired_checkpoints, demo.claimed_tenant, demo.store_state, demo.take_checkpoint,
    demo.delete_checkpoint, demo.checkpoint_differences, demo.rewind
    from public;
grant execute on function demo.take_checkpoint, demo.delete_checkpoint, demo.rewind to demo_loader;
-- To make the trigger.
grant execute on function demo.forget_checkpoints to demo_owner;
grant execute on function demo.crm_columns, demo.checkpoint_differences, demo.drop_expired_checkpoints to demo_owner;

set local role demo_owner;
revoke create on schema demo from demo_guard;

create trigger tenant_metadata_forget_checkpoints
    after update of deleted_at on demo.tenant_metadata
    for each row when (new.deleted_at is not null) execute function demo.forget_checkpoints();
