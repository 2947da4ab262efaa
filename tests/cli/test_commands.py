"""Every command can be found out about: help and an example that can be typed."""

from __future__ import annotations

import shlex
from importlib.metadata import version
from pathlib import Path

import pytest

from demo_pipeline.cli import main
from scripts.build_cli_reference import PROGRAM, Command, leaves, load_root
from tests.fixtures.cli import PROGRAM as PROGRAM_FILE
from tests.fixtures.cli import RunCommand, clean_environment, run_program

COMMANDS = dict(leaves(load_root()))


def name_of(path: tuple[str, ...]) -> str:
    """The words of a command as the tests' ids show it."""
    return " ".join(path)


def examples(command: Command) -> list[list[str]]:
    """The command lines of a command's help."""
    lines = (command.epilog or "").split("\n\n")[1:]
    return [shlex.split(line) for line in lines]


def test_the_commands_are_those_that_others_rely_on() -> None:
    """No command goes missing or gets another name."""
    wanted = (
        "init,run,serve,generate,kpis,verify,digest,scan,"
        "tenant provision,tenant list,tenant show,tenant delete,"
        "plan preview,plan write,patch apply,job list,job show,job undo,job retry,"
        "db upgrade,db downgrade,db url,db stop"
    )
    assert set(wanted.split(",")) <= set(map(name_of, COMMANDS))


@pytest.mark.parametrize("path", COMMANDS, ids=name_of)
def test_a_command_has_help_and_an_example(path: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """Help says what the command does and ends with lines that can be typed as they are."""
    shown = COMMANDS[path]
    assert shown.help
    options = {name for item in shown.params for name in (*item.opts, *item.secondary_opts)}
    assert "--json" in options
    assert examples(shown)
    for program, *words in examples(shown):
        assert program == PROGRAM
        assert tuple(words[: len(path)]) == path
        used = {word for word in words if word.startswith("--")}
        assert used <= options
    assert main.run([*path, "--help"]) == 0
    said = capsys.readouterr()
    assert f"demo-pipeline {name_of(path)}" in said.out
    assert "Example" in said.out
    assert not said.err


def test_version_and_bare_call() -> None:
    """The version is that of the package; without a command the help is shown."""
    environment = clean_environment()
    shown = run_program("--version", environment=environment)
    assert (shown.code, shown.out) == (0, f"demo-pipeline {version('demo-pipeline')}\n")
    bare = run_program(environment=environment)
    assert bare.code == 2
    assert "Usage" in bare.out + bare.err


@pytest.mark.parametrize("path", COMMANDS, ids=name_of)
def test_a_wrong_option_is_a_usage_error(path: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 2 before anything is tried, on stderr for people and as one document for programs.

    It has the shape of every other error.
    """
    assert main.run([*path, "--no-such-option"]) == 2
    said = capsys.readouterr()
    assert not said.out
    assert said.err.startswith("error: ")
    assert "--no-such-option" in said.err
    assert said.err.endswith(f"; demo-pipeline {' '.join(path)} --help shows how\n")
    assert main.run([*path, "--no-such-option", "--json"]) == 2
    said = capsys.readouterr()
    assert said.out.startswith('{\n  "error": {\n    "code": "usage"')


def test_a_proposed_command_can_be_typed_as_it_is(command: RunCommand, blueprint: Path) -> None:
    """It names this program by its path where the shell would not find it by its name."""
    empty = command("verify", environment={"PATH": "/usr/bin:/bin"}).err
    _, *words = shlex.split(empty.partition("; ")[2])
    assert words[:3] == ["tenant", "provision", "FILE"]
    made = command("tenant", "provision", blueprint, environment={"PATH": "/usr/bin:/bin"})
    program, *words = shlex.split(made.err.partition("next: ")[2])
    assert words == ["generate", "kranz"]
    assert Path(program).samefile(PROGRAM_FILE)
    # Found by its name: that is enough.
    on_path = f"{PROGRAM_FILE.parent}:/usr/bin:/bin"
    refused = command("job", "show", "xyz", environment={"PATH": on_path})
    assert " demo-pipeline job list shows the jobs" in " ".join(refused.err.split())
