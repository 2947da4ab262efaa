"""The eight KPIs of a tenant and month, as figures that add and subtract exactly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Final

from demo_pipeline.domain.core.currency import Currency
from demo_pipeline.domain.core.wording import grouped

#: In the order in which they are shown everywhere.
METRICS: Final = (
    "leads_created",
    "contacts_created",
    "companies_created",
    "deals_created",
    "closed_won_count",
    "closed_won_value",
    "pipeline_added_value",
    "activities_created",
)
VALUE_METRICS: Final = ("closed_won_value", "pipeline_added_value")
COUNT_METRICS: Final = tuple(name for name in METRICS if name not in VALUE_METRICS)


@dataclass(frozen=True, kw_only=True)
class Figures:
    """One month's eight KPIs. Counts in units, values in minor units of the tenant's currency."""

    leads_created: int = 0
    contacts_created: int = 0
    companies_created: int = 0
    deals_created: int = 0
    closed_won_count: int = 0
    closed_won_value: int = 0
    pipeline_added_value: int = 0
    activities_created: int = 0

    def __add__(self, other: Figures) -> Figures:
        return Figures(**{f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)})

    def __sub__(self, other: Figures) -> Figures:
        return Figures(**{f.name: getattr(self, f.name) - getattr(other, f.name) for f in fields(self)})

    def __bool__(self) -> bool:
        return any(getattr(self, f.name) for f in fields(self))

    def __getitem__(self, metric: str) -> int:
        return int(getattr(self, metric))

    @property
    def other_contacts(self) -> int:
        """Contacts that are not leads."""
        return self.contacts_created - self.leads_created

    @property
    def other_deals(self) -> int:
        """Deals that are not won: open or lost."""
        return self.deals_created - self.closed_won_count

    @property
    def row_count(self) -> int:
        """Rows of the four counted tables."""
        return self.contacts_created + self.companies_created + self.deals_created + self.activities_created

    @property
    def open_value(self) -> int:
        """Pipeline value that is not won, minor units."""
        return self.pipeline_added_value - self.closed_won_value

    def to_json(self, currency: Currency) -> dict[str, int | str]:
        """Counts as numbers, money as strings in major units (``"25000.00"``)."""
        return {name: figure_json(name, self[name], currency) for name in METRICS}

    @classmethod
    def from_json(cls, values: Mapping[str, int | str | Decimal], currency: Currency) -> Figures:
        """The inverse of :meth:`to_json`; absent metrics are 0."""
        return cls(
            **{
                name: currency.minor(Decimal(value)) if name in VALUE_METRICS else int(value)
                for name, value in values.items()
                if name in METRICS
            }
        )


def figure_amount(metric: str, figure: int, currency: Currency) -> int | Decimal:
    """A figure as plans have it: a count, or an amount in major units."""
    return currency.major(figure) if metric in VALUE_METRICS else figure


def figure_json(metric: str, figure: int, currency: Currency) -> int | str:
    """A figure, JSON-ready: a count as a number, money as a string in major units."""
    return currency.plain(figure) if metric in VALUE_METRICS else figure


def figure_text(metric: str, figure: int, currency: Currency) -> str:
    """A figure as people read it: ``1,234``, or ``25,000.00`` in major units."""
    return currency.shown(figure) if metric in VALUE_METRICS else grouped(figure)
