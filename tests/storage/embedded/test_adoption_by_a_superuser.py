"""A CRM that a superuser owns is adopted by that superuser."""

from __future__ import annotations

from dataclasses import replace

from psycopg.conninfo import conninfo_to_dict

from demo_pipeline.services.tenants.verify import verify
from demo_pipeline.settings import Settings
from demo_pipeline.storage.adoption.adoption import adoption
from tests.fixtures.postgres import MakeDatabase, PostgresServer, in_database
from tests.services.builders import made
from tests.services.patches.builders import SMALL
from tests.storage.adoption.foreign_crm import SCHEMA, TABLES, fill, hashes, own_columns
from tests.storage.schema.catalogue import whole


def test_a_superuser_adopts(
    make_database: MakeDatabase, postgres_server: PostgresServer, database_settings: Settings
) -> None:
    """No row changes, nothing of ours belongs to the superuser, and demo tenants are made beside."""
    plain, reference = make_database(is_migrated=False), make_database()
    name = str(conninfo_to_dict(plain.admin_url)["dbname"])
    database = replace(plain, admin_url=in_database(postgres_server.owner_url, name))
    with database.admin() as conn, reference.admin() as other:
        conn.execute(SCHEMA.encode())
        fill(conn, 300)
        columns = own_columns(conn)
        before = hashes(conn, columns)
        with adoption(database) as (_, run):
            run()
        assert hashes(conn, columns) == before
        found, wanted = whole(conn), whole(other)
        for kind in ("functions", "views", "triggers", "policies"):
            assert found[kind] == wanted[kind], kind
        owners = conn.execute(
            "select distinct relowner::regrole::text"
            " from pg_class c join pg_namespace n on n.oid = relnamespace"
            " where n.nspname in ('demo', 'crm_app') or n.nspname = 'crm' and relname = any (%s)",
            [list(TABLES)],
        ).fetchall()
        assert {owner for (owner,) in owners} <= {"demo_owner", "demo_guard", "crm_views"}
        made(database, database_settings, SMALL)
        assert all(not verdict.findings for verdict in verify(database, database_settings))
        assert hashes(conn, columns) != before
        with adoption(database) as (todo, _):
            assert not todo.tasks
