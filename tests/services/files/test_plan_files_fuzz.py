"""Whatever a file holds, the answer is a plan or a refusal: never another exception, never much memory."""

from __future__ import annotations

import io
import json
import time
import tracemalloc
import zipfile
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demo_pipeline.domain.core.errors import InputError
from demo_pipeline.domain.patch_plan.plan import PatchPlan
from demo_pipeline.services.files.plan_files import (
    MOST_YAML_BYTES,
    parse_plan,
    plan_from_document,
)
from demo_pipeline.services.files.reader import MOST_BYTES, FileFormat
from tests.builders.plans import JUNK, TREES, plans, tables, workbooks
from tests.hypothesis_profiles import examples

_KINDS: Final[st.SearchStrategy[FileFormat | None]] = st.sampled_from(("csv", "xlsx", "json", "yaml", None))
#: of one small input; a plan takes a few tens of thousand
_MOST_BYTES: Final = 4_000_000
#: of one input of the largest size: its text, twice, and what is made of it up to the limits
_MOST_BYTES_LARGE: Final = 60_000_000
_MOST_SECONDS: Final = 20


def is_answered(content: bytes, kind: FileFormat | None) -> bool:
    """Whether it is a plan; refused with problems that can be shown, if not."""
    try:
        plan = parse_plan(content, kind).plan
    except InputError as error:
        _check_refusal(error)
        return False
    assert PatchPlan.from_json(json.loads(json.dumps(plan.to_json())), seed=plan.seed) == plan
    return True


def _check_refusal(error: InputError) -> None:
    """Some problems, all of them short, harmless to a terminal and ready for JSON."""
    assert 1 <= len(error.problems) <= 101
    assert error.exit_code == 2
    assert json.dumps(error.details).isascii()
    for problem in error.problems:
        shown = f"{problem}{problem.value}"
        assert shown.isprintable(), shown
        assert len(problem.message) <= 300
        assert len(problem.value or "") <= 40


def _measured(
    content: bytes, kind: FileFormat | None, most_bytes: int, most_seconds: float = _MOST_SECONDS
) -> None:
    started = time.process_time()
    tracemalloc.start()
    try:
        is_answered(content, kind)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < most_bytes
    assert time.process_time() - started < most_seconds


def _answers_document(document: Any) -> None:
    is_answered(json.dumps({"months": document}).encode(), "json")
    try:
        plan_from_document({"months": document, "seed": document, "tolerances": document, "mode": document})
    except InputError as error:
        _check_refusal(error)


def _damaged_workbook(data: st.DataObject) -> bytes:
    """A good workbook with changed bytes in the text of one of its parts, or in the archive itself."""
    content, _ = data.draw(workbooks(data.draw(plans(is_plain=True))))
    if data.draw(st.booleans()):
        return _cut(data, content)
    changed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(changed, "w") as target:
        name = data.draw(st.sampled_from(source.namelist()))
        for part in source.namelist():
            target.writestr(part, _cut(data, source.read(part)) if part == name else source.read(part))
    return changed.getvalue()


def _table(data: st.DataObject) -> bytes:
    return data.draw(tables(data.draw(plans(is_plain=True))))


def _cut(data: st.DataObject, whole: bytes) -> bytes:
    """A good file with some bytes of it changed."""
    content = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        # By share and not by number: a workbook holds the time, and its length varies by some bytes.
        at = len(content) * data.draw(st.integers(0, 9999)) // 10_000
        content[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
        if not content:
            break
    return bytes(content)


@settings(max_examples=examples(300))
@given(content=JUNK, kind=_KINDS)
def test_junk_is_a_plan_or_refused(content: bytes, kind: FileFormat | None) -> None:
    """Bytes, text, and words of plans in any order, as any kind of file."""
    _measured(content, kind, _MOST_BYTES)


@settings(max_examples=examples(300))
@given(TREES)
def test_any_document_is_a_plan_or_refused(document: Any) -> None:
    """What JSON can say and what a program can hand in, in the places of a plan."""
    _answers_document(document)


@settings(max_examples=examples(100))
@given(st.data())
def test_a_table_with_changed_bytes_is_a_plan_or_refused(data: st.DataObject) -> None:
    """A file that was damaged on its way."""
    _measured(_cut(data, _table(data)), "csv", _MOST_BYTES)


@settings(max_examples=examples(100))
@given(st.data())
def test_a_workbook_with_changed_bytes_is_a_plan_or_refused(data: st.DataObject) -> None:
    """In the archive, in a sheet, in the list of sheets, in the styles."""
    _measured(_damaged_workbook(data), "xlsx", _MOST_BYTES)


@pytest.mark.long(divides=True)
@pytest.mark.timeout(1500)
@settings(max_examples=examples(1000))
@given(st.data())
def test_a_thousand_damaged_workbooks_are_answered(data: st.DataObject) -> None:
    """The same for a thousand."""
    _measured(_damaged_workbook(data), "xlsx", _MOST_BYTES)


@pytest.mark.long(divides=True)
@pytest.mark.timeout(1500)
@settings(max_examples=examples(5000))
@given(content=JUNK, kind=_KINDS)
def test_five_thousand_files_of_junk_are_answered(content: bytes, kind: FileFormat | None) -> None:
    """The same for five thousand."""
    _measured(content, kind, _MOST_BYTES)


@pytest.mark.long(divides=True)
@pytest.mark.timeout(1500)
@settings(max_examples=examples(5000))
@given(TREES)
def test_five_thousand_documents_are_answered(document: Any) -> None:
    """The same for five thousand."""
    _answers_document(document)


@pytest.mark.long(divides=True)
@pytest.mark.timeout(1500)
@settings(max_examples=examples(5000))
@given(st.data())
def test_five_thousand_damaged_tables_are_answered(data: st.DataObject) -> None:
    """The same for five thousand."""
    _measured(_cut(data, _table(data)), "csv", _MOST_BYTES)


_LARGE: Final[dict[str, tuple[str, str]]] = {
    "columns": ("month", ",x"),
    "empty columns": ("month,leads_created\n2025-01,1", ","),
    "rows": ("month,leads_created\n", "2025-01,1\n"),
    "blank rows": ("month,leads_created\n2025-01,1\n", "\n"),
    "an open quote": ('month,leads_created\n2025-01,"', "x"),
    "quotes": ("month,leads_created\n2025-01,", '""'),
    "a long head": ("month,leads", "_"),
    "a head of brackets": ("month,closed_won_value", " ("),
    "digits": ("month,leads_created\n2025-01,1", ",000"),
    "a long month": ("month,leads_created\n2025", "-01"),
    "brackets": ('{"months": ', "["),
    "objects": ("", '{"months": '),
    "keys": ("{", '"a": 1, '),
    "escapes": ('{"', "\\\\"),
    "open strings": ("{", '"\\"'),
    "one string": ('{"seed": "', "x"),
    "one number": ('{"seed": ', "9"),
    "an exponent": ('{"months": [{"month": "2025-01", "metrics": {"leads_created": 1e', "9"),
    "entries": ('{"months": [', "{},"),
    "dashes": ("months:\n", "- "),
    "questions": ("", "? "),
    "flows": ("a: ", "[{"),
    "anchors": ("", "&a "),
    "one scalar": ("months: ", "x"),
    "lines": ("", "a: 1\n"),
    "blanks": ("", " "),
    "tabs": ("", "\t"),
}


@pytest.mark.parametrize("name", _LARGE)
@pytest.mark.parametrize("kind", ["yaml", None])
@pytest.mark.parametrize("part", [pytest.param(1, marks=pytest.mark.long), 10])
def test_the_largest_file_is_answered_in_time_and_memory(
    name: str, kind: FileFormat | None, part: int
) -> None:
    """As much of one thing as a file may hold, which is where a reader that looks twice at it would hang.

    The quick tests try a tenth of it, with a tenth of the time and of the memory.
    """
    head, body = _LARGE[name]
    size = (MOST_YAML_BYTES if kind == "yaml" else MOST_BYTES) // part
    content = (head + body * (size // len(body)))[:size].encode()
    _measured(content, kind, _MOST_BYTES_LARGE // part, _MOST_SECONDS / part)
