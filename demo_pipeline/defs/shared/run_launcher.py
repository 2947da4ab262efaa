"""The launcher that ``dagster.yaml`` names: Dagster's default one, which also knows whether a run is alive.

Dagster's default launcher has no health check. A run whose process was killed together with its code server,
by a crash of the machine or the end of a container, then stays *started* until the longest run time is over,
and every run of its tenant waits for it in the queue.

A run is dead only if this is known: its process was on this host and is gone, and no code server runs it.
Where it cannot be known (a process of another host, a code server that does not answer) it counts as
alive, and the longest run time ends it. A run whose code server was killed with it is failed once the daemon
has another code server: without one Dagster gives up its retry.

The health check, its answer and the call to the code server are not public in Dagster, so they are imported
here and nowhere else; a test runs them.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import dagster as dg
from dagster._core.errors import DagsterUserCodeUnreachableError  # noqa: TID251 - see above
from dagster._core.launcher import CheckRunHealthResult, WorkerStatus  # noqa: TID251 - see above
from dagster._core.launcher.default_run_launcher import DefaultRunLauncher  # noqa: TID251 - see above
from dagster._grpc.client import DagsterGrpcClient
from dagster._grpc.types import CanCancelExecutionRequest, CanCancelExecutionResult
from dagster._serdes import deserialize_value

#: The process of a run that no code server started, ``host:pid``; the command line sets it.
PROCESS_TAG: Final = "demo/process"
_CODE_SERVER_TAG: Final = ".dagster/grpc_info"
_ANSWER_SECONDS: Final = 10
#: A daemon replaces a code server that was killed after a minute at most, and loads the definitions then.
_REPLACED_SECONDS: Final = 90.0
#: A process that began later than this after the run said its number is another one of the same number. The
#: clock may have been set meanwhile.
_CLOCK_SECONDS: Final = 60.0


class ProjectRunLauncher(DefaultRunLauncher):
    """Launches runs on code servers, and notices those whose process was killed."""

    def __init__(self, inst_data: Any = None) -> None:
        super().__init__(inst_data)
        #: run → its process and when it said so, as seconds since 1970
        self._processes: dict[str, tuple[int, float]] = {}
        #: run → when its process was found to be gone, as seconds since 1970
        self._gone_since: dict[str, float] = {}
        self._began_at = time.time()

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Mapping[str, Any]) -> ProjectRunLauncher:
        """No settings."""
        del config_value
        return cls(inst_data)

    @property
    def supports_check_run_worker_health(self) -> bool:
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Whether the process of a started run is alive."""
        if (found := self._process(run)) is None:
            return CheckRunHealthResult(WorkerStatus.RUNNING, "it is not known which process runs it")
        pid, said_at = found
        if is_alive(pid, said_at):
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        is_run_there = self._is_run_by_code_server(run)
        if is_run_there:
            return CheckRunHealthResult(WorkerStatus.RUNNING, "its code server runs it")
        # A code server from before this daemon has been replaced.
        is_replaced = is_run_there is False or said_at < self._began_at
        gone_since = self._gone_since.setdefault(run.run_id, time.time())
        if not is_replaced and time.time() < gone_since + _REPLACED_SECONDS:
            return CheckRunHealthResult(
                WorkerStatus.RUNNING, "its process is gone, and a code server to retry it is awaited"
            )
        self._processes.pop(run.run_id, None)
        self._gone_since.pop(run.run_id, None)
        return CheckRunHealthResult(
            WorkerStatus.FAILED, f"its process {pid} is gone, and so is whatever started it"
        )

    def _process(self, run: dg.DagsterRun) -> tuple[int, float] | None:
        """The run's process on this host, and a time at which it was alive."""
        if run.run_id not in self._processes:
            tag = run.tags.get(PROCESS_TAG)
            found = (
                _said_by_run(self._instance, run.run_id) if tag is None else _tagged(self._instance, run, tag)
            )
            if found is None:
                return None
            self._processes[run.run_id] = found
        return self._processes[run.run_id]

    def _is_run_by_code_server(self, run: dg.DagsterRun) -> bool | None:
        """Whether a code server says that it runs it; True if one on another host does not answer.

        None: its code server was on this host and does not answer.
        """
        address: dict[str, Any] = json.loads(run.tags.get(_CODE_SERVER_TAG, "{}"))
        if not address:
            return False
        try:
            client = DagsterGrpcClient(
                port=address.get("port"),
                socket=address.get("socket"),
                host=address.get("host", "localhost"),
                use_ssl=bool(address.get("use_ssl", False)),
            )
            answer = deserialize_value(
                client.can_cancel_execution(
                    CanCancelExecutionRequest(run_id=run.run_id), timeout=_ANSWER_SECONDS
                ),
                CanCancelExecutionResult,
            )
        except DagsterUserCodeUnreachableError:
            return None if _is_this_host(str(address.get("host", "localhost"))) else True
        return bool(answer.can_cancel)


def this_process() -> str:
    """The value of ``PROCESS_TAG`` for a run in this process."""
    return f"{socket.gethostname()}:{os.getpid()}"


def is_process_gone(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Whether the process that ``PROCESS_TAG`` names was on this host, and is gone."""
    tag = run.tags.get(PROCESS_TAG)
    found = None if tag is None else _tagged(instance, run, tag)
    return found is not None and not is_alive(*found)


def is_alive(pid: int, said_at: float) -> bool:
    """Whether the process that had this number at ``said_at`` (seconds since 1970) still runs."""
    if not Path("/proc/self/stat").exists():
        return _exists(pid)
    try:
        fields = (
            Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        )
    except OSError:
        # Gone, or hidden: /proc may be mounted so that it shows a user's own processes only.
        return _exists(pid)
    # A dead process that nobody has waited for yet keeps its number.
    if fields[0] in {"Z", "X"}:
        return False
    began_at = _booted_at() + int(fields[19]) / os.sysconf("SC_CLK_TCK")
    return began_at <= said_at + _CLOCK_SECONDS


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _booted_at() -> float:
    for line in Path("/proc/stat").read_text(encoding="utf-8").splitlines():
        if line.startswith("btime "):
            return float(line.split()[1])
    return 0.0


def _said_by_run(instance: dg.DagsterInstance, run_id: str) -> tuple[int, float] | None:
    """What the run's own process said when it began."""
    found = None
    for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT):
        data: Any = entry.get_dagster_event().event_specific_data
        if data is not None and "pid" in data.metadata:
            found = int(data.metadata["pid"].value), entry.timestamp
    return found


def _tagged(instance: dg.DagsterInstance, run: dg.DagsterRun, tag: str) -> tuple[int, float] | None:
    host, _, pid = tag.rpartition(":")
    record = instance.get_run_record_by_id(run.run_id)
    if host != socket.gethostname() or record is None or not pid.isdecimal():
        return None
    return int(pid), record.create_timestamp.timestamp()


def _is_this_host(name: str) -> bool:
    return name in {"localhost", "127.0.0.1", "::1", socket.gethostname()}
