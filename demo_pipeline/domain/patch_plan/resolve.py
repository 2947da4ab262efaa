"""From a plan to exact deltas of every month, or to the nearest plan that works.

Pure: what is there (``PlanBaseline``) is handed in. Stages:

1. counts: DELTAS as they are, TARGETS minus what is there; an absent count asks for no change;
2. values that were given, in the same way; absent ones follow the deals that are made, by the industry's
   deal sizes;
3. the rules of ``feasibility``, and those of a living tenant: months of its span that have begun, working
   time that has passed, a contact that rows can refer to, a stage for won deals.

Conservation: what is asked is what is made; nothing is rounded, cut or moved between months. A plan that
breaks a rule is refused whole, with every problem and the nearest plan, which is feasible itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import ROUND_DOWN, Decimal
from typing import Any

from demo_pipeline.domain.blueprint.resolve import DealSizes, with_values
from demo_pipeline.domain.blueprint.tenant_spec import TenantSpec, plan_stream
from demo_pipeline.domain.core.currency import Currency
from demo_pipeline.domain.core.errors import InputError, Problem
from demo_pipeline.domain.core.figures import (
    METRICS,
    NO_MONTHS,
    VALUE_METRICS,
    AskedFigures,
    Figures,
    FiguresByMonth,
    figure_amount,
    figure_json,
)
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.core.wording import grouped
from demo_pipeline.domain.feasibility import (
    Caps,
    cap_problems,
    check_caps,
    check_storable,
    infeasible,
    nearest_feasible,
    within_caps,
)
from demo_pipeline.domain.patch_plan.plan import MonthRequest, PatchPlan, PlanType, is_in_bounds
from demo_pipeline.domain.reference.industries import load_industry


@dataclass(frozen=True, kw_only=True)
class PlanBaseline:
    """What a plan stands on: the tenant as it is when the plan's change begins."""

    spec: TenantSpec
    #: figures of every month that has rows, with the blueprint's own rows made whole
    before: FiguresByMonth
    #: the month that runs now
    running: Month
    #: whether a contact exists before the last working minute of a month
    has_contact: Callable[[Month], bool]
    #: whether working time of a month has passed
    has_worked: Callable[[Month], bool]
    #: whether the tenant has a stage for won deals
    has_won_stage: bool = True
    #: when the first contact that is not a lead was made; None: there is none
    first_other_contact_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """A feasible plan on its ground."""

    #: what every month of the plan is to gain
    deltas: FiguresByMonth
    #: what every month of the plan is to show: before + delta
    targets: FiguresByMonth
    #: minor units that the plan itself asks for; the rest of the values follows the deals
    declared_value: int = 0
    #: month → values that the plan gives; others follow the deals
    given_values: Mapping[Month, frozenset[str]] = field(default_factory=dict[Month, frozenset[str]])

    @property
    def total(self) -> Figures:
        return self.deltas.total


def resolve_plan(plan: PatchPlan, baseline: PlanBaseline, caps: Caps) -> Resolved:
    """The deltas of every month.

    Raises ``InputError`` with all problems and the nearest plan, or ``CapExceededError``.
    """
    problems: list[Problem] = []
    currency = baseline.spec.currency
    is_total = plan.plan_type is PlanType.TARGETS
    asked = {request.month: _asked(request, plan.plan_type, baseline, problems) for request in plan.months}
    wanted = FiguresByMonth((month, entry.figures) for month, entry in asked.items())
    # What targets are counted from; deltas are counted from nothing.
    there = baseline.before.over(wanted) if is_total else NO_MONTHS
    nearest = _nearest(wanted, baseline, there, problems)
    if problems:
        lowered = _lowered(nearest, asked, baseline, caps, problems)
        suggestion = _suggestion(plan, asked, lowered, there, currency)
        raise InputError("; ".join(map(str, problems)), problems, suggestion=suggestion)
    # Before the first draw: a number beyond a cap must not cost memory.
    currency = baseline.spec.currency
    given = {month: entry.declared_value for month, entry in asked.items()}
    check_caps(
        wanted.total,
        caps,
        currency=currency,
        declared_value=sum(given.values()),
    )
    sizes = deal_sizes(baseline.spec)
    deltas = FiguresByMonth((month, with_values(entry, month, sizes)) for month, entry in asked.items())
    targets = baseline.before.over(deltas) + deltas
    check_storable(targets, given, currency=currency)
    return Resolved(
        deltas=deltas,
        targets=targets,
        declared_value=sum(given.values()),
        given_values={month: entry.given_values for month, entry in asked.items()},
    )


def shows_targets(plan: PatchPlan, baseline: PlanBaseline) -> bool:
    """Whether every figure that a TARGETS plan gives is there, within its tolerances."""
    currency = baseline.spec.currency
    for request in plan.months:
        before = baseline.before.at(request.month)
        for metric, figure in request.given.items():
            if metric in VALUE_METRICS:
                away = abs(currency.major(before[metric]) - figure)
                if away > plan.tolerances.value * figure:
                    return False
            elif abs(before[metric] - int(figure)) > plan.tolerances.count:
                return False
    return True


def _asked(
    request: MonthRequest, plan_type: PlanType, baseline: PlanBaseline, problems: list[Problem]
) -> AskedFigures:
    """One month's deltas."""
    month, currency = request.month, baseline.spec.currency
    before = baseline.before.at(month)
    deltas: dict[str, int | Decimal] = {}
    for metric, figure in request.given.items():
        try:
            amount = currency.minor(Decimal(figure)) if metric in VALUE_METRICS else int(figure)
        except ValueError:
            cut = currency.minor(Decimal(figure), ROUND_DOWN)
            message = f"{figure} has more decimals than {currency} has ({currency.minor_digits})"
            problems.append(
                metric_problem("too_many_decimals", month, metric, figure, message, currency.plain(cut))
            )
            amount = cut
        if plan_type is PlanType.TARGETS:
            amount -= before[metric]
        if amount < 0:
            there = figure_json(metric, before[metric], currency)
            message = (
                f"the target {figure} is below the {grouped(there)} that are there, and a plan only adds "
                f"unless its mode is reconcile; nearest: {grouped(there)}"
            )
            problems.append(metric_problem("target_below_current", month, metric, figure, message, there))
            amount = 0
        deltas[metric] = figure_amount(metric, amount, currency)
    return AskedFigures.of(deltas, currency)


def _nearest(
    wanted: FiguresByMonth,
    baseline: PlanBaseline,
    there: FiguresByMonth,
    problems: list[Problem],
) -> FiguresByMonth:
    """The nearest deltas that work; what is wrong with the wanted ones goes to ``problems``.

    They name figures as they were requested: on top of ``there``.
    """
    nearest: dict[Month, Figures] = {}
    for month, figures in wanted.items():
        better = figures
        if month < baseline.spec.start_month:
            message = f"{month} is before the tenant's first month; begin with {baseline.spec.start_month}"
            problems.append(Problem(code="before_span", month=str(month), message=message))
            continue
        if month > baseline.running:
            message = f"{month} lies in the future; the last month that has begun is {baseline.running}"
            problems.append(Problem(code="future_month", month=str(month), message=message))
            continue
        if figures and not baseline.has_worked(month):
            message = "no working time of the month has passed yet; apply it later"
            problems.append(Problem(code="no_working_time", month=str(month), message=message))
            continue
        if figures.closed_won_count and not baseline.has_won_stage:
            message = "the tenant has no stage for won deals any more; mark one of its stages as won"
            base = there.at(month).closed_won_count
            asked = base + figures.closed_won_count
            problems.append(metric_problem("no_won_stage", month, "closed_won_count", asked, message, base))
            better = replace(
                figures,
                closed_won_count=0,
                closed_won_value=0,
                pipeline_added_value=figures.open_value if figures.other_deals else 0,
            )
        nearest[month] = better
    for months, contacts in _judged_together(nearest, baseline):
        figures = [nearest[month] for month in months]
        problems += infeasible(
            figures,
            currency=baseline.spec.currency,
            months=months,
            contacts_before=contacts,
            there=[there[month] for month in months] if there else (),
        )
        nearest |= dict(zip(months, nearest_feasible(figures, contacts_before=contacts), strict=True))
    return FiguresByMonth(nearest)


def _judged_together(months: Iterable[Month], baseline: PlanBaseline) -> tuple[tuple[list[Month], int], ...]:
    """Months whose contacts are counted together, with the contacts before them.

    Until somebody is there, one of the months may bring the first contact.
    """
    alone = [month for month in months if not baseline.has_contact(month)]
    return (alone, 0), ([month for month in months if month not in alone], 1)


def _lowered(
    nearest: FiguresByMonth,
    asked: Mapping[Month, AskedFigures],
    baseline: PlanBaseline,
    caps: Caps,
    problems: list[Problem],
) -> FiguresByMonth:
    """The nearest deltas within the caps, none where there are none; caps that they exceed are problems."""
    currency = baseline.spec.currency

    def beyond(figures: FiguresByMonth) -> tuple[Problem, ...]:
        values = (one.pipeline_added_value for month, one in figures.items() if asked[month].given_values)
        return cap_problems(
            figures.total,
            caps,
            currency=currency,
            declared_value=sum(values),
        )

    exceeded = beyond(nearest)
    if not exceeded:
        return nearest
    problems += exceeded
    months = list(nearest)
    figures = within_caps(
        list(nearest.values()),
        caps,
        currency=currency,
        has_value=[bool(asked[month].given_values) for month in months],
    )
    lowered = FiguresByMonth(zip(months, figures, strict=True))
    for group, contacts in _judged_together(lowered, baseline):
        better = nearest_feasible([lowered[month] for month in group], contacts_before=contacts)
        lowered |= dict(zip(group, better, strict=True))
    return NO_MONTHS if beyond(lowered) else lowered


def _suggestion(
    plan: PatchPlan,
    asked: Mapping[Month, AskedFigures],
    nearest: FiguresByMonth,
    there: FiguresByMonth,
    currency: Currency,
) -> dict[str, Any] | None:
    """The nearest plan as a document that can be applied as it is; None: no month is left."""
    months: list[MonthRequest] = []
    for request in plan.months:
        better = nearest.get(request.month)
        if better is None:
            continue
        wanted = asked[request.month].figures
        base = there.at(request.month)
        given: dict[str, int | Decimal] = {}
        for metric in METRICS:
            is_absent = metric not in request.given
            if is_absent and (metric in VALUE_METRICS or better[metric] == wanted[metric]):
                continue
            amount = base[metric] + better[metric]
            figure = figure_amount(metric, amount, currency)
            # A value that no plan can name is left to the deals.
            if is_in_bounds(metric, figure):
                given[metric] = figure
        months.append(MonthRequest(request.month, given))
    if not months:
        return None
    document = replace(plan, months=tuple(months)).to_json()
    if plan.seed is not None:
        document["seed"] = plan.seed
    return document


def deal_sizes(spec: TenantSpec) -> DealSizes:
    """What deals of plans are usually worth for a tenant."""
    return DealSizes(
        industry=load_industry(spec.industry),
        currency=spec.currency,
        whale_ppm=spec.whale_ppm,
        stream=plan_stream(spec.seed, spec.slug).child("patch"),
    )


def metric_problem(
    code: str, month: Month, metric: str, value: object, message: str, suggestion: object
) -> Problem:
    """What is wrong with one figure of a plan, and the figure that would be right."""
    return Problem(
        code=code,
        month=str(month),
        metric=metric,
        value=str(value),
        message=message,
        suggestion={metric: suggestion},
    )
