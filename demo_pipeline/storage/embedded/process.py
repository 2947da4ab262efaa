"""The server process: as whom it runs, and how it is found, started and ended.

PostgreSQL refuses to run as root. Started by root it runs as an unprivileged account through
``subprocess``'s ``user=``; permissions of folders that were there before are never changed. Belongs here:
choosing the account and copying binaries that it cannot reach; reading ``postmaster.pid``, distinguishing our
server from another process with the same number, what a killed server left behind, the command line with its
settings. Does not belong here: what is in the databases and who may start (``server`` holds the lock around
all of this).
"""

from __future__ import annotations

import errno
import hashlib
import os
import pwd
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypedDict

from demo_pipeline.domain.core.errors import DatabaseError
from demo_pipeline.storage.embedded.binaries import ServerBinaries
from demo_pipeline.storage.embedded.home import ServerHome

LOOPBACK = "127.0.0.1"
POLL_SECONDS = 0.03
#: crash recovery of a big database takes its time; a server that is alive is waited for this long
START_SECONDS = 300
START_ATTEMPTS = 5
FAST_STOP_SECONDS = 60
IMMEDIATE_STOP_SECONDS = 15
ORPHAN_SECONDS = 5

#: Durability (fsync, synchronous_commit, full_page_writes) is left as PostgreSQL ships it: on.
SETTINGS = {
    "listen_addresses": LOOPBACK,
    # TCP alone: a socket's path would have to be short, and every client can do TCP.
    "unix_socket_directories": "",
    "password_encryption": "scram-sha-256",
    # Twenty jobs at once, each with its progress, and Dagster with its pools.
    "max_connections": "200",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
    "log_checkpoints": "off",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    "logging_collector": "off",
    "log_destination": "stderr",
    "ssl": "off",
}
#: for data and binaries of servers that root started and whose account cannot reach ``$DEMO_HOME``
SHARED_BASE = Path("/var/lib/demo-pipeline")
PREFERRED_ACCOUNTS = ("postgres", "nobody", "daemon")
PROBE_SECONDS = 20


# -- the account ----------------------------------------------------------------------------------------


class SpawnOptions(TypedDict, total=False):
    """Keyword arguments for ``subprocess``."""

    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True, kw_only=True)
class Account:
    """The account of the server process."""

    name: str
    #: None: the caller's own account, nothing to switch
    uid: int | None = None
    gid: int | None = None

    def spawn_options(self) -> SpawnOptions:
        """Keyword arguments for ``subprocess`` that switch to the account."""
        if self.uid is None or self.gid is None:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def own(self, path: Path) -> None:
        """Give a path that we just made to the account."""
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid)

    def run(
        self, *arguments: str | Path, stdin: str = "", seconds: float = 300
    ) -> subprocess.CompletedProcess[str]:
        """Run a program to its end as the account. Raises ``OSError``, ``TimeoutExpired``."""
        return subprocess.run(  # noqa: S603  no shell, paths of our own
            [*arguments],
            input=stdin,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
            cwd="/",
            env=server_environment(),
            **self.spawn_options(),
        )

    def can_write(self, folder: Path) -> bool:
        """Whether the account can get to ``folder`` and write there."""
        try:
            probe = self.run("/bin/sh", "-c", 'cd -- "$1" && test -w .', "sh", folder, seconds=PROBE_SECONDS)
        except (OSError, subprocess.SubprocessError):
            return False
        return probe.returncode == 0

    def can_run(self, binaries: ServerBinaries) -> bool:
        """Whether the account can get to the server's programs and run them."""
        try:
            return all(
                self.run(program, "-V", seconds=PROBE_SECONDS).returncode == 0
                for program in (binaries.postgres, binaries.initdb)
            )
        except (OSError, subprocess.SubprocessError):
            return False


def server_environment() -> dict[str, str]:
    """What the server's programs see of the environment: nothing of the caller's language, time or PG*."""
    kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH") if name in os.environ}
    return {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC", **kept}


def choose_account(data: Path) -> Account:
    """The owner of existing data; else the caller; for root an unprivileged account.

    Raises ``DatabaseError`` where root finds none, or where the data belong to somebody else.
    """
    try:
        owner_uid = data.stat().st_uid
    except (FileNotFoundError, NotADirectoryError):
        owner_uid = None
    caller_uid = os.geteuid()
    if caller_uid != 0:
        if owner_uid is not None and owner_uid != caller_uid:
            raise DatabaseError(
                f"{data} belongs to another user (uid {owner_uid}): run as that user, "
                "or set DEMO_HOME to a folder of your own"
            )
        return Account(name=str(caller_uid))
    if owner_uid:
        try:
            return _account(pwd.getpwuid(owner_uid))
        except KeyError:
            return Account(name=str(owner_uid), uid=owner_uid, gid=data.stat().st_gid)
    for name in PREFERRED_ACCOUNTS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid != 0:
            return _account(entry)
    raise DatabaseError(
        "PostgreSQL does not run as root and there is no account 'postgres' or 'nobody' to run it as: "
        "create one, run as an ordinary user, or set DEMO_DATABASE_URL"
    )


def _account(entry: pwd.struct_passwd) -> Account:
    return Account(name=entry.pw_name, uid=entry.pw_uid, gid=entry.pw_gid)


def private_base(home: Path) -> Path:
    """The folder below ``SHARED_BASE`` for the server of ``home``, made if missing."""
    digest = hashlib.sha256(os.fsencode(home.resolve())).hexdigest()[:16]
    base = SHARED_BASE / digest
    for folder in (SHARED_BASE, base):
        if not folder.is_dir():
            folder.mkdir(parents=True)
            folder.chmod(0o755)
    return base


def reachable_binaries(binaries: ServerBinaries, account: Account, home: Path) -> ServerBinaries:
    """``binaries``, or a copy of them that ``account`` can run.

    Raises ``DatabaseError`` where neither can be run.
    """
    if account.can_run(binaries):
        return binaries
    if account.uid is not None and binaries.is_relocatable:
        copied = _copy_installation(binaries, private_base(home))
        if account.can_run(copied):
            return copied
    raise DatabaseError(
        f"user {account.name}, as whom the embedded server runs, cannot run {binaries.postgres}: "
        "install the system's PostgreSQL, run as an ordinary user, or set DEMO_DATABASE_URL"
    )


def _copy_installation(binaries: ServerBinaries, base: Path) -> ServerBinaries:
    bin_dir = binaries.bin_dir.resolve()
    wheel = bin_dir.parent.parent
    # Another build of the same version is another copy.
    changed = (bin_dir / "postgres").stat()
    stamp = hashlib.sha256(f"{wheel}|{changed.st_size}|{changed.st_mtime_ns}".encode()).hexdigest()[:8]
    target = base / f"server-{binaries.version}-{stamp}"
    if not target.is_dir():
        making = base / f"{target.name}.making-{secrets.token_hex(4)}"
        try:
            for folder in ("bin", "lib", "share"):
                shutil.copytree(
                    bin_dir.parent / folder,
                    making / binaries.source / "pginstall" / folder,
                    symlinks=True,
                    ignore=shutil.ignore_patterns("*.a", "pgxs", "pkgconfig", "doc"),
                )
            # Libraries that the programs look for beside the package, at this very distance.
            libraries = wheel.parent / f"{binaries.source}.libs"
            if libraries.is_dir():
                shutil.copytree(libraries, making / libraries.name, symlinks=True)
            for path in (making, *making.rglob("*")):
                if not path.is_symlink():
                    path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
            making.rename(target)
        except BaseException:
            shutil.rmtree(making, ignore_errors=True)
            raise
    return replace(binaries, bin_dir=target / binaries.source / "pginstall" / "bin")


# -- the process ----------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class ServerProcess:
    """A running postmaster of one data folder."""

    pid: int
    port: int
    #: as the server wrote it: ``starting``, ``ready``, ``stopping``
    phase: str

    @property
    def is_ready(self) -> bool:
        """Whether it takes connections."""
        return self.phase == "ready" and self.port > 0


def cluster_name(data: Path) -> str:
    """The name in the titles of all processes of the server of ``data``."""
    return "demo-" + hashlib.sha256(os.fsencode(data)).hexdigest()[:12]


def _command_of(pid: int) -> str:
    """Command line of a process, its arguments apart by NUL; empty for none and for a zombie."""
    if sys.platform == "linux":
        try:
            return os.fsdecode(Path(f"/proc/{pid}/cmdline").read_bytes())
        except OSError:
            return ""
    listed = subprocess.run(  # noqa: S603  constant program, a number
        ["/bin/ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, check=False
    )
    return os.fsdecode(listed.stdout).strip()


def _pids() -> Iterator[int]:
    if sys.platform == "linux":
        listed = (name for name in os.listdir("/proc") if name.isdigit())  # noqa: PTH208  names are all we need
    else:
        done = subprocess.run(["/bin/ps", "-axo", "pid="], capture_output=True, text=True, check=False)
        listed = iter(done.stdout.split())
    yield from map(int, listed)


def _is_postmaster(pid: int, data: Path) -> bool:
    # Just started, it may still be the shell that is about to become the server.
    program, found, _ = _command_of(pid).partition(f"-ccluster_name={cluster_name(data)}")
    return bool(found) and "postgres" in program


def running_server(data: Path) -> ServerProcess | None:
    """The server that ``postmaster.pid`` names, if that process is alive and is a server of ``data``."""
    try:
        lines = (data / "postmaster.pid").read_text(encoding="utf-8", errors="replace").splitlines()
        pid = int(lines[0])
    except (FileNotFoundError, NotADirectoryError, ValueError, IndexError):
        return None
    except PermissionError:
        raise DatabaseError(
            f"{data} belongs to another user: run as that user, or set DEMO_HOME to a folder of your own"
        ) from None
    if pid <= 0 or not _is_postmaster(pid, data):
        return None
    phase = lines[7].strip() if len(lines) > 7 else "starting"
    port = int(lines[3]) if len(lines) > 3 and lines[3].isdigit() else 0
    return ServerProcess(pid=pid, port=port, phase=phase)


def _orphans(data: Path) -> list[int]:
    """Processes of a server of ``data``: its postmaster, and children that outlived a killed one."""
    title = f"postgres: {cluster_name(data)}:"
    return [pid for pid in _pids() if _command_of(pid).startswith(title) or _is_postmaster(pid, data)]


def clear_remains(data: Path) -> None:
    """Make a data folder startable that a killed server left: end its orphans, remove a stale pid file.

    Called under the start lock and only when no server of ``data`` runs. PostgreSQL itself gives up where
    the number in the file belongs to another living process.
    """
    for wait, end_signal in ((ORPHAN_SECONDS, signal.SIGQUIT), (ORPHAN_SECONDS, signal.SIGKILL), (1, None)):
        deadline = time.monotonic() + wait
        while (left := _orphans(data)) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        if not left:
            break
        for pid in left:
            if end_signal is not None:
                _signal(pid, end_signal)
    else:
        raise DatabaseError(
            f"processes of a server that was killed still use {data} and do not end: restart the machine"
        )
    (data / "postmaster.pid").unlink(missing_ok=True)


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
    except PermissionError:
        raise DatabaseError(
            f"the embedded server (pid {pid}) belongs to another user: run the command as that user"
        ) from None


def start_server(
    place: ServerHome, binaries: ServerBinaries, account: Account, *, preferred_port: int | None
) -> ServerProcess:
    """Start the server of ``place`` and wait until it takes connections.

    It gets a session of its own and outlives this process. Raises ``DatabaseError`` with the server's
    reason.
    """
    port = preferred_port
    for attempt in range(1, START_ATTEMPTS + 1):
        clear_remains(place.data)
        port = port if port is not None and _is_free(port) else _free_port()
        place.trim_log()
        log_start = place.log_file.stat().st_size if place.log_file.exists() else 0
        pid = _spawn(place, binaries, account, port)
        process = _wait_until_ready(place.data, pid)
        if process is not None:
            return process
        said = _log_since(place.log_file, log_start)
        if attempt == START_ATTEMPTS or not _may_pass(said):
            raise start_failure(place, said)
        port = None
        time.sleep(0.2 * attempt)
    raise AssertionError


def _spawn(place: ServerHome, binaries: ServerBinaries, account: Account, port: int) -> int:
    """Start a postmaster that is nobody's child; its pid."""
    settings = {**SETTINGS, "port": str(port), "cluster_name": cluster_name(place.data)}
    arguments = [f"-c{name}={value}" for name, value in settings.items()]
    log = os.open(place.log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        # The shell goes at once, so the server is adopted by init and never our zombie.
        # The server runs with umask 077 whatever the caller's is.
        started = subprocess.run(  # noqa: S603  constant script, arguments passed as arguments
            [
                "/bin/sh",
                "-c",
                'umask 077; "$@" >&2 & echo $!',
                "sh",
                binaries.postgres,
                "-D",
                place.data,
                *arguments,
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            timeout=60,
            check=True,
            cwd="/",
            env=server_environment(),
            start_new_session=True,
            **account.spawn_options(),
        )
    finally:
        os.close(log)
    return int(started.stdout)


def _wait_until_ready(data: Path, pid: int) -> ServerProcess | None:
    """The ready server; None if it ended."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        process = running_server(data)
        if process is not None and process.is_ready:
            return process
        if not _is_postmaster(pid, data):
            return None
        time.sleep(POLL_SECONDS)
    raise DatabaseError(
        f"the embedded server (pid {pid}) has not come up in {START_SECONDS} s: "
        "it may still be recovering after a crash; try again later"
    )


def wait_for_change(data: Path) -> ServerProcess | None:
    """Wait while a server of ``data`` is starting or stopping; the ready server, or None when it has ended.

    One that waits for its clients before it stops is stopped now.
    """
    process = running_server(data)
    if process is None:
        return None
    if process.phase == "stopping":
        stop_server(data, process.pid)
        return None
    return _wait_until_ready(data, process.pid)


def stop_server(data: Path, pid: int) -> None:
    """Fast stop (open transactions are rolled back), then an immediate one, which loses nothing committed.

    Raises ``DatabaseError`` where even that does not end it.
    """
    for number, seconds in ((signal.SIGINT, FAST_STOP_SECONDS), (signal.SIGQUIT, IMMEDIATE_STOP_SECONDS)):
        if not _is_postmaster(pid, data):
            return
        _signal(pid, number)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if not _is_postmaster(pid, data):
                return
            time.sleep(POLL_SECONDS)
    raise DatabaseError(f"the embedded server (pid {pid}) does not stop: end that process, then try again")


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As PostgreSQL binds: a port whose last connections still linger counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise
    return True


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def _log_since(log: Path, start: int) -> str:
    try:
        with log.open("rb") as file:
            file.seek(start)
            return file.read(100_000).decode(errors="replace")
    except OSError:
        return ""


def _may_pass(said: str) -> bool:
    """Whether another try or another port may cure what the server said."""
    return any(
        part in said
        for part in (
            "could not bind",
            "could not create any TCP/IP sockets",
            "postmaster.pid",
            "pre-existing shared memory block",
            "is still in use",
            "the database system is shutting down",
        )
    )


REMEDIES = {
    "No space left on device": "free some space there",
    "Disk quota exceeded": "free some space there",
    "Read-only file system": "set DEMO_HOME to a folder that can be written",
    "Permission denied": "give the user that runs it access, or set DEMO_HOME to a folder of your own",
    "invalid permissions": "run chmod 700 on it",
    "Cannot allocate memory": "free some memory",
    "could not create shared memory": "free some memory",
    "could not map anonymous shared memory": "free some memory",
    "could not create semaphores": "raise the system's limit of semaphores (kernel.sem)",
}


def reason_in(said: str) -> str:
    """The last complaint in what a server program printed, one line, without time and pid."""
    complaints = [
        line for line in said.splitlines() if re.search(r"\b(FATAL|PANIC|ERROR|error|fatal)\b:", line)
    ]
    lines = complaints or [line for line in said.splitlines() if line.strip()]
    return (
        re.sub(r"^.*?\b(?:FATAL|PANIC|ERROR|error|fatal):\s*", "", lines[-1]).strip()
        if lines
        else "no reason given"
    )


def remedy_for(reason: str, otherwise: str) -> str:
    """What a person can do about ``reason``."""
    return next((remedy for part, remedy in REMEDIES.items() if part in reason), otherwise)


def start_failure(place: ServerHome, said: str) -> DatabaseError:
    """The error for a server of ``place`` that does not start."""
    reason = reason_in(said)
    return DatabaseError(
        f"the embedded PostgreSQL in {place.data} does not start: {reason}: "
        f"{remedy_for(said, f'see {place.log_file}')}",
        {"log": str(place.log_file)},
    )
