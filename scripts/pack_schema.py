"""The files of packs: columns of tables, and models of JSON files.

The description of a field is what to do when it is wrong. What must agree between files is in
``check_packs``.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel

from demo_pipeline.domain.model import ACTIVITY_TYPES
from demo_pipeline.domain.reference.company_names import SLOTS

#: Tables of a country → their columns.
COUNTRY_TABLES: Final = {
    **dict.fromkeys(
        ("female", "male", "surnames", "streets", "house_numbers", "company_stems", "legal_forms"),
        ("name", "weight"),
    ),
    "company_descriptors": ("name", "weight", "industry"),
    "cities": ("name", "state", "weight", "phones", "postal_codes"),
    "phones": ("range", "prefix", "first", "last", "digits", "scope", "reserved_by"),
}
#: Fewer would show the order in which names of companies are made.
FEWEST_DESCRIPTORS: Final = 7
#: Years whose holidays a country must know.
YEARS: Final = range(2020, 2033)
#: In ``reserved_by`` of a range that no regulator publishes: its numbers must be impossible to assign.
NOBODY: Final = "nobody"
Text = Annotated[str, Field(min_length=1, pattern=r"^\S(.*\S)?$")]
#: one label of a domain name; without a hyphen it is never a company's
Label = Annotated[str, Field(pattern="^[a-z][a-z0-9]{1,30}$")]
Percent = Annotated[int, Field(ge=0, le=100)]
Positive = Annotated[int, Field(gt=0)]


LineKind = Literal["plain", "pieces", "basket", "odd"]


_COMPANY_SLOT: Final = rf"\{{({'|'.join(SLOTS)})\}}[^{{}}]*"
_COMPANY_FORM: Final = rf"^[^{{}}]*{_COMPANY_SLOT}({_COMPANY_SLOT})?$"


class PackFile(BaseModel):
    """A JSON file, or a part of one. The description of a field is the remedy for it."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Honorific(PackFile):
    """Words before a surname."""

    female: Text = Field(description="the word before a woman's surname")
    male: Text = Field(description="the word before a man's surname")


class Pronoun(Honorific):
    """Forms of a pronoun."""

    unknown: Text = Field(description="the form for somebody unknown")


class OriginRow(PackFile):
    """An origin of ``countries/<code>/origins.json``."""

    same_percent: Percent = Field(
        description="give how many people with such a surname have such a given name, per cent"
    )
    female: Text = Field(description="list names of female.tsv, separated by blanks")
    male: Text = Field(description="list names of male.tsv, separated by blanks")
    surnames: Text = Field(description='list names of surnames.tsv, separated by ", "')


class OriginsFile(RootModel[dict[str, OriginRow]]):
    """``countries/<code>/origins.json``, which may be absent."""


class PatternsFile(PackFile):
    """``countries/<code>/company_patterns.json``, which may be absent."""

    patterns: dict[Annotated[str, Field(pattern=_COMPANY_FORM)], Positive] = Field(
        description=f"give forms with one or two of {', '.join(SLOTS)}, and weights"
    )
    form_sizes: dict[str, Annotated[list[str], Field(min_length=2, max_length=2)]] = Field(
        default={}, description="give the smallest and the largest size of a legal form"
    )
    acronyms: str = Field(default="", description="list acronyms, separated by blanks")


class AddressForm(PackFile):
    """What addresses have beside street and number."""

    form: Annotated[
        str, Field(pattern=r"^[^{}]*(\{unit\}[^{}]*)?\{(address|street)\}[^{}]*(\{unit\}[^{}]*)?$")
    ] = Field(description="write {address} or {street} once, with {unit} before or after it")
    weight: Positive = Field(description="give how often addresses have this form")
    units: list[Positive] = Field(
        default=[1, 1, 1], min_length=3, max_length=3, description="give the first, the last and the step"
    )


class SourceRow(PackFile):
    """What some lists were made from."""

    lists: Text = Field(description="say which lists, as people call them")
    source: Text = Field(description="name the source")
    licence: Text = Field(description="name the licence, or public domain")


class CountryFile(PackFile):
    """``countries/<code>/country.json``."""

    language: Text = Field(description="name a folder of languages")
    currency: Text = Field(description="give an ISO 4217 code, for example EUR")
    timezone: Text = Field(description="give an IANA time zone, for example Europe/Vienna")
    weekend: list[Annotated[int, Field(ge=0, le=6)]] = Field(
        max_length=6, description="list the days off, Monday is 0"
    )
    mailboxes: dict[Label, Positive] = Field(
        default={"post": 1},
        description="give the labels of mailbox domains of private people, with weights",
    )
    address_forms: list[AddressForm] = Field(
        default=[AddressForm(form="{address}", weight=1)],
        description="give form and weight, and units where the form has {unit}",
    )
    number_before_street: bool = Field(description="say true for 12 High Street, false for Hauptstraße 12")
    honorifics: dict[str, Honorific] = Field(
        description="give female and male for each of the language's salutation_slots"
    )
    sources: list[SourceRow] = Field(default=[], description="give lists, source and licence of each")


class DaysFile(PackFile):
    """``days`` of a language."""

    months: list[Text] = Field(min_length=12, max_length=12, description="name January to December")
    ahead: list[Text] = Field(
        min_length=17,
        max_length=17,
        description="say later today, after noon, the next day, seven weekdays, seven of the next week",
    )
    before: list[Text] = Field(
        min_length=9, max_length=9, description="say earlier the same day, the day before, seven weekdays"
    )
    dates: dict[str, Text] = Field(description='write {month} and {day}, by country; "" for any other')
    preposition: str = Field(
        default="", description="say what days begin with that is left out after another preposition"
    )
    first: Text = Field(default="1", description="say what {day} is on the first of a month, for example 1er")


class LanguageFile(PackFile):
    """``languages/<code>/language.json``."""

    name: Text = Field(description="give the English name of the language")
    salutation_slots: list[Text] = Field(description="list the forms of address, one a grammatical case")
    pronoun_slots: dict[str, Pronoun] = Field(description="give female, male and unknown for each pronoun")
    frames: dict[str, Annotated[list[str], Field(min_length=1)]] = Field(
        description="give what stands around a text: greetings and closings of e-mails"
    )
    days: DaysFile = Field(description="say when something is, seen from another day")
    money: Text = Field(description="write {symbol} and {number}")
    group: str = Field(description="give what groups thousands")
    decimal: Text = Field(description="give what comes before decimals")
    spellings: dict[str, dict[Text, Text]] = Field(
        default={}, description="give by country the words that are spelt otherwise there"
    )
    apart: list[Text] = Field(
        default=[], description="list what is said of no meeting: not reached, sent (patterns)"
    )
    job_titles: Literal["first", "each"] = Field(
        default="first", description="say which words of a job title below a name begin with a capital"
    )
    time_words: list[Text] = Field(min_length=1, description="list words that the clock decides (patterns)")


class TalkTrackFile(PackFile):
    """``languages/<code>/talk_track.json``."""

    dates: dict[str, Text] = Field(
        description='write {day}, {month} and {year}, by country; "" for any other'
    )
    counts: dict[str, Annotated[list[Text], Field(min_length=2, max_length=2)]] = Field(
        description="say one of each, and several with {count}"
    )
    phrases: dict[str, Annotated[str, Field(min_length=1)]] = Field(
        description="give each phrase with its slots"
    )


class StageRow(PackFile):
    """A stage of a pipeline."""

    outcome: Literal["open", "won", "lost"] = Field(description="say open, won or lost")
    probability: Percent = Field(description="give 0 for lost, 100 for won, between for open")
    weight: Positive = Field(description="give how often a deal stands here")


class ProductRow(PackFile):
    """What is sold: a list price, for ``pieces`` with how many people usually take; or a range of values."""

    price_usd: Annotated[float, Field(gt=0)] | None = Field(
        default=None, description="give the list price, US dollars, with at most two decimals"
    )
    pieces: list[Positive] | None = Field(
        default=None, min_length=2, max_length=2, description="give the fewest and the most usual pieces"
    )
    value_usd: list[Positive] | None = Field(
        default=None, min_length=2, max_length=2, description="give the least and the largest usual value"
    )


class PricingFile(PackFile):
    """``pricing`` of an industry."""

    kind: Literal["pieces", "baskets", "written", "stepped"] = Field(
        description="say pieces, baskets, written or stepped"
    )
    odd_percent: Percent = Field(description="give the deals whose price is not round, per cent")
    level_percent: list[Positive] = Field(
        min_length=2,
        max_length=2,
        description="give the percentages of the usual mean deal between which prices stay as they are",
    )
    periods: Positive = Field(default=1, description="give how many periods a list price is paid for")
    discounts_per_mille: list[list[Annotated[int, Field(ge=0, lt=1000)]]] = Field(
        default=[[0, 1]], min_length=1, description="list discounts per mille, each with its weight"
    )
    shipping_usd: list[Annotated[float, Field(ge=0)]] = Field(
        default=[0, 0],
        min_length=2,
        max_length=2,
        description="give the cost of shipping and the basket from which it is free",
    )
    steps_usd: list[Annotated[list[int], Field(min_length=2, max_length=2)]] = Field(
        default=[],
        description="list values and the step below each; the last step is for the rest",
    )
    by_city: bool = Field(default=False, description="say whether prices differ by city")
    products: list[ProductRow] = Field(min_length=1, description="list the prices of what is sold")


class IndustryFile(PackFile):
    """``industries/<name>/industry.json``."""

    label: Text = Field(description="give the English name of the industry")
    deal_usd: list[Positive] = Field(
        min_length=2, max_length=2, description="give the 5 and the 95 % quantile of deals, whole US dollars"
    )
    cycle_days: list[Positive] = Field(
        min_length=2, max_length=2, description="give the 5 and the 95 % quantile of a deal's length, days"
    )
    has_month_end: bool = Field(
        description="say whether more deals close in the last days of a month and a quarter"
    )
    win_rate_percent: Percent = Field(description="give won among won and lost deals, per cent")
    private_percent: Percent = Field(
        default=0, description="give how many contacts are private customers, per cent"
    )
    activities_per_contact_percent: Positive = Field(description="give activities for 100 contacts")
    seasonality: list[Positive] = Field(
        min_length=12, max_length=12, description="give January to December, 1200 in all"
    )
    activity_weights: dict[str, Positive] = Field(description=f"give {', '.join(ACTIVITY_TYPES)}")
    stages: list[StageRow] = Field(description="list open stages, then won, then lost ones")
    pricing: PricingFile = Field(description="say how prices come about")
    story: list[Annotated[int, Field(ge=0, lt=1000)]] = Field(
        min_length=8, max_length=8, description="give where each step of a deal begins, per mille of its time"
    )


class WordsFile(PackFile):
    """``industries/<name>/words.<language>.json``."""

    stages: list[Text] = Field(description="name each stage of industry.json, in its order")
    tags: dict[Text, Annotated[str, Field(pattern="^#[0-9a-f]{6}$")]] = Field(
        min_length=3, description="give three tags or more with colors, for example #2563eb"
    )
    products: list[Text] = Field(min_length=1, description="name each product of industry.json, in its order")
    lines: dict[Literal["plain", "pieces", "basket", "odd"], Annotated[list[Text], Field(min_length=1)]] = (
        Field(description="give forms of the product for each kind of line")
    )
    spellings: dict[Text, dict[Text, Text]] = Field(
        default={}, description="give by country the products that have another name there"
    )
    deal_titles: list[Text] = Field(min_length=1, description="list titles, one without {company} among them")
    frames: dict[str, Annotated[list[str], Field(min_length=1)]] = Field(
        default={},
        description="give greetings and closings of its own, where they differ from the language's",
    )
    account_facts: list[Text] = Field(
        default=[], description="list the facts that a company, or a private person, has one of for good"
    )
    deal_titles_first: list[Text] = Field(description="list titles for those who buy for the first time")
    deal_titles_again: list[Text] = Field(description="list titles for those who have bought before")
