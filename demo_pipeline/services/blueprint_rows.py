"""Which of the blueprint's rows are missing, month by month, and what they will change.

Belongs here: the decision, and the stream of rows to load. Does not: transactions, the gate, the ledger.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import psycopg
import pyarrow as pa

from demo_pipeline.domain.arrow import Column, column, keep, to_mask
from demo_pipeline.domain.calendar import instant_us
from demo_pipeline.domain.metrics import Figures
from demo_pipeline.domain.months import Month
from demo_pipeline.domain.planning import TenantSpec
from demo_pipeline.domain.rows import COUNTED, UUID
from demo_pipeline.domain.slices import figures_of_rows, happened, without
from demo_pipeline.domain.story import Batch, Story
from demo_pipeline.storage.load import present_ids
from demo_pipeline.storage.tenants import MonthState, TenantState

_MONTHLY_TABLES = (*COUNTED, "contact_tags")
_TEAM_TABLES = ("users", "pipeline_stages", "tags")
_NO_IDS = pa.array([], UUID)
_EVER = (datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC))


@dataclass(frozen=True)
class MonthWork:
    """What is to be done for one month."""

    month: Month
    #: nothing of the month has ever been loaded, and all of it has happened
    is_new: bool
    #: all of the month has happened
    is_whole: bool
    #: table → ids that are there already; empty for a new month
    present: Mapping[str, Column]


@dataclass
class MissingRows:
    """The rows to load, in one pass, and what they change, complete once the pass is over."""

    spec: TenantSpec
    story: Story
    as_of: datetime
    last: Month
    work: tuple[MonthWork, ...]
    present_team: Mapping[str, Column]
    #: month → what the loaded rows add to its KPIs
    change: dict[Month, Figures] = field(default_factory=dict[Month, Figures])
    #: month → the blueprint's rows that are in the database after the job
    loaded: dict[Month, MonthState] = field(default_factory=dict[Month, MonthState])

    @property
    def row_count(self) -> int:
        """Rows of the four counted tables that the work may make at most."""
        figures = [self.spec.figures_of(work.month) for work in self.work]
        return sum(
            one.contacts_created + one.companies_created + one.deals_created + one.activities_created
            for one in figures
        )

    def batches(self) -> Iterator[tuple[str, pa.RecordBatch]]:
        """Table and rows, parents before children; goes with :func:`storage.load.encoded`."""
        for table, rows in self.story.team.batches().items():
            kept = without(Batch(table, self.spec.start_month, rows), self.present_team[table])
            if kept.rows.num_rows:
                yield table, kept.rows
        by_month = {work.month: work for work in self.work}
        for month in self.spec.start_month.until(self.last):
            if month not in by_month:
                self.story.pass_over(month)
                continue
            for batch in self._month(by_month[month]):
                if batch.rows.num_rows:
                    yield batch.table, batch.rows

    def _month(self, work: MonthWork) -> Iterator[Batch]:
        month, batches = work.month, self.story.month(work.month)
        if work.is_new:
            figures = self.spec.figures_of(month)
            yield from batches
            self.change[month] = figures
            self.loaded[month] = self._state(month, figures, is_whole=True)
            return
        # The figures are counted from the rows: what is there of them, and what comes now.
        outcomes = self._outcomes()
        digits = self.spec.minor_digits
        whole, change = Figures(), Figures()
        for batch in happened(batches, instant_us(self.as_of)):
            whole += figures_of_rows(batch, outcomes, digits)
            missing = without(batch, work.present.get(batch.table, _NO_IDS))
            change += figures_of_rows(missing, outcomes, digits)
            yield missing
        self.change[month] = change
        self.loaded[month] = self._state(month, whole, is_whole=work.is_whole)

    def _state(self, month: Month, figures: Figures, *, is_whole: bool) -> MonthState:
        return MonthState(month=month, loaded_as_of=self.as_of, is_whole=is_whole, figures=figures)

    def _outcomes(self) -> tuple[Column, Column]:
        stages = self.story.team.stages
        ids, won, lost = (column(stages, name) for name in ("id", "is_won", "is_lost"))
        return keep(ids, to_mask(won)), keep(ids, to_mask(lost))


def missing_rows(
    conn: psycopg.Connection[Any],
    spec: TenantSpec,
    state: TenantState,
    before: Mapping[Month, Figures],
    last: Month,
    as_of: datetime,
) -> MissingRows:
    """What the blueprint still owes, up to ``last``. Within the job's transaction, after its claim.

    A month that was loaded and shows its figures is left alone.
    """
    tenant = state.tenant
    work = tuple(
        _work(conn, state, month, as_of)
        for month in spec.start_month.until(last)
        if not is_as_loaded(state, month, before, as_of)
    )
    team = {table: present_ids(conn, tenant.tenant_id, table, *_EVER) for table in _TEAM_TABLES}
    return MissingRows(spec, Story(spec, tenant.provisioned_at), as_of, last, work, team)


def is_as_loaded(state: TenantState, month: Month, figures: Mapping[Month, Figures], as_of: datetime) -> bool:
    """Whether all that the blueprint has for a month by ``as_of`` was loaded, and its figures stand."""
    loaded = state.months.get(month)
    if loaded is None:
        return False
    is_fresh = loaded.is_whole or loaded.loaded_as_of >= as_of
    return is_fresh and figures.get(month, Figures()) == loaded.figures


def _work(conn: psycopg.Connection[Any], state: TenantState, month: Month, as_of: datetime) -> MonthWork:
    is_whole = month.end <= as_of
    if month not in state.months and is_whole:
        return MonthWork(month, is_new=True, is_whole=True, present={})
    present = {
        table: present_ids(conn, state.tenant.tenant_id, table, month.start, month.end)
        for table in _MONTHLY_TABLES
    }
    return MonthWork(month, is_new=False, is_whole=is_whole, present=present)
