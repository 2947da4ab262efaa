-- What the CRM's application server reads: the tenant in app.tenant_id, without provenance and without
-- deleted rows. Definer views: with security_invoker the reader would need rights on the tables, and
-- could then read past the views. The policies of crm_views choose the tenant (6_access.sql).
-- crm_views may also write what a person may edit, for roles that are granted more than crm_reader.

set local lock_timeout = '5s';
set local statement_timeout = '300s';

grant select (
    id, slug, name, country, timezone, currency, industry, created_at, updated_at, deleted_at
) on crm.tenants to crm_views;

grant select (
    tenant_id, id, email, first_name, last_name, role, created_at, updated_at, deleted_at
), insert (
    tenant_id, id, email, first_name, last_name, role, created_at, updated_at, deleted_at
), update (
    email, first_name, last_name, role, created_at, updated_at, deleted_at
) on crm.users to crm_views;

grant select (
    tenant_id, id, name, position, probability, is_won, is_lost, created_at, updated_at, deleted_at
), insert (
    tenant_id, id, name, position, probability, is_won, is_lost, created_at, updated_at, deleted_at
), update (
    name, position, probability, is_won, is_lost, created_at, updated_at, deleted_at
) on crm.pipeline_stages to crm_views;

grant select (
    tenant_id, id, name, color, created_at, updated_at, deleted_at
), insert (
    tenant_id, id, name, color, created_at, updated_at, deleted_at
), update (
    name, color, created_at, updated_at, deleted_at
) on crm.tags to crm_views;

grant select (
    tenant_id, id, name, domain, industry, size, owner_id, address, city, state, country,
    postal_code, phone, website, created_at, updated_at, deleted_at
), insert (
    tenant_id, id, name, domain, industry, size, owner_id, address, city, state, country,
    postal_code, phone, website, created_at, updated_at, deleted_at
), update (
    name, domain, industry, size, owner_id, address, city, state, country, postal_code, phone,
    website, created_at, updated_at, deleted_at
) on crm.companies to crm_views;

grant select (
    tenant_id, id, first_name, last_name, email, phone, company_id, owner_id, status, source,
    created_at, updated_at, deleted_at
), insert (
    tenant_id, id, first_name, last_name, email, phone, company_id, owner_id, status, source,
    created_at, updated_at, deleted_at
), update (
    first_name, last_name, email, phone, company_id, owner_id, status, source, created_at,
    updated_at, deleted_at
) on crm.contacts to crm_views;

grant select (
    tenant_id, id, contact_id, tag_id, created_at, updated_at, deleted_at
), insert (
    tenant_id, id, contact_id, tag_id, created_at, updated_at, deleted_at
), update (
    contact_id, tag_id, created_at, updated_at, deleted_at
) on crm.contact_tags to crm_views;

grant select (
    tenant_id, id, title, value, currency, stage_id, owner_id, contact_id, company_id, probability,
    expected_close_date, closed_at, created_at, updated_at, deleted_at
), insert (
    tenant_id, id, title, value, currency, stage_id, owner_id, contact_id, company_id, probability,
    expected_close_date, closed_at, created_at, updated_at, deleted_at
), update (
    title, value, currency, stage_id, owner_id, contact_id, company_id, probability,
    expected_close_date, closed_at, created_at, updated_at, deleted_at
) on crm.deals to crm_views;

grant select (
    tenant_id, id, type, subject, description, contact_id, company_id, deal_id, created_by_id,
    scheduled_at, completed_at, duration_minutes, created_at, updated_at, deleted_at
), insert (
    tenant_id, id, type, subject, description, contact_id, company_id, deal_id, created_by_id,
    scheduled_at, completed_at, duration_minutes, created_at, updated_at, deleted_at
), update (
    type, subject, description, contact_id, company_id, deal_id, created_by_id, scheduled_at,
    completed_at, duration_minutes, created_at, updated_at, deleted_at
) on crm.activities to crm_views;

grant create on schema crm_app to crm_views;
set local role crm_views;

create view crm_app.tenants with (security_barrier) as
select
    id, slug, name, country, timezone, currency, industry, created_at, updated_at, deleted_at
from crm.tenants
where deleted_at is null;

create view crm_app.users with (security_barrier) as
select
    tenant_id, id, email, first_name, last_name, role, created_at, updated_at, deleted_at
from crm.users
where deleted_at is null;

create view crm_app.pipeline_stages with (security_barrier) as
select
    tenant_id, id, name, position, probability, is_won, is_lost, created_at, updated_at, deleted_at
from crm.pipeline_stages
where deleted_at is null;

create view crm_app.tags with (security_barrier) as
select
    tenant_id, id, name, color, created_at, updated_at, deleted_at
from crm.tags
where deleted_at is null;

create view crm_app.companies with (security_barrier) as
select
    tenant_id, id, name, domain, industry, size, owner_id, address, city, state, country,
    postal_code, phone, website, created_at, updated_at, deleted_at
from crm.companies
where deleted_at is null;

create view crm_app.contacts with (security_barrier) as
select
    tenant_id, id, first_name, last_name, email, phone, company_id, owner_id, status, source,
    created_at, updated_at, deleted_at
from crm.contacts
where deleted_at is null;

create view crm_app.contact_tags with (security_barrier) as
select
    tenant_id, id, contact_id, tag_id, created_at, updated_at, deleted_at
from crm.contact_tags
where deleted_at is null;

create view crm_app.deals with (security_barrier) as
select
    tenant_id, id, title, value, currency, stage_id, owner_id, contact_id, company_id, probability,
    expected_close_date, closed_at, created_at, updated_at, deleted_at
from crm.deals
where deleted_at is null;

create view crm_app.activities with (security_barrier) as
select
    tenant_id, id, type, subject, description, contact_id, company_id, deal_id, created_by_id,
    scheduled_at, completed_at, duration_minutes, created_at, updated_at, deleted_at
from crm.activities
where deleted_at is null;

grant select on all tables in schema crm_app to crm_reader;
set local role demo_owner;
revoke create on schema crm_app from crm_views;
