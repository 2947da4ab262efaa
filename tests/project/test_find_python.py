"""``make`` finds a Python that will do, or says what is missing."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.paths import PROJECT


def fake_python(folder: Path, name: str, version: str, *, has_venv: bool = True) -> None:
    """A program that answers as an interpreter of that version does."""
    path = folder / name
    path.write_text(
        f'#!/bin/sh\ncase "$2" in *version_info*) echo {version} ;; *) exit {int(not has_venv)} ;; esac\n'
    )
    path.chmod(0o755)


def find(folder: Path, *candidates: str) -> tuple[int, str, str]:
    """What the script says where only the folder's programs are found."""
    done = subprocess.run(
        [PROJECT / "scripts" / "find_python.sh", *candidates],
        env={"PATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout.strip(), done.stderr


@pytest.mark.parametrize(
    ("pythons", "found"),
    [
        ({"python3": "3.11.2"}, "python3"),
        ({"python3": "3.13.1", "python3.12": "3.12.1"}, "python3"),
        ({"python3": "3.9.2", "python3.12": "3.12.1"}, "python3.12"),
        ({"python3": "3.14.0", "python3.11": "3.11.0"}, "python3.11"),
    ],
)
def test_the_first_supported_python_is_taken(tmp_path: Path, pythons: dict[str, str], found: str) -> None:
    """Too old or too new interpreters are passed over."""
    for name, version in pythons.items():
        fake_python(tmp_path, name, version)
    assert find(tmp_path) == (0, found, "")


def test_a_python_without_venv_is_passed_over(tmp_path: Path) -> None:
    """Debian's python3 without python3-venv cannot make an environment; another one may."""
    fake_python(tmp_path, "python3", "3.13.1", has_venv=False)
    fake_python(tmp_path, "python3.12", "3.12.1")
    assert find(tmp_path)[1] == "python3.12"


@pytest.mark.parametrize(
    ("version", "has_venv", "said"),
    [
        ("3.10.4", True, "python3 is Python 3.10.4\n"),
        ("3.14.0", True, "python3 is Python 3.14.0\n"),
        (
            "3.11.2",
            False,
            "python3 is Python 3.11.2 without venv. Debian and Ubuntu: apt-get install python3.11-venv",
        ),
    ],
)
def test_what_was_found_instead_is_said(tmp_path: Path, version: str, said: str, *, has_venv: bool) -> None:
    """The message names the supported versions, what was found, why it will not do, and the remedy."""
    fake_python(tmp_path, "python3", version, has_venv=has_venv)
    code, out, message = find(tmp_path)
    assert (code, out) == (1, "")
    assert "needs Python 3.11, 3.12 or 3.13 with venv" in message
    assert said in message
    assert "make install PYTHON=" in message


def test_no_python_at_all_is_said(tmp_path: Path) -> None:
    """Where nothing runs, the names that were tried are listed; a shim that fails is nothing."""
    (tmp_path / "python3").write_text("#!/bin/sh\nexit 127\n")
    (tmp_path / "python3").chmod(0o755)
    code, _, message = find(tmp_path)
    assert code == 1
    assert "Not one of these runs: python3 python3.13 python3.12 python3.11" in message


def test_a_python_that_was_named_is_the_only_candidate(tmp_path: Path) -> None:
    """``make install PYTHON=...`` takes that one or says why not, and never another."""
    fake_python(tmp_path, "python3", "3.11.2")
    fake_python(tmp_path, "mine", "3.9.1")
    code, _, message = find(tmp_path, "mine")
    assert code == 1
    assert "mine is Python 3.9.1" in message


def test_make_ends_with_the_message(tmp_path: Path) -> None:
    """A person who types ``make install`` sees the message, and nothing is made."""
    fake_python(tmp_path, "mine", "3.14.2")
    done = subprocess.run(
        ["make", "install", f"VENV={tmp_path / 'venv'}", f"PYTHON={tmp_path / 'mine'}"],
        cwd=PROJECT,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "mine is Python 3.14.2" in done.stderr
    assert not (tmp_path / "venv").exists()
