"""The rows of one plan over several months: whom they are with, what they say, and what changes meanwhile."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from demo_pipeline.domain.core.figures import Figures
from demo_pipeline.domain.generation import entity_index
from demo_pipeline.services.months import delta_loading
from demo_pipeline.services.months.materialise import materialise
from demo_pipeline.services.patches.patch import apply_patch
from demo_pipeline.services.tenants.queries import show_tenant
from demo_pipeline.services.tenants.verify import verify
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.clock import current_instant
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.ledger import job_ledger
from tests.builders.currencies import EUR
from tests.services.patches.builders import (
    assert_as_expected,
    execute,
    figures_of,
    plan,
    tenant_rows,
    unsound,
)

BUSY = plan(
    {
        month: {"contacts_created": 3, "deals_created": 2, "activities_created": 150}
        for month in ("2025-01", "2025-02", "2025-03")
    }
)


def before_it_begins(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], object]) -> None:
    """Something happens once a job was chosen and before it begins."""
    begin = job_ledger.begin_job

    def begin_later(*asked: Any) -> Any:
        happens()
        return begin(*asked)

    monkeypatch.setattr(job_ledger, "begin_job", begin_later)


def test_few_texts_twice_within_a_deal(database: Database, database_settings: Settings, tenant: str) -> None:
    """Whatever months of a plan, and whatever patches, its activities fall into; there are a lot of them."""
    for _ in range(2):
        apply_patch(database, database_settings, tenant, BUSY, again=True)
    said: dict[UUID, list[dict[str, Any]]] = defaultdict(list)
    for row in tenant_rows(database, tenant)["activities"].values():
        if row["deal_id"] is not None:
            said[row["deal_id"]].append(row)
    busiest = max(said.values(), key=len)
    assert len({row["demo_source_month"] for row in busiest}) > 1
    assert len({row["demo_job_id"] for row in busiest}) > 1
    for column, share in (("subject", 0.88), ("description", 0.97)):
        different = sum(len({row[column] for row in rows}) for rows in said.values())
        assert different >= share * sum(map(len, said.values()))


def test_a_busy_month_has_deals_to_speak_of_from_its_first_days_on(
    database: Database, database_settings: Settings, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the latest deals that are known by a month's end are all of its last days."""
    monkeypatch.setattr(delta_loading, "_FEWEST_KNOWN", 3)
    monkeypatch.setattr(delta_loading, "_NEW_PER_KNOWN", 1_000)
    report = apply_patch(database, database_settings, tenant, plan({"2025-03": {"activities_created": 200}}))
    days = {
        row["created_at"].day
        for row in tenant_rows(database, tenant)["activities"].values()
        if row["demo_job_id"] == report.job_id and row["deal_id"] is not None
    }
    assert {min((day - 1) // 10, 2) for day in days} == {0, 1, 2}


@pytest.mark.parametrize("most", [1, 3])
def test_few_that_are_known_are_enough(
    database: Database, database_settings: Settings, tenant: str, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    """Rows may refer to few: exact, sound, and to what the deals among them are with."""
    monkeypatch.setattr(delta_loading, "_FEWEST_KNOWN", most)
    monkeypatch.setattr(delta_loading, "_MOST_KNOWN", (most, most))
    report = apply_patch(database, database_settings, tenant, BUSY)
    assert report.is_passed
    rows = tenant_rows(database, tenant)
    spec = show_tenant(database, database_settings, tenant).spec
    assert unsound(spec, rows, report.job_id, current_instant(database, database_settings)) == []
    known = {key for key, row in rows["deals"].items() if row["demo_job_id"] != report.job_id}
    used = {row["deal_id"] for row in rows["activities"].values() if row["demo_job_id"] == report.job_id}
    assert used & known
    assert_as_expected(database, database_settings)


def test_targets_that_people_move_towards(
    database: Database, database_settings: Settings, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A contact that somebody adds while the job begins counts: the target is met, with one row less."""
    before_it_begins(
        monkeypatch,
        lambda: execute(
            database,
            "INSERT INTO crm.contacts (tenant_id, created_at) SELECT id, '2025-02-10Z' FROM crm.tenants",
        ),
    )
    report = apply_patch(
        database, database_settings, tenant, plan({"2025-02": {"contacts_created": 10}}, targets=True)
    )
    [month] = report.months
    assert (month.before.contacts_created, month.after.contacts_created) == (5, 10)
    assert report.created["contacts"] == 5
    assert verify(database, database_settings)[0].is_as_expected


def test_what_is_forgotten_on_the_way(
    database: Database, database_settings: Settings, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where only the latest contacts and deals are kept from month to month, rows are exact and sound."""
    monkeypatch.setattr(entity_index, "MOST_CONTACTS", 3)
    monkeypatch.setattr(entity_index, "MOST_DEALS", 2)
    report = apply_patch(database, database_settings, tenant, BUSY)
    assert report.is_passed
    spec = show_tenant(database, database_settings, tenant).spec
    now = current_instant(database, database_settings)
    assert unsound(spec, tenant_rows(database, tenant), report.job_id, now) == []
    assert_as_expected(database, database_settings)


def take_away(database: Database, table: str) -> int:
    """A row of the blueprint that nothing hangs on goes for good; how many there were."""
    return execute(
        database,
        f"DELETE FROM crm.{table} WHERE id IN (SELECT id FROM crm.{table} r"
        " WHERE demo_source_month = '2025-02' AND NOT EXISTS (SELECT FROM crm.activities a"
        " WHERE r.id IN (a.contact_id, a.deal_id)) AND NOT EXISTS (SELECT FROM crm.deals d"
        " WHERE d.contact_id = r.id)"
        " AND NOT EXISTS (SELECT FROM crm.contact_tags t WHERE t.contact_id = r.id)"
        " ORDER BY id LIMIT 1)",
    )


@pytest.mark.parametrize(
    "asked",
    [
        {"activities_created": 20},
        # Not in the plan, and nothing of it may be taken in.
        {"contacts_created": 9},
    ],
)
def test_targets_do_not_take_in_what_is_owed(
    database: Database,
    database_settings: Settings,
    tenant: str,
    monkeypatch: pytest.MonkeyPatch,
    asked: dict[str, int | str],
) -> None:
    """Rows of the blueprint that go for good while the job begins come back first: no surplus afterwards."""
    taken: list[int] = []
    before_it_begins(
        monkeypatch,
        lambda: taken or taken.append(take_away(database, "activities") + take_away(database, "contacts")),
    )
    report = apply_patch(database, database_settings, tenant, plan({"2025-02": asked}, targets=True))
    assert taken[0] > 0
    assert report.is_passed
    monkeypatch.undo()
    assert_as_expected(database, database_settings)
    assert materialise(database, database_settings, tenant).already_applied
    [month] = report.months
    assert {metric: month.after[metric] for metric in asked} == asked


def test_healing_does_not_take_in_what_is_owed(
    database: Database, database_settings: Settings, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same where months are brought back to what is expected of them."""
    execute(
        database,
        "UPDATE crm.activities SET deleted_at = clock_timestamp() WHERE id IN"
        " (SELECT id FROM crm.activities ORDER BY id LIMIT 3)",
    )
    taken: list[int] = []
    before_it_begins(monkeypatch, lambda: taken or taken.append(take_away(database, "activities")))
    assert materialise(database, database_settings, tenant).is_passed
    assert taken == [1]
    monkeypatch.undo()
    assert_as_expected(database, database_settings)
    assert materialise(database, database_settings, tenant).already_applied


def test_rows_that_people_take_away_meanwhile(
    database: Database, database_settings: Settings, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An activity that is gone for good when the job begins is drift, as if it went later: healed."""
    before_it_begins(
        monkeypatch,
        lambda: execute(
            database, "DELETE FROM crm.activities WHERE id = (SELECT id FROM crm.activities LIMIT 1)"
        ),
    )
    whole = figures_of(tenant_rows(database, tenant), EUR)
    report = apply_patch(database, database_settings, tenant, BUSY)
    assert report.is_passed
    assert [result.delta.activities_created for result in report.months] == [150] * 3
    monkeypatch.undo()
    assert not verify(database, database_settings)[0].is_as_expected
    assert materialise(database, database_settings, tenant).created["activities"] == 1
    assert_as_expected(database, database_settings)
    after = figures_of(tenant_rows(database, tenant), EUR)
    assert [after[month] - whole.get(month, Figures()) for month in sorted(after)] == [
        result.delta for result in report.months
    ]
