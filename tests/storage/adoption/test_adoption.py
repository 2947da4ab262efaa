"""A CRM that was there before is taken in: rows and users stay as they were, demo tenants fit beside."""

from __future__ import annotations

import logging
from typing import Any

import psycopg
import pytest
from psycopg import Connection, sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from demo_pipeline.domain.core.errors import BusyError, InputError
from demo_pipeline.services.patches.patch import apply_patch
from demo_pipeline.services.tenants.verify import verify
from demo_pipeline.settings import Settings
from demo_pipeline.storage.adoption.adoption import adoption
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.schema import busy_tables, migrate, revisions
from demo_pipeline.storage.schema.revisions import known_revisions, plan_upgrade
from tests.fixtures.cli import RunCommand
from tests.fixtures.postgres import MakeDatabase, PostgresServer
from tests.long_tests import part
from tests.services.builders import made
from tests.services.patches.builders import SMALL, plan
from tests.storage.adoption.foreign_crm import TABLES, busy_client, grant_app, hashes, make_crm, own_columns
from tests.storage.schema.catalogue import CATALOGUE, OBJECTS, catalogue, whole

Conn = Connection[Any]
ROWS = 20_000
LOG = logging.getLogger(__name__)


@pytest.fixture
def foreign(make_database: MakeDatabase, roles_to_drop: list[str]) -> tuple[Database, str]:
    """An empty database, and the name of a role for the application of the CRM that a test makes in it."""
    database = make_database(is_migrated=False)
    name = str(conninfo_to_dict(database.admin_url)["dbname"])
    app = f"{name}_app"
    roles_to_drop.append(app)
    with database.admin() as conn:
        conn.execute(sql.SQL("create role {}").format(sql.Identifier(app)))
        if conn.info.server_version >= 160_000:
            conn.execute(sql.SQL("grant {} to current_user with set true").format(sql.Identifier(app)))
        else:
            conn.execute(sql.SQL("grant {} to current_user").format(sql.Identifier(app)))
    return database, app


def adopt(database: Database) -> int:
    """Adopt; how many steps there were."""
    with adoption(database) as (todo, run):
        run()
    return len(todo.tasks)


def at_first(database: Database, app: str, rows: int) -> None:
    """A database at the first revision with rows of customers, and rights for an application."""
    from tests.storage.adoption.foreign_crm import fill

    migrate.upgrade(database.admin_url, revisions.known_revisions()[0])
    with database.admin() as conn:
        fill(conn, rows)
        grant_app_policies(conn, app)


def grant_app_policies(conn: Conn, app: str) -> None:
    """As an operator lets an application of its own in."""
    grant_app(conn, app)
    for table in TABLES:
        conn.execute(
            sql.SQL("create policy app on crm.{} to {} using (true) with check (true)").format(
                sql.Identifier(table), sql.Identifier(app)
            )
        )


def files_of(conn: Conn) -> dict[str, int]:
    """Table → the file that its rows are in."""
    return dict(
        conn.execute(
            "select relname, relfilenode from pg_class where relnamespace = 'crm'::regnamespace"
            " and relkind = 'r'"
        ).fetchall()
    )


def check_adoption(database: Database, app: str, rows: int) -> float:
    """Adopt under load; the client's longest wait."""
    with database.admin() as conn:
        make_crm(conn, app, rows)
        files, columns = files_of(conn), own_columns(conn)
        # What the client changes meanwhile.
        columns["contacts"] = columns["contacts"].replace(" phone,", "")
        (until,) = conn.execute("select clock_timestamp()").fetchall()[0]
        before = hashes(conn, columns)
        with busy_client(database.admin_url, app) as client:
            adopt(database)
        assert client.failures == []
        assert client.statements >= 4
        assert hashes(conn, columns, until) == before
        # No table was rewritten, and the rows that the client made are there as well.
        assert files_of(conn) == files
        assert hashes(conn, columns)["companies"][0] == before["companies"][0] + client.statements // 4
        revisions.require_current(conn)
    return client.longest_seconds


def check_upgrade(database: Database, app: str, rows: int) -> float:
    """Upgrade from the first revision to the head under load; the client's longest wait."""
    at_first(database, app, rows)
    with busy_client(database.admin_url, app) as client:
        migrate.upgrade(database.admin_url)
    assert client.failures == []
    assert client.statements >= 4
    with database.admin() as conn:
        revisions.require_current(conn)
    return client.longest_seconds


@pytest.mark.risk("G10", partial=True)
def test_rows_and_users_go_on_while_adopted(foreign: tuple[Database, str]) -> None:
    """No row changes, no table is rewritten, and no statement of the application waits for a second."""
    check_adoption(*foreign, ROWS)


@pytest.mark.long(divides=True)
@pytest.mark.risk("G10", partial=True)
def test_a_million_rows_are_adopted(foreign: tuple[Database, str]) -> None:
    """The same with a million rows."""
    LOG.info("longest wait %.3f s", check_adoption(*foreign, part(1_000_000)))


@pytest.mark.risk("G10", partial=True)
def test_users_go_on_while_upgraded(foreign: tuple[Database, str]) -> None:
    """From the first revision to the head no statement of the application waits for a second."""
    check_upgrade(*foreign, ROWS)


@pytest.mark.long(divides=True)
@pytest.mark.risk("G10", partial=True)
def test_a_million_rows_are_upgraded(foreign: tuple[Database, str]) -> None:
    """The same with a million rows."""
    LOG.info("longest wait %.3f s", check_upgrade(*foreign, part(1_000_000)))


def test_demo_tenants_fit_beside(
    foreign: tuple[Database, str], database_settings: Settings, make_database: MakeDatabase
) -> None:
    """Afterwards a tenant is made and patched; all that a migration makes is there, and no more is open."""
    database, app = foreign
    reference = make_database()
    with database.admin() as conn, reference.admin() as other:
        make_crm(conn, app, 3_000)
        # A tag that was removed and set again.
        conn.execute(
            "insert into crm.contact_tags (tenant_id, contact_id, tag_id, deleted_at)"
            " select tenant_id, contact_id, tag_id, now() from crm.contact_tags limit 5"
        )
        columns = own_columns(conn)
        before = hashes(conn, columns)
        adopt(database)
        assert hashes(conn, columns) == before
        made(database, database_settings, SMALL)
        apply_patch(database, database_settings, "acme", plan({"2025-02": {"contacts_created": 4}}))
        assert all(not verdict.findings for verdict in verify(database, database_settings))
        found, wanted = whole(conn), whole(other)
        for kind in ("functions", "views", "triggers"):
            assert found[kind] == wanted[kind], kind
        missing = [row for row in wanted["policies"] if row not in found["policies"]]
        assert missing == []
        more = {row[2:4] for row in found["policies"] if row not in wanted["policies"]}
        assert more == {("adopted_access", f"{{{app}}}")}
        assert all(
            row[-1] and row[-2] for row in found["tables"] if row[0] in {f"crm.{table}" for table in TABLES}
        )
        # Another table of the CRM is nobody's affair.
        assert conn.execute(
            "select has_table_privilege('demo_loader', 'crm.invoices', 'select')"
        ).fetchone() == (False,)
        names = {"companies_job_fkey", "contacts_status_check", "activities_created_by_fkey", "deals_kpi_idx"}
        there = {row[1] for kind in CATALOGUE for row in found[kind]}
        assert names <= there
        assert "contact_tags_living_key" in there
        # What binds jobs only is no constraint of a CRM's tables.
        assert not any(str(name).endswith("_time_check") for name in there)
        assert "contact_tags_contact_tag_key" not in there
        # A column of the CRM's own counts as an edit as any other.
        conn.execute("update crm.contacts set score = score + 1")
        assert (
            conn.execute("select count(*) from demo.edited_rows").fetchall()
            == conn.execute("select count(*) from crm.contacts where demo_generated").fetchall()
        )
        assert all(row[4] for row in found["constraints"])
        assert catalogue(conn, {"views": OBJECTS["views"]}, ["crm_app"])["views"]
        assert adopt(database) == 0


def test_a_broken_off_adoption_goes_on(foreign: tuple[Database, str]) -> None:
    """Stopped after any of its steps it is taken up there, an index that was broken off included."""
    database, app = foreign
    with database.admin() as conn:
        make_crm(conn, app, 300)
        columns = own_columns(conn)
        with psycopg.connect(database.admin_url) as other:
            other.execute("update crm.deals set title = 'Deal'")
            conn.execute("set lock_timeout = '200ms'")
            with pytest.raises(psycopg.errors.LockNotAvailable):
                conn.execute(
                    "create index concurrently deals_kpi_idx on crm.deals (tenant_id, created_at)"
                    " include (stage_id, value) where deleted_at is null"
                )
        before = hashes(conn, columns)
        with adoption(database) as (todo, _):
            count = len(todo.tasks)
        first, *_, last = known_revisions()
        longest = max(3, *(len(plan.steps) for plan in plan_upgrade(first, last).revisions))
        left, stops, at_once = count + 1, 0, 3
        while left:
            with adoption(database) as (todo, run):
                # A few at once, so that all places come up in some seconds; a revision needs all of its own.
                at_once = at_once + 1 if len(todo.tasks) == left else 3
                left = len(todo.tasks)
                assert at_once <= longest
                run(at_once)
            stops += 1
        assert stops >= count // 3
        assert hashes(conn, columns) == before
        revisions.require_current(conn)
        invalid = "select indexrelid::regclass::text from pg_index where not indisvalid"
        assert conn.execute(invalid).fetchall() == []


MISFITS = {
    "missing_table": "drop table crm.tags",
    "missing_column": "alter table crm.deals drop column closed_at",
    "other_type": "alter table crm.contacts alter column first_name type varchar(80)",
    "required_column": "alter table crm.companies alter column vat_number set not null",
    "other_key": "alter table crm.contact_tags drop constraint pk_contact_tags, add primary key (id)",
    "rows_do_not_fit": "update crm.deals set contact_id = gen_random_uuid() where value < 3",
    "duplicates": "update crm.users set email = 'same' where tenant_id = md5('tenant0')::uuid;"
    " insert into crm.contact_tags (tenant_id, contact_id, tag_id) select tenant_id, contact_id, tag_id"
    " from crm.contact_tags limit 2",
    "null_values": "update crm.pipeline_stages set position = null where position = 1",
    "name_taken": "create index deals_kpi_idx on crm.deals (title)",
    "granted_to_public": "grant select on crm.users to public",
    "policy_for_public": "create policy mine on crm.activities using (true)",
}


def test_all_that_does_not_fit_is_said_at_once(
    foreign: tuple[Database, str], quick_command: RunCommand
) -> None:
    """Table by table with the remedy, exit code 2; nothing was changed, not even with ``--yes``."""
    database, app = foreign
    with database.admin() as conn:
        make_crm(conn, app, 300)
        conn.execute("update crm.companies set vat_number = 'x'")
        for statement in MISFITS.values():
            conn.execute(statement.encode())
        before = catalogue(conn, CATALOGUE | OBJECTS, ["crm"])
        environment = {"DEMO_DATABASE_URL": database.admin_url, "DEMO_LOADER_URL": ""}
        done = quick_command("db", "adopt", "--yes", "--json", environment=environment)
        assert done.code == 2
        problems = done.error["details"]["errors"]
        assert {problem["code"] for problem in problems} == set(MISFITS)
        # A removed tag may be there again, a living one may not.
        assert "crm.contact_tags.contact_tags_living_key" in {problem["field"] for problem in problems}
        assert all(problem["field"] and ": " in problem["message"] for problem in problems)
        assert catalogue(conn, CATALOGUE | OBJECTS, ["crm"]) == before
        schemas = conn.execute("select from pg_namespace where nspname in ('demo', 'crm_app')").fetchall()
        assert schemas == []


def test_the_plan_changes_nothing(foreign: tuple[Database, str], quick_command: RunCommand) -> None:
    """Without ``--yes`` it says what would be added, what is scanned, and who keeps what; then it is done."""
    database, app = foreign
    environment = {"DEMO_DATABASE_URL": database.admin_url, "DEMO_LOADER_URL": ""}
    with database.admin() as conn:
        make_crm(conn, app, 300)
        before = catalogue(conn, CATALOGUE | OBJECTS, ["crm"])
        said = quick_command("db", "adopt", environment=environment)
        assert said.code == 0
        assert "add --yes" in said.out
        assert app in said.out
        document = quick_command("db", "adopt", "--json", environment=environment).document
        assert catalogue(conn, CATALOGUE | OBJECTS, ["crm"]) == before
        assert conn.execute("select from pg_namespace where nspname = 'demo'").fetchall() == []
        assert {table["table"] for table in document["tables"]} == set(TABLES)
        assert any(step["scans"] for step in document["steps"])
        upgrade = quick_command("db", "upgrade", environment=environment)
        assert (upgrade.code, "db adopt" in upgrade.err) == (1, True)
    assert quick_command("db", "adopt", "--yes", environment=environment).code == 0
    again = quick_command("db", "adopt", "--yes", environment=environment)
    assert (again.code, "already adopted" in again.out) == (0, True)
    with pytest.raises(InputError, match="was there before"):
        migrate.downgrade(database.admin_url, "base", discard=True)


def test_whoever_owned_or_read_the_tables_goes_on(
    foreign: tuple[Database, str], postgres_server: PostgresServer
) -> None:
    """An owner that is not the login reads, writes and alters; so does who reads by a role of the server."""
    database, app = foreign
    owner, reader = sql.Identifier(app), sql.Identifier(f"{app}_reader")
    with database.admin() as conn, psycopg.connect(postgres_server.owner_url, autocommit=True) as server:
        make_crm(conn, app, 300)
        if conn.info.server_version >= 160_000:
            conn.execute(sql.SQL("grant {} to current_user with inherit true").format(owner))
        conn.execute(sql.SQL("alter schema crm owner to {}").format(owner))
        for table in (*TABLES, "invoices"):
            conn.execute(sql.SQL("alter table crm.{} owner to {}").format(sql.Identifier(table), owner))
        server.execute(sql.SQL("create role {} login password 'reader'").format(reader))
        try:
            server.execute(sql.SQL("grant pg_read_all_data to {}").format(reader))
            with adoption(database) as (todo, run):
                run()
            assert set(todo.roles) == {app, "pg_read_all_data"}
            conn.execute(sql.SQL("set role {}").format(owner))
            assert conn.execute("select count(*) from crm.companies").fetchone() == (30,)
            assert conn.execute("update crm.companies set city = 'Ulm'").rowcount == 30
            conn.execute("alter table crm.companies add column rating integer")
            conn.execute("reset role")
            url = make_conninfo(database.admin_url, user=f"{app}_reader", password="reader")
            with psycopg.connect(url) as other:
                assert other.execute("select count(*) from crm.contacts").fetchone() == (90,)
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    other.execute("update crm.contacts set phone = '1'")
        finally:
            server.execute(sql.SQL("drop role {}").format(reader))


@pytest.mark.risk("G10", partial=True)
def test_policies_of_the_crm_go_on_to_choose(
    foreign: tuple[Database, str],
    database_settings: Settings,
) -> None:
    """The application sees of contacts what its own policy says, demos included; of other tables all."""
    database, app = foreign
    role = sql.Identifier(app)
    with database.admin() as conn:
        make_crm(conn, app, 300)
        ((tenant, seen),) = conn.execute(
            "select tenant_id, count(*) from crm.contacts group by 1 order by 1 limit 1"
        ).fetchall()
        conn.execute("alter table crm.contacts enable row level security")
        conn.execute(
            sql.SQL(
                "create policy own on crm.contacts to {}"
                " using (tenant_id = current_setting('own.tenant')::uuid)"
            ).format(role)
        )
        adopt(database)
        made(database, database_settings, SMALL)
        assert all(not verdict.findings for verdict in verify(database, database_settings))
        ((demo,),) = conn.execute("select id from crm.tenants where slug = 'acme'").fetchall()
        conn.execute(sql.SQL("set role {}").format(role))
        for served, count in ((tenant, seen), (demo, None)):
            conn.execute("select set_config('own.tenant', %s, false)", [str(served)])
            ((found, tenants),) = conn.execute(
                "select count(*), count(distinct tenant_id) from crm.contacts"
            ).fetchall()
            assert tenants == 1
            assert count in (None, found)
        assert conn.execute("select count(distinct tenant_id) from crm.companies").fetchall()[0][0] > 1
        conn.execute("reset role")
        policies = conn.execute(
            "select polrelid::regclass::text from pg_policy where polname = 'adopted_access'"
        ).fetchall()
        assert "crm.contacts" not in {table for (table,) in policies}
        assert len(policies) == 8


def test_a_table_that_stays_busy_ends_the_adoption(
    foreign: tuple[Database, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It names who is in the way; the step that waited is not done, and the next call goes on."""
    database, app = foreign
    with database.admin() as conn:
        make_crm(conn, app, 300)
        columns = own_columns(conn)
        before = hashes(conn, columns)
        with (
            psycopg.connect(database.admin_url, application_name="a report") as other,
            monkeypatch.context() as few,
        ):
            few.setattr(busy_tables, "LOCK_TRIES", 3)
            other.execute("select from crm.deals")
            with pytest.raises(BusyError, match="'a report'"):
                adopt(database)
        assert revisions.current_revision(conn) is None
        assert hashes(conn, columns) == before
        adopt(database)
        revisions.require_current(conn)
        assert hashes(conn, columns) == before
