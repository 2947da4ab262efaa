"""A tenant's months as rows: the one engine behind the first load and every later one.

``Story`` walks through the months in order, since later rows refer to earlier ones. Months that are
already there are walked through without making their texts: their companies, contacts and deals enter
the book, nothing else is made. What is made depends on the spec, the instant of provisioning and the
month, never on the clock, on the run, or on what people did meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final

import pyarrow as pa

from demo_pipeline.domain.blueprint.tenant_spec import TenantSpec
from demo_pipeline.domain.core.figures import Figures
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.generation.activities import activity_batches
from demo_pipeline.domain.generation.calendar import Calendar, instant_us
from demo_pipeline.domain.generation.companies import company_batches, compose_companies
from demo_pipeline.domain.generation.contacts import address_keys, compose_contacts, contact_batches
from demo_pipeline.domain.generation.context import MonthContext
from demo_pipeline.domain.generation.deals import compose_deals, deal_batches
from demo_pipeline.domain.generation.entity_index import EntityIndex
from demo_pipeline.domain.generation.name_lookup import People
from demo_pipeline.domain.generation.provenance import blueprint_stream
from demo_pipeline.domain.generation.tags import contact_tag_batches
from demo_pipeline.domain.generation.team import Team, assemble_team
from demo_pipeline.domain.reference.countries import load_locale
from demo_pipeline.domain.reference.industries import load_industry
from demo_pipeline.domain.reference.texts import load_texts

#: Months that the timeline goes on beyond the last fact: meetings and due dates lie there.
MONTHS_AHEAD: Final = 3


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
        self._stream = blueprint_stream(spec)
        # A span that ended before the tenant was made is told as of its end: the same bytes whenever
        # it is provisioned.
        self._reference = min(provisioned_at, spec.end_month.end)
        self._next = spec.start_month
        self._book = EntityIndex()
        self._people = People(self._locale, self._book)
        self._team = assemble_team(
            spec, self._locale, self._industry, self._calendar, self._stream, instant_us(self._reference)
        )

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
        context = self._context(month)
        self._book.forget()
        yield from month_batches(context, figures, is_made=is_made)
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
            timeline=self._calendar.timeline(self.spec.start_month, Month.containing(limit) + MONTHS_AHEAD),
            limit_us=instant_us(limit) - 1,
            reference_us=instant_us(self._reference),
            team=self._team,
            book=self._book,
            people=self._people,
            tenant_stream=self._stream,
            stream=self._stream.child(str(month)),
        )


def month_batches(context: MonthContext, figures: Figures, *, is_made: bool = True) -> Iterator[Batch]:
    """Rows that add exactly ``figures`` to a month; without ``is_made`` only the book gets them."""
    yield from parent_batches(context, figures, is_made=is_made)
    if is_made:
        yield from child_batches(context, figures)


def parent_batches(context: MonthContext, figures: Figures, *, is_made: bool = True) -> Iterator[Batch]:
    """All but the activities; from now on they are in the book."""
    # A step each: of what a table's month took only the book is held while the next one is made.
    yield from _companies(context, figures, is_made=is_made)
    yield from _contacts(context, figures, is_made=is_made)
    yield from _deals(context, figures, is_made=is_made)


def child_batches(context: MonthContext, figures: Figures) -> Iterator[Batch]:
    """The activities, on whoever was there by then; nothing refers to them."""
    return _as_batches("activities", context, activity_batches(context, figures))


def _companies(context: MonthContext, figures: Figures, *, is_made: bool) -> Iterator[Batch]:
    rows, draws = compose_companies(context, figures.companies_created)
    context.book.add_companies(rows)
    if is_made:
        yield from _as_batches("companies", context, company_batches(context, rows, draws))


def _contacts(context: MonthContext, figures: Figures, *, is_made: bool) -> Iterator[Batch]:
    book = context.book
    rows, draws = compose_contacts(context, figures)
    keys = address_keys(context, rows)
    if is_made:
        yield from _as_batches("contacts", context, contact_batches(context, rows, draws, keys))
        yield from _as_batches("contact_tags", context, contact_tag_batches(context, rows))
    book.add_addresses(keys)
    book.add_contacts(rows)


def _deals(context: MonthContext, figures: Figures, *, is_made: bool) -> Iterator[Batch]:
    rows, facts = compose_deals(context, figures)
    context.book.add_deals(rows)
    if is_made:
        yield from _as_batches("deals", context, deal_batches(context, rows, facts))


def _as_batches(table: str, context: MonthContext, blocks: Iterable[pa.RecordBatch]) -> Iterator[Batch]:
    # No generator: it would hold each block while the next one is made.
    return map(partial(Batch, table, context.month), blocks)
