"""Which months of a tenant a request is about, and which of them are loaded in part.

A month that runs has the rows of what has happened by now, so its figures are below those of the blueprint.
Which rows these are is decided in ``pending_load``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from demo_pipeline.domain.blueprint.tenant_spec import TenantSpec
from demo_pipeline.domain.core.errors import InputError, Problem
from demo_pipeline.domain.core.figures import METRICS, Figures
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.core.wording import counted
from demo_pipeline.services.jobs.tenant_context import TenantContext, open_snapshot
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database

#: what is counted of a month that is loaded in part: the first of these that its blueprint asks for
_COUNTED: Final = ("contacts_created", "deals_created", "activities_created", "companies_created")


@dataclass(frozen=True, kw_only=True)
class MonthRange:
    """Months of one tenant, in order; a closed tenant's may have gaps after its end."""

    first: Month
    last: Month
    months: tuple[Month, ...]


def month_range(
    context: TenantContext,
    first: Month | None,
    last: Month | None,
    as_of: datetime,
    *,
    with_gaps: bool = False,
) -> MonthRange:
    """The months from ``first`` to ``last``; by default all that the tenant has and that have begun.

    A month after the end of a closed tenant belongs to it if a job recorded a change there. Others are left
    out of a default range and of one ``with_gaps``, and refused where the range was given.

    Raises ``InputError`` for a month before the span, after the end or in the future, and for an empty range.
    """
    spec, running = context.spec, Month.containing(as_of)
    start = first or spec.start_month
    end = last or max(start, *_begun(context, running))
    problems: list[Problem] = []
    for month in sorted({start, end}):
        if month < spec.start_month:
            message = f"{month} is before the first month of {spec.slug}; begin with {spec.start_month}"
            problems.append(Problem(code="before_span", month=str(month), message=message))
        elif month > running:
            message = f"{month} lies in the future; the last month that has begun is {running}"
            problems.append(Problem(code="future_month", month=str(month), message=message))
    if end < start:
        message = f"the range ends ({end}) before it begins ({start})"
        problems.append(Problem(code="empty_range", month=str(start), message=message))
    months = tuple(month for month in start.until(end) if context.has_month(month))
    absent = [month for month in start.until(end) if month not in months]
    may_have_gaps = with_gaps or (last is None and start in months)
    if not problems and absent and not (may_have_gaps and months):
        problems.append(_after_end(context, absent))
    if problems:
        raise InputError("; ".join(problem.message for problem in problems), problems)
    return MonthRange(first=start, last=end, months=months)


def impossible_months(
    database: Database, settings: Settings, slug: str, months: Sequence[Month]
) -> dict[Month, str]:
    """Those of ``months`` that can have no rows of the tenant, with the reason.

    Raises ``NotFoundError``, ``NotADemoTenantError``.
    """
    with open_snapshot(database, settings, slug, "show") as (_, context, as_of):
        running = Month.containing(as_of)
    reasons = ((month, _reason(context, month, running)) for month in months)
    return {month: reason for month, reason in reasons if reason is not None}


def _reason(context: TenantContext, month: Month, running: Month) -> str | None:
    if month < context.spec.start_month:
        return f"before the tenant's first month, {context.spec.start_month}"
    if month > running:
        return f"in the future; the last month that has begun is {running}"
    if not context.has_month(month):
        return f"after the tenant's end, {context.end_month}, and no plan has added rows there"
    return None


def _begun(context: TenantContext, running: Month) -> list[Month]:
    """The last month that the blueprint asks for, and those in which jobs recorded changes."""
    return [context.last_asked(running), *(month for month in context.state.changes if month <= running)]


def _after_end(context: TenantContext, absent: Sequence[Month]) -> Problem:
    """Months that the tenant does not have; ``absent`` is in order and not empty."""
    slug, first, last = context.spec.slug, absent[0], absent[-1]
    which = f"{first} is" if first == last else f"{first} to {last} are"
    message = (
        f"{which} after the end of {slug}, {context.end_month}, and no plan has added rows there; to let the "
        f"blueprint go on: demo-pipeline tenant extend {slug} --to {last}"
    )
    return Problem(code="after_end", month=str(first), message=message)


def partial_month_notes(context: TenantContext, months: Iterable[Month], as_of: datetime) -> tuple[str, ...]:
    """A sentence for each of ``months`` whose blueprint is loaded in part, in order."""
    running = Month.containing(as_of)
    states = [context.loaded_months[month] for month in sorted(months) if month in context.loaded_months]
    return tuple(
        f"{_running(state.month, part)}; all of it from {state.month.end:%Y-%m-%d}"
        if state.month == running
        else f"{state.month} was loaded while it ran: {part}; demo-pipeline generate {context.spec.slug} "
        "makes the rest"
        for state in states
        if not state.is_whole
        and (part := _part(state.figures, context.spec.figures_of(state.month))) is not None
    )


def preview_notes(spec: TenantSpec, as_of: datetime) -> tuple[str, ...]:
    """The same of a tenant that was not made yet."""
    running = Month.containing(as_of)
    if spec.end_month != running:
        return ()
    part = f"{running} is the running month: run and generate make only its part so far"
    return (f"{part}; all of it from {running.end:%Y-%m-%d}",)


def stored_partial_month_notes(
    database: Database, settings: Settings, slug: str, months: Iterable[Month]
) -> tuple[str, ...]:
    """:func:`partial_month_notes` of a tenant as it is now. Raises as ``find_tenant_context`` does."""
    with open_snapshot(database, settings, slug, "show") as (_, context, as_of):
        return partial_month_notes(context, months, as_of)


def _running(month: Month, part: str) -> str:
    return f"{month} is the running month: its part so far ({part})"


def _part(loaded: Figures, whole: Figures) -> str | None:
    """``12 of 71 contacts``; None: the blueprint asks for no rows, or all of them are loaded."""
    if loaded == whole:
        return None
    for metric in _COUNTED:
        if whole[metric]:
            return f"{loaded[metric]:,} of {counted(whole[metric], *METRICS[metric].noun)}"
    return None
