"""Roles that pass row security by edit a demo as they edit a customer; only a superuser can make them."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import psycopg
from psycopg import Connection
from psycopg.conninfo import conninfo_to_dict

from demo_pipeline.storage.connection.database import Database
from tests.fixtures.ledger_steps import GENERATED, real_tenant
from tests.fixtures.postgres import PostgresServer, in_database
from tests.storage.schema.test_edits import TEXTS, demo_with_rows, recorded


def test_an_edit_with_row_security_switched_off_succeeds_and_is_recorded(
    loader_conn: Connection[Any],
    admin_conn: Connection[Any],
    database: Database,
    postgres_server: PostgresServer,
) -> None:
    """``row_security = off``, as pg_dump's scripts set it: the same answer in a demo as in a customer."""
    tenant, _ = demo_with_rows(loader_conn)
    customer = real_tenant(admin_conn)
    name = str(conninfo_to_dict(database.admin_url)["dbname"])
    with psycopg.connect(in_database(postgres_server.owner_url, name), autocommit=True) as conn:
        conn.execute("set row_security = off")
        for table in GENERATED:
            text = TEXTS[table]
            conn.execute(
                f"insert into crm.{table} (tenant_id, id, {text}) values (%s, %s, 'Row')".encode(),
                [customer, uuid4()],
            )
            for one in (tenant, customer):
                edited = conn.execute(
                    f"update crm.{table} set {text} = 'Edited' where tenant_id = %s".encode(), [one]
                )
                assert edited.rowcount >= 1, table
    assert {row[0] for row in recorded(admin_conn)} == {tenant}
    assert len(recorded(admin_conn)) == len(GENERATED)
