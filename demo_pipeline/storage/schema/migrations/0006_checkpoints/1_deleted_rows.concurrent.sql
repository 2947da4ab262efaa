-- squawk-ignore-file ban-concurrent-index-creation-in-transaction, prefer-robust-stmts, require-timeout-settings
--   these statements run outside of a transaction, with the limits of storage.schema.busy_tables; the build of an
--   index that was broken off begins again
--
-- Deleted rows of a tenant: to find those that a job deleted, and the instants that are used.
drop index concurrently if exists crm.companies_deleted_idx;
create index concurrently companies_deleted_idx on crm.companies (tenant_id, deleted_at)
    where deleted_at is not null;
drop index concurrently if exists crm.contacts_deleted_idx;
create index concurrently contacts_deleted_idx on crm.contacts (tenant_id, deleted_at)
    where deleted_at is not null;
drop index concurrently if exists crm.contact_tags_deleted_idx;
create index concurrently contact_tags_deleted_idx on crm.contact_tags (tenant_id, deleted_at)
    where deleted_at is not null;
drop index concurrently if exists crm.deals_deleted_idx;
create index concurrently deals_deleted_idx on crm.deals (tenant_id, deleted_at)
    where deleted_at is not null;
drop index concurrently if exists crm.activities_deleted_idx;
create index concurrently activities_deleted_idx on crm.activities (tenant_id, deleted_at)
    where deleted_at is not null;
