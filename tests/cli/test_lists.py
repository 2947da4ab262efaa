"""``job list`` and ``tenant list`` with filters, and their limits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest

from demo_pipeline.storage.ledger import job_ledger
from tests.fixtures.cli import SMALL, RunCommand

PLAN: Final = "month,contacts_created\n2025-02,5\n"


@pytest.fixture
def patched(quick_command: RunCommand, kranz: str, tmp_path: Path) -> dict[str, str]:
    """``kranz`` with a patch that was undone; kind → job."""
    plan = tmp_path / "plan.csv"
    plan.write_text(PLAN, encoding="utf-8")
    job_id = quick_command("patch", "apply", kranz, plan, "--json").document["job_id"]
    undone = quick_command("job", "undo", job_id, "--json").document["job_id"]
    return {"patch": job_id, "undo": undone}


def kinds(run: RunCommand, *arguments: str) -> list[str]:
    """Kinds of the jobs that are listed."""
    return [job["kind"] for job in run("job", "list", *arguments, "--json").document["jobs"]]


def test_statuses_are_those_of_the_ledger(admin_conn: psycopg.Connection[Any]) -> None:
    """What the filter knows is what the table accepts."""
    [(rule,)] = admin_conn.execute(
        "select string_agg(pg_get_constraintdef(oid), ' ') from pg_constraint"
        " where conrelid = 'demo.job_ledger'::regclass and contype = 'c'"
    ).fetchall()
    assert all(f"'{status}'" in rule for status in job_ledger.STATUSES)


@pytest.mark.usefixtures("patched")
def test_jobs_by_kind_and_status(quick_command: RunCommand, kranz: str) -> None:
    """Each filter may be given several times; all of them hold."""
    assert kinds(quick_command) == ["undo", "patch", "materialise"]
    assert kinds(quick_command, kranz, "--kind", "patch") == ["patch"]
    assert kinds(quick_command, "--kind", "PATCH", "--kind", "materialise") == ["patch", "materialise"]
    assert kinds(quick_command, "--status", "completed", "--kind", "undo") == ["undo"]
    assert kinds(quick_command, "--status", "failed", "--status", "running") == []
    none = quick_command("job", "list", "--status", "failed")
    assert (none.code, none.out) == (0, "")
    assert "no job fits these filters" in none.err


def test_jobs_since_an_instant(
    quick_command: RunCommand, patched: dict[str, str], admin_conn: psycopg.Connection[Any]
) -> None:
    """A date, an instant with an offset or in UTC, or how long ago; the first moment is included."""
    now = datetime.now(UTC).replace(microsecond=0)
    for kind, ago in (("patch", timedelta(days=10)), ("undo", timedelta(hours=30))):
        admin_conn.execute(
            "update demo.job_ledger set started_at = %s where id = %s", [now - ago, patched[kind]]
        )
    began = now - timedelta(days=10)
    east = began + timedelta(hours=1)
    assert kinds(quick_command, "--since", "24h") == ["materialise"]
    assert kinds(quick_command, "--since", "7d") == ["materialise", "undo"]
    assert kinds(quick_command, "--since", "2w") == ["materialise", "undo", "patch"]
    assert kinds(quick_command, "--since", f"{began:%Y-%m-%dT%H:%M:%S}", "--kind", "patch") == ["patch"]
    assert kinds(quick_command, "--since", f"{east:%Y-%m-%dT%H:%M:%S}+01:00", "--kind", "patch") == ["patch"]
    assert kinds(quick_command, "--since", f"{east:%Y-%m-%dT%H:%M:%S}", "--kind", "patch") == []
    assert kinds(quick_command, "--since", f"{began:%Y-%m-%d}", "--kind", "patch") == ["patch"]


def test_unknown_words_are_named_with_the_known_ones(quick_command: RunCommand) -> None:
    """All at once, each by its option, with what it may be and what was probably meant."""
    done = quick_command("job", "list", "--status", "compleeted", "--kind", "path", "--since", "01/02/2025")
    assert done.code == 2
    for part in ("3 problems", "did you mean completed?", "did you mean patch?", "dedupe", "2025-01-31"):
        assert part in done.err
    document = quick_command("job", "list", "--kind", "path", "--since", "2025", "--json").error["details"]
    assert [(item["field"], item["value"], item["suggestion"]) for item in document["errors"]] == [
        ("--kind", "path", "patch"),
        ("--since", "2025", None),
    ]
    wrong = quick_command("tenant", "list", "--industry", "sas", "--country", "uk")
    assert wrong.code == 2
    for part in ("2 problems", "--industry = sas", "did you mean saas?", "--country = uk", "GB"):
        assert part in wrong.err


@pytest.mark.usefixtures("patched")
def test_a_list_that_was_cut_says_so(quick_command: RunCommand, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stderr says how many more there are; a document has all, or says how many there are."""
    cut = quick_command("job", "list", "--limit", "1")
    assert len(cut.out.splitlines()) == 2
    assert "2 earlier jobs are not shown; --limit 3 shows all" in cut.err
    whole = quick_command("job", "list", "--limit", "3")
    assert len(whole.out.splitlines()) == 4
    assert not whole.err
    monkeypatch.setattr("demo_pipeline.cli.commands.job._MOST_SHOWN", 2)
    assert "1 earlier job is not shown" in quick_command("job", "list").err
    document = quick_command("job", "list", "--json").document
    assert (len(document["jobs"]), document["total"]) == (3, 3)
    document = quick_command("job", "list", "--json", "--limit", "1").document
    assert (len(document["jobs"]), document["total"]) == (1, 3)
    assert quick_command("job", "list", "--limit", "0").code == 2


def test_jobs_of_a_deleted_tenant_are_marked(
    quick_command: RunCommand, kranz: str, blueprint: Path, tmp_path: Path
) -> None:
    """Of two tenants that had one slug, those of the deleted one; a job of one month shows that month."""
    plan = tmp_path / "plan.csv"
    plan.write_text("month,contacts_created\n2025-02,2\n", encoding="utf-8")
    assert quick_command("patch", "apply", kranz, plan).code == 0
    shown = quick_command("job", "list").out
    assert " 2025-02  " in shown
    assert "2025-02 to 2025-02" not in shown
    assert "2025-01 to 2025-03" in shown
    assert "deleted" not in shown
    assert quick_command("tenant", "delete", kranz, "--yes").code == 0
    assert quick_command("tenant", "provision", blueprint).code == 0
    lines = quick_command("job", "list", kranz).out.splitlines()[1:]
    assert ["(deleted)" in line for line in lines] == [False, True, True]
    old = quick_command("job", "list", kranz, "--kind", "patch", "--json").document["jobs"][0]["job_id"]
    assert f"{kranz} (deleted)" in quick_command("job", "show", old).out


def test_jobs_of_a_deleted_tenant_are_filtered_too(quick_command: RunCommand, kranz: str) -> None:
    """History outlives its tenant: filters that nothing fits do not make it unknown."""
    assert quick_command("tenant", "delete", kranz, "--yes").code == 0
    assert kinds(quick_command, kranz) == ["materialise"]
    assert kinds(quick_command, kranz, "--status", "failed") == []
    assert quick_command("job", "list", "kranzz", "--status", "failed").code == 2


def slugs(run: RunCommand, *arguments: str) -> list[str]:
    """The tenants that are listed."""
    return [one["tenant"] for one in run("tenant", "list", *arguments, "--json").document["tenants"]]


def test_tenants_by_country_industry_and_end(quick_command: RunCommand, kranz: str, tmp_path: Path) -> None:
    """Filters of what the table shows; each may be given several times, and all of them hold."""
    living = tmp_path / "living.yaml"
    text = SMALL.replace("end_month: 2025-03\n", "").replace("DE", "GB").replace("saas", "trading")
    living.write_text(text.replace("2025-01", f"{datetime.now(UTC):%Y-%m}"), encoding="utf-8")
    assert quick_command("tenant", "provision", living).code == 0
    assert slugs(quick_command) == [kranz, "living"]
    assert slugs(quick_command, "--country", "gb") == ["living"]
    assert slugs(quick_command, "--country", "GB", "--country", "DE") == [kranz, "living"]
    assert slugs(quick_command, "--industry", "Saas") == [kranz]
    assert slugs(quick_command, "--living") == ["living"]
    assert slugs(quick_command, "--closed") == [kranz]
    assert slugs(quick_command, "--closed", "--country", "GB") == []
    assert "no demo tenant fits" in quick_command("tenant", "list", "--country", "FR").err
    shown = quick_command("tenant", "list").out
    assert "closed after 2025-03" in shown
    assert "living" in shown
    assert quick_command("tenant", "extend", kranz, "--to", "2025-05").code == 0
    assert "closed after 2025-05" in quick_command("tenant", "list").out


def test_months_that_a_plan_filled_are_counted(quick_command: RunCommand, kranz: str, tmp_path: Path) -> None:
    """A month after the end counts while a plan fills it, and not once that is undone; no month twice."""

    def count() -> int:
        [listed] = quick_command("tenant", "list", "--json").document["tenants"]
        [line] = [
            text for text in quick_command("tenant", "show", kranz).out.splitlines() if "loaded" in text
        ]
        number, _, span = line.removeprefix("loaded").strip().partition(" months, 2025-01 to ")
        assert int(number) == listed["loaded_month_count"]
        assert span == ("2025-06" if int(number) == 4 else "2025-03")
        return int(number)

    assert count() == 3
    plan = tmp_path / "later.csv"
    plan.write_text("month,contacts_created\n2025-03,2\n2025-06,5\n", encoding="utf-8")
    assert quick_command("patch", "apply", kranz, plan).code == 0
    assert count() == 4
    assert quick_command("job", "undo", "--last", kranz).code == 0
    assert count() == 3


def test_a_column_without_values_is_not_shown(quick_command: RunCommand, kranz: str) -> None:
    """``verify`` has no column of months that are not loaded where every month is."""
    assert quick_command("verify").out.splitlines()[0].split() == ["tenant", "verdict"]
    assert quick_command("tenant", "extend", kranz, "--to", "2025-04").code == 0
    assert "not loaded yet" in quick_command("verify").out
