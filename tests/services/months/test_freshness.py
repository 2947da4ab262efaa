"""Freshness: a tenant is judged by its own pace, in its own working time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import uuid4

import psycopg
import pytest

from demo_pipeline.domain.core.errors import UnreadableTenantError
from demo_pipeline.services.months.freshness import (
    LEAST_ALLOWED_MINUTES,
    UNKNOWN_PACE_MINUTES,
    FreshnessState,
    judge,
    tenant_freshness,
)
from demo_pipeline.services.months.materialise import materialise
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.ledger.tenants import TenantSummary
from demo_pipeline.storage.rows.activity_pace import ActivityPace
from tests.fixtures.ledger_steps import stored_plan
from tests.services.builders import make_tenant
from tests.services.patches.builders import SMALL

#: a Tuesday; work in Berlin ends at 21:00, which is 20:00 UTC
NOON: Final = datetime(2025, 2, 11, 12, tzinfo=UTC)
MARCH: Final = datetime(2025, 3, 26, 10, tzinfo=UTC)
LIVING: Final = TenantSummary(
    tenant_id=uuid4(),
    slug="acme",
    name="Acme",
    country="DE",
    currency="EUR",
    industry="saas",
    incarnation=1,
    provisioned_at=NOON,
    end_month=None,
    loaded_month_count=1,
    first_loaded_month="2025-02",
    last_loaded_month="2025-02",
    last_job_status="completed",
)


def pace(count: int = 100, **changes: Any) -> ActivityPace:
    """One activity each ten minutes of work up to Tuesday noon: 99 gaps in 990 minutes."""
    values: dict[str, Any] = {
        "tenant_id": LIVING.tenant_id,
        "plan": stored_plan(),
        "activity_count": count,
        # 360 minutes of Tuesday before noon UTC, and 630 of Monday.
        "first_at": datetime(2025, 2, 10, 9, 30, tzinfo=UTC),
        "last_at": NOON,
        "loaded_until": NOON,
    }
    return ActivityPace(**(values | changes))


@pytest.mark.parametrize(
    ("minutes", "state"),
    [(0, FreshnessState.FRESH), (60, FreshnessState.FRESH), (61, FreshnessState.STALE)],
)
def test_an_hour_is_always_allowed(minutes: int, state: FreshnessState) -> None:
    """Three gaps of ten minutes are less than an hour, so an hour counts."""
    found = judge(LIVING, pace(), NOON + timedelta(minutes=minutes))
    assert (found.state, found.allowed_minutes or LEAST_ALLOWED_MINUTES) == (state, LEAST_ALLOWED_MINUTES)


def test_a_slow_tenant_is_allowed_three_of_its_gaps() -> None:
    """Twelve activities in 990 minutes: 90 minutes each, so 270 are allowed."""
    for minutes, is_fresh in ((270, True), (271, False)):
        found = judge(LIVING, pace(12), NOON + timedelta(minutes=minutes))
        assert (found.is_fresh, found.quiet_minutes, found.allowed_minutes) == (is_fresh, minutes, 270)


def test_nights_weekends_and_holidays_do_not_count() -> None:
    """From Friday evening to Monday morning in Berlin no working time passes; Easter takes longer."""
    friday = datetime(2025, 2, 14, 20, tzinfo=UTC)
    late = pace(first_at=friday - timedelta(hours=2), last_at=friday, loaded_until=friday)
    assert judge(LIVING, late, datetime(2025, 2, 17, 6, 59, tzinfo=UTC)).quiet_minutes == 59
    assert judge(LIVING, late, datetime(2025, 2, 17, 7, 1, tzinfo=UTC)).state is FreshnessState.STALE
    easter = datetime(2025, 4, 17, 19, tzinfo=UTC)
    assert judge(
        LIVING, pace(last_at=easter, loaded_until=easter), datetime(2025, 4, 21, 22, tzinfo=UTC)
    ).is_fresh


def test_what_was_loaded_a_moment_ago_is_fresh() -> None:
    """Where nothing was due since the last activity, a load without rows is enough."""
    now = NOON + timedelta(hours=6)
    assert not judge(LIVING, pace(), now).is_fresh
    assert judge(LIVING, pace(loaded_until=now), now).is_fresh


def test_an_activity_of_a_person_counts() -> None:
    """Somebody has just used the tenant."""
    now = NOON + timedelta(hours=6)
    assert judge(LIVING, pace(last_at=now), now).is_fresh


def test_closed_tenants_count_as_fresh() -> None:
    """Nothing is due of them any more, whatever is loaded."""
    closed = replace(LIVING, end_month="2024-12")
    found = judge(closed, pace(0, first_at=None, last_at=None, loaded_until=None), NOON)
    assert (found.state, found.is_fresh) == (FreshnessState.CLOSED, True)


def test_a_tenant_of_which_nothing_is_loaded_is_stale() -> None:
    """It was provisioned and not made within an hour."""
    nothing = pace(0, first_at=None, last_at=None, loaded_until=None)
    assert judge(LIVING, nothing, NOON + timedelta(minutes=60)).is_fresh
    found = judge(LIVING, nothing, NOON + timedelta(minutes=61))
    assert (found.state, found.quiet_minutes) == (FreshnessState.STALE, None)


def test_too_few_activities_for_a_pace() -> None:
    """Three working days are allowed."""
    one = pace(1, first_at=NOON)
    found = judge(LIVING, one, NOON + timedelta(days=2))
    assert (found.is_fresh, found.allowed_minutes) == (True, UNKNOWN_PACE_MINUTES)
    assert not judge(LIVING, one, NOON + timedelta(days=8)).is_fresh


def state_of(database: Database, settings: Settings, now: datetime) -> FreshnessState:
    """The judgement of the only tenant."""
    unreadable: list[UnreadableTenantError] = []
    with database.admin(readonly=True) as conn:
        [found] = tenant_freshness(conn, settings, now, on_unreadable=unreadable.append)
    assert not unreadable
    return found.state


def living(database: Database, settings: Settings, activities: int) -> Settings:
    """A living tenant that asks for so many activities a month from March on; the settings of 26 March."""
    first, second = SMALL["months"]
    march = {"month": "2025-03", "activities_created": activities}
    blueprint = {**SMALL, "months": [first, {**second, "activities_created": 60}, march]}
    del blueprint["end_month"]
    settings = settings.model_copy(update={"now": MARCH})
    make_tenant(database, settings, blueprint)
    return settings


def test_a_living_tenant_goes_stale_and_is_fresh_once_it_is_made(
    database: Database, database_settings: Settings
) -> None:
    """By what is in the database: nothing, then all of it, and a month later too little."""
    settings = living(database, database_settings, 12)
    later = MARCH + timedelta(days=30)
    assert state_of(database, settings, MARCH + timedelta(hours=2)) is FreshnessState.STALE
    materialise(database, settings, "acme")
    assert state_of(database, settings, MARCH) is FreshnessState.FRESH
    for _ in range(2):
        assert state_of(database, settings, later) is FreshnessState.STALE
    materialise(database, settings.model_copy(update={"now": later}), "acme")
    assert state_of(database, settings, later) is FreshnessState.FRESH


def test_a_tenant_of_which_nothing_is_due_is_fresh(database: Database, database_settings: Settings) -> None:
    """However long nothing has happened: there is nothing that would make it fresher."""
    settings = living(database, database_settings, 0)
    materialise(database, settings, "acme")
    assert state_of(database, settings, MARCH + timedelta(days=5, hours=9)) is FreshnessState.FRESH


def test_a_tenant_that_cannot_be_read_is_reported(
    database: Database, database_settings: Settings, admin_conn: psycopg.Connection
) -> None:
    """It has no judgement, and the others have theirs."""
    blueprint = {key: value for key, value in SMALL.items() if key != "end_month"}
    for slug in ("acme", "broken"):
        make_tenant(database, database_settings, blueprint, slug)
    materialise(database, database_settings, "broken")
    admin_conn.execute("alter table demo.tenant_metadata disable trigger user")
    admin_conn.execute("update demo.tenant_metadata set plan = plan - 'currency' where slug = 'broken'")
    unreadable: list[UnreadableTenantError] = []
    later = datetime.now(UTC) + timedelta(days=30)
    found = list(tenant_freshness(admin_conn, database_settings, later, on_unreadable=unreadable.append))
    assert [one.tenant for one in found] == ["acme"]
    assert [error.details["tenant"] for error in unreadable] == ["broken"]
