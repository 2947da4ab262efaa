"""Ways out of the program that nobody plans: Ctrl-C, a reader that stops reading, a fault of ours."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import psycopg
import pytest

from tests.fixtures.cli import (
    PROGRAM,
    RunChanged,
    RunCommand,
    StartCommand,
    clean_environment,
    finish,
    run_program,
    table_counts,
)
from tests.fixtures.forked_program import ForkedProcess

#: Interrupts the process as soon as a module is looked for.
INTERRUPT_AT_IMPORT = """
import os, signal, sys

class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupt())
"""
#: Fails in a way that nobody foresaw.
BREAK = """
import demo_pipeline.services.tenants.queries as reading

def broken(*_, **__):
    raise RuntimeError("lost postgresql://ann:hunter22@db/crm")

reading.list_tenants = broken
"""
#: Whether somebody is writing rows, whoever it is.
WRITES = """
SELECT count(*) FROM pg_locks WHERE mode = 'RowExclusiveLock'
    -- Clones of one template have the same oids.
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND relation IN ('crm.companies'::regclass, 'crm.contacts'::regclass, 'crm.activities'::regclass)
"""
#: Big enough to be interrupted while it loads.
LARGE = """\
name: Kranz Logistik
country: DE
industry: saas
start_month: 2025-01
end_month: 2025-03
seed: "1337"
totals: {leads_created: 3000, contacts_created: 4800, companies_created: 900, deals_created: 1500,
  closed_won_count: 500, closed_won_value: 250000, pipeline_added_value: 610000, activities_created: 25000}
"""


@pytest.mark.parametrize("module", ["typer", "pydantic", "psycopg", "demo_pipeline.services.tenants.queries"])
def test_an_interrupt_while_starting(changed_command: RunChanged, module: str) -> None:
    """Ctrl-C before anything has begun: exit 130, one line, no traceback."""
    done = changed_command(INTERRUPT_AT_IMPORT.format(module=module), "tenant", "list", is_at_start=True)
    assert (done.code, done.out) == (130, "")
    assert len(done.err.splitlines()) == 1
    assert "interrupted" in done.err


def test_an_interrupt_that_somebody_else_handled(changed_command: RunChanged) -> None:
    """Libraries put their own handlers in place and fail in their own way: it still was Ctrl-C."""
    change = """
import os, signal
import demo_pipeline.services.tenants.queries as reading
from demo_pipeline.domain.core.errors import JobFailedError

def interrupted(*_, **__):
    signal.signal(signal.SIGINT, lambda *_: None)
    os.kill(os.getpid(), signal.SIGINT)
    raise JobFailedError("another command is already in progress")

reading.list_tenants = interrupted
"""
    done = changed_command(change, "tenant", "list", "--json")
    assert (done.code, done.error["code"]) == (130, "interrupted")


def test_an_interrupt_for_a_program(changed_command: RunChanged) -> None:
    """With --json it is a document like every other error."""
    change = INTERRUPT_AT_IMPORT.format(module="demo_pipeline.services.tenants.queries")
    done = changed_command(change, "tenant", "list", "--json", is_at_start=True)
    assert (done.code, done.error["code"]) == (130, "interrupted")


def test_an_interrupt_while_loading(
    command: RunCommand, start_command: StartCommand, tmp_path: Path, admin_conn: psycopg.Connection
) -> None:
    """Ctrl-C in the middle of a job: no row, the attempt failed as interrupted, the next run completes."""
    blueprint = tmp_path / "kranz.yaml"
    blueprint.write_text(LARGE, encoding="utf-8")
    assert command("tenant", "provision", blueprint).code == 0
    before = table_counts(admin_conn)
    process = start_command("generate", "kranz", "--json")
    _wait_until(admin_conn, process, WRITES)
    process.send_signal(signal.SIGINT)
    done = finish(process)
    assert done.code == 130, done.err
    assert done.error["code"] == "interrupted"
    assert done.error["message"] == (
        "interrupted; the running job was rolled back; the same command goes on from here"
    )
    [(job_id,)] = admin_conn.execute("SELECT id::text FROM demo.jobs").fetchall()
    assert done.error["details"]["job_id"] == job_id
    after = table_counts(admin_conn)
    assert {name: after[name] for name in after if name.startswith("crm.")} == {
        name: before[name] for name in before if name.startswith("crm.")
    }
    attempts = admin_conn.execute("SELECT status, error_code FROM demo.job_attempts").fetchall()
    assert attempts == [("failed", "interrupted")]
    again = command("generate", "kranz", "--json")
    assert again.code == 0, again.err
    assert again.document["jobs"][0]["created"]["activities"] == 25_000


def test_an_interrupt_before_the_job_has_begun(kranz: str, changed_command: RunChanged) -> None:
    """It says so: nothing was rolled back, as there was nothing yet; the ledger has no further job."""
    change = """
import os, signal, time
import demo_pipeline.services.jobs.runner as job_run

def interrupted(*_, **__):
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(5)

job_run.instant_of = interrupted
"""
    done = changed_command(change, "generate", kranz, "--json")
    assert (done.code, done.error["code"]) == (130, "interrupted")
    assert done.error["message"] == "interrupted before a job had begun; nothing was changed"


def test_an_interrupt_of_several_tenants(
    start_command: StartCommand, tmp_path: Path, admin_conn: psycopg.Connection
) -> None:
    """It says one way to go on: the same command takes the tenant that was interrupted and those after it."""
    for name in ("first", "second"):
        (tmp_path / f"{name}.yaml").write_text(LARGE, encoding="utf-8")
    process = start_command("run", tmp_path / "first.yaml", tmp_path / "second.yaml")
    _wait_until(admin_conn, process, WRITES)
    process.send_signal(signal.SIGINT)
    done = finish(process)
    assert done.code == 130, done.err
    said = " ".join(done.err.split())
    assert said.endswith("the running job was rolled back; the same command goes on from here")


def _wait_until(conn: psycopg.Connection, process: ForkedProcess, query: str) -> None:
    """Wait for a count that is not zero."""
    deadline = time.monotonic() + 90
    while conn.execute(query.encode()).fetchone() == (0,):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("arguments", "codes"),
    [(["tenant", "list", "--json"], {0}), (["kpis", "nobody", "--json"], {2}), (["kpis", "--help"], {0, 1})],
    ids=str,
)
def test_a_reader_may_stop_reading(
    dagster_database_env: dict[str, str], arguments: list[str], codes: set[int]
) -> None:
    """``| head`` closes the pipe: no complaint, and the exit code that it would have been."""
    process = subprocess.Popen(
        [str(PROGRAM), *arguments],
        env=clean_environment(dagster_database_env),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    said = process.stderr.read()
    assert process.wait(60) in codes
    process.stderr.close()
    assert "Errno" not in said
    assert "Traceback" not in said
    assert "Exception" not in said


@pytest.mark.risk("P2", partial=True)
@pytest.mark.parametrize("form", [["--json"], []], ids=str)
def test_an_answer_that_cannot_be_written(
    dagster_database_env: dict[str, str], kranz: str, tmp_path: Path, form: list[str]
) -> None:
    """A full disk behind stdout: one line on stderr, a code that is not "rolled back", and the job once."""
    plan = tmp_path / "plan.json"
    plan.write_text('{"seed": "full", "months": [{"month": "2025-02", "metrics": {"contacts_created": 2}}]}')

    def ask(*arguments: str) -> subprocess.CompletedProcess[str]:
        with Path("/dev/full").open("w", encoding="utf-8") as full:
            return subprocess.run(
                [str(PROGRAM), *arguments, *form],
                env=clean_environment(dagster_database_env),
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
                check=False,
            )

    done = ask("patch", "apply", kranz, str(plan))
    assert done.returncode == 74
    [said] = [line for line in done.stderr.splitlines() if "error" in line]
    assert "No space left on device" in said
    assert "job list" in said
    assert "Traceback" not in done.stderr
    again = run_program(
        "patch", "apply", kranz, plan, "--json", environment=clean_environment(dagster_database_env)
    )
    assert again.document["already_applied"] is True
    refused = ask("kpis", "nobody")
    assert refused.returncode == 2
    assert refused.stderr.startswith("error: there is no tenant 'nobody'")


def test_a_fault_of_ours_is_one_line_and_a_log(changed_command: RunChanged, tmp_path: Path) -> None:
    """What nobody foresaw: exit 1, the traceback in the log and not on the screen, no password in either."""
    shown = changed_command(BREAK, "tenant", "list", "--json")
    assert shown.code == 1
    assert shown.error["code"] == "internal"
    log = Path(shown.error["details"]["log"])
    assert log.is_relative_to(tmp_path)
    assert "in broken" in log.read_text(encoding="utf-8")
    assert log.stat().st_mode & 0o077 == 0
    for text in (shown.out, shown.err, log.read_text(encoding="utf-8")):
        assert "hunter22" not in text
    person = changed_command(BREAK, "tenant", "list")
    assert person.code == 1
    assert len(person.err.splitlines()) == 1
    assert str(log) in person.err
