"""From a plan that reconciles to the rows that go and the figures that are made, or to the nearest plan.

Pure: the baseline and the tenant's rows are handed in. Stages:

1. targets: what is given; an absent count stays as it is. An absent value stays, too, unless the number of
   its deals is to change: then those that go take their value along, and those that come are worth what
   deals of the industry are;
2. floors: a month without all the rows that may go. What a target has beyond them must be feasible by itself
   (``feasibility``); where it is, rows can always be chosen;
3. the choice of rows (``row_choice``), and what is to be made then, in the months of the plan and in others.

Conservation: each month of the plan shows its targets, every other month what it showed before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_DOWN, Decimal
from typing import Any, Final
from uuid import UUID

from demo_pipeline.domain.blueprint.resolve import DealSizes, with_values
from demo_pipeline.domain.core.currency import Currency
from demo_pipeline.domain.core.errors import InputError, Problem
from demo_pipeline.domain.core.figures import (
    METRICS,
    NO_FIGURES,
    NO_MONTHS,
    VALUE_METRICS,
    AskedFigures,
    Figures,
    FiguresByMonth,
    Parts,
    figure_amount,
    figure_json,
    figure_text,
)
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.core.wording import counted, grouped
from demo_pipeline.domain.feasibility import (
    Caps,
    check_caps,
    check_storable,
    infeasible,
    nearest_feasible,
)
from demo_pipeline.domain.patch_plan.plan import MonthRequest, PatchPlan
from demo_pipeline.domain.patch_plan.resolve import PlanBaseline, deal_sizes, metric_problem
from demo_pipeline.domain.patch_plan.row_choice import (
    Held,
    LivingRow,
    MonthGoal,
    RowChoice,
    RowGraph,
    choose_rows,
)

#: code of a problem that names one row that stays
_HELD_ROW: Final = "held_row"
#: rows of a month that stay and are listed one by one
MOST_LISTED: Final = 100
#: Each is nearer to what works; the first one nearly always does.
_MOST_SUGGESTIONS: Final = 10
#: part → the table of its rows
_TABLES: Final[Mapping[str, str]] = {
    "leads": "contacts",
    "other_contacts": "contacts",
    "companies": "companies",
    "won_deals": "deals",
    "other_deals": "deals",
    "activities": "activities",
}
#: metric → the part whose rows it is about
_PARTS: Final[Mapping[str, str]] = {
    "leads_created": "leads",
    "contacts_created": "other_contacts",
    "companies_created": "companies",
    "deals_created": "other_deals",
    "closed_won_count": "won_deals",
    "closed_won_value": "won_deals",
    "pipeline_added_value": "other_deals",
    "activities_created": "activities",
}
_VALUES: Final = {"won_deals": "won_value", "other_deals": "open_value"}


@dataclass(frozen=True, kw_only=True)
class ReconcileBaseline:
    """What a plan that reconciles is resolved against."""

    baseline: PlanBaseline
    #: what the blueprint's missing rows add first, of the months before; they are in ``baseline.before``
    missing: FiguresByMonth = NO_MONTHS
    #: whether a contact is left before the last working minute of a month, once these contacts are deleted
    has_contact_without: Callable[[frozenset[bytes], Month], bool]


@dataclass(frozen=True, kw_only=True)
class Reconciled:
    """A plan that works."""

    choice: RowChoice
    #: of the plan's months
    targets: FiguresByMonth
    #: minor units that the plan itself asks for in addition
    declared_value: int


def goals_of(plan: PatchPlan, baseline: PlanBaseline) -> Mapping[Month, MonthGoal]:
    """What each month of the plan shows and is to show.

    Raises ``InputError`` for months outside of the tenant's and for amounts with too many decimals.
    """
    problems: list[Problem] = []
    goals = _goals(plan, baseline, problems)
    if problems:
        raise InputError("; ".join(map(str, problems)), problems)
    return goals


def tables_to_read(goals: Mapping[Month, MonthGoal]) -> dict[str, list[Month]]:
    """Table → months whose rows may have to go; what depends on them is to be read, too."""
    found: dict[str, list[Month]] = {}
    for month, goal in goals.items():
        for table in dict.fromkeys(table for part, table in _TABLES.items() if _may_fall(goal, part)):
            found.setdefault(table, []).append(month)
    return found


def resolve_reconcile(plan: PatchPlan, ground: ReconcileBaseline, graph: RowGraph, caps: Caps) -> Reconciled:
    """The rows to delete and the figures to make.

    Raises ``InputError`` with all problems, the rows that stay and the nearest plan; ``CapExceededError``.
    """
    problems: list[Problem] = []
    reconciled, nearest = _resolved(plan, ground, graph, caps, problems)
    if reconciled is not None:
        return reconciled
    suggestion = None
    for _ in range(_MOST_SUGGESTIONS):
        if nearest is None:
            break
        further: list[Problem] = []
        try:
            works, further_off = _resolved(nearest, ground, graph, caps, further)
        except InputError:
            break
        if works is not None:
            suggestion = nearest.to_json() | ({"seed": plan.seed} if plan.seed is not None else {})
            break
        nearest = further_off
    # The rows that stay are many: the list of problems has them.
    message = "; ".join(str(problem) for problem in problems if problem.code != _HELD_ROW)
    raise InputError(message, problems, suggestion=suggestion)


def _resolved(
    plan: PatchPlan, ground: ReconcileBaseline, graph: RowGraph, caps: Caps, problems: list[Problem]
) -> tuple[Reconciled | None, PatchPlan | None]:
    """The plan resolved; or a plan that is nearer to one that works, and what is wrong in ``problems``."""
    baseline, currency = ground.baseline, ground.baseline.spec.currency
    goals = _goals(plan, baseline, problems)
    nearest = dict(_nearest_targets(goals, ground, graph, problems))
    if problems:
        return None, _plan_of(plan, goals, nearest, currency)
    choice = choose_rows(graph, goals)
    assert not choice.unreached, f"{choice.unreached} beyond the floors"
    if short := _without_contact(choice, ground, problems):
        for month, kept in short.items():
            nearest[month] += kept
        return None, _plan_of(plan, goals, nearest, currency)
    declared = {
        request.month: max(
            (
                choice.targets[request.month][metric] - baseline.before.at(request.month)[metric]
                for metric in VALUE_METRICS
                if metric in request.given
            ),
            default=0,
        )
        for request in plan.months
    }
    value = sum(max(one, 0) for one in declared.values())
    check_caps(choice.made.total, caps, currency=currency, declared_value=value)
    check_caps(choice.deleted_figures.total, caps, currency=currency)
    check_storable(choice.targets, declared, currency=currency)
    return Reconciled(choice=choice, targets=choice.targets, declared_value=value), None


# -- targets ---------------------------------------------------------------------------------------------


def _goals(plan: PatchPlan, baseline: PlanBaseline, problems: list[Problem]) -> dict[Month, MonthGoal]:
    sizes = deal_sizes(baseline.spec)
    goals: dict[Month, MonthGoal] = {}
    for request in plan.months:
        month, before = request.month, baseline.before.at(request.month)
        if month < baseline.spec.start_month:
            message = f"{month} is before the tenant's first month; begin with {baseline.spec.start_month}"
            problems.append(Problem(code="before_span", month=str(month), message=message))
        elif month > baseline.running:
            message = f"{month} lies in the future; the last month that has begun is {baseline.running}"
            problems.append(Problem(code="future_month", month=str(month), message=message))
        else:
            asked = _minor(request, baseline.spec.currency, problems)
            goals[month] = _goal(asked, before, month, sizes)
    return goals


def _minor(request: MonthRequest, currency: Currency, problems: list[Problem]) -> dict[str, int]:
    """The given figures, values in minor units."""
    found: dict[str, int] = {}
    for metric, figure in request.given.items():
        if metric not in VALUE_METRICS:
            found[metric] = int(figure)
            continue
        try:
            found[metric] = currency.minor(Decimal(figure))
        except ValueError:
            found[metric] = cut = currency.minor(Decimal(figure), ROUND_DOWN)
            message = f"{figure} has more decimals than {currency} has ({currency.minor_digits})"
            problems.append(
                metric_problem(
                    "too_many_decimals", request.month, metric, figure, message, currency.plain(cut)
                )
            )
    return found


def _goal(asked: Mapping[str, int], before: Figures, month: Month, sizes: DealSizes) -> MonthGoal:
    """What a month is to show; figures that are not asked as the top of the module says."""
    counts = {metric: asked.get(metric, before[metric]) for metric in METRICS if metric not in VALUE_METRICS}
    target, now = replace(before, **counts).parts, before.parts
    more_won = max(target.won_deals - now.won_deals, 0)
    more_others = max(target.other_deals - now.other_deals, 0)
    drawn = NO_FIGURES
    if not {*VALUE_METRICS} <= {*asked} and more_won + more_others:
        more = {"closed_won_count": more_won, "deals_created": more_won + more_others}
        drawn = with_values(AskedFigures.of(more, sizes.currency), month, sizes)
    following: set[str] = set()
    won_value, pipeline = asked.get("closed_won_value"), asked.get("pipeline_added_value")
    if won_value is None:
        won_value = now.won_value + drawn.closed_won_value
        if target.won_deals < now.won_deals:
            if pipeline is None:
                following.add("won_value")
            else:
                # Of a given pipeline the won deals keep what each was worth.
                won_value = max(now.won_value * max(target.won_deals, 0) // now.won_deals, target.won_deals)
    open_value = now.open_value + drawn.open_value if pipeline is None else pipeline - won_value
    if pipeline is None and target.other_deals < now.other_deals:
        following.add("open_value")
    return MonthGoal(now, target._replace(won_value=won_value, open_value=open_value), frozenset(following))


def _may_fall(goal: MonthGoal, part: str) -> bool:
    """Whether rows of a part may have to go for the goal."""
    more = getattr(goal.target, part) - getattr(goal.now, part)
    if more < 0 or part not in _VALUES:
        return more < 0
    change = getattr(goal.target, _VALUES[part]) - getattr(goal.now, _VALUES[part])
    # More deals can carry more value; otherwise some have to be made anew.
    return change != 0 and (more == 0 or change < more)


# -- floors ----------------------------------------------------------------------------------------------


def _nearest_targets(
    goals: Mapping[Month, MonthGoal], ground: ReconcileBaseline, graph: RowGraph, problems: list[Problem]
) -> Iterator[tuple[Month, Figures]]:
    """The nearest figures of each month that rows can show; what is wrong goes to ``problems``."""
    free = graph.free_figures(goals)
    currency = ground.baseline.spec.currency
    for month, goal in goals.items():
        floor = _floor(goal, free.at(month).parts)
        wanted = _wanted(goal, floor)
        # Whether a contact exists by then is known once rows are chosen.
        own = infeasible([wanted], currency=currency, months=[month], contacts_before=1)
        problems += own
        (figures,) = nearest_feasible([wanted], contacts_before=1)
        beyond = Parts(*(max(a - b, 0) for a, b in zip(figures.parts, floor, strict=True)))
        if beyond.won_deals and not ground.baseline.has_won_stage:
            message = "the tenant has no stage for won deals any more; mark one of its stages as won"
            problems.append(
                metric_problem(
                    "no_won_stage",
                    month,
                    "closed_won_count",
                    wanted.closed_won_count,
                    message,
                    floor.won_deals,
                )
            )
            beyond = beyond._replace(won_deals=0, won_value=0)
        (rest,) = nearest_feasible([Figures.of_parts(beyond)], contacts_before=1)
        nearest = Figures.of_parts(floor) + rest
        if rest and rest.row_count and not ground.baseline.has_worked(month):
            message = "no working time of the month has passed yet; apply it later"
            problems.append(Problem(code="no_working_time", month=str(month), message=message))
        if not own:
            problems += _held_problems(month, wanted, nearest, ground, graph)
        yield month, nearest


def _floor(goal: MonthGoal, free: Parts[int]) -> Parts[int]:
    """What stays of a month whichever rows go; of parts whose rows need not go, all that is asked."""
    floor: dict[str, int] = {}
    for part in _TABLES:
        for name in (part, _VALUES[part]) if part in _VALUES else (part,):
            now, target = getattr(goal.now, name), getattr(goal.target, name)
            floor[name] = now - getattr(free, name) if _may_fall(goal, part) else min(now, target)
    return Parts(**floor)


def _wanted(goal: MonthGoal, floor: Parts[int]) -> Figures:
    """The goal, with the least that values that follow the deals can be."""
    least = {
        "won_value": floor.won_value + max(goal.target.won_deals - floor.won_deals, 0),
        "open_value": floor.open_value,
    }
    return Figures.of_parts(goal.target._replace(**{name: least[name] for name in goal.following}))


def _held_problems(
    month: Month, wanted: Figures, nearest: Figures, ground: ReconcileBaseline, graph: RowGraph
) -> Iterator[Problem]:
    """A problem for each figure that rows keep from its target, and for each of these rows."""
    currency, listed = ground.baseline.spec.currency, set[bytes]()
    for metric in METRICS:
        if wanted[metric] == nearest[metric]:
            continue
        parts = ["leads", "other_contacts"] if metric == "contacts_created" else [_PARTS[metric]]
        if metric in {"deals_created", "pipeline_added_value"}:
            parts = ["won_deals", "other_deals"]
        held = [one for part in parts for one in graph.held_rows(month, part)]
        nearest_json = figure_json(metric, nearest[metric], currency)
        yield metric_problem(
            "held_rows",
            month,
            metric,
            figure_json(metric, wanted[metric], currency),
            f"the target {figure_text(metric, wanted[metric], currency)} cannot be reached"
            f"{_reason(metric, held, ground.missing.at(month))}; nearest: {grouped(nearest_json)}",
            nearest_json,
        )
        for row, why in held:
            if row.id not in listed and len(listed) < MOST_LISTED:
                listed.add(row.id)
                yield Problem(
                    code=_HELD_ROW,
                    month=str(month),
                    metric=metric,
                    value=str(UUID(bytes=row.id)),
                    message=f"{row.table} row {UUID(bytes=row.id)} stays: it is {why}",
                )


def _reason(metric: str, held: Sequence[tuple[LivingRow, Held]], missing: Figures) -> str:
    reasons: list[str] = []
    if held:
        kinds = [f"{count:,} {why}" for why, count in Counter(why for _, why in held).items()]
        reasons.append(f"{counted(len(held), 'row stays', 'rows stay')} ({', '.join(kinds)})")
    if missing[metric]:
        reasons.append("the blueprint's missing rows come first (demo-pipeline generate makes them)")
    return f": {', and '.join(reasons)}" if reasons else ""


def _without_contact(
    choice: RowChoice, ground: ReconcileBaseline, problems: list[Problem]
) -> dict[Month, Figures]:
    """Months that must keep or get a contact, and it: rows are to be made that would have none otherwise."""
    contacts = [row for row in choice.deleted if row.table == "contacts"]
    deleted = frozenset(row.id for row in contacts)
    for month, made in choice.made.items():
        if made.contacts_created:
            break
        metric = "deals_created" if made.deals_created else "activities_created"
        if not made[metric] or ground.has_contact_without(deleted, month):
            continue
        # One that goes may stay; else one has to come.
        giver = max((row.month for row in contacts if row.month <= month), default=month)
        is_lead = giver in choice.deleted_figures and not choice.deleted_figures[giver].other_contacts
        message = (
            f"{counted(made[metric], *METRICS[metric].noun)} would have no contact: none is left by then; "
            f"let {giver} have one contact more"
        )
        problems.append(Problem(code="no_contact_left", month=str(month), metric=metric, message=message))
        return {giver: Figures(contacts_created=1, leads_created=int(is_lead))}
    return {}


def _plan_of(
    plan: PatchPlan, goals: Mapping[Month, MonthGoal], nearest: Mapping[Month, Figures], currency: Currency
) -> PatchPlan | None:
    """The plan with the nearest figures; None: no month is left."""
    months: list[MonthRequest] = []
    for request in plan.months:
        better = nearest.get(request.month)
        if better is None:
            continue
        goal = goals[request.month]
        now = Figures.of_parts(goal.now)
        given: dict[str, Any] = {}
        for metric in METRICS:
            follows = (
                "won_value" in goal.following
                if metric == "closed_won_value"
                else metric == "pipeline_added_value" and bool(goal.following)
            )
            if metric in request.given or (not follows and better[metric] != now[metric]):
                given[metric] = figure_amount(metric, better[metric], currency)
        months.append(MonthRequest(request.month, given))
    return replace(plan, months=tuple(months), fingerprint=None) if months else None
