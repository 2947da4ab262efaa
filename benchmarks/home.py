"""An embedded home of its own, and the command in it as a person starts it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Final

from benchmarks.process import ROOT, Clock, clean_environment, server_cpu_seconds
from benchmarks.tenants import NO_CAPS
from demo_pipeline.storage.embedded import server

PROGRAM: Final = Path(sys.executable).parent / "demo-pipeline"


@dataclass(frozen=True, kw_only=True)
class Home:
    """A folder with blueprints, and the embedded server beside them."""

    folder: Path

    @property
    def blueprints(self) -> Path:
        return self.folder / "blueprints"

    @property
    def environment(self) -> dict[str, str]:
        """Settings that name this home, its blueprints if it has some, and caps that stop nothing."""
        own = {"DEMO_BLUEPRINTS": str(self.blueprints)} if self.blueprints.exists() else {}
        return {"DEMO_HOME": str(self.folder / "home"), **own, **NO_CAPS}

    def run(self, *words: str, expected: int = 0) -> Clock:
        """Seconds of a command; its CPU-seconds are those of all its processes but the server's.

        Raises ``RuntimeError`` for another exit code than ``expected``.
        """
        before, started_at = os.times(), perf_counter()
        done = subprocess.run(
            [PROGRAM, *words],
            cwd=ROOT,
            env=clean_environment(self.environment),
            capture_output=True,
            check=False,
            text=True,
        )
        wall, after = perf_counter() - started_at, os.times()
        if done.returncode != expected:
            raise RuntimeError(f"demo-pipeline {' '.join(words)} ended with {done.returncode}: {done.stderr}")
        return Clock(wall=wall, cpu=sum(after[2:4]) - sum(before[2:4]))

    def server_cpu_seconds(self) -> float:
        """CPU-seconds of the embedded server since its start."""
        pid = server.status(self.folder / "home").pid
        if pid is None:
            raise RuntimeError(f"the embedded server of {self.folder} does not run")
        return server_cpu_seconds(pid)


@contextmanager
def open_home() -> Generator[Home]:
    """A new home without a server; whatever is in it is deleted at the end."""
    folder = Path(tempfile.mkdtemp(prefix="demo-pipeline-bench-"))
    # The server of a run by root has another account, which must pass through.
    folder.chmod(0o711)
    home = Home(folder=folder)
    try:
        yield home
    finally:
        environment = clean_environment(home.environment)
        subprocess.run([PROGRAM, "db", "stop"], cwd=ROOT, env=environment, check=False, capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)
