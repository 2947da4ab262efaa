"""The month that runs: why its figures are not those of the blueprint is said beside every table."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.fixtures.cli import SMALL, RunCommand

AT = {"DEMO_NOW": "2025-02-10T12:00:00Z"}
LATER = {"DEMO_NOW": "2025-03-01T00:00:00Z"}


@pytest.fixture
def living(tmp_path: Path) -> Path:
    """A blueprint of the same figures that goes on month by month."""
    path = tmp_path / "living.yaml"
    path.write_text(SMALL.replace("end_month: 2025-03\n", ""), encoding="utf-8")
    return path


def test_every_table_says_that_the_last_month_runs(command: RunCommand, living: Path) -> None:
    """``run``, ``generate`` and ``kpis`` name the part that is loaded and when all of it is there.

    Later the month is over: until it is loaded again, they say how that is done; then nothing.
    """
    part = re.compile(
        r"^note: living: 2025-02 is the running month: its part so far \((\d+) of (\d+) contacts\); "
        r"all of it from 2025-03-01$",
        re.MULTILINE,
    )
    for arguments in (("run", living), ("generate", "living"), ("kpis", "living")):
        done = command(*arguments, environment=AT)
        assert done.code == 0, done.err
        found = part.search(done.err)
        assert found is not None, done.err
        assert 0 < int(found[1]) < int(found[2]) < 48
        # What is loaded is what the table shows, and the note's is no line of the data.
        assert f"  {found[1]}  " in done.out
        assert "running month" not in done.out
    document = command("run", living, "--json", environment=AT).document
    assert any("2025-02 is the running month" in warning for warning in document["warnings"])
    assert "running month" not in command("kpis", "living", "--to", "2025-01", environment=AT).err
    over = command("kpis", "living", environment=LATER)
    assert "note: living: 2025-02 was loaded while it ran" in over.err
    assert "demo-pipeline generate living makes the rest" in over.err
    assert command("generate", "living", "--to", "2025-02", environment=LATER).err.count("note:") == 0


def test_the_preview_says_that_its_last_month_runs(quick_command: RunCommand, living: Path) -> None:
    """Its totals are those of the whole month, more than is made now; otherwise nothing is said."""
    note = (
        "2025-02 is the running month: run and generate make only its part so far; all of it from 2025-03-01"
    )
    assert f"note: {note}\n" in quick_command("tenant", "preview", living, environment=AT).err
    document = quick_command("tenant", "preview", living, "--json", environment=AT).document
    assert note in document["warnings"]
    living.write_text(SMALL, encoding="utf-8")
    assert "running month" not in quick_command("tenant", "preview", living).err


def test_the_preview_asks_for_a_seed_only_where_it_matters(quick_command: RunCommand, living: Path) -> None:
    """Totals are spread by the seed; months that are given are what they are."""
    warning = "the blueprint has no seed, so its totals are spread a little differently each time; set seed"
    assert "no seed" not in quick_command("tenant", "preview", living).err
    totals, months = SMALL.replace('seed: "1337"\n', "").split("totals:")[0], "months:\n"
    living.write_text(SMALL.replace('seed: "1337"\n', ""), encoding="utf-8")
    assert warning in quick_command("tenant", "preview", living).err
    living.write_text(f"{totals}{months}  - {{month: 2025-02, contacts_created: 4}}\n", encoding="utf-8")
    shown = quick_command("tenant", "preview", living)
    assert (shown.code, shown.err) == (0, "")
