"""What people did before a deal was closed, and when they meet: rows of one tenant an industry."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from tests.assertions.generated_rows import Row, batches_of, complaints, rows_of, spec_of
from tests.builders.blueprints import NOW

BLUEPRINT: Final[dict[str, Any]] = {
    "name": "Brightwater Supplies",
    "country": "US",
    "start_month": "2025-01",
    "end_month": "2025-06",
    "seed": "7",
    "team_size": 9,
    "private_share": 0,
    "growth": {"curve": "linear", "monthly_rate": 0},
    "totals": {
        "leads_created": 400,
        "contacts_created": 900,
        "companies_created": 300,
        "deals_created": 900,
        "closed_won_count": 200,
        "activities_created": 3000,
    },
}


class Tenant:
    """The rows of a tenant, with the work on each deal."""

    def __init__(self, folder: Path, industry: str) -> None:
        spec = spec_of(folder, BLUEPRINT | {"industry": industry}, NOW)
        self.rows = rows_of(batches_of(spec, NOW))
        assert complaints(spec, self.rows, NOW) == []
        self.zone = ZoneInfo(spec.timezone)
        self.work: dict[bytes, list[Row]] = defaultdict(list)
        for row in self.rows["activities"]:
            if row["deal_id"] is not None:
                self.work[row["deal_id"]].append(row)
        won = {stage["id"] for stage in self.rows["pipeline_stages"] if stage["is_won"]}
        self.won = [deal for deal in self.rows["deals"] if deal["stage_id"] in won]
        self.closed = [deal for deal in self.rows["deals"] if deal["closed_at"] is not None]


@pytest.fixture(scope="module", params=["ecommerce", "trading", "saas"])
def tenant(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Tenant:
    """A tenant whose deals are all with companies."""
    return Tenant(tmp_path_factory.mktemp("work"), request.param)


def test_somebody_works_on_a_deal_before_it_is_won(tenant: Tenant) -> None:
    """At most 5 % of won deals have no activity before they close, and most of the work is near the end."""
    idle = [
        deal
        for deal in tenant.won
        if all(row["created_at"] >= deal["closed_at"] for row in tenant.work[deal["id"]])
    ]
    assert len(idle) <= 0.05 * len(tenant.won)
    places = [
        (row["created_at"] - deal["created_at"]) / (deal["closed_at"] - deal["created_at"])
        for deal in tenant.won
        for row in tenant.work[deal["id"]]
        if row["created_at"] < deal["closed_at"]
    ]
    late = sum(place > 0.75 for place in places)
    assert late > 1.5 * sum(place < 0.25 for place in places)


def test_large_deals_are_with_large_companies_take_longer_and_get_more_work(tenant: Tenant) -> None:
    """Rank correlations as they are in a CRM: there, but weak."""
    sizes = {row["id"]: int(row["size"].rstrip("+").split("-")[0]) for row in tenant.rows["companies"]}
    deals = [deal for deal in tenant.rows["deals"] if deal["company_id"] is not None]
    value = [float(deal["value"]) for deal in deals]
    work = [len(tenant.work[deal["id"]]) for deal in deals]
    length = [(deal["closed_at"] - deal["created_at"]).total_seconds() for deal in tenant.closed]
    assert 0.15 < spearman(value, work) < 0.45
    assert 0.15 < spearman([float(deal["value"]) for deal in tenant.closed], length) < 0.45
    assert 0.25 < spearman([sizes[deal["company_id"]] for deal in deals], value) < 0.55


def test_meetings_of_one_person_do_not_overlap(tenant: Tenant) -> None:
    """Nobody is in two meetings at once, but where a month's meetings reach into the next."""
    meetings: dict[bytes, list[tuple[datetime, datetime]]] = defaultdict(list)
    for row in tenant.rows["activities"]:
        if row["type"] == "meeting":
            begins = row["scheduled_at"]
            meetings[row["created_by_id"]].append(
                (begins, begins + timedelta(minutes=row["duration_minutes"]))
            )
    pairs = [
        (one, other)
        for of_person in meetings.values()
        for one, other in zip(sorted(of_person), sorted(of_person)[1:], strict=False)
    ]
    assert len(pairs) > 50
    assert sum(one[1] > other[0] for one, other in pairs) <= 0.02 * len(pairs)


def test_tasks_are_due_in_office_hours(tenant: Tenant) -> None:
    """From eight to six on a working day, with few exceptions where that hour is gone."""
    due = [
        row["scheduled_at"].astimezone(tenant.zone)
        for row in tenant.rows["activities"]
        if row["type"] == "task"
    ]
    assert all(at.weekday() < 5 for at in due)
    assert sum(8 <= at.hour < 18 for at in due) > 0.9 * len(due)


def spearman(one: Sequence[float], other: Sequence[float]) -> float:
    """Rank correlation, with mean ranks of equal values."""
    return float(np.corrcoef(_mean_ranks(one), _mean_ranks(other))[0, 1])


def _mean_ranks(values: Sequence[float]) -> np.ndarray[Any, np.dtype[np.float64]]:
    _, inverse, counts = np.unique(np.array(values), return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[inverse]


def test_people_are_called_and_written_to_where_they_can_be(tenant: Tenant) -> None:
    """No call without a telephone number, no e-mail without an address; everybody has one of the two."""
    contacts = {row["id"]: row for row in tenant.rows["contacts"]}
    assert all(row["phone"] is not None or row["email"] is not None for row in contacts.values())
    for kind, way in (("call", "phone"), ("email", "email")):
        rows = [row for row in tenant.rows["activities"] if row["type"] == kind]
        assert len(rows) > 100
        assert all(contacts[row["contact_id"]][way] is not None for row in rows)


def test_nothing_is_scheduled_before_it_is_written_down(tenant: Tenant) -> None:
    """Meetings and tasks lie after their own rows, on a quarter of an hour."""
    planned = [row for row in tenant.rows["activities"] if row["scheduled_at"] is not None]
    assert len(planned) > 100
    assert all(row["scheduled_at"] > row["created_at"] for row in planned)
    assert all(row["scheduled_at"].minute % 15 == 0 for row in planned)
