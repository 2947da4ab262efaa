"""Lists of one's own in a blueprint: which there are, what a row of each says, and what they become.

A list is written in the blueprint, or is a table beside it; both have the same columns. What must hold within
and between lists is in ``list_checks``, how tables are read in ``services.files``, what a tenant with own
lists looks like in ``reference.own_lists``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Final, Literal, TypeAlias, cast, get_args

from pydantic import Field, PlainValidator, WithJsonSchema, model_validator

from demo_pipeline.domain.core.currency import Currency
from demo_pipeline.domain.core.declared import Declared
from demo_pipeline.domain.model import COMPANY_SIZES
from demo_pipeline.domain.parsing.scalars import (
    Price,
    ShortText,
    line_of_text,
    one_of,
    quoted,
    whole_number,
    wrong,
)
from demo_pipeline.domain.reference.own_lists import (
    OUTCOMES,
    Outcome,
    OwnCompany,
    OwnLine,
    OwnLists,
    OwnName,
    OwnProduct,
    OwnStage,
    OwnTopic,
)
from demo_pipeline.domain.reference.story_parts import BEATS, FACT, FORMS

#: rows of a list, and characters of all lists together: they are stored with the tenant, and jobs read them
MOST_ROWS: Final = 10_000
#: Baskets of three are made of all products: memory grows with the cube of their number.
MOST_PRODUCTS: Final = 100
MOST_STAGES: Final = 50
#: of stories
MOST_LINES: Final = 4_000
MOST_CHARACTERS: Final = 500_000
#: of a line of a story
_LONGEST_LINE: Final = 600

ListName: TypeAlias = Literal[
    "female", "male", "surnames", "companies", "products", "stages", "beats", "topics"
]
LIST_NAMES: Final[tuple[ListName, ...]] = get_args(ListName)

Weight = Annotated[
    int,
    PlainValidator(whole_number(1, 1_000_000)),
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": 1_000_000}),
]
Percent = Annotated[
    int,
    PlainValidator(whole_number(0, 100)),
    WithJsonSchema({"type": "integer", "minimum": 0, "maximum": 100}),
]
OutcomeName = Annotated[
    Outcome, PlainValidator(one_of("outcome", OUTCOMES)), WithJsonSchema({"enum": list(OUTCOMES)})
]
SizeName = Annotated[
    str, PlainValidator(one_of("size", COMPANY_SIZES)), WithJsonSchema({"enum": list(COMPANY_SIZES)})
]
_read_beat: Final = one_of("beat", BEATS)


def _parse_beat(value: object) -> str:
    """A beat; rows of facts, which files of packs have, are topics here."""
    if value == FACT:
        message = f"{quoted(FACT)} is no beat; write the row under lists.topics, its form as topic"
        raise wrong("unknown_beat", message)
    return _read_beat(value)


BeatName = Annotated[str, PlainValidator(_parse_beat), WithJsonSchema({"enum": list(BEATS)})]
FormName = Annotated[str, PlainValidator(one_of("form", FORMS)), WithJsonSchema({"enum": list(FORMS)})]
LineText = Annotated[
    str,
    PlainValidator(line_of_text(_LONGEST_LINE)),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": _LONGEST_LINE}),
]
TopicName = Annotated[
    str,
    PlainValidator(line_of_text(40, pattern=r"[a-z][a-z_]*", what="small letters a to z and _")),
    WithJsonSchema({"type": "string", "pattern": "^[a-z][a-z_]{0,39}$"}),
]


class ListRow(Declared):
    """A row of a list. One that has a single required key may be written as its value alone."""

    #: the key that a text alone stands for
    alone: ClassVar[str | None] = None

    @model_validator(mode="before")
    @classmethod
    def _text_is_first_key(cls, values: Any) -> Any:
        return {cls.alone: values} if cls.alone and isinstance(values, str) else values


class NameRow(ListRow):
    """A given name or a surname."""

    alone = "name"
    name: ShortText = Field(description="The name.", examples=["Steiner"])
    weight: Weight = Field(default=1, description="How frequent it is, against the others.", examples=[40])


class CompanyRow(ListRow):
    """A customer company."""

    alone = "name"
    name: ShortText = Field(
        description="The name as it is shown, legal form included.", examples=["Alpquell Spedition GmbH"]
    )
    industry: ShortText | None = Field(
        default=None,
        description="What the company's row says. Left out: the trade in its name, or any.",
        examples=["Logistik"],
    )
    size: SizeName | None = Field(
        default=None,
        description="Employees. Left out: by chance, as the legal form allows.",
        examples=["51-200"],
    )


class ProductRow(ListRow):
    """What the tenant sells."""

    name: ShortText = Field(description="The name.", examples=["Route Planner"])
    price: Price = Field(
        description="List price of a piece, in major units of the tenant's currency; with price_to the least "
        "amount of a sale.",
        examples=[490],
    )
    price_to: Price | None = Field(
        default=None,
        description="The largest amount of a sale, where each has its own: for all products or for none.",
        examples=[25000],
    )


class StageRow(ListRow):
    """A stage of the pipeline, in the order in which it is shown."""

    name: ShortText = Field(description="The name.", examples=["Site visit"])
    outcome: OutcomeName = Field(
        default="open",
        description="What deals in the stage are; the pipeline has open, won and lost ones.",
        examples=["open"],
    )
    probability: Percent | None = Field(
        default=None,
        description="That a deal in the stage will be won, per cent. Left out: 100 for won, 0 for lost, "
        "evenly rising for open ones.",
        examples=[40],
    )
    weight: Weight = Field(
        default=1, description="How often a deal stands here, among those of its outcome.", examples=[3]
    )


class BeatRow(ListRow):
    """A line of a story."""

    beat: BeatName = Field(description="The step of the story.", examples=["offer"])
    form: FormName = Field(description="What the line is for.", examples=["talk"])
    text: LineText = Field(
        description="The line, with slots in braces.",
        examples=["{first} read our offer and asks about {tool}."],
    )


class TopicRow(ListRow):
    """A word or phrase that lines draw from a list."""

    topic: TopicName = Field(
        description="The name of the list, which is the slot of the lines that draw from it.",
        examples=["tool"],
    )
    text: ShortText = Field(description="The word or phrase.", examples=["the warehouse system"])


def _rows(description: str, example: Any, most: int = MOST_ROWS) -> Any:
    return Field(default=None, description=description, min_length=1, max_length=most, examples=[example])


class Lists(Declared):
    """Lists of one's own; a list that is left out is that of the country or industry.

    Each is a list of mappings, or a table beside the blueprint with the same columns.
    """

    female: tuple[NameRow, ...] | None = _rows("Given names of women.", "female.csv")
    male: tuple[NameRow, ...] | None = _rows("Given names of men; none is in both lists.", "male.csv")
    surnames: tuple[NameRow, ...] | None = _rows("Surnames of people.", "surnames.tsv")
    companies: tuple[CompanyRow, ...] | None = _rows(
        "Customer companies, spread over the span in their order; the others have names of the country.",
        "companies.xlsx",
    )
    products: tuple[ProductRow, ...] | None = _rows(
        "What deals are about. Values of deals are explained by their prices.",
        [{"name": "Route Planner", "price": 490}, {"name": "Fleet Monitor", "price": 1290}],
        MOST_PRODUCTS,
    )
    stages: tuple[StageRow, ...] | None = _rows(
        "The pipeline.",
        [
            {"name": "Enquiry"},
            {"name": "Site visit"},
            {"name": "Ordered", "outcome": "won"},
            {"name": "Declined", "outcome": "lost"},
        ],
        MOST_STAGES,
    )
    beats: tuple[BeatRow, ...] | None = _rows(
        "Lines of stories: what activities say. They replace the industry's lines of the same beat and form.",
        "lines.tsv",
        MOST_LINES,
    )
    topics: tuple[TopicRow, ...] | None = _rows(
        "Words that lines of stories draw from. They replace the industry's list of the same name.",
        "topics.csv",
    )


#: Lists in a blueprint and in tables beside it.
EXAMPLE_LISTS: Final[Mapping[str, Any]] = {
    "female": "female.csv",
    "male": "male.csv",
    "surnames": "surnames.tsv",
    "companies": [{"name": "Copperline Storage LLC"}, {"name": "Two Rivers Cold Chain", "size": "201-500"}],
    "products": [{"name": "Dock Planner", "price": 490}, {"name": "Yard Gateway", "price": 3900}],
    "stages": [
        {"name": "Enquiry"},
        {"name": "Site Visit", "probability": 60},
        {"name": "Ordered", "outcome": "won"},
        {"name": "Declined", "outcome": "lost"},
    ],
    "beats": "lines.tsv",
    "topics": {"file": "words.xlsx", "sheet": "Topics"},
}
#: list → what a row of it is
ROW_MODELS: Final[Mapping[str, type[ListRow]]] = {
    "female": NameRow,
    "male": NameRow,
    "surnames": NameRow,
    "companies": CompanyRow,
    "products": ProductRow,
    "stages": StageRow,
    "beats": BeatRow,
    "topics": TopicRow,
}


def own_lists(lists: Lists | None, currency: Currency) -> OwnLists:
    """Lists without a problem as a tenant has them; prices have no more decimals than the currency."""
    if lists is None:
        return OwnLists()
    return OwnLists(
        female=_names(lists.female),
        male=_names(lists.male),
        surnames=_names(lists.surnames),
        companies=tuple(OwnCompany(one.name, one.industry, one.size) for one in lists.companies or ()),
        products=tuple(
            OwnProduct(
                one.name,
                currency.minor(one.price),
                None if one.price_to is None else currency.minor(one.price_to),
            )
            for one in lists.products or ()
        ),
        stages=tuple(
            OwnStage(stage.name, stage.outcome, probability, stage.weight)
            for stage, probability in zip(lists.stages or (), probabilities(lists.stages or ()), strict=True)
        ),
        beats=tuple(OwnLine(one.beat, one.form, one.text) for one in lists.beats or ()),
        topics=tuple(OwnTopic(one.topic, one.text) for one in lists.topics or ()),
    )


def probabilities(stages: Sequence[StageRow]) -> list[int]:
    """That deals in each stage will be won, per cent: as declared, or evenly rising over the open stages."""
    count = sum(stage.outcome == "open" for stage in stages)
    place, found = 0, list[int]()
    for stage in stages:
        place += stage.outcome == "open"
        usual = {"open": 100 * place // (count + 1), "won": 100, "lost": 0}[stage.outcome]
        found.append(usual if stage.probability is None else stage.probability)
    return found


def _names(rows: Sequence[NameRow] | None) -> tuple[OwnName, ...]:
    return tuple(OwnName(one.name, one.weight) for one in rows or ())


def lists_schema(properties: Mapping[str, Any]) -> None:
    """Complete the JSON Schema of :class:`Lists` in place: tables beside the blueprint, and rows of text."""
    for name, one in properties.items():
        rows = cast("list[dict[str, Any]]", one["anyOf"])[0]
        if ROW_MODELS[name].alone:
            rows["items"] = {"anyOf": [rows["items"], {"type": "string"}]}
        one["anyOf"] += table_schema("rows")


#: Suffixes of tables beside a blueprint.
TABLE_SUFFIXES: Final = (".csv", ".tsv", ".xlsx")


def table_schema(what: str, suffixes: Sequence[str] = TABLE_SUFFIXES) -> list[dict[str, Any]]:
    """The JSON Schema of the name of a table beside a blueprint, and of a mapping with its sheet."""
    endings = "|".join(suffix.removeprefix(".") for suffix in suffixes)
    return [
        {"type": "string", "pattern": rf"\.({endings})$"},
        {
            "type": "object",
            "properties": {
                "file": {
                    "type": "string",
                    "description": f"Instead of a list: the name of a table of {what} beside the blueprint.",
                    "examples": ["figures.xlsx"],
                },
                "sheet": {
                    "type": "string",
                    "description": "Beside file: the sheet of a workbook. Left out: the first visible one.",
                    "examples": ["Budget"],
                },
            },
            "required": ["file"],
            "additionalProperties": False,
        },
    ]
