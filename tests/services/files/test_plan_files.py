"""Plans in files: one plan however it is spelled, and every problem at once with its place."""

from __future__ import annotations

import io
import json
import sys
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demo_pipeline.domain.core.errors import InputError
from demo_pipeline.domain.patch_plan.plan import PatchPlan, PlanType, Tolerances
from demo_pipeline.domain.patch_plan.writing import write_plan
from demo_pipeline.services.files.plan_files import (
    PlanFile,
    parse_plan,
    plan_from_document,
    read_plan,
)
from demo_pipeline.services.files.reader import MOST_BYTES, FileFormat
from tests.builders.plans import json_documents, month_spellings, plans, records, tables, workbooks
from tests.hypothesis_profiles import examples
from tests.services.files.refusals import problems_of


def read_text(text: str, kind: FileFormat | None = "csv") -> PlanFile:
    """A good plan."""
    return parse_plan(text.encode(), kind)


@given(st.data(), plans(is_plain=True))
def test_every_spelling_of_a_table_is_one_plan(data: st.DataObject, plan: PatchPlan) -> None:
    """Separators, marks, blanks, currencies, columns, line ends and encodings make no other plan."""
    assert parse_plan(data.draw(tables(plan)), "csv").plan.to_json() == plan.to_json()


@settings(max_examples=examples(25))
@given(st.data(), plans(is_plain=True))
def test_one_plan_is_the_same_in_every_form(data: st.DataObject, plan: PatchPlan) -> None:
    """A table with each spelling of months, a workbook, records, JSON, YAML, and what the product writes."""
    for spell_month in month_spellings(plan):
        assert parse_plan(data.draw(tables(plan, spell_month)), "csv").plan == plan
    content, sheet = data.draw(workbooks(plan))
    assert parse_plan(content, "xlsx", sheet=sheet).plan == plan
    assert parse_plan(data.draw(records(plan)), "json").plan == plan
    assert parse_plan(data.draw(json_documents(plan)).encode(), "json").plan == plan
    for kind in ("csv", "json", "yaml"):
        assert parse_plan(write_plan(plan, kind).encode(), kind).plan == plan


@given(st.data(), plans(is_plain=True))
def test_a_workbook_is_the_same_plan(data: st.DataObject, plan: PatchPlan) -> None:
    """Dates, formats, merged and grouped headings, hidden and named sheets make no other plan."""
    content, sheet = data.draw(workbooks(plan))
    assert parse_plan(content, "xlsx", sheet=sheet).plan.to_json() == plan.to_json()
    assert parse_plan(content, None, sheet=sheet).plan == plan


@given(st.data(), plans(is_plain=True))
def test_records_of_pandas_are_the_same_plan(data: st.DataObject, plan: PatchPlan) -> None:
    """A list of records, with null where a month says nothing of a metric."""
    assert parse_plan(data.draw(records(plan)), "json").plan == plan


@given(st.data(), plans())
def test_every_spelling_of_a_document_is_one_plan(data: st.DataObject, plan: PatchPlan) -> None:
    """Order and spelling of keys, numbers as numbers or text, what is left out: all the same plan."""
    text = data.draw(json_documents(plan))
    for read in (parse_plan(text.encode(), "json"), plan_from_document(json.loads(text))):
        assert read.plan.to_json() == plan.to_json()
        assert read.plan.seed == plan.seed


@given(plans())
def test_what_is_written_reads_back_equal(plan: PatchPlan) -> None:
    """JSON and YAML whole; CSV with plan type and seed given beside it."""
    for kind in ("json", "yaml"):
        assert read_text(write_plan(plan, kind), kind).plan == plan
    plain = replace(plan, tolerances=Tolerances())
    read = parse_plan(
        write_plan(plain, "csv").encode(), None, plan_type=str(plain.plan_type), seed=plain.seed
    )
    assert read.plan == plain


def test_a_csv_has_no_place_for_tolerances(tmp_path: Path) -> None:
    """They are not lost in silence."""
    plan = read_text("month,leads_created\n2025-01,1\n").plan
    with pytest.raises(InputError, match="tolerances"):
        write_plan(replace(plan, tolerances=Tolerances(value=Decimal("0.01"))), "csv")


def test_defaults_are_deltas_without_seed_and_tolerances() -> None:
    """For a CSV, and for JSON without these keys."""
    document = '{"months": [{"month": "2025-01", "metrics": {"leads_created": 1}}]}'
    for plan in (read_text("month,leadsCreated\n2025-01,1\n").plan, read_text(document, "json").plan):
        assert (plan.plan_type, plan.seed, plan.tolerances) == (PlanType.DELTAS, None, Tolerances())


def test_what_is_given_beside_the_file_counts() -> None:
    """Plan type and seed of the caller stand in place of the file's, bad ones included."""
    months = '"months": [{"month": "2025-01", "metrics": {"leads_created": 1}}]'
    text = f'{{"plan_type": "nonsense", "seed": true, {months}}}'
    assert [p.code for p in problems_of(text, "json")] == ["unknown_plan_type", "not_a_value"]
    text = text.replace("true", '"7"')
    plan = parse_plan(text.encode(), "json", plan_type="targets", seed="007").plan
    assert (plan.plan_type, plan.seed) == (PlanType.TARGETS, "007")
    (problem,) = problems_of(text, "json", plan_type="Target")
    assert (problem.field, problem.suggestion) == ("plan_type", "targets")


def test_one_clear_cell_settles_the_others() -> None:
    """1.250 is 1250 where 1.250,00 stands, 1.25 where 12.5 does, and asked back alone."""
    table = "month;leads_created;closed_won_value\n2025-01;1.250;1.250\n2025-02;;{}\n"
    assert read_text(table.format("1.250,00")).plan.months[0].given == {
        "leads_created": 1250,
        "closed_won_value": Decimal(1250),
    }
    alone = problems_of(table.format("1250"))
    assert [(p.code, p.metric, p.month, p.suggestion) for p in alone] == [
        ("ambiguous_number", "leads_created", "2025-01", "1250"),
        ("ambiguous_number", "closed_won_value", "2025-01", "1250"),
    ]
    assert "1250 or 1.25," in alone[0].message
    (whole,) = problems_of(table.format("12.5"))
    assert (whole.code, whole.metric) == ("not_a_whole_number", "leads_created")
    mixed = problems_of(table.format("1.250,00") + "2025-03;;12.5\n")
    assert [(p.code, p.value) for p in mixed][-1] == ("mixed_decimal_marks", "12.5")
    assert "row 3, column C" in mixed[-1].message


def test_currencies_are_kept_beside_the_plan() -> None:
    """Of cells and of heads; equal figures in another currency are an equal plan."""
    euros = read_text("month;Closed won value (EUR);pipeline added value\n2025-01;5;$6\n")
    plain = read_text("month,closed_won_value,pipeline_added_value\n2025-01,5,6\n")
    assert (euros.currencies, plain.currencies) == (frozenset({"EUR", "$"}), frozenset())
    assert euros.plan == plain.plan
    (problem,) = problems_of("month,closed_won_value (XYZ)\n2025-01,5\n")
    assert (problem.code, problem.field) == ("unknown_currency", "row 1, column B")


def test_places_are_those_of_the_spreadsheet() -> None:
    """Blank rows and cells with line breaks are counted, columns have letters, names are as written."""
    text = '\n;;;\nMonth;"Leads\ncreated";dealsCreated\n\n2025-01;"\n40";many\nTotal;40;99999999999\n'
    first, second = problems_of(text)
    assert (first.field, first.month, first.metric) == (
        "row 5, column C (dealsCreated)",
        "2025-01",
        "deals_created",
    )
    assert (first.code, first.value) == ("not_a_number", "many")
    assert (second.code, second.field) == ("summary_row", "row 6, column A (Month)")
    assert "delete this row" in second.message


def test_paths_are_those_of_the_document() -> None:
    """Keys as they were written, lists from 0, and in YAML the line."""
    february = '{"month": "2025-02", "metrics": {"dealsCreated": -1}}'
    json_text = f'{{"months": [{{"month": "2025-01", "metrics": {{}}}}, {february}]}}'
    (problem,) = problems_of(json_text, "json")
    assert (problem.field, problem.code, problem.month) == (
        "months[1].metrics.dealsCreated",
        "negative",
        "2025-02",
    )
    yaml_text = (
        "months:\n- month: 2025-01\n  metrics:\n    leads: 5\n    dealsCreated: x\n  leads_created: 3\n"
    )
    assert [(p.line, p.field, p.code, p.suggestion) for p in problems_of(yaml_text, "yaml")] == [
        (4, "months[0].metrics.leads", "unknown_key", "leads_created"),
        (5, "months[0].metrics.dealsCreated", "not_a_number", None),
        (6, "months[0].leads_created", "unknown_key", "metrics.leads_created"),
    ]


def test_a_file_is_read_by_its_suffix(tmp_path: Path) -> None:
    """In any case, through a link too; the source is its name."""
    for name, text in (
        ("a.csv", "month,leads_created\n2025-01,1\n"),
        ("b.JSON", '{"months": [{"month": "2025-01", "metrics": {"leads_created": 1}}]}'),
        ("c.yaml", "months: [{month: 2025-01, metrics: {leads_created: 1}}]\n"),
        ("d.yml", "months: [{month: 2025-01, metrics: {leads_created: 1}}]\n"),
    ):
        (tmp_path / name).write_text(text, "utf-8")
        link = tmp_path / f"link-{name}"
        link.symlink_to(name)
        assert read_plan(tmp_path / name).source == name
        assert read_plan(str(link)).plan.months[0].given == {"leads_created": 1}


@pytest.mark.parametrize(
    "text",
    [
        ' \n{"months": [{"month": "2025-01", "metrics": {"leads_created": 1}}]}',
        "\ufeff\nLeads created;Month\n1;2025-01\n",
        "months: [{month: 2025-01, metrics: {leads_created: 1}}]\n",
    ],
)
def test_standard_input_tells_its_kind(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """A brace is JSON, a header with month CSV, all else YAML."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    read = read_plan("-")
    assert read.plan.to_json()["months"] == [{"month": "2025-01", "metrics": {"leads_created": 1}}]
    assert read.source == "standard input"


def test_a_workbook_on_standard_input_is_known_by_its_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its kind need not be given."""
    book = openpyxl.Workbook()
    sheet: Any = book.active
    sheet.append(["month", "leads_created"])
    sheet.append(["2025-01", 1])
    content = io.BytesIO()
    book.save(content)
    content.seek(0)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(content))
    assert read_plan("-").plan.months[0].given == {"leads_created": 1}


def test_standard_input_is_read_up_to_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """And not a byte further: a stream has no size to look at."""
    stream = io.BytesIO(b"x" * (3 * MOST_BYTES))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(stream))
    with pytest.raises(InputError, match="larger than"):
        read_plan("-")
    assert stream.tell() == MOST_BYTES + 1


def test_a_program_may_give_numbers_of_any_kind() -> None:
    """Whole numbers, decimals and floats as they are; none of them is opened up or misread."""
    document: dict[str, Any] = {
        "seed": 7,
        "months": [
            {
                "month": "2025-01",
                "metrics": {"leads_created": 40.0, "deals_created": 3, "closed_won_value": Decimal("1.250")},
            }
        ],
    }
    read = plan_from_document(document)
    assert read.plan.seed == "7"
    assert read.plan.months[0].given == {
        "leads_created": 40,
        "deals_created": 3,
        "closed_won_value": Decimal("1.25"),
    }
    for bad in (10**5000, float("nan"), float("inf"), Decimal("1e999999"), True, object(), b"1", -1, 1e22):
        document["months"][0]["metrics"] = {"leads_created": bad}
        with pytest.raises(InputError) as caught:
            plan_from_document(document)
        assert caught.value.problems[0].field == "months[0].metrics.leads_created"


def test_a_comment_of_yaml_is_no_header() -> None:
    """A file whose first line has commas and names is still what its name says."""
    body = "months: [{month: 2025-01, metrics: {leads_created: 1}}]\n"
    for first in ("# year, month, leads_created\n", 'seed: "a, month, leads_created"\n'):
        for kind in ("yaml", None):
            assert read_text(first + body, kind).plan.months[0].given == {"leads_created": 1}
