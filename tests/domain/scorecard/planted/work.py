"""Planted faults of work."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from demo_pipeline.domain.model import ACTIVITY_TYPES
from demo_pipeline.domain.scorecard.columns import (
    DAY_US,
    LOST,
    WON,
    Activities,
    Contacts,
    Deals,
    TenantColumns,
)
from tests.builders.scorecard_rows import instant, rows, tenant
from tests.domain.scorecard.planted.cases import Case, Cases, both, lot

CASES: Final = Cases()
TASK, MEETING = ACTIVITY_TYPES.index("task"), ACTIVITY_TYPES.index("meeting")


def worked(deal_count: int, parts: Sequence[float], outcome: int = WON, **more: Any) -> TenantColumns:
    """Closed deals of 40 days, with an activity at each part of their time."""
    start = instant(4)
    count = deal_count * len(parts)
    return tenant(
        deals=rows(
            Deals, deal_count, created_us=start, closed_us=start + 40 * DAY_US, outcome=outcome, contact=0
        ),
        contacts=rows(Contacts, 1),
        activities=rows(
            Activities,
            count,
            created_us=[start + int(part * 40 * DAY_US) for part in parts],
            deal=[place // len(parts) for place in range(count)],
            **more,
        ),
    )


@CASES.add
def won_without_work() -> Case:
    return worked(40, (0.2, 0.8)), worked(40, (1.2, 1.8))


@CASES.add
def work_grows() -> Case:
    return worked(40, (0.2, 0.6, 0.8)), worked(40, (0.2, 0.3, 0.8))


@CASES.add
def agreed_before_loss() -> Case:
    return (
        worked(40, (0.3, 0.9), LOST, sounds_agreed=[True, False]),
        worked(40, (0.3, 0.9), LOST, sounds_agreed=[False, True]),
    )


def hours(kind: int, hour: Sequence[float], **more: Any) -> TenantColumns:
    """Activities planned for these hours of Wednesday, 8 January 2025."""
    return tenant(
        activities=rows(Activities, 60, type=kind, scheduled_us=[instant(0, 8, one) for one in hour], **more)
    )


@CASES.add
def tasks_in_working_hours() -> Case:
    return hours(TASK, [9, 14]), hours(TASK, [9, 23])


@CASES.add
def overlapping_meetings() -> Case:
    def meetings(minutes: int) -> TenantColumns:
        start = [instant(0, 1 + place // 6, 9 + place % 6) for place in range(60)]
        activities = rows(Activities, 60, type=MEETING, scheduled_us=start, minutes=minutes, author=0)
        return tenant(activities=activities)

    return both(meetings, 60, 75)


def team(*, hour_step: float = 0.0, kinds: Sequence[int] = (1,), paces: Sequence[int] = (200,) * 4) -> Any:
    """Four people who write activities, each at hours, of kinds and at a pace of their own."""
    author = [one for one, pace in enumerate(paces) for _ in range(pace)]
    mixed = lot(len(author), 10)
    return tenant(
        joined=[0] * 4,
        activities=rows(
            Activities,
            len(author),
            author=author,
            created_us=[
                instant(0, 8, 9 + hour_step * one + spread / 2)
                for one, spread in zip(author, mixed, strict=True)
            ],
            type=[
                kinds[one % len(kinds)] if place % 8 == 0 else place % 3 for place, one in enumerate(author)
            ],
        ),
    )


@CASES.add
def hours_differ() -> Case:
    return team(hour_step=0.5), team()


@CASES.add
def types_differ() -> Case:
    return team(kinds=(1, 1, 2, 1)), team()


@CASES.add
def pace_differs() -> Case:
    return team(paces=(300, 200, 150, 100)), team()


def arrivals(hour: Sequence[float], **more: Any) -> TenantColumns:
    """Contacts who arrive at these hours of a Wednesday."""
    facts = {"private_share": more.pop("private_share", 0.0)}
    created = [instant(0, 8, one) for one in hour]
    return tenant(contacts=rows(Contacts, 1200, created_us=created, **more), **facts)


@CASES.add
def private_evenings() -> Case:
    return arrivals([9, 18, 20], private_share=0.8), arrivals([9, 10, 18], private_share=0.8)


@CASES.add
def business_arrivals() -> Case:
    return arrivals([9, 10, 14, 22], company=0), arrivals([9, 10], company=0)


@CASES.add
def arrivals_at_night() -> Case:
    return arrivals([2, *[10] * 39]), arrivals([10])


@CASES.add
def staff_outside_hours() -> Case:
    def activities(hour: int) -> TenantColumns:
        return tenant(activities=rows(Activities, 200, created_us=[instant(0, 8, 9), instant(0, 8, hour)]))

    return both(activities, 20, 21)
