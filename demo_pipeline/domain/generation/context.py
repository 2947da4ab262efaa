"""What generation of one month knows: the tenant, its country and industry, its time, its streams."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

import numpy as np
import pyarrow as pa

from demo_pipeline.domain.blueprint.tenant_spec import TenantSpec
from demo_pipeline.domain.core.arrow import Mask, constant
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.core.random_streams import I64, U64, Stream, ascending, pick, scale
from demo_pipeline.domain.core.row_ids import Uuids, row_ids
from demo_pipeline.domain.generation.calendar import MINUTE_US, Buyer, Timeline, WeightedMinutes
from demo_pipeline.domain.generation.company_names import CompanyNaming
from demo_pipeline.domain.generation.entity_index import EntityIndex, NameLookup
from demo_pipeline.domain.generation.price_lists import PriceList, price_list
from demo_pipeline.domain.generation.team import Team
from demo_pipeline.domain.reference.countries import Locale
from demo_pipeline.domain.reference.industries import Industry
from demo_pipeline.domain.reference.stories import Stories
from demo_pipeline.domain.reference.texts import Texts

#: Working minutes within which a row may be changed while its month may still be loaded.
_SOON: Final = 120

#: Rows of one block, a multiple of 4 (see ``Stream.raw``).
_BLOCK_ROWS: Final = 8_192


def blocks(count: int, rows: int = _BLOCK_ROWS) -> Iterator[tuple[int, int]]:
    """First row and end of each block of ``count`` rows: made so, memory does not grow with a month."""
    for start in range(0, count, rows):
        yield start, min(start + rows, count)


@dataclass(frozen=True)
class Draws:
    """The columns of draws of some rows of a table, in the order in which the rows are made."""

    stream: Stream
    #: instants (us) of creation, ascending unless a caller moved some, shape (n,)
    created_us: I64
    #: row i takes draw ``start + order[i]`` of every column
    order: I64
    start: int
    #: draws of a column, at least as many as rows
    count: int

    def __call__(self, column: str) -> U64:
        return self.stream.raw(column, self.count, self.start)[self.order]

    def ids(self) -> Uuids:
        return row_ids(self.created_us, self("id_high"), self("id_low"))

    def moved(self, created_us: I64) -> tuple[Draws, I64]:
        """The same draws with other instants, in their order; with the permutation that was applied."""
        again = ascending(created_us)
        return Draws(self.stream, created_us[again], self.order[again], self.start, self.count), again

    def __getitem__(self, rows: slice) -> Draws:
        """The draws of some of the rows."""
        return replace(self, created_us=self.created_us[rows], order=self.order[rows])


@dataclass(frozen=True, kw_only=True, eq=False)
class Meetings:
    """Meetings that are there already; columns of the same length."""

    #: place in the team
    person: I64
    start_us: I64
    minutes: I64


NO_MEETINGS: Final = Meetings(
    person=np.empty(0, np.int64), start_us=np.empty(0, np.int64), minutes=np.empty(0, np.int64)
)


@dataclass(frozen=True, kw_only=True)
class MonthContext:
    """Everything that the rows of one month are made from, but their number."""

    spec: TenantSpec
    locale: Locale
    industry: Industry
    texts: Texts
    stories: Stories
    month: Month
    work: WeightedMinutes
    #: from the month, or an earlier one, to some months beyond the limit
    timeline: Timeline
    #: no fact lies later (us)
    limit_us: int
    #: the instant (us) at which rows are seen: what is open then is open
    reference_us: int
    team: Team
    index: EntityIndex
    name_lookup: NameLookup
    company_naming: CompanyNaming
    #: what is drawn once for a tenant
    tenant_stream: Stream
    #: rows draw from ``stream.child(table)``
    stream: Stream
    #: minor units for a US cent of the industry's prices
    price_level: Fraction
    #: how many of the month's wins close in it and in each month after it, shape (months until the end,)
    closings: I64
    #: what is left of a deal's length, per cent, so that wins close in time
    length_percent: int
    #: rows of a patch: they come after all that the blueprint has, and will have
    is_patch: bool = False
    #: those of a patch's months; the months of the blueprint keep out of each other's way
    meetings: Meetings = NO_MEETINGS

    @property
    def prices(self) -> PriceList:
        """The price list of the tenant."""
        return price_list(self.industry.pricing, self.price_level, 10**self.spec.currency.minor_digits)

    @property
    def today_us(self) -> int:
        """The instant (us) from which this month's rows are seen: what is open then is open."""
        return max(self.reference_us, int(self.work.minutes[-1]) * MINUTE_US)

    @property
    def is_beginning(self) -> bool:
        """Whether it is the first month of the blueprint, which begins without contacts."""
        return self.month == self.spec.start_month and not self.is_patch

    def draws(
        self,
        table: str,
        count: int,
        *,
        start: int = 0,
        after_us: int | None = None,
        is_growing: bool = False,
    ) -> Draws:
        """Draws for rows ``start`` to ``start + count`` of a table, by their instant of creation.

        ``is_growing``: their density rises linearly over the month, rather than being even.
        """
        stream = self.stream.child(table)
        minute = stream.raw("minute", count, start)
        if is_growing:
            # The larger of two is as likely as it is large.
            minute = np.maximum(minute, stream.raw("minute_again", count, start))
        drawn = self.work.draw(minute, stream.raw("second", count, start), after_us=after_us)
        order = ascending(drawn)
        return Draws(stream, drawn[order], order, start, count)

    def arrivals(self, buyer: Buyer) -> WeightedMinutes:
        """The month's minutes up to the limit, by how often such people arrive in them by themselves."""
        return self.timeline.calendar.arrivals(self.month, buyer).until(self.limit_us + 1)

    def later(self, start_us: I64, minutes: I64, draws: U64) -> I64:
        """Instants ``minutes`` working minutes after ``start_us`` (itself, where 0); shape (n,).

        The second comes from the draw. It may lie beyond the limit: the caller compares.
        """
        timeline = self.timeline.minutes
        slots = np.searchsorted(timeline, start_us // MINUTE_US) + minutes
        chosen = timeline[np.minimum(slots, len(timeline) - 1)] * MINUTE_US
        seconds = (draws >> np.uint64(40)).astype(np.int64) * MINUTE_US >> 24
        return np.where(minutes > 0, np.maximum(chosen + seconds, start_us), start_us)

    def changed(self, rows_us: I64, is_changed: Mask, minutes: I64, draws: U64) -> I64:
        """When rows were last changed: ``minutes`` working minutes after ``rows_us``, or ``rows_us`` itself.

        Only an instant before that of provisioning is taken as it is, because no month is loaded before
        then. Later than that, a row would be loaded as late as it was changed: there, changes come within two
        working hours, and none to what was made outside of them. A change beyond the limit is left out.
        """
        rows = np.flatnonzero(is_changed)
        before, drawn = rows_us[rows], draws[rows]
        after = self.later(before, minutes[rows], drawn)
        late = np.flatnonzero(after >= self.reference_us)
        soon = 1 + scale(drawn[late] << np.uint64(20), _SOON - 1)
        timeline, made = self.timeline.minutes, before[late] // MINUTE_US
        at_work = timeline[np.minimum(np.searchsorted(timeline, made), len(timeline) - 1)] == made
        after[late] = np.where(at_work, self.later(before[late], soon, drawn[late]), before[late])
        changed = rows_us.copy()
        changed[rows] = np.where(after <= self.limit_us, after, before)
        return changed

    def at_usual_hour(self, instants_us: I64, after_us: I64, draws: U64, hours: I64) -> I64:
        """The same working days, at an hour by its weight (running sums over a day's minutes).

        Where that hour lies before ``after_us``, the instant stays as it is.
        """
        timeline, starts = self.timeline.minutes, self.timeline.day_starts
        slots = np.searchsorted(timeline, instants_us // MINUTE_US)
        day = np.searchsorted(starts, slots, side="right") - 1
        minute = np.minimum(pick(draws, hours), self.timeline.day_lengths[day] - 1)
        usual = timeline[starts[day] + minute] * MINUTE_US + instants_us % MINUTE_US
        return np.where(usual > after_us, usual, instants_us)

    def minutes_between(self, start_us: I64, end_us: int) -> I64:
        """Whole working minutes from ``start_us`` to ``end_us``, at least 0."""
        timeline = self.timeline.minutes
        end = int(np.searchsorted(timeline, end_us // MINUTE_US, side="right")) - 1
        return np.maximum(end - np.searchsorted(timeline, start_us // MINUTE_US), 0)

    def source_month(self, count: int) -> pa.StringArray:
        return constant(str(self.month), count)
