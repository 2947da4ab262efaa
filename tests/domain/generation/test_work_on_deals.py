"""What people did before a deal was closed, and when they meet: rows of one tenant an industry."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from demo_pipeline.domain.scorecard.wordlists import AGREED
from tests.assertions.generated_rows import Row, batches_of, complaints, rows_of, spec_of
from tests.assertions.meetings import meetings_of, overlaps
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
        "activities_created": 3600,
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
        won, lost = (
            {stage["id"] for stage in self.rows["pipeline_stages"] if stage[outcome]}
            for outcome in ("is_won", "is_lost")
        )
        self.won = [deal for deal in self.rows["deals"] if deal["stage_id"] in won]
        self.lost = [deal for deal in self.rows["deals"] if deal["stage_id"] in lost]
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
    assert 0.52 < sum(place >= 0.5 for place in places) / len(places) < 0.85


def test_large_deals_are_with_large_companies_take_longer_and_get_more_work(tenant: Tenant) -> None:
    """Rank correlations as they are in a CRM: there, but weak.

    Work is counted for closed deals only: an open one has most of its work before it.
    """
    sizes = {row["id"]: int(row["size"].rstrip("+").split("-")[0]) for row in tenant.rows["companies"]}
    deals = [deal for deal in tenant.rows["deals"] if deal["company_id"] is not None]
    value = [float(deal["value"]) for deal in deals]
    closed_value = [float(deal["value"]) for deal in tenant.closed]
    work = [len(tenant.work[deal["id"]]) for deal in tenant.closed]
    length = [(deal["closed_at"] - deal["created_at"]).total_seconds() for deal in tenant.closed]
    assert 0.15 < spearman(closed_value, work) < 0.45
    assert 0.15 < spearman(closed_value, length) < 0.45
    assert 0.25 < spearman([sizes[deal["company_id"]] for deal in deals], value) < 0.55


def test_more_people_take_part_in_large_deals(tenant: Tenant) -> None:
    """Two to four of a company in its larger deals, mostly the contact; nobody else in the smallest ones."""
    deals = sorted(
        (deal for deal in tenant.rows["deals"] if deal["company_id"] is not None),
        key=lambda deal: deal["value"],
    )
    quarter = len(deals) // 4
    people = [
        len({deal["contact_id"], *(row["contact_id"] for row in tenant.work[deal["id"]])}) for deal in deals
    ]
    assert 1.8 <= sum(people[-quarter:]) / quarter <= 4.2
    assert max(people) <= 7
    assert sum(people[:quarter]) < 1.2 * quarter
    is_with_contact = [
        row["contact_id"] == deal["contact_id"] for deal in deals for row in tenant.work[deal["id"]]
    ]
    assert 0.6 < sum(is_with_contact) / len(is_with_contact) < 0.95


def test_nothing_is_agreed_about_a_deal_that_is_lost(tenant: Tenant) -> None:
    """No text about it sounds like a success, in the words of the scorecard; texts about others do."""
    agreed = re.compile(AGREED.replace(r"\m", r"\b").replace(r"\M", r"\b"), re.IGNORECASE)

    def successes(deals: list[Row]) -> int:
        work = [row for deal in deals for row in tenant.work[deal["id"]]]
        return sum(agreed.search(f"{row['subject']} {row['description']}") is not None for row in work)

    assert len(tenant.lost) > 100
    assert successes(tenant.lost) == 0
    assert successes(tenant.won) > 0


def test_meetings_of_one_person_do_not_overlap(tenant: Tenant) -> None:
    """Nobody is in two meetings at once, not even where a month's meetings lie in the next one."""
    activities = tenant.rows["activities"]
    meetings = meetings_of(activities)
    assert sum(map(len, meetings.values())) > 50
    assert any(row["type"] == "meeting" and row["scheduled_at"] > row["_month"].end for row in activities)
    assert overlaps(meetings) == []


@pytest.mark.parametrize(("country", "team_size"), [("US", 2), ("DE", 2), ("GB", 5)])
def test_a_crowded_calendar_has_no_overlaps_either(tmp_path: Path, country: str, team_size: int) -> None:
    """With more meetings than a day has hours: six hours a day at most, and the rest is something else."""
    totals = BLUEPRINT["totals"] | {"activities_created": 24_000}
    tree = BLUEPRINT | {
        "industry": "realestate",
        "country": country,
        "team_size": team_size,
        "totals": totals,
    }
    spec = spec_of(tmp_path, tree, NOW)
    rows = rows_of(batches_of(spec, NOW))
    assert len(rows["activities"]) == 24_000
    meetings = meetings_of(rows["activities"])
    assert overlaps(meetings) == []
    hours: dict[tuple[bytes, date], timedelta] = defaultdict(timedelta)
    for person, of_person in meetings.items():
        for start, end in of_person:
            hours[person, start.astimezone(ZoneInfo(spec.timezone)).date()] += end - start
    assert timedelta(hours=5) < max(hours.values()) <= timedelta(hours=6)


def test_people_have_hours_of_their_own(tenant: Tenant) -> None:
    """The mean hours of those who write most differ by more than chance: by ten minutes or more."""
    minutes: dict[bytes, list[float]] = defaultdict(list)
    for row in tenant.rows["activities"]:
        local = row["created_at"].astimezone(tenant.zone)
        minutes[row["created_by_id"]].append(local.hour * 60 + local.minute)
    people = [np.array(one) for one in minutes.values() if len(one) >= 60]
    assert len(people) >= 5
    chance = float(np.mean([one.var() / len(one) for one in people]))
    assert float(np.var([one.mean() for one in people], ddof=1)) - chance >= 10**2


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
