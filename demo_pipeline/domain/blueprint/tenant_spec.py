"""A blueprint resolved: what is stored with a tenant, and all that generation needs.

Defaults come from the country, the industry and the month of provisioning; from then on nothing depends on
the clock, on lists that may change, or on the file. How totals become months is in
``blueprint.monthly_figures``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Context, Decimal, localcontext
from typing import TYPE_CHECKING, Any, Final

from demo_pipeline.domain.blueprint.checks import CheckedBlueprint
from demo_pipeline.domain.blueprint.growth import NO_SEASON, Growth
from demo_pipeline.domain.blueprint.resolve import (
    DealSizes,
    continued,
    declared_value,
    figures_from_months,
    figures_from_totals,
    minimal_figures,
)
from demo_pipeline.domain.blueprint.schema import Blueprint, GrowthChoice
from demo_pipeline.domain.core.currency import Currency
from demo_pipeline.domain.core.figures import Figures, FiguresByMonth, GivenFigures
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.feasibility import cap_warnings, check_caps, check_storable, won_with_leads
from demo_pipeline.domain.parsing.scalars import TELL_TALE
from demo_pipeline.domain.reference.countries import COUNTRIES, ISO_DIGITS, load_locale, resolve_country
from demo_pipeline.domain.reference.industries import Industry, load_industry
from demo_pipeline.domain.reference.versions import LISTS_VERSION

if TYPE_CHECKING:
    from demo_pipeline.domain.core.random_streams import Stream

_PPM: Final = 1_000_000


@dataclass(frozen=True, kw_only=True)
class TenantSpec:
    """One tenant as it was provisioned. Nothing here changes afterwards."""

    slug: str
    name: str
    #: whose lists are used, ISO 3166-1 alpha-2
    country: str
    industry: str
    seed: str
    #: IANA name
    timezone: str
    currency: Currency
    #: users
    team_size: int
    #: a domain that the operator owns; none: ``.example``
    mail_domain: str | None
    #: channel and share, millionths that sum to 1,000,000
    channel_ppm: tuple[tuple[str, int], ...]
    #: share of contacts that go silent, millionths
    drop_off_ppm: int
    #: share of very large deals, millionths
    whale_ppm: int
    #: first answer to a new contact
    response_sla_minutes: int
    start_month: Month
    #: one a month of the span, in order; values in minor units
    figures: tuple[Figures, ...]
    #: of the word lists
    lists_version: str
    #: how months after the span go on; none: as the last month
    growth: Growth | None
    #: the blueprint asks for nothing after it, but for extensions; none: a living tenant, which goes on
    closed_month: Month | None

    @property
    def end_month(self) -> Month:
        """Last month of the span."""
        return self.start_month + (len(self.figures) - 1)

    @property
    def months(self) -> Iterator[Month]:
        """The months of the span, in order."""
        return self.start_month.until(self.end_month)

    @property
    def by_month(self) -> FiguresByMonth:
        """The figures of the span."""
        return FiguresByMonth(zip(self.months, self.figures, strict=True))

    @property
    def total(self) -> Figures:
        """Over the span."""
        return self.by_month.total

    def figures_of(self, month: Month) -> Figures:
        """The blueprint's figures of a month, also after the span. ``ValueError`` before it."""
        index = month - self.start_month
        if index < 0:
            raise ValueError(f"{month} is before the first month of {self.slug}, {self.start_month}")
        if index < len(self.figures):
            return self.figures[index]
        last = self.figures[-1]
        if self.growth is None:
            return last
        stream = plan_stream(self.seed, self.slug)
        growth = self.growth if self.closed_month is not None else self.growth.slowed()
        return continued(last, growth, self.start_month, len(self.figures), index, stream)

    def to_json(self) -> dict[str, Any]:
        """Everything, JSON-ready and canonical: equal specs give equal documents."""
        return {
            "slug": self.slug,
            "name": self.name,
            "country": self.country,
            "industry": self.industry,
            "seed": self.seed,
            "timezone": self.timezone,
            "currency": self.currency.code,
            "minor_digits": self.currency.minor_digits,
            "team_size": self.team_size,
            "mail_domain": self.mail_domain,
            "channel_ppm": [[channel, share] for channel, share in self.channel_ppm],
            "drop_off_ppm": self.drop_off_ppm,
            "whale_ppm": self.whale_ppm,
            "response_sla_minutes": self.response_sla_minutes,
            "start_month": str(self.start_month),
            "figures": [one.to_json(self.currency) for one in self.figures],
            "lists_version": self.lists_version,
            "growth": self.growth.to_json() if self.growth is not None else None,
            "closed_month": str(self.closed_month) if self.closed_month is not None else None,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> TenantSpec:
        """The inverse of :meth:`to_json`; unknown keys are ignored. ``stored`` checks the document first."""
        currency = Currency(values["currency"], values["minor_digits"])
        parsed: dict[str, Any] = {
            **{one.name: values[one.name] for one in fields(cls) if one.name in values},
            "currency": currency,
            "channel_ppm": tuple((channel, share) for channel, share in values["channel_ppm"]),
            "start_month": Month.parse(values["start_month"]),
            "figures": tuple(Figures.from_json(one, currency) for one in values["figures"]),
            "growth": Growth.from_json(values["growth"]) if values["growth"] is not None else None,
            "closed_month": Month.parse(values["closed_month"]) if values["closed_month"] else None,
        }
        return cls(**parsed)


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
    slug, blueprint, caps = checked.slug, checked.blueprint, checked.caps
    country = resolve_country(blueprint.country)
    locale, industry = load_locale(country), load_industry(blueprint.industry)
    currency = blueprint.own_currency
    totals = None if blueprint.totals is None else _with_activities(blueprint.totals.given, industry)
    months = {entry.month: entry.given for entry in blueprint.months or ()}
    entries = months.values() if totals is None else (totals,)
    # Before the first draw: a number beyond a cap must not cost memory.
    declared = sum(declared_value(given, currency) for given in entries)
    asked = sum((minimal_figures(given, currency) for given in entries), Figures())
    check_caps(asked, caps, currency=currency, declared_value=declared)

    seed = blueprint.seed if blueprint.seed is not None else seed_source()
    whale_ppm = _ppm(blueprint.realism.whale_ratio)
    sizes = DealSizes(
        industry=industry,
        currency=currency,
        whale_ppm=whale_ppm,
        stream=plan_stream(seed, slug),
    )
    start, end = blueprint.span(checked.current)
    growth: Growth | None = None
    if totals is not None:
        growth = _growth(blueprint.growth, industry)
        figures = figures_from_totals(totals, growth, start, end, sizes)
    else:
        figures = figures_from_months(months, start, end, sizes)
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
        drop_off_ppm=_ppm(blueprint.realism.drop_off_rate),
        whale_ppm=whale_ppm,
        response_sla_minutes=_minutes(blueprint.realism.response_sla_hours),
        start_month=start,
        figures=figures,
        lists_version=LISTS_VERSION,
        growth=growth,
        closed_month=blueprint.end_month,
    )
    values = {month: declared_value(given, currency) for month, given in months.items()}
    check_storable(spec.by_month, values, currency=currency)
    near = cap_warnings(spec.total, caps, currency=currency, declared_value=declared)
    return spec, (*_warnings(blueprint, slug), *_won_with_leads(spec), *near)


def plan_stream(seed: str, slug: str) -> Stream:
    """The stream of a tenant's plan, apart from those of its rows."""
    from demo_pipeline.domain.core.random_streams import Stream

    return Stream((seed, slug, "plan"))


def _warnings(blueprint: Blueprint, slug: str) -> tuple[str, ...]:
    warnings: list[str] = []
    country = resolve_country(blueprint.country)
    if country != blueprint.country:
        warnings.append(
            f"country {blueprint.country} has no lists of its own: the tenant is made, and stored, "
            f"as {country} (with lists: {', '.join(COUNTRIES)})"
        )
    currency = blueprint.own_currency
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


def _won_with_leads(spec: TenantSpec) -> Iterator[str]:
    """Months of the span whose won deals can only be with leads."""
    for month, figures in spec.by_month.items():
        if figures.other_contacts:
            return
        if figures.closed_won_count:
            yield won_with_leads(month, figures.closed_won_count)


def _with_activities(totals: GivenFigures, industry: Industry) -> GivenFigures:
    contacts = int(totals.get("contacts_created", 0))
    return {"activities_created": contacts * industry.activities_per_contact_percent // 100, **totals}


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
