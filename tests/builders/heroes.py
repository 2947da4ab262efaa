"""Hero accounts that are in no database: one of each kind, in any wording and currency."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from demo_pipeline.domain.heroes.model import (
    Conversations,
    HeroAccount,
    HeroAccounts,
    HeroDeal,
    HeroKind,
    OpenActivities,
)
from tests.builders.currencies import EUR


def deal(title: str, value: int | None = 1_200_00, **changes: Any) -> HeroDeal:
    """A deal that was closed."""
    values: dict[str, Any] = {
        "title": title,
        "value": value,
        "currency": EUR,
        "stage": "Closed",
        "opened_on": date(2025, 4, 2),
        "closed_on": date(2025, 5, 20),
        "expected_close_on": date(2025, 5, 16),
    }
    return HeroDeal(**{**values, **changes})


def hero(kind: HeroKind, **changes: Any) -> HeroAccount:
    """An account whose rows are complete, presented on 15 June 2025."""
    is_at_risk = kind is HeroKind.AT_RISK
    values: dict[str, Any] = {
        "kind": kind,
        "is_exact_fit": True,
        "chosen_at": datetime(2025, 6, 1, 12, tzinfo=UTC),
        "contact_id": UUID(int=1),
        "company_id": UUID(int=2),
        "deal_id": UUID(int=3),
        "earlier_deal_id": None if is_at_risk else UUID(int=4),
        "country": "GB",
        "as_of": date(2025, 6, 15),
        "has_ended": False,
        "contact": "Anna Berger",
        "contact_since": date(2025, 1, 7),
        "company": "Kranz GmbH",
        "city": "Hamburg",
        "owner": "Tim Weber",
        "deal": deal("Team Plan", closed_on=None, stage="Proposal") if is_at_risk else deal("Team Plan"),
        "activity_count": 6,
        "last_activity_on": date(2025, 5, 19),
        "earlier": None if is_at_risk else deal("Starter Plan", 400_00, closed_on=date(2025, 2, 3)),
        "won_count": 0 if is_at_risk else 3,
        "won_value": 0 if is_at_risk else 2_000_00,
        "other_open_count": 2,
        "largest_other_open": deal("Add-on", 99_00, closed_on=None, stage="Lead"),
        "conversations": Conversations(
            counts={"call": 4, "email": 1}, people=("Anna Berger", "Tom Weiss"), last_on=date(2025, 5, 19)
        ),
        "open_activities": OpenActivities(count=2, subject="Call about the offer", due_on=date(2025, 6, 18)),
    }
    return HeroAccount(**{**values, **changes})


def heroes(**changes: Any) -> HeroAccounts:
    """One of each kind."""
    return HeroAccounts(accounts=tuple(hero(kind, **changes) for kind in HeroKind))
