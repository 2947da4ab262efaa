"""``scan``: a tenant that gives nothing away is clean, and whatever would give it away is found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count, product
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from psycopg import sql

from demo_pipeline.domain.core.errors import DatabaseError, NotADemoTenantError, NotFoundError
from demo_pipeline.domain.parsing.scalars import TELL_TALE
from demo_pipeline.services.months.materialise import materialise
from demo_pipeline.services.tenants.provision import provision
from demo_pipeline.services.tenants.scan import Scan, scan
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.rows.disclosure_scan import Check, Disclosure
from tests.builders.blueprints import NOW, feasible_blueprints
from tests.fixtures.ledger_steps import real_tenant
from tests.fixtures.postgres import PostgresServer, new_database
from tests.hypothesis_profiles import examples
from tests.paths import BUNDLED
from tests.services.builders import make_tenant

SMALL: Final[dict[str, Any]] = {
    "name": "Brügmann & Söhne",
    "country": "DE",
    "industry": "ecommerce",
    "start_month": "2025-01",
    "end_month": "2025-02",
    "seed": "7",
    "totals": {
        "leads_created": 9,
        "contacts_created": 14,
        "companies_created": 5,
        "deals_created": 6,
        "closed_won_count": 2,
        "activities_created": 20,
    },
}
#: every column that can hold a word of its own
TEXTS: Final = [
    *(("tenants", name) for name in ("name", "country", "timezone", "currency", "industry")),
    *(("users", name) for name in ("email", "first_name", "last_name")),
    ("pipeline_stages", "name"),
    *(("tags", name) for name in ("name", "color")),
    *(
        ("companies", name)
        for name in (
            *("name", "domain", "industry", "size", "address", "city", "state", "country", "postal_code"),
            *("phone", "website"),
        )
    ),
    *(("contacts", name) for name in ("first_name", "last_name", "email", "phone", "source")),
    *(("deals", name) for name in ("title", "currency")),
    *(("activities", name) for name in ("subject", "description")),
]
_EVERY_EXAMPLE: Final = (HealthCheck.too_slow, HealthCheck.function_scoped_fixture)
_slugs = count(1)


@pytest.fixture(scope="module")
def shared(postgres_server: PostgresServer) -> Iterator[Database]:
    """One database for the tests that leave it as it was."""
    with new_database(postgres_server) as database:
        yield database


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings at the instant that random blueprints are made for."""
    home = tmp_path_factory.mktemp("scan")
    return Settings(home=home).model_copy(update={"now": NOW, "database_url": None})


@pytest.fixture(scope="module")
def acme(shared: Database, settings: Settings) -> str:
    """A tenant of some sixty rows; its slug."""
    slug = make_tenant(shared, settings, SMALL)
    materialise(shared, settings, slug)
    return slug


def found_in(database: Database, settings: Settings, slug: str = "acme") -> Scan:
    """The scan of one tenant."""
    (one,) = scan(database, settings, slug)
    assert one.tenant == slug
    return one


def execute(database: Database, *statements: str) -> None:
    """Do something as the administrator."""
    with database.admin() as conn, conn.transaction():
        for statement in statements:
            conn.execute(statement.encode())


@pytest.mark.risk("G7")
@pytest.mark.parametrize("path", BUNDLED, ids=lambda path: path.stem)
def test_g07_a_bundled_blueprint_scans_clean(
    database: Database, database_settings: Settings, path: Path
) -> None:
    """No name or value that the tenant can see tells, nor does anything else that its reader may read."""
    now = database_settings.model_copy(update={"now": datetime(2026, 11, 1, tzinfo=UTC)})
    slug = provision(database, now, path).slug
    materialise(database, now, slug)
    one = found_in(database, now, slug)
    assert one.is_clean, (one.findings, one.reader_findings)
    assert one.values > 10_000


@pytest.mark.risk("G7", partial=True)
@hypothesis_settings(max_examples=4, suppress_health_check=_EVERY_EXAMPLE)
@given(blueprint=feasible_blueprints())
def test_a_random_blueprint_scans_clean(
    shared: Database, settings: Settings, blueprint: dict[str, Any]
) -> None:
    """Any feasible blueprint, loaded, gives nothing away."""
    slug = make_tenant(shared, settings, blueprint, slug=f"tenant-{next(_slugs)}")
    materialise(shared, settings, slug)
    one = found_in(shared, settings, slug)
    assert one.is_clean, (one.findings, one.reader_findings)


@pytest.mark.long(divides=True)
@pytest.mark.timeout(1500)
@pytest.mark.risk("G7", partial=True)
@hypothesis_settings(max_examples=examples(200), suppress_health_check=_EVERY_EXAMPLE)
@given(blueprint=feasible_blueprints())
def test_two_hundred_random_blueprints_scan_clean(
    shared: Database, settings: Settings, blueprint: dict[str, Any]
) -> None:
    """The same for two hundred."""
    slug = make_tenant(shared, settings, blueprint, slug=f"tenant-{next(_slugs)}")
    materialise(shared, settings, slug)
    assert found_in(shared, settings, slug).is_clean


def test_a_scan_says_what_it_looked_through(shared: Database, settings: Settings, acme: str) -> None:
    """Every column of the reader's views, and every text in them that is not null."""
    one = found_in(shared, settings, acme)
    with shared.admin() as conn, conn.transaction():
        (tenant,) = conn.execute("SELECT id FROM crm.tenants WHERE slug = %s", [acme]).fetchall()[0]
        conn.execute("SET LOCAL ROLE crm_reader")
        conn.execute("SELECT set_config('app.tenant_id', %s, true)", [str(tenant)])
        columns = conn.execute(
            "SELECT table_name, column_name, data_type FROM information_schema.columns"
            " WHERE table_schema = 'crm_app'"
        ).fetchall()
        values = 0
        for table, column, kind in columns:
            if kind == "text":
                counted = sql.SQL("SELECT count({}) FROM crm_app.{}").format(
                    sql.Identifier(column), sql.Identifier(table)
                )
                values += conn.execute(counted).fetchall()[0][0]
    assert {(table, column) for table, column, kind in columns if kind == "text"} > set(TEXTS)
    assert (one.is_clean, one.columns, one.values) == (True, len(columns), values)


@pytest.mark.risk("G7", partial=True)
@pytest.mark.parametrize(("table", "column"), TEXTS, ids=map(".".join, TEXTS))
def test_a_word_in_any_column_is_found(
    shared: Database, settings: Settings, acme: str, table: str, column: str
) -> None:
    """In each text of each view, with the place, the word and the value; deleted rows are not seen."""
    key = "id" if table == "tenants" else "tenant_id"
    row = f"{key} = (SELECT id FROM crm.tenants WHERE slug = '{acme}')"
    row += f" AND id = (SELECT max(id::text)::uuid FROM crm.{table} WHERE {row})"
    with shared.admin() as conn:
        (before,) = conn.execute(f"SELECT {column} FROM crm.{table} WHERE {row}".encode()).fetchall()[0]
        conn.execute(f"UPDATE crm.{table} SET {column} = 'Contest, Sampler' WHERE {row}".encode())
        try:
            one = found_in(shared, settings, acme)
            if table != "tenants":
                conn.execute(f"UPDATE crm.{table} SET deleted_at = now() WHERE {row}".encode())
                assert found_in(shared, settings, acme).is_clean
        finally:
            statement = f"UPDATE crm.{table} SET {column} = %s, deleted_at = NULL WHERE {row}"
            conn.execute(statement.encode(), [before])
    assert one.findings == (
        Disclosure(
            check=Check.VALUES, place=f"{table}.{column}", word="sample", examples=("Contest, Sampler",)
        ),
    )
    assert not one.is_clean
    assert one.reader_findings == ()


def test_what_is_found_is_what_the_domain_calls_telling(
    shared: Database, settings: Settings, acme: str
) -> None:
    """After a digit, an umlaut, a hyphen, in any case and any script: the database leaves nothing out."""
    before = ("", " ", "_", "-", "(", "'", "%", "\\", "\n", "\t", "3", "\u0663", "a", "Z", "ü", "Ä", "ß")
    more = ("é", "中", "\u0430", "u\u0308", "ª", "\u200b", "\u2019", "\U0001f600", "con", "la", "1-")
    stems = (
        *("demo", "DEMO", "Test", "test", "te\u017ft", "fake", "FA\u212aE", "lorem", "sample", "\u017fample"),
        *("generated", "Dummy", "dem", "tst", "gener", "d emo"),
    )
    texts = [
        one + stem + after
        for one, stem, after in product((*before, *more), stems, ("", "s", "ü", "_1", " demo"))
    ]
    expected = Counter(
        word for text in texts for word in {match[0].casefold() for match in TELL_TALE.finditer(text)}
    )
    assert len(expected) == 7
    with shared.admin() as conn:
        (tenant,) = conn.execute("SELECT id FROM crm.tenants WHERE slug = %s", [acme]).fetchall()[0]
        with conn.cursor() as cursor:
            cursor.executemany(
                # At an instant of its own: in the first second of a minute so many rows are a finding.
                "INSERT INTO crm.tags (tenant_id, name, color, created_at, updated_at)"
                " VALUES (%s, %s, 'planted', '2025-01-15 10:23:45.678Z', '2025-01-15 10:23:45.678Z')",
                [(tenant, text) for text in texts],
            )
        try:
            one = found_in(shared, settings, acme)
        finally:
            conn.execute("DELETE FROM crm.tags WHERE color = 'planted'")
    assert {(finding.place, finding.word): finding.count for finding in one.findings} == {
        ("tags.name", word): times for word, times in expected.items()
    }
    assert all(1 <= len(finding.examples) <= 3 for finding in one.findings)


def test_a_long_text_is_cut_to_where_the_word_is(shared: Database, settings: Settings, acme: str) -> None:
    """The example shows the word and what stands around it, on one line."""
    with shared.admin() as conn:
        (tenant,) = conn.execute("SELECT id FROM crm.tenants WHERE slug = %s", [acme]).fetchall()[0]
        conn.execute(
            "INSERT INTO crm.tags (tenant_id, name, color) VALUES (%s, %s, 'planted')",
            [tenant, "word " * 500 + "a\nTest row" + " word" * 500],
        )
        try:
            (finding,) = found_in(shared, settings, acme).findings
        finally:
            conn.execute("DELETE FROM crm.tags WHERE color = 'planted'")
    assert (finding.place, finding.word, finding.count) == ("tags.name", "test", 1)
    (example,) = finding.examples
    assert " a Test row word" in example
    assert example.startswith("...")
    assert example.endswith("...")
    assert len(example) < 100


def test_a_telling_slug_is_found(database: Database, database_settings: Settings) -> None:
    """A blueprint's file may have such a name, with a warning; the tenant can see it all the same."""
    slug = make_tenant(database, database_settings, SMALL, slug="demo-acme")
    one = found_in(database, database_settings, slug)
    assert [(finding.place, finding.word) for finding in one.findings] == [("tenants.slug", "demo")]


def test_all_tenants_are_scanned_and_no_customer(
    database: Database, database_settings: Settings, admin_conn: psycopg.Connection[Any]
) -> None:
    """Without a slug every demo is looked through, one by one, and only its own findings are its own."""
    assert scan(database, database_settings) == ()
    for slug in ("acme", "bode"):
        make_tenant(database, database_settings, SMALL, slug=slug)
    materialise(database, database_settings, "bode")
    customer = real_tenant(admin_conn)
    admin_conn.execute("UPDATE crm.users SET first_name = 'Test' WHERE tenant_id = %s", [customer])
    admin_conn.execute(
        "UPDATE crm.tags SET name = 'Fake' WHERE tenant_id = (SELECT id FROM crm.tenants WHERE slug = 'bode')"
    )
    first, second = scan(database, database_settings)
    assert (first.tenant, first.findings) == ("acme", ())
    assert second.tenant == "bode"
    (finding,) = second.findings
    tags = admin_conn.execute(
        "SELECT count(*) FROM crm.tags t JOIN crm.tenants n ON n.id = t.tenant_id WHERE n.slug = 'bode'"
    ).fetchall()
    assert (finding.place, finding.word, finding.count) == ("tags.name", "fake", tags[0][0])
    assert finding.examples == ("Fake",)


VIEW: Final = (
    "SET LOCAL ROLE demo_owner",
    "GRANT CREATE ON SCHEMA crm_app TO crm_views",
    "GRANT SELECT (demo_generated, demo_job_id, demo_source_month) ON crm.contacts TO crm_views",
    "SET LOCAL ROLE crm_views",
)


@pytest.mark.risk("G7", partial=True)
@pytest.mark.parametrize(
    ("shown", "condition", "found"),
    [
        (
            ", demo_source_month",
            "",
            {(Check.NAMES, "contacts.demo_source_month", "demo"),
             (Check.PROVENANCE, "contacts", "crm.contacts.demo_source_month")},
        ),
        (", demo_job_id AS batch", "", {(Check.PROVENANCE, "contacts", "crm.contacts.demo_job_id")}),
        ("", " AND NOT demo_generated", {(Check.PROVENANCE, "contacts", "crm.contacts.demo_generated")}),
        (", 1 AS is_test_row", "", {(Check.NAMES, "contacts.is_test_row", "test")}),
        (", 'a Sample' AS origin", "", {(Check.VALUES, "contacts.origin", "sample")}),
        (", to_jsonb(ARRAY['x', 'demo']) AS more", "", {(Check.VALUES, "contacts.more", "demo")}),
        (", ARRAY['x', 'demo'] AS more", "", {(Check.VALUES, "contacts.more", "demo")}),
    ],
)  # fmt: skip
def test_a_view_that_tells_is_found(
    database: Database,
    database_settings: Settings,
    shown: str,
    condition: str,
    found: set[tuple[Check, str, str]],
) -> None:
    """A column of provenance under any name, or in a condition alone, and columns and constants that tell."""
    make_tenant(database, database_settings, SMALL)
    materialise(database, database_settings, "acme")
    columns = "tenant_id, id, first_name, last_name, email, phone, company_id, owner_id, status, source"
    columns += ", created_at, updated_at, deleted_at"
    execute(
        database,
        *VIEW,
        f"CREATE OR REPLACE VIEW crm_app.contacts WITH (security_barrier) AS SELECT {columns}{shown}"
        f" FROM crm.contacts WHERE deleted_at IS NULL{condition}",
    )
    one = found_in(database, database_settings)
    every = (*one.findings, *one.reader_findings)
    assert {(finding.check, finding.place, finding.word) for finding in every} == found


def test_a_finding_of_the_catalogue_concerns_every_tenant(
    database: Database, database_settings: Settings
) -> None:
    """A right on schema ``demo`` makes no tenant clean, and is no finding in its rows."""
    for slug in ("acme", "bode"):
        make_tenant(database, database_settings, SMALL, slug=slug)
    execute(database, "GRANT USAGE ON SCHEMA demo TO crm_reader")
    for one in scan(database, database_settings):
        assert not one.is_clean
        assert one.findings == ()
        assert [(finding.check, finding.place) for finding in one.reader_findings] == [
            (Check.RIGHTS, "schema demo")
        ]


@pytest.mark.risk("P3", partial=True)
def test_a_customer_is_refused_and_the_attempt_written_down(
    database: Database, database_settings: Settings, admin_conn: psycopg.Connection[Any]
) -> None:
    """Nobody's rows are read but a demo's."""
    real_tenant(admin_conn)
    with pytest.raises(NotADemoTenantError):
        scan(database, database_settings, "customer")
    audit = "SELECT event, slug, detail ->> 'wish' FROM demo.audit_log"
    assert admin_conn.execute(audit).fetchall() == [("NON_DEMO_TENANT_BLOCKED", "customer", "scan")]
    with pytest.raises(NotFoundError):
        scan(database, database_settings, "nobody")


def test_a_reader_that_sees_nothing_is_no_clean_scan(database: Database, database_settings: Settings) -> None:
    """Where the policies are gone nothing was looked through, and that is said."""
    make_tenant(database, database_settings, SMALL)
    tables = ("tenants", "users", "pipeline_stages", "tags")
    execute(
        database,
        "SET LOCAL ROLE demo_owner",
        *(f"DROP POLICY served_tenant ON crm.{table}" for table in tables),
    )
    with pytest.raises(DatabaseError, match="sees nothing of tenant 'acme'"):
        scan(database, database_settings, "acme")
