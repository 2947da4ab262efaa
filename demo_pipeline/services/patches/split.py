"""A plan beyond the caps, as plans that each fit: a job each, and each of them all or nothing.

Months go into a piece as long as they fit. A month that does not fit by itself is shared out evenly, every
part of it feasible as the whole is: leads with their contacts, won deals with their deals and their value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from demo_pipeline.domain.core.apportion import apportion
from demo_pipeline.domain.core.currency import Currency
from demo_pipeline.domain.core.errors import CapExceededError, InputError, Problem
from demo_pipeline.domain.core.figures import (
    METRICS,
    VALUE_METRICS,
    Figures,
    FiguresByMonth,
    Parts,
    figure_amount,
)
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.feasibility import Caps, check_caps
from demo_pipeline.domain.patch_plan.plan import MonthRequest, PatchPlan, PlanType
from demo_pipeline.domain.patch_plan.resolve import Resolved, resolve_plan
from demo_pipeline.services.files.plan_files import PlanFile
from demo_pipeline.services.jobs.tenant_context import open_snapshot
from demo_pipeline.services.months.pending_load import check_months_beyond
from demo_pipeline.services.months.plan_baseline import projected_baseline
from demo_pipeline.services.patches.patch import piece_seed, refuse_other_pieces
from demo_pipeline.services.patches.plan_request import check_currency, last_month, plan_of
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database

#: A plan so far beyond the caps is a mistake.
_MOST_PIECES = 100
_NO_CAP = 10**12


def split_plan(
    database: Database, settings: Settings, slug: str, plan: PatchPlan | PlanFile
) -> tuple[PatchPlan, ...]:
    """Pieces that fit the caps, in the order in which they are to be applied; the plan itself if it fits.

    Raises ``InputError`` for a plan that cannot be, ``CapExceededError`` for one that needs too many pieces.
    """
    plan, currencies = plan_of(plan)
    if plan.is_reconcile:
        message = "a plan that reconciles is one job; leave out --split, and ask for fewer months at once"
        raise InputError(message, [Problem(code="reconcile_is_one_job", field="mode", message=message)])
    with open_snapshot(database, settings, slug, "plan split") as (_, context, as_of):
        check_currency(context, currencies)
    caps = settings.caps.to_domain()
    last = last_month(context, plan, as_of)
    check_months_beyond(context, last, caps)
    baseline = projected_baseline(database, context, as_of, last).baseline
    currency = context.spec.currency
    try:
        resolve_plan(plan, baseline, caps)
    except CapExceededError:
        whole = resolve_plan(plan, baseline, _boundless())
    else:
        refuse_other_pieces(context, plan, ())
        return (plan,)
    limits = _Limits(caps, currency, whole.given_values)
    pieces: list[dict[Month, Figures]] = [{}]
    for month, delta in whole.deltas.items():
        for part in _parts(month, delta, limits):
            if month in pieces[-1] or not limits.fit([*pieces[-1].items(), (month, part)]):
                pieces.append({})
            pieces[-1][month] = part
    plans = _as_plans(
        plan, [FiguresByMonth(piece) for piece in pieces if piece], baseline.before, whole, currency
    )
    # Pieces may ask the same; a seed of its own makes each a job of its own, the same one the next time.
    values_follow = any(len(given) < len(VALUE_METRICS) for given in whole.given_values.values())
    seeds = [
        piece_seed(context, plan, place, len(plans), values_follow=values_follow)
        for place in range(1, len(plans) + 1)
    ]
    refuse_other_pieces(context, plan, seeds)
    return tuple(replace(piece, seed=seed) for piece, seed in zip(plans, seeds, strict=True))


def _boundless() -> Caps:
    # Sizes of absent values are drawn for every deal: no more than a plan may name are drawn.
    return Caps(
        leads=_NO_CAP,
        other_contacts=_NO_CAP,
        companies=_NO_CAP,
        deals=2_000_000,
        activities=_NO_CAP,
        value=_NO_CAP,
    )


@dataclass(frozen=True)
class _Limits:
    """The caps of one piece of a plan."""

    caps: Caps
    currency: Currency
    #: month → values that the plan gives; others follow the deals of each piece
    given_values: Mapping[Month, frozenset[str]]

    def check(self, figures: Sequence[tuple[Month, Figures]]) -> None:
        """Raises ``CapExceededError``."""
        check_caps(
            sum((one for _, one in figures), Figures()),
            self.caps,
            currency=self.currency,
            declared_value=sum(
                max((one[metric] for metric in self.given_values[month]), default=0) for month, one in figures
            ),
        )

    def fit(self, figures: Sequence[tuple[Month, Figures]]) -> bool:
        try:
            self.check(figures)
        except CapExceededError:
            return False
        return True


def _parts(month: Month, delta: Figures, limits: _Limits) -> Sequence[Figures]:
    """One month in as few parts as fit."""
    for count in range(1, _MOST_PIECES + 1):
        parts = _shared(delta, count)
        if all(limits.fit([(month, part)]) for part in parts):
            return parts
    limits.check([(month, delta)])
    raise AssertionError


def _shared(delta: Figures, count: int) -> tuple[Figures, ...]:
    """Every part in ``count`` shares as equal as can be; values follow their deals."""
    whole = delta.parts
    even = Parts(*(apportion(part, [1] * count) for part in whole))
    won, others, none = even.won_deals, even.other_deals, (0,) * count
    return Figures.of_columns(
        even._replace(
            won_value=apportion(whole.won_value, won, minimum=won) if any(won) else none,
            open_value=apportion(whole.open_value, others) if any(others) else none,
        )
    )


def _as_plans(
    plan: PatchPlan,
    pieces: Sequence[FiguresByMonth],
    before: FiguresByMonth,
    whole: Resolved,
    currency: Currency,
) -> list[PatchPlan]:
    reached = dict(before.over(whole.deltas))
    plans: list[PatchPlan] = []
    for piece in pieces:
        requests: list[MonthRequest] = []
        for month, part in piece.items():
            reached[month] += part
            figures = reached[month] if plan.plan_type is PlanType.TARGETS else part
            given: dict[str, int | Decimal] = {
                metric: figure_amount(metric, figures[metric], currency)
                for metric in METRICS
                # As in the plan: values follow the deals of each piece where it gives none.
                if metric not in VALUE_METRICS or metric in whole.given_values[month]
            }
            requests.append(MonthRequest(month, given))
        plans.append(replace(plan, months=tuple(requests)))
    if len(plans) > _MOST_PIECES:
        raise CapExceededError(
            f"the plan would be {len(plans)} jobs, and {_MOST_PIECES} are the most; ask for less at once"
        )
    return plans
