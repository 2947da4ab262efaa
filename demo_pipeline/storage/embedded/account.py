"""As whom the embedded server runs, and what that account can reach.

PostgreSQL refuses to run as root. Started by root it runs as an unprivileged account through
``subprocess``'s ``user=``; permissions of folders that were there before are never changed. Belongs here:
choosing the account, running a program as it, copying binaries that it cannot reach. Does not belong here:
what the server is told (``embedded.process``).
"""

from __future__ import annotations

import hashlib
import os
import pwd
import secrets
import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypedDict

from demo_pipeline.domain.core.errors import DatabaseError
from demo_pipeline.storage.embedded.binaries import ServerBinaries

#: for data and binaries of servers that root started and whose account cannot reach ``$DEMO_HOME``
SHARED_BASE = Path("/var/lib/demo-pipeline")
PREFERRED_ACCOUNTS = ("postgres", "nobody", "daemon")
PROBE_SECONDS = 20


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
