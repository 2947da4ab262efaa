"""Random patch plans, and the ways in which people and spreadsheets may spell one and the same plan.

A spelled file keeps to one style of numbers, as a spreadsheet does, and is never ambiguous: where only a
single mark before three digits would be left, the number is written without it.
"""

from __future__ import annotations

import csv
import io
import json
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import openpyxl
import pandas as pd
from hypothesis import strategies as st

from demo_pipeline.domain.core.figures import METRICS, VALUE_METRICS
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.patch_plan.plan import (
    MOST_COUNT,
    MOST_VALUE,
    MonthRequest,
    PatchPlan,
    PlanType,
    Tolerances,
    amount_text,
)

_BLANKS: Final = (" ", "\u00a0", "\u202f", "'", "’")
_AMOUNTS: Final = st.one_of(
    st.decimals(0, MOST_VALUE, places=2),
    st.integers(0, 5000).map(Decimal),
    st.integers(0, 5000).map(lambda thousands: Decimal(thousands * 1000)),
)
_COUNTS: Final = st.one_of(st.integers(0, 3000), st.integers(0, MOST_COUNT))
_SEEDS: Final = st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=9
)


@st.composite
def plans(draw: st.DrawFn, *, is_plain: bool = False) -> PatchPlan:
    """A plan; ``is_plain`` is what a CSV can say: deltas, no seed, no tolerances."""
    first = Month.parse("2020-01") + draw(st.integers(0, 80))
    offsets = draw(st.lists(st.integers(0, 40), min_size=1, max_size=24, unique=True))
    months = tuple(
        MonthRequest(
            first + offset,
            {
                metric: draw(_AMOUNTS if metric in VALUE_METRICS else _COUNTS)
                for metric in draw(
                    st.lists(st.sampled_from(tuple(METRICS)), unique=True, min_size=int(index == 0))
                )
            },
        )
        for index, offset in enumerate(sorted(offsets))
    )
    if is_plain:
        return PatchPlan(months=months)
    return PatchPlan(
        months=months,
        plan_type=draw(st.sampled_from(PlanType)),
        seed=draw(st.none() | _SEEDS),
        tolerances=Tolerances(count=draw(st.integers(0, 9)), value=draw(st.decimals(0, 1, places=4))),
    )


@dataclass(frozen=True, kw_only=True)
class NumberStyle:
    """How one spreadsheet writes numbers."""

    decimal_mark: str
    #: between groups of three; empty: none
    group: str
    before: str
    after: str
    has_multipliers: bool
    zeros: int

    def amount(self, amount: Decimal) -> str:
        """An amount, always with what tells the decimal mark."""
        if self.has_multipliers and amount and amount % 1_000_000 == 0:
            return f"{self.before}{int(amount) // 1_000_000}m{self.after}"
        if self.has_multipliers and amount and amount % 100 == 0:
            # Tenths: 12.3k, 25.0k.
            return f"{self.before}{amount / 1000:.1f}k{self.after}".replace(".", self.decimal_mark)
        whole, _, cents = amount_text(amount).partition(".")
        digits = f"{int(whole):,}".replace(",", self.group)
        return f"{self.before}{digits}{self.decimal_mark}{cents}{'0' * self.zeros}{self.after}"

    def count(self, count: int, *, is_mark_told: bool) -> str:
        """A count; in groups by a mark only where the file tells which."""
        if self.group in {".", ","} and not is_mark_told:
            return str(count)
        return f"{count:,}".replace(",", self.group)


@st.composite
def number_styles(draw: st.DrawFn) -> NumberStyle:
    """A style in which nothing is ambiguous."""
    mark = draw(st.sampled_from(".,"))
    group = draw(st.sampled_from(("", {".": ",", ",": "."}[mark], *_BLANKS)))
    before, after = draw(
        st.sampled_from((("", ""), ("€", ""), ("EUR ", ""), ("", " €"), ("", "\u00a0EUR"), ("+", "")))
    )
    return NumberStyle(
        decimal_mark=mark,
        group=group,
        before=before,
        after=after,
        has_multipliers=draw(st.booleans()),
        zeros=draw(st.sampled_from((0, 2))),
    )


def camel(name: str) -> str:
    """``leadsCreated``."""
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


GERMAN_MONTHS: Final = (
    *("Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September"),
    *("Oktober", "November", "Dezember"),
)
NAME_SPELLINGS: Final[Sequence[Callable[[str], str]]] = (
    str,
    camel,
    str.upper,
    lambda name: name.replace("_", " ").capitalize(),
    lambda name: f" {name.replace('_', '-').title()} ",
)
MONTH_SPELLINGS: Final[Sequence[Callable[[Month], str]]] = (
    str,
    lambda month: f"{month}-01",
    lambda month: f"{month}-01 00:00:00",
    lambda month: f"{month.number:02d}/{month.year}",
    lambda month: f"{month.number}.{month.year}",
    lambda month: f"{month.year}/{month.number}",
    lambda month: month.start.strftime("%b %Y"),
    lambda month: month.start.strftime("%B-%Y"),
    lambda month: f"01.{month.number:02d}.{month.year}",
    lambda month: f"01.{month.number:02d}.{month.year} 00:00",
    lambda month: f"{month.start:%b} '{month.year % 100}",
    lambda month: f"{GERMAN_MONTHS[month.number - 1]} {month.year}",
    lambda month: unicodedata.normalize("NFD", f"{GERMAN_MONTHS[month.number - 1]} {month.year}"),
)


def short_german(month: Month) -> str:
    """As a German spreadsheet shows a month by default: ``Okt 25``, and ``Jan 25`` beside it."""
    return f"{GERMAN_MONTHS[month.number - 1][:3]} {month.year % 100:02d}"


@st.composite
def tables(draw: st.DrawFn, plan: PatchPlan, spell_month: Callable[[Month], str] | None = None) -> bytes:
    """The plan as some spreadsheet exports it, with months in any spelling or in the one that is given."""
    style = draw(number_styles())
    spell_month = spell_month or draw(st.sampled_from(month_spellings(plan)))
    separator = draw(st.sampled_from(",;\t|"))
    has_separator_line = draw(st.booleans())
    titles = draw(st.integers(0, 2))
    line_end = draw(st.sampled_from(("\n", "\r\n", "\r")))
    empty_columns = draw(st.integers(0, 2))
    asked = {metric for request in plan.months for metric in request.given}
    columns: list[str] = draw(st.permutations(["month", *sorted(asked)]))
    amounts = [
        figure for request in plan.months for figure in request.given.values() if isinstance(figure, Decimal)
    ]
    is_told = any(style.decimal_mark in style.amount(amount) for amount in amounts)
    rows = [[draw(st.sampled_from(NAME_SPELLINGS))(name) for name in columns]]
    for request in plan.months:
        cells = {
            metric: style.amount(figure)
            if isinstance(figure, Decimal)
            else style.count(figure, is_mark_told=is_told)
            for metric, figure in request.given.items()
        } | {"month": spell_month(request.month)}
        rows.append([cells.get(name, "") for name in columns])
        if draw(st.integers(0, 4)) == 0:
            rows.append([""] * len(columns))
    text = io.StringIO(newline="")
    if has_separator_line:
        text.write(f"sep={separator}{line_end}")
    quoting = draw(st.sampled_from((csv.QUOTE_MINIMAL, csv.QUOTE_ALL)))
    writer = csv.writer(text, delimiter=separator, lineterminator=line_end, quoting=quoting)
    writer.writerows([["Plan"]] * titles)
    writer.writerows([*row, *[""] * empty_columns] for row in rows)
    text.write(draw(st.sampled_from(("", "\x1a", f"{line_end}\x1a{line_end}"))))
    encodings = ["utf-8", "utf-8-sig", "utf-16", *(["cp1252"] if _is_western(text.getvalue()) else [])]
    return text.getvalue().encode(draw(st.sampled_from(encodings)))


def _is_western(text: str) -> bool:
    """Whether Excel in western Europe could have saved a text as "CSV", in Windows-1252."""
    try:
        text.encode("cp1252")
    except UnicodeEncodeError:
        return False
    return True


def month_spellings(plan: PatchPlan) -> tuple[Callable[[Month], str], ...]:
    """Spellings for all months of a plan, in which none of them is ambiguous."""
    is_german = any(request.month.number in {3, 5, 10, 12} for request in plan.months)
    return (*MONTH_SPELLINGS, *((short_german,) if is_german else ()))


@st.composite
def workbooks(draw: st.DrawFn, plan: PatchPlan) -> tuple[bytes, str | None]:
    """The plan as a workbook, and the sheet that it is on where that is not the first visible one."""
    book = openpyxl.Workbook()
    sheet: Any = book.active
    is_named = draw(st.booleans())
    if is_named:
        sheet.append(["month", "leads_created"])
        sheet = book.create_sheet("Figures")
    elif draw(st.booleans()):
        sheet.sheet_state = "hidden"
        sheet = book.create_sheet("Figures")
    asked = {metric for request in plan.months for metric in request.given}
    columns: list[str] = draw(st.permutations(["month", *sorted(asked)]))
    for _ in range(draw(st.integers(0, 2))):
        sheet.append(["Plan"])
        sheet.merge_cells(start_row=sheet.max_row, end_row=sheet.max_row, start_column=1, end_column=3)
    heads = [draw(st.sampled_from(NAME_SPELLINGS))(name) for name in columns]
    if draw(st.booleans()):
        # Two rows of headings: the month's over both, groups of figures above their names.
        place = columns.index("month")
        sheet.append([heads[place] if index == place else "Figures" for index in range(len(heads))])
        top = sheet.max_row
        sheet.append([None if index == place else head for index, head in enumerate(heads)])
        sheet.merge_cells(start_row=top, end_row=top + 1, start_column=place + 1, end_column=place + 1)
    else:
        sheet.append(heads)
    spell_month = draw(st.none() | st.sampled_from(month_spellings(plan)))
    for request in plan.months:
        cells: dict[str, Any] = {
            metric: figure if len(amount_text(Decimal(figure))) < 16 and draw(st.booleans()) else str(figure)
            for metric, figure in request.given.items()
        }
        cells["month"] = (
            request.month.start.replace(tzinfo=None) if spell_month is None else spell_month(request.month)
        )
        sheet.append([cells.get(name) for name in columns])
        for cell in sheet[sheet.max_row]:
            if isinstance(cell.value, Decimal):
                cell.number_format = draw(st.sampled_from(("General", "#,##0.00", "#,##0.00\\ [$€-407]")))
    # An empty tail: cells that have a format and no value.
    for row in range(sheet.max_row + 1, sheet.max_row + draw(st.integers(1, 4))):
        sheet.cell(row, 1).number_format = "@"
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue(), "Figures" if is_named else None


@st.composite
def records(draw: st.DrawFn, plan: PatchPlan) -> bytes:
    """The plan as the JSON that pandas writes of a table of it, values as text."""
    asked = [metric for metric in METRICS if any(metric in request.given for request in plan.months)]
    rows = [
        {
            "month": draw(st.sampled_from((str(request.month), f"{request.month}-01T00:00:00.000"))),
            **{
                metric: None
                if figure is None
                else amount_text(figure)
                if isinstance(figure, Decimal)
                else figure
                for metric in asked
                for figure in (request.given.get(metric),)
            },
        }
        for request in plan.months
    ]
    frame = pd.DataFrame(rows)
    return str(frame.to_json(orient="records", indent=draw(st.sampled_from((0, 2))))).encode()


@st.composite
def json_documents(draw: st.DrawFn, plan: PatchPlan) -> str:
    """The plan as JSON: keys in any order and spelling, numbers as numbers or text, defaults left out."""
    style = draw(number_styles())
    as_text = draw(st.booleans())

    def number(figure: int | Decimal) -> Any:
        if isinstance(figure, int):
            return draw(st.sampled_from((figure, str(figure), float(figure))))
        if as_text:
            return style.amount(figure)
        return float(figure) if Decimal(str(float(figure))) == figure else amount_text(figure)

    name = draw(st.sampled_from((str, camel)))
    document = {
        "mode": "additive",
        name("plan_type"): plan.plan_type.upper(),
        "seed": plan.seed,
        "tolerances": {"count": plan.tolerances.count, "value": str(plan.tolerances.value)},
        "months": [
            {
                "month": str(request.month),
                "metrics": {
                    name(metric): number(figure)
                    for metric, figure in draw(st.permutations([*request.given.items()]))
                },
            }
            for request in plan.months
        ],
    }
    if plan.plan_type is PlanType.DELTAS and draw(st.booleans()):
        del document[name("plan_type")]
    if draw(st.booleans()):
        del document["mode"]
    pairs = draw(st.permutations([*document.items()]))
    return json.dumps(dict(pairs), ensure_ascii=draw(st.booleans()), indent=draw(st.sampled_from((None, 2))))


#: Words of plans, spelled right and wrong, with what breaks readers between them.
_FRAGMENTS: Final = st.sampled_from(
    (
        *("month", "leads_created", "dealsCreated", "closed_won_value", "months", "metrics", "seed", "mode"),
        *("plan_type", "tolerances", "count", "value", "2025-01", "2025-13", "01/02/2025", "Jan-25", "45658"),
        *("1", "-1", "1.250", "1,250", "$25k", "1e999999999", "NaN", "Infinity", "1e308", "'", '"', ",", ";"),
        *(
            "\t",
            "|",
            "\n",
            "\r\n",
            ": ",
            "- ",
            "{",
            "}",
            "[",
            "]",
            "&a ",
            "*a",
            "!!x ",
            "#",
            "?",
            "\0",
            "\ufeff",
        ),
        *("Total", "=1+1", "#REF!", "€", "\u202e", "\ud7ff", "'; DROP TABLE x; --", "\\", "%", "null", "~"),
    )
)
JUNK: Final[st.SearchStrategy[bytes]] = st.one_of(
    st.binary(max_size=200),
    st.text(max_size=100).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.lists(_FRAGMENTS, max_size=60).map(lambda parts: "".join(parts).encode()),
    st.lists(_FRAGMENTS, max_size=60).map(lambda parts: ("month,leads_created\n" + "".join(parts)).encode()),
    st.lists(_FRAGMENTS, max_size=60).map(lambda parts: ("months:\n- month: " + "".join(parts)).encode()),
)
#: What JSON can say, in the shape of a plan and not.
TREES: Final[st.SearchStrategy[Any]] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | _FRAGMENTS,
    lambda below: (
        st.lists(below, max_size=4)
        | st.dictionaries(_FRAGMENTS | st.text(max_size=5), below, max_size=5)
        | st.fixed_dictionaries(
            {"months": st.lists(st.fixed_dictionaries({"month": below, "metrics": below}), max_size=3)}
        )
    ),
    max_leaves=20,
)
