"""Every migration down and up again on a database that is full: what the lower revision can hold stays.

Over all revisions there are: a new one is tested without a change here.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, Final

import pytest
from psycopg import Connection

from demo_pipeline.domain.core.errors import InputError
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.reference.versions import LISTS_VERSION
from demo_pipeline.services.months.materialise import materialise
from demo_pipeline.services.patches.patch import apply_patch
from demo_pipeline.services.patches.undo import undo_job
from demo_pipeline.services.tenants.extend import extend_tenant
from demo_pipeline.services.tenants.queries import show_tenant
from demo_pipeline.services.tenants.verify import verify
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.schema import migrate
from demo_pipeline.storage.schema.revisions import current_revision, known_revisions
from tests.fixtures.ledger_steps import real_tenant
from tests.services.builders import made
from tests.services.patches.builders import SMALL, plan
from tests.storage.schema.catalogue import columns_of, rows_of, whole

Conn = Connection[Any]
REVISIONS: Final = known_revisions()
#: revision and the one below it
STEPS: Final = list(zip(REVISIONS, ["base", *REVISIONS[:-1]], strict=True))


@pytest.fixture
def full(database: Database, database_settings: Settings, admin_conn: Conn) -> Database:
    """Two demo tenants, one with a patch and one with an undone patch and its rows, and two customers."""
    change = plan({"2025-02": {"contacts_created": 5}, "2025-03": {"deals_created": 2}})
    made(database, database_settings, SMALL)
    apply_patch(database, database_settings, "acme", change)
    made(database, database_settings, {**SMALL, "name": "Larkmoor South"}, "south")
    undone = apply_patch(database, database_settings, "south", change)
    undo_job(database, database_settings, undone.job_id)
    real_tenant(admin_conn)
    real_tenant(admin_conn, "other-customer")
    return database


#: keys that documents got at a revision; a document loses keys as a table loses columns
NEWER_KEYS: Final = {"0002_tenant_ends": {"closed_month"}}


@pytest.mark.risk("G10")
@pytest.mark.parametrize(("upper", "lower"), STEPS)
def test_g10_down_and_up_loses_nothing_that_fits(full: Database, upper: str, lower: str) -> None:
    """From the head to below a revision and back: rows that fit are the same, the schema is the same.

    What does not fit is refused first, and dropped only when told to.
    """
    with full.admin() as conn:
        schema, rows, columns = whole(conn), rows_of(conn), columns_of(conn)
        try:
            migrate.downgrade(full.admin_url, lower)
            refusal = ""
        except InputError as error:
            refusal = error.message
            # Refused means: nothing was touched.
            assert (whole(conn), rows_of(conn), columns_of(conn)) == (schema, rows, columns)
            migrate.downgrade(full.admin_url, lower, discard=True)
        assert current_revision(conn) == (None if lower == "base" else lower)
        fitting = {
            table: [name for name in names if name in columns.get(table, [])]
            for table, names in columns_of(conn).items()
            if table in columns
        }
        keys = {key for name, added in NEWER_KEYS.items() if name > lower or lower == "base" for key in added}
        expected = _narrowed(rows, columns, fitting, keys)
        assert _narrowed(rows_of(conn, fitting), fitting, fitting, keys) == expected
        if lower != "base":
            assert len(expected["crm.contacts"]) > 20
        migrate.upgrade(full.admin_url)
        now = rows_of(conn)
        assert _narrowed(now, columns, fitting, keys) == expected
        assert whole(conn) == schema
        if now != rows:
            # Something is gone for good, so it was refused first.
            assert "db backup FILE" in refusal
            assert "--discard" in refusal


def _narrowed(
    rows: dict[str, list[Any]], columns: dict[str, list[str]], kept: dict[str, list[str]], keys: set[str]
) -> dict[str, list[Any]]:
    """The rows as they look with fewer columns, and documents without some keys."""

    def narrow(value: Any) -> Any:
        if not keys or not isinstance(value, str) or not value.startswith("{"):
            return value
        document: dict[str, Any] = json.loads(value)
        return {key: part for key, part in sorted(document.items()) if key not in keys}

    return {
        table: sorted(
            (tuple(narrow(row[columns[table].index(name)]) for name in names) for row in rows[table]),
            key=repr,
        )
        for table, names in kept.items()
    }


@pytest.mark.risk("G10")
def test_g10_a_downgrade_that_would_drop_data_refuses(full: Database) -> None:
    """It names every kind of row that would go, the backup, and the word that lets it through."""
    with full.admin() as conn:
        before = rows_of(conn)
        with pytest.raises(InputError, match=r"4 tenants.*db backup FILE.*--discard") as refused:
            migrate.downgrade(full.admin_url, "base")
        for named in ("2 demo tenants", "jobs", "audit entries", "recorded changes of patches"):
            assert named in refused.value.message
        assert rows_of(conn) == before


@pytest.mark.risk("G10", partial=True)
def test_work_goes_on_after_down_and_up(full: Database, database_settings: Settings) -> None:
    """Where nothing had to be dropped, tenants are as expected again and take a patch."""
    for _, lower in reversed(STEPS):
        try:
            migrate.downgrade(full.admin_url, lower)
        except InputError:
            break
        migrate.upgrade(full.admin_url)
    assert [verdict.findings for verdict in verify(full, database_settings)] == [(), ()]
    report = apply_patch(full, database_settings, "south", plan({"2025-01": {"contacts_created": 3}}))
    assert report.is_passed


@pytest.mark.risk("G10", partial=True)
def test_g10_edits_survive_down_and_up(full: Database, database_settings: Settings) -> None:
    """Back-dated rows and tags set again: no migration undoes an edit, and recorded edits are not lost."""
    with full.admin() as conn:
        schema = whole(conn)
        for table in ("companies", "contacts", "deals", "activities"):
            conn.execute(
                f"update crm.{table} set created_at = '2019-01-01Z', updated_at = '2018-01-01Z'"
                f" where id = (select id from crm.{table} where demo_generated limit 1)".encode()
            )
        conn.execute(
            "update crm.contact_tags set deleted_at = now()"
            " where tenant_id = (select id from crm.tenants where slug = 'customer')"
        )
        conn.execute(
            "insert into crm.contact_tags (tenant_id, contact_id, tag_id)"
            " select tenant_id, contact_id, tag_id from crm.contact_tags where deleted_at is not null"
            " and tenant_id = (select id from crm.tenants where slug = 'customer')"
        )
        rows, columns = rows_of(conn), columns_of(conn)
        with pytest.raises(InputError, match=r"4 recorded edits"):
            migrate.downgrade(full.admin_url, "base")
        migrate.downgrade(full.admin_url, REVISIONS[0], discard=True)
        kept = columns_of(conn)
        migrate.upgrade(full.admin_url)
        assert whole(conn) == schema
        keys = {key for added in NEWER_KEYS.values() for key in added}
        assert _narrowed(rows_of(conn), columns, kept, keys) == _narrowed(rows, columns, kept, keys)
    assert len(rows["demo.edited_rows"]) == 4
    assert apply_patch(full, database_settings, "south", plan({"2025-01": {"contacts_created": 3}})).is_passed


def test_a_tenant_from_before_is_closed_at_its_last_month(
    database: Database, database_settings: Settings
) -> None:
    """At the later of its span's end and of its last loaded month, with the version that made its months."""
    made(database, database_settings, SMALL)
    extend_tenant(database, database_settings, "acme", Month.parse("2025-05"))
    materialise(database, database_settings, "acme")
    living = {key: value for key, value in SMALL.items() if key != "end_month"}
    march = database_settings.model_copy(update={"now": datetime(2025, 3, 20, tzinfo=UTC)})
    made(database, march, living, "living")
    # As the baseline has them: it knows neither ends nor extensions.
    with database.admin() as conn:
        conn.execute(
            "DELETE FROM demo.job_progress p USING demo.job_ledger l"
            " WHERE l.id = p.job_id AND l.kind = 'extend'"
        )
        conn.execute(
            "DELETE FROM demo.job_attempts p USING demo.job_ledger l"
            " WHERE l.id = p.job_id AND l.kind = 'extend'"
        )
        conn.execute("DELETE FROM demo.job_ledger WHERE kind = 'extend'")
    migrate.downgrade(database.admin_url, REVISIONS[0], discard=True)
    migrate.upgrade(database.admin_url)
    ends = {
        slug: show_tenant(database, database_settings, slug).context.end_month for slug in ("acme", "living")
    }
    assert ends == {"acme": Month.parse("2025-05"), "living": Month.parse("2025-03")}
    months = show_tenant(database, database_settings, "acme").context.loaded_months
    assert {state.versions for state in months.values()} == {(f"{LISTS_VERSION}/2026.11",)}
    assert all(verdict.is_as_expected for verdict in verify(database, database_settings))
