"""Processes of a real daemon are killed, alone and together: nothing is stuck, nothing is lost."""

from __future__ import annotations

import os
import subprocess
import sys
import time

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
from tests.fixtures.dagster_daemon import SECONDS, StartDaemon, kill, process_of
from tests.fixtures.dagster_instance import DagsterHome
from tests.fixtures.embedded_server import wait_until
from tests.fixtures.receivers import WebHook

FAILURE, SUCCESS = dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.SUCCESS


@pytest.mark.long
def test_a_killed_run_is_retried_once_and_its_tenant_goes_on(
    dagster_home: DagsterHome, start_daemon: StartDaemon, alert_hook: WebHook
) -> None:
    """The run alone is killed: it fails once, one retry applies its plan, and the next plan follows."""
    daemon, run = run_amid_its_job(dagster_home, start_daemon)
    put(dagster_home.settings.inbox_folder / "acme", "summer.csv", "month,contacts_created\n2025-03,2\n")
    daemon.wait_for("the next plan is queued", lambda: len(runs_of_file(dagster_home)) == 2)
    process_of(dagster_home, run).kill()
    daemon.wait_for("the server noticed", lambda: writers(dagster_home) == 0)
    tick_alerts(dagster_home)
    dagster_home.execute_as_owner(RELEASE)
    for name in ("spring.csv", "summer.csv"):
        daemon.wait_for(f"{name} is applied", lambda name=name: is_applied(dagster_home, name))
    assert_nothing_is_left(dagster_home, daemon, "acme", patch_count=2)
    runs = runs_of_file(dagster_home)
    assert sorted(one.status.value for one in runs) == ["FAILURE", "SUCCESS", "SUCCESS"]
    [retry] = [one for one in runs if one.parent_run_id == run.run_id]
    assert (status(dagster_home, run), status(dagster_home, retry)) == (FAILURE, SUCCESS)
    assert dagster_home.query(
        "select a.status, a.error_code from demo.job_attempts a join demo.jobs j on j.id = a.job_id"
        " where j.kind = 'patch' and j.range_start_month = '2025-02' order by a.attempt"
    ) == [("failed", "interrupted"), ("completed", None)]
    assert assert_told_once(dagster_home, alert_hook) == {"failed_job": 1}


@pytest.mark.long
def test_a_run_killed_with_its_code_server_is_retried_by_the_next(
    dagster_home: DagsterHome, start_daemon: StartDaemon, alert_hook: WebHook
) -> None:
    """Under a living daemon: the run is failed once it can be retried, and the retry ends well."""
    daemon, run = run_amid_its_job(dagster_home, start_daemon)
    process = process_of(dagster_home, run)
    kill([*daemon.code_servers(), process])
    dagster_home.execute_as_owner(RELEASE)
    daemon.wait_for("the plan is applied", lambda: is_applied(dagster_home, "spring.csv"))
    assert_nothing_is_left(dagster_home, daemon, "acme", patch_count=1)
    first, retry = runs_of_file(dagster_home)
    assert (first.status, retry.status, retry.parent_run_id) == (FAILURE, SUCCESS, run.run_id)
    assert_told_once(dagster_home, alert_hook)


@pytest.mark.long
def test_a_code_server_is_replaced_and_its_run_goes_on(
    dagster_home: DagsterHome, start_daemon: StartDaemon, alert_hook: WebHook
) -> None:
    """The code server alone is killed, amid a run and without one: the run and the next plan end well."""
    daemon, run = run_amid_its_job(dagster_home, start_daemon)
    process = process_of(dagster_home, run)
    kill(daemon.code_servers())
    assert process.is_running()
    dagster_home.execute_as_owner(RELEASE)
    daemon.wait_for("the run is done", lambda: status(dagster_home, run) == SUCCESS)
    daemon.wait_for("there is a code server again", lambda: bool(daemon.code_servers()))
    kill(daemon.code_servers())
    put(dagster_home.settings.inbox_folder / "acme", "summer.csv", "month,contacts_created\n2025-03,2\n")
    daemon.wait_for("summer.csv is applied", lambda: is_applied(dagster_home, "summer.csv"))
    assert daemon.is_running
    assert_nothing_is_left(dagster_home, daemon, "acme", patch_count=2)
    assert [one.status for one in runs_of_file(dagster_home)] == [SUCCESS, SUCCESS]
    assert not assert_told_once(dagster_home, alert_hook)


@pytest.mark.long
def test_the_queue_is_free_after_everything_was_killed(
    dagster_home: DagsterHome, start_daemon: StartDaemon, alert_hook: WebHook
) -> None:
    """Daemon, code server and run are killed: the next daemon fails the run, and its plan is applied once."""
    daemon, run = run_amid_its_job(dagster_home, start_daemon)
    daemon.kill()
    kill(daemon.descendants())
    assert status(dagster_home, run) == dg.DagsterRunStatus.STARTED
    dagster_home.execute_as_owner(RELEASE)
    started_at = time.monotonic()
    daemon = start_daemon()
    daemon.wait_for("the run is failed", lambda: status(dagster_home, run) == FAILURE)
    sys.stderr.write(f"the run was failed {time.monotonic() - started_at:.1f} s after the restart\n")
    daemon.wait_for("the plan is applied", lambda: is_applied(dagster_home, "spring.csv"))
    sys.stderr.write(f"its plan was applied {time.monotonic() - started_at:.1f} s after the restart\n")
    assert_nothing_is_left(dagster_home, daemon, "acme", patch_count=1)
    assert_told_once(dagster_home, alert_hook)


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
