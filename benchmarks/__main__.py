"""``python -m benchmarks [--quick] [--json FILE] [--only NAME,NAME]``; see the package."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from rich.console import Console

from benchmarks.arena import open_arena
from benchmarks.machine import machine, versions
from benchmarks.report import PAGE, show, write_json, write_page
from benchmarks.results import Results
from benchmarks.suites import QUICK, SUITES, Sizes
from benchmarks.tenants import MIX
from demo_pipeline.settings import Settings


def main(arguments: list[str]) -> int:
    """Measure, show, write. 2 for a wrong argument (argparse), 1 where a measurement fails."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure, and print a table.")
    parser.add_argument("--quick", action="store_true", help="small sizes, one run; the page is left alone")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample")
    parser.add_argument(
        "--only", metavar="NAMES", help=f"some of {', '.join(SUITES)}; the page is left alone"
    )
    parser.add_argument("--home", type=Path, metavar="FOLDER", help="keep the server here between runs")
    chosen = parser.parse_args(arguments)
    names = chosen.only.split(",") if chosen.only else list(SUITES)
    if unknown := [name for name in names if name not in SUITES]:
        parser.error(f"no such measurement: {', '.join(unknown)}; there are {', '.join(SUITES)}")
    sizes = QUICK if chosen.quick else Sizes()
    # Where nobody looks the table need not fit a window.
    console = Console(width=None if sys.stdout.isatty() else 160)
    progress = Console(stderr=True)
    # What the environment says is for tenants, not for measurements.
    for name in [name for name in os.environ if name.startswith("DEMO_")]:
        del os.environ[name]

    before = machine()
    with open_arena(chosen.home) as arena:
        results = Results(
            machine=before,
            versions=versions(arena.version()),
            settings={
                "rows": MIX,
                "batch_rows": str(Settings().batch_rows),
                **arena.server_settings(),
            },
        )
        for name in names:
            progress.print(f"measuring: {name}", style="dim")
            results.rows += SUITES[name](arena, sizes)
    show(results, console)
    if chosen.json:
        write_json(results, chosen.json)
    if not (chosen.quick or chosen.only):
        write_page(results)
        progress.print(f"written: {PAGE.name}", style="dim")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
