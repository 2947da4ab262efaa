"""A tenant in words: a few sentences made from the figures of its report, for salespeople.

Every number in them is also in the report's tables. A sentence without a figure is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil

from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.core.wording import are, counted
from demo_pipeline.domain.reference.industries import load_industry
from demo_pipeline.rendering.report_plots import WEEKDAYS
from demo_pipeline.services.tenants.report import TenantReport


def story(report: TenantReport) -> tuple[str, ...]:
    """The sentences, in the order of the page."""
    return tuple(_sentences(report))


def industry_label(report: TenantReport) -> str:
    """The industry in words."""
    return load_industry(report.spec.industry).label


def span_text(months: list[Month]) -> str:
    """``January 2025`` or ``January 2025 to March 2025``."""
    first, last = months[0], months[-1]
    return first.long_name if first == last else f"{first.long_name} to {last.long_name}"


def _sentences(report: TenantReport) -> Iterator[str]:
    total = report.months.total
    filled = list(report.months.nonzero())
    if not filled:
        yield f"{report.spec.name} has no rows yet."
        return
    yield (
        f"{'From' if len(filled) > 1 else 'In'} {span_text(filled)} {report.spec.name} gained "
        f"{counted(total.contacts_created, 'contact')} at "
        f"{counted(total.companies_created, 'company', 'companies')} and opened "
        f"{counted(total.deals_created, 'deal')}."
    )
    yield from _growth(report)
    yield from _winning(report)
    yield from _pipeline(report)
    yield from _work(report)


def _growth(report: TenantReport) -> Iterator[str]:
    """The first complete month against the last one, and the best month."""
    complete = report.complete_months.nonzero()
    if len(complete) > 1:
        first, last = min(complete), max(complete)
        before, after = complete[first].contacts_created, complete[last].contacts_created
        if before and after != before:
            percent = abs(after - before) * 100 / before
            more = "more" if after > before else "fewer"
            yield (
                f"New contacts a month went from {before:,} in {first.long_name} to {after:,} in "
                f"{last.long_name}, {percent:,.0f}\u00a0% {more}."
            )
    best = max(report.months, key=lambda month: report.months[month].closed_won_value)
    count, value = report.months[best].closed_won_count, report.months[best].closed_won_value
    if value and len(report.months) > 1:
        yield (
            f"The best month was {best.long_name}: {counted(count, 'deal')} opened then {_were(count)} won, "
            f"worth {report.currency.shown(value)} {report.currency}."
        )


def _winning(report: TenantReport) -> Iterator[str]:
    won, lost = won_and_lost(report)
    if not won + lost:
        return
    share = f"{100 * won / (won + lost):.0f}\u00a0%"
    yield f"Of {counted(won + lost, 'closed deal')} {won:,} {_were(won)} won, a win rate of {share}."
    total = report.months.total
    if total.closed_won_count:
        mean = total.closed_won_value // total.closed_won_count
        text = f"A won deal is worth {report.currency.shown(mean)} {report.currency} on average"
        if report.median_cycle is not None:
            days = report.median_cycle.total_seconds() / 86_400
            cycle = counted(ceil(days), "day") if days > 1 else "a day"
            text += f"; half of the won deals close within {cycle}"
        yield f"{text}."


def won_and_lost(report: TenantReport) -> tuple[int, int]:
    """Closed deals by outcome, those without a closing date included."""
    closings = [*report.closings.values(), report.undated_closings]
    return sum(one.won_count for one in closings), sum(one.lost_count for one in closings)


def _pipeline(report: TenantReport) -> Iterator[str]:
    count = sum(one.count for one in report.open_stages)
    if not count:
        return
    value = report.currency.shown(sum(one.value for one in report.open_stages))
    weighted = report.currency.shown(sum(one.weighted_value for one in report.open_stages))
    yield (
        f"{counted(count, 'deal')} {are(count)} still open, worth {value} {report.currency}; by the "
        f"probability of each, {weighted} {report.currency} can be expected."
    )


def _work(report: TenantReport) -> Iterator[str]:
    if not report.activity_hours:
        return
    weekday, hour = max(report.activity_hours, key=lambda key: report.activity_hours[key])
    total = sum(report.activity_hours.values())
    yield (
        f"The team logged {counted(total, 'activity', 'activities')}; the busiest hour of the week is "
        f"{WEEKDAYS[weekday]} from {hour:02d}:00 to {hour:02d}:59 local time."
    )


def _were(count: int) -> str:
    return "was" if count == 1 else "were"
