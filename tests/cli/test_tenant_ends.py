"""``tenant preview``, ``tenant extend`` and ``tenant show``, and README's plan beyond the end of a tenant."""

from __future__ import annotations

import re
import shlex
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest

from demo_pipeline.domain.core.figures import COUNT_METRICS
from demo_pipeline.domain.reference.versions import GENERATOR_VERSION, LISTS_VERSION
from tests.builders.own_lists import write_example
from tests.fixtures.cli import SMALL, RunCommand, run_program, table_counts
from tests.paths import PROJECT


def test_a_blueprint_is_previewed_without_a_database(blueprint: Path, tmp_path: Path) -> None:
    """All months with all figures, before anything is there: no server is started, no folder made."""
    home = tmp_path / "home"
    environment = {
        "PATH": "/usr/bin:/bin",
        "DEMO_HOME": str(home),
        "DEMO_DATABASE_URL": "postgresql://nowhere:1/x",
    }
    shown = run_program("tenant", "preview", blueprint, environment=environment)
    assert shown.code == 0, shown.err
    assert re.search(r"^total +30 +48 +9 +15 +5 +25,000.50 +61,000.00 +120$", shown.out, re.MULTILINE)
    assert "closed after 2025-03" in shown.out
    document = run_program("tenant", "preview", blueprint, "--json", environment=environment).document
    assert [month["month"] for month in document["months"]] == ["2025-01", "2025-02", "2025-03"]
    assert sum(Decimal(month["closed_won_value"]) for month in document["months"]) == Decimal("25000.50")
    assert not home.exists()


def test_a_preview_counts_the_lists_of_a_blueprint(quick_command: RunCommand, tmp_path: Path) -> None:
    """A blueprint with lists of its own, or with wrong ones."""
    path = write_example(tmp_path)
    shown = quick_command("tenant", "preview", path)
    assert "lists: 3 companies, 3 products, 5 stages, 9 beats, 25 topics" in shown.out
    assert quick_command("tenant", "preview", path, "--json").document["lists"]["topics"] == 25
    (tmp_path / "topics.csv").write_text("topic,text\nsite,Hitler\n", encoding="utf-8")
    refused = quick_command("tenant", "preview", path)
    assert refused.code == 2
    assert "topics.csv, line 2: text 'Hitler' has the word 'Hitler'" in refused.err


def test_a_preview_is_what_provisioning_makes(
    quick_command: RunCommand, blueprint: Path, admin_conn: psycopg.Connection
) -> None:
    """The figures of the preview are those that are generated; a wrong file is refused with its lines."""
    before = table_counts(admin_conn)
    seen = quick_command("tenant", "preview", blueprint, "--json").document
    assert table_counts(admin_conn) == before
    quick_command("tenant", "provision", blueprint)
    shown = quick_command("tenant", "show", "kranz", "--json").document
    total = {name: sum(month[name] for month in seen["months"]) for name in COUNT_METRICS}
    assert {name: shown["totals"][name] for name in COUNT_METRICS} == total
    blueprint.write_text(SMALL.replace("end_month: 2025-03", "last_months: 3"), encoding="utf-8")
    refused = quick_command("tenant", "preview", blueprint)
    assert refused.code == 2
    assert re.search(r"start_month\n +does not go with last_months", refused.err)


def test_a_tenant_shows_how_it_is_healed(quick_command: RunCommand, blueprint: Path) -> None:
    """``ask`` without the key; ``auto`` is shown before and after provisioning; another word is refused."""
    assert quick_command("tenant", "preview", blueprint, "--json").document["heal"] == "ask"
    assert "heal: ask, " in quick_command("tenant", "preview", blueprint).out
    text = blueprint.read_text(encoding="utf-8")
    blueprint.write_text(f"{text}heal: sometimes\n", encoding="utf-8")
    refused = quick_command("tenant", "preview", blueprint)
    assert refused.code == 2
    assert "auto, ask" in refused.err
    blueprint.write_text(f"{text}heal: auto\n", encoding="utf-8")
    assert quick_command("tenant", "preview", blueprint, "--json").document["heal"] == "auto"
    assert quick_command("tenant", "provision", blueprint).code == 0
    assert quick_command("tenant", "show", "kranz", "--json").document["heal"] == "auto"
    assert "the schedule heal_tenants makes missing rows" in quick_command("tenant", "show", "kranz").out


def test_a_tenant_is_extended_and_shown(quick_command: RunCommand, kranz: str) -> None:
    """``tenant show`` says closed and until when; an extension can be looked at first, and is done once."""
    shown = quick_command("tenant", "show", kranz).out
    assert "closed after 2025-03" in shown
    assert f"lists {LISTS_VERSION}, generator {GENERATOR_VERSION} (3 months)" in shown
    refused = quick_command("generate", kranz, "--to", "2025-05")
    assert refused.code == 2
    assert "2025-04 to 2025-05 are after the end of kranz, 2025-03" in refused.err
    assert "tenant extend kranz --to 2025-05" in refused.err
    seen = quick_command("tenant", "extend", kranz, "--to", "2025-05", "--preview", "--json").document
    assert seen["job_id"] is None
    assert quick_command("tenant", "show", kranz, "--json").document["end_month"] == "2025-03"
    done = quick_command("tenant", "extend", kranz, "--to", "2025-05", "--json").document
    assert done["months"] == seen["months"]
    assert [month["month"] for month in done["months"]] == ["2025-04", "2025-05"]
    again = quick_command("tenant", "extend", kranz, "--to", "2025-05", "--json").document
    assert (again["job_id"], again["already_applied"]) == (done["job_id"], True)
    document = quick_command("tenant", "show", kranz, "--json").document
    assert (document["is_living"], document["end_month"]) == (False, "2025-05")
    assert document["extensions"] == [{"job_id": done["job_id"], "to": "2025-05"}]
    assert quick_command("job", "undo", done["job_id"]).code == 0
    assert quick_command("tenant", "show", kranz, "--json").document["end_month"] == "2025-03"
    wrong = quick_command("tenant", "extend", kranz, "--to", "2025-02")
    assert wrong.code == 2
    assert "asks for months until 2025-03" in wrong.err


def test_the_preview_keeps_three_things_apart(quick_command: RunCommand, kranz: str, tmp_path: Path) -> None:
    """What is in the database, what the blueprint adds first, and the plan's change, each in a column."""
    quick_command("tenant", "extend", kranz, "--to", "2025-04")
    plan = tmp_path / "plan.csv"
    plan.write_text("month,contacts_created\n2025-04,2\n", encoding="utf-8")
    shown = quick_command("plan", "preview", kranz, plan)
    assert re.search(r"month +metric +in the database +blueprint first +plan +after", shown.out)
    document = quick_command("plan", "preview", kranz, plan, "--json").document
    first = document["blueprint"]["2025-04"]["contacts_created"]
    assert document["now"]["2025-04"]["contacts_created"] == 0
    assert document["targets"]["2025-04"]["contacts_created"] == first + 2
    line = rf"^2025-04 +contacts_created +0 +\+{first} +\+2 +{first + 2} "
    assert re.search(line, shown.out, re.MULTILINE), shown.out
    assert "outnumber the plan's own: 2025-04" in " ".join(shown.err.split())


def test_a_month_after_the_end_with_rows_of_a_plan_can_be_generated(
    quick_command: RunCommand, kranz: str, tmp_path: Path
) -> None:
    """It is a month of the tenant: without a range, by itself, and with the span; nothing is left to do."""
    plan = tmp_path / "plan.csv"
    plan.write_text("month,contacts_created\n2025-05,7\n", encoding="utf-8")
    assert quick_command("patch", "apply", kranz, plan).code == 0
    for bounds, months in (
        ([], ["2025-01", "2025-02", "2025-03", "2025-05"]),
        (["--from", "2025-05", "--to", "2025-05"], ["2025-05"]),
        (["--from", "2025-02", "--to", "2025-03"], ["2025-02", "2025-03"]),
    ):
        done = quick_command("generate", kranz, *bounds, "--json")
        assert done.code == 0, done.err
        [job] = done.document["jobs"]
        assert (job["already_applied"], [month["month"] for month in job["months"]]) == (True, months)
    assert job["months"][-1]["metrics"]["contacts_created"]["passed"]


def readme_plan() -> list[list[str]]:
    """README's lines about plans, as words without the program and comments."""
    text = (PROJECT / "README.md").read_text(encoding="utf-8")
    lines = re.findall(r"^\.venv/bin/demo-pipeline (plan .*)$", text, re.MULTILINE)
    return [shlex.split(line, comments=True) for line in lines]


def test_readme_s_plan_shows_the_growth_that_was_asked_for(
    quick_command: RunCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """README's ``plan write`` and ``plan preview``, run as they are: nothing but the growth is in them."""
    write, preview = readme_plan()
    assert (write[:4], preview[:3]) == (
        ["plan", "write", "larkmoor", "grow"],
        ["plan", "preview", "larkmoor"],
    )
    monkeypatch.chdir(tmp_path)
    for words in (
        ["tenant", "provision", PROJECT / "blueprints" / "larkmoor.yaml"],
        ["generate", "larkmoor"],
        write,
    ):
        assert quick_command(*words).code == 0
    shown = quick_command(*preview, "--json")
    assert shown.code == 0, shown.err
    months = quick_command("kpis", "larkmoor", "--json").document["months"]
    last, percent = months[-1], int(write[write.index("--percent") + 1])
    assert shown.document["blueprint"] == {}
    [(month, now)] = shown.document["now"].items()
    assert month == "2025-11"
    assert not any(now[name] for name in COUNT_METRICS)
    deltas = shown.document["deltas"][month]
    assert deltas == shown.document["targets"][month]
    for name in COUNT_METRICS:
        assert abs(deltas[name] - last[name] * (100 + percent) / 100) <= 1
