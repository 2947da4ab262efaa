"""Plans that a session keeps: none reads a whole table for each row, whatever the session did before.

PostgreSQL keeps the plans of foreign-key checks and of statements in PL/pgSQL for a session. One that was
made while the tables were tiny, or for a tenant that the statistics do not know, costs the square of the rows
later. What is counted here are rows that were read, not seconds.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Final
from uuid import UUID

import psycopg
import pytest

from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.ledger import tenants
from tests.fixtures.embedded_server import wait_until
from tests.fixtures.ledger_steps import provisioned, real_tenant
from tests.fixtures.postgres import unpooled
from tests.fixtures.sessions import sessions
from tests.services.builders import made

Conn = psycopg.Connection[Any]

#: definer functions without planner settings, and why
_WITHOUT_SETTINGS: Final = {"tenant_lock_key": "reads no table"}
#: references of crm without an index of their own, and why; measured in docs/adr/0014
_RARE_PARENT: Final = (
    "a tenant has a few such rows; with an index each load would cost more than deletions save"
)
#: references to what is never deleted
_KEPT: Final = "the rows that it refers to are never deleted"
_FEW_ROWS: Final = "three rows of a tenant at most, which the primary key finds"
_WITHOUT_INDEX: Final = {
    "companies_owner_fkey": _RARE_PARENT,
    "contacts_owner_fkey": _RARE_PARENT,
    "deals_owner_fkey": _RARE_PARENT,
    "deals_stage_fkey": _RARE_PARENT,
    "activities_created_by_fkey": _RARE_PARENT,
    "contact_tags_tag_fkey": _RARE_PARENT,
    "job_ledger_undone_by_fkey": _KEPT,
    "checkpoints_job_fkey": _KEPT,
    "hero_accounts_contact_fkey": _FEW_ROWS,
    "hero_accounts_company_fkey": _FEW_ROWS,
    "hero_accounts_deal_fkey": _FEW_ROWS,
    "hero_accounts_earlier_deal_fkey": _FEW_ROWS,
}
_TINY_TENANTS: Final = """
    insert into crm.tenants (id, slug, name)
    select gen_random_uuid(), 'tiny-' || n, 'Tiny' from generate_series(1, 2000) n;
    insert into crm.tags (tenant_id, name) select id, 'x' from crm.tenants;
    insert into crm.companies (tenant_id, name) select id, 'x' from crm.tenants;
    insert into crm.contacts (tenant_id, company_id) select tenant_id, id from crm.companies;
    insert into crm.contact_tags (tenant_id, contact_id, tag_id)
    select c.tenant_id, c.id, t.id from crm.contacts c join crm.tags t on t.tenant_id = c.tenant_id;
    insert into crm.deals (tenant_id, contact_id, company_id)
    select tenant_id, id, company_id from crm.contacts;
    insert into crm.activities (tenant_id, contact_id, company_id, deal_id)
    select tenant_id, contact_id, company_id, id from crm.deals;
"""
#: entries of indexes that are read for a row that is deleted: its own, and those of its references
_MOST_READ_A_ROW: Final = 40


def test_every_definer_function_has_its_planner_settings(admin_conn: Conn) -> None:
    """Each function of the guard plans without regard to its session and to the tenant's value."""
    rows = admin_conn.execute(
        "select proname, coalesce(proconfig, '{}') from pg_proc"
        " where pronamespace = 'demo'::regnamespace and prosecdef"
    ).fetchall()
    without = {
        name
        for name, config in rows
        if not {"enable_seqscan=off", "plan_cache_mode=force_generic_plan"} <= set(config)
    }
    assert len(rows) >= 18
    assert without == set(_WITHOUT_SETTINGS)


def test_every_reference_has_an_index_or_a_reason(admin_conn: Conn) -> None:
    """Deleting a row looks for rows that refer to it by an index, or the reference is listed above."""
    rows = admin_conn.execute(
        """
        select k.conname, exists (
            select from pg_index i
            where i.indrelid = k.conrelid and i.indisvalid
                and (i.indpred is null or pg_get_expr(i.indpred, i.indrelid) = 'demo_generated')
                and (i.indkey::int2[])[0:cardinality(k.conkey) - 1] @> k.conkey)
        from pg_constraint k
        where k.contype = 'f' and k.connamespace in ('crm'::regnamespace, 'demo'::regnamespace)
        """
    ).fetchall()
    assert len(rows) > 25
    assert {name for name, has_index in rows if not has_index} == set(_WITHOUT_INDEX)


@pytest.mark.parametrize("readonly", [True, False])
def test_sessions_of_the_administrator_have_them_where_they_write(
    database: Database, *, readonly: bool
) -> None:
    """An administrator's session that may write plans as the loader's does; one that reads is left alone."""
    with database.admin(readonly=readonly) as conn:
        found = conn.execute("select current_setting('enable_seqscan'), current_setting('plan_cache_mode')")
        expected = ("on", "auto") if readonly else ("off", "force_generic_plan")
        assert found.fetchone() == expected


@pytest.mark.parametrize("kind", ["warmed with tiny tables", "new, with old statistics"])
def test_deleting_a_tenant_reads_in_proportion_to_its_rows(
    database: Database, database_settings: Settings, kind: str
) -> None:
    """In a session with PostgreSQL's own settings, whatever plans it keeps or the statistics say."""
    with psycopg.connect(database.admin_url, autocommit=True) as conn:
        if kind == "warmed with tiny tables":
            with database.loader() as loader:
                for number in range(8):
                    _delete(conn, provisioned(loader, f"tiny-{number}"))
            _warm_references(conn)
        else:
            made(database, database_settings, slug="other")
            conn.execute("analyze")
        made(database, database_settings)
        with database.admin() as admin:
            found = tenants.find_tenant(admin, "acme").tenant_id
        assert found is not None
        with _reads(database, conn) as reads:
            rows = sum(_delete(conn, found).values())
    assert rows > 1_000
    assert reads["whole"] == 0, reads
    assert reads["entries"] < _MOST_READ_A_ROW * rows, reads


def test_a_tenant_among_thousands_of_tiny_ones_is_loaded_and_deleted_in_proportion(
    database: Database, database_settings: Settings
) -> None:
    """Where a tenant has one row by the statistics, checks of references still go by the reference."""
    with psycopg.connect(database.admin_url, autocommit=True) as conn:
        conn.execute(_TINY_TENANTS)
        conn.execute("analyze")
        with _reads(database, conn) as loading:
            made(database, database_settings)
        found = conn.execute("select id from crm.tenants where slug = 'acme'").fetchone()
        assert found is not None
        with _reads(database, conn) as deleting:
            rows = sum(_delete(conn, found[0]).values())
    assert rows > 1_000
    assert loading["entries"] < _MOST_READ_A_ROW * rows, loading
    assert deleting["entries"] < _MOST_READ_A_ROW * rows, deleting


@pytest.fixture
def database(database: Database) -> Database:
    """Connections are not kept: what a session has read is counted when it has ended."""
    return unpooled(database)


def _warm_references(conn: Conn) -> None:
    """Have the session keep a plan of every reference's check, all tables being tiny."""
    for number in range(8):
        real = real_tenant(conn, f"real-{number}")
        for table in ("activities", "deals", "contact_tags", "contacts", "companies", "tags",
                      "pipeline_stages", "users"):  # fmt: skip
            conn.execute(f"delete from crm.{table} where tenant_id = %s".encode(), [real])


def _delete(conn: Conn, tenant_id: UUID) -> dict[str, int]:
    row = conn.execute("select demo.delete_tenant(%s, 'a test')", [tenant_id]).fetchone()
    assert row is not None
    return row[0]


@contextmanager
def _reads(database: Database, conn: Conn) -> Generator[dict[str, int]]:
    """Rows of crm that ``conn`` reads in the block: of whole tables, and entries of indexes."""
    counts: dict[str, int] = {}
    before = _read_so_far(database, conn)
    yield counts
    after = _read_so_far(database, conn)
    counts |= {name: after[name] - before[name] for name in after}


def _read_so_far(database: Database, conn: Conn) -> dict[str, int]:
    # A session's counts are there once it has ended.
    wait_until(lambda: not sessions(database))
    conn.execute("select pg_stat_force_next_flush()")
    conn.execute("select 1")
    with database.admin(readonly=True) as other:
        row = other.execute(
            """
            select (select coalesce(sum(seq_tup_read), 0)::bigint from pg_stat_user_tables
                    where schemaname = 'crm'),
                (select coalesce(sum(idx_tup_read), 0)::bigint from pg_stat_user_indexes
                    where schemaname = 'crm')
            """
        ).fetchone()
    assert row is not None
    return {"whole": row[0], "entries": row[1]}
