"""One tenant as it was provisioned: what is stored with it, and all that generation needs.

Nothing of it depends on the clock, on lists that may change, or on a file. How a blueprint becomes one is in
``blueprint.resolve``. Programs that only read a tenant import this module and not what checks blueprints.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final

from demo_pipeline.domain.blueprint.growth import Growth, continued
from demo_pipeline.domain.core.currency import Currency
from demo_pipeline.domain.core.figures import Figures, FiguresByMonth
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.reference.own_lists import NO_LISTS, OwnLists

if TYPE_CHECKING:
    from demo_pipeline.domain.core.random_streams import Stream


#: Of a tenant that was provisioned before the share was stored.
_PRIVATE_PPM: Final = 80_000


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
    #: share of contacts that are private customers, without an employer, millionths
    private_ppm: int
    #: share of contacts that go silent, millionths
    drop_off_ppm: int
    #: share of very large deals, millionths
    whale_ppm: int
    #: value of lost deals for a million of the pipeline; none: as large as such deals are
    lost_value_ppm: int | None
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
    #: lists that the tenant has instead of those of the packs
    lists: OwnLists = NO_LISTS

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
            "private_ppm": self.private_ppm,
            "drop_off_ppm": self.drop_off_ppm,
            "whale_ppm": self.whale_ppm,
            "lost_value_ppm": self.lost_value_ppm,
            "response_sla_minutes": self.response_sla_minutes,
            "start_month": str(self.start_month),
            "figures": [one.to_json(self.currency) for one in self.figures],
            "lists_version": self.lists_version,
            "growth": self.growth.to_json() if self.growth is not None else None,
            "closed_month": str(self.closed_month) if self.closed_month is not None else None,
            # Absent without lists: the document of a tenant without them stays what it was.
            **({"lists": self.lists.to_json()} if self.lists else {}),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> TenantSpec:
        """The inverse of :meth:`to_json`; unknown keys are ignored. ``stored`` checks the document first."""
        currency = Currency(values["currency"], values["minor_digits"])
        parsed: dict[str, Any] = {
            **{one.name: values[one.name] for one in fields(cls) if one.name in values},
            "currency": currency,
            "private_ppm": values.get("private_ppm", _PRIVATE_PPM),
            "lost_value_ppm": values.get("lost_value_ppm"),
            "channel_ppm": tuple((channel, share) for channel, share in values["channel_ppm"]),
            "start_month": Month.parse(values["start_month"]),
            "figures": tuple(Figures.from_json(one, currency) for one in values["figures"]),
            "growth": Growth.from_json(values["growth"]) if values["growth"] is not None else None,
            "closed_month": Month.parse(values["closed_month"]) if values["closed_month"] else None,
            "lists": OwnLists.from_json(values.get("lists", {})),
        }
        return cls(**parsed)


def plan_stream(seed: str, slug: str) -> Stream:
    """The stream of a tenant's plan, apart from those of its rows."""
    from demo_pipeline.domain.core.random_streams import Stream

    return Stream((seed, slug, "plan"))
