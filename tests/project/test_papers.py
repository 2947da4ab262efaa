"""What belongs to a project agrees with itself: licence, metadata, hooks, workflow, the wheel."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any, Final

import pytest
from packaging.specifiers import SpecifierSet
from ruamel.yaml import YAML

from scripts import check, house_rules
from tests.paths import PROJECT

DECLARED: Final = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
WORKFLOW: Final = PROJECT / ".github" / "workflows" / "ci.yml"


def read_yaml(path: Path) -> Any:
    """The document as plain Python objects; ``on`` stays a word (YAML 1.2)."""
    return YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))


def test_the_licence_is_the_one_that_the_metadata_name() -> None:
    """The licence file has the text of the named licence, and the authors of the metadata."""
    assert DECLARED["license"] == "MIT"
    (name,) = DECLARED["license-files"]
    text = (PROJECT / name).read_text(encoding="utf-8")
    assert text.startswith("MIT License\n")
    assert f"Copyright (c) 2026 {DECLARED['authors'][0]['name']}\n" in text
    assert "Permission is hereby granted, free of charge" in text


def test_every_file_of_the_metadata_is_there() -> None:
    """Readme and licence files exist, and each pattern of package data finds a file."""
    assert all((PROJECT / name).is_file() for name in [DECLARED["readme"], *DECLARED["license-files"]])
    data = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"][
        "package-data"
    ]
    patterns = [(package, pattern) for package, patterns in data.items() for pattern in patterns]
    assert [pattern for package, pattern in patterns if not list((PROJECT / package).glob(pattern))] == []


def test_the_supported_versions_of_python_are_named_alike() -> None:
    """Metadata, classifiers and the search for an interpreter agree."""
    named = [found[1] for line in DECLARED["classifiers"] if (found := re.search(r":: (3\.\d+)$", line))]
    every = [f"3.{minor}" for minor in range(8, 20)]
    assert named == list(SpecifierSet(DECLARED["requires-python"]).filter(every))
    finder = (PROJECT / "scripts" / "find_python.sh").read_text(encoding="utf-8")
    assert " | ".join(f"{version}.*" for version in named) in finder


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel, built offline from a copy of what is under version control."""
    folder = tmp_path_factory.mktemp("wheel")
    for path in house_rules.files():
        copy = folder / "tree" / path
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes((PROJECT / path).read_bytes())
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
    ]
    subprocess.run([*command, "--wheel-dir", folder, folder / "tree"], check=True, stdin=subprocess.DEVNULL)
    return zipfile.ZipFile(next(folder.glob("*.whl")))


def test_the_wheel_has_every_file_of_the_package(wheel: zipfile.ZipFile) -> None:
    """Modules, data files and the mark of a typed package are in the wheel; else only metadata are."""
    inside = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert inside == {path.as_posix() for path in house_rules.files() if path.parts[0] == "demo_pipeline"}
    assert "demo_pipeline/py.typed" in inside


def test_the_wheel_has_the_licence_and_the_readme(wheel: zipfile.ZipFile) -> None:
    """Who gets the wheel gets the licence, and the readme as its description."""
    info = f"demo_pipeline-{DECLARED['version']}.dist-info"
    assert wheel.read(f"{info}/licenses/LICENSE") == (PROJECT / "LICENSE").read_bytes()
    metadata = wheel.read(f"{info}/METADATA").decode()
    assert "License-Expression: MIT\n" in metadata
    assert (PROJECT / "README.md").read_text(encoding="utf-8").strip() in metadata


def names_of(command: str) -> list[str]:
    """The checks that a command line of ``scripts/check.py`` runs."""
    program, script, *options = shlex.split(command)
    assert (program, script) == (".venv/bin/python", "scripts/check.py")
    return [step.name for step in check.selected("", check.arguments(options))]


def test_hooks_and_make_check_run_the_same_checks() -> None:
    """Before a push all checks of ``make check`` run; before a commit those that take seconds."""
    (repository,) = read_yaml(PROJECT / ".pre-commit-config.yaml")["repos"]
    entry = {stage: hook["entry"] for hook in repository["hooks"] for stage in hook["stages"]}
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    assert "check.py\n" in makefile
    everything = [step.name for step in check.steps("")]
    assert names_of(entry["pre-push"]) == everything
    fast = names_of(entry["pre-commit"])
    assert set(fast) < set(everything)
    assert {"lint (ruff check)", "format (ruff format)"} <= set(fast)
    assert all(hook["language"] == "system" and hook["always_run"] for hook in repository["hooks"])


def test_the_workflow_calls_what_everybody_can_call() -> None:
    """CI is ``.ci/run``: bounded in time, with a token that only reads, and actions pinned to commits."""
    workflow = read_yaml(WORKFLOW)
    assert workflow["permissions"] == {"contents": "read"}
    assert workflow["concurrency"]["group"]
    assert set(workflow["on"]) == {"push", "pull_request", "workflow_dispatch"}
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"] <= 180
        assert job["steps"][-1]["run"] == "bash .ci/run"
        used = [step["uses"] for step in job["steps"] if "uses" in step]
        assert used
        assert all(re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", name) for name in used)


def test_the_help_lists_every_target() -> None:
    """``make help`` has a line for each target that a person may call."""
    # Inside make another make says which folder it enters.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    shown = subprocess.run(
        ["make", "help"], cwd=PROJECT, env=environment, capture_output=True, text=True, check=True
    ).stdout
    listed = [line.split()[1] for line in shown.splitlines()]
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    phony = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert sorted(listed) == sorted(" ".join(phony).split())
    assert all(len(line.split(maxsplit=2)[2]) > 10 for line in shown.splitlines())
