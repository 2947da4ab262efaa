"""The CRM's reader: the served tenant and nothing beside it, and no way to tell a demo from a customer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, LiteralString
from uuid import UUID

import psycopg
import pytest
from psycopg import Connection, errors

from tests.attacks.field import ALL_TABLES, MARK, TABLES, Field

Conn = Connection[Any]
#: what tells of demos: words that must be in no answer about the served tenant
TELLING: Final = ("demo_generated", "demo_job", "source_month", "is_demo", "incarnation", "provenance")


class Reader:
    """A session of the application server, with all that the server says to it."""

    def __init__(self, field: Field) -> None:
        self.heard: list[str] = []
        self.conn: Conn = psycopg.connect(field.database.admin_url, autocommit=True)
        self.conn.execute("set role crm_reader")
        self.conn.add_notice_handler(lambda notice: self.heard.append(str(notice.message_primary)))

    def serve(self, tenant: UUID | str) -> None:
        """Say which tenant is served."""
        self.conn.execute("select set_config('app.tenant_id', %s, false)", [str(tenant)])

    def ask(self, statement: LiteralString) -> list[tuple[Any, ...]] | str:
        """The rows, or the words of the refusal."""
        try:
            cursor = self.conn.execute(statement)
            rows = cursor.fetchall() if cursor.description else []
        except psycopg.Error as error:
            told = error.diag
            parts = [
                error.sqlstate, told.message_primary, told.message_detail, told.message_hint, told.context,
                told.constraint_name, told.table_name,
            ]  # fmt: skip
            self.conn.rollback()
            self.heard += [str(part) for part in parts if part]
            return " ".join(str(part) for part in parts if part)
        self.heard += map(str, rows)
        return rows


@pytest.fixture
def reader(field: Field, original: list[tuple[Any, ...]]) -> Iterator[Reader]:
    """A session that serves nobody yet; at its end everything is as it was."""
    one = Reader(field)
    try:
        yield one
    finally:
        one.conn.close()
    assert field.state() == original


@pytest.mark.risk("G6")
@pytest.mark.parametrize("table", ALL_TABLES)
def test_g06_one_tenant_at_a_time(reader: Reader, field: Field, table: str) -> None:
    """Each setting shows exactly that tenant's rows, whichever was served before; a bad one shows none."""
    key = "id" if table == "tenants" else "tenant_id"
    statement = f"select {key} from crm_app.{table}"
    for tenant in (field.real, field.other, field.own, field.real):
        reader.serve(tenant)
        assert reader.conn.execute(statement.encode()).fetchall() == [(tenant,)]
        for stranger in {field.real, field.other, field.own} - {tenant}:
            found = reader.conn.execute(
                f"{statement} where {key} = %s or {key} <> %s".encode(), [stranger, tenant]
            ).fetchall()
            assert set(found) <= {(tenant,)}
    for bad in ("", "x", "%", f"{field.real} ", f"{field.real}' or true --", "*", str(UUID(int=0)), "{}",
                f"{field.real},{field.other}", "null"):  # fmt: skip
        reader.serve(bad)
        assert reader.conn.execute(statement.encode()).fetchall() == []
    reader.conn.execute("reset app.tenant_id")
    assert reader.conn.execute(statement.encode()).fetchall() == []


@pytest.mark.risk("G6", partial=True)
@pytest.mark.parametrize("table", TABLES)
def test_the_reader_writes_nothing(reader: Reader, field: Field, table: str) -> None:
    """No statement of the reader changes a row, of the served tenant either."""
    for tenant in (field.real, field.other):
        reader.serve(tenant)
        for name in (f"crm_app.{table}", f"crm.{table}"):
            for statement in (
                f"insert into {name} default values",
                f"insert into {name} (tenant_id) values ('{tenant}') on conflict do nothing",
                f"update {name} set deleted_at = now()",
                f"delete from {name}",
                f"truncate {name}",
                f"merge into {name} t using (select 1) s on true when matched then delete",
                f"copy {name} from stdin",
                f"lock table {name} in share mode",
                f"select * from {name} for update",
            ):
                # What truncates a view is refused for what a view is; so is MERGE before PostgreSQL 17.
                refusals = errors.InsufficientPrivilege, errors.WrongObjectType, errors.FeatureNotSupported
                with (
                    pytest.raises(refusals),
                    reader.conn.transaction(),
                ):
                    reader.conn.execute(statement.encode())


#: statements about what is there; asked once serving a customer and once serving a demo
QUESTIONS: Final[dict[str, LiteralString]] = {
    "tables": "select table_schema, table_name, table_type from information_schema.tables"
    " where table_schema in ('crm', 'crm_app', 'demo') order by 1, 2",
    "columns": "select table_name, column_name, data_type, is_nullable, column_default from"
    " information_schema.columns where table_schema in ('crm', 'crm_app', 'demo') order by 1, 2",
    "view texts": "select table_name, view_definition from information_schema.views where table_schema ="
    " 'crm_app' order by 1",
    "definitions": "select viewname, definition from pg_views where schemaname = 'crm_app' order by 1",
    "privileges": "select table_name, privilege_type from information_schema.role_table_grants order by 1, 2",
    "routines": "select routine_name from information_schema.routines where routine_schema = 'demo'",
    "constraints": "select * from information_schema.table_constraints where table_schema in ('crm', 'demo')",
    "triggers": "select * from information_schema.triggers",
    "comments": "select objoid::regclass::text, description from pg_description where objoid >= 16384",
    "statistics": "select * from pg_stats where schemaname in ('crm', 'demo', 'crm_app')",
    "more statistics": "select * from pg_stats_ext",
    "raw statistics": "select * from pg_statistic",
    "metadata": "select * from demo.tenant_metadata",
    "jobs": "select * from demo.jobs",
    "months": "select * from demo.kpi_monthly",
    "audit": "select * from demo.audit_log",
    "version": "select * from demo.alembic_version",
    "provenance": "select demo_generated from crm.contacts",
    "provenance of the view": "select demo_generated from crm_app.contacts",
    "system columns": "select xmin from crm_app.contacts",
    "whole row": "select json_object_keys(to_json(c)) from crm_app.contacts c order by 1",
    "state": "select demo.tenant_state(current_setting('app.tenant_id')::uuid)",
    "find": "select demo.find_tenant('other')",
    "claim": "select demo.current_claim()",
    "lock key": "select demo.tenant_lock_key(current_setting('app.tenant_id')::uuid)",
    "owner": "set role demo_owner",
    "loader": "set session authorization demo_loader",
    "bad cast": "select id::text::int from crm_app.tags where false",
    "insert without right": "insert into crm_app.companies (tenant_id, name) values"
    " (current_setting('app.tenant_id')::uuid, 'x')",
    "insert of a bad parent": "insert into crm_app.contacts (tenant_id, company_id) values"
    " (current_setting('app.tenant_id')::uuid, gen_random_uuid())",
    "plan": "explain (costs off) select * from crm_app.contacts",
    "row counts": "select count(*) from crm_app.contacts",
    "activity": "select distinct query from pg_stat_activity where datname = current_database()"
    " and usename <> session_user",
    "row security": "set row_security = off; select count(*) from crm_app.contacts; reset row_security",
}


@pytest.mark.risk("G6", "G7", partial=True)
@pytest.mark.parametrize("question", QUESTIONS)
def test_a_demo_answers_like_a_customer(reader: Reader, field: Field, question: str) -> None:
    """The catalogue, errors and plans say the same of both, and nothing of demos, jobs or other tenants."""
    answers: list[Any] = []
    assert field.database.loader_url is not None
    # A loader is at work all the while, so that what shows sessions has one to hide.
    with psycopg.connect(field.database.loader_url, autocommit=True) as loader:
        loader.execute("select 'demo_job'")
        for tenant in (field.real, field.other):
            reader.serve(tenant)
            answers.append(reader.ask(QUESTIONS[question]))
    assert answers[0] == answers[1]
    told = "\n".join(reader.heard)
    assert str(field.other) not in told
    if question in {"view texts", "columns", "whole row", "tables", "comments", "definitions", "row counts"}:
        assert not [word for word in TELLING if word in told]
    if question == "view texts":
        assert {row[1] for row in answers[0]} == {None}
    if question in {"statistics", "more statistics", "comments", "routines", "constraints"}:
        assert answers[0] == []
    if question == "activity":
        assert answers[0] == [("<insufficient privilege>",)]
    refused: set[LiteralString] = {
        "metadata", "jobs", "months", "audit", "version", "provenance", "state", "find", "claim", "lock key",
        "raw statistics", "insert without right",
    }  # fmt: skip
    if question in refused:
        assert str(answers[0]).startswith("42501 permission denied"), answers


@pytest.mark.risk("G6", partial=True)
def test_nothing_leaks_through_the_views(reader: Reader, field: Field) -> None:
    """Leaky functions, operators with estimators, casts and errors see living rows of the tenant alone."""
    with field.database.admin() as admin:
        admin.execute("analyze crm.contacts")
    body: LiteralString = "language plpgsql cost 0.0001 as $$ begin raise notice '%', $1; return true; end $$"
    plants: tuple[LiteralString, ...] = (
        f"create function pg_temp.tell(text) returns boolean {body}",
        f"create function pg_temp.less(text, text) returns boolean {body}",
        (
            "create operator pg_temp.<<< (leftarg = text, rightarg = text, function = pg_temp.less,"
            " restrict = scalarltsel)"
        ),
    )
    for statement in plants:
        assert reader.ask(statement) == []
    reader.serve(field.own)
    conditions: tuple[LiteralString, ...] = (
        "pg_temp.tell(first_name)",
        "first_name operator(pg_temp.<<<) 'a'",
        "first_name::int = 1",
        "1 / (length(first_name) - 9) > 0",
        "deleted_at is not null and pg_temp.tell(first_name)",
    )
    for condition in conditions:
        for before in ("", "explain ", "explain analyze "):
            reader.ask(before + "select * from crm_app.contacts where " + condition)
    reader.ask("select first_name::int from crm_app.contacts")
    told = "\n".join(reader.heard)
    assert "Mine" in told
    assert MARK not in told


@pytest.mark.risk("G6", partial=True)
def test_a_view_planted_by_the_reader(reader: Reader, field: Field) -> None:
    """Views, cursors and prepared statements of its own follow the setting of the moment they are read."""
    reader.serve(field.real)
    reader.ask("create temp view mine with (security_barrier = false) as select * from crm_app.contacts")
    reader.ask("prepare mine as select tenant_id from crm_app.contacts")
    for _ in range(7):
        assert reader.ask("execute mine") == [(field.real,)]
    reader.serve(field.own)
    assert reader.ask("select tenant_id from mine") == [(field.own,)]
    assert reader.ask("execute mine") == [(field.own,)]
    reader.serve("")
    assert reader.ask("execute mine") == []
