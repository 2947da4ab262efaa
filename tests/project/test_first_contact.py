"""What a person meets in the first hour: a fresh clone, an empty home, and every command of README.

The clone is a copy of what is under version control. Of the caller's environment only the PATH is there, and
what says where packages come from.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from demo_pipeline.rendering.kpi_columns import kpi_table
from demo_pipeline.rendering.table import plain_text
from demo_pipeline.services.files.blueprint_files import preview_blueprint
from demo_pipeline.settings import BUNDLED_BLUEPRINTS, Settings
from scripts import house_rules
from tests.documents import FILE, HANDED_ON, lines_of, missing
from tests.fixtures.embedded_server import forget
from tests.paths import PROJECT

README: Final = (PROJECT / "README.md").read_text(encoding="utf-8")
URL: Final = re.compile(r"http://127\.0\.0\.1:\d+")
#: How long a step may take on a machine that others use as well.
STEP_SECONDS: Final = 600


@dataclass(frozen=True)
class Clone:
    """A fresh clone in an environment of its own."""

    root: Path
    environment: dict[str, str]

    def run(self, command: str) -> tuple[int, str]:
        """Type a command; its exit code, and what it printed on stderr and stdout."""
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.root,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=STEP_SECONDS,
            check=False,
        )
        return done.returncode, done.stderr + done.stdout


@pytest.fixture(scope="module")
def clone() -> Iterator[Clone]:
    """The clone, before any command."""
    folder = Path(tempfile.mkdtemp(prefix="demo-first-"))
    # The embedded server of a run by root has another account, which must pass through.
    folder.chmod(0o711)
    root = folder / "demo_pipeline"
    for path in house_rules.files():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(PROJECT / path, root / path)
    (folder / "home").mkdir()
    kept = {name: value for name, value in os.environ.items() if HANDED_ON.fullmatch(name)}
    # The interpreter that runs the tests, as a machine has one; shims of a version manager need a home.
    path = f"{Path(sys.base_prefix) / 'bin'}:{os.environ['PATH']}"
    try:
        yield Clone(root, {**kept, "PATH": path, "HOME": str(folder / "home")})
    finally:
        forget(root / ".demo")
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_readme_shows_what_its_commands_print(clone: Clone) -> None:
    """Every command of README can be typed in order and prints what README shows; a refusal ends with 2.

    ``make test`` and ``make dev`` have tests of their own below.
    """
    commands = lines_of(README)
    assert commands[0].text.startswith("git clone")
    assert {"make demo", "make test", "make dev"} <= {line.text for line in commands}
    for name, text in FILE.findall(README):
        (clone.root / name).write_text(text, encoding="utf-8")
    assert (clone.root / "plan.csv").is_file()
    for line in commands[1:]:
        if line.text in {"make test", "make dev"}:
            continue
        code, printed = clone.run(line.text)
        is_refused = any(shown.startswith("error: ") for shown in line.shown)
        assert code == (2 if is_refused else 0), printed
        assert missing(line.shown, printed.splitlines()) is None, f"{line.text}\n{printed}"
    assert not list((clone.root.parent / "home").glob(".cache/uv*")), "uv's cache stays in .venv"


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_make_dev_answers_and_ends_with_ctrl_c(clone: Clone) -> None:
    """``make dev`` names the inbox and an address of this machine where Dagster answers; Ctrl-C ends it.

    What takes a few seconds then is said.
    """
    process = subprocess.Popen(
        ["make", "dev"],
        cwd=clone.root,
        env=clone.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        printed: list[str] = []
        url = None
        while url is None and (line := process.stdout.readline()):
            printed.append(line)
            url = found[0] if (found := URL.search(line)) else None
        assert url is not None, printed
        assert f"the inbox for plans: {clone.root}/.demo/inbox/<tenant>/\n" in printed
        with urllib.request.urlopen(f"{url}/server_info", timeout=60) as answer:
            assert b"dagster_version" in answer.read()
    finally:
        os.killpg(process.pid, signal.SIGINT)
        rest, _ = process.communicate(timeout=120)
    assert "stopping ..." in rest
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            break
        time.sleep(0.2)
    else:
        pytest.fail("processes of make dev go on after Ctrl-C")


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_make_test_starts(clone: Clone) -> None:
    """``make test`` installs what it needs and collects the tests."""
    code, printed = clone.run("make test PYTEST_ARGS=--collect-only")
    assert code == 0, printed[-3000:]
    assert re.search(r"\d{3,} tests collected|\d{3,}/\d+ tests collected", printed), printed[-3000:]


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_make_clean_leaves_the_environment(clone: Clone) -> None:
    """After ``make clean`` the next command finds the environment and makes what is missing in it."""
    assert clone.run("make clean")[0] == 0
    code, printed = clone.run("make install")
    assert code == 0, printed
    assert "Making .venv" not in printed
    assert clone.run(".venv/bin/demo-pipeline --version")[0] == 0


def test_readme_shows_the_months_of_its_blueprint() -> None:
    """The table of ``make demo`` holds what the bundled blueprint resolves to; no tenant is made."""
    (demo,) = (line for line in lines_of(README) if line.text == "make demo")
    slug = demo.shown[0].partition(",")[0]
    spec = preview_blueprint(BUNDLED_BLUEPRINTS / f"{slug}.yaml", Settings()).spec
    printed = plain_text(kpi_table("", spec.by_month, spec.currency)).splitlines()
    assert len(demo.shown) > 3
    assert missing(demo.shown[1:], printed) is None


@pytest.mark.parametrize(
    ("shown", "printed", "lacks"),
    [
        (["a", "...", "c"], ["x", "a", "b", "c", "d"], None),
        (["a 0.8 s"], ["a 12 s"], None),
        (["a", "c"], ["a", "b", "c"], "c"),
        (["a", "...", "d"], ["a", "b", "c"], "d"),
    ],
)
def test_a_difference_from_readme_is_found(shown: list[str], printed: list[str], lacks: str | None) -> None:
    """The comparison above can fail: a line that is missing, and one that stands elsewhere, are seen."""
    assert missing(shown, printed) == lacks


def test_a_command_is_read_with_what_it_prints() -> None:
    """Comments are no part of a command, and output belongs to the command before it."""
    lines = lines_of("```console\n$ make demo\nout\n$ make test\n```\n```console\nmake dev   # the UI\n```\n")
    assert [(line.text, line.shown) for line in lines] == [
        ("make demo", ["out"]),
        ("make test", []),
        ("make dev", []),
    ]
