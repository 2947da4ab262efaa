"""Processes of a real daemon are killed, alone and together: nothing is stuck, nothing is lost."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from itertools import combinations

import dagster as dg
import pytest

from tests.defs.patches.inbox_builders import put
from tests.defs.shared.run_builders import (
    BRAKE,
    RELEASE,
    assert_nothing_is_left,
    assert_told_once,
    is_applied,
    run_amid_its_job,
    runs_of_file,
    status,
    tick_alerts,
    writers,
)
from tests.fixtures.dagster_daemon import SECONDS, Daemon, StartDaemon, kill, process_of
from tests.fixtures.dagster_instance import DagsterHome
from tests.fixtures.embedded_server import wait_until
from tests.fixtures.receivers import WebHook

FAILURE, SUCCESS = dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.SUCCESS


def monitored(daemon: Daemon, run: dg.DagsterRun) -> int:
    """How often daemons have looked whether the process of a run is alive."""
    return daemon.log.read_text().count(f"Checking run {run.run_id}")


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "killed",
    [each for count in (1, 2, 3) for each in combinations(("run", "daemon", "code_server"), count)],
    ids="+".join,
)
def test_killed_processes_leave_nothing_stuck(
    killed: tuple[str, ...], dagster_home: DagsterHome, start_daemon: StartDaemon, alert_hook: WebHook
) -> None:
    """Amid the run of a plan, before another plan comes: both are applied once.

    A killed run fails once and its retry applies the plan; a run that was not killed goes on.
    """
    daemon, run = run_amid_its_job(dagster_home, start_daemon)
    process = process_of(dagster_home, run)
    processes = {"run": [process], "code_server": daemon.code_servers()}
    assert processes["code_server"]
    started_at = time.monotonic()
    if "daemon" in killed:
        daemon.kill()
    kill([one for name in killed for one in processes.get(name, [])])
    put(dagster_home.settings.inbox_folder / "acme", "summer.csv", "month,contacts_created\n2025-03,2\n")
    if "daemon" in killed:
        daemon = start_daemon()
    if "run" in killed:
        daemon.wait_for("the server noticed", lambda: writers(dagster_home) == 0)
        tick_alerts(dagster_home)
        daemon.wait_for("the run is failed", lambda: status(dagster_home, run) == FAILURE)
        sys.stderr.write(f"the run was failed {time.monotonic() - started_at:.1f} s after the kill\n")
    else:
        seen = monitored(daemon, run)
        daemon.wait_for("two polls", lambda: monitored(daemon, run) >= seen + 2)
        assert status(dagster_home, run) == dg.DagsterRunStatus.STARTED
        assert process.is_running()
    dagster_home.execute_as_owner(RELEASE)
    for name in ("spring.csv", "summer.csv"):
        daemon.wait_for(f"{name} is applied", lambda name=name: is_applied(dagster_home, name))
    assert daemon.is_running
    assert_nothing_is_left(dagster_home, daemon, "acme", patch_count=2)

    [first, *others] = runs_of_file(dagster_home)
    assert first.run_id == run.run_id
    assert [one.status for one in others] == [SUCCESS] * len(others)
    retries = [one for one in others if one.parent_run_id == run.run_id]
    attempts = dagster_home.query(
        "select a.status, a.error_code from demo.job_attempts a join demo.jobs j on j.id = a.job_id"
        " where j.kind = 'patch' and j.range_start_month = '2025-02' order by a.attempt"
    )
    told = assert_told_once(dagster_home, alert_hook)
    if "run" in killed:
        assert (status(dagster_home, run), len(retries), len(others)) == (FAILURE, 1, 2)
        assert attempts == [("failed", "interrupted"), ("completed", None)]
        assert told == {"failed_job": 1}
    else:
        assert (status(dagster_home, run), len(retries), len(others)) == (SUCCESS, 0, 1)
        assert attempts == [("completed", None)]
        assert not told


@pytest.mark.long
def test_a_run_outlives_its_daemon_and_a_busy_code_server(
    dagster_home: DagsterHome, start_daemon: StartDaemon, alert_hook: WebHook
) -> None:
    """The daemon alone is killed and the code server stopped: the run stays alive through many polls."""
    first, run = run_amid_its_job(dagster_home, start_daemon)
    servers = first.code_servers()
    assert servers
    first.kill()
    for server in servers:
        server.suspend()
    try:
        first.log.write_bytes(b"")
        daemon = start_daemon()
        checked = f"Checking run {run.run_id}"
        daemon.wait_for("five polls", lambda: daemon.log.read_text().count(checked) >= 5)
        assert status(dagster_home, run) == dg.DagsterRunStatus.STARTED
    finally:
        for server in servers:
            server.resume()
    dagster_home.execute_as_owner(RELEASE)
    daemon.wait_for("the run is done", lambda: status(dagster_home, run) == SUCCESS)
    assert_nothing_is_left(dagster_home, daemon, "acme", patch_count=1)
    assert not assert_told_once(dagster_home, alert_hook)


@pytest.mark.long
def test_a_killed_command_frees_its_tenant(
    dagster_home: DagsterHome, start_daemon: StartDaemon, alert_hook: WebHook
) -> None:
    """``generate`` is killed: the daemon fails its run and tells it once; the next one makes the months."""
    dagster_home.provision("acme")
    dagster_home.execute_as_owner(BRAKE)
    program = (
        "import sys; from demo_pipeline.cli.main import main; sys.argv[1:] = ['generate', 'acme']; main()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        env={**os.environ, **dagster_home.environment},
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: bool(writers(dagster_home)), SECONDS)
    finally:
        process.kill()
        process.wait()
    dagster_home.execute_as_owner(RELEASE)
    [run] = dagster_home.instance.get_runs()
    assert run.status == dg.DagsterRunStatus.STARTED
    daemon = start_daemon()
    daemon.wait_for("the run is failed", lambda: status(dagster_home, run) == FAILURE)
    tick_alerts(dagster_home)
    assert dagster_home.materialise("acme").success
    assert_nothing_is_left(dagster_home, daemon, "acme", patch_count=0)
    assert assert_told_once(dagster_home, alert_hook) == {"failed_job": 1}
