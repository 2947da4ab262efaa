"""The hero accounts of a tenant with what is known of them, read in one snapshot.

Which accounts they are is selected by the tenant's jobs (``services.jobs.transaction``); sentences are in
``domain.heroes``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import psycopg

from demo_pipeline.domain.core.currency import Currency
from demo_pipeline.domain.core.timezones import load_timezone
from demo_pipeline.domain.heroes.model import (
    Conversations,
    HeroAccount,
    HeroAccounts,
    HeroDeal,
    HeroKind,
    OpenActivities,
)
from demo_pipeline.domain.reference.countries import CURRENCIES, language_of
from demo_pipeline.domain.reference.talk_tracks import load_talk_track
from demo_pipeline.services.jobs.tenant_context import TenantContext
from demo_pipeline.storage.ledger.hero_accounts import HeroMark, hero_marks
from demo_pipeline.storage.rows import hero_rows
from demo_pipeline.storage.rows.hero_rows import DealRow

Connection = psycopg.Connection[Any]


def read_heroes(conn: Connection, context: TenantContext, as_of: datetime) -> HeroAccounts:
    """The hero accounts of a tenant, as they are presented at ``as_of``."""
    marks = {HeroKind(mark.kind): mark for mark in hero_marks(conn, context.state.tenant.tenant_id)}
    reader = _Reader(conn, context, as_of)
    return HeroAccounts(accounts=tuple(reader.account(marks[kind]) for kind in HeroKind if kind in marks))


class _Reader:
    """Rows of one tenant as values of the domain: minor units, and days of its time zone."""

    def __init__(self, conn: Connection, context: TenantContext, as_of: datetime) -> None:
        self._conn, self._tenant_id, self._as_of = conn, context.state.tenant.tenant_id, as_of
        self._spec, self._zone = context.spec, load_timezone(context.spec.timezone)
        self._has_ended = context.spec.closed_month is not None and as_of >= context.spec.end_month.end
        self._unnamed = load_talk_track(language_of(context.spec.country)).say("unnamed")

    def account(self, mark: HeroMark) -> HeroAccount:
        """One account with all that its talk track needs."""
        conn, tenant_id = self._conn, self._tenant_id
        account = hero_rows.account(conn, tenant_id, mark)
        deals = hero_rows.deals(conn, tenant_id, mark)
        by_id = {deal.id: deal for deal in deals}
        deal = by_id[mark.deal_id]
        earlier = None if mark.earlier_deal_id is None else by_id.get(mark.earlier_deal_id)
        won = [one for one in deals if one.is_won]
        others = [one for one in deals if not (one.is_won or one.is_lost or one.id == deal.id)]
        largest = max(others, key=lambda one: one.value or Decimal(), default=None)
        activity_count, last_activity_at = hero_rows.deal_activities(conn, tenant_id, mark)
        return HeroAccount(
            kind=HeroKind(mark.kind),
            is_exact_fit=mark.is_exact_fit,
            chosen_at=mark.chosen_at,
            contact_id=mark.contact_id,
            company_id=mark.company_id,
            deal_id=mark.deal_id,
            earlier_deal_id=mark.earlier_deal_id,
            country=self._spec.country,
            as_of=self._day(self._as_of),
            has_ended=self._has_ended,
            contact=account.contact or self._unnamed,
            contact_since=self._day(account.contact_since),
            company=account.company,
            city=account.city,
            owner=deal.owner,
            deal=self._deal(deal),
            activity_count=activity_count,
            last_activity_on=None if last_activity_at is None else self._day(last_activity_at),
            earlier=None if earlier is None else self._deal(earlier),
            won_count=len(won),
            won_value=self._total(won, self._currency(deal)),
            other_open_count=len(others),
            largest_other_open=None if largest is None else self._deal(largest),
            conversations=self._conversations(mark),
            open_activities=self._open_activities(mark),
        )

    def _deal(self, deal: DealRow) -> HeroDeal:
        return HeroDeal(
            title=deal.title or "",
            value=None if deal.value is None else _minor(deal.value, self._currency(deal)),
            currency=self._currency(deal),
            stage=deal.stage,
            opened_on=self._day(deal.created_at),
            closed_on=None if deal.closed_at is None else self._day(deal.closed_at),
            expected_close_on=deal.expected_close_on,
        )

    def _conversations(self, mark: HeroMark) -> Conversations:
        rows = hero_rows.conversations(self._conn, self._tenant_id, mark)
        counts = Counter[str]()
        for row in rows:
            counts[row.type] += row.count
        return Conversations(
            counts=counts,
            # In order, each once.
            people=tuple(dict.fromkeys(row.contact for row in rows if row.contact)),
            last_on=max((self._day(row.last_at) for row in rows), default=None),
        )

    def _open_activities(self, mark: HeroMark) -> OpenActivities:
        row = hero_rows.open_activities(self._conn, self._tenant_id, mark, self._as_of)
        return OpenActivities(
            count=row.count,
            subject=row.subject,
            due_on=None if row.due_at is None else self._day(row.due_at),
        )

    def _day(self, instant: datetime) -> date:
        return instant.astimezone(self._zone).date()

    def _currency(self, deal: DealRow) -> Currency:
        """That of the deal, which people may have changed; the tenant's, where it has none that is known."""
        return CURRENCIES.get(deal.currency or "", self._spec.currency)

    def _total(self, deals: Sequence[DealRow], currency: Currency) -> int | None:
        if any(self._currency(deal) != currency for deal in deals):
            return None
        return sum(_minor(deal.value, currency) for deal in deals if deal.value is not None)


def _minor(amount: Decimal, currency: Currency) -> int:
    return currency.minor(amount, ROUND_HALF_UP)
