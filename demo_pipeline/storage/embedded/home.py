"""What the embedded server keeps on disk, and where.

Belongs here: the names of its files in ``$DEMO_HOME``, the passwords, the bounded log, the lock. Files that
this process writes lie beside the data folder, never in it: the data folder may belong to another account.

================== ==================================================================
``postgres/``      the data folder, 0700, owned by the account that the server runs as
``postgres.json``  passwords and the last port, 0600
``postgres.lock``  held while somebody starts or stops the server
``postgres.log``   what the server says, 0600, at most a few MB
``postgres.path``  only where data had to go elsewhere: that folder
================== ==================================================================
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, cast

from demo_pipeline.domain.core.errors import DatabaseError

SUPERUSER = "postgres"
ADMIN_LOGIN = "crm_admin"
LOADER_LOGIN = "demo_job"
DAGSTER_LOGIN = "dagster"
LOGINS = (SUPERUSER, ADMIN_LOGIN, LOADER_LOGIN, DAGSTER_LOGIN)
LOG_LIMIT_BYTES = 8_000_000
LOG_KEPT_BYTES = 1_000_000
_POLL_SECONDS = 0.02


@dataclass(frozen=True, kw_only=True)
class ServerHome:
    """The files of one embedded server."""

    #: ``$DEMO_HOME``, absolute
    home: Path
    #: folder that holds the data folder: ``home``, or a place that the server's account can reach
    base: Path

    @classmethod
    def of(cls, home: Path) -> Self:
        """Where the server of ``home`` is, or would be."""
        home = home.expanduser().absolute()
        pointer = home / "postgres.path"
        try:
            return cls(home=home, base=Path(pointer.read_text(encoding="utf-8").strip()))
        except (FileNotFoundError, NotADirectoryError):
            return cls(home=home, base=home)

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.base / "postgres"

    @property
    def state_file(self) -> Path:
        """Passwords and port."""
        return self.home / "postgres.json"

    @property
    def lock_file(self) -> Path:
        """Held by who starts or stops."""
        return self.home / "postgres.lock"

    @property
    def log_file(self) -> Path:
        """What the server says."""
        return self.home / "postgres.log"

    @property
    def pointer_file(self) -> Path:
        """Where ``base`` is, if not here."""
        return self.home / "postgres.path"

    def data_major(self) -> int | None:
        """Major version that made the data; None where there is no complete data folder."""
        try:
            version = (self.data / "PG_VERSION").read_text(encoding="ascii").strip()
            is_complete = (self.data / "global" / "pg_control").stat().st_size > 0
        except (FileNotFoundError, NotADirectoryError):
            return None
        return int(version) if is_complete and version.isdigit() else None

    def holds_databases(self) -> bool:
        """Whether the data folder has a database that somebody created (their numbers start at 16384)."""
        try:
            return any(
                entry.name.isdigit() and int(entry.name) >= 16384 for entry in (self.data / "base").iterdir()
            )
        except (FileNotFoundError, NotADirectoryError):
            return False

    def trim_log(self) -> None:
        """Keep the last part of a log that grew too long; the server goes on appending to the same file."""
        try:
            if self.log_file.stat().st_size <= LOG_LIMIT_BYTES:
                return
            with self.log_file.open("r+b") as log:
                log.seek(-LOG_KEPT_BYTES, os.SEEK_END)
                kept = log.read()
                log.seek(0)
                log.truncate()
                log.write(kept[kept.find(b"\n") + 1 :])
        except OSError:
            return


@dataclass(frozen=True, kw_only=True)
class ServerState:
    """What must outlive the process that started the server."""

    passwords: dict[str, str] = field(repr=False)
    #: last port, tried first at the next start so that printed URLs stay good
    port: int | None = None
    #: whether roles and databases are all there
    is_bootstrapped: bool = False

    @classmethod
    def new(cls) -> Self:
        """A state with passwords nobody has seen."""
        return cls(passwords={login: secrets.token_hex(24) for login in LOGINS})


def read_state(place: ServerHome) -> ServerState | None:
    """The stored state; None where there is none. Raises ``DatabaseError`` for one that cannot be read."""
    path = place.state_file
    try:
        raw = cast("dict[str, Any]", json.loads(path.read_text(encoding="utf-8")))
        passwords = {login: str(raw["passwords"][login]) for login in LOGINS}
        return ServerState(
            passwords=passwords, port=raw.get("port"), is_bootstrapped=bool(raw.get("is_bootstrapped"))
        )
    except (FileNotFoundError, NotADirectoryError):
        return None
    except PermissionError:
        raise DatabaseError(
            f"{path} belongs to another user: run as that user, or set DEMO_HOME to a folder of your own"
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise DatabaseError(
            f"{path} is damaged: delete it, and the embedded server makes new passwords for its data"
        ) from None


def write_state(place: ServerHome, state: ServerState) -> None:
    """Store ``state`` whole or not at all, readable by its owner only."""
    body = {"passwords": state.passwords, "port": state.port, "is_bootstrapped": state.is_bootstrapped}
    new = place.state_file.with_name(f"postgres.json.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(body, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        keep_owner(place.state_file, new)
        new.replace(place.state_file)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    sync_folder(place.home)


@contextmanager
def file_lock(path: Path, *, wait_seconds: float) -> Generator[None]:
    """Hold ``path`` alone, against other processes and other threads.

    The kernel frees it when the holder ends, however it ends; children do not inherit it.
    Raises ``DatabaseError`` after ``wait_seconds``.
    """
    # Slow to import, and only needed where a server starts or a schema is made.
    from filelock import FileLock, Timeout

    lock = FileLock(path, timeout=wait_seconds, mode=0o600, poll_interval=_POLL_SECONDS)
    try:
        lock.acquire()
    except Timeout:
        raise DatabaseError(
            f"another process has held {path} for more than {wait_seconds:.0f} s: "
            "wait for it or end it, then try again"
        ) from None
    try:
        yield
    finally:
        lock.release()


def keep_owner(old: Path, new: Path) -> None:
    """When root rewrites a user's file, it stays that user's."""
    if os.geteuid() == 0 and old.exists():
        before = old.stat()
        os.chown(new, before.st_uid, before.st_gid)


def sync_folder(folder: Path) -> None:
    """Make a rename in ``folder`` outlast a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
