"""Quantile tables of an industry, from the ranges that its pack declares."""

from __future__ import annotations

import itertools
import math
from statistics import NormalDist
from typing import Any

_INTERVALS = 4096
#: The ends of an industry's ranges are these quantiles.
_Z95 = NormalDist().inv_cdf(0.95)
#: Beyond this many sigmas the body is cut, so that the last knots stay believable.
_CUT = 2.8
_MINUTES_A_DAY = 1440
_SHORTEST_MINUTES = 45


def quantiles(industry: dict[str, Any]) -> dict[str, Any]:
    """The content of ``quantiles.json`` for that of ``industry.json``."""
    low, high = industry["deal_usd"]
    body = _log_normal(low * 100, high * 100)
    first, last = (days * _MINUTES_A_DAY for days in industry["cycle_days"])
    return {
        "typical_deal_usd": round(sum(body) / len(body) / 100),
        "deal": _steps(body),
        "cycle": _steps([max(_SHORTEST_MINUTES, minutes) for minutes in _log_normal(first, last)]),
    }


def _log_normal(low: int, high: int) -> list[int]:
    """Knots whose 5 and 95 % are ``low`` and ``high``: median √(low·high), sigma ln(high/low)/2/z."""
    normal = NormalDist(math.log(low * high) / 2, math.log(high / low) / 2 / _Z95)
    ends = NormalDist().cdf(-_CUT)
    return [
        round(math.exp(normal.inv_cdf(ends + (1 - 2 * ends) * knot / _INTERVALS)))
        for knot in range(_INTERVALS + 1)
    ]


def _steps(knots: list[int]) -> list[int]:
    return [knots[0], *(right - left for left, right in itertools.pairwise(knots))]
