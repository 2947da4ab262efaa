-- squawk-ignore-file prefer-bigint-over-int, prefer-text-field
--   positions, percent and minutes are bounded by checks; varchar(7) is what programs outside rely on
--
-- Schema crm: the CRM's tables for all tenants, real ones and demos side by side.
-- Every key and every reference carries the tenant, so that no row can point into another one.
-- Rules about what jobs write are policies of demo_loader (6_access.sql): table constraints hold for every edit.

set local lock_timeout = '5s';
set local statement_timeout = '300s';

-- Only the login may make schemas.
set local role none;
create schema crm authorization demo_owner;
set local role demo_owner;

create table crm.tenants (
    id uuid constraint tenants_pkey primary key default gen_random_uuid(),
    slug text not null constraint tenants_slug_key unique,
    name text not null,
    country text,
    timezone text,
    currency text,
    industry text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    deleted_at timestamptz
);

create table crm.users (
    tenant_id uuid not null,
    id uuid not null default gen_random_uuid(),
    email text not null,
    first_name text,
    last_name text,
    role text not null default 'member',
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    deleted_at timestamptz,
    constraint users_pkey primary key (tenant_id, id),
    constraint users_tenant_fkey foreign key (tenant_id) references crm.tenants (id),
    constraint users_role_check check (role in ('owner', 'admin', 'member', 'readonly'))
);
create unique index users_email_key on crm.users (tenant_id, email) where deleted_at is null;

create table crm.pipeline_stages (
    tenant_id uuid not null,
    id uuid not null default gen_random_uuid(),
    name text not null,
    position integer not null default 0,
    probability integer not null default 0,
    is_won boolean not null default false,
    is_lost boolean not null default false,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    deleted_at timestamptz,
    constraint pipeline_stages_pkey primary key (tenant_id, id),
    constraint pipeline_stages_tenant_fkey foreign key (tenant_id) references crm.tenants (id),
    constraint pipeline_stages_probability_check check (probability between 0 and 100),
    constraint pipeline_stages_outcome_check check (not (is_won and is_lost))
);

create table crm.tags (
    tenant_id uuid not null,
    id uuid not null default gen_random_uuid(),
    name text not null,
    color text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    deleted_at timestamptz,
    constraint tags_pkey primary key (tenant_id, id),
    constraint tags_tenant_fkey foreign key (tenant_id) references crm.tenants (id)
);

-- The four tables with provenance reference crm.tenants themselves: an owner, a company and a contact
-- may all be absent, and a row of nobody's tenant must not exist.
create table crm.companies (
    tenant_id uuid not null,
    id uuid not null default gen_random_uuid(),
    name text not null,
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
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    deleted_at timestamptz,
    demo_generated boolean not null default false,
    demo_job_id uuid,
    demo_source_month varchar(7),
    constraint companies_pkey primary key (tenant_id, id),
    constraint companies_tenant_fkey foreign key (tenant_id) references crm.tenants (id),
    constraint companies_owner_fkey foreign key (tenant_id, owner_id) references crm.users (tenant_id, id),
    constraint companies_job_fkey foreign key (tenant_id, demo_job_id)
        references demo.job_ledger (tenant_id, id),
    constraint companies_provenance_check check (
        not demo_generated or (demo_job_id is not null and demo_source_month is not null))
);
create index companies_kpi_idx on crm.companies (tenant_id, created_at) where deleted_at is null;
create index companies_job_idx on crm.companies (tenant_id, demo_job_id, demo_source_month)
    where demo_generated;

create table crm.contacts (
    tenant_id uuid not null,
    id uuid not null default gen_random_uuid(),
    first_name text,
    last_name text,
    email text,
    phone text,
    company_id uuid,
    owner_id uuid,
    status text,
    source text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    deleted_at timestamptz,
    demo_generated boolean not null default false,
    demo_job_id uuid,
    demo_source_month varchar(7),
    constraint contacts_pkey primary key (tenant_id, id),
    constraint contacts_tenant_fkey foreign key (tenant_id) references crm.tenants (id),
    constraint contacts_company_fkey foreign key (tenant_id, company_id)
        references crm.companies (tenant_id, id),
    constraint contacts_owner_fkey foreign key (tenant_id, owner_id) references crm.users (tenant_id, id),
    constraint contacts_job_fkey foreign key (tenant_id, demo_job_id)
        references demo.job_ledger (tenant_id, id),
    constraint contacts_status_check check (status in ('lead', 'prospect', 'customer', 'churned', 'other')),
    constraint contacts_provenance_check check (
        not demo_generated or (demo_job_id is not null and demo_source_month is not null))
);
create index contacts_kpi_idx on crm.contacts (tenant_id, created_at) include (status)
    where deleted_at is null;
create index contacts_job_idx on crm.contacts (tenant_id, demo_job_id, demo_source_month)
    where demo_generated;
create index contacts_company_ref_idx on crm.contacts (company_id, tenant_id);

create table crm.contact_tags (
    tenant_id uuid not null,
    id uuid not null default gen_random_uuid(),
    contact_id uuid not null,
    tag_id uuid not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    deleted_at timestamptz,
    constraint contact_tags_pkey primary key (tenant_id, id),
    constraint contact_tags_contact_fkey foreign key (tenant_id, contact_id)
        references crm.contacts (tenant_id, id),
    constraint contact_tags_tag_fkey foreign key (tenant_id, tag_id) references crm.tags (tenant_id, id)
);
create unique index contact_tags_living_key on crm.contact_tags (tenant_id, contact_id, tag_id)
    where deleted_at is null;
create index contact_tags_contact_ref_idx on crm.contact_tags (contact_id, tenant_id);

create table crm.deals (
    tenant_id uuid not null,
    id uuid not null default gen_random_uuid(),
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
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    deleted_at timestamptz,
    demo_generated boolean not null default false,
    demo_job_id uuid,
    demo_source_month varchar(7),
    constraint deals_pkey primary key (tenant_id, id),
    constraint deals_tenant_fkey foreign key (tenant_id) references crm.tenants (id),
    constraint deals_stage_fkey foreign key (tenant_id, stage_id)
        references crm.pipeline_stages (tenant_id, id),
    constraint deals_owner_fkey foreign key (tenant_id, owner_id) references crm.users (tenant_id, id),
    constraint deals_contact_fkey foreign key (tenant_id, contact_id)
        references crm.contacts (tenant_id, id),
    constraint deals_company_fkey foreign key (tenant_id, company_id)
        references crm.companies (tenant_id, id),
    constraint deals_job_fkey foreign key (tenant_id, demo_job_id)
        references demo.job_ledger (tenant_id, id),
    constraint deals_value_check check (value >= 0),
    constraint deals_probability_check check (probability between 0 and 100),
    constraint deals_provenance_check check (
        not demo_generated or (demo_job_id is not null and demo_source_month is not null))
);
create index deals_kpi_idx on crm.deals (tenant_id, created_at) include (stage_id, value)
    where deleted_at is null;
create index deals_job_idx on crm.deals (tenant_id, demo_job_id, demo_source_month)
    where demo_generated;
create index deals_contact_ref_idx on crm.deals (contact_id, tenant_id);
create index deals_company_ref_idx on crm.deals (company_id, tenant_id);

create table crm.activities (
    tenant_id uuid not null,
    id uuid not null default gen_random_uuid(),
    type text not null default 'note',
    subject text,
    description text,
    contact_id uuid,
    company_id uuid,
    deal_id uuid,
    created_by_id uuid,
    scheduled_at timestamptz,
    completed_at timestamptz,
    duration_minutes integer,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    deleted_at timestamptz,
    demo_generated boolean not null default false,
    demo_job_id uuid,
    demo_source_month varchar(7),
    constraint activities_pkey primary key (tenant_id, id),
    constraint activities_tenant_fkey foreign key (tenant_id) references crm.tenants (id),
    constraint activities_contact_fkey foreign key (tenant_id, contact_id)
        references crm.contacts (tenant_id, id),
    constraint activities_company_fkey foreign key (tenant_id, company_id)
        references crm.companies (tenant_id, id),
    constraint activities_deal_fkey foreign key (tenant_id, deal_id) references crm.deals (tenant_id, id),
    constraint activities_created_by_fkey foreign key (tenant_id, created_by_id)
        references crm.users (tenant_id, id),
    constraint activities_job_fkey foreign key (tenant_id, demo_job_id)
        references demo.job_ledger (tenant_id, id),
    constraint activities_type_check check (type in ('note', 'call', 'email', 'meeting', 'task')),
    constraint activities_duration_check check (duration_minutes >= 0),
    constraint activities_provenance_check check (
        not demo_generated or (demo_job_id is not null and demo_source_month is not null))
);
create index activities_kpi_idx on crm.activities (tenant_id, created_at) where deleted_at is null;
create index activities_job_idx on crm.activities (tenant_id, demo_job_id, demo_source_month)
    where demo_generated;
create index activities_contact_ref_idx on crm.activities (contact_id, tenant_id);
create index activities_deal_ref_idx on crm.activities (deal_id, tenant_id);
create index activities_company_ref_idx on crm.activities (company_id, tenant_id);
