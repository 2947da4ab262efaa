"""``make check``: every static check by name, all of them run, the failures printed whole.

    scripts/check.py [--fast]

One step is one command. ``--fast`` runs those that take seconds, before a commit. Tests do not belong here:
they are ``make test``.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
BIN: Final = Path(sys.executable).parent
MIGRATIONS: Final = ROOT / "demo_pipeline" / "storage" / "schema" / "migrations"
#: Lines shown of a failed step; the rest is one command away.
MOST_LINES: Final = 60
#: a warning is an error: a link that leads nowhere, a page that no list has
SITE_OPTIONS: Final = ("--quiet", "--fail-on-warning", "--keep-going", "--conf-dir", "docs")
QUIET_INSTANCE: Final = "telemetry: {enabled: false}\nnux: {enabled: false}\n"


@dataclass(frozen=True)
class Step:
    """One named command; ``remedy`` is what a person types when it fails; ``--fast`` leaves slow ones out."""

    name: str
    command: list[str]
    remedy: str = ""
    environment: dict[str, str] = field(default_factory=dict[str, str])
    is_slow: bool = False


@dataclass(frozen=True)
class Outcome:
    """How a step ended: exit code, what it printed, wall seconds."""

    step: Step
    code: int
    output: str
    seconds: float


def steps(scratch: str) -> list[Step]:
    """All steps, slowest first; ``scratch`` is an empty folder for what a tool wants to leave behind."""
    python = str(BIN / "python")
    paths = sorted(path.relative_to(ROOT) for path in MIGRATIONS.rglob("*.sql"))
    down = [str(path) for path in paths if path.name == "down.sql"]
    up = [str(path) for path in paths if str(path) not in down] or ["no-migration-found.sql"]
    squawk = str(BIN / "squawk")
    drops = "ban-drop-column,ban-drop-function,ban-drop-schema,ban-drop-table,ban-drop-view"
    return [
        Step(
            "Dagster definitions load (dg check defs)",
            [str(BIN / "dg"), "check", "defs", "--no-check-yaml"],
            # dg warns about a venv that is not the active one, and keeps a cache in HOME.
            environment={
                "VIRTUAL_ENV": str(BIN.parent),
                "HOME": scratch,
                "DEMO_HOME": f"{scratch}/demo",
                "DAGSTER_HOME": scratch,
            },
            is_slow=True,
        ),
        Step("types (basedpyright)", [str(BIN / "basedpyright"), "--level", "error"], is_slow=True),
        Step(
            "documentation builds without a warning (sphinx)",
            [str(BIN / "sphinx-build"), *SITE_OPTIONS, "-d", f"{scratch}/pages", ".", f"{scratch}/site"],
            is_slow=True,
        ),
        Step("layers (import-linter)", [str(BIN / "lint-imports"), "--no-logo"]),
        Step("lint (ruff check)", [str(BIN / "ruff"), "check", "--quiet"], "ruff check --fix"),
        Step("format (ruff format)", [str(BIN / "ruff"), "format", "--check", "--quiet"], "ruff format"),
        Step("migrations are safe (squawk)", [squawk, *up]),
        *([Step("downgrades are safe (squawk)", [squawk, "--exclude", drops, *down])] if down else []),
        Step("house rules (lock files, paths, sizes, names)", [python, "scripts/house_rules.py"]),
        Step("packs are complete and agree (check_packs)", [python, "-m", "scripts.check_packs"]),
        Step(
            "pages and files from the code are up to date",
            [python, "-m", "scripts.build_docs", "--check"],
            "make docs, and commit what it wrote",
        ),
    ]


def run(step: Step) -> Outcome:
    """Run one step to its end, at most five minutes, and print its line."""
    started_at = time.monotonic()
    environment = {name: value for name, value in os.environ.items() if name != "DAGSTER_HOME"}
    environment |= {"NO_COLOR": "1"} | step.environment
    try:
        done = subprocess.run(
            step.command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        code, output = done.returncode, done.stdout
    except FileNotFoundError as error:
        code, output = 127, f"{error.filename} is missing; run: make install, then make check"
    except subprocess.TimeoutExpired as error:
        code, output = 124, f"{error.stdout or ''}\nnot done after {error.timeout:.0f} s"
    outcome = Outcome(step, code, output.rstrip(), time.monotonic() - started_at)
    print(f"{'ok  ' if code == 0 else 'FAIL'} {step.name}  {outcome.seconds:.1f} s", flush=True)
    return outcome


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """The options, of the command line unless they are given."""
    parser = argparse.ArgumentParser(description="Run the static checks.")
    parser.add_argument("--fast", action="store_true", help="only those that take seconds")
    return parser.parse_args(words)


def selected(scratch: str, options: argparse.Namespace) -> list[Step]:
    """The steps that these options ask for."""
    return [step for step in steps(scratch) if not (options.fast and step.is_slow)]


def main() -> int:
    """Run the selected steps, two at a time; 1 if one failed."""
    options = arguments()
    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor(max_workers=2) as pool:
        (Path(scratch) / "dagster.yaml").write_text(QUIET_INSTANCE, encoding="utf-8")
        outcomes = list(pool.map(run, selected(scratch, options)))
    failed = [outcome for outcome in outcomes if outcome.code != 0]
    for outcome in failed:
        print(f"\n--- {outcome.step.name} (exit {outcome.code}): {' '.join(outcome.step.command[:3])}")
        lines = outcome.output.splitlines()
        print("\n".join(lines[:MOST_LINES]))
        if len(lines) > MOST_LINES:
            print(f"... and {len(lines) - MOST_LINES} lines more")
        if outcome.step.remedy:
            print(f"To mend it: {outcome.step.remedy}")
    print(f"\n{len(outcomes) - len(failed)} of {len(outcomes)} checks passed")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
