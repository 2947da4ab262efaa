"""How long the first commands take: ``python -m benchmarks.first_contact [--runs N] [--with-tests]``.

Each run is a fresh clone of the last commit in an empty home: ``make install``, the first ``make demo``, and
with ``--with-tests`` a ``make test`` (ten minutes each). Packages are fetched from where pip is configured to
fetch them; pip's cache is empty. Prints a table and writes it into ``docs/benchmarks.md``.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from rich.console import Console

from benchmarks.machine import machine, versions
from benchmarks.process import ROOT, clean_environment
from benchmarks.report import FIRST_CONTACT, show, write_page
from benchmarks.results import Result, Results

INSTALL: Final = "make install"
DEMO: Final = "make demo, after it"
TEST: Final = "make test, after both"
GOALS: Final = {INSTALL: 45.0}


def measure(folder: Path, *, with_tests: bool) -> Iterator[tuple[str, float, float]]:
    """Name, wall seconds and CPU-seconds (without the embedded server's) of each command in a fresh clone."""
    clone = folder / "demo_pipeline"
    (folder / "home").mkdir()
    subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
    environment = clean_environment({"HOME": str(folder / "home")})
    # The interpreter of this environment's, as python3; its own folder of programs is not to be found.
    environment["PATH"] = f"{Path(sys.base_prefix) / 'bin'}:{environment['PATH']}"
    # As on a person's machine.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    try:
        for name in (INSTALL, DEMO, *([TEST] if with_tests else [])):
            before, started_at = os.times(), time.perf_counter()
            subprocess.run(
                name.partition(",")[0].split(),
                cwd=clone,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                check=True,
            )
            after, seconds = os.times(), time.perf_counter() - started_at
            yield name, seconds, sum(after[2:4]) - sum(before[2:4])
    finally:
        subprocess.run([clone / ".venv/bin/demo-pipeline", "db", "stop"], check=False, env=environment)


def main(arguments: list[str]) -> int:
    """Measure, show, write; a command that fails ends with its error."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.first_contact", description="Measure.")
    parser.add_argument("--runs", type=int, default=3, help="fresh clones; one leaves the page alone")
    parser.add_argument("--with-tests", action="store_true", help="make test as well")
    chosen = parser.parse_args(arguments)
    before = machine()
    walls: dict[str, list[float]] = defaultdict(list)
    cpus: dict[str, list[float]] = defaultdict(list)
    for number in range(chosen.runs):
        folder = Path(tempfile.mkdtemp(prefix="demo-contact-"))
        # The embedded server of a run by root has another account, which must pass through.
        folder.chmod(0o711)
        try:
            for name, wall, cpu in measure(folder, with_tests=chosen.with_tests):
                print(f"run {number + 1}: {name}: {wall:.1f} s, {cpu:.1f} CPU-seconds", file=sys.stderr)
                walls[name].append(wall)
                cpus[name].append(cpu)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    rows = [
        Result(
            what=name,
            unit="s",
            samples=tuple(samples),
            goal=GOALS.get(name),
            is_more_better=False,
            note=f"CPU-seconds: {', '.join(f'{seconds:.1f}' for seconds in cpus[name])}",
        )
        for name, samples in walls.items()
    ]
    results = Results(machine=before, versions=versions(None), settings={}, rows=rows)
    show(results, Console(width=None if sys.stdout.isatty() else 160))
    if chosen.runs > 1:
        write_page(results, FIRST_CONTACT)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
