"""The wheel and the source distribution work without the clone, as the tutorial says.

Both are built offline from a copy of what is under version control. The long test installs the wheel outside
the clone and types the tutorial; packages come from where pip and uv are configured to find them, at the
versions of the lock file.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import urllib.request
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import Final

import pytest

from scripts import house_rules
from tests.documents import FILE, HANDED_ON, lines_of, missing
from tests.fixtures.dagster_web import free_port
from tests.fixtures.embedded_server import forget
from tests.paths import PROJECT

TUTORIAL: Final = (PROJECT / "docs" / "tutorial.md").read_text(encoding="utf-8")
DECLARED: Final = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
#: version of a copy without version control
FALLBACK: Final = DECLARED["tool"]["hatch"]["version"]["fallback-version"]
UV: Final = Path(sys.executable).with_name("uv")
BUNDLED: Final = "demo_pipeline/bundled/"
STEP_SECONDS: Final = 300
LOCATION_QUERY: Final = (
    b'{"query": "{ workspaceOrError { ... on Workspace { locationEntries { name loadStatus'
    b' locationOrLoadError { __typename } } } } runsOrError { ... on Runs { results { status } } } }"}'
)


@dataclass(frozen=True)
class Built:
    """The folder with both distributions, and the files that were there to build them from."""

    folder: Path
    sources: tuple[str, ...]

    @property
    def wheel(self) -> Path:
        return next(self.folder.glob("*.whl"))

    def read(self, name: str) -> bytes:
        """One file of the wheel."""
        with zipfile.ZipFile(self.wheel) as wheel:
            return wheel.read(name)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The source distribution of a copy, and the wheel that is built from it."""
    folder = tmp_path_factory.mktemp("package")
    sources = [path.as_posix() for path in house_rules.files()]
    for path in sources:
        copy = folder / "tree" / path
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes((PROJECT / path).read_bytes())
    command = [str(UV), "build", "--quiet", "--offline", "--no-build-isolation", "--python", sys.executable]
    environment = {**os.environ, "UV_CACHE_DIR": str(folder / "cache")}
    subprocess.run(
        [*command, "--out-dir", str(folder / "dist"), str(folder / "tree")],
        env=environment,
        check=True,
        stdin=subprocess.DEVNULL,
    )
    return Built(folder / "dist", tuple(sources))


def test_the_wheel_has_the_package_and_copies_of_the_bundled_files(built: Built) -> None:
    """Modules, data files, the mark of a typed package, blueprints and Dagster's files are in the wheel."""
    with zipfile.ZipFile(built.wheel) as wheel:
        inside = {name for name in wheel.namelist() if ".dist-info/" not in name}
    package = {name for name in built.sources if name.startswith("demo_pipeline/")}
    copied = {name for name in built.sources if name.startswith("blueprints/")}
    copied |= {"dagster.yaml", "deploy/celery/dagster.yaml", "workspace.yaml"}
    assert inside == package | {BUNDLED + name for name in copied}
    assert "demo_pipeline/py.typed" in inside
    assert all(built.read(BUNDLED + name) == (PROJECT / name).read_bytes() for name in copied)


def test_the_wheel_has_the_licence_and_the_readme(built: Built) -> None:
    """Whoever gets the wheel gets the licence, and the readme as its description."""
    info = f"demo_pipeline-{FALLBACK}.dist-info"
    assert built.read(f"{info}/licenses/LICENSE") == (PROJECT / "LICENSE").read_bytes()
    metadata = built.read(f"{info}/METADATA").decode()
    assert f"\nVersion: {FALLBACK}\n" in metadata
    assert "License-Expression: MIT\n" in metadata
    assert (PROJECT / "README.md").read_text(encoding="utf-8").strip() in metadata


def test_the_source_distribution_has_every_file(built: Built) -> None:
    """What is under version control is in it, and nothing else but its metadata."""
    (path,) = built.folder.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert names - {"PKG-INFO"} == set(built.sources)


def test_the_version_is_that_of_the_next_release() -> None:
    """Where no tag is known, the version is a development version of the newest release of the changelog."""
    changelog = (PROJECT / "CHANGELOG.md").read_text(encoding="utf-8")
    releases = re.findall(r"^## \[(\d+\.\d+\.\d+)\]", changelog, re.MULTILINE)
    assert f"{releases[0]}.dev0" == FALLBACK


@dataclass
class Stranger:
    """Somebody with the wheel in a folder, uv, and no clone."""

    folder: Path
    environment: dict[str, str]

    def start(self, command: str, folder: Path) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["bash", "-c", command],
            cwd=folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, command: str, folder: Path) -> str:
        """Type a command that ends with 0; what it printed."""
        process = self.start(command, folder)
        printed, _ = process.communicate(timeout=STEP_SECONDS)
        assert process.returncode == 0, f"{command}\n{printed}"
        return printed


@pytest.fixture
def stranger(built: Built) -> Iterator[Stranger]:
    """A home of their own; what was downloaded before is taken from uv's cache."""
    folder = Path(tempfile.mkdtemp(prefix="demo-package-"))
    # The embedded server of a run by root has another account, which must pass through.
    folder.chmod(0o711)
    shutil.copy(built.wheel, folder)
    cache = subprocess.run([UV, "cache", "dir"], check=True, capture_output=True, text=True).stdout.strip()
    environment = {name: value for name, value in os.environ.items() if HANDED_ON.fullmatch(name)} | {
        "HOME": str(folder / "home"),
        "UV_CACHE_DIR": cache,
        "UV_CONSTRAINT": str(PROJECT / "requirements-dev.lock"),
        "UV_PYTHON": f"{sys.version_info.major}.{sys.version_info.minor}",
        "PATH": os.pathsep.join(
            [str(folder / "home" / ".local" / "bin"), str(UV.parent), os.environ["PATH"]]
        ),
        "DAGSTER_TELEMETRY_DISABLED": "yes",
    }
    (folder / "home").mkdir()
    try:
        yield Stranger(folder, environment)
    finally:
        for home in folder.rglob(".demo"):
            forget(home)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_stranger_goes_through_the_tutorial(stranger: Stranger) -> None:
    """Every command of the tutorial prints what it shows; meanwhile ``uvx`` makes the bundled tenants.

    In the folder that ``init`` made, ``dagster dev`` loads the definitions, those of the folder included.
    """
    empty = stranger.folder / "empty"
    empty.mkdir()
    lines = lines_of(TUTORIAL)
    stranger.run(lines[0].text, stranger.folder)
    bundled = stranger.start("uvx --from ../demo_pipeline-*.whl demo-pipeline run", empty)
    here = stranger.folder
    files = dict(FILE.findall(TUTORIAL))
    assert set(files) == {"plan.csv", "won.py"}
    for line in lines[1:]:
        if line.text.startswith("cd "):
            here = (here / line.text.removeprefix("cd ")).resolve()
            continue
        if line.text.startswith("export "):
            name, _, value = line.text.removeprefix("export ").partition("=")
            stranger.environment[name] = value.strip('"').replace("$PWD", str(here))
            continue
        for name, text in files.items():
            if name in line.text:
                (here / name).write_text(text, encoding="utf-8")
        printed = stranger.run(line.text, here)
        assert missing(line.shown, printed.splitlines()) is None, f"{line.text}\n{printed}"
        if line.text == "dg check defs":
            check_dagster_dev(stranger, here)
    printed, _ = bundled.communicate(timeout=STEP_SECONDS)
    assert bundled.returncode == 0, printed
    assert len(re.findall(r"^\S+ +as expected$", printed, re.MULTILINE)) == len(
        list((PROJECT / "blueprints").glob("*.yaml"))
    )


def check_dagster_dev(stranger: Stranger, folder: Path) -> None:
    """``dagster dev`` serves the code location of the folder, and shows the runs that were made in it."""
    (folder / "demo_tenants" / "defs" / "own.py").write_text(
        'import dagster as dg\n\n\n@dg.asset(deps=["kpi_snapshot"])\ndef own_asset() -> None: ...\n'
    )
    listed = stranger.run("dg list defs --json", folder)
    assert '"own_asset"' in listed
    assert '"kpi_snapshot"' in listed
    port = free_port()
    process = stranger.start(f"exec dagster dev --port {port} 2>&1", folder)
    try:
        answer = b""
        deadline = monotonic() + 120
        while b"LOADED" not in answer and monotonic() < deadline and process.poll() is None:
            sleep(0.5)
            request = urllib.request.Request(
                f"http://127.0.0.1:{port}/graphql", LOCATION_QUERY, {"Content-Type": "application/json"}
            )
            try:
                with urllib.request.urlopen(request, timeout=30) as response:
                    answer = response.read()
            except OSError:
                continue
        assert b'"name":"demo_pipeline"' in answer.replace(b": ", b":"), answer
        assert b"RepositoryLocation" in answer
        assert b"SUCCESS" in answer, "the runs of the command line are those of the pages"
    finally:
        process.terminate()
        process.communicate(timeout=60)
