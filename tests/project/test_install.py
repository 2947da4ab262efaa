"""``scripts/install.py`` on a small project: uv or pip, hashes, interruptions, no network.

The project has one locked package, in a folder beside it, and a build backend of its own: nothing is fetched.
What the lock file of uv names is either the real program or a shell script that behaves as the test wants.
"""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import venv
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tests.paths import PROJECT

# make test has been installed by it, so the next failure is seen without them.
pytestmark = pytest.mark.long

REAL_UV: Final = Path(sys.executable).parent / "uv"
UV_VERSION: Final = "9.9.9"
BACKEND: Final = """\
import zipfile

def build_editable(folder, config_settings=None, metadata_directory=None):
    name = "project-1.0-py3-none-any.whl"
    with zipfile.ZipFile(f"{folder}/{name}", "w") as wheel:
        wheel.writestr("project.py", "")
        info = "project-1.0.dist-info"
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\\nName: project\\nVersion: 1.0\\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(f"{info}/RECORD", "")
    return name
"""
PYPROJECT: Final = """\
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]

[project]
name = "project"
version = "1.0"
"""


#: A shell script in uv's place: it has the version of the lock file, and does what the test adds.
UV_SCRIPT: Final = f'#!/bin/sh\n[ "$1" = --version ] && {{ echo uv {UV_VERSION}; exit; }}\n'


def write_wheel(folder: Path, name: str, version: str, files: Mapping[str, str]) -> str:
    """A wheel with these files; its line of a lock file."""
    info = f"{name}-{version}.dist-info"
    texts = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = [
        f"{path},sha256={base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip('=')},"
        for path, text in texts.items()
    ]
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for inside, text in {**texts, f"{info}/RECORD": "\n".join([*record, f"{info}/RECORD,,"])}.items():
            entry = zipfile.ZipInfo(inside)
            entry.external_attr = 0o100755 << 16
            wheel.writestr(entry, text)
    return f"{name}=={version} --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"


@pytest.fixture(scope="session")
def empty_environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with pip and nothing else, to copy."""
    path = tmp_path_factory.mktemp("environment") / ".venv"
    venv.create(path, with_pip=True, symlinks=True)
    return path


@pytest.fixture(scope="session")
def quick_venv(empty_environment: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder for ``PYTHONPATH``: ``python -m venv`` copies that environment, as pip takes 5 CPU-seconds."""
    folder = tmp_path_factory.mktemp("quick")
    (folder / "venv.py").write_text(
        "import shutil, sys\n"
        f"shutil.copytree({str(empty_environment)!r}, sys.argv[1], symlinks=True, dirs_exist_ok=True)\n"
    )
    return str(folder)


@dataclass
class Project:
    """A small project, its folder of wheels, and how to install it."""

    root: Path
    wheels: Path

    @property
    def venv(self) -> Path:
        return self.root / ".venv"

    @property
    def environment(self) -> dict[str, str]:
        """Nothing of the caller's configuration; packages come from the folder only."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": "/proc/no-home",
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_FIND_LINKS": str(self.wheels),
            "PIP_NO_INDEX": "1",
        }

    def start(self, *options: str, venv: str = ".venv", **variables: str) -> subprocess.Popen[str]:
        command = [sys.executable, self.root / "scripts" / "install.py", venv, *options]
        return subprocess.Popen(
            command,
            cwd=self.root,
            env=self.environment | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def install(self, *options: str, venv: str = ".venv", **variables: str) -> tuple[int, str, str]:
        process = self.start(*options, venv=venv, **variables)
        out, err = process.communicate(timeout=120)
        return process.returncode, out, err

    def write_uv(self, body: str) -> None:
        """Put a program in uv's place that has the locked version and otherwise does ``body``."""
        self.uv.unlink(missing_ok=True)
        self.uv.write_text(f"{UV_SCRIPT}{body}\n")
        self.uv.chmod(0o755)

    def use_real_uv(self) -> None:
        """Have the uv of this repository there."""
        version = subprocess.run(
            [REAL_UV, "--version"], capture_output=True, text=True, check=True
        ).stdout.split()[1]
        (self.root / "requirements-uv.lock").write_text(f"uv=={version} --hash=sha256:{'0' * 64}\n")
        self.uv.unlink(missing_ok=True)
        self.uv.symlink_to(REAL_UV)

    @property
    def uv(self) -> Path:
        return self.venv / "bin" / "uv"

    def value(self) -> str:
        """What the locked package says, where it is installed; else nothing."""
        code = "import tiny, project; print(tiny.VALUE)"
        done = subprocess.run(
            [self.venv / "bin" / "python", "-c", code], check=False, capture_output=True, text=True
        )
        return done.stdout.strip()

    def files(self) -> set[str]:
        """What is in the environment beside Python's own folders."""
        return {path.name for path in self.venv.iterdir()} - {
            "bin",
            "include",
            "lib",
            "lib64",
            "pyvenv.cfg",
            ".lock",
        }


@pytest.fixture
def project(tmp_path: Path, empty_environment: Path) -> Project:
    """The small project with an environment that has only pip; uv is a wheel of a script that fails."""
    made = Project(tmp_path / "project", tmp_path / "wheels")
    (made.root / "scripts").mkdir(parents=True)
    made.wheels.mkdir()
    for name in ("__init__.py", "install.py", "pip_settings.py"):
        shutil.copy(PROJECT / "scripts" / name, made.root / "scripts" / name)
    (made.root / "pyproject.toml").write_text(PYPROJECT)
    (made.root / "backend.py").write_text(BACKEND)
    tiny = write_wheel(made.wheels, "tiny", "1.0", {"tiny.py": "VALUE = 'locked'\n"})
    extra = write_wheel(made.wheels, "extra", "1.0", {"extra.py": ""})
    script = f"{UV_SCRIPT}echo error: out of order\nexit 2\n"
    uv = write_wheel(made.wheels, "uv", UV_VERSION, {f"uv-{UV_VERSION}.data/scripts/uv": script})
    (made.root / "requirements.lock").write_text(tiny)
    (made.root / "requirements-dev.lock").write_text(tiny + extra)
    (made.root / "requirements-uv.lock").write_text(uv)
    shutil.copytree(empty_environment, made.venv, symlinks=True)
    return made


def test_uv_installs_what_the_lock_names(project: Project) -> None:
    """With uv everything is there, compiled, and nothing is left behind; a home folder is not needed."""
    project.use_real_uv()
    code, out, err = project.install()
    assert (code, err) == (0, "")
    assert project.value() == "locked"
    assert "with pip" not in out
    assert project.files() == {".installed"}
    assert list(project.venv.rglob("__pycache__/tiny.*.pyc"))


def test_the_development_packages_come_on_top(project: Project) -> None:
    """``--dev`` installs the other lock file and writes its own stamp."""
    project.use_real_uv()
    assert project.install()[0] == project.install("--dev")[0] == 0
    assert list(project.venv.rglob("extra.py"))
    assert project.files() == {".installed", ".installed-dev"}


def test_an_environment_is_made_where_none_works(project: Project) -> None:
    """Where Python is gone the environment is made again; pip installs where the locked uv fails."""
    (project.venv / "bin" / "python").unlink()
    (project.venv / "bin" / "python").symlink_to("/nowhere/python")
    code, out, _ = project.install()
    assert code == 0
    lines = [line for line in out.splitlines() if not line.startswith(" ")]
    version = ".".join(map(str, sys.version_info[:3]))
    assert lines == [
        f"Making .venv with Python {version}",
        "Installing uv",
        "Installing requirements.lock with uv",
        "uv failed; pip does its work, which takes a few minutes:",
        "Installing requirements.lock with pip",
        "Installing demo-pipeline",
        lines[-1],
    ]
    assert "error: out of order" in out
    assert project.value() == "locked"


@pytest.mark.parametrize("trouble", ["no wheel", "cannot be executed"])
def test_pip_installs_where_uv_cannot_be_had(project: Project, trouble: str) -> None:
    """A platform without a wheel, or a machine that does not execute it, is served by pip."""
    lines = write_wheel(
        project.wheels, "uv", UV_VERSION, {f"uv-{UV_VERSION}.data/scripts/uv": "#!/nowhere\n"}
    )
    (project.root / "requirements-uv.lock").write_text(lines)
    if trouble == "no wheel":
        next(project.wheels.glob("uv-*")).unlink()
    code, out, _ = project.install()
    assert code == 0
    assert "uv cannot be used here; pip does its work" in out
    assert project.value() == "locked"


@pytest.mark.parametrize("has_uv", [True, False])
def test_a_file_with_another_hash_is_refused(project: Project, *, has_uv: bool) -> None:
    """A package that is not the locked one is not installed, by uv or by pip, and there is no stamp."""
    if has_uv:
        project.use_real_uv()
    write_wheel(project.wheels, "tiny", "1.0", {"tiny.py": "VALUE = 'forged'\n"})
    code, out, err = project.install()
    assert code == 1
    assert "not installed: installing requirements.lock with pip failed" in err
    assert "HASHES" in err
    assert ("ash mismatch" in out) is has_uv
    assert project.value() == ""
    assert ".installed" not in project.files()


@pytest.mark.parametrize("has_uv", [True, False])
def test_a_package_without_a_hash_is_refused(project: Project, *, has_uv: bool) -> None:
    """A line of a lock file that names no hash installs nothing, by uv or by pip."""
    if has_uv:
        project.use_real_uv()
    (project.root / "requirements.lock").write_text("tiny==1.0\n")
    code, _, err = project.install()
    assert code == 1
    assert "not installed: installing requirements.lock with pip failed" in err
    assert project.value() == ""


def test_packages_come_from_the_index_that_pip_is_configured_with(project: Project) -> None:
    """Uv takes a package from an extra index of pip's configuration file."""
    project.use_real_uv()
    page = project.root / "simple" / "tiny"
    page.mkdir(parents=True)
    name = "tiny-1.0-py3-none-any.whl"
    shutil.move(project.wheels / name, page / name)
    (page / "index.html").write_text(f'<a href="{name}">{name}</a>')
    empty = project.root / "empty"
    empty.mkdir()
    config = project.root / "pip.conf"
    config.write_text(
        f"[global]\nindex-url = {empty.as_uri()}\n[install]\nextra-index-url = {page.parent.as_uri()}\n"
    )
    code, out, _ = project.install(PIP_CONFIG_FILE=str(config), PIP_NO_INDEX="")
    assert code == 0
    assert "with pip" not in out
    assert project.value() == "locked"


def test_a_quiet_pip_is_asked_all_the_same(project: Project) -> None:
    """With ``PIP_QUIET`` uv still gets the folder that pip is told."""
    project.use_real_uv()
    code, out, err = project.install(PIP_QUIET="1")
    assert (code, err) == (0, "")
    assert "with pip" not in out
    assert project.value() == "locked"


def test_a_time_of_pip_with_a_fraction_is_one_for_uv(project: Project) -> None:
    """The work is done by uv although it reads whole seconds only."""
    project.use_real_uv()
    code, out, _ = project.install(PIP_TIMEOUT="15.5")
    assert code == 0
    assert "with pip" not in out


@pytest.mark.parametrize("is_file", [False, True], ids=["variables", "file"])
def test_pip_installs_into_the_environment_and_nowhere_else(project: Project, *, is_file: bool) -> None:
    """Settings that send packages elsewhere hold neither from variables nor from pip's file."""
    elsewhere = project.root / "elsewhere"
    settings = {
        "target": str(elsewhere),
        "prefix": str(elsewhere),
        "root": str(elsewhere),
        "constraint": str(elsewhere / "constraints.txt"),
        "dry-run": "true",
    }
    if is_file:
        config = project.root / "pip.conf"
        lines = "".join(f"{name} = {value}\n" for name, value in settings.items())
        config.write_text(f"[install]\n{lines}")
        variables = {"PIP_CONFIG_FILE": str(config)}
    else:
        variables = {f"PIP_{name.upper().replace('-', '_')}": value for name, value in settings.items()}
        variables |= {"PIP_USER": "1", "PIP_PYTHON": "/nowhere/python"}
    project.write_uv("exit 2")
    code, out, err = project.install(**variables)
    assert (code, err) == (0, "")
    assert "Installing requirements.lock with pip" in out
    assert project.value() == "locked"
    assert not elsewhere.exists()


def test_a_configuration_that_pip_cannot_read_is_named(project: Project) -> None:
    """Nothing is installed from elsewhere: the file is named and what to do."""
    config = project.root / "pip.conf"
    config.write_text("nonsense\n")
    code, _, err = project.install(PIP_CONFIG_FILE=str(config))
    assert code == 1
    assert err.startswith("not installed: reading pip's configuration failed\n")
    assert str(config) in err
    assert "Correct what is named above" in err


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_was_cut_off_can_be_repeated(project: Project, how: signal.Signals) -> None:
    """After a kill in the middle there is no stamp, and the next run installs again what was half done.

    Ctrl-C ends uv as well and says one line.
    """
    began = project.root / "began"
    project.use_real_uv()
    assert project.install()[0] == 0
    (project.venv / ".installed").unlink()
    (tiny,) = project.venv.rglob("tiny.py")
    (project.root / "requirements-uv.lock").write_text(f"uv=={UV_VERSION} --hash=sha256:{'0' * 64}\n")
    project.write_uv(f"rm {tiny}; touch {began}; exec sleep 60")
    process = project.start()
    deadline = time.monotonic() + 60
    while not began.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    if how == signal.SIGKILL:
        os.killpg(process.pid, how)
    else:
        process.send_signal(how)
    _, err = process.communicate(timeout=20)
    if how != signal.SIGKILL:
        assert (process.returncode, err) == (130, "interrupted; the same command goes on from here\n")
    assert project.value() == ""
    assert ".installed" not in project.files()
    project.use_real_uv()
    assert project.install()[0] == 0
    assert project.value() == "locked"
    assert project.files() == {".installed"}


@pytest.mark.parametrize("half", ["marked", "without pip"])
def test_a_half_made_environment_is_healed(project: Project, quick_venv: str, half: str) -> None:
    """An environment whose making was cut off, or whose pip is damaged, is made again."""
    if half == "marked":
        (project.venv / ".installing").write_text("environment")
        (project.venv / "rubbish").mkdir()
    else:
        shutil.rmtree(next(project.venv.glob("lib/*/site-packages/pip")))
    code, _, err = project.install(PYTHONPATH=quick_venv)
    assert (code, err) == (0, "")
    assert project.value() == "locked"
    assert project.files() == {".installed"}


@pytest.mark.parametrize("place", ["mine", "."])
def test_a_folder_of_somebody_is_not_emptied(project: Project, place: str) -> None:
    """A folder that is no virtual environment, or has the project in it, is refused as it is."""
    folder = project.root / place
    folder.mkdir(exist_ok=True)
    (folder / "letter.txt").write_text("mine")
    if place == ".":
        (folder / "pyvenv.cfg").touch()
    before = sorted(folder.rglob("*"))
    code, _, err = project.install(venv=place, PYTHONDONTWRITEBYTECODE="1")
    assert code == 1
    assert err.startswith(f"not installed: {folder} ")
    assert "nothing in it was touched" in err
    assert "Name a folder that is empty or does not exist yet" in err
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize("is_there", [False, True])
def test_an_empty_folder_becomes_an_environment(project: Project, quick_venv: str, *, is_there: bool) -> None:
    """A folder that is empty, or not there yet, is made an environment."""
    if is_there:
        (project.root / "empty").mkdir()
    assert project.install(venv="empty", PYTHONPATH=quick_venv)[0] == 0
    assert (project.root / "empty" / ".installed").exists()


def test_without_a_network_there_is_one_message(project: Project) -> None:
    """An index that cannot be reached is reported once, soon, with what to do; nothing is installed."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        index = f"http://127.0.0.1:{unused.getsockname()[1]}/simple"
        code, out, err = project.install(PIP_NO_INDEX="", PIP_FIND_LINKS="", PIP_INDEX_URL=index)
    assert code == 1
    assert err.startswith("not installed: no package index could be reached\n")
    assert "Check the network" in err
    assert "pip config list" in err
    assert len(err.splitlines()) <= 5
    assert "with pip" not in out
    assert project.files() == {".installing"}


def test_a_place_that_cannot_be_written_is_named(project: Project) -> None:
    """A file where the environment should be is an error in one line."""
    shutil.rmtree(project.venv)
    project.venv.write_text("")
    code, _, err = project.install()
    assert code == 1
    assert err.startswith("not installed: ")
    assert str(project.venv) in err
    assert len(err.splitlines()) == 1
