"""The pictures of a tenant's report: months with their targets, funnel, closings, deal values, hours.

Each is an SVG with a sentence for those who do not see it, and with a table of its figures. Colours are those
of Okabe and Ito, which people with any colour blindness distinguish; marks and hatches say the same again,
for paper. Only this module and ``svg_figures`` know the plotting library. No picture has text of a database.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from demo_pipeline.domain.core.currency import Currency
from demo_pipeline.domain.core.figures import METRICS, Metric, figure_amount, figure_text
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.core.wording import counted, grouped
from demo_pipeline.rendering.svg_figures import canvas, light_grid, style, svg
from demo_pipeline.rendering.table import Table, text_columns
from demo_pipeline.services.tenants.report import TenantReport, ValueClass

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE: Final = "#0072B2"
SKY: Final = "#8CCBF0"
VERMILLION: Final = "#D55E00"
INK: Final = "#1f2933"
#: looks of bars, apart without colour, too
_WON: Final[Mapping[str, Any]] = {"facecolor": BLUE, "edgecolor": BLUE, "linewidth": 0.6}
_OPEN: Final[Mapping[str, Any]] = {"facecolor": SKY, "edgecolor": BLUE, "linewidth": 0.6}
_RUNNING: Final[Mapping[str, Any]] = {**_OPEN, "hatch": "////"}
_LOST: Final[Mapping[str, Any]] = {
    "facecolor": "white",
    "edgecolor": VERMILLION,
    "linewidth": 0.6,
    "hatch": "\\\\\\\\",
}
#: inches of 72 points: half of a page's width
_WIDTH: Final = 4.9
#: left, bottom, width and height of the axes, shares of the picture
_BOX: Final = (0.115, 0.2, 0.85, 0.62)
#: up to so many months each has a name; up to the second number those of quarters, then years
_NAMED_MONTHS: Final = (14, 40)
WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True, kw_only=True)
class Plot:
    """One picture."""

    #: unique in its report; a word of letters, digits and underscores
    key: str
    title: str
    #: what it shows, in sentences
    caption: str
    svg: str
    #: its figures; None: they are in the table of KPIs
    table: Table[Any] | None = None


def tenant_plots(report: TenantReport) -> tuple[Plot, ...]:
    """All pictures of a tenant; one that would be empty is left out."""
    with style(text=INK, lines="#9aa5b1"):
        return tuple(_plots(report))


def _plots(report: TenantReport) -> Iterator[Plot]:
    if not report.months.total:
        return
    yield from (_month_plot(report, name, metric) for name, metric in METRICS.items())
    if report.funnel.contacts:
        yield _funnel_plot(report)
    if report.closings:
        yield _closing_plot(report)
    if report.values:
        yield _value_plot(report)
    if report.activity_hours:
        yield _hour_plot(report)


# -- months ----------------------------------------------------------------------------------------------


def _month_plot(report: TenantReport, name: str, metric: Metric) -> Plot:
    """Bars of one metric, with its target as a line across each bar."""
    months, currency = list(report.months), report.currency
    actual = [_number(name, report.months[month][name], currency) for month in months]
    figure, axes = _axes(1.95)
    running = [month == report.running_month for month in months]
    for look, is_running in ((_WON, False), (_RUNNING, True)):
        _bars(axes, [height * (one == is_running) for height, one in zip(actual, running, strict=True)], look)
    expected = [
        (place, _number(name, report.expected[month][name], currency))
        for place, month in enumerate(months)
        if month in report.expected
    ]
    axes.hlines(
        [figure for _, figure in expected],
        [place - 0.47 for place, _ in expected],
        [place + 0.47 for place, _ in expected],
        color=INK, linewidth=1.6, capstyle="butt",
    )  # fmt: skip
    _month_axis(axes, months)
    _value_axis(axes, max([*actual, *(figure for _, figure in expected)]), is_count=not metric.is_value)
    unit = f" ({currency})" if metric.is_value else ""
    _head(axes, f"{metric.long_label}{unit}")
    _legend(axes, [("target", None), *([("running month", _RUNNING)] if any(running) else [])])
    total = figure_text(name, report.months.total[name], currency)
    best = max(months, key=lambda month: report.months[month][name])
    off = sum(1 for month in report.expected if report.expected[month][name] != report.months[month][name])
    caption = f"{total}{f' {currency}' if metric.is_value else ''} in {counted(len(months), 'month')}"
    if len(months) > 1 and report.months.total[name]:
        caption += f"; the most in {best.long_name}, {figure_text(name, report.months[best][name], currency)}"
    caption += f". {counted(off, 'month')} off target." if off else ". Every loaded month is on target."
    return Plot(
        key=name,
        title=f"{metric.long_label} by month",
        caption=caption if report.expected else caption.partition(". ")[0] + ".",
        svg=svg(figure, background="white"),
    )


def _number(name: str, figure: int, currency: Currency) -> float:
    """A figure as a length: a count, or an amount in major units."""
    return float(figure_amount(name, figure, currency))


# -- funnel ----------------------------------------------------------------------------------------------


def _funnel_plot(report: TenantReport) -> Plot:
    funnel = report.funnel
    steps = [
        ("all contacts", funnel.contacts),
        ("contacted", funnel.contacted),
        ("with a deal", funnel.with_deal),
        ("with a won deal", funnel.with_won_deal),
    ]
    figure = canvas(_WIDTH, 1.95)
    axes = figure.add_axes((0.24, 0.04, 0.5, 0.74))
    counts = [count for _, count in steps]
    # Darker step by step: the order shows without colour, too.
    axes.barh(range(4), counts, height=0.72, color=["#b9dcf0", "#7fbde0", "#3b95c8", BLUE])
    axes.set_ylim(3.6, -0.6)
    axes.set_xlim(0, funnel.contacts)
    axes.set_yticks(range(4), [label for label, _ in steps])
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    titles = ("step", "contacts", "of all", "kept of the step above")
    rows: list[tuple[str, ...]] = []
    for place, (label, count) in enumerate(steps):
        kept = "" if place == 0 else _percent(count, counts[place - 1])
        for right, text in ((1.26, f"{count:,}"), (1.48, kept)):
            axes.text(right, place, text, ha="right", va="center", transform=axes.get_yaxis_transform())
        rows.append((label, f"{count:,}", _percent(count, funnel.contacts), kept))
    axes.text(-0.46, 1.1, "From contact to customer", weight="bold", transform=axes.transAxes)
    for right, text in ((1.26, "contacts"), (1.48, "kept")):
        axes.text(right, 1.1, text, ha="right", transform=axes.transAxes)
    return Plot(
        key="funnel",
        title="From contact to customer",
        caption=f"Of {counted(funnel.contacts, 'contact')} the team has been in touch with "
        f"{funnel.contacted:,}, made a deal with {funnel.with_deal:,}, and won one with "
        f"{funnel.with_won_deal:,}.",
        svg=svg(figure, background="white"),
        table=Table(text_columns(*titles, numbers=set(titles[1:])), rows),
    )


def _percent(part: int, whole: int) -> str:
    """A share in whole per cent, or in tenths where it is small."""
    if not whole:
        return "0\u00a0%"
    share = 100 * part / whole
    return f"{share:.1f}\u00a0%" if 0 < share < 9.95 else f"{share:.0f}\u00a0%"


# -- closings --------------------------------------------------------------------------------------------


def _closing_plot(report: TenantReport) -> Plot:
    """Won deals upwards from the base line, lost ones on top of them."""
    months = list(report.closings)
    won = [report.closings[month].won_count for month in months]
    lost = [report.closings[month].lost_count for month in months]
    figure, axes = _axes(2.2)
    _bars(axes, won, _WON)
    _bars(axes, lost, _LOST, won)
    _month_axis(axes, months)
    _value_axis(axes, max(map(sum, zip(won, lost, strict=True))), is_count=True)
    _head(axes, "Deals closed")
    _legend(axes, [("won", _WON), ("lost", _LOST)])
    dated = f"{counted(sum(won), 'deal')} won and {sum(lost):,} lost, by the month in which they were closed."
    undated = report.undated_closings.won_count + report.undated_closings.lost_count
    if undated:
        dated += f" {counted(undated, 'closed deal')} without a closing date are not shown."
    columns = text_columns(
        *("month", "won", "lost", f"won value, {report.currency}", f"lost value, {report.currency}"),
        numbers={"won", "lost", f"won value, {report.currency}", f"lost value, {report.currency}"},
    )
    rows = [
        (
            str(month),
            f"{one.won_count:,}",
            f"{one.lost_count:,}",
            report.currency.shown(one.won_value),
            report.currency.shown(one.lost_value),
        )
        for month, one in report.closings.items()
    ]
    return Plot(
        key="closings",
        title="Wins and closings by month",
        caption=f"{dated} The KPIs count deals by the month in which they were opened.",
        svg=svg(figure, background="white"),
        table=Table(columns, rows),
    )


# -- values ----------------------------------------------------------------------------------------------


def _value_plot(report: TenantReport) -> Plot:
    """Deals by size in steps of 1, 2, 5, 10: about equal steps of a logarithmic axis."""
    classes = report.values
    labels = [_class_label(one, report.currency) for one in classes]
    won, still_open, lost = (
        [getattr(one, f"{outcome}_count") for one in classes] for outcome in ("won", "open", "lost")
    )
    figure, axes = _axes(2.2)
    both = [one + other for one, other in zip(won, still_open, strict=True)]
    _bars(axes, won, _WON, width=0.86)
    _bars(axes, still_open, _OPEN, won, width=0.86)
    _bars(axes, lost, _LOST, both, width=0.86)
    _place_axis(axes, len(classes))
    _bound_axis(axes, classes, report.currency)
    _value_axis(axes, max(one + more for one, more in zip(both, lost, strict=True)), is_count=True)
    _head(axes, f"Deals by value ({report.currency})")
    _legend(axes, [("won", _WON), ("open", _OPEN), ("lost", _LOST)])
    totals = [one.won_count + one.open_count + one.lost_count for one in classes]
    largest = totals.index(max(totals))
    rows = [
        (label, f"{one.won_count:,}", f"{one.open_count:,}", f"{one.lost_count:,}")
        for label, one in zip(labels, classes, strict=True)
    ]
    return Plot(
        key="values",
        title="Deals by value",
        caption=f"{counted(sum(totals), 'deal')}; the largest group, {totals[largest]:,}, is worth "
        f"{labels[largest]} {report.currency}.",
        svg=svg(figure, background="white"),
        table=Table(
            text_columns(f"value, {report.currency}", "won", "open", "lost", numbers={"won", "open", "lost"}),
            rows,
        ),
    )


def _class_label(one: ValueClass, currency: Currency) -> str:
    if one.lower is None:
        return f"less than {_whole(one.upper or 0, currency)}"
    if one.upper is None:
        return f"{_whole(one.lower, currency)} or more"
    return f"{_whole(one.lower, currency)} to {_whole(one.upper, currency)}"


def _whole(minor: int, currency: Currency) -> str:
    """A bound in major units: bounds have no decimals."""
    return grouped(int(currency.major(minor)))


def _bound_axis(axes: Axes, classes: Sequence[ValueClass], currency: Currency) -> None:
    """Bounds at the edges of the bars, every second one where there are many."""
    edges = [(place - 0.5, one.lower) for place, one in enumerate(classes)]
    edges.append((len(classes) - 0.5, classes[-1].upper))
    bounds = [(place, float(currency.major(edge))) for place, edge in edges if edge is not None]
    shown = bounds[:: 1 + (len(bounds) - 1) // 12]
    axes.set_xticks([place for place, _ in shown], [short_number(bound) for _, bound in shown])


# -- hours -----------------------------------------------------------------------------------------------


def _hour_plot(report: TenantReport) -> Plot:
    """Activities by weekday and hour: the darker, the more; the number is in each cell."""
    hours = sorted({hour for _, hour in report.activity_hours})
    hours = list(range(hours[0], hours[-1] + 1))
    counts = [
        [report.activity_hours.get((weekday, hour), 0) for hour in hours] for weekday in range(len(WEEKDAYS))
    ]
    most = max(map(max, counts))
    figure = canvas(_WIDTH, 2.2)
    axes = figure.add_axes((0.105, 0.12, 0.875, 0.72))
    for weekday, row in enumerate(counts):
        for place, count in enumerate(row):
            axes.bar(place, 0.94, bottom=weekday - 0.47, width=0.94, color=_shade(count / most), linewidth=0)
            if count and len(hours) <= 18:
                axes.text(
                    place, weekday, short_number(count), ha="center", va="center_baseline",
                    color="white" if count > 0.55 * most else INK,
                )  # fmt: skip
    axes.set_xlim(-0.5, len(hours) - 0.5)
    axes.set_ylim(6.5, -0.5)
    axes.set_yticks(range(7), [name[:3] for name in WEEKDAYS])
    shown = hours if len(hours) <= 18 else hours[::2]
    axes.set_xticks([hour - hours[0] for hour in shown], [f"{hour:02d}" for hour in shown])
    axes.tick_params(length=0)
    axes.spines["bottom"].set_visible(False)
    _head(axes, "Activities by hour")
    axes.text(1, 1.1, report.spec.timezone, ha="right", transform=axes.transAxes)
    weekday, hour = max(report.activity_hours, key=lambda key: report.activity_hours[key])
    rows = [(name, *(f"{count:,}" for count in row)) for name, row in zip(WEEKDAYS, counts, strict=True)]
    titles = [f"{hour:02d}" for hour in hours]
    total = sum(report.activity_hours.values())
    return Plot(
        key="hours",
        title="When the team works",
        caption=f"{counted(total, 'activity', 'activities')} by weekday and hour, in the time zone "
        f"{report.spec.timezone}; the busiest hour is {WEEKDAYS[weekday]}, {hour:02d}:00 to {hour:02d}:59.",
        svg=svg(figure, background="white"),
        table=Table(text_columns("weekday", *titles, numbers=set(titles)), rows),
    )


def _shade(share: float) -> str:
    """White for 0, the full blue for 1."""
    full = [int(BLUE[place : place + 2], 16) for place in (1, 3, 5)]
    # A little of something is not nothing.
    strength = 0.0 if share == 0 else 0.08 + 0.92 * share
    return "#" + "".join(f"{round(255 - (255 - one) * strength):02x}" for one in full)


# -- axes ------------------------------------------------------------------------------------------------


def _axes(height: float) -> tuple[Figure, Axes]:
    figure = canvas(_WIDTH, height)
    return figure, figure.add_axes(_BOX)


def _bars(
    axes: Axes,
    heights: Sequence[float],
    look: Mapping[str, Any],
    bottoms: Sequence[float] = (),
    *,
    width: float = 0.72,
) -> None:
    """A bar at each place whose height is not zero, on the ``bottoms`` if there are any."""
    shown = [place for place, height in enumerate(heights) if height]
    axes.bar(
        shown,
        [heights[place] for place in shown],
        bottom=[bottoms[place] for place in shown] if bottoms else 0,
        width=width,
        **look,
    )


def _place_axis(axes: Axes, count: int) -> None:
    """Room for so many bars, and for six at least, so that few are not as wide as the picture."""
    spare = max(0, (6 - count) / 2)
    axes.set_xlim(-0.7 - spare, count - 0.3 + spare)


def _head(axes: Axes, title: str) -> None:
    axes.text(-0.12, 1.1, title, weight="bold", transform=axes.transAxes)


def _legend(axes: Axes, marks: Sequence[tuple[str, Mapping[str, Any] | None]]) -> None:
    """Marks and their names above the axes, from the right; None: the line of a target."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Rectangle

    right = 1.0
    for label, look in reversed(marks):
        axes.text(right, 1.1, label, ha="right", transform=axes.transAxes)
        left = right - _width(label) - 0.07
        if look is None:
            mark = Line2D([left, left + 0.045], [1.135, 1.135], color=INK, linewidth=1.6)
        else:
            mark = Rectangle((left + 0.01, 1.095), 0.035, 0.085, **look)
        mark.set_transform(axes.transAxes)
        mark.set_clip_on(False)
        axes.add_artist(mark)
        right = left - 0.02


def _width(text: str) -> float:
    """About the width of a text in the reader's font, a share of the axes' width."""
    points = sum(2.5 if letter in "fijlrt " else 7.5 if letter in "mw" else 5 for letter in text)
    return points / (72 * _WIDTH * _BOX[2])


def _month_axis(axes: Axes, months: Sequence[Month]) -> None:
    """Names of months as many as there is room for, the year below the first one of each."""
    _place_axis(axes, len(months))
    step = 1 if len(months) <= _NAMED_MONTHS[0] else 3 if len(months) <= _NAMED_MONTHS[1] else 12
    ticks = [(place, month) for place, month in enumerate(months) if (month.number - 1) % step == 0]
    labels: list[str] = []
    for place, month in ticks:
        is_first = month.number == 1 or (place == ticks[0][0] and month.number != 12)
        # Two lines each: the library aligns a label by its last line.
        labels.append(f"{month.short_name}\n{month.year if is_first else ' '}")
    axes.set_xticks([place for place, _ in ticks], labels)


def _value_axis(axes: Axes, most: float, *, is_count: bool) -> None:
    """From zero to a little above the largest figure, three to five round numbers."""
    from matplotlib.ticker import MaxNLocator

    light_grid(axes)
    axes.set_ylim(0, most * 1.04 if most else 1)
    ticks = [
        float(tick)
        for tick in MaxNLocator(nbins=4, integer=is_count, steps=[1, 2, 2.5, 5, 10]).tick_values(0, most or 1)
        if 0 <= tick <= (most * 1.04 or 1)
    ]
    axes.set_yticks(ticks, [short_number(tick) for tick in ticks])


def short_number(number: float) -> str:
    """A number on an axis: ``950``, ``1.2k``, ``3M``, ``0.5``."""
    for power, suffix in ((12, "T"), (9, "B"), (6, "M"), (3, "k")):
        if number >= 10**power:
            return f"{number / 10**power:.3g}{suffix}" if number < 10 ** (power + 3) else f"{number:.1e}"
    return f"{number:.3g}" if number < 1000 and number != int(number) else f"{number:.0f}"
