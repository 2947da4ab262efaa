"""The same bytes on any machine: processor features, locale, time zone, hash seed, interpreter, numpy."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.domain.generation.print_fingerprints import fingerprint
from tests.paths import BUNDLED, PROJECT

#: What the bundled blueprints have always given. A change of one of these is a change of every tenant
#: that was made from it: it needs a new version of the word lists and a line in the changelog.
GOLDEN = {
    "larkmoor": "28a44f4a2f6b1ce73c091858e510de684e7160c7228cb9268ad8267db393290c",
    "marlowe-quay": "bd4b55635567dbe7b4f389d0f7a0a0266374dbd449035ba37069ca23f60d72e1",
    "tannrausch": "671e30921fd2c5256b3ce8b1c129e36b0fb80334f154b33a839719a010a7eb30",
    "tidewick": "68cb358e15eb1db55ed602f0e228b00891b02d6c8ea45b4de3e200c193079d24",
}

#: Versions that must agree, as pip's requirement of numpy.
OLDEST_NUMPY = "numpy==2.0.2"
_NEEDED = ("pyarrow", "pydantic", "pydantic-settings", "ruamel.yaml", "tzdata")


@pytest.mark.risk("G5")
@pytest.mark.parametrize("path", BUNDLED, ids=lambda path: path.stem)
def test_g05_golden_rows_of_the_bundled_blueprints(path: Path) -> None:
    """Every bundled blueprint gives the rows that it has always given."""
    assert fingerprint(path) == GOLDEN[path.stem]


@pytest.mark.risk("G5")
@pytest.mark.parametrize(
    "environment",
    [
        {"NPY_DISABLE_CPU_FEATURES": "AVX512F AVX512CD AVX512_SKX AVX512_ICL AVX2 FMA3"},
        {"TZ": "Pacific/Auckland", "LC_ALL": "C", "PYTHONHASHSEED": "1"},
        {"TZ": "America/Los_Angeles", "LC_ALL": "tr_TR.UTF-8", "PYTHONHASHSEED": "2", "PYTHONUTF8": "1"},
    ],
    ids=["without-avx", "auckland", "turkish"],
)
def test_g05_golden_rows_in_another_environment(environment: dict[str, str]) -> None:
    """Processor features, time zone, locale and hash seed change nothing."""
    assert _printed(sys.executable, environment) == GOLDEN


@pytest.mark.long
@pytest.mark.risk("G5")
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("version", "numpy"),
    [("3.11", OLDEST_NUMPY), ("3.12", "numpy"), ("3.13", "numpy")],
    ids=["3.11-oldest-numpy", "3.12", "3.13"],
)
def test_g05_golden_rows_on_another_interpreter(tmp_path: Path, version: str, numpy: str) -> None:
    """Python 3.11 to 3.13, and the oldest and the newest numpy that is allowed, give the same bytes."""
    interpreter = _interpreter(version)
    if interpreter is None:
        # Which interpreters a machine has is not ours to say, on CI neither; those it has are tried.
        pytest.skip(f"no Python {version} here; install one to try it")
    environment = tmp_path / "venv"
    subprocess.run([interpreter, "-m", "venv", environment], check=True)
    pip = [environment / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, numpy, *_pinned()], check=True)
    assert _printed(str(environment / "bin" / "python"), {}) == GOLDEN


def _printed(interpreter: str, environment: dict[str, str]) -> dict[str, str]:
    run = subprocess.run(
        [interpreter, "-m", "tests.domain.generation.print_fingerprints", *map(str, BUNDLED)],
        env={**os.environ, "PYTHONPATH": str(PROJECT), **environment},
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return dict(line.split() for line in run.stdout.splitlines())


def _pinned() -> list[str]:
    """The needed packages at the versions of the lock."""
    lines = (PROJECT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    pins = [line.split()[0] for line in lines if "==" in line]
    return [pin for pin in pins if pin.split("==")[0] in {"ruamel-yaml", *_NEEDED}]


def _interpreter(version: str) -> str | None:
    """An interpreter of that version that really runs, from the PATH or of pyenv."""
    candidates = [shutil.which(f"python{version}")]
    candidates += sorted(map(str, (Path.home() / ".pyenv" / "versions").glob(f"{version}.*/bin/python")))
    for candidate in filter(None, candidates):
        run = subprocess.run([candidate, "-c", "import venv"], capture_output=True, check=False)
        if run.returncode == 0:
            return candidate
    return None
