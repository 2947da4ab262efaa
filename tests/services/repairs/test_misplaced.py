"""Rows of a demo tenant's jobs in another tenant: found, and deleted where they are."""

from __future__ import annotations

import pytest

from demo_pipeline.domain.core.errors import InputError
from demo_pipeline.services.repairs.repair import repair
from demo_pipeline.services.tenants.queries import digest
from demo_pipeline.services.tenants.verify import Check, verify
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from tests.fixtures.ledger_steps import fingerprint, real_tenant
from tests.services.builders import made
from tests.services.patches.builders import SMALL, execute, fingerprint_of_all, scalar
from tests.services.repairs.damage import misplace, tenant_id_of


@pytest.mark.risk("P7")
def test_p07_rows_in_another_tenant_are_found_and_deleted(
    database: Database, database_settings: Settings
) -> None:
    """In a real tenant and in a demo: gone from there, whole in the audit log; every other row as it was."""
    made(database, database_settings, SMALL)
    made(database, database_settings, SMALL, slug="other")
    with database.admin() as conn:
        customer = real_tenant(conn)
        theirs = fingerprint(conn, customer)
    sound = {slug: digest(database, database_settings, slug) for slug in ("acme", "other")}
    misplace(database, customer)
    misplace(database, tenant_id_of(database, "other"), rows=2)
    told = [
        one for one in verify(database, database_settings, "acme")[0].findings if one.check is Check.PLACES
    ]
    assert {one.message for one in told} == {
        "3 contacts: lie in tenant customer",
        "2 contacts: lie in tenant other",
    }
    before = fingerprint_of_all(database)
    shown = repair(database, database_settings, "acme", is_dry=True)
    assert {(one.slug, len(one.ids)) for one in shown.plan.elsewhere} == {("customer", 3), ("other", 2)}
    assert fingerprint_of_all(database) == before
    done = repair(database, database_settings, "acme")
    assert (done.deleted_elsewhere, done.report) == (5, None)
    with database.admin() as conn:
        assert fingerprint(conn, customer) == theirs
    for slug, value in sound.items():
        assert digest(database, database_settings, slug) == value
    assert repair(database, database_settings, "acme").plan.is_empty
    rows = scalar(
        database,
        "SELECT detail -> 'rows' FROM demo.audit_log WHERE event = 'MISPLACED_ROWS_DELETED'"
        " AND tenant_id = %s",
        customer,
    )
    assert {row["id"] for row in rows} == {
        str(one) for stray in shown.plan.elsewhere if stray.slug == "customer" for one in stray.ids
    }


@pytest.mark.risk("P7")
def test_p07_what_a_customer_hung_on_a_misplaced_row_stops_its_deletion(
    database: Database, database_settings: Settings
) -> None:
    """Refused whole, and nothing is deleted: a customer's row is never touched."""
    made(database, database_settings, SMALL)
    with database.admin() as conn:
        customer = real_tenant(conn)
    misplace(database, customer)
    execute(
        database,
        "INSERT INTO crm.deals (tenant_id, title, contact_id) SELECT tenant_id, 'x', id FROM crm.contacts"
        " WHERE tenant_id = %s AND demo_generated LIMIT 1",
        customer,
    )
    before = fingerprint_of_all(database)
    with pytest.raises(InputError, match="depend on rows of this one's jobs"):
        repair(database, database_settings, "acme")
    assert fingerprint_of_all(database) == before
