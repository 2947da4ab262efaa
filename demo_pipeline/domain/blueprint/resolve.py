"""From a checked blueprint to the tenant that it declares, with exact, feasible figures of every month.

Defaults come from the country, the industry and the month of provisioning. Totals are shared out in stages,
each by largest remainder over the month weights of ``growth``:

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

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Context, Decimal, localcontext
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from demo_pipeline.domain.blueprint.checks import CheckedBlueprint
from demo_pipeline.domain.blueprint.growth import NO_SEASON, Growth, month_weights
from demo_pipeline.domain.blueprint.lists import own_lists
from demo_pipeline.domain.blueprint.schema import Blueprint, GrowthChoice
from demo_pipeline.domain.blueprint.tenant_spec import TenantSpec, plan_stream
from demo_pipeline.domain.core.apportion import apportion
from demo_pipeline.domain.core.currency import Currency
from demo_pipeline.domain.core.figures import PARTS, TABLES_OF_CONTACTS, AskedFigures, Figures, Parts
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.feasibility import (
    cap_warnings,
    check_caps,
    check_storable,
    won_with_leads,
)
from demo_pipeline.domain.parsing.scalars import TELL_TALE
from demo_pipeline.domain.reference.countries import (
    COUNTRIES,
    ISO_DIGITS,
    load_locale,
    resolve_country,
    units_per_usd,
)
from demo_pipeline.domain.reference.industries import Industry, load_industry
from demo_pipeline.domain.reference.versions import LISTS_VERSION

if TYPE_CHECKING:
    from demo_pipeline.domain.core.random_streams import Stream

_CONTEXT: Final = Context(prec=50, rounding=ROUND_HALF_EVEN)
_PPM: Final = 1_000_000
#: Assumptions: how far the weight of a month's won deals is from that of its other deals, at most, per cent.
_VARIATION_PERCENT: Final = 15
_VARIATION_PERCENT_OF_SHOPS: Final = 12


def resolve(checked: CheckedBlueprint, seed_source: Callable[[], str]) -> tuple[TenantSpec, tuple[str, ...]]:
    """The tenant that a blueprint declares, and the warnings about it.

    The month by which the blueprint was checked is the default end of its span; ``seed_source`` is called
    where the blueprint has no seed. Raises ``CapExceededError`` before any work is done, and ``InputError``
    for values that the tables cannot hold.
    """
    # The caller may have set another decimal context: figures are computed in a fixed one.
    with localcontext(Context(prec=50, rounding=ROUND_HALF_EVEN)):
        return _resolve(checked, seed_source)


def _resolve(checked: CheckedBlueprint, seed_source: Callable[[], str]) -> tuple[TenantSpec, tuple[str, ...]]:
    slug, blueprint, caps, currency = checked.slug, checked.blueprint, checked.caps, checked.currency
    country = resolve_country(blueprint.country)
    locale, industry = load_locale(country), load_industry(blueprint.industry)
    totals = None if checked.totals is None else _with_activities(checked.totals, industry)
    entries = checked.months.values() if totals is None else (totals,)
    # Before the first draw: a number beyond a cap must not cost memory.
    declared = sum(asked.declared_value for asked in entries)
    whole = sum((asked.figures for asked in entries), Figures())
    check_caps(whole, caps, currency=currency, declared_value=declared)

    seed = blueprint.seed if blueprint.seed is not None else seed_source()
    whale_ppm = _ppm(blueprint.realism.whale_ratio)
    sizes = DealSizes(
        industry=industry,
        currency=currency,
        whale_ppm=whale_ppm,
        stream=plan_stream(seed, slug),
    )
    start, end = checked.span
    growth: Growth | None = None
    if totals is not None:
        growth = _growth(blueprint.growth, industry)
        figures = figures_from_totals(totals, growth, start, end, sizes)
    else:
        figures = figures_from_months(checked.months, start, end, sizes)
    spec = TenantSpec(
        slug=slug,
        name=blueprint.name,
        country=country,
        industry=blueprint.industry,
        seed=seed,
        timezone=blueprint.timezone or locale.timezone,
        currency=currency,
        team_size=blueprint.team_size,
        mail_domain=blueprint.mail_domain,
        channel_ppm=tuple((channel, _ppm(share)) for channel, share in blueprint.channel_mix.shares),
        private_ppm=(
            industry.private_percent * 10_000
            if blueprint.private_share is None
            else _ppm(blueprint.private_share)
        ),
        drop_off_ppm=_ppm(blueprint.realism.drop_off_rate),
        whale_ppm=whale_ppm,
        lost_value_ppm=_ppm(lost) if (lost := blueprint.realism.lost_value_ratio) is not None else None,
        response_sla_minutes=_minutes(blueprint.realism.response_sla_hours),
        start_month=start,
        figures=figures,
        lists_version=LISTS_VERSION,
        growth=growth,
        closed_month=blueprint.end_month,
        lists=own_lists(blueprint.lists, currency),
    )
    values = {month: asked.declared_value for month, asked in checked.months.items()}
    check_storable(spec.by_month, values, currency=currency)
    near = cap_warnings(spec.total, caps, currency=currency, declared_value=declared)
    lists = _list_warnings(spec)
    return spec, (*_warnings(blueprint, currency, slug), *lists, *_won_with_leads(spec), *near)


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
            self.industry.deal_quantiles,
            self.whale_ppm,
            self.industry.largest_deal,
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
    listed: Mapping[Month, AskedFigures], start: Month, end: Month, sizes: DealSizes
) -> tuple[Figures, ...]:
    """The figures of every month of the span; a month that is not listed is 0."""
    return tuple(
        with_values(listed[month], month, sizes) if month in listed else Figures()
        for month in start.until(end)
    )


def figures_from_totals(
    totals: AskedFigures, growth: Growth, start: Month, end: Month, sizes: DealSizes
) -> tuple[Figures, ...]:
    """Feasible totals as figures of every month."""
    whole = totals.figures
    months = list(start.until(end))

    def spread(names: Iterable[str], allowed: Sequence[bool] | None = None) -> dict[str, tuple[int, ...]]:
        """Parts of the totals, each by the weights of its own stream. Part → months."""
        columns: dict[str, tuple[int, ...]] = {}
        for name in names:
            stream = sizes.stream.child(PARTS[name].spread)
            weights = month_weights(growth, start, len(months), stream)
            if name == "won_deals":
                weights = _varied(weights, months, stream, sizes.industry)
            columns[name] = apportion(getattr(whole.parts, name), weights, allowed=allowed)
        return columns

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
    worth = _valued(totals, sum(won_drawn), sum(open_drawn), sizes.industry.win_rate_percent)
    won_value = apportion(worth.closed_won_value, _smoothed(won_drawn, won), minimum=won)
    open_value = apportion(worth.open_value, _smoothed(open_drawn, other_deals))
    return Figures.of_columns(Parts(**columns, won_value=won_value, open_value=open_value))


def _varied(
    weights: Sequence[int], months: Sequence[Month], stream: Stream, industry: Industry
) -> tuple[int, ...]:
    """The weights of won deals, so that their share is better in one month than in another.

    The last one stays: what comes after the span goes on with its share.
    """
    most = _VARIATION_PERCENT if industry.has_month_end else _VARIATION_PERCENT_OF_SHOPS
    percents = [
        100 - most + int(stream.child(str(month)).below("won_share", 1, 2 * most + 1)[0]) for month in months
    ]
    return tuple(weight * percent for weight, percent in zip(weights, [*percents[:-1], 100], strict=True))


def _smoothed(drawn: Sequence[int], counts: Sequence[int]) -> list[int]:
    """Weights half by the drawn values, half by the deals: one whale does not make a month's story.

    Months without deals have the weight 0, all others a positive one.
    """
    deals, whole = sum(counts), sum(drawn)
    return [value * deals + count * whole for value, count in zip(drawn, counts, strict=True)]


def with_values(asked: AskedFigures, month: Month, sizes: DealSizes) -> Figures:
    """Feasible figures of a month, complete: absent values follow the deals."""
    figures = asked.figures
    win_rate = sizes.industry.win_rate_percent
    open_count = open_deals_count(figures.other_deals, figures.closed_won_count, win_rate)
    return _valued(
        asked,
        sizes.drawn_sum("won", month, figures.closed_won_count),
        sizes.drawn_sum("open", month, open_count),
        win_rate,
    )


def _valued(asked: AskedFigures, won_drawn: int, open_drawn: int, win_rate_percent: int) -> Figures:
    """Feasible figures with the values that were not given put in, minor units."""
    figures = asked.figures
    won = figures.closed_won_count
    won_value, pipeline = figures.closed_won_value, figures.pipeline_added_value
    has_won_value, has_pipeline = (
        metric in asked.given for metric in ("closed_won_value", "pipeline_added_value")
    )
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


def _warnings(blueprint: Blueprint, currency: Currency, slug: str) -> tuple[str, ...]:
    warnings: list[str] = []
    country = resolve_country(blueprint.country)
    if country != blueprint.country:
        warnings.append(
            f"country {blueprint.country} has no lists of its own: the tenant is made, and stored, "
            f"as {country} (with lists: {', '.join(COUNTRIES)})"
        )
    decimals = ISO_DIGITS[currency.code]
    if decimals > currency.minor_digits:
        warnings.append(f"{currency} has {decimals} decimals; amounts are kept with {currency.minor_digits}")
    for what, text in (("slug", slug), ("mail_domain", blueprint.mail_domain or "")):
        if found := TELL_TALE.search(text):
            warnings.append(
                f"{what} {text!r} has a word that begins with {found[0]!r}: "
                "who sees it knows what the tenant is"
            )
    return tuple(warnings)


def _list_warnings(spec: TenantSpec) -> Iterator[str]:
    """What of a tenant's own lists will not be seen, or not as it is declared."""
    companies, count = spec.lists.companies, spec.total.companies_created
    if spec.closed_month is not None and len(companies) > count:
        yield (
            f"lists.companies has {len(companies)} names, and the tenant gets {count} companies: "
            f"the last {len(companies) - count} are not used"
        )
    total = spec.total
    if spec.lists.products and total.closed_won_count:
        mean = total.closed_won_value // total.closed_won_count
        least = min(one.price_minor for one in spec.lists.products)
        if least > mean:
            yield (
                f"lists.products has nothing below {spec.currency.shown(least)} {spec.currency}, and a "
                "won deal is "
                f"worth {spec.currency.shown(mean)} on average: prices cannot explain the values; raise "
                "closed_won_value, or leave it out"
            )


def _won_with_leads(spec: TenantSpec) -> Iterator[str]:
    """Months of the span whose won deals can only be with leads."""
    for month, figures in spec.by_month.items():
        if figures.other_contacts:
            return
        if figures.closed_won_count:
            yield won_with_leads(month, figures.closed_won_count)


def _with_activities(totals: AskedFigures, industry: Industry) -> AskedFigures:
    if "activities_created" in totals.given:
        return totals
    activities = totals.figures.contacts_created * industry.activities_per_contact_percent // 100
    return replace(totals, figures=replace(totals.figures, activities_created=activities))


def _growth(choice: GrowthChoice | None, industry: Industry) -> Growth:
    if choice is None:
        return Growth()
    return Growth(
        curve=choice.curve,
        monthly_rate=choice.monthly_rate,
        season_percent=industry.seasonality if choice.seasonality else NO_SEASON,
    )


def _ppm(share: Decimal) -> int:
    """A share with at most six decimals as millionths."""
    return int(share * _PPM)


def _minutes(hours: Decimal) -> int:
    """Hours in whole minutes, at least one."""
    return max(1, int((hours * 60).to_integral_value(ROUND_HALF_UP)))
