"""Plans on the command line: looked at, applied, split, taken back, and what is told of them."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest
from pydantic import BaseModel, ConfigDict, TypeAdapter

from demo_pipeline.domain.core.figures import METRICS, VALUE_METRICS
from tests.fixtures.cli import PROGRAM, RunCommand, clean_environment, table_counts

PLAN: Final = """\
month,contacts_created,leads_created,deals_created,closed_won_count,closed_won_value
2025-01,40,25,8,2,"25,000.00"
2025-03,5,,,,
"""
#: leads without contacts, won deals without deals, a month that has not begun
INFEASIBLE: Final = """\
month,leads_created,deals_created,closed_won_count
2025-01,50,1,5
2090-01,1,,
"""
CAPPED: Final = "month,contacts_created,leads_created\n2025-01,90,90\n2025-02,60,60\n"


class Strict(BaseModel):
    """A part of a document: these keys, of these types, and no others."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Moved(Strict):
    """How one figure moved."""

    before: int | str
    target: int | str
    after: int | str
    delta: int | str
    passed: bool


class MonthChanged(Strict):
    """A month of a job."""

    month: str
    metrics: dict[str, Moved]


class PlanApplied(Strict):
    """What ``patch apply --json`` prints."""

    job_id: str
    status: str
    already_applied: bool
    created: dict[str, int]
    months: list[MonthChanged]
    passed: bool
    seconds: float


def applied(document: Any) -> PlanApplied:
    """The document, in its shape, with money as text and everything else as numbers."""
    done = PlanApplied.model_validate(document)
    for month in done.months:
        assert tuple(month.metrics) == tuple(METRICS)
        for metric, moved in month.metrics.items():
            kind = str if metric in VALUE_METRICS else int
            assert all(isinstance(getattr(moved, name), kind) for name in ("before", "target", "after"))
            assert Decimal(moved.after) - Decimal(moved.before) == Decimal(moved.delta)
            assert moved.passed == (moved.after == moved.target)
    return done


def figures(command: RunCommand, slug: str) -> dict[str, dict[str, Any]]:
    """The KPIs by month, as ``kpis`` shows them."""
    months = command("kpis", slug, "--json").document["months"]
    return {month.pop("month"): month for month in months}


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    """A plan of two months, as a spreadsheet exports it."""
    return written(tmp_path, PLAN)


def written(folder: Path, text: str, name: str = "plan.csv") -> Path:
    """A file with that text."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_plan_is_applied_once(
    command: RunCommand, quick_command: RunCommand, kranz: str, plan: Path, admin_conn: psycopg.Connection
) -> None:
    """Every figure moves by what was asked, the second time nothing does, and --again does it once more.

    That a plan was applied already is written into the audit log.
    """
    before = figures(quick_command, kranz)
    first = command("patch", "apply", kranz, plan, "--json")
    assert first.code == 0, first.err
    done = applied(first.document)
    assert (done.status, done.already_applied, done.passed) == ("completed", False, True)
    assert (done.created["contacts"], done.created["deals"], done.created["activities"]) == (45, 8, 0)
    after = figures(quick_command, kranz)
    assert after["2025-01"]["contacts_created"] == before["2025-01"]["contacts_created"] + 40
    won = (Decimal(months["2025-01"]["closed_won_value"]) for months in (after, before))
    assert next(won) - next(won) == 25_000
    assert after["2025-02"] == before["2025-02"]
    for month in done.months:
        assert {name: moved.before for name, moved in month.metrics.items()} == before[month.month]
        assert {name: moved.after for name, moved in month.metrics.items()} == after[month.month]

    rows = table_counts(admin_conn)
    second = applied(quick_command("patch", "apply", kranz, plan, "--json").document)
    assert (second.job_id, second.already_applied, second.created) == (done.job_id, True, {})
    assert second.months == done.months
    person = quick_command("patch", "apply", kranz, plan)
    assert person.code == 0
    assert "already applied" in person.out
    assert done.job_id in person.out
    assert table_counts(admin_conn) == {**rows, "demo.audit_log": rows["demo.audit_log"] + 2}
    said = quick_command("patch", "apply", kranz, plan, "--again", "--json")
    assert "no activity" in said.err
    third = applied(said.document)
    assert third.job_id != done.job_id
    assert third.months[0].metrics["contacts_created"].before == after["2025-01"]["contacts_created"]
    assert quick_command("verify", kranz).code == 0


def test_a_person_reads_a_table(quick_command: RunCommand, kranz: str, plan: Path) -> None:
    """A line for each figure that changed: before, target, after, delta, verdict; then one for all others.

    What the preview warns of comes again, on stderr.
    """
    warnings = quick_command("plan", "preview", kranz, plan, "--json").document["warnings"]
    assert any("deals are made and no activity" in text for text in warnings)
    done = quick_command("patch", "apply", kranz, plan)
    assert (done.code, done.err.splitlines()) == (0, [f"warning: {text}" for text in warnings])
    *table, rest = done.out.splitlines()
    assert rest == "every other figure of 2 months is as it was"
    lines = [re.split(r"\s{2,}", line) for line in table]
    assert lines[1] == ["month", "metric", "before", "target", "after", "delta", "verdict"]
    assert [line[:2] for line in lines[2:]] == [
        *(
            ["2025-01", metric]
            for metric in METRICS
            if metric not in {"companies_created", "activities_created"}
        ),
        ["2025-03", "contacts_created"],
    ]
    assert {line[6] for line in lines[2:]} == {"exact"}
    (won,) = (line for line in lines if line[:2] == ["2025-01", "closed_won_value"])
    assert won[5] == "+25,000.00"
    assert won[3] == won[4]


def test_a_preview_is_what_happens(
    quick_command: RunCommand, kranz: str, plan: Path, admin_conn: psycopg.Connection
) -> None:
    """It writes nothing, and the job that follows reaches the very figures that it showed."""
    rows = table_counts(admin_conn)
    before = figures(quick_command, kranz)
    shown = quick_command("plan", "preview", kranz, plan, "--json")
    assert shown.code == 0, shown.err
    seen = shown.document
    assert {"feasible", "errors", "warnings", "deltas", "rows", "suggestion"} <= set(seen)
    assert (seen["feasible"], seen["errors"], seen["suggestion"]) == (True, [], None)
    assert seen["before"] == {month: before[month] for month in ("2025-01", "2025-03")}
    assert seen["deltas"]["2025-01"]["contacts_created"] == 40
    assert seen["deltas"]["2025-01"]["closed_won_value"] == "25000.00"
    assert seen["rows"]["2025-01"] == {"companies": 0, "contacts": 40, "deals": 8, "activities": 0}
    assert seen["estimated_seconds"] > 0
    person = quick_command("plan", "preview", kranz, plan)
    assert person.code == 0
    for text in ("+25,000.00", "rows to make", "nothing was written", "%"):
        assert text in person.out
    assert table_counts(admin_conn) == rows

    done = applied(quick_command("patch", "apply", kranz, plan, "--json").document)
    reached = {
        month.month: {name: moved.after for name, moved in month.metrics.items()} for month in done.months
    }
    assert reached == seen["targets"]
    again = quick_command("plan", "preview", kranz, plan)
    assert done.job_id in again.out
    document = quick_command("plan", "preview", kranz, plan, "--json").document
    assert document["already_applied"] == done.job_id


def test_an_infeasible_plan_comes_with_the_nearest_one(
    quick_command: RunCommand, kranz: str, tmp_path: Path, admin_conn: psycopg.Connection
) -> None:
    """Exit 2 with every reason, nothing is written, and what stdout holds is a plan that can be applied.

    A month that no plan can have is named as left out.
    """
    infeasible = written(tmp_path, INFEASIBLE)
    rows = table_counts(admin_conn)
    refused = quick_command("patch", "apply", kranz, infeasible)
    assert (refused.code, refused.out) == (2, "")
    shown = quick_command("plan", "preview", kranz, infeasible)
    assert shown.code == 2
    for said in (refused.err, shown.err):
        for text in ("3 problems", "leads_created = 50", "closed_won_count = 5", "2090-01", "plan.csv"):
            assert text in said
        assert "The nearest plan that works (left out: 2090-01), as JSON to save as nearest.json" in said
    document = quick_command("plan", "preview", kranz, infeasible, "--json")
    assert document.code == 2
    assert document.document["feasible"] is False
    assert {problem["code"] for problem in document.document["errors"]} == {
        "leads_exceed_contacts",
        "won_exceed_deals",
        "future_month",
    }
    for problem in document.document["errors"]:
        assert list(problem) == ["month", "metric", "code", "message", "suggestion"]
    assert document.document["suggestion"] == shown.document
    error = quick_command("patch", "apply", kranz, infeasible, "--json").error
    assert (error["code"], error["details"]["suggestion"]) == ("invalid_input", shown.document)
    assert table_counts(admin_conn) == rows

    nearest = written(tmp_path, shown.out, "nearest.json")
    assert quick_command("plan", "preview", kranz, nearest).code == 0
    assert applied(quick_command("patch", "apply", kranz, nearest, "--json").document).passed


def test_beyond_a_cap_a_plan_can_be_split(
    quick_command: RunCommand, kranz: str, tmp_path: Path, admin_conn: psycopg.Connection
) -> None:
    """Exit 3 as a whole; one job a piece with --split, the same ones when it is asked for again.

    The pieces go through one connection.
    """
    plan = written(tmp_path, CAPPED)
    environment = {"DEMO_CAP_LEADS": "50"}
    shown = quick_command("plan", "preview", kranz, plan, "--json", environment=environment)
    assert (shown.code, shown.document["feasible"]) == (3, False)
    for arguments in (["plan", "preview"], ["patch", "apply"]):
        refused = quick_command(*arguments, kranz, plan, environment=environment)
        assert (refused.code, refused.out) == (3, "")
        assert "--split" in refused.err
        assert "150 leads are beyond the cap of 50" in refused.err
    before = figures(quick_command, kranz)
    split = ("patch", "apply", kranz, plan, "--split", "--json")
    done = quick_command(*split, environment=environment)
    assert done.code == 0, done.err
    assert list(done.document) == ["jobs", "passed"]
    assert done.document["passed"]
    jobs = [applied(job) for job in done.document["jobs"]]
    assert [job.created["contacts"] for job in jobs] == [45, 45, 30, 30]
    assert len({job.job_id for job in jobs}) == 4
    sessions = admin_conn.execute(
        "SELECT count(DISTINCT a.backend_pid) FROM demo.job_attempts a JOIN demo.jobs j ON j.id = a.job_id"
        " WHERE j.kind = 'patch'"
    ).fetchall()
    assert sessions == [(1,)]
    assert "piece 4 of 4" in done.err
    after = figures(quick_command, kranz)
    assert after["2025-01"]["leads_created"] - before["2025-01"]["leads_created"] == 90
    assert after["2025-02"]["leads_created"] - before["2025-02"]["leads_created"] == 60
    again = quick_command(*split, environment=environment)
    assert [applied(job).already_applied for job in again.document["jobs"]] == [True] * 4
    assert figures(quick_command, kranz) == after


def test_a_split_that_stops_says_how_far_it_came(
    quick_command: RunCommand, kranz: str, tmp_path: Path
) -> None:
    """The pieces before are applied and named; the same command goes on where it stopped."""
    plan = written(tmp_path, CAPPED)
    environment = {"DEMO_CAP_LEADS": "50", "DEMO_RATE_PER_TENANT": "2"}
    split = ("patch", "apply", kranz, plan, "--split", "--json")
    stopped = quick_command(*split, environment=environment)
    assert stopped.code == 5
    assert "2 of 4 pieces are applied" in stopped.error["message"]
    listed = [job["job_id"] for job in quick_command("job", "list", kranz, "--json").document["jobs"]]
    assert sorted(stopped.error["details"]["jobs"]) == sorted(listed[:2])
    done = quick_command(*split, environment={"DEMO_CAP_LEADS": "50"})
    assert [applied(job).already_applied for job in done.document["jobs"]] == [True, True, False, False]


def test_a_split_whose_piece_fails_names_one_way_to_go_on(
    quick_command: RunCommand, kranz: str, tmp_path: Path, admin_conn: psycopg.Connection
) -> None:
    """The same command, which takes the pieces after that one as well."""
    admin_conn.execute(
        "CREATE FUNCTION crm.refused() RETURNS trigger LANGUAGE plpgsql AS"
        " $$BEGIN IF NEW.demo_source_month = '2025-02' THEN RAISE 'no room'; END IF; RETURN NEW; END$$;"
        " CREATE TRIGGER refused BEFORE INSERT ON crm.contacts FOR EACH ROW EXECUTE FUNCTION crm.refused()"
    )
    plan = written(tmp_path, CAPPED)
    environment = {"DEMO_CAP_LEADS": "50"}
    failed = quick_command("patch", "apply", kranz, plan, "--split", "--json", environment=environment)
    assert (failed.code, failed.error["code"]) == (1, "job_failed")
    assert failed.error["message"].endswith("the same command again goes on with it)")
    assert "job retry" not in failed.error["message"]
    assert failed.error["details"]["job_id"]


def test_a_split_is_not_asked_for_again(quick_command: RunCommand, kranz: str, tmp_path: Path) -> None:
    """--again with --split: wrong input that names both and the remedy, also where the plan would fit."""
    plan = written(tmp_path, CAPPED)
    jobs = quick_command("job", "list", kranz, "--json").document
    for environment in ({}, {"DEMO_CAP_LEADS": "50"}):
        refused = quick_command(
            "patch", "apply", kranz, plan, "--again", "--split", "--json", environment=environment
        )
        assert (refused.code, refused.error["code"]) == (2, "invalid_input")
        assert "--again and --split do not go together" in refused.error["message"]
        assert "undo the pieces first" in refused.error["message"]
        [problem] = refused.error["details"]["errors"]
        assert (problem["code"], problem["field"]) == ("bad_option", "--again")
    assert quick_command("job", "list", kranz, "--json").document == jobs


def test_what_is_given_beside_the_plan_counts(
    database_env: dict[str, str], quick_command: RunCommand, kranz: str, plan: Path
) -> None:
    """Standard input, another plan type, another seed: each makes a job of its own."""
    first = applied(quick_command("patch", "apply", kranz, plan, "--json").document)
    other = applied(quick_command("patch", "apply", kranz, plan, "--seed", "spring", "--json").document)
    assert not other.already_applied
    assert other.job_id != first.job_id
    piped = subprocess.run(
        [str(PROGRAM), "patch", "apply", kranz, "-", "--plan-type", "targets", "--json"],
        env=clean_environment(database_env),
        input=json.dumps({"months": [{"month": "2025-03", "metrics": {"contacts_created": 500}}]}),
        capture_output=True,
        text=True,
        check=True,
    )
    reached = applied(json.loads(piped.stdout)).months[0].metrics["contacts_created"]
    assert (reached.target, reached.after) == (500, 500)
    job = quick_command("job", "list", kranz, "--json").document["jobs"][0]
    assert (job["kind"], job["plan_type"]) == ("patch", "targets")


def test_a_patch_is_taken_back_and_brought_back(quick_command: RunCommand, kranz: str, plan: Path) -> None:
    """Undo restores the digest, the undo of the undo brings the rows back; the ledger tells all of it."""
    digest = quick_command("digest", kranz).out
    patch = applied(quick_command("patch", "apply", kranz, plan, "--json").document)
    patched = quick_command("digest", kranz).out
    undone = quick_command("job", "undo", patch.job_id, "--json")
    assert undone.code == 0, undone.err
    document = undone.document
    assert [document.pop(key) for key in ("tenant", "kind", "undoes", "notes")] == [
        kranz,
        "undo",
        patch.job_id,
        [],
    ]
    undo = applied(document)
    assert undo.passed
    assert undo.months[0].metrics["contacts_created"].delta == -40
    assert quick_command("digest", kranz).out == digest
    assert quick_command("verify", kranz).code == 0
    again = quick_command("job", "undo", patch.job_id)
    assert again.code == 0
    assert f"already done by job {undo.job_id}" in again.out
    listed = quick_command("job", "list", kranz).out.splitlines()
    assert listed[0].split()[:7] == ["job", "tenant", "kind", "plan", "type", "status", "undone"]
    assert listed[1].split()[:4] == [undo.job_id[:8], kranz, "undo", "completed"]
    assert listed[2].split()[:6] == [patch.job_id[:8], kranz, "patch", "deltas", "completed", "yes"]
    shown = quick_command("job", "show", undo.job_id).out
    assert ["takes", "back", patch.job_id] in [line.split() for line in shown.splitlines()]

    restored = quick_command("job", "undo", undo.job_id, "--json")
    assert restored.code == 0, restored.err
    assert quick_command("digest", kranz).out == patched
    retried = quick_command("job", "retry", patch.job_id, "--json").document
    assert (retried["job_id"], retried["already_applied"]) == (patch.job_id, True)


def test_rows_of_other_jobs_stop_an_undo(quick_command: RunCommand, kranz: str, tmp_path: Path) -> None:
    """Exit 2 with the rows that hang on it; --with-dependents takes them along and says so."""
    contacts = written(tmp_path, "month,contacts_created\n2025-02,400\n", "contacts.csv")
    deals = written(tmp_path, "month,deals_created,activities_created\n2025-03,30,200\n", "deals.csv")
    below = applied(quick_command("patch", "apply", kranz, contacts, "--json").document)
    above = applied(quick_command("patch", "apply", kranz, deals, "--json").document)
    refused = quick_command("job", "undo", below.job_id)
    assert (refused.code, refused.out) == (2, "")
    assert "--with-dependents" in refused.err
    assert above.job_id in refused.err
    error = quick_command("job", "undo", below.job_id, "--json").error
    assert {problem["code"] for problem in error["details"]["errors"]} == {"jobs_hang_on_it"}
    done = quick_command("job", "undo", below.job_id, "--with-dependents")
    assert done.code == 0, done.err
    assert "went along" in done.err
    assert quick_command("verify", kranz).code == 0


def test_a_job_is_shown_whole(quick_command: RunCommand, kranz: str, plan: Path) -> None:
    """Facts, figures and attempts for people; the same months for programs; CSV for spreadsheets."""
    patch = applied(quick_command("patch", "apply", kranz, plan, "--json").document)
    shown = quick_command("job", "show", patch.job_id)
    for text in ("requested by", "(command line)", "patch deltas", "before", "target", "after", "attempts"):
        assert text in shown.out
    document = quick_command("job", "show", patch.job_id, "--json").document
    assert TypeAdapter(list[MonthChanged]).validate_python(document["months"]) == patch.months
    rows = list(csv.DictReader(io.StringIO(quick_command("job", "show", patch.job_id, "--csv").out)))
    assert [(row["month"], row["metric"]) for row in rows] == [
        (month.month, metric) for month in patch.months for metric in METRICS
    ]
    assert list(rows[0]) == ["month", "metric", "before", "target", "after", "delta", "passed"]
    (won,) = (row for row in rows if (row["month"], row["metric"]) == ("2025-01", "closed_won_value"))
    assert won["delta"] == "25000.00"
    assert won["after"] == patch.months[0].metrics["closed_won_value"].after
    assert quick_command("job", "show", patch.job_id, "--csv", "--json").code == 2


def test_a_retry_of_an_undone_job_says_so(quick_command: RunCommand, kranz: str, tmp_path: Path) -> None:
    """Which job took it back, that nothing was done, and how it comes back; then it is a done job again."""
    plan = tmp_path / "plan.csv"
    plan.write_text("month,contacts_created\n2025-01,4\n", encoding="utf-8")
    patch = quick_command("patch", "apply", kranz, plan, "--json").document["job_id"]
    taken = quick_command("job", "undo", patch)
    assert re.search(r"every figure is exact; 4 contacts.* soft-deleted$", taken.out, re.MULTILINE)
    undo = quick_command("job", "undo", patch, "--json").document["job_id"]
    done = quick_command("job", "retry", patch)
    assert done.code == 0
    assert f"job {patch} was undone by job {undo}; nothing was changed now" in done.out
    assert "already applied" not in done.out
    assert f"demo-pipeline job undo {undo} brings it back" in done.err
    [note] = quick_command("job", "retry", patch, "--json").document["notes"]
    assert undo in note
    assert "; 4 contacts" in (back := quick_command("job", "undo", undo).out.splitlines()[0])
    assert back.endswith("brought back")
    again = quick_command("job", "retry", patch)
    assert f"already applied by job {patch}" in again.out
    assert not again.err
