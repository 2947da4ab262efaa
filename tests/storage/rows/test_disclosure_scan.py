"""What the CRM's reader may find out beside the rows: every right and comment that tells is found."""

from __future__ import annotations

from typing import Final

import pytest

from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.rows.disclosure_scan import scan_catalogue

#: what is done as ``demo_owner`` → places and words that give demos away; none: it tells nothing
PLANTED: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "grant usage on schema demo to crm_reader": (("schema demo", "USAGE"),),
    "grant usage on schema crm to public": (("schema crm", "USAGE"),),
    "grant select on demo.jobs to crm_reader": (("demo.jobs", "SELECT"),),
    # The right alone shows the column's statistics, but for row-level security.
    "grant select (is_demo_generated) on demo.tenant_metadata to crm_reader": (
        ("demo.tenant_metadata", "SELECT"),
    ),
    "grant select on crm.deals to public": (("crm.deals", "SELECT"),),
    "comment on column crm.contacts.source is 'seo for demos'": (
        ("table column crm.contacts.source", "demo"),
    ),
    "comment on table crm.deals is 'Generated rows'": (("table crm.deals", "generated"),),
    "comment on schema crm_app is 'for tests'": (("schema crm_app", "test"),),
    "comment on constraint deals_value_check on crm.deals is 'a dummy'": (
        ("table constraint deals_value_check on crm.deals", "dummy"),
    ),
    "comment on policy served_tenant on crm.deals is 'hides the demo'": (
        ("policy served_tenant on crm.deals", "demo"),
    ),
    "comment on table crm.deals is 'The latest contest'": (),
    "comment on table demo.job_ledger is 'jobs of demos'": (),
}
#: the same, done as the administrator
PLANTED_BY_ADMIN: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "grant demo_loader to crm_reader": (
        ("role demo_loader", "MEMBER"),
        ("schema demo", "USAGE"),
        ("schema crm", "USAGE"),
        ("crm.contacts", "SELECT"),
        ("function demo.claim_job", "EXECUTE"),
    ),
    "comment on role crm_reader is 'lorem'": (("role crm_reader", "lorem"),),
}


def seen_after(database: Database, role: str, *statements: str) -> set[tuple[str, str]]:
    """What the reader can find out; rolled back, since roles belong to the whole server."""
    with database.admin() as conn, conn.transaction(force_rollback=True):
        conn.execute(f"set local role {role}".encode())
        for statement in statements:
            conn.execute(statement.encode())
        conn.execute("set local role crm_reader")
        return {(finding.place, finding.word) for finding in scan_catalogue(conn)}


def test_a_fresh_database_tells_nothing(database: Database) -> None:
    """Nothing that the migrations make is readable, or telling, beside the views."""
    assert seen_after(database, "none") == set()


@pytest.mark.risk("G7", partial=True)
@pytest.mark.parametrize("statement", PLANTED)
def test_a_right_or_comment_that_tells_is_found(database: Database, statement: str) -> None:
    """Whatever lets the reader see beyond its views, whoever was granted it, and what it can read of them."""
    assert seen_after(database, "demo_owner", statement) == set(PLANTED[statement])


@pytest.mark.risk("G7", partial=True)
@pytest.mark.parametrize("statement", PLANTED_BY_ADMIN)
def test_a_power_of_the_reader_is_found(database: Database, statement: str) -> None:
    """A membership is found, with all that it brings, and so is a comment on the role itself."""
    assert seen_after(database, "none", statement) >= set(PLANTED_BY_ADMIN[statement])


@pytest.mark.risk("G7", partial=True)
def test_a_function_of_the_guard_is_found(database: Database) -> None:
    """A function that the reader may call is found, even where it may not use the schema."""
    grant = "grant execute on function demo.find_tenant to public"
    assert seen_after(database, "demo_guard", grant) == {("function demo.find_tenant", "EXECUTE")}


@pytest.mark.risk("G7", partial=True)
def test_a_table_beside_the_views_is_found(database: Database) -> None:
    """The reader may read nothing of anybody else's either, whatever the schema."""
    made = "create table crm.notes (id bigint)", "grant select (id) on crm.notes to crm_reader"
    assert seen_after(database, "demo_owner", *made) == {("crm.notes", "SELECT")}


@pytest.mark.risk("G7", partial=True)
def test_statistics_that_are_readable_are_found(database: Database) -> None:
    """The commonest values of a column are shown to who has a right on it, though the schema is closed."""
    with database.admin() as conn:
        conn.execute("set role demo_owner")
        conn.execute("create table demo.planted as select n % 3 as kind from generate_series(1, 300) n")
        conn.execute("analyze demo.planted")
    grant = "grant select (kind) on demo.planted to crm_reader"
    assert seen_after(database, "demo_owner", grant) == {
        ("demo.planted", "SELECT"),
        ("statistics of demo.planted.kind", "SELECT"),
    }
