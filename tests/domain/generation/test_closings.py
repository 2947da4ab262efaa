"""When deals close: exact counts, possible order, and months that look like a business."""

from __future__ import annotations

import tempfile
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from statistics import mean, median
from typing import Final

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demo_pipeline.domain.blueprint.tenant_spec import TenantSpec
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.core.timezones import load_timezone
from demo_pipeline.domain.generation.calendar import Calendar, instant_us, tenant_calendar
from demo_pipeline.domain.generation.closing_plan import CLOSED, LIVING, ClosingPlan, EndRule, plan_closings
from demo_pipeline.domain.generation.generator import Generator
from demo_pipeline.domain.reference.countries import load_locale
from demo_pipeline.domain.reference.industries import INDUSTRIES, load_industry
from tests.assertions.generated_rows import Row, rows_of, spec_of
from tests.builders.blueprints import NOW
from tests.hypothesis_profiles import examples

FIRST: Final = Month.parse("2025-01")
LOCALE: Final = load_locale("US")
CALENDAR: Final = Calendar("America/New_York", LOCALE.weekend, LOCALE.holidays)


def planned(
    won: Sequence[int], industry: str, end: datetime | None = None, rule: EndRule = CLOSED
) -> ClosingPlan:
    """The plan of a span that begins in ``FIRST``."""
    last = FIRST + (len(won) - 1)
    return plan_closings(
        CALENDAR.timeline(FIRST, last + 3),
        FIRST,
        won,
        instant_us(end or last.end),
        load_industry(industry).cycle_quantiles,
        rule,
    )


@settings(max_examples=examples(150))
@given(
    won=st.lists(st.sampled_from([0, 0, 1, 2, 3, 7, 40, 300]), min_size=1, max_size=24),
    industry=st.sampled_from(INDUSTRIES),
    days=st.integers(0, 40),
    rule=st.sampled_from([CLOSED, LIVING]),
)
def test_every_win_is_closed_once_and_never_before_its_month(
    won: list[int], industry: str, days: int, rule: EndRule
) -> None:
    """Each month of creation closes exactly its wins, in it or later, whatever the plan and its end."""
    last = FIRST + (len(won) - 1)
    # As late as the last working day of a December, or some weeks earlier, amid a month.
    end = max(last.end - timedelta(days=days), last.start)
    if end < last.start + timedelta(days=7):
        won[-1] = 0
    counts = planned(won, industry, end, rule).counts
    assert counts.sum(axis=1).tolist() == won
    assert (counts >= 0).all()
    assert np.array_equal(counts, np.triu(counts))


@pytest.mark.parametrize("industry", INDUSTRIES)
@pytest.mark.parametrize("months", [6, 12, 24])
def test_the_months_of_a_span_close_evenly(industry: str, months: int) -> None:
    """A level business closes level: no month is far from its neighbours, and the last is no cliff."""
    closings = planned([100] * months, industry).counts.sum(axis=0).tolist()
    usual_months = int(np.median(load_industry(industry).cycle_quantiles)) // (30 * 24 * 60)
    for place in range(usual_months + 2, months - 1):
        before, this, after = closings[place - 1 : place + 2]
        assert abs(this - (before + after) / 2) <= (before + after) / 20, closings
    assert closings[-1] <= 1.15 * closings[-2], closings


@pytest.mark.parametrize("industry", INDUSTRIES)
def test_a_living_tenant_has_no_more_closings_at_its_end_than_afterwards(industry: str) -> None:
    """After the span as many deals close as are won: the last months are at most 20 % above that."""
    end = (FIRST + 11).start + timedelta(days=14)
    closings = planned([100] * 11 + [0], industry, end, LIVING).counts.sum(axis=0).tolist()
    assert max(closings[:-1]) <= 120, closings
    assert closings[-1] <= 75, closings


def test_one_month_with_most_of_the_wins_closes_at_least_those() -> None:
    """Six times the wins in the last month: nothing can be done but to close them, and the others before."""
    closings = planned([10] * 11 + [60], "saas").counts.sum(axis=0).tolist()
    assert closings[-1] >= 60
    assert max(closings[:-1]) < 20


# -- rows ------------------------------------------------------------------------------------------------


def spec_in(industry: str, won: int, months: int = 12) -> TenantSpec:
    """A level business with ``won`` wins a month."""
    total = won * months
    blueprint = {
        "name": "Brightwater Supplies",
        "country": "US",
        "industry": industry,
        "start_month": str(FIRST),
        "end_month": str(FIRST + (months - 1)),
        "seed": "42",
        "growth": {"curve": "linear", "monthly_rate": 0},
        "totals": {
            "leads_created": total,
            "contacts_created": 3 * total,
            "companies_created": total // 2,
            "deals_created": 9 * total // 2,
            "closed_won_count": total,
            "closed_won_value": f"{total * 12_000}.00",
            "pipeline_added_value": f"{total * 30_000}.00",
            "activities_created": total,
        },
    }
    with tempfile.TemporaryDirectory() as folder:
        return spec_of(Path(folder), blueprint, NOW)


class Closed:
    """The closed deals of a tenant, by outcome."""

    def __init__(self, spec: TenantSpec) -> None:
        generator = Generator(spec, NOW)
        rows = rows_of(list(generator.parents(spec.months)))
        stages = generator.team.stages.to_pylist()
        won = {stage["id"] for stage in stages if stage["is_won"]}
        lost = {stage["id"] for stage in stages if stage["is_lost"]}
        self.spec = spec
        self.won = [row for row in rows["deals"] if row["stage_id"] in won]
        self.lost = [row for row in rows["deals"] if row["stage_id"] in lost]
        self.open = [row for row in rows["deals"] if row["stage_id"] not in won | lost]

    def working_days(self, month: Month) -> list[date]:
        """Of the tenant's country."""
        calendar, first = tenant_calendar(self.spec), month.start.date()
        days = [first + timedelta(days=place) for place in range((month.end - month.start).days)]
        return [day for day in days if calendar.is_working_day(day)]

    def month_end_factor(self, deals: Sequence[Row]) -> float:
        """Closings of a month's last three working days against another day's."""
        by_day = Counter(deal["closed_at"].date() for deal in deals)
        last, other = 0.0, 0.0
        for month in list(self.spec.months)[4:]:
            counts = [by_day[day] for day in self.working_days(month)]
            last += mean(counts[-3:])
            other += mean(counts[:-3])
        return last / other


@pytest.fixture(scope="module", params=["ecommerce", "trading", "saas", "realestate"])
def closed(request: pytest.FixtureRequest) -> Closed:
    """A tenant of an industry, of a year."""
    return Closed(spec_in(request.param, 80))


def test_deals_take_their_usual_time_until_shortly_before_the_end(closed: Closed) -> None:
    """The median of each month's wins is at least half the usual one, except in the last months."""
    usual = float(np.median(load_industry(closed.spec.industry).cycle_quantiles)) / (24 * 60)
    days: dict[Month, list[float]] = defaultdict(list)
    for deal in closed.won:
        days[deal["_month"]].append((deal["closed_at"] - deal["created_at"]) / timedelta(days=1))
    medians = [median(days[month]) for month in closed.spec.months]
    short = 0 if usual <= 30 else 3 if usual <= 60 else 5
    assert all(one >= usual / 2 for one in medians[: len(medians) - short]), medians
    assert medians[-1] >= min(usual / 2, 17), medians
    assert usual * 0.8 < median(medians[: len(medians) // 2]) < usual * 1.2, medians


def test_the_end_of_a_month_and_tuesdays_have_more_closings(closed: Closed) -> None:
    """Wins two to four times as often on a month's last days, losses three; no day has a fifth of a month."""
    if closed.spec.industry == "ecommerce":
        assert closed.month_end_factor(closed.won) < 1.4
        return
    assert 2 < closed.month_end_factor(closed.won) < 3.7
    assert 3 < closed.month_end_factor(closed.lost) < 6
    weekdays = Counter(deal["closed_at"].weekday() for deal in closed.won)
    assert weekdays[1] > 1.2 * weekdays[4]
    for month in list(closed.spec.months)[4:]:
        closings = (deal["closed_at"] for deal in closed.won)
        of_month = [at.date() for at in closings if month.start <= at < month.end]
        assert max(Counter(of_month).values()) <= 0.2 * len(of_month) + 3


def test_a_deal_is_lost_in_time_and_old_open_deals_are_few(closed: Closed) -> None:
    """Losses come within two usual lengths, and few deals stay open longer than that."""
    usual = timedelta(minutes=int(np.median(load_industry(closed.spec.industry).cycle_quantiles)))
    least = 0.85 if closed.spec.industry == "ecommerce" else 0.95
    in_time = sum(deal["closed_at"] - deal["created_at"] <= 2 * usual for deal in closed.lost)
    assert in_time >= least * len(closed.lost)
    old = sum(closed.spec.end_month.end - deal["created_at"] > 2 * usual for deal in closed.open)
    carried = sum(
        -(-figures.open_value * figures.closed_won_count * 2 // (5 * figures.closed_won_value))
        for figures in closed.spec.figures
    )
    assert old <= 1.2 * carried


def test_a_deal_closes_before_and_after_the_day_that_was_expected(closed: Closed) -> None:
    """A fifth to a third is early, few are closed on the very day; the day is a weekday after creation."""
    deals = closed.won + closed.lost
    zone = load_timezone(closed.spec.timezone)
    late = [(deal["closed_at"].astimezone(zone).date() - deal["expected_close_date"]).days for deal in deals]
    early = sum(days < 0 for days in late) / len(late)
    same = sum(days == 0 for days in late) / len(late)
    is_shop = closed.spec.industry == "ecommerce"
    assert (0.1 if is_shop else 0.2) <= early <= (0.2 if is_shop else 0.35)
    assert same <= (0.65 if is_shop else 0.15)
    assert all(deal["expected_close_date"].weekday() < 5 for deal in deals)
    assert all(deal["expected_close_date"] > deal["created_at"].astimezone(zone).date() for deal in deals)
    overdue = [deal for deal in closed.open if deal["expected_close_date"] < closed.spec.end_month.end.date()]
    assert 0.05 < len(overdue) / len(closed.open) < 0.5


def test_no_deal_closes_before_it_was_created_or_after_the_end(closed: Closed) -> None:
    """The order of instants, and wins of every month that are closed in later months, too."""
    for deal in closed.won + closed.lost:
        assert deal["created_at"] <= deal["closed_at"] <= deal["updated_at"]
        assert deal["closed_at"] < closed.spec.end_month.end
    counts = Counter(Month.containing(deal["closed_at"]) for deal in closed.won)
    by_month = [counts[month] for month in closed.spec.months]
    for before, after in list(pairwise(by_month))[5:]:
        assert abs(after - before) <= max(before, after) / 4 + 1.5, by_month
