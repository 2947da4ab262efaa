"""From declared figures to figures of every month: exact, and each month feasible by itself.

Totals are shared out in stages, each by largest remainder over the month weights of ``growth``:

1. leads, other contacts and companies;
2. won deals, other deals and activities, over the months by which a contact exists;
3. won value over the months with won deals, at least one minor unit each; open value over the months with
   other deals. Values are weighted by what such deals would be worth, so a month with two deals varies more
   than a month with two hundred.

Leads and the rest, won deals and the rest are shared out apart: so no part exceeds its whole in any month.
Conservation: every stage sums to its total (``apportion`` checks it). Known drawback: where totals are
smaller than the number of months, some months have none.

Values that were not declared follow the deals: the sum of keyed draws from the industry's deal sizes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Context, Decimal
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from demo_pipeline.domain.blueprint.growth import Growth, month_weight, month_weights
from demo_pipeline.domain.core.apportion import apportion
from demo_pipeline.domain.core.currency import Currency
from demo_pipeline.domain.core.figures import (
    COUNT_METRICS,
    PARTS,
    TABLES_OF_CONTACTS,
    VALUE_METRICS,
    Figures,
    GivenFigures,
    Parts,
)
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.reference.countries import units_per_usd
from demo_pipeline.domain.reference.industries import Industry

if TYPE_CHECKING:
    from demo_pipeline.domain.core.random_streams import Stream

_CONTEXT: Final = Context(prec=50, rounding=ROUND_HALF_EVEN)


@dataclass(frozen=True, kw_only=True)
class DealSizes:
    """What deals of a tenant are usually worth, in minor units of its currency."""

    industry: Industry
    currency: Currency
    #: share of very large deals, millionths
    whale_ppm: int
    #: the tenant's own stream
    stream: Stream

    def drawn_sum(self, kind: str, month: Month, count: int) -> int:
        """The value of ``count`` deals of a kind (``won``, ``open``) and month, at least 1 each."""
        if count == 0:
            return 0
        from demo_pipeline.domain.core.deal_values import natural_values

        stream = self.stream.child("deal_value", kind, str(month))
        usd_cents = natural_values(
            stream.raw("size", count),
            stream.raw("whale", count),
            self.industry.deal_quantiles,
            self.industry.whale_quantiles,
            self.whale_ppm,
        )
        amount = _CONTEXT.multiply(Decimal(sum(usd_cents.tolist())), units_per_usd(self.currency))
        return max(count, self.currency.minor(amount.scaleb(-2, _CONTEXT), ROUND_HALF_EVEN))


def open_deals_count(other_deals: int, won_deals: int, win_rate_percent: int) -> int:
    """How many of the deals that are not won are taken to be open, where no value says so.

    The industry's win rate says how many are lost, and at least a third stays open (assumption).
    """
    lost = won_deals * (100 - win_rate_percent) // win_rate_percent
    return max(other_deals - lost, -(-other_deals // 3))


def figures_from_months(
    listed: Mapping[Month, GivenFigures], start: Month, end: Month, sizes: DealSizes
) -> tuple[Figures, ...]:
    """The figures of every month of the span; a month that is not listed is 0."""
    return tuple(
        with_values(listed[month], month, sizes) if month in listed else Figures()
        for month in start.until(end)
    )


def figures_from_totals(
    totals: GivenFigures, growth: Growth, start: Month, end: Month, sizes: DealSizes
) -> tuple[Figures, ...]:
    """Feasible totals (``activities_created`` given or meant to be 0) as figures of every month."""
    whole = minimal_figures(totals, sizes.currency)
    months = list(start.until(end))

    def spread(names: Iterable[str], allowed: Sequence[bool] | None = None) -> dict[str, tuple[int, ...]]:
        """Parts of the totals, each by the weights of its own stream. Part → months."""
        streams = {name: sizes.stream.child(PARTS[name].spread) for name in names}
        return {
            name: apportion(
                getattr(whole.parts, name),
                month_weights(growth, start, len(months), stream),
                allowed=allowed,
            )
            for name, stream in streams.items()
        }

    counts = [name for name, part in PARTS.items() if part.spread]
    later = [name for name in counts if PARTS[name].table in TABLES_OF_CONTACTS]
    columns = spread(name for name in counts if name not in later)
    contacts = zip(
        *(column for name, column in columns.items() if PARTS[name].table == "contacts"), strict=True
    )
    # An account grows from its first contact on.
    has_contact = [so_far > 0 for so_far in accumulate(map(sum, contacts))]
    columns |= spread(later, has_contact)
    won, other_deals = columns["won_deals"], columns["other_deals"]

    won_drawn = [sizes.drawn_sum("won", month, count) for month, count in zip(months, won, strict=True)]
    open_drawn = [
        sizes.drawn_sum("open", month, open_deals_count(rest, count, sizes.industry.win_rate_percent))
        for month, count, rest in zip(months, won, other_deals, strict=True)
    ]
    worth = _valued(totals, whole, sum(won_drawn), sum(open_drawn), sizes.industry.win_rate_percent)
    won_value = apportion(worth.closed_won_value, _smoothed(won_drawn, won), minimum=won)
    open_value = apportion(worth.open_value, _smoothed(open_drawn, other_deals))
    return Figures.of_columns(Parts(**columns, won_value=won_value, open_value=open_value))


def continued(
    last: Figures, growth: Growth, start: Month, month_count: int, index: int, stream: Stream
) -> Figures:
    """Figures of month ``index`` beyond a span: the curve goes on, the last month's ratios stay.

    Each part is scaled by itself and keeps its mean value, so the month is feasible where ``last`` is.
    """
    variance = stream.child("continued")
    weight = month_weight(growth, start, month_count, index, variance)
    ratio = _CONTEXT.divide(weight, month_weight(growth, start, month_count, month_count - 1, variance))

    def scale(count: int) -> int:
        return int(_CONTEXT.multiply(Decimal(count), ratio).to_integral_value(ROUND_HALF_EVEN))

    return last.scaled(scale)


def _smoothed(drawn: Sequence[int], counts: Sequence[int]) -> list[int]:
    """Weights half by the drawn values, half by the deals: one whale does not make a month's story.

    Months without deals have the weight 0, all others a positive one.
    """
    deals, whole = sum(counts), sum(drawn)
    return [value * deals + count * whole for value, count in zip(drawn, counts, strict=True)]


def minimal_figures(given: GivenFigures, currency: Currency) -> Figures:
    """Complete figures for the rules: an absent value is the least that its deals allow.

    Absent counts are 0. Decimals beyond the currency's are cut.
    """
    figures = Figures(**{metric: int(given.get(metric, 0)) for metric in COUNT_METRICS})
    won_value, pipeline = _given_values(given, currency)
    won = figures.closed_won_count
    if won_value is None:
        carries_all = pipeline is not None and won > 0 and figures.other_deals <= 0
        won_value = max(won, pipeline or 0) if carries_all else won
    return replace(
        figures,
        closed_won_value=won_value,
        pipeline_added_value=won_value if pipeline is None else pipeline,
    )


def _given_values(given: GivenFigures, currency: Currency) -> tuple[int | None, int | None]:
    """Won and pipeline value, minor units; none where they follow the deals."""
    won_value, pipeline = (
        None if amount is None else currency.minor(Decimal(amount), ROUND_DOWN)
        for amount in map(given.get, ("closed_won_value", "pipeline_added_value"))
    )
    return won_value, pipeline


def declared_value(given: GivenFigures, currency: Currency) -> int:
    """The value that a person gave, in minor units; a value that follows the deals is not counted."""
    if not any(metric in given for metric in VALUE_METRICS):
        return 0
    figures = minimal_figures(given, currency)
    return max(figures.pipeline_added_value, figures.closed_won_value)


def with_values(given: GivenFigures, month: Month, sizes: DealSizes) -> Figures:
    """Feasible figures of a month, complete: absent values follow the deals."""
    figures = minimal_figures(given, sizes.currency)
    win_rate = sizes.industry.win_rate_percent
    open_count = open_deals_count(figures.other_deals, figures.closed_won_count, win_rate)
    return _valued(
        given,
        figures,
        sizes.drawn_sum("won", month, figures.closed_won_count),
        sizes.drawn_sum("open", month, open_count),
        win_rate,
    )


def _valued(
    given: GivenFigures, figures: Figures, won_drawn: int, open_drawn: int, win_rate_percent: int
) -> Figures:
    """Feasible figures with the values that were not given put in, minor units."""
    won = figures.closed_won_count
    won_value, pipeline = figures.closed_won_value, figures.pipeline_added_value
    has_won_value, has_pipeline = (metric in given for metric in ("closed_won_value", "pipeline_added_value"))
    if not has_won_value and figures.other_deals:
        won_value = won_drawn
        if has_pipeline:
            # Part of a given pipeline: what is usual, but no more than the won deals' share of it.
            open_count = open_deals_count(figures.other_deals, won, win_rate_percent)
            won_value = min(won_drawn, max(won, pipeline * won // (won + open_count)))
    elif not has_won_value and not has_pipeline:
        won_value = won_drawn
    if not has_pipeline:
        pipeline = won_value + open_drawn
    return replace(figures, closed_won_value=won_value, pipeline_added_value=pipeline)
