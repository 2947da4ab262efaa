"""A blueprint as a person declares it: one demo tenant, its fields and their defaults.

The models say which keys there are and read each value (``scalars``). They are frozen and refuse unknown
keys; a key without a value counts as left out. What must hold between the fields is in ``blueprint.checks``,
what a blueprint means once it is resolved (defaults from country and clock, months) in
``blueprint.resolve``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Annotated, Any, Final, TypeAlias, TypeVar, cast

from pydantic import (
    BaseModel,
    Field,
    PlainValidator,
    WithJsonSchema,
    create_model,
    model_validator,
)

from demo_pipeline.domain.blueprint.growth import CURVES, DEFAULT_CURVE, DEFAULT_MONTHLY_RATE, Curve
from demo_pipeline.domain.blueprint.healing import DEFAULT_HEAL, HEAL_CHOICES, Heal
from demo_pipeline.domain.blueprint.lists import (
    EXAMPLE_LISTS,
    ROW_MODELS,
    Lists,
    lists_schema,
    table_schema,
)
from demo_pipeline.domain.core.currency import Currency
from demo_pipeline.domain.core.declared import Declared
from demo_pipeline.domain.core.figures import METRICS, GivenFigures, Metric
from demo_pipeline.domain.core.months import FIRST_MONTH, MOST_MONTHS, Month
from demo_pipeline.domain.parsing.scalars import (
    Amount,
    Count,
    Country,
    CurrencyCode,
    Flag,
    IndustryKey,
    LostRatio,
    MailDomain,
    MonthlyRate,
    Seed,
    Share,
    SlaHours,
    SpanLength,
    TeamSize,
    TenantName,
    TimezoneName,
    YearMonth,
    one_of,
    wrong,
)
from demo_pipeline.domain.reference.countries import (
    COUNTRIES,
    CURRENCIES,
    FALLBACK_COUNTRY,
    load_locale,
    resolve_country,
)

DEFAULT_TEAM_SIZE: Final = 8

_Figures = TypeVar("_Figures", bound="DeclaredFigures")
_OptionalAmount: TypeAlias = Amount | None
_OptionalCount: TypeAlias = Count | None

CurveName = Annotated[Curve, PlainValidator(one_of("curve", CURVES)), WithJsonSchema({"enum": list(CURVES)})]
HealChoice = Annotated[
    Heal, PlainValidator(one_of("heal", HEAL_CHOICES)), WithJsonSchema({"enum": list(HEAL_CHOICES)})
]


class DeclaredFigures(Declared):
    """A mapping with figures: one key for each metric, added by ``_with_metrics``."""

    @property
    def given(self) -> GivenFigures:
        """The figures that are not left out."""
        figures = {name: getattr(self, name) for name in METRICS if name in self.model_fields_set}
        return {name: figure for name, figure in figures.items() if figure is not None}


def _with_metrics(**followed: str) -> Callable[[type[_Figures]], type[_Figures]]:
    """Add a key for each metric. ``followed``: counts that, left out, are not 0, and what they are then."""

    def described(name: str, metric: Metric) -> Any:
        if metric.is_value:
            follows = "Left out: follows the deals."
            text = f"{metric.meaning}, in major units of the currency. {follows}"
            return _OptionalAmount, Field(default=None, description=text, examples=[metric.example])
        if name in followed:
            text = f"{metric.meaning}. Left out: {followed[name]}."
            return _OptionalCount, Field(default=None, description=text, examples=[metric.example])
        return Count, Field(default=0, description=f"{metric.meaning}.", examples=[metric.example])

    def add(model: type[_Figures]) -> type[_Figures]:
        keys: dict[str, Any] = {name: described(name, metric) for name, metric in METRICS.items()}
        return create_model(
            model.__name__, __base__=model, __doc__=model.__doc__, __module__=model.__module__, **keys
        )

    return add


@_with_metrics(activities_created="as many for each contact as is usual in the industry")
class Totals(DeclaredFigures):
    """Figures of the whole span. A count that is left out is 0."""


@_with_metrics()
class MonthEntry(DeclaredFigures):
    """Exact figures of one month. A count that is left out is 0."""

    month: YearMonth = Field(
        description="The month, as YYYY-MM; within the span, each once.", examples=["2025-01"]
    )


_EXAMPLE_MONTH: Final = {
    name: next(iter(field.examples or ())) for name, field in MonthEntry.model_fields.items()
}


class GrowthChoice(Declared):
    """How totals are spread over the months."""

    curve: CurveName = Field(
        default=DEFAULT_CURVE, description="The shape of growth.", examples=["exponential"]
    )
    monthly_rate: MonthlyRate = Field(
        default=DEFAULT_MONTHLY_RATE,
        description="Growth a month as a share: 0.15 is 15 %. Negative: the tenant shrinks.",
        examples=[0.15],
    )
    seasonality: Flag = Field(
        default=False, description="Whether months follow the seasons of the industry.", examples=[True]
    )


class ChannelMix(Declared):
    """Where contacts come from, as shares that sum to 1. A channel that is left out is 0."""

    seo: Share = Field(default=Decimal(0), description="Share from search engines.", examples=[0.25])
    meta: Share = Field(default=Decimal(0), description="Share from ads on social networks.", examples=[0.2])
    google: Share = Field(default=Decimal(0), description="Share from search ads.", examples=[0.25])
    affiliates: Share = Field(default=Decimal(0), description="Share from affiliates.", examples=[0.15])
    referrals: Share = Field(
        default=Decimal(0), description="Share from recommendations by customers.", examples=[0.1]
    )
    direct: Share = Field(
        default=Decimal(0), description="Share that comes without a known source.", examples=[0.05]
    )

    @model_validator(mode="after")
    def _sums_to_one(self) -> ChannelMix:
        whole = sum((share for _, share in self.shares), Decimal(0))
        if whole != 1:
            raise wrong("shares_do_not_sum", f"the shares sum to {whole.normalize():f}, not to 1")
        return self

    @property
    def shares(self) -> tuple[tuple[str, Decimal], ...]:
        """Channel and share, in the fixed order."""
        return tuple((name, getattr(self, name)) for name in type(self).model_fields)


DEFAULT_CHANNEL_MIX: Final = ChannelMix(
    seo=Decimal("0.25"),
    meta=Decimal("0.20"),
    google=Decimal("0.25"),
    affiliates=Decimal("0.15"),
    referrals=Decimal("0.10"),
    direct=Decimal("0.05"),
)


class Realism(Declared):
    """How far single contacts and deals differ from the average."""

    drop_off_rate: Share = Field(
        default=Decimal("0.20"), description="Share of leads that never get an answer.", examples=[0.2]
    )
    whale_ratio: Share = Field(
        default=Decimal("0.05"), description="Share of very large deals.", examples=[0.05]
    )
    lost_value_ratio: LostRatio | None = Field(
        default=None,
        description="Value of each month's lost deals, as a multiple of its pipeline_added_value. "
        "Left out: as large as such deals are.",
        examples=[1.5],
    )
    response_sla_hours: SlaHours = Field(
        default=Decimal(4),
        description="Working hours within which a lead gets its first answer.",
        examples=[4],
    )


class Blueprint(Declared):
    """One demo tenant as a person declares it. The slug is the name of the file."""

    name: TenantName = Field(description="Name that the tenant sees.", examples=["Kranz Logistik"])
    country: Country = Field(
        description="Country as ISO 3166-1 alpha-2 code. A country without lists of its own is made as "
        f"{FALLBACK_COUNTRY}, with a warning; with lists: {', '.join(COUNTRIES)}.",
        examples=["DE"],
    )
    industry: IndustryKey = Field(
        description="Line of business: pipeline stages, deal sizes, cycles, seasons.", examples=["saas"]
    )
    start_month: YearMonth | None = Field(
        default=None,
        description=f"First month of data, as YYYY-MM; {FIRST_MONTH} or later, none in the future. "
        "Required, unless last_months is given.",
        examples=["2024-12"],
    )
    end_month: YearMonth | None = Field(
        default=None,
        description="Last month that the blueprint asks anything for, as YYYY-MM; the span has at most "
        f"{MOST_MONTHS} months. Left out: the tenant goes on month by month.",
        examples=["2025-11"],
    )
    last_months: SpanLength | None = Field(
        default=None,
        description="Instead of start_month and end_month, with totals only: the span has this many months "
        "and ends with the month of provisioning; the tenant goes on month by month.",
        examples=[12],
    )
    seed: Seed | None = Field(
        default=None,
        description="Any text of 1 to 200 characters: the same blueprint with the same seed makes the same "
        "rows. Left out: made once and stored.",
        examples=["1337"],
    )
    timezone: TimezoneName | None = Field(
        default=None,
        description="Time zone of working hours, as IANA name. Left out: the country's.",
        examples=["Europe/Berlin"],
    )
    currency: CurrencyCode | None = Field(
        default=None,
        description="Currency of all values, as ISO 4217 code. Left out: the country's.",
        examples=["EUR"],
    )
    team_size: TeamSize = Field(
        default=DEFAULT_TEAM_SIZE, description="Number of users of the tenant.", examples=[12]
    )
    mail_domain: MailDomain | None = Field(
        default=None,
        description="A domain that you own, for the mail addresses of contacts; no public mail provider. "
        "Left out: domains that cannot be owned (.example).",
        examples=["crm.kranz-gruppe.de"],
    )
    heal: HealChoice = Field(
        default=DEFAULT_HEAL,
        description="What the schedule heal_tenants does where rows of the tenant are missing. "
        "auto: it makes them. ask: it names the tenant and changes nothing.",
        examples=["auto"],
    )
    totals: Totals | None = Field(
        default=None, description="Figures of the whole span. Exactly one of totals and months is given."
    )
    growth: GrowthChoice | None = Field(
        default=None,
        description="How totals are spread over the months; not with months. "
        f"Left out: {DEFAULT_CURVE}, {int(DEFAULT_MONTHLY_RATE * 100)} % a month, without seasons.",
        examples=[{"curve": "exponential", "monthly_rate": 0.15, "seasonality": True}],
    )
    channel_mix: ChannelMix = Field(
        default=DEFAULT_CHANNEL_MIX,
        description="Where contacts come from: shares that sum to 1; a channel that is left out is 0.",
    )
    private_share: Share | None = Field(
        default=None,
        description="Share of contacts that are private customers, without an employer. Left out: "
        "the industry's, 0.8 where private customers are usual and 0 elsewhere.",
        examples=[0.8],
    )
    realism: Realism = Field(
        default=Realism(), description="How far single contacts and deals differ from the average."
    )
    months: Annotated[tuple[MonthEntry, ...], Field(min_length=1)] | None = Field(
        default=None,
        description="Exact figures month by month, instead of totals: a list, or a table beside the "
        "blueprint (.xlsx or .csv); a month that is not listed is 0. Needs start_month.",
        examples=[[_EXAMPLE_MONTH], "figures.xlsx", {"file": "figures.xlsx", "sheet": "Budget"}],
    )
    lists: Lists | None = Field(
        default=None,
        description="Lists of your own: names, companies, products, stages, lines of stories. Each is a list "
        "or a table beside the blueprint (.csv, .tsv or .xlsx), and is stored with the tenant. A list "
        "that is "
        "left out is that of the country or industry.",
        examples=[EXAMPLE_LISTS],
    )

    @property
    def own_currency(self) -> Currency:
        """The declared currency, or the country's."""
        if self.currency is not None:
            return CURRENCIES[self.currency]
        return load_locale(resolve_country(self.country)).currency

    def span(self, current: Month) -> tuple[Month, Month]:
        """First and last month of the declared span; ``current`` is the month of provisioning, UTC."""
        end = self.end_month or current
        if self.last_months is not None:
            return end + (1 - self.last_months), end
        if self.start_month is None:
            raise ValueError("neither start_month nor last_months is declared")
        return self.start_month, end


#: key → the mapping below it, or each mapping of the list below it
SECTION_MODELS: Final[Mapping[str, type[BaseModel]]] = {
    "totals": Totals,
    "growth": GrowthChoice,
    "channel_mix": ChannelMix,
    "realism": Realism,
    "months": MonthEntry,
    "lists": Lists,
}


_MODELS_BELOW: Final[Mapping[type[BaseModel], Mapping[str, type[BaseModel]]]] = {
    Blueprint: SECTION_MODELS,
    Lists: ROW_MODELS,
}


def complete_declaration(stored: Mapping[str, Any]) -> dict[str, Any]:
    """A stored blueprint (JSON) with every key of today: a key that is younger than it has its default."""
    return _complete(Blueprint, stored)


def _complete(model: type[BaseModel], stored: Mapping[str, Any]) -> dict[str, Any]:
    complete = model.model_construct().model_dump(mode="json") | dict(stored)
    sections = _MODELS_BELOW.get(model, {})
    for key, section in sections.items():
        value: Any = complete.get(key)
        if isinstance(value, dict):
            complete[key] = _complete(section, cast("dict[str, Any]", value))
        elif isinstance(value, list):
            complete[key] = [_complete(section, entry) for entry in cast("list[dict[str, Any]]", value)]
    return complete


def json_schema() -> dict[str, Any]:
    """The JSON Schema that editors use, as it is published in ``blueprints/schema.json``."""
    schema = _with_plain_defaults(Blueprint.model_json_schema())
    schema["properties"]["months"]["anyOf"] += table_schema("months", (".xlsx", ".csv"))
    lists_schema(schema["$defs"]["Lists"]["properties"])
    schema["allOf"] = [
        {"oneOf": [{"required": ["totals"]}, {"required": ["months"]}]},
        {"oneOf": [{"required": ["start_month"]}, {"required": ["last_months", "totals"]}]},
    ]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def schema_text() -> str:
    """The same as the text of the file."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def _with_plain_defaults(schema: Any, *, is_default: bool = False) -> Any:
    """Decimals among the defaults as JSON numbers, which is how a person writes them."""
    if isinstance(schema, dict):
        return {
            key: _with_plain_defaults(value, is_default=is_default or key == "default")
            for key, value in cast("dict[str, Any]", schema).items()
        }
    if isinstance(schema, list):
        return [_with_plain_defaults(value, is_default=is_default) for value in cast("list[Any]", schema)]
    if is_default and isinstance(schema, str) and schema.replace(".", "").isdigit():
        return float(schema) if "." in schema else int(schema)
    return schema
