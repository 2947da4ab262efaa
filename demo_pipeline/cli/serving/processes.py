"""The Dagster UI and daemon as child processes, from their start to Ctrl-C.

Which runs there are and what they show belongs to the code location.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep
from types import FrameType
from typing import Final

from demo_pipeline.domain.core.errors import DatabaseError, DemoError, InputError, Problem
from demo_pipeline.services.platform.instance import keep_embedded_server, prepare_instance, require_storage
from demo_pipeline.settings import BUNDLED_FILES, Settings
from demo_pipeline.storage.connection.database import Database

HOST: Final = "127.0.0.1"
DEFAULT_PORT: Final = 3000
WORKSPACE: Final = ("-w", str(BUNDLED_FILES / "workspace.yaml"))
LOG_NAME: Final = "serve.log"
#: until the page answers; importing everything on a busy machine
_START_SECONDS: Final = 180.0
#: between looks at the embedded server
_LOOK_SECONDS: Final = 5.0
#: for runs to roll back and processes to end by themselves
_STOP_SECONDS: Final = 20.0


def serve_command(
    settings: Settings,
    database: Database,
    *,
    port: int | None = None,
    read_only: bool = False,
    on_ready: Callable[[str], None],
    on_stop: Callable[[], None],
) -> None:
    """Serve until SIGINT, SIGTERM or SIGHUP; ``on_ready`` gets the URL once the page answers.

    ``on_stop`` is called when the signal has come, some seconds before all processes have ended.

    ``port`` is 3000, or where that is taken a free one, unless given. What the processes say goes to
    ``$DEMO_HOME/log/serve.log``. An embedded server that was stopped or has crashed is started again. Raises
    ``InputError`` for a port that is taken, ``DemoError`` when a process ends by itself.
    """
    chosen = _port(port)
    environment = {**os.environ, **prepare_instance(settings, database)}
    require_storage(settings)
    log = settings.home / "log" / LOG_NAME
    log.parent.mkdir(parents=True, exist_ok=True)
    webserver = [
        sys.executable,
        "-m",
        "demo_pipeline.cli.serving.guarded_webserver",
        "-h",
        HOST,
        "-p",
        str(chosen),
    ]
    if read_only:
        webserver.append("--read-only")
    daemon = [str(Path(sys.executable).with_name("dagster-daemon")), "run"]
    url = f"http://{HOST}:{chosen}"
    # For the links in alerts, which the daemon sends.
    environment.setdefault("DEMO_PAGES_URL", url)
    with ExitStack() as stack:
        stopped = stack.enter_context(_signals())
        output = stack.enter_context(log.open("ab"))
        children = [
            stack.enter_context(_child([*command, *WORKSPACE], environment, output.fileno()))
            for command in (webserver, daemon)
        ]
        is_ready, deadline = False, monotonic() + _START_SECONDS
        next_look = monotonic() + _LOOK_SECONDS
        while not stopped:
            if ended := [child for child in children if child.poll() is not None]:
                raise DemoError(f"Dagster ended by itself (exit {ended[0].returncode}); {log} says why")
            if not is_ready and _answers(url):
                is_ready = True
                on_ready(url)
            elif not is_ready and monotonic() > deadline:
                raise DemoError(f"Dagster did not answer in {_START_SECONDS:.0f} s; {log} says why")
            if monotonic() > next_look:
                next_look = monotonic() + _LOOK_SECONDS
                with suppress(DatabaseError):
                    keep_embedded_server(settings)
            sleep(0.2)
        on_stop()


def _port(wanted: int | None) -> int:
    """The port given if it is free, 3000, or any free one."""
    for port in (DEFAULT_PORT, 0) if wanted is None else (wanted,):
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((HOST, port))
            return int(probe.getsockname()[1])
    message = f"port {wanted} is taken; name another, or none for any free one"
    raise InputError(message, [Problem(code="port_taken", field="port", value=str(wanted), message=message)])


def _answers(url: str) -> bool:
    with (
        suppress(urllib.error.URLError, OSError),
        urllib.request.urlopen(f"{url}/server_info", timeout=2),  # noqa: S310 - our own address
    ):
        return True
    return False


@contextmanager
def _signals() -> Generator[list[int]]:
    """A list that is empty until a signal to stop arrives."""
    received: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        received.append(number)

    numbers = [
        getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if getattr(signal, name, None)
    ]
    before = {number: signal.signal(number, note) for number in numbers}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _child(
    command: Sequence[str], environment: Mapping[str, str], output: int
) -> Generator[subprocess.Popen[bytes]]:
    """A process in its own group, ended with the block: first by SIGINT, then the whole group by SIGKILL."""
    process = subprocess.Popen(  # noqa: S603 - the arguments are ours
        command,
        env=environment,
        # The package is found from here, whatever folder the user is in.
        cwd=BUNDLED_FILES,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        # The whole group: a running job rolls back on SIGINT.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_SECONDS)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
