"""Which of the blueprint's rows are missing, month by month, and what they will change.

Belongs here: the decision, and the stream of rows to load. Does not: transactions, the gate, the ledger.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import psycopg
import pyarrow as pa

from demo_pipeline.domain.blueprint.tenant_spec import TenantSpec
from demo_pipeline.domain.core.arrow import Column, column, keep, records, to_mask
from demo_pipeline.domain.core.figures import NO_MONTHS, VALUE_METRICS, Figures, FiguresByMonth
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.feasibility import Caps, check_caps, nearest_feasible, shortfall
from demo_pipeline.domain.generation.calendar import instant_us
from demo_pipeline.domain.generation.generator import Batch, Generator
from demo_pipeline.domain.generation.partial_month import figures_of_rows, up_to, without
from demo_pipeline.domain.generation.row_schemas import UUID
from demo_pipeline.domain.model import MODEL
from demo_pipeline.domain.reference.versions import figures_version, present_version
from demo_pipeline.services.jobs.row_checks import RowCounts, absent_rows, count_blueprint_rows
from demo_pipeline.services.jobs.tenant_context import TenantContext, check_instant
from demo_pipeline.services.months.month_range import MonthRange, month_range
from demo_pipeline.settings import Settings
from demo_pipeline.storage.ledger.tenants import MonthState
from demo_pipeline.storage.rows.existing_rows import first_contact_at, has_won_stage
from demo_pipeline.storage.rows.generated_row_index import present_ids
from demo_pipeline.storage.rows.kpis import all_figures
from demo_pipeline.storage.rows.pipeline_stages import stage_outcomes

#: Tables without any of whose rows a month is not whole.
REQUIRED_TABLES: Final = (*MODEL.team, *MODEL.counted)
_NO_IDS = pa.nulls(0, UUID)
_EVER = (datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC))


@dataclass(frozen=True)
class MonthWork:
    """What is to be done for one month."""

    month: Month
    #: what has happened by then
    as_of: datetime
    #: nothing of the month has ever been loaded, and all of it has happened
    is_new: bool
    #: all of the month has happened
    is_whole: bool
    #: table → ids that are there already; empty for a new month
    present: Mapping[str, Column]


@dataclass
class PendingLoad:
    """The rows to load, in one pass, and what they change, complete once the pass is over."""

    spec: TenantSpec
    generator: Generator
    as_of: datetime
    last: Month
    work: tuple[MonthWork, ...]
    #: table → ids of the team that are there already; None: no row is made one by one
    present_team: Mapping[str, Column] | None
    #: stage id → (is won, is lost), as people may have changed them
    outcomes_now: Mapping[bytes, tuple[bool, bool]]
    #: month → what the loaded rows add to its KPIs
    change: FiguresByMonth = NO_MONTHS
    #: month → the blueprint's rows that are in the database after the job
    loaded: dict[Month, MonthState] = field(default_factory=dict[Month, MonthState])
    #: month → figures of rows that another version cannot complete row by row; no ``work`` then
    additions: FiguresByMonth = NO_MONTHS

    @property
    def row_count(self) -> int:
        """Rows of the four counted tables that are to be made at most."""
        figures = [*(self.spec.figures_of(work.month) for work in self.work), *self.additions.values()]
        return sum(one.row_count for one in figures)

    def count_rows(self) -> int:
        """How many rows of the tables in ``REQUIRED_TABLES`` are to be loaded, exactly: makes them all."""
        added = sum(one.row_count for one in self.additions.values())
        if not self.work:
            return added
        return added + sum(rows.num_rows for table, rows in self.batches() if table in REQUIRED_TABLES)

    def batches(self) -> Iterator[tuple[str, pa.RecordBatch]]:
        """Table and rows but for ``additions``, parents before children; goes with ``storage.rows.load``."""
        if self.present_team is None:
            return
        for table, rows in self.generator.team.batches().items():
            kept = without(Batch(table, self.spec.start_month, rows), self.present_team[table])
            if kept.rows.num_rows:
                yield table, kept.rows
        by_month = {work.month: work for work in self.work}
        for month in self.spec.start_month.until(self.last):
            if month not in by_month:
                self.generator.skip_to(month + 1)
                continue
            for batch in self._month(by_month[month]):
                if batch.rows.num_rows:
                    yield batch.table, batch.rows
                # Else it would be held while the next one is made.
                del batch

    def _month(self, work: MonthWork) -> Iterator[Batch]:
        month, batches = work.month, self.generator.month(work.month)
        stored = _outcomes(self.generator)
        now = self._outcomes_now(stored)
        if work.is_new and now is stored:
            figures = self.spec.figures_of(month)
            yield from batches
            self.change |= {month: figures}
            self.loaded[month] = self._state(work, figures)
            return
        # The figures are counted from the rows: what the blueprint has, and what comes now.
        currency = self.spec.currency
        whole, change = Figures(), Figures()
        for batch in up_to(batches, instant_us(work.as_of)):
            whole += figures_of_rows(batch, stored, currency)
            missing = without(batch, work.present.get(batch.table, _NO_IDS))
            change += figures_of_rows(missing, now, currency)
            yield missing
        self.change |= {month: change}
        self.loaded[month] = self._state(work, whole)

    def _state(self, work: MonthWork, figures: Figures) -> MonthState:
        return MonthState(
            month=work.month,
            loaded_as_of=work.as_of,
            is_whole=work.is_whole,
            figures=figures,
            versions=(present_version(),),
        )

    def _outcomes_now(self, stored: tuple[Column, Column]) -> tuple[Column, Column]:
        """Ids of the stages that are won and lost by now; ``stored`` itself if none was changed."""
        stages = records(self.generator.team.stages, "id", "is_won", "is_lost")
        changed = any(
            self.outcomes_now.get(stage["id"], flags) != flags
            for stage in stages
            if (flags := (stage["is_won"], stage["is_lost"]))
        )
        if not changed:
            return stored
        # A stage that people deleted is made again as it was.
        flags = [self.outcomes_now.get(stage["id"], (stage["is_won"], stage["is_lost"])) for stage in stages]
        ids = column(self.generator.team.stages, "id")
        return (
            keep(ids, np.array([is_won for is_won, _ in flags])),
            keep(ids, np.array([is_lost for _, is_lost in flags])),
        )


def missing_rows(
    conn: psycopg.Connection[Any], context: TenantContext, last: Month, as_of: datetime
) -> PendingLoad:
    """The blueprint's missing rows, up to ``last``. Within the job's transaction, after its claim.

    A month of which all that has happened was loaded, and is still there, is left alone. So is every month
    after the end of a closed tenant. Once another version of lists or generator made a month, or a reconcile
    hid rows, none is made row by row: what is missing are ``additions``, figures for rows that refer to what
    is in the database.
    """
    spec, tenant = context.spec, context.state.tenant
    last = context.last_asked(last)
    counts = count_blueprint_rows(conn, context)
    incomplete = [
        month for month in spec.start_month.until(last) if not is_complete(context, month, counts, as_of)
    ]
    if context.is_made_by_figures:
        return _by_present_version(conn, context, incomplete, counts, last, as_of)
    work = tuple(_work(conn, context, month, as_of) for month in incomplete)
    team = {table: present_ids(conn, tenant.tenant_id, table, *_EVER) for table in MODEL.team}
    return PendingLoad(
        spec=spec,
        generator=Generator(spec, tenant.provisioned_at),
        as_of=as_of,
        last=last,
        work=work,
        present_team=team,
        outcomes_now=stage_outcomes(conn, tenant.tenant_id),
    )


def _by_present_version(
    conn: psycopg.Connection[Any],
    context: TenantContext,
    incomplete: Sequence[Month],
    counts: RowCounts,
    last: Month,
    as_of: datetime,
) -> PendingLoad:
    """What is missing of a tenant that has months of another version: figures, not rows.

    The rows that make them up refer to what is in the database, as those of a patch do.
    """
    spec, tenant_id, currency = context.spec, context.state.tenant.tenant_id, context.spec.currency
    there = all_figures(conn, tenant_id, currency) if incomplete else NO_MONTHS
    first_contact, has_stage = first_contact_at(conn, tenant_id), has_won_stage(conn, tenant_id)
    additions: dict[Month, Figures] = {}
    loaded: dict[Month, MonthState] = {}
    for month in incomplete:
        state = context.state.months.get(month)
        before = state.figures if state is not None else Figures()
        until = as_of if state is None else max(as_of, state.loaded_as_of)
        has_contact = any(one.contacts_created for one in additions.values()) or (
            first_contact is not None and first_contact < min(month.end, until)
        )
        due = _due(context, month, before, until)
        lacking = due - before
        if state is not None and absent_rows(state, counts):
            changes = context.state.changes.at(month)
            lacking += shortfall(
                before + changes,
                there.at(month),
                has_contact=has_contact,
                has_won_stage=has_stage,
            )
        added = shortfall(lacking, Figures(), has_contact=has_contact, has_won_stage=has_stage)
        if added:
            additions[month] = added
        made_by = state.versions if state is not None else ()
        loaded[month] = MonthState(
            month=month,
            loaded_as_of=until,
            is_whole=month.end <= until,
            figures=due,
            versions=_versions(made_by, is_added=bool(added)),
        )
    return PendingLoad(
        spec=spec,
        generator=Generator(spec, context.state.tenant.provisioned_at),
        as_of=as_of,
        last=last,
        work=(),
        present_team=None,
        outcomes_now={},
        change=FiguresByMonth(additions),
        loaded=loaded,
        additions=FiguresByMonth(additions),
    )


def _versions(made_by: tuple[str, ...], *, is_added: bool) -> tuple[str, ...]:
    if not is_added:
        return made_by or (present_version(),)
    return made_by if figures_version() in made_by else (*made_by, figures_version())


def _due(context: TenantContext, month: Month, before: Figures, until: datetime) -> Figures:
    """The blueprint's figures of a month by an instant, where another version made rows of the tenant.

    Of a running month the present version's part, but no metric less than ``before``, what was loaded; and
    never so much that the rest of the month could not be made exactly.
    """
    whole = context.spec.figures_of(month)
    if month.end <= until:
        return whole
    part = _part(context, month, until)
    step = shortfall(part, before, has_contact=True, has_won_stage=True)
    rest = whole - before - step
    if nearest_feasible([rest], contacts_before=1) != (rest,):
        # Won deals and values wait for the end of the month.
        step = replace(step, deals_created=0, closed_won_count=0, closed_won_value=0, pipeline_added_value=0)
    return before + step


def _part(context: TenantContext, month: Month, until: datetime) -> Figures:
    """The figures of the rows that the present version has for a month by an instant."""
    generator = Generator(context.spec, context.state.tenant.provisioned_at)
    generator.skip_to(month)
    outcomes = _outcomes(generator)
    part = Figures()
    for batch in up_to(generator.month(month), instant_us(until)):
        part += figures_of_rows(batch, outcomes, context.spec.currency)
    return part


def is_made(conn: psycopg.Connection[Any], context: TenantContext, last: Month, as_of: datetime) -> bool:
    """Whether none of the blueprint's rows up to ``last`` is missing.

    What people made or hid is drift. ``conn`` is an administrator's.
    """
    counts = count_blueprint_rows(conn, context)
    for month in context.spec.start_month.until(context.last_asked(last)):
        loaded = context.state.months.get(month)
        if loaded is None:
            return False
        is_late = not loaded.is_whole and loaded.loaded_as_of < as_of
        if not is_complete(context, month, counts, loaded.loaded_as_of if is_late else as_of):
            return False
        if is_late and has_more(context, month, as_of):
            return False
    return True


@dataclass(frozen=True, kw_only=True)
class MonthsState:
    """Months of a tenant as they are, against what is expected of them."""

    asked: MonthRange
    #: month → expected figures and those that are there, in minor units; months that agree are left out
    differing: Mapping[Month, tuple[Figures, Figures]]
    #: none of the blueprint's rows up to the last month is missing
    is_made: bool


def read_months(
    conn: psycopg.Connection[Any],
    settings: Settings,
    context: TenantContext,
    as_of: datetime,
    first: Month | None = None,
    last: Month | None = None,
) -> MonthsState:
    """Compare the months from ``first`` to ``last`` (default: all of the tenant) in one transaction.

    ``conn`` is an administrator's. Raises as ``month_range`` and ``check_instant`` do.
    """
    asked = month_range(context, first, last, as_of)
    check_instant(context, as_of, settings)
    there = all_figures(conn, context.state.tenant.tenant_id, context.spec.currency)
    recorded = sorted(context.recorded_months.intersection(asked.months))
    pairs = ((month, (context.expected(month), there.at(month))) for month in recorded)
    return MonthsState(
        asked=asked,
        differing={month: pair for month, pair in pairs if pair[0] != pair[1]},
        is_made=is_made(conn, context, asked.last, as_of),
    )


def check_months_beyond(context: TenantContext, last: Month, caps: Caps) -> None:
    """Months after the span are not in the blueprint's totals: each that is missing is bounded by itself.

    Raises ``CapExceededError``, before anything of them is made.
    """
    for month in (context.spec.end_month + 1).until(context.last_asked(last)):
        if month not in context.state.months:
            check_added(context, context.spec.figures_of(month), caps)


def check_added(context: TenantContext, figures: Figures, caps: Caps) -> None:
    """Refuse figures of months after the span that are beyond a cap (``CapExceededError``).

    Values count where the blueprint declares any: those that follow the deals are never refused.
    """
    blueprint: Mapping[str, Any] = context.state.tenant.blueprint
    sections: list[Mapping[str, Any]] = [blueprint.get("totals") or {}, *(blueprint.get("months") or ())]
    is_declared = any(section.get(metric) is not None for section in sections for metric in VALUE_METRICS)
    check_caps(
        figures,
        caps,
        currency=context.spec.currency,
        declared_value=figures.pipeline_added_value if is_declared else 0,
    )


def is_complete(context: TenantContext, month: Month, counts: RowCounts, as_of: datetime) -> bool:
    """Whether all that the blueprint has for a month by ``as_of`` was loaded and is still there.

    Rows that people hid are there; rows that people made do not count.
    """
    loaded = context.state.months.get(month)
    if loaded is None:
        return False
    if not loaded.is_whole and loaded.loaded_as_of < as_of:
        return False
    return not absent_rows(loaded, counts)


def has_more(context: TenantContext, month: Month, as_of: datetime) -> bool:
    """Whether rows of the running month have happened since it was loaded last."""
    loaded = context.state.months[month].figures
    if context.is_made_by_figures:
        return _due(context, month, loaded, as_of) != loaded
    return _part(context, month, as_of) != loaded


def _outcomes(generator: Generator) -> tuple[Column, Column]:
    """Ids of the won and of the lost stages, as the generator has them."""
    stages = generator.team.stages
    ids, won, lost = (column(stages, name) for name in ("id", "is_won", "is_lost"))
    return keep(ids, to_mask(won)), keep(ids, to_mask(lost))


def _work(conn: psycopg.Connection[Any], context: TenantContext, month: Month, as_of: datetime) -> MonthWork:
    loaded = context.state.months.get(month)
    # A rewind leaves rows of a month there which it is back before, where rows of people depend on them.
    if loaded is None and month.end <= as_of and not context.was_rewound:
        return MonthWork(month, as_of, is_new=True, is_whole=True, present={})
    present = {
        table: present_ids(conn, context.state.tenant.tenant_id, table, month.start, month.end)
        for table in MODEL.monthly
    }
    # What was loaded stays loaded: an earlier DEMO_NOW takes nothing back.
    until = as_of if loaded is None else max(as_of, loaded.loaded_as_of)
    return MonthWork(month, until, is_new=False, is_whole=month.end <= until, present=present)
