"""``make check``: every static check by name, all of them run, the failures printed whole.

One step is one command. Tests do not belong here: they are ``make test``.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
BIN: Final = Path(sys.executable).parent
MIGRATIONS: Final = ROOT / "demo_pipeline" / "storage" / "migrations" / "sql"
#: Lines shown of a failed step; the rest is one command away.
MOST_LINES: Final = 60
QUIET_INSTANCE: Final = "telemetry: {enabled: false}\nnux: {enabled: false}\n"


@dataclass(frozen=True)
class Step:
    """One named command; ``remedy`` is what a person types when it fails."""

    name: str
    command: list[str]
    remedy: str = ""
    environment: dict[str, str] = field(default_factory=dict[str, str])


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
    down = [str(path) for path in paths if path.stem.endswith("_down")]
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
        ),
        Step("types (basedpyright)", [str(BIN / "basedpyright"), "--level", "error"]),
        Step("layers (import-linter)", [str(BIN / "lint-imports"), "--no-logo"]),
        Step("lint (ruff check)", [str(BIN / "ruff"), "check", "--quiet"], "ruff check --fix"),
        Step("format (ruff format)", [str(BIN / "ruff"), "format", "--check", "--quiet"], "ruff format"),
        Step("migrations are safe (squawk)", [squawk, *up]),
        *([Step("downgrades are safe (squawk)", [squawk, "--exclude", drops, *down])] if down else []),
        Step("house rules (lock files, paths, sizes, names)", [python, "scripts/house_rules.py"]),
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


def main() -> int:
    """Run all steps, two at a time; 1 if one failed."""
    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor(max_workers=2) as pool:
        (Path(scratch) / "dagster.yaml").write_text(QUIET_INSTANCE, encoding="utf-8")
        outcomes = list(pool.map(run, steps(scratch)))
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
