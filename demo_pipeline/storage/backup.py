"""Everything that a migration touches, in one file, and back into a database that has none of it.

pg_dump's custom format of the schemas ``crm``, ``demo`` and ``crm_app``: one snapshot, readable by pg_restore
alone. Roles are the server's and not in it; a restore makes the missing ones. Passwords reach the programs by
their environment only. Migrating does not belong here, nor does what to keep how long.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg import pq, sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from demo_pipeline.domain.core.errors import DatabaseError, InputError, Problem
from demo_pipeline.libpq_environment import left_open
from demo_pipeline.storage.connection.connecting import connect
from demo_pipeline.storage.connection.database import ADMIN_VARIABLE, Database
from demo_pipeline.storage.embedded.binaries import find_tool, major_of, probe_version
from demo_pipeline.storage.schema.revisions import BOOTSTRAP, current_revision

SCHEMAS: Final = ("crm", "demo", "crm_app")
_APPLICATION: Final = "demo-pipeline backup"
#: Before it a member of a role always is what the role is.
_SERVER_WITH_FINER_GRANTS: Final = 160_000
_OWN_SCHEMA: Final = re.compile(r"^\d+; \d+ \d+ SCHEMA - ")


@dataclass(frozen=True, kw_only=True)
class Backup:
    """A dump that was written and read again."""

    path: Path
    size_bytes: int
    #: of the schema in it
    revision: str | None
    #: ``18.6``, of pg_dump
    tool_version: str
    table_count: int


@dataclass(frozen=True, kw_only=True)
class Restored:
    """A database that a dump was restored into."""

    database: str
    revision: str | None


def back_up(database: Database, path: Path) -> Backup:
    """Dump the database into ``path``, which is there only when it is whole.

    Raises ``InputError`` where the file exists or its folder does not, ``DatabaseError``.
    """
    if path.exists():
        raise _bad_file(f"{path} exists and is not overwritten: name another file", path)
    if not path.parent.is_dir():
        raise _bad_file(f"there is no folder {path.parent}: make it first", path)
    with _connected(database, database.admin_url) as conn:
        _check_sees_all(conn)
        revision = current_revision(conn)
        major = conn.info.server_version // 10_000
    tool = find_tool("pg_dump", minimum_major=major)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent)
    os.close(handle)
    partial = Path(name)
    try:
        # The login is no superuser and the tables have row security: it sees all by the owner's policies.
        arguments = ["--format=custom", "--enable-row-security", f"--file={partial}"]
        _run(tool, [*arguments, *(f"--schema={schema}" for schema in SCHEMAS)], database.admin_url)
        tables = _entries(tool.parent / "pg_restore", partial, "TABLE DATA")
        if not tables:
            raise DatabaseError("the dump has no table in it: the database has none of our schemas")
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        try:
            # Unlike a rename, a link never replaces what appeared meanwhile.
            os.link(partial, path)
        except FileExistsError:
            raise _bad_file(f"{path} exists and is not overwritten: name another file", path) from None
    finally:
        partial.unlink(missing_ok=True)
    return Backup(
        path=path,
        size_bytes=path.stat().st_size,
        revision=revision,
        tool_version=probe_version(tool) or "?",
        table_count=tables,
    )


def restore(database: Database, path: Path, name: str) -> Restored:
    """Restore ``path`` into the database ``name`` of the same server, which is made if it is not there.

    Raises ``InputError`` where the file is not such a dump or the database has one of the schemas,
    ``DatabaseError``. What was restored in part stays, to be looked at or dropped.
    """
    if not path.is_file():
        raise _bad_file(f"there is no file {path}", path)
    with _connected(database, database.admin_url) as conn:
        major = conn.info.server_version // 10_000
        tool = find_tool("pg_restore", minimum_major=major)
        if not _entries(tool, path, "TABLE DATA"):
            raise _bad_file(f"{path} is no dump that 'demo-pipeline db backup' made", path)
        _make_database(conn, name)
    target = make_conninfo(database.admin_url, dbname=name)
    with _connected(database, target) as conn:
        _check_is_free(conn, name)
        _prepare(conn)
        with _full_member(conn), tempfile.TemporaryDirectory() as folder:
            contents = Path(folder) / "contents"
            contents.write_text(_without_schemas(tool, path), encoding="utf-8")
            # A newer pg_restore sets what an older server does not know; nothing else may fail.
            strict = ["--exit-on-error"] if major_of(probe_version(tool) or "") == major else []
            arguments = [f"--dbname={name}", f"--use-list={contents}", *strict, str(path)]
            _run(tool, arguments, _writing(conn, target))
        conn.execute("REVOKE CREATE ON SCHEMA demo FROM demo_guard")
        conn.execute("REVOKE CREATE ON SCHEMA crm_app FROM crm_views")
        return Restored(database=name, revision=current_revision(conn))


def _connected(database: Database, url: str) -> psycopg.Connection[Any]:
    return connect(
        url, variable=ADMIN_VARIABLE, application_name=_APPLICATION, is_embedded=database.is_embedded
    )


def _writing(conn: psycopg.Connection[Any], url: str) -> str:
    """``url``, whose sessions may write where the login's default says that they only read.

    Only there: not every pooler lets a client send options.
    """
    row = conn.execute(
        "SELECT reset_val FROM pg_catalog.pg_settings WHERE name = 'default_transaction_read_only'"
    ).fetchone()
    return make_conninfo(url, options="-c default_transaction_read_only=off") if row == ("on",) else url


def _bad_file(message: str, path: Path) -> InputError:
    return InputError(message, [Problem(code="bad_file", field="FILE", message=message, value=str(path))])


def _check_sees_all(conn: psycopg.Connection[Any]) -> None:
    """Row security would leave rows out of the dump without a word."""
    row = conn.execute(
        """
        SELECT r.rolsuper OR r.rolbypassrls OR coalesce((
            SELECT pg_catalog.pg_has_role(r.oid, o.oid, 'USAGE')
            FROM pg_catalog.pg_roles o WHERE o.rolname = 'demo_owner'), false)
        FROM pg_catalog.pg_roles r WHERE r.rolname = current_user
        """
    ).fetchone()
    if row != (True,):
        raise DatabaseError(
            f"the login of {ADMIN_VARIABLE} does not see every row: a backup needs a member of demo_owner, "
            "which 'demo-pipeline db upgrade' makes of it"
        )


def _make_database(conn: psycopg.Connection[Any], database: str) -> None:
    if (
        conn.execute("SELECT FROM pg_catalog.pg_database WHERE datname = %s", [database]).fetchone()
        is not None
    ):
        return
    locale = conn.execute(
        "SELECT datcollate, datctype FROM pg_catalog.pg_database WHERE datname = current_database()"
    ).fetchone()
    assert locale is not None
    try:
        conn.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE {} LC_CTYPE {}").format(
                sql.Identifier(database), *map(sql.Literal, locale)
            )
        )
    except psycopg.errors.InsufficientPrivilege:
        raise DatabaseError(
            f'the login of {ADMIN_VARIABLE} may not make databases: have CREATE DATABASE "{database}" done '
            "with it as the owner, then try again"
        ) from None


def _check_is_free(conn: psycopg.Connection[Any], database: str) -> None:
    found = conn.execute(
        "SELECT nspname FROM pg_catalog.pg_namespace WHERE nspname = ANY (%s) ORDER BY 1", [list(SCHEMAS)]
    ).fetchall()
    if found:
        names = ", ".join(name for (name,) in found)
        raise InputError(
            f"database {database} has a schema {names} already, and nothing is overwritten: "
            "name a database that is not there yet"
        )


def _prepare(conn: psycopg.Connection[Any]) -> None:
    """Roles and empty schemas, in which the roles of the dump may be given what is theirs."""
    with conn.transaction():
        conn.execute(BOOTSTRAP.read_bytes())
        conn.execute("DROP TABLE demo.alembic_version")
        conn.execute("SET ROLE NONE")
        conn.execute("CREATE SCHEMA crm AUTHORIZATION demo_owner")
        conn.execute("CREATE SCHEMA crm_app AUTHORIZATION demo_owner")
        conn.execute("GRANT CREATE ON SCHEMA demo TO demo_guard")
        conn.execute("GRANT CREATE ON SCHEMA crm_app TO crm_views")


@contextmanager
def _full_member(conn: psycopg.Connection[Any]) -> Generator[None]:
    """While the block runs, the login is what the owners of functions and views are: it gives out rights."""
    roles = ("demo_guard", "crm_views")
    is_superuser = conn.execute(
        "SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user"
    ).fetchone() == (True,)
    if is_superuser or conn.info.server_version < _SERVER_WITH_FINER_GRANTS:
        yield
        return
    for role in roles:
        conn.execute(sql.SQL("GRANT {} TO CURRENT_USER WITH INHERIT TRUE").format(sql.Identifier(role)))
    try:
        yield
    finally:
        for role in roles:
            conn.execute(sql.SQL("GRANT {} TO CURRENT_USER WITH INHERIT FALSE").format(sql.Identifier(role)))


def _without_schemas(tool: Path, path: Path) -> str:
    """The table of contents without the making of the schemas themselves; their rights stay in it."""
    lines = _run(tool, ["--list", str(path)], None).splitlines()
    return "\n".join(line for line in lines if not _OWN_SCHEMA.match(line)) + "\n"


def _entries(tool: Path, path: Path, kind: str) -> int:
    listing = _run(tool, ["--list", str(path)], None)
    return sum(f" {kind} " in line for line in listing.splitlines() if not line.startswith(";"))


def _run(tool: Path, arguments: list[str], url: str | None) -> str:
    """What the program printed. Raises ``DatabaseError`` with its first complaint."""
    done = subprocess.run(  # noqa: S603  a program that was found, no shell
        [tool, "--no-password", *arguments] if url is not None else [tool, *arguments],
        env=_environment(url),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    lines = [line for line in done.stderr.splitlines() if "transaction_timeout" not in line]
    complaints = [line for line in lines if "error:" in line]
    # Without --exit-on-error the program ends with 1 for each error, also for the one that is none.
    if done.returncode != 0 and (complaints or not lines or "transaction_timeout" not in done.stderr):
        said = (complaints or lines or [f"exit code {done.returncode}"])[0]
        raise DatabaseError(f"{tool.name} failed: {said.partition('error: ')[2] or said}")
    return done.stdout


def _environment(url: str | None) -> Mapping[str, str]:
    """The address for a libpq program, as variables: a command line is there for everybody to read.

    What the URL leaves open is the caller's, as for every other connection to its server.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    kept["LC_ALL"] = "C"
    if url is None:
        return kept
    # A login's own default may not hold every name.
    kept["PGCLIENTENCODING"] = "UTF8"
    values = {**conninfo_to_dict(url), **left_open(url)}
    for option in pq.Conninfo.get_defaults():
        value = values.get(option.keyword.decode())
        # Its service is resolved, and would come before the variables.
        is_ours = option.keyword in {b"service", b"client_encoding"}
        if option.envvar is not None and value is not None and not is_ours:
            kept[option.envvar.decode()] = str(value)
    return kept
