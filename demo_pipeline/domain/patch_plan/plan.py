"""A patch plan as data: what a person asks of some months of one tenant.

Promises that a plan that exists is sound in itself (one to twenty-four months in order, counts and amounts
in their bounds), and that equal plans have one document (``to_json``), however they were spelled: a job's
identity is built from it. Amounts are major units as they were asked for; what they are in the tenant's
currency, whether the figures are feasible and whether a cap allows them is not known here. How a plan is
read from what people write is in ``patch_plan.assemble``, how it is written in ``patch_plan.writing``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_EVEN, Context, Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from demo_pipeline.domain.core.currency import MOST_MINOR_DIGITS
from demo_pipeline.domain.core.figures import COUNT_METRICS, METRICS, VALUE_METRICS, GivenFigures
from demo_pipeline.domain.core.months import FIRST_MONTH, LAST_MONTH, MOST_MONTHS, Month
from demo_pipeline.domain.feasibility import MOST_MONTH_VALUE

#: Beyond it a calendar of 24 months more would leave what the database can hold.
MOST_COUNT: Final = 10**9
#: a target is a sum over the deals of a month
MOST_VALUE: Final = MOST_MONTH_VALUE
#: decimals of a tolerance
SHARE_DECIMALS: Final = 6
#: digits of a fingerprint: SHA-256 in lower-case hex
FINGERPRINT: Final = re.compile(r"[0-9a-f]{64}")

_CENT: Final = Decimal("0.01")
_EXACT: Final = Context(prec=50, rounding=ROUND_HALF_EVEN)


def has_decimals(number: Decimal, most: int) -> bool:
    """Whether a finite number needs at most so many decimals; zeros at the end do not count."""
    _, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int), "not finite"
    if exponent >= -most:
        return True
    return all(digit == 0 for digit in digits[exponent + most :])


class PlanMode(StrEnum):
    """What a plan may do to reach its figures."""

    #: make rows
    ADDITIVE = "additive"
    #: make rows, and soft-delete generated ones where figures are to fall
    RECONCILE = "reconcile"


class PlanType(StrEnum):
    """What a plan's figures are."""

    #: to be added to what is there
    DELTAS = "deltas"
    #: to be what is there afterwards
    TARGETS = "targets"


@dataclass(frozen=True, kw_only=True)
class Tolerances:
    """How far a figure may be from its target for a TARGETS plan that was applied to count as still there.

    What a job makes is exact, whatever they are.
    """

    #: units
    count: int = 0
    #: share of the target
    value: Decimal = Decimal(0)

    def __post_init__(self) -> None:
        if not 0 <= self.count <= MOST_COUNT:
            raise ValueError(f"tolerances.count {self.count} is not from 0 to {MOST_COUNT}")
        if not (self.value.is_finite() and 0 <= self.value <= 1 and has_decimals(self.value, SHARE_DECIMALS)):
            raise ValueError(f"tolerances.value {self.value} is not a share from 0 to 1")


@dataclass(frozen=True)
class MonthRequest:
    """What is asked of one month. Nothing is said of a figure that is not given."""

    month: Month
    given: GivenFigures

    def __post_init__(self) -> None:
        if not FIRST_MONTH <= self.month <= LAST_MONTH:
            raise ValueError(f"{self.month} is not from {FIRST_MONTH} to {LAST_MONTH}")
        if unknown := self.given.keys() - METRICS.keys():
            raise ValueError(f"{self.month} has unknown metrics: {', '.join(sorted(unknown))}")
        for metric, figure in self.given.items():
            if not is_in_bounds(metric, figure):
                raise ValueError(f"{self.month} {metric} {figure} is out of bounds")
        in_order = {metric: self.given[metric] for metric in METRICS if metric in self.given}
        object.__setattr__(self, "given", MappingProxyType(in_order))

    def to_json(self) -> dict[str, Any]:
        """Canonical and JSON-ready; money as a string with two decimals."""
        metrics = {
            metric: amount_text(figure) if isinstance(figure, Decimal) else figure
            for metric, figure in self.given.items()
        }
        return {"month": str(self.month), "metrics": metrics}


@dataclass(frozen=True, kw_only=True)
class PatchPlan:
    """Figures for some months of one tenant."""

    months: tuple[MonthRequest, ...]
    mode: PlanMode = PlanMode.ADDITIVE
    plan_type: PlanType = PlanType.DELTAS
    #: none: the tenant's own
    seed: str | None = None
    tolerances: Tolerances = Tolerances()
    #: of the preview that a person confirmed, for a plan that reconciles; no part of what is asked
    fingerprint: str | None = None

    def __post_init__(self) -> None:
        if not 1 <= len(self.months) <= MOST_MONTHS:
            raise ValueError(f"{len(self.months)} months are not 1 to {MOST_MONTHS}")
        listed = [request.month for request in self.months]
        if listed != sorted(set(listed)):
            raise ValueError("the months are not in order, each once")
        if self.is_reconcile and self.plan_type is not PlanType.TARGETS:
            raise ValueError("a plan that reconciles has targets")
        if self.fingerprint is not None and not (
            self.is_reconcile and FINGERPRINT.fullmatch(self.fingerprint)
        ):
            raise ValueError("a fingerprint is 64 hex digits of a plan that reconciles")

    @property
    def is_reconcile(self) -> bool:
        """Whether it may also lower figures."""
        return self.mode is PlanMode.RECONCILE

    @property
    def first_month(self) -> Month:
        return self.months[0].month

    @property
    def last_month(self) -> Month:
        return self.months[-1].month

    def to_json(self) -> dict[str, Any]:
        """The normalised plan, JSON-ready.

        Without the seed, which stands beside it in a job's identity, and without the fingerprint.
        """
        return {
            "mode": str(self.mode),
            "plan_type": str(self.plan_type),
            "tolerances": {"count": self.tolerances.count, "value": share_text(self.tolerances.value)},
            "months": [request.to_json() for request in self.months],
        }

    @property
    def plain(self) -> PatchPlan:
        """The same plan without what asks for nothing: in DELTAS a count of 0 is as good as none."""
        if self.plan_type is PlanType.TARGETS:
            return self
        months = [
            MonthRequest(
                request.month,
                {
                    metric: figure
                    for metric, figure in request.given.items()
                    if figure or metric in VALUE_METRICS
                },
            )
            for request in self.months
        ]
        asking = tuple(request for request in months if request.given)
        return replace(self, months=asking or tuple(months[:1]))

    @classmethod
    def from_json(cls, document: Mapping[str, Any], *, seed: str | None = None) -> PatchPlan:
        """The inverse of :meth:`to_json`, for plans that are stored; ``seed`` is stored beside them.

        A stored plan may have a fingerprint: that of the preview that was confirmed.
        """
        tolerances = document["tolerances"]
        return cls(
            mode=PlanMode(document.get("mode", PlanMode.ADDITIVE)),
            fingerprint=document.get("fingerprint"),
            plan_type=PlanType(document["plan_type"]),
            seed=seed,
            tolerances=Tolerances(count=int(tolerances["count"]), value=Decimal(tolerances["value"])),
            months=tuple(
                MonthRequest(
                    Month.parse(entry["month"]),
                    {
                        metric: Decimal(figure) if metric in VALUE_METRICS else int(figure)
                        for metric, figure in entry["metrics"].items()
                    },
                )
                for entry in document["months"]
            ),
        )


def is_in_bounds(metric: str, figure: int | Decimal) -> bool:
    """Whether a plan may have this figure: finite, not negative, not beyond what can be stored."""
    if metric in COUNT_METRICS:
        return isinstance(figure, int) and 0 <= figure <= MOST_COUNT
    amount = Decimal(figure)
    return amount.is_finite() and 0 <= amount <= MOST_VALUE and has_decimals(amount, MOST_MINOR_DIGITS)


def amount_text(amount: Decimal) -> str:
    """Money as a plan's document has it: plain, two decimals, ``25000.00``."""
    return f"{_EXACT.quantize(amount.copy_abs(), _CENT):f}"


def share_text(share: Decimal) -> str:
    """A share without zeros at its end: ``0.01``, ``0``."""
    return f"{_EXACT.normalize(share.copy_abs()):f}"
