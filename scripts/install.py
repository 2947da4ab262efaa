"""``make install``: a virtual environment with exactly the locked packages and the command ``demo-pipeline``.

    scripts/install.py VENV [--dev]

Makes the folder VENV, installs uv there with pip, the lock file with uv, then the project itself, and writes
the stamp ``VENV/.installed`` (``--dev``: the development packages on top, ``VENV/.installed-dev``). Where uv
cannot be installed or fails, pip does its work, more slowly. Every package is held to its hash either way.
Can be repeated at any time: what a killed run left half done is done again.

Standard library only: this runs before anything is installed. Which Python to use is said by
``scripts/find_python.sh``, what holds of pip's configuration by ``scripts/pip_settings.py``.
"""

from __future__ import annotations

import argparse
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from scripts.pip_settings import ASKING, parse_config, pip_environment, uv_environment, uv_options

ROOT: Final = Path(__file__).resolve().parent.parent
UV_LOCK: Final = ROOT / "requirements-uv.lock"
LOCK: Final = ROOT / "requirements.lock"
DEV_LOCK: Final = ROOT / "requirements-dev.lock"
#: uv's cache, in the environment and only while it is made.
CACHE: Final = ".uv-cache"
#: What can be half done.
ENVIRONMENT: Final = "environment"
PACKAGES: Final = "packages"
IS_SUPPORTED: Final = "import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))"
SLOWLY: Final = "pip does its work, which takes a few minutes"
#: Seconds between two signs of life where there is no terminal.
SIGN_SECONDS: Final = 5.0
#: Lines of a failed program that are shown.
MOST_LINES: Final = 12
UNREACHABLE: Final = re.compile(
    r"connection broken|ConnectionError|ConnectTimeout|Could not connect|error sending request|dns error"
    r"|name resolution|Name or service not known|No address associated|Network is unreachable"
    r"|Connection refused",
    re.IGNORECASE,
)


class InstallError(Exception):
    """A step failed; the message says what and what to do."""


@dataclass
class Display:
    """What a person sees of a running step: one line that changes on a terminal, plain lines elsewhere."""

    title: str
    is_terminal: bool = field(default_factory=sys.stdout.isatty)
    started_at: float = field(default_factory=time.monotonic)
    detail: str = ""
    shown_at: float = 0.0

    def begin(self) -> None:
        self.shown_at = self.started_at
        if not self.is_terminal:
            print(self.title, flush=True)

    def read(self, line: str) -> None:
        """Take the detail from a line that pip or uv printed."""
        if line.startswith("Installing collected packages:"):
            line = f"installing packages: {line.count(',') + 1}"
        elif found := re.match(r"(Prepared|Resolved) \d+ packages?", line):
            line = found[0]
        elif found := re.match(r"Installed (\d+ packages?)", line):
            line = f"installed {found[1]}, compiling"
        elif not re.match(r" *(Collecting|Downloading|Downloaded|Building|Built|Using cached)\b", line):
            return
        self.detail = line.partition(" (from ")[0].strip()[:60]

    def show(self) -> None:
        """Show that the step goes on, and how far it is."""
        now = time.monotonic()
        if not self.is_terminal and now - self.shown_at < SIGN_SECONDS:
            return
        self.shown_at = now
        text = f"{now - self.started_at:4.0f} s  {self.detail}".rstrip()
        if self.is_terminal:
            width = shutil.get_terminal_size().columns - 1
            print(f"\r\x1b[K{f'{self.title} {text}'[:width]}", end="", flush=True)
        else:
            print(f"  {text}", flush=True)

    def end(self, result: str) -> None:
        seconds = time.monotonic() - self.started_at
        start = f"\r\x1b[K{self.title} " if self.is_terminal else "  "
        print(f"{start}{result} after {seconds:.1f} s", flush=True)


@dataclass(frozen=True)
class Ended:
    """A program that has ended: its exit code and the lines that it printed."""

    title: str
    code: int
    lines: list[str]


def run(title: str, command: Sequence[str], environment: Mapping[str, str] | None = None) -> Ended:
    """Run a program to its end and show how it goes; ``environment`` is added to ours.

    A program that cannot be started ends with 127. However this function is left, the program has ended.
    """
    display = Display(title)
    display.begin()
    try:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=os.environ | (environment or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
    except OSError as error:
        display.end("failed")
        return Ended(title, 127, [f"{command[0]}: {error.strerror}"])
    lines: list[str] = []
    arrived: queue.Queue[str | None] = queue.Queue()

    def read() -> None:
        for line in process.stdout or ():
            arrived.put(line.rstrip())
        arrived.put(None)

    threading.Thread(target=read, daemon=True).start()
    try:
        while True:
            try:
                line = arrived.get(timeout=0.5)
            except queue.Empty:
                display.show()
                continue
            if line is None:
                break
            lines.append(line)
            display.read(line)
            display.show()
        code = process.wait()
    except BaseException:
        process.terminate()
        process.wait()
        if display.is_terminal:
            print()
        raise
    display.end("done" if code == 0 else "failed")
    return Ended(title, code, lines)


def reason(ended: Ended) -> str:
    """The lines that say why a program failed: from the first error on."""
    errors = [number for number, line in enumerate(ended.lines) if re.match(r"\s*(error|ERROR|×)", line)]
    lines = ended.lines[errors[0] :][:MOST_LINES] if errors else ended.lines[-MOST_LINES:]
    return "\n".join(f"  {line}" for line in lines if line)


def answer(*command: str | Path) -> str:
    """What a short program prints; nothing where it fails or cannot be started."""
    try:
        return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return ""


def answers(*command: str | Path, environment: Mapping[str, str] | None = None) -> bool:
    """Whether a short program can be started and succeeds; ``environment`` is added to ours."""
    variables = os.environ | (environment or {})
    try:
        done = subprocess.run(command, cwd=ROOT, env=variables, check=False, capture_output=True)
    except OSError:
        return False
    return done.returncode == 0


def must(ended: Ended, venv: Path) -> None:
    """Raise unless the program succeeded; the error gives its reason and what a person can do."""
    if ended.code == 0:
        return
    if UNREACHABLE.search("\n".join(ended.lines)):
        headline = "no package index could be reached"
        remedy = "Check the network and the proxy, or name an index or folder that can be reached"
    else:
        headline = f"{ended.title[0].lower()}{ended.title[1:]} failed"
        remedy = "Correct what is named above"
    raise InstallError(
        f"not installed: {headline}\n{reason(ended)}\n{remedy}, then run the same command again.\n"
        f"Where packages come from: {venv.name}/bin/python -m pip config list"
    )


class Installation:
    """One virtual environment on its way to what the lock files say.

    ``VENV/.installing`` is there while something is half done, and says what: the environment itself, which
    is then made again, or its packages, which are then installed again even where they seem to be there.
    """

    def __init__(self, venv: Path) -> None:
        self.venv = venv
        self.python = venv / "bin" / "python"
        self.uv = venv / "bin" / "uv"
        self.marker = venv / ".installing"
        self.settings: dict[str, str] = {}
        self.uses_uv = False
        self.is_repair = False

    def make(self) -> None:
        """Make the environment where none works, with pip in it, and ask pip for its settings."""
        half_done = self.marker.read_text(encoding="utf-8") if self.marker.exists() else ""
        if half_done == ENVIRONMENT or not answers(self.python, "-c", IS_SUPPORTED) or not self.has_pip():
            self.clear()
            version = ".".join(map(str, sys.version_info[:3]))
            title = f"Making {self.venv.name} with Python {version}"
            must(run(title, [sys.executable, "-m", "venv", str(self.venv)]), self.venv)
        self.is_repair = half_done == PACKAGES
        self.marker.write_text(PACKAGES, encoding="utf-8")
        self.settings = self.pip_settings()

    def clear(self) -> None:
        """Make the folder, or empty it if it is an environment; a folder with anything else is left alone."""
        self.venv.mkdir(parents=True, exist_ok=True)
        reason = ""
        if ROOT.is_relative_to(self.venv.resolve()):
            # Also where it is a virtual environment: ``python -m venv .``.
            reason = "has this project in it"
        elif any(self.venv.iterdir()) and not (self.marker.exists() or (self.venv / "pyvenv.cfg").exists()):
            reason = "is neither empty nor a virtual environment"
        if reason:
            raise InstallError(
                f"not installed: {self.venv} {reason}, and nothing in it was touched.\n"
                "Name a folder that is empty or does not exist yet: make install VENV=.venv"
            )
        # First, so that a run that is killed meanwhile can be repeated.
        self.marker.write_text(ENVIRONMENT, encoding="utf-8")
        for path in self.venv.iterdir():
            if path != self.marker:
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()

    def has_pip(self) -> bool:
        """Whether pip can be used; where it is missing it is added, if that is possible."""
        environment = pip_environment({}, os.environ)

        def has() -> bool:
            return answers(self.python, "-m", "pip", "--version", environment=environment)

        return has() or (answers(self.python, "-m", "ensurepip") and has())

    def pip_settings(self) -> dict[str, str]:
        """What pip is configured to do. Raises ``InstallError`` where pip cannot read it."""
        done = subprocess.run(
            [self.python, "-m", "pip", "config", "list"],
            cwd=ROOT,
            env=os.environ | ASKING,
            check=False,
            capture_output=True,
            text=True,
        )
        if done.returncode != 0:
            ended = Ended("Reading pip's configuration", done.returncode, done.stderr.splitlines())
            must(ended, self.venv)
        return parse_config(done.stdout.splitlines())

    def install_uv(self) -> None:
        """Have uv at the locked version, or do without it."""
        wanted = re.findall(r"^uv==(\S+)", UV_LOCK.read_text(encoding="utf-8"), re.MULTILINE)
        if answer(self.uv, "--version").split()[1:2] == wanted:
            self.uses_uv = True
            return
        # Building uv takes a Rust compiler and many minutes; and pip does not need to be patient for it.
        ended = self.run_pip("Installing uv", UV_LOCK, "--only-binary", ":all:", "--retries", "1")
        if ended.code != 0 and UNREACHABLE.search("\n".join(ended.lines)):
            must(ended, self.venv)
        self.uses_uv = ended.code == 0 and answers(self.uv, "--version")
        if not self.uses_uv:
            print(f"uv cannot be used here; {SLOWLY}:\n{reason(ended)}", flush=True)

    def install(self, lock: Path) -> None:
        """Install exactly what the lock file names: with uv, and where that fails with pip."""
        if self.uses_uv:
            ended = self.run_uv(f"Installing {lock.name} with uv", "--require-hashes", "-r", str(lock))
            if ended.code == 0:
                return
            self.uses_uv = False
            print(f"uv failed; {SLOWLY}:\n{reason(ended)}", flush=True)
        must(self.run_pip(f"Installing {lock.name} with pip", lock), self.venv)

    def install_project(self) -> None:
        """Install the project itself, such that its code is read where it lies; nothing is fetched."""
        arguments = ["--no-build-isolation", "-e", str(ROOT)]
        title = "Installing demo-pipeline"
        if self.uses_uv and self.run_uv(title, "--offline", *arguments).code == 0:
            return
        must(self.run_pip(title, None, "--no-index", *arguments), self.venv)

    def finish(self, stamp: str) -> None:
        """Remove what was needed on the way, and say that all is there."""
        shutil.rmtree(self.venv / CACHE, ignore_errors=True)
        self.marker.unlink()
        (self.venv / stamp).touch()

    def run_uv(self, title: str, *arguments: str) -> Ended:
        """Run ``uv pip install`` with what pip is configured to do.

        The cache lies beside what is installed: files are linked, not copied, and HOME is not needed.
        Compiling takes some seconds; it would take them at the first start, and at each one where Python may
        not write.
        """
        command = [
            str(self.uv),
            "pip",
            "install",
            "--python",
            str(self.python),
            "--no-deps",
            "--compile-bytecode",
        ]
        command += ["--color", "never", "--no-progress", *uv_options(self.settings)]
        if self.is_repair:
            command.append("--reinstall")
        variables = uv_environment(self.settings, os.environ)
        if not os.environ.get("UV_CACHE_DIR"):
            variables["UV_CACHE_DIR"] = str(self.venv / CACHE)
        return run(title, [*command, *arguments], variables)

    def run_pip(self, title: str, lock: Path | None, *arguments: str) -> Ended:
        """Run ``pip install`` on a lock file, or on what the arguments name."""
        command = [str(self.python), "-m", "pip", "install", "--no-deps", "--disable-pip-version-check"]
        command += ["--no-color", "--progress-bar", "off", "--no-input"]
        if self.is_repair:
            command.append("--force-reinstall")
        if lock:
            command += ["--require-hashes", "-r", str(lock)]
        return run(title, [*command, *arguments], pip_environment(self.settings, os.environ))


def main() -> int:
    """Install; 1 if that failed, 130 if it was interrupted."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("venv", type=Path)
    parser.add_argument("--dev", action="store_true", help="the development packages as well")
    arguments = parser.parse_args()
    installation = Installation(arguments.venv.absolute())
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    started_at = time.monotonic()
    try:
        installation.make()
        installation.install_uv()
        if arguments.dev:
            installation.install(DEV_LOCK)
        else:
            installation.install(LOCK)
            installation.install_project()
        installation.finish(".installed-dev" if arguments.dev else ".installed")
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from here", file=sys.stderr)
        return 130
    except InstallError as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(f"not installed: {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    print(f"Installed in {time.monotonic() - started_at:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
