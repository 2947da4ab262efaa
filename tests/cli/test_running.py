"""The commands that make data and those that show it: exit codes, shapes, what is left alone."""

from __future__ import annotations

import csv
import io
import shlex
import subprocess
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
from pydantic import BaseModel, ConfigDict, TypeAdapter

from demo_pipeline.domain.core.figures import COUNT_METRICS, METRICS, VALUE_METRICS
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.embedded.binaries import find_tool
from tests.fixtures.cli import Finished, RunCommand, StartCommand, finish, table_counts
from tests.fixtures.embedded_server import wait_until
from tests.fixtures.ledger_steps import real_tenant

TOTALS = {
    "leads_created": 30,
    "contacts_created": 48,
    "companies_created": 9,
    "deals_created": 15,
    "closed_won_count": 5,
    "closed_won_value": Decimal("25000.50"),
    "pipeline_added_value": Decimal("61000.00"),
    "activities_created": 120,
}


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


class MonthOfJob(Strict):
    """A month of a job."""

    month: str
    metrics: dict[str, Moved]


class JobDone(Strict):
    """What a job did."""

    job_id: str
    tenant: str
    status: str
    already_applied: bool
    created: dict[str, int]
    months: list[MonthOfJob]
    passed: bool
    seconds: float


def jobs_of(done: Finished) -> list[JobDone]:
    """The job reports of ``generate --json`` and ``run --json``."""
    return TypeAdapter(list[JobDone]).validate_python(done.document["jobs"])


def kpis(command: RunCommand, *options: str) -> list[dict[str, Any]]:
    """The months of ``kpis --json``, in the shape of the contract."""
    document = command("kpis", "kranz", "--json", *options).document
    assert list(document) == ["tenant", "months"]
    for month in document["months"]:
        assert list(month) == ["month", *METRICS]
        assert all(isinstance(month[name], int) for name in COUNT_METRICS)
        assert all(isinstance(month[name], str) for name in VALUE_METRICS)
    return document["months"]


def sums(months: list[dict[str, Any]]) -> dict[str, Any]:
    """Each metric over all months."""
    return {name: sum(Decimal(month[name]) for month in months) for name in METRICS}


def test_the_main_job(
    command: RunCommand, blueprint: Path, admin_conn: psycopg.Connection, database: Database
) -> None:
    """From a file to verified figures with a table on stdout; a second time, named twice, nothing changes."""
    first = command("run", blueprint)
    assert first.code == 0, first.err
    lines = first.out.splitlines()
    assert [line.split()[0] for line in lines[2:6]] == ["2025-01", "2025-02", "2025-03", "total"]
    assert "25,000.50" in lines[5]
    assert "as expected" in first.out
    assert "serve" in first.err
    assert "db stop" not in first.err, "there is no embedded server"
    [line] = [line for line in first.err.splitlines() if line.startswith("  psql ")]
    words = shlex.split(line.partition("  the tables")[0])
    shown = subprocess.run(
        [find_tool("psql"), "-X", database.admin_url, *words[2:]],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert "contacts" in shown.stdout, "psql shows the tables of the schema crm"
    assert sums(kpis(command)) == TOTALS
    before = table_counts(admin_conn)
    digest = command("digest", "kranz").out
    same = blueprint.parent / ".." / blueprint.parent.name / blueprint.name
    again = command("run", blueprint, same, "--json")
    assert again.code == 0, again.err
    assert again.document["passed"]
    assert [job.already_applied for job in jobs_of(again)] == [True]
    assert table_counts(admin_conn) == before
    assert command("digest", "kranz").out == digest


def test_a_run_of_more_tenants_keeps_its_connections(
    command: RunCommand, blueprint: Path, admin_conn: psycopg.Connection
) -> None:
    """The connections of a run are kept for all of its tenants: the server prepares each one but once."""

    def opened(*names: str) -> int:
        """Sessions with the CRM's database during a run of new tenants."""
        files = [blueprint.with_name(f"{name}.yaml") for name in names]
        for file in files:
            file.write_text(blueprint.read_text(encoding="utf-8"), encoding="utf-8")
        before = _sessions_so_far(admin_conn)
        done = command("run", *files)
        assert done.code == 0, done.err
        return _sessions_so_far(admin_conn) - before

    # Two more where displays of progress read while all others are in use; four times as many if none
    # was kept.
    assert opened("anna", "bela", "carl", "dora") <= opened("emil") + 2


def _sessions_so_far(conn: psycopg.Connection) -> int:
    """Sessions that the database has had; all but the caller's have ended and are counted."""
    others = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    wait_until(lambda: conn.execute(others).fetchone() == (0,))
    row = conn.execute("SELECT sessions FROM pg_stat_database WHERE datname = current_database()").fetchone()
    assert row is not None
    return row[0]


def test_one_tenant_month_by_month(
    command: RunCommand, quick_command: RunCommand, blueprint: Path, admin_conn: psycopg.Connection
) -> None:
    """Provision, generate, look, change something by hand, verify: every document has its shape."""
    made = quick_command("tenant", "provision", blueprint, "--json")
    assert set(made.document) == {
        "tenant",
        "tenant_id",
        "is_new",
        "first_month",
        "last_month",
        "warnings",
    }
    assert made.document["is_new"]
    assert not quick_command("tenant", "provision", blueprint, "--json").document["is_new"]
    assert [month["leads_created"] for month in kpis(quick_command)] == [0, 0, 0]

    done = command("generate", "kranz", "--to", "2025-02", "--json")
    assert done.code == 0, done.err
    (job,) = jobs_of(done)
    assert (job.tenant, job.status, job.already_applied, job.passed) == ("kranz", "completed", False, True)
    assert [month.month for month in job.months] == ["2025-01", "2025-02"]
    assert all(tuple(month.metrics) == tuple(METRICS) for month in job.months)
    for month, shown in zip(job.months, kpis(quick_command, "--to", "2025-02"), strict=True):
        assert {name: month.metrics[name].after for name in METRICS} == {
            name: shown[name] for name in METRICS
        }
        assert all(moved.passed and moved.target == moved.after for moved in month.metrics.values())
    assert job.created["activities"] == sum(
        int(month.metrics["activities_created"].delta) for month in job.months
    )
    assert kpis(quick_command)[2]["contacts_created"] == 0

    table = list(csv.DictReader(io.StringIO(quick_command("kpis", "kranz", "--csv").out)))
    assert [{**row} for row in table] == [
        {name: str(value) for name, value in month.items()} for month in kpis(quick_command)
    ]
    (listed,) = quick_command("tenant", "list", "--json").document["tenants"]
    assert (listed["tenant"], listed["loaded_month_count"], listed["last_job_status"]) == (
        "kranz",
        2,
        "completed",
    )
    shown = quick_command("tenant", "show", "kranz", "--json").document
    assert [month["month"] for month in shown["months"]] == ["2025-01", "2025-02"]
    assert "kranz" in quick_command("tenant", "show", "kranz").out
    ids = [item["job_id"] for item in quick_command("job", "list", "kranz", "--json").document["jobs"]]
    assert job.job_id in ids
    assert job.job_id[:8] in quick_command("job", "list").out
    detail = quick_command("job", "show", job.job_id, "--json").document
    assert detail["status"] == "completed"
    assert [attempt["status"] for attempt in detail["attempts"]] == ["completed"]
    assert detail["dagster_run_id"]

    verified = quick_command("verify", "--json")
    assert verified.code == 0
    assert verified.document["tenants"] == [
        {"tenant": "kranz", "is_as_expected": True, "findings": [], "pending": ["2025-03"], "notes": []}
    ]
    admin_conn.execute(
        "UPDATE crm.deals SET deleted_at = now() WHERE id IN (SELECT id FROM crm.deals LIMIT 1)"
    )
    drifted = quick_command("verify", "kranz", "--json")
    assert drifted.code == 4
    assert {finding["metric"] for finding in drifted.document["tenants"][0]["findings"]} >= {"deals_created"}
    person = quick_command("verify")
    assert person.code == 4
    assert "deals_created" in person.out
    digest = quick_command("digest", "kranz")
    assert len(digest.out.strip()) == 64
    assert quick_command("digest", "kranz", "--json").document == {
        "tenant": "kranz",
        "digest": digest.out.strip(),
    }


def test_two_at_once(
    command: RunCommand, start_command: StartCommand, blueprint: Path, admin_conn: psycopg.Connection
) -> None:
    """The same request twice at the same time: one does it, the other waits and is told so."""
    assert command("tenant", "provision", blueprint).code == 0
    both = [start_command("generate", "kranz", "--json") for _ in range(2)]
    done = [finish(process) for process in both]
    assert [item.code for item in done] == [0, 0], [item.out + item.err for item in done]
    (first,), (second,) = map(jobs_of, done)
    assert sorted([first.already_applied, second.already_applied]) == [False, True]
    assert first.job_id == second.job_id
    assert sums(kpis(command)) == TOTALS
    assert admin_conn.execute("SELECT count(*) FROM demo.job_attempts").fetchone() == (1,)


def test_a_real_tenant_is_refused(
    quick_command: RunCommand, tmp_path: Path, blueprint: Path, admin_conn: psycopg.Connection
) -> None:
    """Exit 3 for every command that names one; the audit has each attempt; nothing else is written."""
    real_tenant(admin_conn, "kranz")
    before = table_counts(admin_conn)
    for arguments in (["generate", "kranz"], ["tenant", "provision", blueprint]):
        done = quick_command(*arguments, "--json")
        assert done.code == 3, done.out
        assert done.error["code"] == "not_a_demo_tenant"
    for name in ("kpis", "verify", "digest"):
        assert quick_command(name, "kranz").code == 3
    after = table_counts(admin_conn)
    assert after.pop("demo.audit_log") == before.pop("demo.audit_log") + 5
    assert after == before
    events = admin_conn.execute("SELECT DISTINCT event FROM demo.audit_log").fetchall()
    assert ("NON_DEMO_TENANT_BLOCKED",) in events
    log = (tmp_path / "home" / "log" / "events.jsonl").read_text(encoding="utf-8")
    assert log.count("NON_DEMO_TENANT_BLOCKED") >= 5


def test_months_outside_the_span(quick_command: RunCommand, blueprint: Path) -> None:
    """Before the span, in the future, backwards: exit 2, nothing tried."""
    assert quick_command("tenant", "provision", blueprint).code == 0
    for options, says in (
        (["--from", "2024-12"], "2024-12"),
        (["--to", "2990-01"], "2990-01"),
        (["--from", "2025-03", "--to", "2025-01"], "2025-01"),
    ):
        done = quick_command("generate", "kranz", *options)
        assert done.code == 2, done.err
        assert says in done.err
    assert quick_command("kpis", "kranz", "--from", "2025-03", "--to", "2025-01").code == 2
    jobs = quick_command("job", "list", "--json").document["jobs"]
    assert [(job["status"], job["dagster_run_id"]) for job in jobs] == [("pending", None)]
