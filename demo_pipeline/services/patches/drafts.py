"""Plans drafted from a tenant's own figures, and put into files.

The shapes themselves are the domain's (``patch_plan.shapes``); here is what they start from: the months that
are over, of the span or with rows, and the blueprint's missing rows of them, since a patch makes these first.
Where a month shows more without the plan than the shape asks for, the draft keeps what is there, so that it
can be applied. Values beyond the cap on declared value are left to the deals. Read-only.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from demo_pipeline.domain.core.currency import MOST_MINOR_DIGITS, Currency
from demo_pipeline.domain.core.errors import InputError, Problem
from demo_pipeline.domain.core.figures import (
    COUNT_METRICS,
    METRICS,
    NO_MONTHS,
    VALUE_METRICS,
    Figures,
    FiguresByMonth,
    Parts,
)
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.feasibility import nearest_feasible, value_cap
from demo_pipeline.domain.patch_plan.plan import MonthRequest, PatchPlan
from demo_pipeline.domain.patch_plan.shapes import Shape, check_options, shaped_plan
from demo_pipeline.domain.patch_plan.writing import check_is_table, write_plan
from demo_pipeline.services.files.figure_files import save_figures
from demo_pipeline.services.files.plan_files import NAMED_SUFFIXES
from demo_pipeline.services.files.reader import SUFFIXES, PlanFormat
from demo_pipeline.services.jobs.tenant_context import TenantContext, open_snapshot
from demo_pipeline.services.months.plan_baseline import projected_baseline
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.rows.kpis import all_figures


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A plan, and what a person should know of it."""

    plan: PatchPlan
    warnings: tuple[str, ...]


def draft_plan(
    database: Database,
    settings: Settings,
    slug: str,
    shape: Shape,
    *,
    percent: Decimal | None = None,
    month_count: int | None = None,
    average_count: int | None = None,
    first: Month | None = None,
) -> Draft:
    """A TARGETS plan of a shape.

    Raises ``InputError`` for what makes no plan, with all that is wrong; ``NotFoundError``,
    ``NotADemoTenantError``.
    """
    with open_snapshot(database, settings, slug, "plan write") as (conn, context, as_of):
        figures = all_figures(conn, context.state.tenant.tenant_id, context.spec.currency)
    check_options(shape, percent=percent, average_count=average_count)
    running = Month.containing(as_of)
    last = min(running + -1, max([context.last_asked(running), *figures]))
    if last < context.spec.start_month:
        message = f"no month of {slug} is over yet, so there is nothing to go on from; write the plan by hand"
        raise InputError(message, [Problem(code="nothing_known", message=message)])
    known, currency = _whole(database, context, as_of, last, figures), context.spec.currency
    plan = shaped_plan(
        shape,
        known,
        currency=currency,
        percent=percent,
        average_count=average_count,
        month_count=month_count,
        first=first,
    )
    warnings: list[str] = []
    there = NO_MONTHS
    if plan.first_month <= running:
        there = projected_baseline(database, context, as_of, min(plan.last_month, running)).baseline.before
        plan, kept = _kept_above(plan, there, running, context.spec.currency)
        if kept:
            warnings.append(
                f"a plan only adds, and {', '.join(kept)} show more without it than the shape asks for, in "
                "some figures or all; the plan keeps these, and values follow the deals there"
            )
    plan, is_left = _values_left_to_deals(plan, there, context, settings)
    if is_left:
        warnings.append(
            "its values are beyond the cap on declared value (DEMO_CAP_VALUE); the plan leaves them out, and "
            "they follow the deals"
        )
    if plan.last_month > running:
        coming = max(plan.first_month, running + 1)
        warnings.append(f"{coming} has not begun: the plan can be applied once all of its months have")
    return Draft(plan=plan, warnings=tuple(warnings))


def save_plan(plan: PatchPlan, path: Path) -> PlanFormat:
    """Write a plan to a file, in the form that its suffix names. Raises ``InputError``."""
    kind = SUFFIXES.get(path.suffix.lower())
    if kind is None:
        message = f"the name does not end with {NAMED_SUFFIXES}; rename it"
        raise _refused("bad_suffix", path, message)
    if kind == "xlsx":
        check_is_table(plan)
        rows = {request.month: request.given for request in plan.months}
        save_figures(path, rows, MOST_MINOR_DIGITS, title="plan", suffix=path.suffix.lower())
        return kind
    try:
        path.write_text(write_plan(plan, kind), encoding="utf-8", newline="\n")
    except (OSError, ValueError) as error:
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else "no such name"
        raise _refused("unwritable_file", path, f"cannot be written: {reason}") from None
    return kind


# -- figures ---------------------------------------------------------------------------------------------


def _whole(
    database: Database, context: TenantContext, as_of: datetime, last: Month, figures: FiguresByMonth
) -> FiguresByMonth:
    """Every month up to ``last``, with the blueprint's missing rows."""
    before = projected_baseline(database, context, as_of, last).baseline.before
    start = min([context.spec.start_month, *figures])
    return before.over(start.until(last))


def _values_left_to_deals(
    plan: PatchPlan, there: FiguresByMonth, context: TenantContext, settings: Settings
) -> tuple[PatchPlan, bool]:
    """The plan without values where these would be beyond the cap on declared value; whether they were."""
    spec = context.spec
    asked = 0
    for request in plan.months:
        target = Figures.from_json(request.to_json()["metrics"], spec.currency)
        before = there.at(request.month)
        asked += max(
            (target[metric] - before[metric] for metric in VALUE_METRICS if metric in request.given),
            default=0,
        )
    if asked <= value_cap(settings.caps.to_domain(), spec.currency):
        return plan, False
    months = (
        MonthRequest(
            request.month,
            {metric: figure for metric, figure in request.given.items() if metric not in VALUE_METRICS},
        )
        for request in plan.months
    )
    return replace(plan, months=tuple(months)), True


def _kept_above(
    plan: PatchPlan, there: FiguresByMonth, running: Month, currency: Currency
) -> tuple[PatchPlan, list[str]]:
    """The plan with nothing below what is there, and the months that had that."""
    months = tuple(
        _raised(request, there.at(request.month), currency) if request.month <= running else request
        for request in plan.months
    )
    kept = [str(one.month) for one, asked in zip(months, plan.months, strict=True) if one != asked]
    return replace(plan, months=months), kept


def _raised(request: MonthRequest, now: Figures, currency: Currency) -> MonthRequest:
    """A month that can be reached from ``now``; values are left to the deals where the shape's do not fit."""
    asked = Figures.from_json(request.to_json()["metrics"], currency)
    raised = Parts(*map(max, asked.parts, now.parts))
    target = replace(Figures.of_parts(raised), **{metric: asked[metric] for metric in VALUE_METRICS})
    delta = target - now
    is_above = all(delta[metric] >= 0 for metric in METRICS) and (
        (target.closed_won_count, target.deals_created) == (asked.closed_won_count, asked.deals_created)
    )
    keeps_values = is_above and nearest_feasible([delta], contacts_before=1) == (delta,)
    values = {metric: figure for metric, figure in request.given.items() if metric in VALUE_METRICS}
    counts = {metric: target[metric] for metric in COUNT_METRICS}
    return MonthRequest(request.month, counts | values if keeps_values else counts)


def _refused(code: str, path: Path, message: str) -> InputError:
    return InputError(f"{path}: {message}", [Problem(code=code, value=str(path), message=message)])
