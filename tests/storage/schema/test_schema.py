"""Migrations: what they make is what is declared, they go up and down, and they lose nothing unasked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha256
from typing import Any, Final, NamedTuple
from uuid import uuid4

import psycopg
import pytest
from psycopg import Connection, errors, sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from demo_pipeline.domain.core.errors import DatabaseError, InputError
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.schema import declared_tables, migrate, revisions
from tests.fixtures.ledger_steps import GENERATED, begun, insert_generated, provisioned, real_tenant
from tests.fixtures.postgres import MakeDatabase, PostgresServer, drop_database
from tests.storage.schema.catalogue import CATALOGUE, catalogue, whole

Conn = Connection[Any]
BASELINE: Final = revisions.known_revisions()[0]


class Former(NamedTuple):
    """A revision of the program that had eight of them, and the digest of its catalogue."""

    name: str
    digest: str


#: by the revision that replaced it
FORMER: Final = {
    "0001_baseline": Former("0007", "527b87e420d2814163e7aad3726767b55b2a8ec83ede549b61f31770d83c0cb3"),
    "0002_tenant_ends": Former("0008", "8167055d89284046c2d401c88bc2a94db77e0f386ccb178e03831a2af59e3f41"),
}
ROLES: Final = ("demo_owner", "demo_guard", "demo_loader", "crm_reader", "crm_views")


@pytest.fixture
def plain_login(postgres_server: PostgresServer, make_database: MakeDatabase) -> Iterator[str]:
    """URL of an empty database whose owner is no superuser and may make roles and databases."""
    database = make_database(is_migrated=False)
    with psycopg.connect(postgres_server.owner_url, autocommit=True) as conn:
        if conn.execute("select rolsuper from pg_roles where rolname = current_user").fetchone() != (True,):
            # The given login is such a one itself.
            yield database.admin_url
            return
        name = conninfo_to_dict(database.admin_url)["dbname"]
        assert isinstance(name, str)
        role = sql.Identifier(f"{name}_plain")
        conn.execute(sql.SQL("create role {} login createrole createdb password 'plain'").format(role))
        try:
            # As for who made the roles, on a server where this is the first database to have them.
            for known in ROLES:
                grant = sql.SQL("grant {} to {} with admin option").format(sql.Identifier(known), role)
                conn.execute(grant)
            conn.execute(sql.SQL("alter database {} owner to {}").format(sql.Identifier(name), role))
            yield make_conninfo(database.admin_url, user=f"{name}_plain", password="plain")
        finally:
            drop_database(conn, name)
            conn.execute(sql.SQL("drop role {}").format(role))


def test_migrated_equals_declared(make_database: MakeDatabase) -> None:
    """Columns, types, defaults, constraints and indexes of both schemas are the declared ones."""
    migrated, declared = make_database(), make_database(is_migrated=False)
    engine = create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(declared.admin_url), poolclass=NullPool
    )
    with declared.admin() as conn:
        conn.execute("create schema crm")
        conn.execute("create schema demo")
        declared_tables.METADATA.create_all(engine)
        expected = catalogue(conn, CATALOGUE, ["crm", "demo"])
    with migrated.admin() as conn:
        found = catalogue(conn, CATALOGUE, ["crm", "demo"])
    assert found == expected
    assert all(len(rows) > 10 for rows in found.values())


def test_the_baseline_makes_the_declared_tables_of_the_crm(make_database: MakeDatabase) -> None:
    """An adoption makes the declared tables, and later revisions run as they are: none changes a table.

    They may make indexes, which an adoption leaves to them. One that must do more also has to say how an
    adopted CRM gets there (``storage.adoption``).
    """
    baseline, head = make_database(is_migrated=False), make_database()
    migrate.upgrade(baseline.admin_url, BASELINE)
    with baseline.admin() as conn, head.admin() as other:
        first, last = (catalogue(one, CATALOGUE, ["crm"]) for one in (conn, other))
    later = [row for row in last["indexes"] if row[1] in declared_tables.LATER_INDEXES]
    assert len(later) == len(declared_tables.LATER_INDEXES)
    assert first == last | {"indexes": [row for row in last["indexes"] if row not in later]}


@pytest.mark.parametrize("revision", FORMER)
def test_the_schema_is_that_of_the_revisions_it_replaced(make_database: MakeDatabase, revision: str) -> None:
    """The same tables, functions and policies as the program that had eight revisions made."""
    database = make_database(is_migrated=False)
    migrate.upgrade(database.admin_url, revision)
    with database.admin() as conn:
        found = whole(conn)
    # The server words views and grants of tables differently from version to version.
    kinds = ("columns", "constraints", "indexes", "functions", "policies", "triggers")
    text = json.dumps({kind: found[kind] for kind in kinds}, default=str)
    assert sha256(text.encode()).hexdigest() == FORMER[revision].digest


@pytest.mark.risk("G10", partial=True)
@pytest.mark.parametrize("revision", FORMER)
def test_a_database_with_a_former_name_is_recognised(make_database: MakeDatabase, revision: str) -> None:
    """It is at the revision that replaced its own: it goes up to the head, and down to nothing."""
    database, reference = make_database(is_migrated=False), make_database()
    migrate.upgrade(database.admin_url, revision)
    with database.admin() as conn, reference.admin() as other:
        conn.execute("update demo.alembic_version set version_num = %s", [FORMER[revision].name])
        assert revisions.current_revision(conn) == revision
        left = [item.revision for item in migrate.plan(database.admin_url).revisions]
        assert left == [name for name in revisions.known_revisions() if name > revision]
        migrate.upgrade(database.admin_url)
        revisions.require_current(conn)
        assert whole(conn) == whole(other)
        migrate.downgrade(database.admin_url, "base")
        assert revisions.current_revision(conn) is None


@pytest.mark.parametrize("former", ["0001", "0002", "0006"])
def test_an_older_schema_is_refused_with_the_remedy(
    database: Database, admin_conn: Conn, former: str
) -> None:
    """What the baseline replaced cannot be upgraded by this program; nothing is changed."""
    admin_conn.execute("update demo.alembic_version set version_num = %s", [former])
    before = whole(admin_conn)
    for step in (
        lambda: migrate.upgrade(database.admin_url),
        lambda: migrate.plan(database.admin_url),
        lambda: migrate.downgrade(database.admin_url, "base", discard=True),
        lambda: revisions.require_current(admin_conn),
    ):
        with pytest.raises(DatabaseError, match=rf"schema {former} is older.*bring it to 0008"):
            step()
    assert whole(admin_conn) == before


def test_a_revision_leads_back_and_counts_what_that_loses(admin_conn: Conn) -> None:
    """Each has a way down, and a query of what the way down deletes; no file is left out of both."""
    for name in revisions.known_revisions():
        folder = revisions.MIGRATIONS / name
        assert {path.name for path in folder.iterdir()} == {
            "down.sql",
            "losses.sql",
            *(path.name for path in revisions.sql_files(name)),
        }
        losses = admin_conn.execute((folder / "losses.sql").read_bytes()).fetchall()
        assert losses
        assert all(isinstance(kind, str) and count == 0 for kind, count in losses)


def test_a_revision_is_named_by_its_number(database: Database, admin_conn: Conn) -> None:
    """The number alone is enough. A downgrade to a later one is refused; one to the same does nothing."""
    assert revisions.find_revision("0001") == BASELINE
    migrate.downgrade(database.admin_url, "0001")
    migrate.downgrade(database.admin_url, "0001")
    assert revisions.current_revision(admin_conn) == BASELINE
    with pytest.raises(DatabaseError, match=f"cannot downgrade to 0002: the database is at {BASELINE}"):
        migrate.downgrade(database.admin_url, "0002")


@pytest.mark.risk("G10", partial=True)
def test_up_down_up(make_database: MakeDatabase) -> None:
    """A downgrade to nothing leaves nothing, and the way up again makes the same."""
    database = make_database(is_migrated=False)
    with database.admin() as conn:
        assert revisions.current_revision(conn) is None
        with pytest.raises(DatabaseError, match="run 'demo-pipeline db upgrade'"):
            revisions.require_current(conn)
        migrate.upgrade(database.admin_url)
        revisions.require_current(conn)
        first = whole(conn)
        migrate.upgrade(database.admin_url)
        assert whole(conn) == first
        migrate.downgrade(database.admin_url, "base")
        assert revisions.current_revision(conn) is None
        left = conn.execute(
            "select n.nspname, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace"
            " where n.nspname in ('crm', 'crm_app', 'demo') and c.relkind in ('r', 'v')"
        ).fetchall()
        assert left == [("demo", "alembic_version")]
        functions = conn.execute("select from pg_proc where pronamespace = 'demo'::regnamespace").fetchall()
        assert functions == []
        assert conn.execute(
            "select count(*) from pg_roles where rolname = any (%s)", [list(ROLES)]
        ).fetchone() == (len(ROLES),)
        migrate.upgrade(database.admin_url)
        assert whole(conn) == first


@pytest.mark.risk("G10", partial=True)
def test_a_downgrade_that_would_lose_rows_is_refused(database: Database, admin_conn: Conn) -> None:
    """It names what would go and the backup; only the word to discard lets it through."""
    real_tenant(admin_conn)
    with pytest.raises(InputError, match=r"1 tenants.*db backup FILE.*--discard"):
        migrate.downgrade(database.admin_url, "base")
    assert admin_conn.execute("select count(*) from crm.contacts").fetchone() == (1,)
    migrate.downgrade(database.admin_url, "base", discard=True)
    assert revisions.current_revision(admin_conn) is None


def test_unknown_and_newer_revisions(database: Database, admin_conn: Conn) -> None:
    """A revision that is not there is the user's mistake; a schema from the future names the remedy."""
    with pytest.raises(InputError, match="there is no revision 'nonsense'"):
        migrate.upgrade(database.admin_url, "nonsense")
    admin_conn.execute("update demo.alembic_version set version_num = '9999'")
    with pytest.raises(DatabaseError, match="newer than this program"):
        revisions.require_current(admin_conn)


def test_the_loader_can_ask_for_the_revision(loader_conn: Conn, admin_conn: Conn) -> None:
    """A job finds out by itself whether the schema is its own: a newer one is refused."""
    revisions.require_current(loader_conn)
    admin_conn.execute("update demo.alembic_version set version_num = '9999'")
    with pytest.raises(DatabaseError, match="newer than this program"):
        revisions.require_current(loader_conn)


def test_an_ordinary_owner_can_migrate(plain_login: str, database: Database) -> None:
    """A login with CREATEROLE that owns its database makes the same as any other; it serves every tenant."""
    migrate.upgrade(plain_login)
    with psycopg.connect(plain_login, autocommit=True) as conn, database.admin() as other:
        assert whole(conn) == whole(other)
        tenant = real_tenant(conn)
        for role in ("demo_loader", "crm_reader"):
            conn.execute(sql.SQL("set role {}").format(sql.Identifier(role)))
            conn.execute("reset role")
        assert conn.execute("select tenant_id from crm.contacts").fetchall() == [(tenant,)]
    migrate.downgrade(plain_login, "base", discard=True)


def test_roles_have_no_login_and_no_powers(admin_conn: Conn) -> None:
    """The groups are only groups; the guard does not own a table, the owner no function of the guard."""
    powers = admin_conn.execute(
        "select rolname, rolcanlogin, rolsuper, rolcreaterole, rolcreatedb, rolbypassrls, rolreplication"
        " from pg_roles where rolname = any (%s) order by rolname",
        [list(ROLES)],
    ).fetchall()
    assert powers == [(name, *[False] * 6) for name in sorted(ROLES)]
    owners = admin_conn.execute(
        "select distinct relowner::regrole::text from pg_class where relkind = 'r'"
        " and relnamespace in ('crm'::regnamespace, 'demo'::regnamespace)"
    ).fetchall()
    assert owners == [("demo_owner",)]


def test_definer_functions_are_closed(admin_conn: Conn) -> None:
    """Each has a fixed search path and the guard as owner, and PUBLIC may call none."""
    rows = admin_conn.execute(
        "select p.oid::regprocedure::text, p.proowner::regrole::text, p.proconfig,"
        " has_function_privilege('public', p.oid, 'execute')"
        " from pg_proc p where p.pronamespace = 'demo'::regnamespace and p.prosecdef"
    ).fetchall()
    assert len(rows) >= 14
    for name, owner, settings, is_public in rows:
        assert (owner, settings[0], is_public) == ("demo_guard", "search_path=pg_catalog, pg_temp", False), (
            name
        )


def test_row_security_is_forced_on_every_table(admin_conn: Conn) -> None:
    """No table of the CRM is without its policies, for its owner neither."""
    rows = admin_conn.execute(
        "select relname, relrowsecurity and relforcerowsecurity from pg_class"
        " where relkind = 'r' and relnamespace = 'crm'::regnamespace"
    ).fetchall()
    assert len(rows) == 9
    assert all(forced for _, forced in rows)


@pytest.mark.risk("P6", partial=True)
def test_a_generated_row_names_its_job_and_month(loader_conn: Conn, admin_conn: Conn) -> None:
    """Nobody makes one without; its times are as free as a customer's."""
    tenant = provisioned(loader_conn)
    job = begun(loader_conn, tenant)
    for table in GENERATED:
        insert_generated(admin_conn, table, tenant, job)
        for change in ("demo_job_id = null", "demo_source_month = null"):
            statement = f"update crm.{table} set {change} where demo_generated"
            with pytest.raises(errors.CheckViolation, match="provenance_check"):
                admin_conn.execute(statement.encode())
        times = "created_at = '2025-02-01Z', updated_at = '2025-01-01Z', deleted_at = '2024-01-01Z'"
        assert admin_conn.execute(f"update crm.{table} set {times}".encode()).rowcount == 1


@pytest.mark.risk("P6", partial=True)
@pytest.mark.parametrize(
    ("table", "columns", "values"),
    [
        ("users", "email, role", "'a', 'king'"),
        ("pipeline_stages", "name, is_won, is_lost", "'x', true, true"),
        ("pipeline_stages", "name, probability", "'x', 101"),
        ("contacts", "status", "'friend'"),
        ("deals", "value", "-0.01"),
        ("deals", "probability", "-1"),
        ("activities", "type", "'fax'"),
        ("activities", "duration_minutes", "-1"),
    ],
)
def test_impossible_values_are_refused(admin_conn: Conn, table: str, columns: str, values: str) -> None:
    """What no CRM row can say, real or generated."""
    tenant = uuid4()
    admin_conn.execute("insert into crm.tenants (id, slug, name) values (%s, 'a', 'A')", [tenant])
    statement = f"insert into crm.{table} (tenant_id, {columns}) values (%s, {values})"
    with pytest.raises(errors.CheckViolation):
        admin_conn.execute(statement.encode(), [tenant])


def test_keys_and_a_name_are_enough(admin_conn: Conn) -> None:
    """What a CRM can leave empty may be null."""
    tenant = uuid4()
    admin_conn.execute("insert into crm.tenants (id, slug, name) values (%s, 'a', 'A')", [tenant])
    admin_conn.execute(
        "insert into crm.companies (tenant_id, id, name) values (%s, %s, 'A')", [tenant, tenant]
    )
    for table in ("contacts", "deals", "activities"):
        statement = f"insert into crm.{table} (tenant_id, id) values (%s, %s)"
        admin_conn.execute(statement.encode(), [tenant, tenant])
