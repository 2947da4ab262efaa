"""The tables and functions of checkpoints know all that the model knows."""

from __future__ import annotations

from typing import Any

from psycopg import Connection

from demo_pipeline.domain.model import MODEL
from tests.fixtures.ledger_steps import begun, finish, provisioned, under_claim

Conn = Connection[Any]
_TABLES = [table for table in MODEL if not table.is_tenant]


def test_every_column_is_copied(admin_conn: Conn) -> None:
    """Each table of the model but the tenants, with all columns; a rewind writes what is seen."""
    admin_conn.execute("set role demo_guard")
    found = admin_conn.execute("select demo.checkpoint_tables()").fetchone()
    assert found == ([table.name for table in _TABLES],)
    for table in _TABLES:
        columns = "select demo.checkpoint_columns(%s, '%%I', %s)"
        [[every]] = admin_conn.execute(columns, [table.name, False]).fetchall()
        assert every.replace('"', "").split(", ") == [column.name for column in table.columns]
        [[visible]] = admin_conn.execute(columns, [table.name, True]).fetchall()
        assert {*visible.replace('"', "").split(", ")} == {*table.visible, "deleted_at"} - {"tenant_id", "id"}


def test_the_tenant_itself_is_stored(loader_conn: Conn, admin_conn: Conn) -> None:
    """All that the tenant sees of its own row, but what never changes."""
    tenant = provisioned(loader_conn)
    job = begun(loader_conn, tenant)
    admin_conn.execute("update demo.job_ledger set kind = 'checkpoint' where id = %s", [job])
    under_claim(
        loader_conn,
        tenant,
        job,
        lambda: loader_conn.execute(
            "select demo.take_checkpoint(%s, 'x', false, false, repeat('0', 64))", [job]
        ),
        lambda: finish(loader_conn, job),
    )
    [[stored]] = admin_conn.execute("select tenant from demo.checkpoints").fetchall()
    assert set(stored) == {*MODEL["tenants"].visible, "deleted_at"} - {"id", "slug", "created_at"}
