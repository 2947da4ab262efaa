"""How commands that change a tenant can end other than well: exit codes, and what is left: nothing."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Final

import psycopg
import pytest

from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.ledger import tenants
from tests.fixtures.cli import Finished, RunChanged, RunCommand, StartCommand, finish, table_counts
from tests.fixtures.forked_program import ForkedProcess
from tests.fixtures.ledger_steps import real_tenant

PLAN: Final = "month,contacts_created,activities_created\n2025-02,10,40\n"
#: so large that it can be interrupted while it loads
LARGE: Final = "month,contacts_created,activities_created\n2025-02,4000,60000\n"
#: The last activity of every batch goes missing on its way.
LOSE_ROWS: Final = """
import demo_pipeline.services.jobs.steps as job_run

whole = job_run.JobTransaction.making

def fewer(batches):
    for name, rows in batches:
        yield name, rows.slice(0, rows.num_rows - 1) if name == "activities" else rows

def making(self, *stages):
    return whole(self, *map(fewer, stages))

job_run.JobTransaction.making = making
"""
#: Whether somebody is writing rows, whoever it is.
WRITES: Final = """
SELECT count(*) FROM pg_locks WHERE mode = 'RowExclusiveLock'
    -- Clones of one template have the same oids.
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND relation IN ('crm.contacts'::regclass, 'crm.activities'::regclass)
"""
CONFUSED: Final = 'month,leads_created,closed_won_value,deals\n2025-13,1,,\n2025-02,-4,"1,250",\nTotal,1,,\n'


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    """A small plan."""
    path = tmp_path / "plan.csv"
    path.write_text(PLAN, encoding="utf-8")
    return path


def crm_counts(conn: psycopg.Connection) -> dict[str, int]:
    """Rows of the tables that tenants see."""
    return {name: count for name, count in table_counts(conn).items() if name.startswith("crm.")}


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("plan.csv", CONFUSED, ["5 problems", "row 1, column D", "row 3, column B", "1,250", "Total"]),
        ("plan.csv", "", ["plan.csv"]),
        ("plan.json", '{"months": [', ["plan.json"]),
        (
            "plan.yaml",
            "months: [{month: 2025-01, metrics: {deals: 1}}]\nmode: reconcile\n",
            ["deals", "mode"],
        ),
        ("plan.txt", PLAN, ["plan.txt", ".csv"]),
        ("plan.csv", "month,contacts_created\n2019-01,3\n", ["2019-01"]),
        ("plan.csv", "month,contacts_created\n2024-12,3\n", ["2024-12", "2025-01"]),
        ("plan.csv", "month,closed_won_value\n2025-01,£5\n", ["GBP", "EUR"]),
    ],
)
def test_a_wrong_plan_is_wrong_input(
    quick_command: RunCommand,
    kranz: str,
    tmp_path: Path,
    admin_conn: psycopg.Connection,
    *,
    name: str,
    text: str,
    says: list[str],
) -> None:
    """Exit 2 with everything that is wrong at once, and no table has a row more."""
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    before = table_counts(admin_conn)
    for arguments in (["plan", "preview"], ["patch", "apply"]):
        done = quick_command(*arguments, kranz, path)
        assert (done.code, done.out) == (2, "")
        for part in says:
            assert part in done.err
    assert quick_command("patch", "apply", kranz, path, "--json").error["code"] == "invalid_input"
    assert table_counts(admin_conn) == before


@pytest.mark.parametrize(
    "arguments",
    [
        ["patch", "apply", "nobody", "PLAN"],
        ["plan", "preview", "nobody", "PLAN"],
        ["plan", "write", "nobody", "copy-last-month"],
        ["patch", "apply", "kranz", "missing.csv"],
        ["patch", "apply", "kranz", "PLAN", "--plan-type", "sums"],
        ["tenant", "delete", "nobody", "--yes"],
        ["job", "undo", "0f1c2f3e-5d1c-5b7a-9a51-3a6f5a2b7c11"],
        ["job", "retry", "0f1c2f3e-5d1c-5b7a-9a51-3a6f5a2b7c11"],
        ["job", "undo", "seven"],
    ],
    ids=" ".join,
)
def test_what_is_not_there_is_wrong_input(
    quick_command: RunCommand, plan: Path, admin_conn: psycopg.Connection, arguments: list[str]
) -> None:
    """Exit 2, a message and nothing else."""
    before = table_counts(admin_conn)
    done = quick_command(*(plan if word == "PLAN" else word for word in arguments))
    assert (done.code, done.out) == (2, "")
    assert done.err
    assert table_counts(admin_conn) == before


def test_a_first_load_cannot_be_undone(quick_command: RunCommand, kranz: str) -> None:
    """Exit 2: only patches and their undos can."""
    (job,) = quick_command("job", "list", kranz, "--json").document["jobs"]
    refused = quick_command("job", "undo", job["job_id"], "--json")
    assert refused.code == 2
    assert refused.error["details"]["errors"][0]["code"] == "not_a_patch"


def test_a_real_tenant_is_refused(
    quick_command: RunCommand, plan: Path, admin_conn: psycopg.Connection
) -> None:
    """Exit 3 for every command that names one; nothing but the audit of those that would write."""
    real_tenant(admin_conn, "kranz")
    before = table_counts(admin_conn)
    for arguments in (
        ["patch", "apply", "kranz", plan],
        ["patch", "apply", "kranz", plan, "--split"],
        ["plan", "preview", "kranz", plan],
        ["plan", "write", "kranz", "copy-last-month"],
        ["tenant", "delete", "kranz"],
        ["tenant", "delete", "kranz", "--yes"],
    ):
        done = quick_command(*arguments, "--json")
        assert done.code == 3, done.out
        assert done.error["code"] == "not_a_demo_tenant"
    after = table_counts(admin_conn)
    assert after.pop("demo.audit_log") > before.pop("demo.audit_log")
    assert after == before


def test_a_tenant_that_is_held_is_busy(
    quick_command: RunCommand,
    kranz: str,
    plan: Path,
    database: Database,
    database_settings: Settings,
    admin_conn: psycopg.Connection,
) -> None:
    """Exit 5 after the wait, nothing is written; looking at a plan does not wait for anybody."""
    patch = quick_command("patch", "apply", kranz, plan, "--json").document["job_id"]
    before = table_counts(admin_conn)
    tenant_id = tenants.get_tenant(admin_conn, kranz).tenant_id
    short = {"DEMO_WAIT_SECONDS": "0.3"}
    with database.loader() as conn, tenants.hold_tenant(conn, tenant_id, database_settings.wait_seconds):
        for arguments in (
            ["patch", "apply", kranz, plan, "--again"],
            ["job", "undo", patch],
            ["tenant", "delete", kranz, "--yes"],
        ):
            started = time.monotonic()
            done = quick_command(*arguments, "--json", environment=short)
            assert (done.code, done.error["code"]) == (5, "busy"), done.out
            assert 0.3 <= time.monotonic() - started < 20
            assert f"held tenant {kranz} for longer than 0.3 s" in done.error["message"]
        assert quick_command("plan", "preview", kranz, plan, environment=short).code == 0
    assert table_counts(admin_conn) == before
    assert quick_command("patch", "apply", kranz, plan, "--again").code == 0


def test_too_many_requests_are_busy(quick_command: RunCommand, kranz: str, plan: Path) -> None:
    """Exit 5 beyond the rate limit, with the setting's name."""
    limit = {"DEMO_RATE_PER_TENANT": "1"}
    assert quick_command("patch", "apply", kranz, plan, environment=limit).code == 0
    done = quick_command("patch", "apply", kranz, plan, "--again", environment=limit)
    assert (done.code, done.out) == (5, "")
    assert "DEMO_RATE_PER_TENANT" in done.err
    assert quick_command("patch", "apply", kranz, plan, "--again").code == 0


def test_figures_that_are_not_met_are_rolled_back(
    changed_command: RunChanged,
    quick_command: RunCommand,
    kranz: str,
    plan: Path,
    admin_conn: psycopg.Connection,
) -> None:
    """Exit 4 and not a row; the job says why, and once the fault is mended it can be tried again."""
    before, digest = crm_counts(admin_conn), quick_command("digest", kranz).out
    failed = changed_command(LOSE_ROWS, "patch", "apply", kranz, plan, "--json")
    assert failed.code == 4
    assert failed.error["code"] == "verification_failed"
    assert "2025-02 activities_created" in failed.error["message"]
    assert crm_counts(admin_conn) == before
    assert quick_command("digest", kranz).out == digest
    job = quick_command("job", "list", kranz, "--json").document["jobs"][0]
    assert (job["status"], job["error_code"]) == ("failed", "verification_failed")
    shown = quick_command("job", "show", job["job_id"])
    assert "activities_created" in shown.out
    assert quick_command("cleanup", job["job_id"], "--json").document["hide"] == []
    retried = quick_command("job", "retry", job["job_id"], "--json")
    assert retried.code == 0, retried.out
    assert (retried.document["job_id"], retried.document["passed"]) == (job["job_id"], True)
    attempts = quick_command("job", "show", job["job_id"], "--json").document["attempts"]
    assert [attempt["status"] for attempt in attempts] == ["failed", "completed"]


def test_an_interrupt_while_patching(
    start_command: StartCommand,
    quick_command: RunCommand,
    kranz: str,
    tmp_path: Path,
    admin_conn: psycopg.Connection,
) -> None:
    """Ctrl-C: exit 130, no row, the job can be tried again."""
    large = tmp_path / "large.csv"
    large.write_text(LARGE, encoding="utf-8")
    before = crm_counts(admin_conn)
    process = start_command("patch", "apply", kranz, large, "--json")
    _wait_until_it_writes(admin_conn, process)
    process.send_signal(signal.SIGINT)
    done: Finished = finish(process)
    assert done.code == 130, done.err
    assert done.error["code"] == "interrupted"
    assert crm_counts(admin_conn) == before
    job = quick_command("job", "list", kranz, "--json").document["jobs"][0]
    assert done.error["details"]["job_id"] == job["job_id"]
    assert f"demo-pipeline job retry {job['job_id']}" in done.error["message"]
    assert (job["status"], job["error_code"]) == ("failed", "interrupted")
    retried = quick_command("job", "retry", job["job_id"], "--json")
    assert retried.code == 0, retried.out
    assert retried.document["created"]["activities"] == 60_000


def _wait_until_it_writes(conn: psycopg.Connection, process: ForkedProcess) -> None:
    deadline = time.monotonic() + 90
    while conn.execute(WRITES).fetchone() == (0,):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
