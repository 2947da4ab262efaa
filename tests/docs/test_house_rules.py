"""The rules that no linter knows find what they are there to find."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts import house_rules


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project that the rules look at instead of this one."""
    monkeypatch.setattr(house_rules, "ROOT", tmp_path)
    for name in house_rules.LOCK_FILES:
        (tmp_path / name).write_text("", encoding="utf-8")
    (tmp_path / "demo_pipeline" / "domain").mkdir(parents=True)
    return tmp_path


@pytest.mark.parametrize("path", ["/" + "home/somebody/x", 'open("/' + 'work/main")', "/" + "root/.cache"])
def test_a_path_of_one_machine_is_found(project: Path, path: str) -> None:
    """A folder of the machine that a file was written on is named with its line."""
    (project / "a.md").write_text(f"fine\n{path}\n", encoding="utf-8")
    (found,) = house_rules.no_machine_paths()
    assert found.startswith("a.md:2:")


@pytest.mark.parametrize(
    "text",
    ["https://example.org/" + "home/x", "$HOME/x", "~/" + "work/x", "docs/" + "work/x", "/usr/bin"],
)
def test_other_paths_are_left_alone(project: Path, text: str) -> None:
    """Addresses, variables, relative paths and system folders are the same everywhere."""
    (project / "a.md").write_text(text + "\n", encoding="utf-8")
    assert list(house_rules.no_machine_paths()) == []


@pytest.mark.parametrize(
    "line",
    ["--index-url https://example.org", "--find-links wheels", "a @ https://example.org/a.whl", "a==1"],
)
def test_an_index_or_a_missing_hash_is_found(project: Path, line: str) -> None:
    """A lock file names no index and has a hash for each package."""
    (project / "requirements.lock").write_text(line + "\n", encoding="utf-8")
    assert list(house_rules.lock_files_name_no_index())


@pytest.mark.parametrize("locked", ["", "numpy==1.0 \\\n"])
def test_a_lock_file_that_lags_behind_is_found(project: Path, locked: str) -> None:
    """A dependency that is not locked, or at a version that is not allowed, is named."""
    (project / "pyproject.toml").write_text(
        '[project]\ndependencies = ["numpy>=1.26"]\n[project.optional-dependencies]\nbuild = []\ndev = []\n'
        "[dependency-groups]\ninstall = []\n",
        encoding="utf-8",
    )
    for name in house_rules.LOCK_FILES:
        (project / name).write_text(locked, encoding="utf-8")
    assert [line for line in house_rules.lock_files_are_in_step() if "numpy" in line]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("demo_pipeline/long.py", "x = 1\n" * (house_rules.MOST_LINES + 1)),
        ("demo_pipeline/utils.py", ""),
        ("demo_pipeline/__init__.py", "from demo_pipeline.months import Month\n"),
    ],
)
def test_a_large_nameless_or_forwarding_module_is_found(project: Path, name: str, text: str) -> None:
    """A module is small, has a telling name, and forwards nothing."""
    (project / name).write_text(text, encoding="utf-8")
    (found,) = house_rules.modules_are_small_and_named()
    assert found.startswith(name)


def test_a_client_clock_in_the_program_is_found(project: Path) -> None:
    """The clock that counts is the server's; only settings and log lines, and tests, may read another."""
    for name in ("settings.py", "late.py", "domain/late.py"):
        (project / "demo_pipeline" / name).write_text("now = datetime.now(UTC)\n", encoding="utf-8")
    (project / "late.py").write_text("now = datetime.now(UTC)\n", encoding="utf-8")
    found = sorted(house_rules.program_reads_no_client_clock())
    places = ["demo_pipeline/domain/late.py:1:", "demo_pipeline/late.py:1:"]
    assert [line.partition(" ")[0] for line in found] == places


def test_a_test_without_docstring_is_found(project: Path) -> None:
    """A test says which behaviour it holds."""
    (project / "tests").mkdir()
    (project / "tests" / "test_x.py").write_text("def test_x():\n    pass\n", encoding="utf-8")
    (found,) = house_rules.tests_say_what_holds()
    assert found.startswith("tests/test_x.py:1:")
