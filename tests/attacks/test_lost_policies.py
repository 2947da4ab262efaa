"""The one thing that a loader can break for good, its own rules: nothing opens, and there is a way back."""

from __future__ import annotations

import pytest

from demo_pipeline.services.months.materialise import materialise
from demo_pipeline.services.tenants.queries import digest
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from tests.attacks.field import ALL_TABLES, Attacker, new_field, passed_by, refused
from tests.fixtures.postgres import PostgresServer
from tests.services.builders import made


@pytest.mark.risk("P3", partial=True)
def test_without_its_policies_a_loader_sees_and_writes_nothing(postgres_server: PostgresServer) -> None:
    """After DROP OWNED no row of anybody is in reach, with a claim or without; the customers go on."""
    with new_field(postgres_server) as field:
        before = [row for row in field.state() if row[0] not in {"policy", "column", "relation"}]
        with Attacker(field) as attacker:
            assert attacker.tries("drop owned by demo_loader cascade", claim=False).state is None
            for table in ALL_TABLES:
                for claim in (True, False):
                    seen = attacker.tries(f"select * from crm.{table}", claim=claim)
                    assert seen.state == "42501" or seen.counts == (0,)
            for tenant in ("real", "other", "own"):
                refused(attacker.tries(f"insert into crm.tags (tenant_id, name) values (%({tenant})s, 'x')"))
        assert [row for row in field.state() if row[0] not in {"policy", "column", "relation"}] == before
        with field.database.admin() as admin, admin.transaction():
            admin.execute("set local role crm_reader")
            admin.execute("select set_config('app.tenant_id', %s, true)", [str(field.real)])
            assert len(admin.execute("select * from crm_app.contacts").fetchall()) == 1


@pytest.mark.risk("P3", partial=True)
def test_the_policies_can_be_restored(
    postgres_server: PostgresServer, database: Database, database_settings: Settings
) -> None:
    """An administrator calls one function, and every policy is what it was, to the letter."""
    made(database, database_settings)
    expected = digest(database, database_settings, "acme")
    with new_field(postgres_server) as field:
        before = field.state()
        with Attacker(field) as attacker:
            attacker.tries("drop owned by demo_loader cascade", claim=False)
            with field.database.admin() as admin:
                admin.execute("select demo.restore_loader_policies()")
            assert field.state() == before
            passed_by(attacker.tries("insert into crm.tags (tenant_id, name) values (%(own)s, 'x')"))
    with database.loader() as loader, database.admin() as admin:
        loader.execute("drop owned by demo_loader cascade")
        admin.execute("select demo.restore_loader_policies()")
    assert materialise(database, database_settings, "acme").already_applied
    assert digest(database, database_settings, "acme") == expected
