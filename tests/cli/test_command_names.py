"""Words that are no command: what was probably meant is proposed, whichever group has it."""

from __future__ import annotations

import pytest

from demo_pipeline.cli import main
from tests.cli.test_commands import COMMANDS


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("apply", "patch apply"),
        ("plan apply", "patch apply"),
        ("patch preview", "plan preview"),
        ("patch undo", "job undo"),
        ("job apply", "patch apply"),
        ("undo", "job undo"),
        ("list", "tenant list, job list"),
        ("status", "tenant list, job list, db status"),
        ("tenant status", "tenant list"),
        ("job status", "job list"),
        ("tenant create", "tenant provision"),
        ("create", "tenant provision"),
        ("tenant generate", "demo-pipeline generate"),
        ("kpi", "kpis"),
        ("tennant", "tenant"),
        ("tenant lst", "tenant list"),
        ("job rollback", "job undo"),
        ("db dump", "db backup"),
    ],
)
def test_an_unknown_command_proposes_the_one_that_is_meant(
    typed: str, meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """By its last word in any group, by what other programs call it, by spelling; exit code 2."""
    assert main.run([*typed.split(), "larkmoor"]) == 2
    word = typed.rsplit(maxsplit=1)[-1]
    said = capsys.readouterr().err
    assert said.startswith(f"error: no such command '{word}'; did you mean {meant}? demo-pipeline ")
    assert said.endswith(" --help shows how\n")


@pytest.mark.parametrize("path", [path for path in COMMANDS if path[0] != "provenance"], ids=" ".join)
def test_the_last_word_of_a_command_finds_it(
    path: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """Typed alone, or in a group that has no such command."""
    *groups, word = path
    if groups:
        assert main.run([word]) == 2
        assert " ".join(path) in capsys.readouterr().err
    assert main.run(["provenance", word]) == 2
    assert " ".join(path) in capsys.readouterr().err


def test_what_is_like_no_command_is_only_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is proposed that has nothing to do with what was typed."""
    assert main.run(["db", "xyzzy"]) == 2
    assert capsys.readouterr().err == "error: no such command 'xyzzy'; demo-pipeline db --help shows how\n"
    assert main.run(["xyzzy", "--json"]) == 2
    assert "did you mean" not in capsys.readouterr().out


def test_help_shows_a_type_only_where_a_value_is_given(capsys: pytest.CaptureFixture[str]) -> None:
    """``--json <bool>`` would look as if it took a value; ``--from MONTH`` does."""
    assert main.run(["kpis", "--help"]) == 0
    shown = capsys.readouterr().out
    assert "--json" in shown
    assert "MONTH" in shown
    assert "<" not in shown
    assert main.run(["--help"]) == 0
    assert "<" not in capsys.readouterr().out
