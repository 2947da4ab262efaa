"""A CRM that was there before: its tables, filled by the server, and clients that use them all the while.

Its names are its own: constraints, indexes, more columns, another table, an application's role with rights.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import psycopg
from psycopg import Connection, sql

TABLES: Final = (
    "tenants", "users", "pipeline_stages", "tags", "companies", "contacts", "contact_tags", "deals",
    "activities",
)  # fmt: skip

_TIMES: Final = """
    created_at timestamptz not null default now(), updated_at timestamptz not null default now(),
    deleted_at timestamptz
"""
_KEY: Final = "tenant_id uuid not null references crm.tenants, id uuid not null default gen_random_uuid()"
SCHEMA: Final = f"""
create schema crm;
create table crm.tenants (
    id uuid primary key, slug text not null, name text not null, country text, timezone text, currency text,
    industry text, plan_name text default 'gold', {_TIMES});
create unique index tenants_by_slug on crm.tenants (slug);
create table crm.users (
    {_KEY}, email text not null, first_name text, last_name text, role text not null default 'member',
    {_TIMES}, constraint pk_users primary key (tenant_id, id));
create table crm.pipeline_stages (
    {_KEY}, name text not null, position integer, probability integer not null default 0,
    is_won boolean not null default false, is_lost boolean not null default false, {_TIMES},
    constraint pk_stages primary key (tenant_id, id));
create table crm.tags (
    {_KEY}, name text not null, color text, {_TIMES}, constraint pk_tags primary key (tenant_id, id));
create table crm.companies (
    {_KEY}, name text not null, domain text, industry text, size text, owner_id uuid, address text, city text,
    state text, country text, postal_code text, phone text, website text, vat_number text, {_TIMES},
    constraint pk_companies primary key (tenant_id, id));
create table crm.contacts (
    {_KEY}, first_name text, last_name text, email text, phone text, company_id uuid, owner_id uuid,
    status text, source text, score integer not null default 0, {_TIMES},
    constraint pk_contacts primary key (tenant_id, id),
    constraint contact_works_at foreign key (tenant_id, company_id) references crm.companies (tenant_id, id)
        on delete cascade);
create index contacts_by_email on crm.contacts (tenant_id, lower(email));
create table crm.contact_tags (
    {_KEY}, contact_id uuid not null, tag_id uuid not null, {_TIMES},
    constraint pk_contact_tags primary key (tenant_id, id));
create table crm.deals (
    {_KEY}, title text, value numeric(15, 2), currency text, stage_id uuid, owner_id uuid, contact_id uuid,
    company_id uuid, probability integer, expected_close_date date, closed_at timestamptz, {_TIMES},
    constraint pk_deals primary key (tenant_id, id));
create table crm.activities (
    {_KEY}, type text not null default 'note', subject text, description text, contact_id uuid,
    company_id uuid, deal_id uuid, created_by_id uuid, scheduled_at timestamptz, completed_at timestamptz,
    duration_minutes integer, {_TIMES}, constraint pk_activities primary key (tenant_id, id));
create table crm.invoices (id bigint generated always as identity primary key, total numeric);
insert into crm.invoices (total) values (1);
"""


def _id(kind: str, number: str = "i") -> str:
    return f"md5('{kind}' || ({number}))::uuid"


_TENANT: Final = _id("tenant", "i % 3")
#: three tenants; all tables together have about ten times ``:n`` rows
ROWS: Final = f"""
insert into crm.tenants (id, slug, name) select {_id("tenant")}, 'customer-' || i, 'Customer ' || i
from generate_series(0, 2) i;
insert into crm.users (tenant_id, id, email) select {_TENANT}, {_id("user")}, i || '@customer.example'
from generate_series(0, 29) i;
insert into crm.pipeline_stages (tenant_id, id, name, position, is_won)
select {_TENANT}, {_id("stage")}, 'Stage ' || i, i, i < 3 from generate_series(0, 14) i;
insert into crm.tags (tenant_id, id, name) select {_TENANT}, {_id("tag")}, 'tag'
from generate_series(0, 8) i;
insert into crm.companies (tenant_id, id, name, owner_id)
select {_TENANT}, {_id("company")}, 'Company ' || i, {_id("user", "i % 30")}
from generate_series(0, :n - 1) i;
insert into crm.contacts (tenant_id, id, first_name, email, company_id, status)
select {_TENANT}, {_id("contact")}, 'Ann', i || '@mail.example', {_id("company", "i % :n")}, 'customer'
from generate_series(0, 3 * :n - 1) i;
insert into crm.deals (tenant_id, id, title, value, stage_id, contact_id, company_id)
select {_TENANT}, {_id("deal")}, 'Deal', i, {_id("stage", "i % 15")}, {_id("contact", "i % (3 * :n)")},
    {_id("company", "i % :n")}
from generate_series(0, :n - 1) i;
insert into crm.activities (tenant_id, id, subject, contact_id, deal_id)
select {_TENANT}, {_id("activity")}, 'Call', {_id("contact", "i % (3 * :n)")}, {_id("deal", "i % :n")}
from generate_series(0, 5 * :n - 1) i;
insert into crm.contact_tags (tenant_id, id, contact_id, tag_id)
select {_TENANT}, {_id("tagged")}, {_id("contact")}, {_id("tag", "i % 3")} from generate_series(0, 29) i;
"""


def fill(conn: Connection[Any], rows: int) -> None:
    """Fill the empty tables with about ``rows`` rows of three tenants."""
    conn.execute(ROWS.replace(":n", str(rows // 30 * 3)).encode())
    conn.execute("analyze")


def make_crm(conn: Connection[Any], app: str, rows: int) -> None:
    """The CRM with ``rows`` rows, and the role ``app`` with the rights of its application."""
    conn.execute(SCHEMA.encode())
    grant_app(conn, app)
    fill(conn, rows)


def grant_app(conn: Connection[Any], app: str) -> None:
    role = sql.Identifier(app)
    conn.execute(sql.SQL("grant usage on schema crm to {}").format(role))
    conn.execute(
        sql.SQL("grant select, insert, update, delete on all tables in schema crm to {}").format(role)
    )


def hashes(
    conn: Connection[Any], columns: dict[str, str], until: datetime | None = None
) -> dict[str, tuple[Any, ...]]:
    """Table → number and hash of its rows, in those columns; of those that were made by then."""
    found: dict[str, tuple[Any, ...]] = {}
    for table in TABLES:
        row = conn.execute(
            "select count(*), sum(hashtextextended(r::text, 0)) from ("
            f" select {columns[table]} from crm.{table} where created_at <= coalesce(%s, now())) r".encode(),
            [until],
        ).fetchone()
        assert row is not None
        found[table] = row
    return found


def own_columns(conn: Connection[Any]) -> dict[str, str]:
    """Table → its columns, but for provenance."""
    rows = conn.execute(
        "select table_name, string_agg(quote_ident(column_name), ', ' order by ordinal_position)"
        " from information_schema.columns where table_schema = 'crm' and column_name not like 'demo\\_%'"
        " group by 1"
    ).fetchall()
    return dict(rows)


@dataclass
class Client:
    """What an application met."""

    #: of the statement that took longest
    longest_seconds: float = 0.0
    statements: int = 0
    failures: list[str] = field(default_factory=list[str])
    _ended: threading.Event = field(default_factory=threading.Event)

    def work(self, url: str, role: str | None) -> None:
        """Read and write in short transactions; a statement that waits for a second fails."""
        with psycopg.connect(url, autocommit=True, application_name="the CRM") as conn:
            if role is not None:
                conn.execute(sql.SQL("set role {}").format(sql.Identifier(role)))
            conn.execute("set statement_timeout = '1s'; set lock_timeout = '1s'")
            number = 0
            while not self._ended.is_set():
                number += 1
                self._execute(conn, number)

    def _execute(self, conn: Connection[Any], number: int) -> None:
        contact = (
            f"tenant_id = md5('tenant' || {number % 3})::uuid and id = md5('contact' || {number % 3})::uuid"
        )
        for statement in (
            f"select first_name from crm.contacts where {contact}",
            f"update crm.contacts set phone = '{number}' where {contact}",
            "insert into crm.companies (tenant_id, name) values (md5('tenant0')::uuid, 'New')",
            "insert into crm.activities (tenant_id, subject) values (md5('tenant0')::uuid, 'New')",
        ):
            started = time.monotonic()
            try:
                rows = conn.execute(statement.encode()).rowcount
            except psycopg.Error as error:
                self.failures.append(f"{statement}: {error}")
            else:
                if rows != 1:
                    self.failures.append(f"{statement}: {rows} rows")
            self.longest_seconds = max(self.longest_seconds, time.monotonic() - started)
            self.statements += 1
        time.sleep(0.002)

    def end(self) -> None:
        self._ended.set()


@contextmanager
def busy_client(url: str, role: str | None = None) -> Generator[Client]:
    """A client at work while the block runs; it has had its first answer when the block begins."""
    client = Client()
    thread = threading.Thread(target=client.work, args=[url, role], daemon=True)
    thread.start()
    while client.statements == 0 and thread.is_alive():
        time.sleep(0.01)
    try:
        yield client
    finally:
        client.end()
        thread.join(timeout=10)
