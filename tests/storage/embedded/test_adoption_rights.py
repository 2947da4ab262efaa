"""Rights that an adoption needs, and refusals that only a superuser can set up: nothing fails half-way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from psycopg import Connection, sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from demo_pipeline.domain.core.errors import InputError
from demo_pipeline.storage.adoption.adoption import adoption
from demo_pipeline.storage.adoption.rights import read_roles, role_misfits
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.schema import revisions
from tests.fixtures.postgres import MakeDatabase, PostgresServer, drop_database, in_database
from tests.storage.adoption.foreign_crm import TABLES, make_crm
from tests.storage.adoption.test_adoption_schemas import SCRIPT, refusal, state

Conn = Connection[Any]


@pytest.fixture
def plain(
    make_database: MakeDatabase, postgres_server: PostgresServer
) -> Iterator[tuple[Database, Conn, str, str]]:
    """A superuser's CRM, a superuser's connection to it, the roles of an application and of a plain login.

    The database's URL is that of the plain login.
    """
    database = make_database(is_migrated=False)
    name = str(conninfo_to_dict(database.admin_url)["dbname"])
    app, login = f"{name}-App", f"{name}-login"
    url = in_database(postgres_server.owner_url, name)
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute(sql.SQL("create role {}").format(sql.Identifier(app)))
        conn.execute(sql.SQL("create role {} login password 'plain'").format(sql.Identifier(login)))
        make_crm(conn, app, 300)
        address = make_conninfo(database.admin_url, user=login, password="plain")
        parts = conninfo_to_dict(address)
        text = f"postgresql://{login}:plain@{parts['host']}:{parts['port']}/{name}"
        yield replace(database, admin_url=text), conn, app, login
    with psycopg.connect(postgres_server.owner_url, autocommit=True) as conn:
        drop_database(conn, name)
        for role in (app, login):
            conn.execute(sql.SQL("drop role {}").format(sql.Identifier(role)))


def check_granted(database: Database, conn: Conn) -> set[str]:
    """Refused once; the script, run by a superuser, is enough. The codes of what was refused."""
    error = refusal(database, executes=False)
    assert error is not None
    again = refusal(database, executes=True)
    assert again is not None
    assert again.problems == error.problems
    (text,) = SCRIPT.findall(str(error.details["remedy"]))
    conn.execute(text.encode())
    left = refusal(database, executes=True)
    assert left is None, left.problems
    revisions.require_current(conn)
    return {problem.code for problem in error.problems}


@pytest.mark.parametrize("owner", ["superuser", "application", "pg_database_owner"])
def test_missing_rights_are_said_at_once(plain: tuple[Database, Conn, str, str], owner: str) -> None:
    """A login that owns nothing and may grant nothing: what it lacks is printed, and then it adopts."""
    database, conn, app, login = plain
    role = {"application": app, "pg_database_owner": "pg_database_owner"}.get(owner)
    if role is not None:
        conn.execute(sql.SQL("alter schema crm owner to {}").format(sql.Identifier(role)))
        for table in TABLES:
            conn.execute(
                sql.SQL("alter table crm.{} owner to {}").format(sql.Identifier(table), sql.Identifier(role))
            )
    ((name,),) = conn.execute("select current_database()").fetchall()
    conn.execute(sql.SQL("revoke all on database {} from public").format(sql.Identifier(name)))
    conn.execute(
        sql.SQL("grant connect on database {} to {}").format(sql.Identifier(name), sql.Identifier(login))
    )
    codes = check_granted(database, conn)
    assert codes >= {"not_the_owner", "no_rights"}
    # Who had rights on the tables goes on.
    conn.execute(sql.SQL("set role {}").format(sql.Identifier(app)))
    assert conn.execute("select count(*) from crm.companies").fetchone() == (30,)
    conn.execute("reset role")


def test_what_the_server_refuses_is_refused_by_the_dry_run(
    plain: tuple[Database, Conn, str, str], postgres_server: PostgresServer
) -> None:
    """An event trigger forbids policies: dry run and real run say so, and neither changes anything."""
    database, conn, _, _ = plain
    ours = replace(
        database,
        admin_url=in_database(postgres_server.owner_url, str(conninfo_to_dict(database.admin_url)["dbname"])),
    )
    conn.execute(
        "create function public.no_policies() returns event_trigger language plpgsql as"
        " $$ begin raise exception 'policies are made by the security team'; end $$;"
        " create event trigger no_policies on ddl_command_start when tag in ('CREATE POLICY')"
        " execute function public.no_policies()"
    )
    before = state(ours)
    for executes in (False, True):
        error = refusal(ours, executes=executes)
        assert error is not None
        assert [problem.code for problem in error.problems] == ["step_refused"]
        assert "security team" in error.problems[0].message
        assert state(ours) == before
    conn.execute("drop event trigger no_policies")
    assert refusal(ours, executes=True) is None


def test_roles_of_ours_that_can_do_more_are_refused(plain: tuple[Database, Conn, str, str]) -> None:
    """A role with one of our names that is a superuser, or a member of another role: with its statement."""
    _, conn, app, _ = plain
    with conn.transaction(force_rollback=True):
        for role in ("demo_owner", "demo_guard", "demo_loader", "crm_reader", "crm_views"):
            if conn.execute("select from pg_roles where rolname = %s", [role]).fetchone() is None:
                conn.execute(f"create role {role}".encode())
        conn.execute(sql.SQL("grant {} to demo_loader").format(sql.Identifier(app)))
        conn.execute("alter role crm_reader bypassrls")
        found = list(role_misfits(conn, read_roles(conn)))
        assert {(item.problem.field, item.problem.code) for item in found} == {
            ("demo_loader", "name_taken"),
            ("crm_reader", "name_taken"),
        }
        for item in found:
            for statement in item.statements:
                conn.execute(statement.sql.encode())
        assert list(role_misfits(conn, read_roles(conn))) == []


def test_nothing_of_a_rehearsal_stays(
    plain: tuple[Database, Conn, str, str], postgres_server: PostgresServer
) -> None:
    """A dry run by a superuser leaves owners, rights, constraints and comments as they were."""
    database, _, _, _ = plain
    name = str(conninfo_to_dict(database.admin_url)["dbname"])
    ours = replace(database, admin_url=in_database(postgres_server.owner_url, name))
    before = state(ours)
    with adoption(ours) as (todo, _run):
        assert todo.tasks
    assert state(ours) == before
    with pytest.raises(InputError), adoption(database):
        pass
