"""``docs/reference/curves.md``: the growth curves, drawn from spans that the planner made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from demo_pipeline.domain.blueprint.checks import blueprint_from_tree
from demo_pipeline.domain.blueprint.growth import (
    CURVE_TEXTS,
    DEFAULT_CURVE,
    DEFAULT_MONTHLY_RATE,
    MOST_LIVING_RATE,
    VARIANCE_PPM,
    Curve,
)
from demo_pipeline.domain.blueprint.resolve import resolve
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.reference.industries import load_industry
from demo_pipeline.rendering.svg_figures import canvas, light_grid, svg
from scripts.reference_pages.markdown import head, page, percent, table
from scripts.reference_pages.plots import BLUE, ORANGE, style

_RATE: Final = 0.2
_CONTACTS: Final = 6000
_INDUSTRY: Final = "ecommerce"
_START, _END = Month.of(2024, 1), Month.of(2025, 12)
_VARIANCE: Final = percent(VARIANCE_PPM / 1_000_000)
_DEFAULT_RATE: Final = percent(float(DEFAULT_MONTHLY_RATE))
_LIVING_RATE: Final = percent(float(MOST_LIVING_RATE))
_SHOWN_RATE: Final = percent(_RATE)
_INTRODUCTION: Final = f"""\
`growth` says how the totals of a blueprint are spread over the months of its span. The totals are met
exactly, whatever the curve: a curve only decides how much falls into which month.

```yaml
growth: {{curve: exponential, monthly_rate: {_RATE}, seasonality: true}}
```

The weight of a month is its curve times its season, within {_VARIANCE}: the seed decides how much it
differs, so that leads and deals do not move in step. Totals are shared out by these weights to whole rows.
With `seasonality: true` the season is the industry's ([industries](industries.md)). Left out, the curve is
{DEFAULT_CURVE} with {_DEFAULT_RATE} a month and has no seasons. After the span of a living tenant
the curve goes on with at most {_LIVING_RATE} a month ([tenants](../tenants.md)).

In the formulas *r* is the monthly rate, *i* the month counted from 0, *n* the number of months of the span.
The plots show {_CONTACTS:,} contacts from {_START} to {_END} at {_SHOWN_RATE} a month, without seasons and
with those of e-commerce, as the planner spreads them. The months of your own blueprint:

```console
demo-pipeline tenant preview blueprints/larkmoor.yaml
```"""


def render() -> Mapping[str, str]:
    """The page and its plots, by file name below ``docs/reference``."""
    files: dict[str, str] = {}
    blocks = [head("Growth curves", "demo_pipeline/domain/blueprint/growth.py"), _INTRODUCTION]
    for curve, text in CURVE_TEXTS.items():
        plain, seasonal = _contacts(curve, seasons=False), _contacts(curve, seasons=True)
        picture = f"images/curve-{curve}.svg"
        files[picture] = _plot(plain, seasonal)
        blocks += [
            f"## `{curve}`",
            text.words,
            f"Weight of a month: `{text.formula}`",
            f"![Contacts a month, curve {curve}, without and with seasons]({picture})",
            table(["contacts in", *_columns()], _rows(plain, seasonal)),
        ]
    files["curves.md"] = page(blocks)
    return files


def _contacts(curve: Curve, *, seasons: bool) -> dict[Month, int]:
    """Contacts of every month, as the planner spreads them."""
    checked = blueprint_from_tree(
        {
            "name": "Growth curves",
            "country": "US",
            "industry": _INDUSTRY,
            "start_month": str(_START),
            "end_month": str(_END),
            "seed": "curves",
            "totals": {"contacts_created": _CONTACTS},
            "growth": {"curve": curve, "monthly_rate": str(_RATE), "seasonality": seasons},
        },
        "curves",
        Month.of(2026, 1),
    )
    spec, _ = resolve(checked, lambda: "")
    return {month: one.contacts_created for month, one in zip(spec.months, spec.figures, strict=True)}


def _columns() -> Iterator[str]:
    for index in _SHOWN:
        yield f"{_START + index}:"


_SHOWN: Final = (0, 5, 10, 11, 17, 22, 23)


def _rows(plain: Mapping[Month, int], seasonal: Mapping[Month, int]) -> Iterator[list[str]]:
    for name, figures in (("without seasons", plain), ("with seasons", seasonal)):
        yield [name, *(f"{figures[_START + index]:,}" for index in _SHOWN)]


def _plot(plain: Mapping[Month, int], seasonal: Mapping[Month, int]) -> str:
    with style():
        figure = canvas(6.6, 2.3)
        axes = figure.add_axes((0.075, 0.14, 0.905, 0.72))
        places = range(len(plain))
        axes.plot(places, list(plain.values()), color=BLUE, linewidth=2, marker="o", markersize=3)
        axes.plot(places, list(seasonal.values()), color=ORANGE, linewidth=1.4, linestyle="--")
        light_grid(axes)
        axes.set_ylim(0)
        axes.set_xlim(-0.4, len(plain) - 0.6)
        quarters = [place for place in places if place % 3 == 0]
        axes.set_xticks(quarters, [str(_START + place) for place in quarters])
        axes.text(0, 1.06, "● without seasons", color=BLUE, transform=axes.transAxes)
        label = load_industry(_INDUSTRY).label
        axes.text(0.24, 1.06, f"- - seasons of {label.lower()}", color=ORANGE, transform=axes.transAxes)
        axes.text(1, 1.06, "contacts a month", ha="right", transform=axes.transAxes)
        return svg(figure)
