"""The schemas of JSON answers: complete, valid, and what the commands print.

``tests.fixtures.cli`` holds every JSON answer of every test against its schema. Here are those of
commands that no other test calls with ``--json``, and that a difference is found.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from scripts.answers.catalogue import ANSWERS
from scripts.answers.schemas import render, schemas
from scripts.build_cli_reference import leaves, load_root
from tests.fixtures.answers import check_answer
from tests.fixtures.cli import RunCommand
from tests.paths import PROJECT


def test_every_command_with_json_has_a_schema() -> None:
    """The catalogue has the commands that take ``--json`` and no others."""
    takers = {
        " ".join(path)
        for path, command in leaves(load_root())
        if any("--json" in parameter.opts for parameter in command.params)
    }
    assert set(ANSWERS) == takers


def test_the_files_are_schemas_and_what_the_catalogue_says() -> None:
    """Each file is a valid schema of its dialect; ``make docs`` writes it."""
    for path, text in render().items():
        assert (PROJECT / path).read_text(encoding="utf-8") == text
        Draft202012Validator.check_schema(json.loads(text))


def test_answers_of_commands_that_are_seldom_called(kranz: str, quick_command: RunCommand) -> None:
    """``dedupe`` and ``provenance backfill`` with nothing to do."""
    assert quick_command("dedupe", kranz, "--json").document["done"] is False
    assert quick_command("provenance", "backfill", kranz, "--json").document["job_id"] is None


@pytest.mark.parametrize(
    ("arguments", "change"),
    [
        (["digest", "kranz"], {"digest": "abc"}),
        (["digest", "kranz"], {"more": 1}),
        (["kpis", "kranz"], {"months": [{"month": "2025-13"}]}),
        (["nonsense"], {"error": {"code": "nonsense", "message": "", "details": {}}}),
    ],
)
def test_a_difference_is_found(arguments: list[str], change: dict[str, Any]) -> None:
    """A wrong value, a field that is not declared, one that is missing, and an unknown code are seen."""
    answers: dict[str, dict[str, Any]] = {
        "digest": {"tenant": "kranz", "digest": "0" * 64},
        "kpis": {"tenant": "kranz", "months": []},
        "nonsense": {},
    }
    answer = answers[arguments[0]]
    check_answer([*arguments, "--json"], json.dumps(answer) if answer else "")
    with pytest.raises(AssertionError):
        check_answer([*arguments, "--json"], json.dumps({**answer, **change}))


def test_schemas_do_not_share_what_they_do_not_use() -> None:
    """A schema has the forms that it refers to and no others, so that it can be read alone."""
    assert "$defs" not in schemas()["serve"]
    assert set(schemas()["digest"]["$defs"]) == {"digest"}
    assert set(schemas()["kpis"]["$defs"]) == {"figures_of_month", "money", "month"}
