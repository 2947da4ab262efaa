"""Runs that are ended from outside: what is left in the database, and that the next run completes."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Generator
from contextlib import contextmanager

import dagster as dg
import pytest

from tests.fixtures.dagster_instance import DagsterHome
from tests.fixtures.forked_program import ForkedProcess, forker

#: the job of the run takes minutes, so that there is time to end it
_SLOW = """
create function public.slow() returns trigger language plpgsql as $$
begin perform pg_sleep(0.5); return new; end $$;
create trigger slow before insert on crm.contacts for each row execute function public.slow();
"""
_PROGRAM = """
import sys
from demo_pipeline.cli.kit.dagster_runs import run_materialisation
from demo_pipeline.domain.core.errors import DemoError
from demo_pipeline.services.platform.ready_database import ready_database
from demo_pipeline.settings import load_settings
settings = load_settings()
try:
    outcomes = run_materialisation(settings, ready_database(settings), ["acme"])
except DemoError as error:
    print(error.code)
    sys.exit(error.exit_code)
print(outcomes)
"""
SECONDS = 60


@contextmanager
def slow_run(home: DagsterHome) -> Generator[ForkedProcess]:
    """A process whose job is writing; ended with the block."""
    home.provision("acme")
    home.execute_as_owner(_SLOW)
    process = forker().start([], {**os.environ, **home.environment}, code=_PROGRAM)
    try:
        wait_for(
            home,
            "select 1 from pg_locks where relation = 'crm.contacts'::regclass"
            " and mode = 'RowExclusiveLock' and pid <> pg_backend_pid()"
            # Clones have the same numbers, and other tests run beside this one.
            " and database = (select oid from pg_database where datname = current_database())",
        )
        yield process
    finally:
        process.kill()
        process.wait()


def wait_for(home: DagsterHome, statement: str) -> None:
    """Until the statement gives a row."""
    deadline = time.monotonic() + SECONDS
    while not home.query(statement):
        assert time.monotonic() < deadline, f"never true: {statement}"
        time.sleep(0.1)


def completes(home: DagsterHome) -> list[tuple[object, ...]]:
    """Run again without the brake; every attempt's end."""
    home.execute_as_owner("drop trigger slow on crm.contacts; drop function public.slow()")
    outcome = home.materialise("acme")
    assert outcome.success, outcome.errors
    assert len(home.materialised("kpi_snapshot")) == 3
    return home.query("select status, error_code from demo.job_attempts order by attempt")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_is_rolled_back_and_says_so(
    dagster_home: DagsterHome, number: signal.Signals
) -> None:
    """Ctrl-C and *Terminate* reach the job: no row, its attempt failed as interrupted, exit 130 at once."""
    with slow_run(dagster_home) as process:
        process.send_signal(number)
        output, _ = process.communicate(timeout=SECONDS)
    assert (process.returncode, output.strip()) == (130, "interrupted")
    assert dagster_home.row_count("acme") == 0
    assert dagster_home.materialised("companies") == set()
    [run] = dagster_home.instance.get_runs()
    assert run.status in {dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED}
    assert completes(dagster_home) == [("failed", "interrupted"), ("completed", None)]


def test_a_killed_run_leaves_nothing_and_the_next_completes(dagster_home: DagsterHome) -> None:
    """SIGKILL: nobody could say anything, so the next run marks the attempt failed, and makes all rows."""
    with slow_run(dagster_home) as process:
        process.kill()
        process.wait()
    assert dagster_home.row_count("acme") == 0
    first, second = completes(dagster_home)
    assert first[0] == "failed"
    assert second == ("completed", None)
