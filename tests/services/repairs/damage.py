"""What goes wrong only with the guards off: orphans, copies, rows of no job, rows elsewhere.

Planted as the owner of the tables, with the constraint in the way taken off and put back without a look at
the rows that are there, and with no edit recorded, as after a restore that went wrong.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any
from uuid import UUID, uuid4

from psycopg import Connection

from demo_pipeline.domain.model import MODEL
from demo_pipeline.storage.connection.database import Database

PROVENANCE = ("demo_generated", "demo_job_id", "demo_source_month")
_RECORDED = ("companies", "contacts", "deals", "activities")
_PARENTS = {"company_id": "companies", "contact_id": "contacts", "deal_id": "deals"}


@contextmanager
def guards_off(database: Database, *constraints: tuple[str, str]) -> Generator[Connection[Any]]:
    """A connection of the owner; constraints (table, name) are off in the block, and not validated after.

    The triggers that record edits are off, too.
    """
    with database.admin() as conn:
        conn.execute("SET ROLE demo_owner")
        for table in _RECORDED:
            conn.execute(f"ALTER TABLE crm.{table} DISABLE TRIGGER {table}_record_edit".encode())
        definitions: dict[tuple[str, str], str] = {}
        for table, name in constraints:
            definitions[table, name] = conn.execute(
                "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = %s", [name]
            ).fetchall()[0][0]
            conn.execute(f"ALTER TABLE crm.{table} DROP CONSTRAINT {name}".encode())
        yield conn
        for (table, name), definition in definitions.items():
            conn.execute(f"ALTER TABLE crm.{table} ADD CONSTRAINT {name} {definition} NOT VALID".encode())
        for table in _RECORDED:
            conn.execute(f"ALTER TABLE crm.{table} ENABLE TRIGGER {table}_record_edit".encode())


def tenant_id_of(database: Database, slug: str = "acme") -> UUID:
    """The id of a tenant."""
    with database.admin(readonly=True) as conn:
        return conn.execute("SELECT id FROM crm.tenants WHERE slug = %s", [slug]).fetchall()[0][0]


def copy_company(database: Database, slug: str = "acme") -> dict[str, int]:
    """Copy a company, its contacts, their deals and all activities, with new ids. Table → copies."""
    tenant_id = tenant_id_of(database, slug)
    ids: dict[str, dict[UUID, UUID]] = {}
    with database.admin() as conn:
        for table, condition in (
            (
                "companies",
                "id = (SELECT d.company_id FROM crm.deals d WHERE d.tenant_id = %(tenant)s"  # noqa: ISC004
                " AND d.company_id IS NOT NULL ORDER BY d.created_at, d.id LIMIT 1)",
            ),
            ("contacts", "company_id = ANY(%(companies)s)"),
            ("deals", "contact_id = ANY(%(contacts)s)"),
            ("activities", "contact_id = ANY(%(contacts)s)"),
        ):
            known = {name: list(rows) for name, rows in ids.items()}
            found = conn.execute(
                f"SELECT id FROM crm.{table} WHERE tenant_id = %(tenant)s AND deleted_at IS NULL"
                f" AND {condition}".encode(),
                {"tenant": tenant_id, **known},
            ).fetchall()
            ids[table] = {row: _late_id() for (row,) in found}
            _copy(conn, tenant_id, table, ids)
    return {table: len(rows) for table, rows in ids.items()}


def _late_id() -> UUID:
    """After every generated id: of two rows that are alike otherwise, the copy is the second one."""
    return UUID(int=uuid4().int | 0xF << 124)


def _copy(conn: Connection[Any], tenant_id: UUID, table: str, ids: dict[str, dict[UUID, UUID]]) -> None:
    columns = (*MODEL[table].visible, *PROVENANCE)
    for old, new in ids[table].items():
        cursor = conn.execute(
            f"SELECT {', '.join(columns)} FROM crm.{table} WHERE tenant_id = %s AND id = %s".encode(),
            [tenant_id, old],
        )
        [row] = cursor.fetchall()
        values = dict(zip(columns, row, strict=True)) | {"id": new}
        for name, parent in _PARENTS.items():
            if name in values:
                values[name] = ids[parent].get(values[name], values[name])
        conn.execute(
            f"INSERT INTO crm.{table} ({', '.join(columns)})"
            f" VALUES ({', '.join(['%s'] * len(columns))})".encode(),
            [values[name] for name in columns],
        )


def plant_rows_of(database: Database, job_id: UUID, slug: str = "acme", rows: int = 3) -> None:
    """Contacts that say they are of a job, whether there is one or not."""
    tenant_id = tenant_id_of(database, slug)
    with guards_off(database, ("contacts", "contacts_job_fkey")) as conn:
        conn.execute(
            "INSERT INTO crm.contacts (tenant_id, first_name, last_name, status, created_at, updated_at,"
            " demo_generated, demo_job_id, demo_source_month)"
            " SELECT %s, 'Nora', 'Nowhere ' || n, 'lead', '2025-02-03 10:00+00', '2025-02-03 10:00+00',"
            " true, %s, '2025-02' FROM generate_series(1, %s) n",
            [tenant_id, job_id, rows],
        )


def misplace(database: Database, other: UUID, slug: str = "acme", rows: int = 3) -> None:
    """Copies of contacts of a demo tenant, under its job, in another tenant."""
    with guards_off(database, ("contacts", "contacts_job_fkey")) as conn:
        conn.execute(
            "INSERT INTO crm.contacts (tenant_id, first_name, last_name, email, status, created_at,"
            " updated_at, demo_generated, demo_job_id, demo_source_month)"
            " SELECT %s, first_name, last_name, email, status, created_at, updated_at, demo_generated,"
            " demo_job_id, demo_source_month FROM crm.contacts WHERE tenant_id = %s ORDER BY id LIMIT %s",
            [other, tenant_id_of(database, slug), rows],
        )
