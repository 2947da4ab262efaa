"""What the documentation offers against a loader that gets in others' way: each block does what it says."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

import psycopg
import pytest

from demo_pipeline.services.patches.patch import apply_patch
from demo_pipeline.services.patches.undo import undo_job
from demo_pipeline.services.tenants.delete_tenant import delete_tenant
from demo_pipeline.services.tenants.verify import verify
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from tests.fixtures.postgres import in_database
from tests.paths import PROJECT
from tests.services.builders import made
from tests.services.patches.builders import SMALL, plan

DOCUMENT: Final = PROJECT / "docs" / "security.md"
CHAPTER: Final = re.compile(r"^## Availability.*?(?=^## )", re.DOTALL | re.MULTILINE)
BLOCK: Final = re.compile(r"```sql\n-- (.*?)\n(.*?)```", re.DOTALL)


def blocks() -> dict[str, str]:
    """What a block prevents → its statements, as the document has them."""
    found = CHAPTER.search(DOCUMENT.read_text(encoding="utf-8"))
    assert found is not None
    return dict(BLOCK.findall(found[0]))


def _large_objects(database: Database) -> None:
    for call in ("lo_creat(-1)", "lo_create(0)", "lo_from_bytea(0, 'x')"):
        _as_loader(database, f"select {call}")


def _other_sessions(database: Database) -> None:
    for function in ("pg_cancel_backend", "pg_terminate_backend"):
        with database.loader() as other:
            _as_loader(database, f"select {function}({other.info.backend_pid})")


def _messages(database: Database) -> None:
    for value in ("'x'::text", "'x'::bytea"):
        _as_loader(database, f"select pg_logical_emit_message(false, 'x', {value})")


def _advisory_locks(database: Database) -> None:
    shared = [
        f"{name}{ending}"
        for name in ("pg_advisory_lock", "pg_advisory_xact_lock")
        for ending in ("", "_shared")
    ]
    names = [*shared, *(name.replace("pg_", "pg_try_") for name in shared)]
    for name in names:
        for arguments in ("1", "1, 2"):
            with database.admin() as conn:
                conn.execute("set role crm_reader")
                _refused_or_done(conn, f"select {name}({arguments})")


def _objects_in_public(database: Database) -> None:
    _as_loader(database, "create table public.mine ()")
    _as_loader(database, "drop table public.mine")


#: what a block says that it prevents → doing that, which raises if it was refused
ATTEMPTS: Final[dict[str, Callable[[Database], None]]] = {
    "large objects": _large_objects,
    "other sessions of the same role": _other_sessions,
    "messages in the write-ahead log": _messages,
    "advisory locks of other logins": _advisory_locks,
    "objects in schema public": _objects_in_public,
}


class RefusedError(Exception):
    """PostgreSQL refused it for want of a privilege."""


def _refused_or_done(conn: psycopg.Connection, statement: str) -> None:
    try:
        conn.execute(statement.encode())
    except psycopg.errors.InsufficientPrivilege as error:
        raise RefusedError(statement) from error


def _as_loader(database: Database, statement: str) -> None:
    with database.loader() as conn:
        _refused_or_done(conn, statement)


@pytest.fixture
def superuser(superuser_url: str, database: Database) -> Iterator[psycopg.Connection]:
    """A superuser's session in the test's database."""
    with psycopg.connect(database.admin_url) as admin:
        name = admin.info.dbname
    with psycopg.connect(in_database(superuser_url, name), autocommit=True) as conn:
        # As in a database that was upgraded from PostgreSQL 14.
        conn.execute("grant create on schema public to public")
        yield conn


def test_each_block_prevents_what_it_says_and_jobs_go_on(
    database: Database, database_settings: Settings, superuser: psycopg.Connection
) -> None:
    """Before its block each attempt works, after it PostgreSQL refuses it; then every kind of job is done."""
    found = blocks()
    assert set(found) == set(ATTEMPTS)
    for name, statements in found.items():
        ATTEMPTS[name](database)
        superuser.execute(statements.encode())
        with pytest.raises(RefusedError):
            ATTEMPTS[name](database)
    made(database, database_settings, SMALL, "acme")
    report = apply_patch(database, database_settings, "acme", plan({"2025-02": {"contacts_created": 2}}))
    undo_job(database, database_settings, report.job_id)
    assert verify(database, database_settings, "acme")[0].is_as_expected
    assert delete_tenant(database, database_settings, "acme")["contacts"] > 0
    with database.admin() as conn:
        # What a migration needs.
        conn.execute("select pg_advisory_lock(1), pg_advisory_unlock(1)")


def test_every_part_of_a_block_is_needed(database: Database, superuser: psycopg.Connection) -> None:
    """Each function that a block names is refused by itself afterwards: none is there for nothing."""
    for statements in blocks().values():
        superuser.execute(statements.encode())
    functions = re.findall(r"\b((?:lo|pg)_\w+)\(([a-z, ]*)\)", " ".join(blocks().values()))
    assert len(functions) > 20
    for name, arguments in functions:
        may = superuser.execute(
            "select has_function_privilege('crm_reader', %s, 'execute')", [f"{name}({arguments})"]
        ).fetchone()
        assert may == (False,), name


def test_what_has_no_revoke_is_still_possible(database: Database) -> None:
    """What the document says cannot be taken away: LISTEN, the own password, the jobs' advisory lock."""
    with database.loader() as conn, conn.transaction(force_rollback=True):
        conn.execute("listen orders")
        conn.execute("select pg_notify('orders', 'x')")
        conn.execute("select pg_advisory_lock(n) from generate_series(1, 100) n")
        conn.execute("alter role current_user password 'another'")
        conn.execute("alter role current_user set search_path = public")
