"""Lists of a blueprint in files beside it: all formats alike, and every mistake with its file and line."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl import Workbook

from demo_pipeline.domain.core.errors import InputError
from demo_pipeline.services.files.blueprint_files import read_blueprint
from tests.builders.blueprints import NOW
from tests.builders.own_lists import write_example

BLUEPRINT: Final = """\
name: Alderway Systems
country: US
industry: saas
start_month: 2025-01
end_month: 2025-03
seed: a
totals: {contacts_created: 5}
lists:
"""
ROWS: Final = [("name", "weight"), *((f"Marr{a}{b}on", 3) for a in "abcdefghij" for b in "klmnprstvw")]


def write(folder: Path, lists: str, **files: str | bytes) -> Path:
    """A blueprint with these lists, and files beside it, named ``surnames_csv`` for ``surnames.csv``."""
    for name, content in files.items():
        data = content if isinstance(content, bytes) else content.encode()
        (folder / name.replace("_", ".", 1)).write_bytes(data)
    path = folder / "alderway.yaml"
    path.write_text(BLUEPRINT + lists, encoding="utf-8")
    return path


def said(path: Path) -> list[str]:
    """What is wrong, problem by problem."""
    with pytest.raises(InputError) as caught:
        read_blueprint(path, NOW)
    return list(map(str, caught.value.problems))


def text(separator: str, rows: Any = ROWS) -> str:
    """Rows as lines."""
    return "".join(separator.join(map(str, row)) + "\n" for row in rows)


def workbook(rows: Any = ROWS, sheet: str = "Surnames") -> bytes:
    """Rows in the second sheet of a workbook."""
    book = Workbook()
    page = book.create_sheet(sheet)
    for row in rows:
        page.append(row)
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def test_a_list_is_the_same_in_every_format(tmp_path: Path) -> None:
    """In the blueprint, as CSV of any separator, with tabs, as a workbook."""
    inline = "  surnames:\n" + "".join(
        f"    - {{name: {name}, weight: {weight}}}\n" for name, weight in ROWS[1:]
    )
    written = {
        inline: {},
        "  surnames: surnames.csv\n": {"surnames_csv": text(",")},
        "  surnames: surnames.csv": {"surnames_csv": "sep=;\r\n" + text(";").replace("name", "Name ")},
        "  surnames: surnames.tsv": {"surnames_tsv": text("\t")},
        "  surnames: {file: names.xlsx, sheet: surnames}": {"names_xlsx": workbook()},
    }
    specs = [read_blueprint(write(tmp_path, lists, **files), NOW).spec for lists, files in written.items()]
    assert len(specs[0].lists.surnames) == 100
    assert all(spec == specs[0] for spec in specs)


def test_the_example_of_the_docs_is_right(tmp_path: Path) -> None:
    """Without a warning; quotation marks in a table with tabs are characters."""
    declared = read_blueprint(write_example(tmp_path), NOW)
    assert declared.warnings == ()
    assert declared.spec.lists.counts == {
        "companies": 3,
        "products": 3,
        "stages": 5,
        "beats": 9,
        "topics": 25,
    }


@pytest.mark.parametrize(
    ("lists", "files", "expected"),
    [
        ("  surnames: none.csv", {}, "line 9, lists.surnames: none.csv: there is no such file"),
        ("  surnames: ../x.csv", {}, "line 9, lists.surnames: '../x.csv' does not name a table"),
        (
            "  surnames: x.txt",
            {},
            "line 9, lists.surnames: 'x.txt' does not name a table; write the name of a file ",
        ),
        (
            "  surnames: {file: x.csv, page: 1}",
            {},
            "line 9, lists.surnames: is neither a list of rows nor a table",
        ),
        (
            "  surnames: x.csv",
            {"x_csv": ""},
            "line 9, lists.surnames: x.csv: the file is empty; the first row names",
        ),
        (
            "  surnames: x.csv",
            {"x_csv": "name\n"},
            "line 9, lists.surnames: x.csv: has a header and no row below it",
        ),
        (
            "  surnames: x.csv",
            {"x_csv": "Ash\nOak\n"},
            "line 9, lists.surnames: x.csv: row 1: 'Ash' is not a header",
        ),
        (
            "  surnames: x.csv",
            {"x_csv": "name,wait\nA,1\n"},
            "line 9, lists.surnames: x.csv: row 1: 'wait' is an unknown",
        ),
        (
            "  surnames: x.csv",
            {"x_csv": "name,Name\nA,1\n"},
            "line 9, lists.surnames: x.csv: row 1: 'Name' is there twice",
        ),
        (
            "  surnames: x.csv",
            {"x_csv": "weight\n1\n"},
            "line 9, lists.surnames: x.csv: row 1: has no column name",
        ),
        (
            "  surnames: x.csv",
            {"x_csv": "name\nA\nB,2\n"},
            "line 9, lists.surnames: x.csv: row 3: '2' stands below no",
        ),
        ("  surnames: x.csv", {"x_csv": b"%PDF-1.4"}, "line 9, lists.surnames: x.csv: this is a PDF"),
        (
            "  surnames: x.csv",
            {"x_csv": "name\n" + "A" * 1_000_000},
            "line 9, lists.surnames: x.csv: is larger than 1,000,000 bytes",
        ),
        (
            "  surnames: x.csv",
            {"x_csv": 'name\n"A\n'},
            "line 9, lists.surnames: x.csv: row 2: a quoted cell has no end",
        ),
        (
            "  surnames: x.xlsx",
            {"x_xlsx": b"name"},
            "line 9, lists.surnames: x.xlsx: this is not an Excel workbook",
        ),
        (
            "  surnames: {file: x.xlsx, sheet: Nome}",
            {"x_xlsx": workbook(sheet="Names")},
            "line 9, lists.surnames: x.xlsx: --sheet: has no sheet 'Nome'; did you mean 'Names'?",
        ),
        (
            "  surnames: {file: x.xlsx, sheet: N}",
            {"x_xlsx": workbook([*ROWS, ("=A1", 2)], "N")},
            "line 9, lists.surnames: x.xlsx: row 102, name: '=A1' is a formula",
        ),
        (
            "  products: x.csv",
            {"x_csv": "name,price\nA,4\n\nB,0\n"},
            "line 9, lists.products: x.csv, line 4: price '0' is no price; write an amount above 0",
        ),
        (
            "  stages: {file: x.xlsx, sheet: S}",
            {"x_xlsx": workbook([("name", "outcome"), ("A", "opn")], "S")},
            "line 9, lists.stages: x.xlsx, row 2: outcome 'opn' is not one of open, won, lost; did you",
        ),
        (
            "  beats: x.tsv",
            {"x_tsv": "beat\tform\ttext\noffer\tagenda\tAt {plaace} with {first}\n"},
            "line 9, lists.beats: x.tsv, line 2: text unknown slot plaace; use ",
        ),
        (
            "  topics: x.csv",
            {"x_csv": "topic,text\nlnk,the portal\n"},
            "line 9, lists.topics: x.csv, line 2: topic no line draws from 'lnk'; did you mean link?",
        ),
    ],
)
def test_a_wrong_file_is_refused_with_its_line(
    tmp_path: Path, lists: str, files: dict[str, str | bytes], expected: str
) -> None:
    """The key that names the file, the file, its line, what and why."""
    found = said(write(tmp_path, lists, **files))
    assert any(line.startswith(expected) for line in found), found[:4]


def test_what_refers_to_a_list_that_cannot_be_read_is_not_refused(tmp_path: Path) -> None:
    """Lines may draw from topics whose table has a mistake: only that is said."""
    path = write_example(tmp_path)
    (tmp_path / "topics.csv").write_text("topics,text\nsite,the dock\n")
    assert [line.partition(";")[0] for line in said(path)] == [
        "line 31, lists.topics: topics.csv: row 1: 'topics' is an unknown column",
        "line 31, lists.topics: topics.csv: row 1: has no column topic",
    ]


def test_mistakes_of_blueprint_months_and_lists_come_together(tmp_path: Path) -> None:
    """From the top of the blueprint to its end, each list from the top of its file."""
    files = {"s_csv": "name\nHitler\nDummy\n", "p_csv": "name,price\nA,-1\n"}
    path = write(tmp_path, "  surnames: s.csv\n  products: p.csv\n", **files)
    path.write_text(path.read_text().replace("industry: saas", "industry: sas"))
    found = said(path)
    assert [line.partition(":")[0] for line in found] == [
        "line 3, industry",
        "line 9, lists.surnames",
        "line 9, lists.surnames",
        "line 9, lists.surnames",
        "line 10, lists.products",
    ]
    assert ["too often" in found[1], "s.csv, line 2" in found[2], "s.csv, line 3" in found[3]] == [True] * 3


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(1, 100), separator=st.sampled_from([",", ";", "\t"]), blanks=st.integers(0, 3))
def test_a_refusal_names_the_line_of_the_file(
    tmp_path: Path, place: int, separator: str, blanks: int
) -> None:
    """Wherever the row is, blank lines above it included."""
    rows: list[Any] = [*ROWS[:1], *([("",)] * blanks), *ROWS[1:]]
    rows.insert(place + blanks, ("Goebbels", 2))
    suffix = "tsv" if separator == "\t" else "csv"
    path = write(tmp_path, f"  surnames: x.{suffix}", **{f"x_{suffix}": text(separator, rows)})
    [line] = said(path)
    assert line.startswith(f"line 9, lists.surnames: x.{suffix}, line {place + blanks + 1}: name 'Goebbels'")
