"""The look at the victims sees what it is there to see; otherwise no attack could ever be said to fail."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.attacks.field import ALL_TABLES, Field, new_field
from tests.fixtures.postgres import PostgresServer


@pytest.fixture(scope="module")
def own_field(postgres_server: PostgresServer) -> Iterator[Field]:
    """A field that the administrator may spoil."""
    with new_field(postgres_server) as made:
        yield made


@pytest.mark.parametrize(
    "change",
    [
        *(f"update crm.{table} set deleted_at = deleted_at" for table in ALL_TABLES),
        "delete from crm.activities",
        "insert into crm.tags (tenant_id, name) select id, 'x' from crm.tenants where slug = 'customer'",
        "update demo.job_ledger set status = 'failed' where status = 'running'",
        "alter table crm.deals no force row level security",
        "alter policy loader_select on crm.contacts using (true)",
        "grant delete on crm.contacts to demo_loader",
        "create function demo.mine() returns int language sql as 'select 1'",
        "alter table crm.contacts disable trigger user",
        "alter table crm.contacts drop constraint contacts_company_fkey",
        "create view crm_app.mine as select 1 as one",
        (
            "create or replace function demo.current_claim() returns table (tenant_id uuid, job_id uuid)"
            " language sql as 'select null::uuid, null::uuid'"
        ),
    ],
)
def test_a_change_is_seen(own_field: Field, change: str) -> None:
    """A row rewritten with the same values, a right given, a rule changed: each shows."""
    before = own_field.state()
    assert own_field.state() == before
    with own_field.database.admin() as admin:
        if "current_claim" in change:
            admin.execute("set role demo_guard; reset role")
            admin.execute("grant create on schema demo to demo_guard; set role demo_guard")
        admin.execute(change.encode())
    assert own_field.state() != before
