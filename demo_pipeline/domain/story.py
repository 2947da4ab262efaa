"""A tenant's months as rows: the one engine behind the first load and every later one.

``Story`` walks through the months in order, since later rows refer to earlier ones. Months that are
already there are walked through without making their texts: their companies, contacts and deals enter
the book, nothing else is made. What is made depends on the spec, the instant of provisioning and the
month, never on the clock, on the run, or on what people did meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa

from demo_pipeline.domain.activities import activity_batches
from demo_pipeline.domain.book import Book, extended
from demo_pipeline.domain.calendar import Calendar, instant_us
from demo_pipeline.domain.companies import company_batch, compose_companies
from demo_pipeline.domain.contacts import address_keys, compose_contacts, contact_batch
from demo_pipeline.domain.context import MonthContext
from demo_pipeline.domain.deals import compose_deals, deal_batch
from demo_pipeline.domain.industries import load_industry
from demo_pipeline.domain.labels import contact_tag_batch
from demo_pipeline.domain.locales import load_locale
from demo_pipeline.domain.metrics import Figures
from demo_pipeline.domain.months import Month
from demo_pipeline.domain.planning import TenantSpec
from demo_pipeline.domain.streams import I64, Stream
from demo_pipeline.domain.team import Team, assemble_team
from demo_pipeline.domain.texts import load_texts

#: Months that the timeline goes on beyond the last fact: meetings and due dates lie there.
_MONTHS_AHEAD = 3


@dataclass(frozen=True)
class Batch:
    """Some rows of one table and month."""

    table: str
    month: Month
    rows: pa.RecordBatch


class Story:
    """Generation of one tenant, month after month."""

    def __init__(self, spec: TenantSpec, provisioned_at: datetime) -> None:
        self.spec = spec
        self._locale = load_locale(spec.country)
        self._industry = load_industry(spec.industry)
        self._texts = load_texts(self._locale.language, spec.industry)
        self._calendar = Calendar(spec.timezone, self._locale.weekend, self._locale.holidays)
        self._stream = Stream((spec.seed, spec.slug))
        # A span that ended before the tenant was made is told as of its end: the same bytes whenever
        # it is provisioned.
        self._reference = min(provisioned_at, spec.end_month.end)
        self._next = spec.start_month
        self._book = Book()
        self._timelines: dict[Month, I64] = {}
        self._team = assemble_team(
            spec, self._locale, self._industry, self._stream, instant_us(self.signed_up_at)
        )

    @property
    def signed_up_at(self) -> datetime:
        """When the tenant and its team came to be: before everything else."""
        return self._calendar.last_working_day_before(self.spec.start_month)

    @property
    def team(self) -> Team:
        """Users, stages and tags."""
        return self._team

    def pass_over(self, last: Month) -> None:
        """Walk through the months up to ``last`` without making their rows."""
        for month in self._next.until(last):
            for _ in self._walk(month, self.spec.figures_of(month), is_made=False):
                pass

    def month(self, month: Month) -> Iterator[Batch]:
        """The rows of the next month, parents before children.

        Months come in order; one out of turn is a ``ValueError``.
        """
        if month != self._next:
            raise ValueError(f"{month} is out of turn, {self._next} comes next")
        return self._walk(month, self.spec.figures_of(month), is_made=True)

    def _walk(self, month: Month, figures: Figures, *, is_made: bool) -> Iterator[Batch]:
        context, book = self._context(month), self._book
        book.forget()
        companies, company_draws = compose_companies(context, figures.companies_created)
        book.companies = extended(book.companies, companies)
        if is_made and figures.companies_created:
            yield Batch("companies", month, company_batch(context, companies, company_draws))
        contacts, contact_draws = compose_contacts(context, figures)
        if is_made and figures.contacts_created:
            yield Batch("contacts", month, contact_batch(context, contacts, contact_draws))
            yield Batch("contact_tags", month, contact_tag_batch(context, contacts))
        book.addresses = np.concatenate([book.addresses, address_keys(context, contacts)])
        book.contacts = extended(book.contacts, contacts)
        deals, facts = compose_deals(context, figures)
        book.deals = extended(book.deals, deals)
        if is_made and figures.deals_created:
            yield Batch("deals", month, deal_batch(context, deals, facts))
        if is_made:
            for rows in activity_batches(context, figures):
                yield Batch("activities", month, rows)
        self._next = month + 1

    def _context(self, month: Month) -> MonthContext:
        limit = max(self._reference, month.end)
        return MonthContext(
            spec=self.spec,
            locale=self._locale,
            industry=self._industry,
            texts=self._texts,
            calendar=self._calendar,
            month=month,
            work=self._calendar.month(month),
            timeline=self._timeline(Month.containing(limit) + _MONTHS_AHEAD),
            limit_us=instant_us(limit) - 1,
            reference_us=instant_us(self._reference),
            team=self._team,
            book=self._book,
            tenant_stream=self._stream,
            stream=self._stream.child(str(month)),
        )

    def _timeline(self, last: Month) -> I64:
        """All working minutes up to ``last``; the same for most months."""
        if last not in self._timelines:
            self._timelines = {last: self._calendar.minutes(self.spec.start_month, last)}
        return self._timelines[last]
