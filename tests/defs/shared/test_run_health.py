"""What the launcher says of a run: one whose process was killed is dead, one that lives is left alone.

Processes of a real daemon are killed in ``test_killed_processes``.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import dagster as dg
import psutil
import pytest

from demo_pipeline.defs.asset_pages.show_job import show_job
from demo_pipeline.defs.shared import run_launcher
from demo_pipeline.defs.shared.run_launcher import PROCESS_TAG, ProjectRunLauncher, is_alive, this_process
from tests.fixtures.dagster_instance import DagsterHome

SECONDS: Final = 120
ALIVE: Final = "RUNNING"
DEAD: Final = "FAILED"
COMMAND_LINE: Final = {"demo/tenant": "acme", "demo/requested_by": "somebody (command line)"}


def started_run(home: DagsterHome, tags: Mapping[str, str], pid: int | None = None) -> dg.DagsterRun:
    """A run that the instance believes to be started; ``pid``: what its process said of itself."""
    from dagster._core.events import EngineEventData  # noqa: TID251 - what a process of Dagster reports

    config = {"ops": {"show": {"config": {"job_id": "-"}}}}
    run = home.instance.create_run_for_job(
        show_job, run_config=config, tags=dict(tags), status=dg.DagsterRunStatus.STARTED
    )
    if pid is not None:
        home.instance.report_engine_event("Started process for run.", run, EngineEventData.in_process(pid))
    return run


def health(home: DagsterHome, run: dg.DagsterRun, by: ProjectRunLauncher | None = None) -> str:
    """What a launcher says of a run; without ``by`` that of a daemon that starts now."""
    launcher = home.instance.run_launcher
    assert isinstance(launcher, ProjectRunLauncher)
    assert launcher.supports_check_run_worker_health
    return str((by or launcher_of_a_new_daemon(home)).check_run_worker_health(run).status.value)


def launcher_of_a_new_daemon(home: DagsterHome) -> ProjectRunLauncher:
    """A launcher that has not seen any run yet."""
    launcher = ProjectRunLauncher()
    launcher.register_instance(home.instance)
    return launcher


@contextmanager
def sleeper() -> Generator[subprocess.Popen[bytes]]:
    """A process that does nothing."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_a_killed_process_is_noticed_and_a_living_one_left_alone(
    dagster_home: DagsterHome, tmp_path: Path
) -> None:
    """Started by a code server or by the command line: alive, killed, killed and not waited for, unknown."""
    nobody = {".dagster/grpc_info": json.dumps({"host": "localhost", "socket": str(tmp_path / "gone")})}
    with sleeper() as process:
        launched = started_run(dagster_home, nobody, process.pid)
        own = started_run(dagster_home, {PROCESS_TAG: f"{socket.gethostname()}:{process.pid}"})
        assert health(dagster_home, launched) == ALIVE
        assert health(dagster_home, own) == ALIVE
        process.send_signal(signal.SIGSTOP)
        assert health(dagster_home, launched) == ALIVE, "a process that does not answer is alive"
        process.kill()
        deadline = time.monotonic() + SECONDS
        while psutil.Process(process.pid).status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert health(dagster_home, launched) == DEAD
        process.wait()
        assert health(dagster_home, launched) == DEAD
        assert health(dagster_home, own) == DEAD
        # What cannot be known counts as alive; the longest run time ends it.
        elsewhere = {".dagster/grpc_info": json.dumps({"host": "192.0.2.1", "port": 9})}
        unknown = [
            started_run(dagster_home, nobody),
            started_run(dagster_home, {PROCESS_TAG: f"another-host:{process.pid}"}),
            started_run(dagster_home, {PROCESS_TAG: "nonsense"}),
        ]
        assert [health(dagster_home, run) for run in unknown] == [ALIVE] * len(unknown)
        assert health(dagster_home, started_run(dagster_home, elsewhere, process.pid)) == ALIVE
    assert health(dagster_home, started_run(dagster_home, {PROCESS_TAG: this_process()})) == ALIVE


def test_a_run_is_failed_once_its_code_server_was_replaced(
    dagster_home: DagsterHome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both killed under a living daemon: without a code server Dagster could not retry the run."""
    daemon = launcher_of_a_new_daemon(dagster_home)
    nobody = {".dagster/grpc_info": json.dumps({"host": "localhost", "socket": str(tmp_path / "gone")})}
    with sleeper() as process:
        run = started_run(dagster_home, nobody, process.pid)
    assert [health(dagster_home, run, daemon) for _ in range(3)] == [ALIVE] * 3
    monkeypatch.setattr(run_launcher, "_REPLACED_SECONDS", 0.0)
    assert health(dagster_home, run, daemon) == DEAD


def test_a_number_that_another_process_has_now_is_no_sign_of_life() -> None:
    """Process numbers are used again: one that began long after the run is another process."""
    now = time.time()
    began_at = psutil.Process().create_time()
    assert is_alive(os.getpid(), now)
    assert is_alive(os.getpid(), began_at)
    assert not is_alive(os.getpid(), began_at - 3600)


def test_a_run_of_the_command_line_names_its_process_and_its_code_location(
    dagster_home: DagsterHome,
) -> None:
    """The daemon can tell whether ``generate`` was killed, and does not launch it then; pages show it."""
    instance = dagster_home.instance
    dagster_home.provision("acme")
    outcome = dagster_home.materialise("acme", last="2025-01")
    # What the page of a job asks for.
    [run] = instance.get_runs(dg.RunsFilter(tags={".dagster/repository": "__repository__@demo_pipeline"}))
    assert run.run_id == outcome.run_id
    assert run.tags[PROCESS_TAG] == this_process()
    killed = started_run(dagster_home, {PROCESS_TAG: this_process()})
    others = started_run(dagster_home, {})
    for one, will_retry in ((killed, "false"), (others, "true")):
        instance.report_run_failed(one)
        failed = instance.get_run_by_id(one.run_id)
        assert failed is not None
        assert failed.tags["dagster/will_retry"] == will_retry


def test_a_run_of_the_command_line_that_is_launched_again_has_another_process(
    dagster_home: DagsterHome,
) -> None:
    """*Re-execute* on its page copies its tags: the copy is judged by its own process, and retried."""
    first = started_run(dagster_home, {PROCESS_TAG: this_process(), **COMMAND_LINE})
    again = dagster_home.instance.create_run_for_job(
        show_job,
        run_config=first.run_config,
        tags=first.tags,
        root_run_id=first.run_id,
        parent_run_id=first.run_id,
        remote_job_origin=first.remote_job_origin,
    )
    assert again.tags["demo/tenant"] == "acme"
    assert not {PROCESS_TAG, "demo/requested_by", "dagster/max_retries"} & again.tags.keys()


def test_the_instance_checks_often_enough(dagster_home: DagsterHome) -> None:
    """The settings that the launcher needs are in force: polls every few seconds, no waiting for hours."""
    instance = dagster_home.instance
    assert instance.run_monitoring_enabled
    assert instance.run_monitoring_poll_interval_seconds <= 10
    assert instance.run_monitoring_start_timeout_seconds <= 60
