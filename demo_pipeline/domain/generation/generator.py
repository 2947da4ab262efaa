"""The rows of a tenant, month by month: one generator for first loads, later loads and patches.

A :class:`Generator` makes either the blueprint's rows or those of one later job (:class:`PatchScope`). They
differ in four things: the stream that their draws come from, the rows that they may refer to, the figures of
each month, and the instant before which every row lies. All else is the same code.

Months come in order, because later rows refer to earlier ones. Rows depend on the spec, the instant of
provisioning and the month; those of a later job also on the rows that exist. They never depend on the clock.
How many rows a patch adds, and whether that is possible, is not decided here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property, partial
from typing import Final

import numpy as np
import pyarrow as pa

from demo_pipeline.domain.blueprint.tenant_spec import TenantSpec
from demo_pipeline.domain.core.figures import Figures, FiguresByMonth
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.generation.activities import activity_batches
from demo_pipeline.domain.generation.calendar import Timeline, instant_us, tenant_calendar
from demo_pipeline.domain.generation.closing_plan import CLOSED, LIVING, ClosingPlan, plan_closings
from demo_pipeline.domain.generation.closings import WON
from demo_pipeline.domain.generation.companies import (
    company_batches,
    company_phones,
    compose_companies,
)
from demo_pipeline.domain.generation.company_names import CompanyNaming
from demo_pipeline.domain.generation.contacts import (
    address_keys,
    compose_contacts,
    contact_batches,
    contact_phones,
    tag_batches,
)
from demo_pipeline.domain.generation.context import NO_MEETINGS, Meetings, MonthContext
from demo_pipeline.domain.generation.deals import compose_deals, deal_batches
from demo_pipeline.domain.generation.entity_index import EntityIndex, NameLookup
from demo_pipeline.domain.generation.existing_rows import (
    ExistingRows,
    existing_index,
    existing_meetings,
    existing_team,
)
from demo_pipeline.domain.generation.price_lists import price_level
from demo_pipeline.domain.generation.provenance import blueprint_stream, job_stream
from demo_pipeline.domain.generation.team import Team, assemble_team
from demo_pipeline.domain.reference.countries import load_locale
from demo_pipeline.domain.reference.industries import load_industry
from demo_pipeline.domain.reference.stories import load_stories
from demo_pipeline.domain.reference.texts import load_texts

#: Months by which the timeline extends beyond the last row: meetings and due dates lie there.
MONTHS_AHEAD: Final = 3


@dataclass(frozen=True)
class Batch:
    """Some rows of one table and month."""

    table: str
    month: Month
    rows: pa.RecordBatch


@dataclass(frozen=True, kw_only=True)
class PatchScope:
    """What sets the rows of a later job apart from those of the blueprint."""

    #: the job's number within its tenant: no two jobs draw the same rows, undone jobs included
    number: int
    seed: str
    #: every row lies before this instant
    as_of: datetime
    #: what the job adds to each month, ascending, at least one
    deltas: FiguresByMonth
    #: rows of the tenant that the new rows may refer to
    existing: ExistingRows
    #: companies made by earlier patches
    companies_before: int


class Generator:
    """Rows of one tenant: the blueprint's, or with a ``patch`` those of that job."""

    def __init__(self, spec: TenantSpec, provisioned_at: datetime, patch: PatchScope | None = None) -> None:
        self.spec = spec
        self._patch = patch
        self._locale = locale = load_locale(spec.country, spec.lists)
        self._industry = load_industry(spec.industry, spec.lists)
        self._price_level = price_level(spec, self._industry)
        self._texts = load_texts(locale.language, spec.industry, spec.country, spec.lists)
        self._stories = load_stories(self._texts.language, spec.industry, spec.country, spec.lists)
        self._calendar = tenant_calendar(spec)
        self._tenant_stream = self._stream = blueprint_stream(spec)
        self._company_naming = CompanyNaming(
            locale.companies, self._tenant_stream, spec.total.companies_created
        )
        # A span that ended before provisioning is seen as of its end: the same bytes whenever it is loaded.
        self._reference = min(provisioned_at, spec.end_month.end)
        self._index = EntityIndex()
        self._next = self._timeline_start = spec.start_month
        self._team = assemble_team(
            spec,
            locale,
            self._industry,
            self._texts,
            self._calendar,
            self._stream,
            reference_us=instant_us(self._reference),
        )
        if patch is not None:
            self._stream = job_stream(spec, patch.seed, patch.number)
            self._reference = patch.as_of
            # The first local day of a UTC month begins in the month before.
            self._timeline_start = min(patch.deltas) + -1
            self._team = existing_team(self._team, patch.existing)
            self._index = existing_index(
                locale,
                patch.existing,
                spec.currency,
                list(map(str, self._texts.products.to_pylist())),
                by_city=self._industry.pricing.by_city,
            )
            self._index.phones.job_number = patch.number
            # Patches number companies from the end of the names, the blueprint from their beginning.
            count = sum(delta.companies_created for delta in patch.deltas.values())
            first = self._company_naming.space - patch.companies_before - count
            self._index.next_company_number = max(first, 0)
        self._name_lookup = NameLookup(locale, self._index)

    @property
    def team(self) -> Team:
        """Users, stages and tags."""
        return self._team

    def skip_to(self, month: Month) -> None:
        """Make ``month`` the next one: rows of the months before it enter the index and nothing else."""
        while self._next < month:
            for _ in self.parents([self._next], is_made=False):
                pass
            self._advance()

    def month(self, month: Month) -> Iterator[Batch]:
        """The blueprint's rows of the next month, parents first. ``ValueError`` for another month."""
        if month != self._next:
            raise ValueError(f"{month} is out of turn, {self._next} comes next")
        return self._whole_month(month)

    def _whole_month(self, month: Month) -> Iterator[Batch]:
        yield from self.parents([month])
        yield from self.children([month])
        self._advance()

    def _advance(self) -> None:
        self._index.trim()
        self._next += 1

    def parents(self, months: Iterable[Month], *, is_made: bool = True) -> Iterator[Batch]:
        """All rows of the months except activities, parents before children; they enter the index.

        Without ``is_made`` they only enter the index, and nothing is yielded. The months ascend.
        """
        for month in months:
            context, figures = self._context(month), self._figures(month)
            # One step a table: only the index outlives it, so memory does not grow.
            yield from _companies(context, figures, is_made=is_made)
            yield from _contacts(context, figures, is_made=is_made)
            yield from _deals(context, figures, is_made=is_made)

    def children(self, months: Iterable[Month]) -> Iterator[Batch]:
        """The activities of the months, once all parents are made: nothing refers to activities."""
        for month in months:
            context = self._context(month)
            yield from _as_batches("activities", context, activity_batches(context, self._figures(month)))

    def _figures(self, month: Month) -> Figures:
        return self.spec.figures_of(month) if self._patch is None else self._patch.deltas[month]

    @cached_property
    def _meetings(self) -> Meetings:
        """Those that a patch finds."""
        return NO_MEETINGS if self._patch is None else existing_meetings(self._patch.existing)

    @cached_property
    def _closing_plan(self) -> ClosingPlan:
        """When the wins of the span, or of the patch, close: all before the instant of reference."""
        reference = self._reference
        first = self.spec.start_month if self._patch is None else min(self._patch.deltas)
        last = max(Month.containing(reference - timedelta(microseconds=1)), first)
        return plan_closings(
            self._timeline(reference),
            first,
            [
                self._figures(month).closed_won_count if self._is_planned(month) else 0
                for month in first.until(last)
            ],
            instant_us(reference),
            self._industry.cycle_quantiles,
            CLOSED if self._is_over() else LIVING,
        )

    def _is_over(self) -> bool:
        """Whether the tenant has an end, and it was reached."""
        return self.spec.closed_month is not None and self._reference >= self.spec.end_month.end

    def _is_planned(self, month: Month) -> bool:
        """Whether the closing plan has its wins: those of a month that is not over close by its own end.

        Such a month may be loaded while it runs, and no row that is loaded changes.
        """
        return month in self._patch.deltas if self._patch is not None else month.end <= self._reference

    def _timeline(self, limit: datetime) -> Timeline:
        return self._calendar.timeline(self._timeline_start, Month.containing(limit) + MONTHS_AHEAD)

    def _context(self, month: Month) -> MonthContext:
        limit, work = self._reference, self._calendar.month(month)
        plan, figures = self._closing_plan, self._figures(month)
        if self._patch is None:
            limit = max(limit, month.end)
        else:
            work = work.until(instant_us(limit))
        return MonthContext(
            spec=self.spec,
            locale=self._locale,
            industry=self._industry,
            texts=self._texts,
            stories=self._stories,
            month=month,
            work=work,
            timeline=self._timeline(limit),
            limit_us=instant_us(limit) - 1,
            reference_us=instant_us(self._reference),
            team=self._team,
            index=self._index,
            name_lookup=self._name_lookup,
            company_naming=self._company_naming,
            tenant_stream=self._tenant_stream,
            stream=self._stream.child(str(month)),
            price_level=self._price_level,
            closings=plan.of(month) if self._is_planned(month) else np.array([figures.closed_won_count]),
            length_percent=plan.length_percent,
            is_patch=self._patch is not None,
            meetings=self._meetings,
        )


def _companies(context: MonthContext, figures: Figures, *, is_made: bool) -> Iterator[Batch]:
    rows, draws = compose_companies(context, figures.companies_created)
    context.index.add_companies(rows)
    phones = company_phones(context, rows, draws)
    if is_made:
        yield from _as_batches("companies", context, company_batches(context, rows, draws, phones))


def _contacts(context: MonthContext, figures: Figures, *, is_made: bool) -> Iterator[Batch]:
    rows, draws = compose_contacts(context, figures)
    keys, phones = address_keys(context, rows), contact_phones(context, rows, draws)
    if is_made:
        yield from _as_batches("contacts", context, contact_batches(context, rows, draws, keys, phones))
        yield from _as_batches("contact_tags", context, tag_batches(context, rows))
    context.index.addresses.add(keys)
    context.index.add_contacts(rows)


def _deals(context: MonthContext, figures: Figures, *, is_made: bool) -> Iterator[Batch]:
    rows, facts = compose_deals(context, figures)
    context.index.mark_won(rows.contact[facts.outcome == WON])
    context.index.add_deals(rows)
    if is_made:
        yield from _as_batches("deals", context, deal_batches(context, rows, facts))


def _as_batches(table: str, context: MonthContext, blocks: Iterable[pa.RecordBatch]) -> Iterator[Batch]:
    # Not a generator function: it would hold each block while the next one is made.
    return map(partial(Batch, table, context.month), blocks)
