"""Measures what the settings of a blueprint do, and writes it into ``docs/believability.md`` with plots.

    python -m scripts.plot_settings

Each setting is tried at three values or more with tenants that the generator makes, three seeds each. Run it
when rows have changed on purpose; it takes about a minute. The plots are ``docs/images/setting-*.svg``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean
from typing import Any, Final

import numpy as np
import pyarrow as pa

from demo_pipeline.domain.blueprint.checks import blueprint_from_tree
from demo_pipeline.domain.blueprint.resolve import resolve
from demo_pipeline.domain.core.months import MONTH_NAMES, Month
from demo_pipeline.domain.feasibility import DEFAULT_CAPS
from demo_pipeline.domain.generation.generator import Generator
from demo_pipeline.domain.reference.industries import INDUSTRIES, load_industry
from demo_pipeline.rendering.svg_figures import canvas, light_grid, svg
from scripts.reference_pages.markdown import percent, table
from scripts.reference_pages.plots import BLUE, FAINT, GREY, ORANGE, style

ROOT: Final = Path(__file__).resolve().parent.parent
PAGE: Final = ROOT / "docs" / "believability.md"
IMAGES: Final = ROOT / "docs" / "images"
BEGIN: Final = "<!-- settings: begin (written by python -m scripts.plot_settings) -->"
END: Final = "<!-- settings: end -->"
_NOW: Final = datetime(2026, 11, 1, tzinfo=UTC)
_SEEDS: Final = ("1", "2", "3")
_BLUEPRINT: Final[dict[str, Any]] = {
    "name": "Larkmoor Analytics",
    "country": "US",
    "industry": "saas",
    "start_month": "2025-01",
    "end_month": "2025-12",
    "growth": {"curve": "linear", "monthly_rate": 0},
    "totals": {
        "leads_created": 1200,
        "contacts_created": 2000,
        "companies_created": 300,
        "deals_created": 1200,
        "closed_won_count": 300,
        "activities_created": 6000,
    },
}


@dataclass(frozen=True)
class Rows:
    """The columns of a tenant that settings are measured on."""

    outcome: np.ndarray
    value: np.ndarray
    deal_month: np.ndarray
    contacts: list[dict[str, Any]]
    met: frozenset[bytes]


def made(declared: Mapping[str, Any], seed: str) -> Rows:
    """The rows of a blueprint."""
    tree = {**_BLUEPRINT, **declared, "seed": seed}
    tree["totals"] = {**_BLUEPRINT["totals"], **declared.get("totals", {})}
    checked = blueprint_from_tree(tree, "larkmoor", Month.containing(_NOW), DEFAULT_CAPS)
    spec, _ = resolve(checked, lambda: seed)
    generator = Generator(spec, _NOW)
    stages = {
        row["id"]: "won" if row["is_won"] else "lost" if row["is_lost"] else "open"
        for row in generator.team.batches()["pipeline_stages"].to_pylist()
    }
    deals: list[dict[str, Any]] = []
    contacts: list[dict[str, Any]] = []
    met: set[bytes] = set()
    for month in spec.months:
        for batch in generator.month(month):
            if batch.table == "deals":
                chosen = batch.rows.select(["stage_id", "value", "created_at"])
                deals += pa.Table.from_batches([chosen]).to_pylist()
            elif batch.table == "contacts":
                contacts += batch.rows.select(["id", "status", "company_id"]).to_pylist()
            elif batch.table == "activities":
                met |= {row["contact_id"] for row in batch.rows.select(["contact_id"]).to_pylist()}
    return Rows(
        np.array([stages[deal["stage_id"]] for deal in deals]),
        np.array([float(deal["value"]) for deal in deals]),
        np.array([deal["created_at"].month for deal in deals]),
        contacts,
        frozenset(met),
    )


def silent_leads(rows: Rows) -> float:
    """The share of leads without any activity."""
    leads = [row["id"] for row in rows.contacts if row["status"] == "lead"]
    return fmean(lead not in rows.met for lead in leads)


def top_share(rows: Rows) -> float:
    """The share of won value in the largest 5 % of won deals."""
    won = np.sort(rows.value[rows.outcome == "won"])
    return float(won[-max(len(won) // 20, 1) :].sum() / won.sum())


def lost_ratio(rows: Rows) -> float:
    """Value of lost deals against that of the others."""
    is_lost = rows.outcome == "lost"
    return float(rows.value[is_lost].sum() / rows.value[~is_lost].sum())


def private_share(rows: Rows) -> float:
    """The share of contacts without a company."""
    return fmean(row["company_id"] is None for row in rows.contacts)


def win_rate(rows: Rows) -> float:
    """Won among won and lost deals."""
    won = float((rows.outcome == "won").sum())
    return won / (won + float((rows.outcome == "lost").sum()))


@dataclass(frozen=True)
class Setting:
    """A key of a blueprint, how it is declared, and what it is measured by."""

    name: str
    title: str
    text: str
    values: Sequence[float]
    declared: Callable[[float], dict[str, Any]]
    measure: Callable[[Rows], float]
    measured: str
    #: whether the figure is to be the declared value
    is_value: bool = True


def _realism(key: str) -> Callable[[float], dict[str, Any]]:
    return lambda value: {"realism": {key: str(value)}}


SETTINGS: Final = (
    Setting(
        "drop_off_rate",
        "`realism.drop_off_rate`",
        "Dropped leads have no activity at all, in their month and in later ones. Where leads are more than "
        "four tenths of the activities, more stay without an answer.",
        (0.0, 0.2, 0.5),
        _realism("drop_off_rate"),
        silent_leads,
        "leads without any activity",
    ),
    Setting(
        "whale_ratio",
        "`realism.whale_ratio`",
        "This share of the deals, the largest, follows a Pareto law. A higher ratio moves value into the "
        "largest deals; totals stay. Most of the effect comes by 0.05.",
        (0.0, 0.05, 0.1, 0.2),
        _realism("whale_ratio"),
        top_share,
        "won value in the largest 5 % of won deals",
        is_value=False,
    ),
    Setting(
        "lost_value_ratio",
        "`realism.lost_value_ratio`",
        "Lost value is in no figure, but a dashboard may sum it. The ratio is exact within every month "
        "that has lost deals and a pipeline. Over a whole tenant it is up to about a tenth lower, because "
        "the last months may have no lost deals yet.",
        (0.25, 1.0, 3.0),
        _realism("lost_value_ratio"),
        lost_ratio,
        "value of lost deals against the pipeline",
    ),
    Setting(
        "private_share",
        "`private_share`",
        "Private customers have no employer.",
        (0.0, 0.3, 0.8),
        lambda value: {"private_share": str(value)},
        private_share,
        "contacts without a company",
    ),
    Setting(
        "win_rate",
        "Win rate",
        "No key of its own: `closed_won_count` among `deals_created` and the open value decide; what is "
        "neither won nor open is lost. The first column is won among all deals.",
        (0.1, 0.25, 0.4),
        lambda value: {"totals": {"closed_won_count": round(1200 * value)}},
        win_rate,
        "won among won and lost deals",
        is_value=False,
    ),
)


def _shown(value: float) -> str:
    return f"{value:.2f}"


def _plot(setting: Setting, measured: Sequence[Sequence[float]]) -> str:
    """Measured against declared: a dot a seed, a line through the means."""
    with style():
        figure = canvas(4.2, 2.4)
        axes = figure.add_axes((0.1, 0.17, 0.86, 0.68))
        if setting.is_value:
            axes.plot(setting.values, setting.values, color=FAINT, linewidth=1, linestyle="--")
        axes.plot(setting.values, [fmean(one) for one in measured], color=BLUE, linewidth=1.6)
        for value, one in zip(setting.values, measured, strict=True):
            axes.plot([value] * len(one), one, "o", color=ORANGE, markersize=4)
        light_grid(axes)
        axes.set_ylim(0)
        axes.set_xticks(list(setting.values), [f"{value:g}" for value in setting.values])
        axes.text(0, 1.07, setting.measured, transform=axes.transAxes)
        axes.text(1, -0.2, setting.name, color=GREY, ha="right", transform=axes.transAxes)
        return svg(figure)


_SEASONS: Final = (
    "Deals by month of 1,200 in a year, mean of three seeds: with seasons (line) against the industry's "
    "season (broad), and without (dashed). The last column is the mean distance from an even month without "
    "seasons."
)


def _seasons() -> tuple[str, str]:
    """Deals by month with and without seasons, as a section and its plot."""
    rows: list[list[str]] = []
    with style():
        figure = canvas(7.2, 3.4)
        for place, key in enumerate(INDUSTRIES):
            season = np.array(load_industry(key).seasonality, float)
            seasonal, plain = (
                np.mean(
                    [np.bincount(made(declared, seed).deal_month, minlength=13)[1:] for seed in _SEEDS],
                    axis=0,
                )
                for declared in (
                    {
                        "industry": key,
                        "growth": {"curve": "linear", "monthly_rate": 0, "seasonality": is_on},
                    }
                    for is_on in (True, False)
                )
            )
            axes = figure.add_axes((0.05 + place % 3 * 0.325, 0.57 - place // 3 * 0.5, 0.28, 0.33))
            axes.plot(range(12), season, color=FAINT, linewidth=3)
            axes.plot(range(12), seasonal, color=BLUE, linewidth=1.6)
            axes.plot(range(12), plain, color=ORANGE, linewidth=1.2, linestyle="--")
            light_grid(axes)
            axes.set_xticks(range(12), [name[0] for name in MONTH_NAMES])
            axes.set_ylim(50, 160)
            axes.set_yticks([75, 100, 125])
            axes.text(0, 1.05, key, transform=axes.transAxes)
            rows.append(
                [
                    f"`{key}`",
                    _shown(float(np.corrcoef(season, seasonal)[0, 1])),
                    percent(float(np.abs(seasonal - season).mean() / 100)),
                    percent(float(np.abs(plain - 100).mean() / 100)),
                ]
            )
        picture = svg(figure)
    titles = [
        "industry",
        "correlation with the season:",
        "mean distance from it:",
        "distance from 100 without:",
    ]
    section = "\n\n".join(
        [
            "### `growth.seasonality`",
            _SEASONS,
            "![Deals by month with and without seasons](images/setting-seasonality.svg)",
            table(titles, rows),
        ]
    )
    return section, picture


def main() -> int:
    """Measure all settings, write the plots, replace the block of the page."""
    text = PAGE.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        print(f"{PAGE.name} has lost its marks; write {BEGIN} and {END} where the settings belong")
        return 1
    sections: list[str] = []
    for setting in SETTINGS:
        measured = [
            [setting.measure(made(setting.declared(value), seed)) for seed in _SEEDS]
            for value in setting.values
        ]
        picture = f"setting-{setting.name.replace('_', '-')}.svg"
        (IMAGES / picture).write_text(_plot(setting, measured), encoding="utf-8")
        rows = [
            [f"{value:g}", *map(_shown, one), _shown(fmean(one))]
            for value, one in zip(setting.values, measured, strict=True)
        ]
        titles = ["declared:", *(f"seed {seed}:" for seed in _SEEDS), "mean:"]
        sections += [
            f"### {setting.title}",
            setting.text,
            f"![{setting.measured}](images/{picture})",
            f"Measured: {setting.measured}.",
            table(titles, rows),
        ]
    section, picture = _seasons()
    (IMAGES / "setting-seasonality.svg").write_text(picture, encoding="utf-8")
    block = "\n\n".join([*sections, section])
    PAGE.write_text(f"{before}{BEGIN}\n{block}\n{END}{after}", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
