"""What is no plan is refused by name, with its place, at once, and with nothing quoted at length."""

from __future__ import annotations

import io
import os
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from demo_pipeline.domain.core.errors import InputError
from demo_pipeline.domain.parsing.document import MOST_PROBLEMS
from demo_pipeline.services.files.plan_files import read_plan
from demo_pipeline.services.files.reader import MOST_BYTES, FileFormat
from tests.services.files.refusals import problems_of

BAD_TABLES: list[tuple[str, list[str]]] = [
    ("", ["empty_file"]),
    ("\n\n", ["empty_file"]),
    ("2025-01,40\n", ["no_header"]),
    ("Plan 2025\nmonth,leads_created\n", ["no_rows"]),
    ("Plan 2025\n2025-01,1\n", ["no_header"]),
    ("sep=;\n", ["no_header"]),
    ("month\n2025-01\n", ["missing_column"]),
    ("leads_created,deals_created\n1,2\n", ["missing_column"]),
    ("month,leads_created\n", ["no_rows"]),
    ("month,leads_created\n2025-01,\n", ["no_figures"]),
    ("month,lead_created\n2025-01,1\n", ["unknown_column"]),
    ("month,leads_created,leadsCreated\n2025-01,1,2\n", ["column_twice"]),
    ("month,leads_created;deals_created\n2025-01,1\n", ["unclear_separator"]),
    ("month,leads_created,\n2025-01,1,5\n", ["cell_without_column"]),
    ("month,leads_created\n,deals_created\n2025-01,3\n", ["missing_month"]),
    ("month,leads_created\n2025-01,1,5\n", ["cell_without_column"]),
    ("month,leads_created\n,1\n", ["missing_month"]),
    ("month,leads_created\n2025-01,'1\n", ["not_a_number"]),
    ('month,leads_created\n2025-01,"1\n', ["not_csv"]),
    ('"month"x,leads_created\n2025-01,1\n', ["not_csv"]),
    ("month,leads_created\n2025-02,1\n2025-01,1\n", ["months_not_in_order"]),
    ("month,leads_created\n2025-01,1\n01/2025,1\n", ["month_twice"]),
    ("month,leads_created\n2025-01,1.5\n", ["not_a_whole_number"]),
    ("month,leads_created\n2025-01,$15\n", ["currency_in_count"]),
    ("month,leads_created\n2025-01,1000000001\n", ["out_of_range"]),
    ("month,closed_won_value\n2025-01,999999999999999.995\n", ["out_of_range"]),
    ("month,closed_won_value\n2025-01,9999999999m\n", ["out_of_range"]),
    ("month,closed_won_value\n2025-01,1.2345\n", ["too_many_decimals"]),
    ("month,closed_won_value\n2025-01,-0.01\n", ["negative"]),
    ("month,'; DROP TABLE demo.jobs; --\n2025-01,1\n", ["unknown_column"]),
    ("month," + ",".join("x" * 150) + "\n", ["too_many_columns"] + ["unknown_column"] * 99),
    ("month,leads_created\n2025-01," + "9" * 200_000 + "\n", ["not_csv"]),
    (
        "month,leads_created\n" + "".join(f"{2020 + n // 12}-{n % 12 + 1:02d},1\n" for n in range(25)),
        ["too_many_months"],
    ),
]


@pytest.mark.parametrize(("text", "codes"), BAD_TABLES, ids=[str(n) for n in range(len(BAD_TABLES))])
def test_what_is_no_table_of_a_plan_is_refused(text: str, codes: list[str]) -> None:
    """By code, with a sentence, and with nothing quoted at length."""
    problems = problems_of(text)
    assert [p.code for p in problems] == codes
    assert all(len(p.message) < 300 and len(p.value or "") <= 40 for p in problems)


def document(metrics: str = '"leads_created": 1', head: str = "") -> str:
    """JSON of a plan of one month."""
    return f'{{{head}"months": [{{"month": "2025-01", "metrics": {{{metrics}}}}}]}}'


_LEADS = "months[0].metrics.leads_created"
BAD_DOCUMENTS: list[tuple[str, list[tuple[str, str | None]]]] = [
    ("{}", [("missing", None)]),
    ("[]", [("empty_list", None)]),
    ("[5]", [("not_a_mapping", "[0]")]),
    ('[{"leads_created": 1}]', [("missing", "[0]")]),
    ('[{"month": "2025-01", "leads": 1}]', [("unknown_key", "[0].leads")]),
    ('{"month": {"0": "2025-01"}, "leads_created": {"0": 1}}', [("other_table", None)]),
    ('{"columns": ["month"], "index": [0], "data": [["2025-01"]]}', [("other_table", None)]),
    ('{"schema": {}, "data": [{"month": "2025-01"}]}', [("other_table", None)]),
    ('{"0": {"month": "2025-01", "leads_created": 1}}', [("other_table", None)]),
    ('{"2025-01": {"leads_created": 1}}', [("other_table", None)]),
    ('{"month": "2025-01", "leads_created": 1}\n{"month": "2025-02"}', [("json_lines", None)]),
    ('[{"month": 1735689600000, "leads_created": 1}]', [("number_for_day", "[0].month")]),
    ('"months"', [("not_a_mapping", None)]),
    ("{", [("not_json", None)]),
    ('{"months": [}', [("not_json", None)]),
    ('{"months": {}}', [("not_a_list", "months")]),
    ('{"months": []}', [("empty_list", "months")]),
    ('{"months": [5]}', [("not_a_mapping", "months[0]")]),
    ('{"months": [{"metrics": {"leads_created": 1}}]}', [("missing", "months[0]")]),
    ('{"months": [{"month": "2025-01", "metrics": 5}]}', [("not_a_mapping", "months[0].metrics")]),
    ('{"months": [{"month": ["2025-01"]}]}', [("not_a_value", "months[0].month")]),
    (document(head='"mode": "reconcile", '), [("reconcile_needs_targets", "mode")]),
    (document(head='"mode": "replace", '), [("unknown_mode", "mode")]),
    (
        document(head='"fingerprint": "' + "ab" * 32 + '", '),
        [("fingerprint_without_reconcile", "fingerprint")],
    ),
    (
        document(head='"mode": "reconcile", "plan_type": "targets", "fingerprint": "12ab", '),
        [("bad_fingerprint", "fingerprint")],
    ),
    (document(head='"mode": "replace", '), [("unknown_mode", "mode")]),
    (document(head='"seed": "", '), [("bad_length", "seed")]),
    (document(head='"seed": "\\ud800", '), [("control_character", "seed")]),
    (document(head='"tolerances": 5, '), [("not_a_mapping", "tolerances")]),
    (
        document(head='"tolerances": {"count": -1, "value": 2}, '),
        [("negative", "tolerances.count"), ("out_of_range", "tolerances.value")],
    ),
    (document('"leads_created": NaN'), [("no_value", _LEADS)]),
    (document('"leads_created": -Infinity'), [("not_a_number", _LEADS)]),
    (document('"leads_created": 1e308'), [("out_of_range", _LEADS)]),
    (document('"leads_created": 1e999999999'), [("out_of_range", _LEADS)]),
    (document('"leads_created": true'), [("not_a_value", _LEADS)]),
    (document('"leads_created": ""'), [("not_a_number", _LEADS)]),
    (document('"leads_created": 1, "leads_created": 2'), [("duplicate_key", _LEADS)]),
    (
        document('"leads_created": 1, "leadsCreated": 2'),
        [("duplicate_key", "months[0].metrics.leadsCreated")],
    ),
    (document(f'"leads_created": {"9" * 5000}'), [("too_long", _LEADS)]),
    ('{"a": ' * 100_000, [("too_deep", None)]),
    ("[" * 900_000, [("too_deep", None)]),
    ('{"months": [' + "1," * 400_000, [("too_many_values", None)]),
    ('{"\\"' * 200_000, [("not_json", None)]),
]


@pytest.mark.parametrize(("text", "found"), BAD_DOCUMENTS, ids=[str(n) for n in range(len(BAD_DOCUMENTS))])
def test_what_is_no_document_of_a_plan_is_refused(text: str, found: list[tuple[str, str | None]]) -> None:
    """By code and path, at once: neither depth nor digits nor exponents are worked through."""
    started = time.process_time()
    problems = problems_of(text, "json")
    assert [(p.code, p.field) for p in problems] == found
    assert all(len(p.message) < 300 and len(p.value or "") <= 40 for p in problems)
    assert time.process_time() - started < 5


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("months: &a [*a]\n", "yaml_alias"),
        ("months: !!python/object/apply:os.system [ls]\n", "yaml_tag"),
        ("months: !" + "x" * 900 + " a\n", "yaml_tag"),
        ("- month: 2025-01\n", "not_a_mapping"),
        ("months: [\n", "not_yaml"),
        ("a: 1\na: 2\nmonths: []\n", "unknown_key"),
        ("months: " + "[" * 100, "too_deep"),
        ("!" + "x" * 900 + "! a\n", "not_yaml"),
        ("!" + "x" * 90 + "!a b\n", "not_yaml"),
        (("x" * 90 + ": 1\n") * 2, "duplicate_key"),
        ("a: 1\n---\nb: 2\n", "several_documents"),
        ("\x07: 1\n", "control_character"),
        ("a: " + "x" * 100_000, "file_too_large"),
    ],
)
def test_what_is_no_yaml_of_a_plan_is_refused(text: str, code: str) -> None:
    """Aliases and tags included, with their line and nothing quoted at length."""
    problems = problems_of(text, "yaml")
    assert code in [p.code for p in problems]
    assert all(len(p.message) < 300 and len(p.value or "") <= 40 for p in problems)
    assert not any("x" * 50 in f"{p.message}{p.field}" for p in problems)


def test_problems_beyond_a_hundred_are_counted() -> None:
    """A file with thousands of mistakes is told from the top, with how many there are."""
    rows = "".join(f"x{n},a,b,c\n" for n in range(150))
    problems = problems_of("month,leads_created,deals_created,closed_won_value\n" + rows)
    assert len(problems) == MOST_PROBLEMS + 1
    assert problems[-1].code == "more_problems"
    assert "501 more" in problems[-1].message


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"month,leads_created\n2025-01,\x81\n", "not_utf8"),
        (b"\xff\xfem\x00o", "not_utf8"),
        (b"month,leads_created\n2025-01,1\0\n", "control_character"),
        (b"\x89PNG\r\n\x1a\n\0\0", "other_kind"),
        (b"PK\x03\x04\x14\0\x06\0", "other_kind"),
        ("month,leads_created\n2025-01,1\n".encode("utf-32"), "control_character"),
        (b"x" * (MOST_BYTES + 1), "file_too_large"),
    ],
)
@pytest.mark.parametrize("kind", ["csv", "json", "yaml", None])
def test_what_is_no_text_is_refused(content: bytes, code: str, kind: FileFormat | None) -> None:
    """Other encodings, workbooks, pictures, and what is larger than any plan."""
    (problem,) = problems_of(content, kind)
    assert problem.code == code


def _directory(path: Path) -> None:
    path.mkdir()


def _loop(path: Path) -> None:
    path.symlink_to(path.name)


def _dangling(path: Path) -> None:
    path.symlink_to("nowhere")


def _large(path: Path) -> None:
    """A hundred megabytes that take no room."""
    with path.open("wb") as file:
        file.truncate(100_000_000)


@pytest.mark.parametrize(
    ("make", "name", "code"),
    [
        (_directory, "a.csv", "is_a_directory"),
        (_loop, "a.csv", "unreadable_file"),
        (_dangling, "a.csv", "file_not_found"),
        (_large, "a.csv", "file_too_large"),
        (os.mkfifo, "a.csv", "not_a_file"),
        (Path.touch, "a.xlsx", "empty_file"),
        (Path.touch, "a.ods", "bad_suffix"),
        (Path.touch, "a", "bad_suffix"),
        (Path.touch, "a.csv", "empty_file"),
        (Path.touch, "a.json", "empty_file"),
        (Path.touch, "a.yaml", "empty_file"),
    ],
)
def test_what_is_no_file_of_a_plan_is_refused_at_once(
    tmp_path: Path, make: Callable[[Path], Any], name: str, code: str
) -> None:
    """By its kind, before it is opened: nothing waits for a pipe or reads a hundred megabytes."""
    make(tmp_path / name)
    started = time.monotonic()
    with pytest.raises(InputError) as caught:
        read_plan(tmp_path / name)
    assert [p.code for p in caught.value.problems] == [code]
    assert caught.value.message.startswith(name)
    assert str(tmp_path) not in caught.value.message
    assert time.monotonic() - started < 1


@pytest.mark.parametrize("name", ["no.csv", "a\0b.csv", "x" * 300 + ".csv", "a.csv/b.csv"])
def test_a_name_that_leads_nowhere_is_refused(tmp_path: Path, name: str) -> None:
    """Missing, impossible, too long, below a file."""
    (tmp_path / "a.csv").touch()
    with pytest.raises(InputError) as caught:
        read_plan(f"{tmp_path}/{name}")
    assert caught.value.problems[0].code in {"file_not_found", "unreadable_file"}


def _package(*names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, "")
    return buffer.getvalue()


_OFFICE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 100
KINDS: list[tuple[str, bytes, str]] = [
    ("a.csv", b"%PDF-1.7\n", "a PDF"),
    ("a.csv", _package("xl/workbook.xml"), "an Excel workbook (.xlsx); rename the file to .xlsx"),
    ("a.xlsx", _package("xl/workbook.bin"), "a binary Excel workbook (.xlsb)"),
    ("a.csv", _package("word/document.xml"), "a Word document"),
    ("a.csv", _package("ppt/presentation.xml"), "a PowerPoint presentation"),
    ("a.xlsx", _package("mimetype", "content.xml"), "an OpenDocument file (.ods)"),
    ("a.numbers", _package("Index/Document.iwa"), "a Numbers or Pages document"),
    ("a.zip", _package("plan.csv"), "a ZIP archive; unpack it first"),
    ("a.xls", _OFFICE, "an old Office file (.xls); save it as .xlsx"),
    ("a.xlsx", _OFFICE + "EncryptedPackage".encode("utf-16-le"), "a workbook with a password"),
    ("a.yaml", b"\x89PNG\r\n\x1a\n", "a picture (PNG)"),
    ("a.json", b"\xff\xd8\xff\xe0", "a picture (JPEG)"),
    ("a.csv", b"GIF89a", "a picture (GIF)"),
    ("a.csv", b"\x1f\x8b\x08", "a gzip archive"),
    ("a.csv", b"PAR1....PAR1", "a Parquet file"),
    ("a.csv", b"SQLite format 3\0", "an SQLite database"),
    ("a.csv", b"{\\rtf1 }", "a text document (RTF)"),
    ("a.csv", b"\xef\xbb\xbf\n <!DOCTYPE HTML><table>", "a web page (HTML)"),
    ("a.csv", b"<?xml version='1.0'?>", "an XML document"),
    ("a.csv", b'{"months": []}', "JSON; rename the file to .json"),
    ("a.csv", b'[{"month": "2025-01"}]', "JSON; rename the file to .json"),
    ("a.json", b"month,leads_created\n2025-01,1\n", "CSV; rename the file to .csv"),
    ("a.yaml", b"month;leads_created\n2025-01;1\n", "CSV; rename the file to .csv"),
    ("a.xlsx", b"month;leads_created\n2025-01;1\n", "CSV; rename the file to .csv"),
    ("a.yaml", b"name: A\ncountry: DE\nindustry: saas\nmonths: []\n", "a blueprint, not a plan"),
    ("a.json", b'{"name": "A", "country": "DE", "industry": "saas"}', "a blueprint, not a plan"),
]


@pytest.mark.parametrize(("name", "content", "words"), KINDS, ids=[words for _, _, words in KINDS])
def test_a_file_of_another_kind_is_named(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    """By its content, whatever its name says, and with what to do."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_plan(tmp_path / name)
    (problem,) = caught.value.problems
    assert f"this is {words}" in problem.message
    assert ";" in problem.message
