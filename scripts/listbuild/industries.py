"""Stages, tags and quantile tables of the industries."""

from __future__ import annotations

import itertools
import math
from statistics import NormalDist
from typing import Any

from scripts.listbuild.words import read_toml

_INTERVALS = 4096
#: The ends of an industry's ranges are these quantiles.
_Z95 = NormalDist().inv_cdf(0.95)
_WHALE_EXPONENT = 1.5
_WHALE_LIMIT = 20
#: Beyond this many sigmas the body is cut, so that the last knots stay believable.
_CUT = 2.8
_MINUTES_A_DAY = 1440
_SHORTEST_MINUTES = 45


def industries() -> dict[str, dict[str, Any]]:
    """All industries, frozen form, by key."""
    return {key: _industry(raw) for key, raw in read_toml("industries.toml").items()}


def _industry(raw: dict[str, Any]) -> dict[str, Any]:
    low, high = raw["deal_usd"]
    body = _log_normal(low * 100, high * 100)
    first, last = (days * _MINUTES_A_DAY for days in raw["cycle_days"])
    cycle = [max(_SHORTEST_MINUTES, minutes) for minutes in _log_normal(first, last)]
    return {
        "label": raw["label"],
        "stages": [_stage(place, text) for place, text in enumerate(raw["stages"], 1)],
        "activities_per_contact_percent": raw["activities_per_contact_percent"],
        "typical_deal_usd": round(sum(body) / len(body) / 100),
        "deal_knot_steps": _steps(body),
        "whale_knot_steps": _steps(_pareto(high * 100)),
        "cycle_days": raw["cycle_days"],
        "cycle_knot_steps": _steps(cycle),
        "win_rate_percent": raw["win_rate_percent"],
        "seasonality": raw["seasonality"],
        "activity_weights": raw["activity_weights"],
        "tags": {language: _tags(text) for language, text in raw["tags"].items()},
    }


def _stage(position: int, text: str) -> dict[str, Any]:
    name_en, name_de, probability, kind, weight = (part.strip() for part in text.split("|"))
    return {
        "name_en": name_en,
        "name_de": name_de,
        "position": position,
        "probability": int(probability),
        "is_won": kind == "won",
        "is_lost": kind == "lost",
        "weight": int(weight),
    }


def _tags(text: str) -> list[list[str]]:
    return [part.strip().rsplit(" ", 1) for part in text.split(",")]


def _log_normal(low: int, high: int) -> list[int]:
    """Knots whose 5 and 95 % are ``low`` and ``high``: median √(low·high), sigma ln(high/low)/2/z."""
    normal = NormalDist(math.log(low * high) / 2, math.log(high / low) / 2 / _Z95)
    ends = NormalDist().cdf(-_CUT)
    return [
        round(math.exp(normal.inv_cdf(ends + (1 - 2 * ends) * knot / _INTERVALS)))
        for knot in range(_INTERVALS + 1)
    ]


def _pareto(start: int) -> list[int]:
    """Knots of a Pareto law from ``start``, truncated at a multiple of it."""
    mass = 1 - _WHALE_LIMIT**-_WHALE_EXPONENT
    return [
        round(start * (1 - mass * knot / _INTERVALS) ** (-1 / _WHALE_EXPONENT))
        for knot in range(_INTERVALS + 1)
    ]


def _steps(knots: list[int]) -> list[int]:
    return [knots[0], *(right - left for left, right in itertools.pairwise(knots))]
