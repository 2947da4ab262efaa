"""Work in a process of its own, and what a process has used.

A child prints one line of JSON, its measurements. Memory is the peak of the child's own address space: what
``getrusage`` tells of a child on Linux has the parent's size in it when that was larger.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil

ROOT: Final = Path(__file__).resolve().parent.parent
_STATUS: Final = Path("/proc/self/status")


@dataclass
class Clock:
    """Seconds of a block, of wall time and of this process's CPUs."""

    wall: float = 0.0
    cpu: float = 0.0


@contextmanager
def timed() -> Generator[Clock]:
    """Measure a block."""
    clock = Clock()
    wall, cpu = time.perf_counter(), time.process_time()
    yield clock
    clock.wall, clock.cpu = time.perf_counter() - wall, time.process_time() - cpu


def peak_bytes() -> int:
    """The most memory that this process has had resident."""
    if _STATUS.exists():
        for line in _STATUS.read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def clean_environment(more: Mapping[str, str]) -> dict[str, str]:
    """The environment without settings of this project or of Dagster, and with ``more``."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DEMO_", "DAGSTER_"))}
    return kept | dict(more)


def work(
    task: str, arguments: Mapping[str, Any], environment: Mapping[str, str], module: str = "benchmarks.work"
) -> dict[str, Any]:
    """Run a task of a module in a new process; what it measured. ``RuntimeError`` if it fails."""
    done = subprocess.run(
        [sys.executable, "-m", module, task, json.dumps(dict(arguments))],
        cwd=ROOT,
        env=clean_environment(environment),
        capture_output=True,
        check=False,
        text=True,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{task} ended with {done.returncode}: {done.stderr[-2_000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def server_cpu_seconds(postmaster: int) -> float:
    """CPU seconds that a PostgreSQL server has used, its ended backends included."""
    process = psutil.Process(postmaster)
    times = process.cpu_times()
    total = times.user + times.system + times.children_user + times.children_system
    for child in process.children():
        try:
            own = child.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += own.user + own.system
    return total
