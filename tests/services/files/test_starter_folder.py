"""The starter blueprint explains every key, and what it says can be read."""

from __future__ import annotations

import functools
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from demo_pipeline.domain.blueprint.keys import BlueprintKey, blueprint_keys, example_lines, walk
from demo_pipeline.domain.blueprint.lists import ROW_MODELS
from demo_pipeline.domain.blueprint.schema import json_schema
from demo_pipeline.domain.blueprint.tenant_spec import TenantSpec
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.documents.starter import STARTER_SLUG, starter_blueprint, starter_plan
from demo_pipeline.domain.patch_plan.plan import PlanType
from demo_pipeline.services.files.blueprint_files import read_blueprint
from demo_pipeline.services.files.plan_files import read_plan
from tests.builders.blueprints import spec_of_file
from tests.builders.own_lists import example_files, french_names

KEYS = dict(walk(blueprint_keys()))
BASE = "name: Kranz Logistik\ncountry: DE\nindustry: saas\n"
#: what has to stand beside a key
BESIDE = {
    "end_month": "start_month: 2024-12\ntotals: {contacts_created: 1}\n",
    "last_months": "totals: {contacts_created: 1}\n",
    "start_month": "totals: {contacts_created: 1}\n",
    "totals": "start_month: 2024-12\n",
    "months": "start_month: 2024-12\n",
}
NOW = datetime(2025, 11, 30, tzinfo=UTC)


def spec_of(text: str, folder: Path, now: datetime) -> tuple[TenantSpec, tuple[str, ...]]:
    """The tenant that the text declares."""
    path = folder / f"{STARTER_SLUG}.yaml"
    path.write_text(text, encoding="utf-8")
    return spec_of_file(path, now, "")


def write_figures(folder: Path) -> None:
    """The table of months that examples name."""
    book = openpyxl.Workbook()
    sheet: Any = book.active
    sheet.title = "Budget"
    sheet.append(["month", "contacts_created"])
    sheet.append(["2025-01", 40])
    book.save(folder / "figures.xlsx")
    write_lists(folder)


def write_lists(folder: Path) -> None:
    """The lists that examples name."""
    for name, rows in french_names().items():
        suffix, separator = (".tsv", "\t") if name == "surnames" else (".csv", ",")
        lines = [("name", "weight"), *((str(row["name"]), str(row["weight"])) for row in rows)]
        text = "\n".join(map(separator.join, lines))
        (folder / name).with_suffix(suffix).write_text(text, encoding="utf-8")
    files = example_files()
    (folder / "lines.tsv").write_text(files["lines.tsv"], encoding="utf-8")
    book = openpyxl.Workbook()
    sheet: Any = book.active
    sheet.title = "Topics"
    for line in files["topics.csv"].splitlines():
        sheet.append(line.split(","))
    book.save(folder / "words.xlsx")


def properties(schema: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Every property of the published schema, by model and name."""
    models = {"Blueprint": schema, **schema["$defs"]}
    return {
        f"{model}.{name}": value
        for model, one in models.items()
        for name, value in one.get("properties", {}).items()
    }


def test_every_key_is_described_with_an_example() -> None:
    """A key that is added without a meaning, or a value without an example, is found here."""
    silent = [path for path, key in KEYS.items() if not key.meaning.endswith(".")]
    without_example = [path for path, key in KEYS.items() if not key.below and not key.examples]
    assert not silent
    assert not without_example


def test_the_schema_for_editors_has_the_descriptions() -> None:
    """Editors show the same meanings and examples; a mapping is described by its model."""
    for path, value in properties(json_schema()).items():
        is_mapping = "$ref" in value
        assert is_mapping or value.get("description"), path
        assert is_mapping or value.get("examples") or path == "Blueprint.totals", path


@pytest.mark.parametrize("key", blueprint_keys(), ids=lambda key: key.name)
def test_every_example_can_be_read(key: BlueprintKey, tmp_path: Path) -> None:
    """What the reference shows for a key is a value that the key takes."""
    write_figures(tmp_path)
    below = {one.name: one.examples[0] for one in key.below}
    for example in key.examples or (below,):
        text = "\n".join(example_lines(key.name, example))
        given = re.sub(rf"(?m)^{key.name}: .*\n", "", BASE)
        beside = BESIDE.get(key.name, "start_month: 2024-12\ntotals: {contacts_created: 1}\n")
        path = tmp_path / "kranz.yaml"
        path.write_text(f"{given}{beside}{text}\n", encoding="utf-8")
        assert read_blueprint(path, NOW).blueprint


def test_every_key_is_in_the_starter() -> None:
    """As a value or behind ``#``; keys below a key are below it. Columns of lists are in the reference."""
    section = ""
    found: set[str] = set()
    for line in starter_blueprint().splitlines():
        # Prose is behind "# ", a key that is left out behind "#", a list of them behind "#  ".
        match = None if re.match(r" *# \S", line) else re.match(r"( *#? *)(?:- )?([a-z_]+):", line)
        if match is None:
            continue
        is_top = not match[1].strip("#")
        if section == "lists" and not is_top:
            # A list, and not its rows.
            found |= {f"lists.{match[2]}"} if match[1] == "#  " else set()
            continue
        section = match[2] if is_top else section
        found.add(match[2] if is_top else f"{section}.{match[2]}")
        found |= {f"{section}.{name}" for name in re.findall(r"[{,] ?([a-z_]+):", line)}
    assert found == {path for path in KEYS if path.count(".") < 2}


@pytest.mark.parametrize(
    "now",
    [
        datetime(2026, 1, 1, tzinfo=UTC),
        datetime(2028, 2, 29, 12, tzinfo=UTC),
        datetime(2031, 12, 31, 23, 59, tzinfo=UTC),
    ],
)
def test_the_starter_is_right_whenever_it_is_used(now: datetime, tmp_path: Path) -> None:
    """A living tenant whose twelve months end now, without a warning, and its plan can be read."""
    spec, warnings = spec_of(starter_blueprint(), tmp_path, now)
    current = Month.containing(now)
    assert (spec.slug, spec.closed_month, len(spec.figures)) == (STARTER_SLUG, None, 12)
    assert spec.end_month == current
    assert warnings == ()
    plan_path = tmp_path / "plan.csv"
    plan_path.write_text(starter_plan(current), encoding="utf-8")
    plan = read_plan(plan_path).plan
    assert plan.plan_type is PlanType.DELTAS
    assert [request.month for request in plan.months] == [current + (-1)]


def test_what_is_left_out_in_the_starter_can_be_set(tmp_path: Path) -> None:
    """Without its # every line that is left out is right: with totals, and with months in their place."""
    text = starter_blueprint()
    optional = re.sub(r"(?m)^( *)#(?=(?:timezone|currency|mail_domain|activities_created):)", r"\1", text)
    assert optional.count("#") < text.count("#")
    spec, _ = spec_of(optional, tmp_path, NOW)
    assert (spec.timezone, spec.currency.code, spec.total.activities_created) == ("Europe/Berlin", "EUR", 140)
    whole = re.sub(r"(?m)^#(?! )(?!.*schema\.json)", "", text)
    for section in ("totals", "growth", "last_months"):
        whole = re.sub(rf"(?m)^{section}:.*\n(?:  .*\n)*", "", whole)
    # The lines of a list are behind "#  ".
    whole = re.sub(r"(?m)^#( {2,}(?:- )?\{?[a-z_]+:)", r"\1", whole)
    write_figures(tmp_path)
    forms = re.findall(r"(?m)^months:.*\n(?:  .*\n)*", whole)
    assert len(forms) == 3
    for form in forms:
        others = (other for other in forms if other != form)
        one = functools.reduce(lambda text, other: text.replace(other, ""), others, whole)
        spec, _ = spec_of(one, tmp_path, NOW)
        assert str(spec.closed_month) == "2025-11"
        assert spec.total.contacts_created == 40
        assert set(spec.lists.counts) == set(ROW_MODELS)
