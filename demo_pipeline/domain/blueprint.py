"""A blueprint as a person declares it: one demo tenant, its fields and their defaults.

The models say which keys there are and read each value (``scalars``). They are frozen and refuse unknown
keys; a key without a value counts as left out. What must hold between the fields is in ``declaration``,
what a blueprint means once it is resolved (defaults from country and clock, months) in ``planning``.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Final, cast

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, WithJsonSchema, model_validator

from demo_pipeline.domain.growth import CURVES, DEFAULT_CURVE, DEFAULT_MONTHLY_RATE, Curve
from demo_pipeline.domain.months import Month
from demo_pipeline.domain.scalars import (
    Amount,
    Count,
    Country,
    CurrencyCode,
    Flag,
    IndustryKey,
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

DEFAULT_TEAM_SIZE: Final = 8

CurveName = Annotated[Curve, PlainValidator(one_of("curve", CURVES)), WithJsonSchema({"enum": list(CURVES)})]


class Declared(BaseModel):
    """A mapping of a blueprint."""

    # Built when something is declared: jobs only compute with declarations, and need not wait for it.
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    @model_validator(mode="before")
    @classmethod
    def _empty_is_absent(cls, values: Any) -> Any:
        """``seed:`` without a value says nothing; an unknown key without one is still unknown."""
        if not isinstance(values, dict):
            return values
        given = cast("dict[Any, Any]", values)
        return {
            key: value for key, value in given.items() if value is not None or key not in cls.model_fields
        }


class Totals(Declared):
    """Figures of the whole span. An absent count is 0, an absent value follows the deals.

    Absent activities follow the contacts, by the industry.
    """

    leads_created: Count = Field(default=0, description="contacts whose status is lead")
    contacts_created: Count = Field(default=0, description="contacts, leads included")
    companies_created: Count = 0
    deals_created: Count = Field(default=0, description="deals in any stage")
    closed_won_count: Count = Field(default=0, description="won deals")
    closed_won_value: Amount | None = Field(default=None, description="value of the won deals, major units")
    pipeline_added_value: Amount | None = Field(
        default=None, description="value of the won and open deals, major units"
    )
    activities_created: Count | None = Field(default=None, description="left out: by the industry")


class MonthEntry(Declared):
    """Exact figures of one month. An absent count is 0, an absent value follows the deals."""

    month: YearMonth
    leads_created: Count = Field(default=0, description="contacts whose status is lead")
    contacts_created: Count = Field(default=0, description="contacts, leads included")
    companies_created: Count = 0
    deals_created: Count = Field(default=0, description="deals in any stage")
    closed_won_count: Count = Field(default=0, description="won deals")
    closed_won_value: Amount | None = Field(default=None, description="value of the won deals, major units")
    pipeline_added_value: Amount | None = Field(
        default=None, description="value of the won and open deals, major units"
    )
    activities_created: Count = 0


class GrowthChoice(Declared):
    """How totals spread over the months."""

    curve: CurveName = DEFAULT_CURVE
    monthly_rate: MonthlyRate = Field(default=DEFAULT_MONTHLY_RATE, description="0.15 is 15 % a month")
    seasonality: Flag = Field(default=False, description="the industry's seasons")


class ChannelMix(Declared):
    """Where contacts come from, as shares that sum to 1. A channel left out is 0."""

    seo: Share = Decimal(0)
    meta: Share = Decimal(0)
    google: Share = Decimal(0)
    affiliates: Share = Decimal(0)
    referrals: Share = Decimal(0)
    direct: Share = Decimal(0)

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
    """What makes the story less smooth."""

    drop_off_rate: Share = Field(default=Decimal("0.20"), description="share of contacts that go silent")
    whale_ratio: Share = Field(default=Decimal("0.05"), description="share of very large deals")
    response_sla_hours: SlaHours = Field(default=Decimal(4), description="first answer to a new contact")


class Blueprint(Declared):
    """One demo tenant as a person declares it. The slug is the name of the file."""

    name: TenantName = Field(description="what the tenant sees")
    country: Country = Field(
        description="ISO 3166-1 alpha-2; without lists of its own: as US, with a warning"
    )
    industry: IndustryKey
    start_month: YearMonth | None = Field(
        default=None, description="first month of data, from 2020-01, none in the future; or last_months"
    )
    end_month: YearMonth | None = Field(
        default=None,
        description="the last month that the blueprint asks anything for, at most 24 in the span; "
        "left out: the tenant goes on month by month",
    )
    last_months: SpanLength | None = Field(
        default=None,
        description="instead of start_month and end_month, with totals: the span is this many months and "
        "ends with the month of provisioning; the tenant goes on month by month",
    )
    seed: Seed | None = Field(default=None, description="any text; left out: made once and stored")
    timezone: TimezoneName | None = Field(default=None, description="IANA name; left out: the country's")
    currency: CurrencyCode | None = Field(default=None, description="ISO 4217; left out: the country's")
    team_size: TeamSize = Field(default=DEFAULT_TEAM_SIZE, description="users of the tenant")
    mail_domain: MailDomain | None = Field(default=None, description="a domain that the operator owns")
    totals: Totals | None = Field(default=None, description="over the span; this or months")
    growth: GrowthChoice | None = Field(default=None, description="how totals spread; with totals only")
    channel_mix: ChannelMix = DEFAULT_CHANNEL_MIX
    realism: Realism = Realism()
    months: Annotated[tuple[MonthEntry, ...], Field(min_length=1)] | None = Field(
        default=None,
        description="exact figures month by month, or the name of a table of them beside the blueprint, "
        ".xlsx or .csv; a month not listed is 0",
    )

    def span(self, current: Month) -> tuple[Month, Month]:
        """First and last month of the declared span; ``current`` is the month of provisioning, UTC."""
        end = self.end_month or current
        if self.last_months is not None:
            return end + (1 - self.last_months), end
        if self.start_month is None:
            raise ValueError("neither start_month nor last_months is declared")
        return self.start_month, end


def json_schema() -> dict[str, Any]:
    """The JSON Schema that editors use, as it is published in ``blueprints/schema.json``."""
    schema = _with_plain_defaults(Blueprint.model_json_schema())
    schema["properties"]["months"]["anyOf"] += [
        {"type": "string", "pattern": r"\.(xlsx|csv)$"},
        {
            "type": "object",
            "properties": {"file": {"type": "string"}, "sheet": {"type": "string"}},
            "required": ["file"],
            "additionalProperties": False,
        },
    ]
    schema["allOf"] = [
        {"oneOf": [{"required": ["totals"]}, {"required": ["months"]}]},
        {"oneOf": [{"required": ["start_month"]}, {"required": ["last_months", "totals"]}]},
    ]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


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
