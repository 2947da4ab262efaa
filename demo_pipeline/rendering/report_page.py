"""A report as one HTML page: of a tenant, or of all. It asks for nothing else and runs no script.

The page is made by a Jinja template that escapes every value; the content security policy of the page forbids
the network as well. The same data gives the same bytes. What it says is in ``services.tenants.report``,
``report_story`` and ``report_plots``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from markupsafe import Markup, escape

from demo_pipeline.domain.core.currency import Currency
from demo_pipeline.domain.core.figures import METRICS, Figures, figure_text
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.core.terminal_text import neutral
from demo_pipeline.domain.core.wording import counted
from demo_pipeline.domain.heroes.talk_track import missing_text
from demo_pipeline.domain.reference.industries import load_industry
from demo_pipeline.rendering.hero_columns import hero_sections
from demo_pipeline.rendering.report_plots import Plot, tenant_plots
from demo_pipeline.rendering.report_story import story
from demo_pipeline.rendering.table import Table, facts, text_columns
from demo_pipeline.services.months.freshness import FreshnessState
from demo_pipeline.services.tenants.release import ReleaseState
from demo_pipeline.services.tenants.report import Overview, TenantReport
from demo_pipeline.services.tenants.verify import VERIFIED, Check, Verdict

if TYPE_CHECKING:
    from jinja2 import Environment

#: metrics whose course the overview shows
_COURSES: Final = ("contacts_created", "deals_created", "closed_won_value")


@dataclass(frozen=True, kw_only=True)
class Card:
    """One KPI at a glance."""

    label: str
    total: str
    #: the figure of each month
    course: Sequence[int]
    #: the last month that is over, with its figure
    latest: str


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One figure of one month."""

    text: str
    #: the target, where the figure is another one; empty: it is on target, or there is none
    target: str


@dataclass(frozen=True, kw_only=True)
class MonthLine:
    """One month in the table of KPIs."""

    month: str
    note: str
    cells: Sequence[Cell]


@dataclass(frozen=True, kw_only=True)
class CheckLine:
    """One check and what it found."""

    sentence: str
    messages: Sequence[str]


def tenant_page(report: TenantReport) -> str:
    """The page of one tenant."""
    return (
        _environment()
        .get_template("tenant.html.j2")
        .render(
            title=f"{report.spec.name} · report",
            report=report,
            currency=report.currency,
            facts=tenant_facts(report),
            sentences=story(report),
            heroes=hero_sections(report.heroes),
            missing_heroes=missing_text(report.heroes),
            cards=_cards(report),
            metrics=METRICS,
            month_lines=list(_month_lines(report)),
            totals=_cells(report.months.total, report.currency),
            plots=tenant_plots(report),
            open_tables=list(open_tables(report)),
            checks=check_lines(report.verdict),
            pending=pending_text(report.verdict),
            **_scorecard_parts(report),
            as_of=f"{report.as_of:%Y-%m-%d %H:%M} UTC",
        )
    )


def overview_page(overview: Overview, links: Mapping[str, str]) -> str:
    """The page of all tenants; ``links``: slug → address of the tenant's own page, relative."""
    return (
        _environment()
        .get_template("overview.html.j2")
        .render(
            title="Demo tenants · overview",
            tenants=overview.tenants,
            courses=[(name, METRICS[name]) for name in _COURSES],
            links=links,
            as_of=f"{overview.as_of:%Y-%m-%d %H:%M} UTC",
        )
    )


# -- what the pages and Dagster's page show ----------------------------------------------------------------


def tenant_facts(report: TenantReport) -> Table[Sequence[str]]:
    """What a tenant is and how it stands, a name and a value each."""
    spec, months = report.spec, list(report.months.nonzero())
    return facts(
        [
            ("Tenant", spec.slug),
            ("Industry", load_industry(spec.industry).label),
            ("Country", spec.country),
            ("Currency", str(spec.currency)),
            ("Time zone", spec.timezone),
            ("Months with rows", f"{months[0]} to {months[-1]}" if months else "none"),
            ("State", state_text(report.end_month, report.freshness)),
            ("Released", released_text(report)),
            ("Not loaded yet", pending_text(report.verdict)),
        ]
    )


def released_text(report: TenantReport) -> str:
    """Which of the loaded months may be shown."""
    months = sorted(report.expected)
    by_state = {
        state: [str(month) for month in months if report.releases.state(month) is state]
        for state in ReleaseState
    }
    released = by_state[ReleaseState.RELEASED]
    text = f"{len(released):,} of {counted(len(months), 'loaded month')}"
    for state in (ReleaseState.CHANGED_SINCE, ReleaseState.NOT_RELEASED):
        if by_state[state] and released:
            text += f"; {state.value}: {', '.join(by_state[state])}"
    return text


def open_tables(report: TenantReport) -> Iterator[Table[Any]]:
    """What is open: deals by stage, the largest deals, activities to be done; without empty tables."""
    currency = report.currency
    if report.open_stages:
        titles = ("stage", "deals", f"value, {currency}", f"expected, {currency}")
        stages = report.open_stages
        yield Table(
            text_columns(*titles, numbers=set(titles[1:])),
            [
                (
                    one.stage or "no stage",
                    f"{one.count:,}",
                    currency.shown(one.value),
                    currency.shown(one.weighted_value),
                )
                for one in stages
            ],
            title="Open deals by stage",
            total=(
                "all",
                f"{sum(one.count for one in stages):,}",
                currency.shown(sum(one.value for one in stages)),
                currency.shown(sum(one.weighted_value for one in stages)),
            ),
        )
    if report.largest_open_deals:
        yield Table(
            text_columns(
                *("deal", "company", "stage", "owner", "expected close", f"value, {currency}"),
                numbers={f"value, {currency}"},
            ),
            [
                (
                    one.title,
                    one.company,
                    one.stage,
                    one.owner,
                    one.expected_close_on,
                    "" if one.value is None else currency.shown(one.value),
                )
                for one in report.largest_open_deals
            ],
            title="Largest open deals",
        )
    if report.open_activities:
        yield Table(
            text_columns("kind", "to be done", "overdue", numbers={"to be done", "overdue"}),
            [(one.type, f"{one.count:,}", f"{one.overdue_count:,}") for one in report.open_activities],
            title="Activities to be done",
        )


def check_lines(verdict: Verdict) -> list[CheckLine]:
    """Every check of ``verify``, with its findings."""
    return [
        CheckLine(
            sentence=check.value.replace("_", " ").replace("kpis", "KPIs"),
            messages=[finding.message for finding in verdict.findings if finding.check is check],
        )
        for check in Check
        if check in VERIFIED
    ]


def verdict_text(verdict: Verdict) -> str:
    """The verdict in a few words."""
    return "as expected" if verdict.is_as_expected else counted(len(verdict.findings), "finding")


def state_text(end_month: Month | None, freshness: FreshnessState | None) -> str:
    """``living, fresh``, or until when a closed tenant goes."""
    if end_month is not None:
        return f"closed after {end_month}"
    return "" if freshness is None else f"living, {freshness}"


def pending_text(verdict: Verdict) -> str:
    """The months of which nothing is loaded yet; empty: there is none."""
    if not verdict.pending:
        return ""
    first, last = verdict.pending[0], verdict.pending[-1]
    span = f"{first}" if first == last else f"{first} to {last}"
    return f"{counted(len(verdict.pending), 'month')}: {span}"


def _scorecard_parts(report: TenantReport) -> dict[str, Any]:
    """What the page says of the scorecard: counts, red lines, all lines; nothing where there is none."""
    card = report.scorecard
    if card is None:
        return {"score_summary": "", "red_scores": None, "all_scores": None}
    # numpy: pages without a scorecard do without.
    from demo_pipeline.rendering.score_columns import SCORE_PAGE_COLUMNS, score_summary

    return {
        "score_summary": score_summary(card),
        "red_scores": Table(SCORE_PAGE_COLUMNS, card.red) if card.red else None,
        "all_scores": Table(SCORE_PAGE_COLUMNS, card.scores),
    }


def _cards(report: TenantReport) -> list[Card]:
    months, complete, currency = report.months, report.complete_months, report.currency
    last = max(complete, default=None)
    return [
        Card(
            label=f"{metric.long_label}{f', {currency}' if metric.is_value else ''}",
            total=figure_text(name, months.total[name], currency),
            course=[figures[name] for figures in months.values()],
            latest="" if last is None else f"{last}: {figure_text(name, complete[last][name], currency)}",
        )
        for name, metric in METRICS.items()
    ]


def _month_lines(report: TenantReport) -> Iterator[MonthLine]:
    for month, figures in report.months.items():
        is_running = month == report.running_month
        expected = report.expected.get(month)
        yield MonthLine(
            month=str(month),
            note="running" if is_running else "not loaded" if month in report.verdict.pending else "",
            cells=_cells(figures, report.currency, expected),
        )


def _cells(figures: Figures, currency: Currency, expected: Figures | None = None) -> list[Cell]:
    return [
        Cell(
            text=figure_text(name, figures[name], currency),
            target=""
            if expected is None or expected[name] == figures[name]
            else figure_text(name, expected[name], currency),
        )
        for name in METRICS
    ]


# -- templates -------------------------------------------------------------------------------------------


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("demo_pipeline.rendering"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    functions: dict[str, Any] = {
        "counted": counted,
        "drifted_months": drifted_months,
        "figure_text": figure_text,
        "inline_svg": _inline_svg,
        "load_industry": load_industry,
        "pending_text": pending_text,
        "state_text": state_text,
        "verdict_text": verdict_text,
    }
    environment.globals.update(functions)
    return environment


def drifted_months(verdict: Verdict) -> int:
    """Months whose KPIs are not as expected."""
    return len({one.month for one in verdict.findings if one.check is Check.DRIFT})


def _visible(value: Any) -> Any:
    """Characters that change the order or the look of other text are shown as escapes."""
    return neutral(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _inline_svg(plot: Plot) -> Markup:
    """The picture as an element of the page, with its name and its description for screen readers."""
    _, begin, rest = plot.svg.partition("<svg ")
    attributes, end, content = rest.partition(">")
    names = f'role="img" aria-labelledby="{plot.key}-title {plot.key}-caption"'
    title = f'<title id="{plot.key}-title">{escape(plot.title)}</title>'
    description = f'<desc id="{plot.key}-caption">{escape(plot.caption)}</desc>'
    # The drawing escapes the texts in it, and the title and the caption are escaped above.
    return Markup(f"{begin}{names} {attributes}{end}{title}{description}{content}")  # noqa: S704 - as said
