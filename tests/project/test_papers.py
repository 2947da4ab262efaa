"""What belongs to a project agrees with itself: licence, metadata, hooks, workflow."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import tomllib
from pathlib import Path
from typing import Any, Final

from packaging.specifiers import SpecifierSet
from ruamel.yaml import YAML

from scripts import check
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
    """Readme and licence files exist."""
    assert all((PROJECT / name).is_file() for name in [DECLARED["readme"], *DECLARED["license-files"]])


def test_the_supported_versions_of_python_are_named_alike() -> None:
    """Metadata, classifiers and the search for an interpreter agree."""
    named = [found[1] for line in DECLARED["classifiers"] if (found := re.search(r":: (3\.\d+)$", line))]
    every = [f"3.{minor}" for minor in range(8, 20)]
    assert named == list(SpecifierSet(DECLARED["requires-python"]).filter(every))
    finder = (PROJECT / "scripts" / "find_python.sh").read_text(encoding="utf-8")
    assert " | ".join(f"{version}.*" for version in named) in finder


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
