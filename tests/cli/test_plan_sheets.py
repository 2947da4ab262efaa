"""Workbooks on the command line: plans, months of a blueprint, standard input, ``--sheet``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import openpyxl

from tests.fixtures.cli import RunCommand

BLUEPRINT = """\
name: Seoul Homes
country: DE
industry: saas
currency: KWD
start_month: 2025-01
end_month: 2025-02
seed: "1"
months: figures.xlsx
"""


def write_workbook(path: Path) -> Path:
    """A workbook of two sheets, the first of which is no plan."""
    book = openpyxl.Workbook()
    notes: Any = book.active
    notes.title = "Notes"
    notes.append(["What we want to show"])
    sheet = book.create_sheet("Figures")
    sheet.append(["Month", "Contacts created"])
    sheet.append(["2025-02", 3])
    book.save(path)
    return path


def test_a_sheet_of_a_workbook_is_previewed_and_applied(
    quick_command: RunCommand, kranz: str, tmp_path: Path
) -> None:
    """By its name; without it the first sheet is read, and the refusal says what stands there."""
    path = str(write_workbook(tmp_path / "plan.xlsx"))
    done = quick_command("plan", "preview", kranz, path, "--json")
    assert done.code == 2
    assert done.document["error"]["details"]["errors"][0]["code"] == "no_header"
    said = " ".join(quick_command("plan", "preview", kranz, path).err.split())
    assert (
        "the first visible sheet, 'Notes', has no column month; name another sheet with --sheet: 'Figures'"
        in said
    )
    seen = quick_command("plan", "preview", kranz, path, "--sheet", "Figures", "--json")
    assert seen.document["rows"]["2025-02"]["contacts"] == 3
    done = quick_command("patch", "apply", kranz, path, "--sheet", "Figures", "--json")
    assert (done.code, done.document["created"]["contacts"]) == (0, 3)
    assert quick_command("plan", "preview", kranz, path, "--sheet", "Figure").code == 2


def test_a_plan_is_written_as_a_workbook_and_read_back(
    quick_command: RunCommand, kranz: str, tmp_path: Path
) -> None:
    """``plan write`` names the command that reads it."""
    path = tmp_path / "next.xlsx"
    done = quick_command("plan", "write", kranz, "copy-last-month", "-o", str(path))
    assert done.code == 0, done.err
    assert f"plan preview {kranz} {path} --plan-type targets" in done.err
    assert quick_command("plan", "preview", kranz, str(path), "--plan-type", "targets").code == 0


def test_the_months_of_a_blueprint_are_read_from_a_workbook(
    quick_command: RunCommand, tmp_path: Path
) -> None:
    """Previewed and provisioned from the sheet that is named; the currency's third decimal is spoken of."""
    write_workbook(tmp_path / "figures.xlsx")
    path = tmp_path / "seoul.yaml"
    path.write_text(BLUEPRINT, encoding="utf-8")
    assert quick_command("tenant", "preview", str(path)).code == 2
    done = quick_command("tenant", "preview", str(path), "--sheet", "Figures", "--json")
    assert [month["contacts_created"] for month in done.document["months"]] == [0, 3]
    assert "KWD has 3 decimals; amounts are kept with 2" in done.document["warnings"]
    done = quick_command("tenant", "provision", str(path), "--sheet", "Figures", "--json")
    assert (done.code, done.document["is_new"]) == (0, True)
    assert "KWD has 3 decimals" in done.err
    # What is stored are the figures: the same blueprint with a list is the same tenant.
    path.write_text(
        BLUEPRINT.replace("months: figures.xlsx", "months: [{month: 2025-02, contacts_created: 3}]"), "utf-8"
    )
    done = quick_command("tenant", "provision", str(path), "--json")
    assert (done.code, done.document["is_new"]) == (0, False)
