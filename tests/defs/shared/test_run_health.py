"""A run whose process was killed frees its tenant's queue; a run that is alive is left alone.

The quick tests ask the launcher; those marked ``long`` kill real processes of a real daemon.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import dagster as dg
import psutil
import pytest

from demo_pipeline.defs.asset_pages.show_job import show_job
from demo_pipeline.defs.shared.run_launcher import PROCESS_TAG, ProjectRunLauncher, is_alive, this_process
from demo_pipeline.settings import PROJECT_ROOT
from tests.defs.patches.inbox_builders import files, folder_of, put
from tests.fixtures.dagster_instance import DagsterHome

SECONDS: Final = 120
ALIVE: Final = "RUNNING"
DEAD: Final = "FAILED"


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


def health(home: DagsterHome, run: dg.DagsterRun) -> str:
    """What the launcher of the instance says of a run."""
    launcher = home.instance.run_launcher
    assert isinstance(launcher, ProjectRunLauncher)
    assert launcher.supports_check_run_worker_health
    return str(launcher.check_run_worker_health(run).status.value)


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


def test_a_number_that_another_process_has_now_is_no_sign_of_life() -> None:
    """Process numbers are used again: one that began long after the run is another process."""
    now = time.time()
    began_at = psutil.Process().create_time()
    assert is_alive(os.getpid(), now)
    assert is_alive(os.getpid(), began_at)
    assert not is_alive(os.getpid(), began_at - 3600)


def test_a_run_of_the_command_line_names_its_process(dagster_home: DagsterHome) -> None:
    """The daemon can tell whether ``generate`` was killed."""
    dagster_home.provision("acme")
    outcome = dagster_home.materialise("acme", last="2025-01")
    run = dagster_home.instance.get_run_by_id(outcome.run_id)
    assert run is not None
    assert run.tags[PROCESS_TAG] == this_process()


def test_the_instance_checks_often_enough(dagster_home: DagsterHome) -> None:
    """The settings that the launcher needs are in force: polls every few seconds, no waiting for hours."""
    instance = dagster_home.instance
    assert instance.run_monitoring_enabled
    assert instance.run_monitoring_poll_interval_seconds <= 10
    assert instance.run_monitoring_start_timeout_seconds <= 60


# -- with a real daemon ----------------------------------------------------------------------------------

#: half a second a row while the sequence stands at 1. A sequence belongs to no transaction and no snapshot:
#: a statement that began before sees at once that the brake was let go.
_BRAKE: Final = """
create sequence public.brake; grant select on public.brake to public;
create function public.slow() returns trigger language plpgsql security definer as $$
begin
    if (select last_value from crm.brake) = 1 then perform pg_sleep(0.5); end if;
    return new;
end $$;
create trigger slow before insert on crm.contacts for each row execute function public.slow();
"""
_IS_WRITING: Final = """
select 1 from pg_locks where relation = 'crm.contacts'::regclass and mode = 'RowExclusiveLock'
    and pid <> pg_backend_pid()
    and database = (select oid from pg_database where datname = current_database())
"""
_RELEASE: Final = "select setval('public.brake', 2)"
_PATCH: Final = "month,contacts_created\n2025-02,300\n"


class Daemon:
    """A daemon of the instance, with the code server and the runs that it starts."""

    def __init__(self, home: DagsterHome, log: Path) -> None:
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [str(Path(sys.executable).with_name("dagster-daemon")), "run", "-w", "workspace.yaml"],
                cwd=PROJECT_ROOT,
                env={**os.environ, **home.environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def descendants(self) -> list[psutil.Process]:
        """Code servers and runs."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def kill(self, others: list[psutil.Process]) -> None:
        """SIGKILL, and to the others too."""
        self.process.kill()
        for one in others:
            with suppress(psutil.NoSuchProcess):
                one.kill()
        self.process.wait()


@pytest.fixture
def start_daemon(dagster_home: DagsterHome, tmp_path: Path) -> Iterator[Callable[[], Daemon]]:
    """Start daemons that end with the test, with all that they started."""
    daemons: list[Daemon] = []
    descendants: list[psutil.Process] = []

    def start() -> Daemon:
        for daemon in daemons:
            if daemon.process.poll() is None:
                descendants.extend(daemon.descendants())
        daemons.append(Daemon(dagster_home, tmp_path / "daemon.log"))
        return daemons[-1]

    yield start
    for daemon in daemons:
        if daemon.process.poll() is None:
            descendants.extend(daemon.descendants())
        daemon.kill(descendants)


def wait_for(what: str, condition: Callable[[], bool], log: Path) -> None:
    """Until it is true."""
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"{what}; the daemon said:\n{log.read_text()[-4000:]}"
        time.sleep(0.2)


def in_the_middle(home: DagsterHome, start: Callable[[], Daemon], log: Path) -> tuple[Daemon, dg.DagsterRun]:
    """A daemon amid the run of a plan of the inbox that takes minutes."""
    home.provision("acme")
    assert home.materialise("acme").success
    home.execute_as_owner(_BRAKE)
    put(folder_of(home, "acme"), "spring.csv", _PATCH)
    daemon = start()

    wait_for("the run is writing", lambda: bool(home.query(_IS_WRITING)), log)
    [run] = home.instance.get_runs(dg.RunsFilter(job_name="apply_patch"))
    assert run.status == dg.DagsterRunStatus.STARTED
    return daemon, run


def status(home: DagsterHome, run: dg.DagsterRun) -> dg.DagsterRunStatus:
    """How far a run is."""
    found = home.instance.get_run_by_id(run.run_id)
    assert found is not None
    return found.status


@pytest.mark.long
def test_the_queue_is_free_after_everything_was_killed(
    dagster_home: DagsterHome, start_daemon: Callable[[], Daemon], tmp_path: Path
) -> None:
    """Daemon, code server and run are killed: the next daemon fails the run, and its plan is applied once."""
    log = tmp_path / "daemon.log"
    daemon, run = in_the_middle(dagster_home, start_daemon, log)
    daemon.kill(daemon.descendants())
    assert status(dagster_home, run) == dg.DagsterRunStatus.STARTED
    dagster_home.execute_as_owner(_RELEASE)
    started_at = time.monotonic()
    start_daemon()
    wait_for("the run is failed", lambda: status(dagster_home, run) == dg.DagsterRunStatus.FAILURE, log)
    sys.stderr.write(f"the run was failed {time.monotonic() - started_at:.1f} s after the restart\n")
    inbox = dagster_home.settings.inbox_folder / "acme"
    wait_for("the plan is applied", lambda: "done/spring.csv" in files(inbox), log)
    sys.stderr.write(f"its plan was applied {time.monotonic() - started_at:.1f} s after the restart\n")
    assert dagster_home.query(
        "select count(*) from demo.jobs where kind = 'patch' and status = 'completed'"
    ) == [(1,)]


@pytest.mark.long
def test_a_run_outlives_its_daemon_and_a_busy_code_server(
    dagster_home: DagsterHome, start_daemon: Callable[[], Daemon], tmp_path: Path
) -> None:
    """The daemon alone is killed and the code server stopped: the run stays alive through many polls."""
    log = tmp_path / "daemon.log"
    daemon, run = in_the_middle(dagster_home, start_daemon, log)
    descendants = daemon.descendants()
    servers = [one for one in descendants if "grpc" in " ".join(one.cmdline())]
    assert servers
    daemon.kill([])
    for server in servers:
        server.suspend()
    try:
        log.write_bytes(b"")
        start_daemon()
        checked = f"Checking run {run.run_id}"
        wait_for("five polls", lambda: log.read_text().count(checked) >= 5, log)
        assert status(dagster_home, run) == dg.DagsterRunStatus.STARTED
    finally:
        for server in servers:
            server.resume()
    dagster_home.execute_as_owner(_RELEASE)
    wait_for("the run is done", lambda: status(dagster_home, run) == dg.DagsterRunStatus.SUCCESS, log)
    for one in descendants:
        with suppress(psutil.NoSuchProcess):
            one.kill()


@pytest.mark.long
def test_a_killed_command_frees_its_tenant(
    dagster_home: DagsterHome, start_daemon: Callable[[], Daemon], tmp_path: Path
) -> None:
    """``generate`` is killed: the daemon fails its run, and a plan that waited for the tenant is applied."""
    log = tmp_path / "daemon.log"
    log.touch()
    dagster_home.provision("acme")
    dagster_home.execute_as_owner(_BRAKE)
    program = (
        "import sys; from demo_pipeline.cli.main import main; sys.argv[1:] = ['generate', 'acme']; main()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        env={**os.environ, **dagster_home.environment},
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(
            "the command is writing",
            lambda: bool(dagster_home.query(_IS_WRITING)),
            log,
        )
    finally:
        process.kill()
        process.wait()
    dagster_home.execute_as_owner(_RELEASE)
    [run] = dagster_home.instance.get_runs()
    assert run.status == dg.DagsterRunStatus.STARTED
    start_daemon()
    wait_for("the run is failed", lambda: status(dagster_home, run) == dg.DagsterRunStatus.FAILURE, log)
