"""The eight KPIs of a tenant: the table of metrics, the figures of one month, and figures by month.

A metric is one field of ``Figures`` with its ``Metric``; a disjoint part of a month is one field of ``Parts``
with its ``Part``. Names, labels, columns, fields of documents, rules and shares elsewhere are derived from
``METRICS`` and ``PARTS``. Figures add, subtract and compare exactly. Where they come from, and what they may
be, does not belong here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from decimal import ROUND_DOWN, Decimal
from types import MappingProxyType
from typing import Annotated, Any, Final, Generic, NamedTuple, TypeAlias, TypeVar, get_type_hints

from demo_pipeline.domain.core.currency import Currency
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.core.wording import grouped

_T_co = TypeVar("_T_co", covariant=True)


@dataclass(frozen=True, kw_only=True)
class Metric:
    """What a metric measures, and how it is labelled."""

    #: the table whose rows it counts or sums
    table: str
    #: title of a narrow column; of a count, one word that names its rules too
    short_label: str
    #: label outside of a table
    long_label: str
    #: of the reference of blueprints, without the full stop
    meaning: str
    #: of one month
    example: int
    #: what it counts, singular and plural; empty for a value
    noun: tuple[str, str] = ("", "")
    #: columns that tell which rows count, or how much: the index for KPIs covers them
    reads: tuple[str, ...] = ()
    #: the metric that contains it; empty: it is contained in none
    whole: str = ""
    #: an amount in the tenant's currency instead of a count
    is_value: bool = False

    @property
    def plural(self) -> str:
        """What it is, in the middle of a sentence."""
        return self.noun[1] or self.short_label


@dataclass(frozen=True, kw_only=True)
class Part:
    """How a disjoint part of a month is bounded and shared out."""

    #: the table of its rows
    table: str
    #: the cap that bounds it, alone or with other parts: a field of ``feasibility.Caps``
    cap: str
    #: the stream by which totals are spread over the months; empty: a value, which follows its deals
    spread: str = ""


class Parts(NamedTuple, Generic[_T_co]):
    """The disjoint parts of a month's figures: one number each, or one column of months each.

    A metric that contains another one, as contacts contain leads, is the sum of parts.
    """

    leads: Annotated[_T_co, Part(table="contacts", cap="leads", spread="leads_created")]
    other_contacts: Annotated[_T_co, Part(table="contacts", cap="other_contacts", spread="other_contacts")]
    companies: Annotated[_T_co, Part(table="companies", cap="companies", spread="companies_created")]
    won_deals: Annotated[_T_co, Part(table="deals", cap="deals", spread="closed_won_count")]
    other_deals: Annotated[_T_co, Part(table="deals", cap="deals", spread="other_deals")]
    won_value: Annotated[_T_co, Part(table="deals", cap="value")]
    open_value: Annotated[_T_co, Part(table="deals", cap="value")]
    activities: Annotated[_T_co, Part(table="activities", cap="activities", spread="activities_created")]


#: name → part
PARTS: Final[Mapping[str, Part]] = MappingProxyType(
    {name: hint.__metadata__[0] for name, hint in get_type_hints(Parts, include_extras=True).items()}
)
#: tables whose rows refer to a contact
TABLES_OF_CONTACTS: Final = frozenset({"deals", "activities"})


@dataclass(frozen=True, kw_only=True)
class Figures:
    """One month's eight KPIs. Counts in units, values in minor units of the tenant's currency.

    The fields are the metrics, in the order in which they are shown everywhere.
    """

    leads_created: Annotated[
        int,
        Metric(
            table="contacts",
            short_label="leads",
            long_label="Leads created",
            noun=("lead", "leads"),
            whole="contacts_created",
            reads=("status",),
            meaning="Contacts whose status is lead",
            example=30,
        ),
    ] = 0
    contacts_created: Annotated[
        int,
        Metric(
            table="contacts",
            short_label="contacts",
            long_label="Contacts created",
            noun=("contact", "contacts"),
            meaning="Contacts, leads included",
            example=40,
        ),
    ] = 0
    companies_created: Annotated[
        int,
        Metric(
            table="companies",
            short_label="companies",
            long_label="Companies created",
            noun=("company", "companies"),
            meaning="Companies",
            example=6,
        ),
    ] = 0
    deals_created: Annotated[
        int,
        Metric(
            table="deals",
            short_label="deals",
            long_label="Deals created",
            noun=("deal", "deals"),
            meaning="Deals in any stage",
            example=8,
        ),
    ] = 0
    closed_won_count: Annotated[
        int,
        Metric(
            table="deals",
            short_label="won",
            long_label="Deals won",
            noun=("won deal", "won deals"),
            whole="deals_created",
            reads=("stage_id",),
            meaning="Won deals",
            example=2,
        ),
    ] = 0
    closed_won_value: Annotated[
        int,
        Metric(
            table="deals",
            short_label="won value",
            long_label="Value won",
            is_value=True,
            whole="pipeline_added_value",
            reads=("stage_id", "value"),
            meaning="Value of the won deals",
            example=25_000,
        ),
    ] = 0
    pipeline_added_value: Annotated[
        int,
        Metric(
            table="deals",
            short_label="pipeline value",
            long_label="Pipeline added",
            is_value=True,
            reads=("stage_id", "value"),
            meaning="Value of the won and the open deals",
            example=61_000,
        ),
    ] = 0
    activities_created: Annotated[
        int,
        Metric(
            table="activities",
            short_label="activities",
            long_label="Activities created",
            noun=("activity", "activities"),
            meaning="Activities",
            example=140,
        ),
    ] = 0

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
    def parts(self) -> Parts[int]:
        """The disjoint parts; :meth:`of_parts` is the inverse."""
        return Parts(
            leads=self.leads_created,
            other_contacts=self.other_contacts,
            companies=self.companies_created,
            won_deals=self.closed_won_count,
            other_deals=self.other_deals,
            won_value=self.closed_won_value,
            open_value=self.open_value,
            activities=self.activities_created,
        )

    @classmethod
    def of_parts(cls, parts: Parts[int]) -> Figures:
        """Complete figures; no part exceeds its whole where all parts are 0 or more."""
        return cls(
            leads_created=parts.leads,
            contacts_created=parts.leads + parts.other_contacts,
            companies_created=parts.companies,
            deals_created=parts.won_deals + parts.other_deals,
            closed_won_count=parts.won_deals,
            closed_won_value=parts.won_value,
            pipeline_added_value=parts.won_value + parts.open_value,
            activities_created=parts.activities,
        )

    @classmethod
    def of_columns(cls, columns: Parts[Sequence[int]]) -> tuple[Figures, ...]:
        """The figures of several months, from one column of equal length for each part."""
        return tuple(cls.of_parts(Parts(*row)) for row in zip(*columns._asdict().values(), strict=True))

    def scaled(self, scale: Callable[[int], int]) -> Figures:
        """Each part scaled by itself; values keep the mean of their deals, rounded down."""
        counts = Parts(*map(scale, self.parts))
        won, others = counts.won_deals, counts.other_deals
        return Figures.of_parts(
            counts._replace(
                won_value=self.closed_won_value * won // self.closed_won_count if won else 0,
                open_value=self.open_value * others // self.other_deals if others else 0,
            )
        )

    @property
    def row_count(self) -> int:
        """Rows of the counted tables."""
        return sum(self[name] for name in COUNT_METRICS if not METRICS[name].whole)

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


#: name → metric, in the order in which they are shown everywhere
METRICS: Final[Mapping[str, Metric]] = MappingProxyType(
    {name: hint.__metadata__[0] for name, hint in get_type_hints(Figures, include_extras=True).items()}
)
VALUE_METRICS: Final = tuple(name for name, metric in METRICS.items() if metric.is_value)
COUNT_METRICS: Final = tuple(name for name, metric in METRICS.items() if not metric.is_value)
#: metric → the disjoint metrics that it contains; those without any are left out
WHOLES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        whole: parts
        for whole in METRICS
        if (parts := tuple(name for name, metric in METRICS.items() if metric.whole == whole))
    }
)
#: figures that a person gave, by metric, in the order of ``METRICS``: counts, and values in major units
GivenFigures: TypeAlias = Mapping[str, int | Decimal]


@dataclass(frozen=True)
class AskedFigures:
    """Figures of a month or a span as a person asked for them: what was given, and complete."""

    given: GivenFigures
    #: absent counts are 0, an absent value is the least that its deals allow
    figures: Figures

    @classmethod
    def of(cls, given: GivenFigures, currency: Currency) -> AskedFigures:
        """Decimals beyond the currency's are cut."""
        counts = Figures(**{metric: int(given.get(metric, 0)) for metric in COUNT_METRICS})
        won_value, pipeline = (
            None if amount is None else currency.minor(Decimal(amount), ROUND_DOWN)
            for amount in map(given.get, ("closed_won_value", "pipeline_added_value"))
        )
        won = counts.closed_won_count
        if won_value is None:
            carries_all = pipeline is not None and won > 0 and counts.other_deals <= 0
            won_value = max(won, pipeline or 0) if carries_all else won
        pipeline = won_value if pipeline is None else pipeline
        return cls(given, replace(counts, closed_won_value=won_value, pipeline_added_value=pipeline))

    @property
    def given_values(self) -> frozenset[str]:
        """The values that are given; an absent one follows the deals."""
        return frozenset(metric for metric in VALUE_METRICS if metric in self.given)

    @property
    def declared_value(self) -> int:
        """The value that was given, minor units; a value that follows the deals is not counted."""
        if not self.given_values:
            return 0
        return max(self.figures.pipeline_added_value, self.figures.closed_won_value)


class FiguresByMonth(Mapping[Month, Figures]):
    """Figures of some months of one tenant: immutable, in order of time.

    A month without rows has zero figures. ``at`` reads such a month as zeros; ``[]`` refuses it.
    """

    __slots__ = ("_months",)

    def __init__(self, months: Mapping[Month, Figures] | Iterable[tuple[Month, Figures]] = ()) -> None:
        self._months: Final = dict(sorted(dict(months).items(), key=lambda item: item[0]))

    def __getitem__(self, month: Month) -> Figures:
        return self._months[month]

    def __iter__(self) -> Iterator[Month]:
        return iter(self._months)

    def __len__(self) -> int:
        return len(self._months)

    def __hash__(self) -> int:
        return hash(tuple(self._months.items()))

    def __repr__(self) -> str:
        return f"FiguresByMonth({self._months!r})"

    def __add__(self, other: Mapping[Month, Figures]) -> FiguresByMonth:
        """The months of both, each with its sum."""
        return FiguresByMonth({**self, **{month: self.at(month) + one for month, one in other.items()}})

    def __sub__(self, other: Mapping[Month, Figures]) -> FiguresByMonth:
        """The months of both, each with its difference."""
        return FiguresByMonth({**self, **{month: self.at(month) - one for month, one in other.items()}})

    def __neg__(self) -> FiguresByMonth:
        return FiguresByMonth() - self

    def __or__(self, other: Mapping[Month, Figures]) -> FiguresByMonth:
        """The months of both; ``other`` has precedence."""
        return FiguresByMonth({**self, **other})

    def at(self, month: Month) -> Figures:
        """The figures of a month; zeros where it is not listed."""
        return self._months.get(month, NO_FIGURES)

    def over(self, months: Iterable[Month]) -> FiguresByMonth:
        """Exactly these months, with zeros for those that are not listed."""
        return FiguresByMonth((month, self.at(month)) for month in months)

    @property
    def total(self) -> Figures:
        """The sum over all months."""
        return sum(self.values(), NO_FIGURES)

    def nonzero(self) -> FiguresByMonth:
        """The months with any figure that is not zero."""
        return FiguresByMonth((month, one) for month, one in self.items() if one)

    def to_json(self, currency: Currency) -> dict[str, dict[str, int | str]]:
        """Month → figures, JSON-ready."""
        return {str(month): one.to_json(currency) for month, one in self.items()}

    @classmethod
    def from_json(cls, document: Mapping[str, Mapping[str, Any]], currency: Currency) -> FiguresByMonth:
        """The inverse of :meth:`to_json`."""
        return cls((Month.parse(month), Figures.from_json(row, currency)) for month, row in document.items())

    def to_rows(self, currency: Currency) -> list[dict[str, int | str]]:
        """One JSON-ready row a month, with the key ``month`` first."""
        return [{"month": str(month), **one.to_json(currency)} for month, one in self.items()]


NO_FIGURES: Final = Figures()
#: of no month
NO_MONTHS: Final = FiguresByMonth()


def figure_amount(metric: str, figure: int, currency: Currency) -> int | Decimal:
    """A figure as plans have it: a count, or an amount in major units."""
    return currency.major(figure) if metric in VALUE_METRICS else figure


def figure_json(metric: str, figure: int, currency: Currency) -> int | str:
    """A figure, JSON-ready: a count as a number, money as a string in major units."""
    return currency.plain(figure) if metric in VALUE_METRICS else figure


def figure_text(metric: str, figure: int, currency: Currency) -> str:
    """A figure as people read it: ``1,234``, or ``25,000.00`` in major units."""
    return currency.shown(figure) if metric in VALUE_METRICS else grouped(figure)


@dataclass(frozen=True)
class Mismatch:
    """One metric of one month that is not what it must be. Values in minor units."""

    month: Month
    metric: str
    expected: int
    actual: int

    def describe(self, currency: Currency) -> str:
        """``2025-01 closed_won_value: 120.00 instead of 100.00``."""
        actual, expected = (
            figure_text(self.metric, figure, currency) for figure in (self.actual, self.expected)
        )
        return f"{self.month} {self.metric}: {actual} instead of {expected}"

    def to_json(self, currency: Currency) -> dict[str, int | str]:
        """JSON-ready; money as a string in major units."""
        expected, actual = (
            figure_json(self.metric, figure, currency) for figure in (self.expected, self.actual)
        )
        return {"month": str(self.month), "metric": self.metric, "expected": expected, "actual": actual}


def mismatches(expected: FiguresByMonth, actual: FiguresByMonth) -> tuple[Mismatch, ...]:
    """Every metric of every month of either mapping that differs; an absent month is all zeros."""
    return tuple(
        Mismatch(month, metric, wanted[metric], found[metric])
        for month in sorted({*expected, *actual})
        if (wanted := expected.at(month)) != (found := actual.at(month))
        for metric in METRICS
        if wanted[metric] != found[metric]
    )
