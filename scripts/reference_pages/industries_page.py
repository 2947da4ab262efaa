"""``docs/reference/industries.md``: how the industries differ, from the lists that make the rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from demo_pipeline.domain.blueprint.schema import Realism
from demo_pipeline.domain.core.deal_values import natural_values
from demo_pipeline.domain.core.months import MONTH_NAMES
from demo_pipeline.domain.model import ACTIVITY_TYPES
from demo_pipeline.domain.reference.countries import COUNTRIES, CURRENCIES, load_locale, units_per_usd
from demo_pipeline.domain.reference.industries import INDUSTRIES, Industry, Stage, load_industry
from demo_pipeline.domain.reference.texts import load_texts
from demo_pipeline.rendering.svg_figures import canvas, light_grid, svg
from scripts.reference_pages.markdown import head, page, percent, table
from scripts.reference_pages.plots import BLUE, FAINT, GREY, ORANGE, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

_WHALES: Final = float(Realism().whale_ratio)
#: edges of the classes of deal size, US dollars: ten a decade
_EDGES: Final = np.logspace(1, 7, 6 * 10 + 1)
_INTRODUCTION: Final = """\
`industry` decides what a tenant's rows look like: pipeline stages, deal sizes, length of deals, seasons,
activities and tags. It never refuses a figure: a deal may be larger or smaller where a blueprint or plan asks
for it. The figures are assumptions that are frozen with the lists, so that a tenant stays the same after an
upgrade."""
_NOTES: Final = f"""\
Deal sizes are log-normal; 5 % of the deals are smaller than the first figure, 5 % larger than the last.
The largest deals (`realism.whale_ratio`, {percent(_WHALES)} of all by default) follow a Pareto law instead:
from about the last figure up to twenty times it. Sizes are in US dollars; amounts in another currency are
taken at the frozen rate of the lists. Length is from the creation of a deal to its close. Won is the share of
won deals among won and lost ones, where a blueprint does not say. Activities are for each contact, where a
blueprint does not say."""

_PLOTS: Final = """\
The plots show deal sizes, very large ones included, with the other industries in grey, and the seasons that
`growth.seasonality` follows, in percent of an ordinary month."""

#: Language of the names that the page shows.
_LANGUAGE = "en"


def render() -> Mapping[str, str]:
    """The page and its plots, by file name below ``docs/reference``."""
    industries = [load_industry(key) for key in INDUSTRIES]
    densities = {industry.key: _density(industry) for industry in industries}
    files: dict[str, str] = {}
    titles = [
        *("industry", "name", "smallest deals, 5 %:", "median deal:", "largest deals, 5 %:", "mean:"),
        *("length, days:", "won:", "activities:", "strongest month"),
    ]
    blocks = [
        head("Industries", "demo_pipeline/domain/reference/packs/industries"),
        _INTRODUCTION,
        table(titles, map(_summary, industries)),
        _NOTES,
        _rates(),
        _PLOTS,
    ]
    for industry in industries:
        picture = f"images/industry-{industry.key}.svg"
        files[picture] = _plot(industry, densities)
        blocks += [
            f"## `{industry.key}`",
            f"![Deal sizes and seasons of {industry.key}]({picture})",
            table(["stage", "kind", "probability:", "share of its kind:"], _stages(industry)),
            f"Activities: {_activities(industry)}.",
            f"Tags: {', '.join(tag.name for tag in load_texts(_LANGUAGE, industry.key).tags)}.",
        ]
    files["industries.md"] = page(blocks)
    return files


def _quantile(knots: NDArray[np.int64], share: float) -> float:
    """US dollars at a share of a table of US cents."""
    return float(knots[round(share * (len(knots) - 1))]) / 100


def _dollars(amount: float) -> str:
    """Three digits that count: what is drawn differs in more."""
    digits = 3 - len(str(int(amount)))
    return f"{round(amount, digits):,.0f}"


def _summary(industry: Industry) -> list[str]:
    low, high = industry.cycle_days
    strongest = max(range(12), key=industry.seasonality.__getitem__)
    return [
        f"[`{industry.key}`](#{industry.key})",
        industry.label,
        *(_dollars(_quantile(industry.deal_quantiles, share)) for share in (0.05, 0.5, 0.95)),
        _dollars(industry.typical_deal_usd),
        f"{low} to {high}",
        f"{industry.win_rate_percent} %",
        f"{industry.activities_per_contact_percent / 100:g}",
        f"{MONTH_NAMES[strongest][:3]}, {industry.seasonality[strongest]} %",
    ]


def _rates() -> str:
    currencies = sorted(
        {load_locale(country).currency for country in COUNTRIES} - {CURRENCIES["USD"]}, key=str
    )
    rows = [
        [industry.key, *(_dollars(_quantile(industry.deal_quantiles, 0.5) * rate) for rate in rates)]
        for rates in [[1.0, *(float(units_per_usd(currency)) for currency in currencies)]]
        for industry in map(load_industry, INDUSTRIES)
    ]
    rates = ", ".join(f"{units_per_usd(currency)} {currency}" for currency in currencies)
    titles = ["median deal", "USD:", *(f"{currency}:" for currency in currencies)]
    return f"A US dollar is {rates}.\n\n{table(titles, rows)}"


def _kind(stage: Stage) -> str:
    return "won" if stage.is_won else "lost" if stage.is_lost else "open"


def _stages(industry: Industry) -> Iterator[list[str]]:
    weights: dict[str, int] = {}
    for stage in industry.stages:
        weights[_kind(stage)] = weights.get(_kind(stage), 0) + stage.weight
    for name, stage in zip(load_texts(_LANGUAGE, industry.key).stages, industry.stages, strict=True):
        kind = _kind(stage)
        yield [name, kind, f"{stage.probability} %", percent(stage.weight / weights[kind])]


def _activities(industry: Industry) -> str:
    whole = sum(industry.activity_weights)
    by_weight = sorted(zip(industry.activity_weights, ACTIVITY_TYPES, strict=True), reverse=True)
    return ", ".join(f"{kind} {percent(weight / whole)}" for weight, kind in by_weight)


def _density(industry: Industry) -> NDArray[np.float64]:
    """Share of the deals in each class of ``_EDGES``, shape (classes,)."""
    evenly = np.arange(2**14, dtype=np.uint64) << np.uint64(50)
    sizes = natural_values(evenly, industry.deal_quantiles, int(_WHALES * 1_000_000), industry.largest_deal)
    counts, _ = np.histogram(sizes / 100, _EDGES)
    return counts / counts.sum()


def _plot(industry: Industry, densities: Mapping[str, NDArray[np.float64]]) -> str:
    with style():
        figure = canvas(7.2, 2.2)
        sizes = figure.add_axes((0.02, 0.15, 0.53, 0.72))
        middles = np.sqrt(_EDGES[:-1] * _EDGES[1:])
        for key, density in densities.items():
            is_own = key == industry.key
            shown = np.flatnonzero(density)
            part = slice(max(0, shown[0] - 1), shown[-1] + 2)
            place, share = middles[part], density[part] * 100
            if is_own:
                sizes.fill_between(place, share, color=BLUE, alpha=0.25, linewidth=0)
            sizes.plot(
                place, share, color=BLUE if is_own else FAINT, linewidth=1.8 if is_own else 0.7,
                alpha=1 if is_own else 0.6, zorder=3 if is_own else 1,
            )  # fmt: skip
        sizes.set_xscale("log")
        sizes.set_xlim(10, 1e7)
        sizes.set_ylim(0)
        sizes.set_yticks([])
        sizes.minorticks_off()
        sizes.set_xticks([10.0**power for power in range(1, 8)], _POWERS)
        median = _quantile(industry.deal_quantiles, 0.5)
        sizes.text(0, 1.05, "deal size, US dollars", transform=sizes.transAxes)
        sizes.text(1, 1.05, f"median {_dollars(median)}", color=BLUE, ha="right", transform=sizes.transAxes)
        _seasons(figure.add_axes((0.62, 0.15, 0.365, 0.72)), industry.seasonality)
        return svg(figure)


_POWERS: Final = ("10", "100", "1k", "10k", "100k", "1M", "10M")


def _seasons(axes: Axes, percent: Sequence[int]) -> None:
    """Bars by month around 100."""
    colours = [ORANGE if one >= 100 else FAINT for one in percent]
    axes.bar(range(12), [one - 100 for one in percent], bottom=100, color=colours, width=0.7)
    axes.axhline(100, color=GREY, linewidth=0.8)
    light_grid(axes)
    axes.spines["bottom"].set_visible(False)
    axes.tick_params(axis="x", length=0)
    axes.set_ylim(55, 150)
    axes.set_yticks([75, 100, 125, 150])
    axes.set_xticks(range(12), [name[0] for name in MONTH_NAMES])
    axes.text(0, 1.05, "season, percent", transform=axes.transAxes)
