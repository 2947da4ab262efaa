"""Months of which only a part of the blueprint's rows is loaded: what to say of them beside their figures.

A month that runs has the rows of what has happened by now, so its figures are below those of the blueprint.
Which rows these are is decided in ``pending_load``.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from demo_pipeline.domain.blueprint.tenant_spec import TenantSpec
from demo_pipeline.domain.core.figures import Figures
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.core.wording import counted
from demo_pipeline.services.jobs.tenant_context import TenantContext, find_tenant_context
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.clock import instant_of
from demo_pipeline.storage.connection.database import Database

#: of what a month's part is counted in, the first that its blueprint asks for
_COUNTED = {
    "contacts_created": "contact",
    "deals_created": "deal",
    "activities_created": "activity",
    "companies_created": "company",
}
_MANY = {"activity": "activities", "company": "companies"}


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
    with database.admin(readonly=True) as conn:
        return partial_month_notes(
            find_tenant_context(conn, settings, slug, "show"), months, instant_of(conn, settings)
        )


def _running(month: Month, part: str) -> str:
    return f"{month} is the running month: its part so far ({part})"


def _part(loaded: Figures, whole: Figures) -> str | None:
    """``12 of 71 contacts``; None: the blueprint asks for no rows, or all of them are loaded."""
    if loaded == whole:
        return None
    for metric, one in _COUNTED.items():
        if whole[metric]:
            return f"{loaded[metric]:,} of {counted(whole[metric], one, _MANY.get(one, ''))}"
    return None
