"""A result is described once: text, Markdown, CSV and JSON say the same of it."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from io import StringIO
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from demo_pipeline.domain.core.currency import Currency
from demo_pipeline.domain.core.figures import METRICS, Figures, FiguresByMonth
from demo_pipeline.domain.core.months import Month
from demo_pipeline.rendering.kpi_columns import (
    MONTH,
    figure_column,
    figure_rows,
    kpi_columns,
    kpi_table,
    label_column,
)
from demo_pipeline.rendering.table import (
    Column,
    Table,
    csv_text,
    facts,
    json_ready,
    markdown,
    plain_text,
    programs,
    records,
    text_columns,
)

EUR = Currency("EUR", 2)


@dataclass(frozen=True)
class Load:
    """A row of the examples."""

    tenant: str
    rows: int
    is_whole: bool
    note: str | None = None


COLUMNS: tuple[Column[Load], ...] = (
    Column("tenant", "tenant"),
    *programs("is_whole"),
    Column("rows", "rows loaded", is_number=True, is_strong=lambda load: load.rows > 1000),
    Column("note", "note"),
    Column("", "state", text=lambda load: "whole" if load.is_whole else "partial"),
)
LOADS = [Load("acme", 1234567, is_whole=True), Load("kranz", 5, is_whole=False)]


def test_each_form_shows_the_columns_meant_for_its_reader() -> None:
    """Programs get names and values, people titles and texts; an empty column is left out of text."""
    assert plain_text(Table(COLUMNS, LOADS)).splitlines() == [
        "tenant  rows loaded  state",
        "acme      1,234,567  whole",
        "kranz             5  partial",
    ]
    assert records(COLUMNS, LOADS) == [
        {"tenant": "acme", "is_whole": True, "rows": 1234567, "note": None},
        {"tenant": "kranz", "is_whole": False, "rows": 5, "note": None},
    ]
    assert csv_text(COLUMNS, LOADS).splitlines() == [
        "tenant,is_whole,rows,note",
        "acme,true,1234567,",
        "kranz,false,5,",
    ]
    assert markdown(Table(COLUMNS, LOADS)).splitlines() == [
        "| tenant | rows loaded | note | state |",
        "| :-- | --: | :-- | :-- |",
        "| acme | **1,234,567** |  | whole |",
        "| kranz | 5 |  | partial |",
    ]


@given(st.lists(st.lists(st.text(), min_size=2, max_size=2), min_size=1))
def test_no_text_breaks_a_form(rows: list[list[str]]) -> None:
    """Whatever a cell holds, a row stays one row, and CSV gives the text back."""
    table = Table(text_columns("one", "two"), rows)
    assert len(markdown(table).splitlines()) == len(rows) + 2
    assert all(line.replace("\\|", "").count("|") == 3 for line in markdown(table).splitlines())
    columns = (
        Column[list[str]]("a", None, lambda row: row[0]),
        Column[list[str]]("b", None, lambda row: row[1]),
    )
    written = csv_text(columns, rows)
    if not any("\r" in text or "\n" in text for row in rows for text in row):
        assert list(csv.reader(StringIO(written + "\n", newline="")))[1:] == rows


def test_values_for_programs_are_json() -> None:
    """Ids, months, instants and tuples become what JSON has; numbers and text stay."""
    value = {
        "id": UUID(int=1),
        "at": datetime(2025, 1, 2, tzinfo=UTC),
        "months": (Month.of(2025, 1), None),
        3: [True, 1, "x"],
    }
    assert json_ready(value) == {
        "id": "00000000-0000-0000-0000-000000000001",
        "at": "2025-01-02T00:00:00+00:00",
        "months": ["2025-01", None],
        "3": [True, 1, "x"],
    }
    assert json.loads(json.dumps(json_ready(value)))["months"][1] is None


def test_facts_leave_out_what_is_empty() -> None:
    """A list of facts has a line for each that is known."""
    assert plain_text(facts([("tenant", "acme"), ("error", "")])).splitlines() == [
        "fact    value",
        "tenant  acme",
    ]


def test_kpis_have_a_column_for_each_metric_and_a_total() -> None:
    """Money is grouped in major units for people and plain text for programs; the last line is the sum."""
    months = FiguresByMonth(
        {
            Month.of(2025, 1): Figures(contacts_created=1000, closed_won_value=2500000),
            Month.of(2025, 2): Figures(contacts_created=1),
        }
    )
    shown = plain_text(kpi_table("t", months, EUR)).splitlines()
    assert shown[-1].split() == ["total", "0", "1,001", "0", "0", "0", "25,000.00", "0.00", "0"]
    [first, _] = records(kpi_columns(EUR), months.items())
    assert list(first) == ["month", *METRICS]
    assert (first["month"], first["contacts_created"], first["closed_won_value"]) == (
        "2025-01",
        1000,
        "25000.00",
    )


def test_a_figure_is_shown_in_each_of_its_states() -> None:
    """A difference has a sign; the metric is named in words under the currency."""
    before, after = Figures(deals_created=4), Figures(deals_created=3)
    states = {"before": before, "after": after, "change": after - before}
    rows = figure_rows(Month.of(2025, 1), EUR, states, ["deals_created"])
    columns = (MONTH, label_column(EUR), figure_column("before"), figure_column("change", is_signed=True))
    assert markdown(Table(columns, rows)).splitlines() == [
        "| month | EUR | before | change |",
        "| :-- | :-- | --: | --: |",
        "| 2025-01 | Deals created | 4 | -1 |",
    ]
