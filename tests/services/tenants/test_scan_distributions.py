"""``scan``: what too many rows have in common is found, with few rows too where it is no chance."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

import psycopg
import pytest

from demo_pipeline.services.months.materialise import materialise
from demo_pipeline.services.tenants.provision import provision
from demo_pipeline.services.tenants.scan import scan
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.rows.disclosure_scan import Check, scan_distributions, serve
from tests.fixtures.postgres import PostgresServer, new_database
from tests.paths import BLUEPRINTS
from tests.services.builders import make_tenant
from tests.services.tenants.test_scan import SMALL

LARKMOOR: Final = BLUEPRINTS / "larkmoor.yaml"

#: what every row is made to have → findings; the first ones are what version 2026.11 of the generator left
PLANTED: Final[dict[str, set[tuple[str, str]]]] = {
    "UPDATE crm.contacts SET updated_at = created_at": {("contacts.updated_at", "never_changed")},
    "UPDATE crm.companies SET updated_at = created_at": {("companies.updated_at", "never_changed")},
    "UPDATE crm.contacts SET email = coalesce(email, id || '@post.example')": {("contacts.email", "gaps")},
    "UPDATE crm.companies SET website = coalesce(website, 'https://' || domain)": {
        ("companies.website", "gaps")
    },
    "UPDATE crm.companies SET phone = coalesce(phone, '+1 212-555-0100')": {("companies.phone", "gaps")},
    "UPDATE crm.companies SET address = coalesce(address, '1 High Street')": {("companies.address", "gaps")},
    "UPDATE crm.contacts SET phone = coalesce(phone, '+1 212-555-0100')": {("contacts.phone", "gaps")},
    "UPDATE crm.contacts SET phone = NULL": {("contacts.phone", "gaps")},
    "UPDATE crm.users SET created_at = '2024-10-31 13:00+00'": {
        ("users.created_at", "one_second"),
        ("users.created_at", "whole_minutes"),
    },
    "UPDATE crm.pipeline_stages SET created_at = '2024-10-31 13:00:00.5+00'": {
        ("pipeline_stages.created_at", "one_second")
    },
    "UPDATE crm.tags SET created_at = '2024-10-31 13:00:00.5+00'": {("tags.created_at", "one_second")},
    "UPDATE crm.activities SET created_at = date_trunc('second', created_at), updated_at = updated_at": {
        ("activities.created_at", "whole_seconds")
    },
    "UPDATE crm.deals SET created_at = date_trunc('minute', created_at)": {
        ("deals.created_at", "whole_seconds"),
        ("deals.created_at", "whole_minutes"),
    },
    "UPDATE crm.deals SET closed_at = date_trunc('second', closed_at) + interval '1 second'": {
        ("deals.closed_at", "whole_seconds")
    },
}


@pytest.fixture(scope="module")
def shared(postgres_server: PostgresServer) -> Iterator[Database]:
    """One database for the tests, which leave it as it was."""
    with new_database(postgres_server) as database:
        yield database


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings after the bundled blueprints' spans."""
    home = tmp_path_factory.mktemp("distributions")
    now = datetime(2026, 11, 1, tzinfo=UTC)
    return Settings(home=home).model_copy(update={"now": now, "database_url": None})


@pytest.fixture(scope="module")
def larkmoor(shared: Database, settings: Settings) -> str:
    """A bundled tenant; its slug."""
    slug = provision(shared, settings, LARKMOOR).slug
    materialise(shared, settings, slug)
    return slug


def found_after(database: Database, slug: str, *statements: str) -> set[tuple[str, str]]:
    """Places and what rows have in common there, after some statements that are taken back."""
    with database.admin() as conn, conn.transaction(force_rollback=True):
        (tenant,) = conn.execute("SELECT id FROM crm.tenants WHERE slug = %s", [slug]).fetchall()[0]
        for statement in statements:
            conn.execute(f"{statement} WHERE tenant_id = '{tenant}'".encode())
        serve(conn, tenant)
        return {(finding.place, finding.word) for finding in scan_distributions(conn)}


@pytest.mark.risk("G7", partial=True)
def test_a_bundled_tenant_has_usual_distributions(shared: Database, larkmoor: str) -> None:
    """Nothing is found, and nothing is near a limit by luck alone: each planted fault is found below."""
    assert found_after(shared, larkmoor) == set()


@pytest.mark.risk("G7", partial=True)
@pytest.mark.parametrize("statement", PLANTED)
def test_what_all_rows_have_in_common_is_found(shared: Database, larkmoor: str, statement: str) -> None:
    """No gaps, no changes, one second for all, whole seconds: each is found where it is, and nowhere else."""
    assert found_after(shared, larkmoor, statement) == PLANTED[statement]


def test_few_rows_prove_nothing(shared: Database, settings: Settings) -> None:
    """Fourteen contacts without a gap or a change may be chance; a team made within a second is not."""
    slug = make_tenant(shared, settings, SMALL)
    materialise(shared, settings, slug)
    statements = [one for one in PLANTED if "NULL" not in one and "crm.deals" not in one]
    found = found_after(shared, slug, *statements)
    assert {what for _, what in found if not what.startswith("whole")} == {"one_second"}
    assert {place for place, what in found if what == "one_second"} == {
        "users.created_at", "pipeline_stages.created_at", "tags.created_at",
    }  # fmt: skip


def test_a_finding_says_how_many_rows_and_what_is_usual(
    database: Database, database_settings: Settings, admin_conn: psycopg.Connection[Any]
) -> None:
    """As the other checks' findings: with the place, one word, the count and the figures; not clean."""
    slug = provision(database, database_settings, LARKMOOR).slug
    materialise(database, database_settings, slug)
    admin_conn.execute("UPDATE crm.contacts SET email = coalesce(email, id || '@post.example')")
    (one,) = scan(database, database_settings, slug)
    assert not one.is_clean
    (finding,) = one.findings
    assert (finding.check, finding.place, finding.word) == (Check.DISTRIBUTIONS, "contacts.email", "gaps")
    assert finding.examples == ("0 of 2,150 rows, 1% to 60% is usual",)


def test_rows_that_people_import_at_once_are_no_finding(
    database: Database, database_settings: Settings, admin_conn: psycopg.Connection[Any]
) -> None:
    """Three hundred contacts within a second, beside the tenant's own, are an import like any other."""
    slug = provision(database, database_settings, LARKMOOR).slug
    materialise(database, database_settings, slug)
    admin_conn.execute(
        "INSERT INTO crm.contacts (tenant_id, first_name, last_name)"
        " SELECT id, 'Ida', 'Berg' FROM crm.tenants, generate_series(1, 300) WHERE slug = %s",
        [slug],
    )
    (one,) = scan(database, database_settings, slug)
    assert one.is_clean, one.findings
