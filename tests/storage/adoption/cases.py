"""Variations of a foreign CRM: what an adoption accepts, what a script mends, what no script can mend.

Each is SQL that is executed on the CRM of ``foreign_crm``. ``{app}`` is the role of its application, and
``{login}`` the login that adopts. Variations of one group can be applied together.
"""

from __future__ import annotations

from typing import Any, Final

from psycopg import Connection

from tests.storage.adoption.foreign_crm import TABLES

_TENANT: Final = "md5('tenant0')::uuid"

#: Single-column references on single-column keys, as most CRMs have them.
REFERENCES: Final = (
    ("companies", "owner_id", "users"), ("contacts", "company_id", "companies"),
    ("contacts", "owner_id", "users"), ("contact_tags", "contact_id", "contacts"),
    ("contact_tags", "tag_id", "tags"), ("deals", "stage_id", "pipeline_stages"),
    ("deals", "owner_id", "users"), ("deals", "contact_id", "contacts"), ("deals", "company_id", "companies"),
    ("activities", "contact_id", "contacts"), ("activities", "company_id", "companies"),
    ("activities", "deal_id", "deals"), ("activities", "created_by_id", "users"),
)  # fmt: skip


def simple_keys(conn: Connection[Any]) -> None:
    """Make ``id`` the key of every table, and all references ones to ``id``."""
    conn.execute("alter table crm.contacts drop constraint contact_works_at")
    for table in TABLES[1:]:
        ((name,),) = conn.execute(
            "select conname from pg_constraint where contype = 'p' and conrelid = %s::regclass",
            [f"crm.{table}"],
        ).fetchall()
        conn.execute(f'alter table crm.{table} drop constraint "{name}"'.encode())
        conn.execute(f'alter table crm.{table} add constraint "PK {table}" primary key (id)'.encode())
    for table, column, target in REFERENCES:
        conn.execute(
            f'alter table crm.{table} add constraint "FK {table}.{column}" foreign key ({column})'
            f" references crm.{target} (id) on delete cascade".encode()
        )
    conn.execute(
        "create table crm.calls (id int primary key, contact uuid references crm.contacts (id)"
        " deferrable initially deferred)"
    )


#: Accepted; afterwards a demo tenant can be made.
ACCEPTED: Final[dict[str, str]] = {
    "schema of pg_database_owner": "alter schema crm owner to pg_database_owner",
    "table of another role": "alter table crm.companies owner to {app}",
    "columns with defaults": """
        create type crm.level as enum ('low', 'high');
        create domain crm.code as text not null default 'none' check (value <> '');
        alter table crm.contacts add column number bigserial not null,
            add column serial integer generated always as identity,
            add column level crm.level not null default 'low', add column code crm.code,
            add column full_name text generated always as (first_name || last_name) stored;
        alter table crm.tenants add column seats integer not null default 5""",
    "not null where demo rows have values": """
        update crm.contacts set last_name = 'X', source = 'web';
        alter table crm.contacts alter first_name set not null, alter last_name set not null,
            alter status set not null, alter source set not null;
        update crm.companies set domain = id::text || '.example', size = '1-10';
        alter table crm.companies alter domain set not null, alter size set not null;
        alter table crm.deals alter title set not null, alter value set not null;
        alter table crm.activities alter subject set not null""",
    "views, triggers and policies": """
        create view crm.people as select tenant_id, first_name, email from crm.contacts;
        create materialized view crm.totals as select tenant_id, count(*) from crm.deals group by 1;
        create function crm.touch() returns trigger language plpgsql as 'begin return new; end';
        create trigger touch before update of title on crm.deals for each row execute function crm.touch();
        create policy mine on crm.tags to {app} using (true)""",
    "other names for the same": """
        create index "My Index" on crm.deals (tenant_id, contact_id);
        alter table crm.deals add constraint "Deal of Contact" foreign key (tenant_id, contact_id)
            references crm.contacts (tenant_id, id) on delete set null deferrable;
        alter table crm.deals add constraint deal_amount check (value >= 0)""",
    "other tables": """
        create table crm.events (id bigint, at date not null) partition by range (at);
        create table crm.events_1 partition of crm.events for values from ('2020-01-01') to ('2030-01-01');
        create table crm."Mixed Case" (id integer)""",
}  # fmt: skip

#: Refused with a script that runs as printed; the next adoption succeeds.
MENDED: Final[dict[str, str]] = {
    "missing table": "drop table crm.tags",
    "missing column": "alter table crm.deals drop column closed_at",
    "missing required column": "alter table crm.users drop column email",
    "varchar that stored columns are computed from": """
        alter table crm.contacts alter last_name type varchar(80),
            add column label text not null generated always as (coalesce(last_name, '') || '!') stored,
            add constraint label_is_short check (length(label) < 90);
        create index labels on crm.contacts (tenant_id, label) where label <> '!';
        create view crm.all_labels as select tenant_id, label from crm.contacts""",
    "varchar": """
        alter table crm.contacts alter first_name type varchar(80), alter first_name set default 'Ann';
        create view crm.names as select tenant_id, first_name from crm.contacts;
        create view crm."All Names" with (security_barrier) as select first_name from crm.names;
        create materialized view crm.name_counts as select first_name, count(*) from crm.names group by 1;
        create index on crm.name_counts (first_name);
        grant select on crm."All Names" to {app};
        create function crm.touch() returns trigger language plpgsql as 'begin return new; end';
        create trigger touch before update of first_name on crm.contacts
            for each row execute function crm.touch();
        create policy "Ann only" on crm.contacts to {app} using (first_name = 'Ann')""",
    "enum": """
        create type crm.status as enum ('lead', 'customer');
        alter table crm.contacts alter status type crm.status using status::crm.status,
            alter status set default 'lead', add constraint known check (status <> 'lead'::crm.status);
        create index customers on crm.contacts (id) where status = 'customer'""",
    "referenced text keys": """
        alter table crm.pipeline_stages alter id drop default, alter id type text;
        alter table crm.deals alter stage_id type text;
        alter table crm.deals add constraint in_stage foreign key (tenant_id, stage_id)
            references crm.pipeline_stages (tenant_id, id);
        create table crm.rules (tenant_id uuid, stage text,
            foreign key (tenant_id, stage) references crm.pipeline_stages (tenant_id, id))""",
    "timestamp": "alter table crm.activities alter completed_at type timestamp",
    "column that may not be null": """
        update crm.companies set vat_number = 'x', phone = '1';
        alter table crm.companies alter vat_number set not null, alter phone set not null,
            alter vat_number drop default;
        update crm.contacts set phone = '1', email = coalesce(email, id::text);
        alter table crm.contacts alter phone set not null, alter email set not null""",
    "required domain": """
        create domain crm.code as varchar(9) not null;
        alter table crm.companies add column code crm.code default 'x';
        alter table crm.companies alter code drop default""",
    "stored column": """
        alter table crm.deals drop column title, add title text generated always as ('Deal') stored""",
    "identity column": """
        alter table crm.pipeline_stages drop column position,
            add position integer generated always as identity""",
    "null values": """
        update crm.deals set value = null;
        alter table crm.companies alter name drop not null, alter created_at drop not null;
        update crm.companies set name = null, created_at = null where id = md5('company1')::uuid""",
    "dangling references": """
        update crm.deals set contact_id = gen_random_uuid() where value < 3;
        update crm.contact_tags set tag_id = gen_random_uuid() where id = md5('tagged3')::uuid""",
    "rows of no tenant": """
        alter table crm.activities drop constraint activities_tenant_id_fkey;
        insert into crm.activities (tenant_id, subject) values (gen_random_uuid(), 'Lost')""",
    "rows that break checks": f"""
        alter table crm.activities drop constraint if exists nothing;
        update crm.activities set type = 'fax', duration_minutes = -1 where subject = 'Call'
            and tenant_id = {_TENANT};
        update crm.users set role = 'boss' where tenant_id = {_TENANT};
        update crm.deals set value = -1, probability = 101 where value = 1;
        update crm.pipeline_stages set is_won = true, is_lost = true, probability = 200""",
    "a reference that is not validated": """
        update crm.activities set deal_id = gen_random_uuid() where id = md5('activity1')::uuid;
        alter table crm.activities add constraint of_deal foreign key (tenant_id, deal_id)
            references crm.deals (tenant_id, id) not valid""",
    "copies": f"""
        update crm.users set last_name = 'Same', email = 'same' where tenant_id = {_TENANT};
        insert into crm.tenants (id, slug, name) values (gen_random_uuid(), 'customer-0b', 'Other');
        drop index crm.tenants_by_slug;
        update crm.tenants set slug = 'customer-0' where name = 'Other';
        insert into crm.contact_tags (tenant_id, contact_id, tag_id)
        select tenant_id, contact_id, tag_id from crm.contact_tags""",
    "names of constraints": """
        alter table crm.deals add constraint deals_value_check check (value < 1000000);
        alter table crm.companies add constraint companies_name_is_there check (name <> '')""",
    "names of indexes": """
        create index deals_kpi_idx on crm.deals (title);
        create index contacts_kpi_idx on crm.invoices (total);
        create view crm.activities_kpi_idx as select 1 as one;
        create table crm.companies_job_idx (id integer unique);
        create sequence crm.tenants_slug_key;
        create table crm.others (id integer constraint deals_company_idx unique)""",
    "names of policies": """
        create policy owner_all on crm.deals to {app} using (true);
        create policy served_tenant on crm.deals to {app} using (true)""",
    "names of schemas": """
        create schema demo; create table demo.things (id integer); create schema demo_old1;
        create schema crm_app""",
    "columns of provenance": f"""
        alter table crm.companies add demo_generated boolean, add demo_job_id uuid;
        update crm.companies set demo_generated = true, demo_job_id = gen_random_uuid()
        where tenant_id = {_TENANT};
        alter table crm.deals add demo_source_month varchar(7) not null default '2020-01'""",
    "rights of PUBLIC": """
        grant usage, create on schema crm to public;
        grant select on crm.users, crm.invoices to public;
        grant select (total) on crm.invoices to public;
        create view crm.everything as select * from crm.contacts;
        grant select on crm.everything to public;
        create sequence crm.numbers; grant usage on sequence crm.numbers to public;
        create schema reports; create view reports.deals as select * from crm.deals;
        grant usage on schema reports to public; grant select on reports.deals to public;
        create function crm.all_emails() returns setof text language sql security definer
            as 'select email from crm.contacts'""",
    "policies for PUBLIC": """
        create policy "Open" on crm.activities using (true);
        create policy loader_select on crm.tags using (true)""",
    "a rule": "create rule keep as on delete to crm.tags do instead nothing",
    "inheritance": """
        create table crm.old_activities () inherits (crm.activities);
        create table crm.base (id uuid not null);
        alter table crm.companies inherit crm.base""",
    "unlogged": """
        create unlogged table crm.tags_2 (like crm.tags including all);
        insert into crm.tags_2 select * from crm.tags; drop table crm.tags;
        alter table crm.tags_2 rename to tags""",
    "key of other columns": """
        alter table crm.contact_tags drop constraint pk_contact_tags, add primary key (id);
        alter table crm.activities drop constraint pk_activities;
        insert into crm.activities select * from crm.activities limit 2""",
}  # fmt: skip
#: They cannot be applied together with others of their line.
CONFLICTING: Final = (
    ("missing table", "a rule", "unlogged", "policies for PUBLIC"),
    ("enum", "inheritance", "rows that break checks"),
    ("missing required column", "copies"),
    ("stored column", "names of indexes"),
)
#: Refused with a script; what cannot be read before is found by the second adoption, as the first says.
MENDED_TWICE: Final[dict[str, str]] = {
    "upper-case names": """
        alter table crm.tags rename to "Tags"; alter table crm.contacts rename status to "Status";
        update crm.contacts set "Status" = 'won'""",
    "hidden rows": """
        update crm.users set role = 'boss';
        alter table crm.users enable row level security, force row level security""",
}
#: Refused, and no script can mend it.
UNSUPPORTED: Final[dict[str, str]] = {
    "partitioned table": """
        drop table crm.contact_tags;
        create table crm.contact_tags (tenant_id uuid, id uuid) partition by hash (tenant_id)""",
    "view": "alter table crm.tags rename to labels; create view crm.tags as select * from crm.labels",
    "type without conversion": "alter table crm.deals drop contact_id, add contact_id bigint",
}
