-- Examinations: what the last reading of all rows of a tenant found, so that a board of many tenants need not read
-- their rows again.
--
-- For administrators. The loader and the CRM's reader have no right on it.

set local lock_timeout = '5s';
set local statement_timeout = '300s';

-- One a tenant, the latest. fingerprint: of all rows that were there; rows that jobs add later do not change it.
-- reasons: [{"requirement", "what", "remedy", "command"}], why the tenant was not ready; empty: it was.
-- notes: sentences about what is no reason. checkpoint_id: the last one, which the rows were compared with.
create table demo.examinations (
    tenant_id uuid not null,
    examined_at timestamptz not null,
    examined_by text not null,
    fingerprint numeric not null,
    reasons jsonb not null,
    notes jsonb not null,
    checkpoint_id uuid,
    constraint examinations_pkey primary key (tenant_id),
    constraint examinations_tenant_fkey foreign key (tenant_id) references demo.tenant_metadata (tenant_id),
    constraint examinations_reasons_check check (jsonb_typeof(reasons) = 'array'),
    constraint examinations_notes_check check (jsonb_typeof(notes) = 'array')
);
