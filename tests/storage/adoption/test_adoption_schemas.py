"""CRMs of many kinds: the dry run says what the real run does, and what it prints to mend them is enough."""

from __future__ import annotations

import logging
import re
import secrets
from collections import Counter
from collections.abc import Iterable
from hashlib import sha256
from typing import Any

import psycopg
import pytest
from psycopg import Connection, sql
from psycopg.conninfo import conninfo_to_dict

from demo_pipeline.domain.core.errors import InputError
from demo_pipeline.services.patches.patch import apply_patch
from demo_pipeline.services.tenants.verify import verify
from demo_pipeline.settings import Settings
from demo_pipeline.storage.adoption.adoption import adoption
from demo_pipeline.storage.adoption.shape import filled_by_demo_rows, null_in_demo_rows
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.schema import revisions
from tests.fixtures.cli import RunCommand
from tests.fixtures.postgres import MakeDatabase
from tests.paths import PROJECT
from tests.services.builders import made
from tests.services.patches.builders import SMALL, plan
from tests.storage.adoption.cases import (
    ACCEPTED,
    CONFLICTING,
    MENDED,
    MENDED_TWICE,
    UNSUPPORTED,
    simple_keys,
)
from tests.storage.adoption.foreign_crm import TABLES, make_crm
from tests.storage.schema.catalogue import CATALOGUE, OBJECTS, catalogue

Conn = Connection[Any]
LOG = logging.getLogger(__name__)
SCRIPT = re.compile(r"^BEGIN;$.*?^COMMIT;$", re.DOTALL | re.MULTILINE)
STATE = CATALOGUE | OBJECTS


@pytest.fixture
def foreign(make_database: MakeDatabase, roles_to_drop: list[str]) -> tuple[Database, str]:
    """A database with the CRM of ``foreign_crm``, and the name of its application's role."""
    database = make_database(is_migrated=False)
    name = str(conninfo_to_dict(database.admin_url)["dbname"])
    app = f"{name} App"
    roles_to_drop.append(app)
    with database.admin() as conn:
        conn.execute(sql.SQL("create role {}").format(sql.Identifier(app)))
        options = " with inherit true, set true" if conn.info.server_version >= 160_000 else ""
        conn.execute(sql.SQL(f"grant {{}} to current_user{options}").format(sql.Identifier(app)))
        make_crm(conn, app, 300)
    return database, app


def vary(database: Database, app: str, variations: Iterable[str]) -> None:
    """Apply variations of the CRM."""
    with database.admin() as conn:
        # As who owns the tables; a role that owns a table needs CREATE on its schema.
        conn.execute(sql.SQL("grant create on schema crm to {}").format(sql.Identifier(app)))
        for text in variations:
            conn.execute(text.replace("{app}", f'"{app}"').encode())


def refusal(database: Database, *, executes: bool) -> InputError | None:
    """What the dry run, or the real run, refuses; None: it succeeds."""
    try:
        with adoption(database) as (_, run):
            if executes:
                run()
    except InputError as error:
        return error
    return None


def mend(database: Database, error: InputError) -> None:
    """Execute the script of a refusal as printed."""
    (text,) = SCRIPT.findall(str(error.details["remedy"]))
    with database.admin() as conn:
        conn.execute(text.encode())


def state(database: Database) -> dict[str, list[Any]]:
    """Everything that an adoption could change in the catalogue."""
    with database.admin() as conn:
        there = conn.execute("select nspname from pg_namespace where nspname in ('crm', 'demo')").fetchall()
        return catalogue(conn, STATE, [name for (name,) in there])


def check_mended(database: Database, rounds: int = 1) -> list[InputError]:
    """Refused as often as allowed, each time mended as printed; then dry run and real run succeed."""
    errors: list[InputError] = []
    while (error := refusal(database, executes=False)) is not None:
        before = state(database)
        again = refusal(database, executes=True)
        assert again is not None
        assert again.problems == error.problems
        assert state(database) == before
        errors.append(error)
        assert len(errors) <= rounds, error.problems
        # A second refusal was announced by the first.
        assert len(errors) == 1 or errors[0].details["unchecked"] or "afterwards" in str(errors[0].problems)
        mend(database, error)
    assert refusal(database, executes=True) is None
    with database.admin() as conn:
        revisions.require_current(conn)
    return errors


def check_alone(database: Database, app: str, name: str) -> None:
    """One variation alone."""
    if name in ACCEPTED:
        vary(database, app, [ACCEPTED[name]])
        assert check_mended(database) == []
    elif name in UNSUPPORTED:
        vary(database, app, [UNSUPPORTED[name]])
        dry, real = (refusal(database, executes=executes) for executes in (False, True))
        assert dry is not None
        assert real is not None
        assert dry.problems == real.problems
        assert "migration of your own" in str(dry.details["remedy"])
    else:
        vary(database, app, [{**MENDED, **MENDED_TWICE}[name]])
        assert check_mended(database, 2 if name in MENDED_TWICE else 1)


def test_everything_is_mended_as_printed(foreign: tuple[Database, str], quick_command: RunCommand) -> None:
    """Many faults in one CRM with foreign keys: one script is printed, it runs, and nothing is left."""
    database, app = foreign
    left = {name for line in CONFLICTING for name in line[1:]}
    chosen = [name for name in MENDED if name not in left]
    vary(database, app, [MENDED[name] for name in chosen])
    with database.admin() as conn:
        names = catalogue(conn, {"views": OBJECTS["views"]}, ["crm"])["views"]
    environment = {"DEMO_DATABASE_URL": database.admin_url, "DEMO_LOADER_URL": ""}
    done = quick_command("db", "adopt", environment=environment)
    assert done.code == 2
    (text,) = SCRIPT.findall(done.err)
    assert "..." not in text
    with database.admin() as conn:
        conn.execute(text.encode())
        kept = catalogue(conn, {"views": OBJECTS["views"]}, ["crm"])["views"]
        # Views that were in the way are there again, with owner, rights and options.
        assert {(row[0], row[2], row[4]) for row in kept} >= {
            (row[0], row[2], row[4]) for row in names if row[0] != "crm.activities_kpi_idx"
        }
    assert quick_command("db", "adopt", environment=environment).code == 0
    assert quick_command("db", "adopt", "--yes", environment=environment).code == 0


def test_simple_keys_are_replaced_under_foreign_keys(foreign: tuple[Database, str]) -> None:
    """A CRM with the key ``id`` everywhere: references to the old keys are there afterwards, too."""
    database, _ = foreign
    with database.admin() as conn:
        simple_keys(conn)
        question = (
            "select conname, pg_get_constraintdef(oid) from pg_constraint"
            " where contype = 'f' and (conname like 'FK %' or conname like 'calls%') order by 1"
        )
        before = conn.execute(question).fetchall()
    (error,) = check_mended(database)
    assert {problem.code for problem in error.problems} == {"other_key"}
    with database.admin() as conn:
        after = conn.execute(question).fetchall()
    assert after == before
    assert len(after) == 14


def test_what_has_a_name_that_is_needed_stays_under_another(foreign: tuple[Database, str]) -> None:
    """Indexes and constraints with names of ours are renamed and stay; others keep their names."""
    database, app = foreign
    vary(
        database,
        app,
        [
            "create index contacts_company_idx on crm.contacts (tenant_id, company_id)",
            "create index contacts_company_ref_idx on crm.contacts (tenant_id, company_id)",
            "create table crm.others (id integer constraint deals_company_ref_idx unique)",
            "alter table crm.activities add constraint activities_deal_ref_idx unique (deal_id, id)",
            "create view crm.activities_contact_ref_idx as select 1 as one",
            (
                "alter table crm.contact_tags add constraint contact_tags_living_key"
                " unique (tenant_id, contact_id, tag_id)"
            ),
            "alter table crm.companies add constraint companies_provenance_check check (name <> '')",
        ],
    )
    question = (
        "select c.relname, regexp_replace(pg_get_indexdef(i.indexrelid), '^.* USING', '')"
        " from pg_index i join pg_class c on c.oid = i.indrelid where c.relnamespace = 'crm'::regnamespace"
        " union all select c.relname, pg_get_constraintdef(k.oid) from pg_constraint k"
        " join pg_class c on c.oid = k.conrelid where c.relnamespace = 'crm'::regnamespace"
        " union all select c.relname, null from pg_class c"
        " where c.relnamespace = 'crm'::regnamespace and c.relkind = 'v'"
    )
    with database.admin() as conn:
        before = Counter(row[1] for row in conn.execute(question).fetchall())
    (error,) = check_mended(database)
    assert {problem.code for problem in error.problems} == {"name_taken"}
    assert len(error.problems) == 6
    with database.admin() as conn:
        assert before <= Counter(row[1] for row in conn.execute(question).fetchall())
        assert conn.execute("select to_regclass('crm.contacts_company_idx') is not null").fetchone() == (
            True,
        )


def test_what_fits_is_adopted_and_filled(
    foreign: tuple[Database, str], database_settings: Settings, quick_command: RunCommand
) -> None:
    """All that is accepted in one CRM: dry run and real run succeed, and demo tenants are made beside.

    The command says which columns demo rows leave null or to a default, and which an INSERT of the
    application must fill; the rows and the server agree.
    """
    database, app = foreign
    vary(database, app, ACCEPTED.values())
    environment = {"DEMO_DATABASE_URL": database.admin_url, "DEMO_LOADER_URL": ""}
    said = quick_command("db", "adopt", environment=environment)
    assert said.code == 0, said.err
    assert "must fill" in said.out
    document = quick_command("db", "adopt", "--json", environment=environment).document
    assert quick_command("db", "adopt", "--yes", environment=environment).code == 0
    made(database, database_settings, SMALL)
    apply_patch(database, database_settings, "acme", plan({"2025-02": {"contacts_created": 4}}))
    assert all(not verdict.findings for verdict in verify(database, database_settings))
    with database.admin() as conn:
        assert {row["table"] for row in document["tables"]} == set(TABLES)
        for row in document["tables"]:
            check_filling(conn, row["table"], row)
        ((owner,),) = conn.execute("select datdba::regrole::text from pg_database where datname ="
                                   " current_database()").fetchall()  # fmt: skip
        ((inherits,),) = conn.execute("select pg_has_role(%s, 'demo_owner', 'USAGE')", [owner]).fetchall()
        assert inherits


def check_filling(conn: Conn, table: str, said: dict[str, Any]) -> None:
    """What was said of a table's columns, against its demo rows and the catalogue."""
    key = "id" if table == "tenants" else "tenant_id"
    demo = f"(select id from crm.tenants where slug = 'acme') = {key}"
    null: set[str] = set()
    full: set[str] = set()
    columns = [name for (name,) in conn.execute(
        "select attname from pg_attribute where attrelid = %s::regclass and attnum > 0 and not attisdropped",
        [f"crm.{table}"],
    ).fetchall()]  # fmt: skip
    for name in columns:
        ((rows, values),) = conn.execute(
            sql.SQL("select count(*), count({}) from crm.{} where " + demo).format(
                sql.Identifier(name), sql.Identifier(table)
            )
        ).fetchall()
        assert rows
        if values == 0:
            null.add(name)
        if values == rows:
            full.add(name)
    assert set(said["demo_rows_leave_null"]) <= null
    assert set(said["demo_rows_leave_to_default"]).isdisjoint(null)
    always = filled_by_demo_rows(table) - null_in_demo_rows(table)
    assert always <= full
    required = conn.execute(
        "select attname from pg_attribute a join pg_type t on t.oid = a.atttypid"
        " where attrelid = %s::regclass and attnum > 0 and not attisdropped"
        " and (attnotnull or typnotnull) and not atthasdef and attidentity = '' and typdefault is null",
        [f"crm.{table}"],
    ).fetchall()
    assert set(said["must_fill"]) == {name for (name,) in required}


def test_the_transcript_is_what_the_command_says(
    foreign: tuple[Database, str], quick_command: RunCommand
) -> None:
    """The page's CRM is refused with the page's words; its script runs, and the plan says who fills what."""
    database, app = foreign
    page = (PROJECT / "docs" / "migrations.md").read_text(encoding="utf-8")
    ((statements),) = re.findall(r"```sql\n(.*?)```", page, re.DOTALL)
    refused, filling = (
        text for text in re.findall(r"```console\n\$ demo-pipeline db adopt\n(.+?)```", page, re.DOTALL)
    )
    environment = {"DEMO_DATABASE_URL": database.admin_url, "DEMO_LOADER_URL": ""}
    with database.admin() as conn:
        conn.execute(statements.encode())
        said = quick_command("db", "adopt", environment=environment)
        assert said.code == 2
        # A slow server adds a line about reading before.
        shown = said.err[said.err.index("error: ") :].replace(f'"{app}"', "app")
        assert shown.strip() == refused.strip()
        (script,) = SCRIPT.findall(refused)
        conn.execute(sql.SQL(script.replace(" TO app;", " TO {};")).format(sql.Identifier(app)))
    plan_said = quick_command("db", "adopt", environment=environment)
    assert plan_said.code == 0
    assert filling.strip().removeprefix("...").strip() in plan_said.out.replace(f'"{app}"', "app").replace(
        app, "app"
    )
    assert quick_command("db", "adopt", "--yes", environment=environment).code == 0


def test_what_no_script_mends_is_refused(foreign: tuple[Database, str]) -> None:
    """Types without a conversion, views and partitioned tables: said at once, with no statement for them."""
    database, app = foreign
    vary(database, app, UNSUPPORTED.values())
    before = state(database)
    dry, real = (refusal(database, executes=executes) for executes in (False, True))
    assert dry is not None
    assert real is not None
    assert dry.problems == real.problems
    assert {problem.field for problem in dry.problems} >= {
        "crm.contact_tags",
        "crm.tags",
        "crm.deals.contact_id",
    }
    assert state(database) == before


def test_what_cannot_be_read_yet_is_announced(foreign: tuple[Database, str]) -> None:
    """Names in upper case, and rows that row security hides: two rounds, and the first one says so."""
    database, app = foreign
    vary(database, app, MENDED_TWICE.values())
    assert len(check_mended(database, 2)) == 2


def test_tables_of_another_schema_are_moved_as_printed(foreign: tuple[Database, str]) -> None:
    """A CRM in schema public, or in one of another name, is moved to crm by the printed script."""
    database, _ = foreign
    with database.admin() as conn:
        conn.execute('alter schema crm rename to "Sales"')
        error = refusal(database, executes=False)
        assert error is not None
        mend(database, error)
        for table in TABLES:
            conn.execute(f"alter table crm.{table} set schema public".encode())
        conn.execute("drop schema crm cascade")
    assert check_mended(database, 2)[0].problems[0].code == "other_schema"


@pytest.mark.long
@pytest.mark.parametrize("name", [*ACCEPTED, *MENDED, *MENDED_TWICE, *UNSUPPORTED])
def test_each_schema_alone(foreign: tuple[Database, str], name: str) -> None:
    """The dry run's verdict is the real run's, and one round mends what can be mended."""
    check_alone(*foreign, name)


@pytest.mark.long
@pytest.mark.parametrize("number", range(12))
def test_random_schemas(foreign: tuple[Database, str], number: int) -> None:
    """The same for random combinations."""
    database, app = foreign
    seed = secrets.randbits(32)
    names = sorted([*ACCEPTED, *MENDED], key=lambda name: sha256(f"{seed} {name}".encode()).digest())
    names = names[: 4 + seed % 9]
    for line in CONFLICTING:
        present = [name for name in names if name in line]
        for name in present[1:]:
            names.remove(name)
    both = {**ACCEPTED, **MENDED}
    applied: list[str] = []
    for name in names:
        try:
            vary(database, app, [both[name]])
        except psycopg.Error:
            # Not on what the others made of the CRM.
            continue
        applied.append(name)
    LOG.info("seed %d: %s", seed, applied)
    check_mended(database, 2)
