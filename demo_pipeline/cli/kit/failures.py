"""Reports errors: one line or a list on stderr, or one JSON document, and the exit code.

Everything that is not an error of ``domain.core.errors`` or of the command line is a fault of this program:
one line with a hint, the rest in ``$DEMO_HOME/log``, a traceback only with ``DEMO_DEBUG``. No message holds a
password.
"""

from __future__ import annotations

import json
import os
import re
import sys
import textwrap
import traceback
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Protocol, cast, runtime_checkable

from demo_pipeline.cli.kit.console import say, say_coloured, write_document
from demo_pipeline.domain.core.errors import (
    DemoError,
    InputError,
    InterruptedJobError,
    OutputLostError,
    Problem,
)
from demo_pipeline.domain.core.terminal_text import neutral
from demo_pipeline.rendering.table import Table, plain_text, text_columns
from demo_pipeline.storage.connection.masking import masked, masked_tree

INTERRUPTED: Final = 130
LOG_NAME: Final = "errors.log"
#: what Pydantic, by which Typer reads values, writes before the message of an error
_LIBRARY_WORDS: Final = "Value error, "
#: how Typer begins the message about one value
_INVALID: Final = re.compile(r"^Invalid value(?: for (.+?))?: ")


@runtime_checkable
class UsageMistake(Protocol):
    """The error of Typer for a command line that it cannot parse."""

    exit_code: int
    message: str

    def format_message(self) -> str:
        """What is wrong, in a sentence."""
        ...

    def show(self) -> None:
        """Print it with the usage."""
        ...


def report(error: BaseException, arguments: Sequence[str], *, was_interrupted: bool) -> int:
    """Report an error and return the exit code. ``arguments``: the command line."""
    is_json = wants_json(arguments) and not isinstance(error, OutputLostError)
    if isinstance(error, DemoError) and not (was_interrupted and error.exit_code == 1):
        _report_ours(error, is_json=is_json)
        return error.exit_code
    if was_interrupted or isinstance(error, KeyboardInterrupt):
        _report_ours(
            InterruptedJobError("interrupted; what was not finished is rolled back"), is_json=is_json
        )
        return INTERRUPTED
    if isinstance(error, UsageMistake):
        return _report_usage(error, is_json=is_json)
    return _report_fault(error, arguments, is_json=is_json)


def wants_json(arguments: Sequence[str]) -> bool:
    """Whether ``--json`` is given, also in a command line that cannot be parsed."""
    for argument in arguments:
        if argument == "--":
            return False
        if argument == "--json":
            return True
    return False


def _report_ours(error: DemoError, *, is_json: bool) -> None:
    if is_json:
        _write_error(error.code, error.message, error.details)
        return
    if isinstance(error, InputError) and (
        len(error.problems) > 1 or not {"files", "remedy"}.isdisjoint(error.details)
    ):
        say_problems(error)
    else:
        say_coloured("error:", "31", " ".join(_one_line(error).split()))
    if matches := error.details.get("matches"):
        _say_matches(matches)
    if _wants_traceback():
        say("".join(traceback.format_exception(error)))


def _report_usage(error: UsageMistake, *, is_json: bool) -> int:
    command = str(getattr(getattr(error, "ctx", None), "command_path", "demo-pipeline"))
    text = _usage_text(error)
    if is_json:
        message = text or f"a command is missing; see {command} --help"
        _write_error("usage", message, {"command": command, "help": f"{command} --help"})
    elif text:
        link = " " if text.endswith("?") else "; "
        say_coloured("error:", "31", f"{' '.join(text.split())}{link}{command} --help shows how")
    else:
        error.show()  # the help of a group without a command
    return error.exit_code


def _usage_text(error: UsageMistake) -> str:
    """The message of Typer as one of ours: the option before what is wrong with it, no full stop."""
    text = error.format_message().replace(_LIBRARY_WORDS, "").removesuffix(".")
    text = _INVALID.sub(lambda found: f"{found[1].replace(chr(39), '')}: " if found[1] else "", text)
    # A word in capitals is one as typed: ID.
    return text[:1].lower() + text[1:] if text[1:2].islower() else text


def _report_fault(error: BaseException, arguments: Sequence[str], *, is_json: bool) -> int:
    reason = next(iter(str(error).strip().splitlines()), "")
    kind = type(error).__name__
    said = f"{kind}: {reason}" if reason else kind
    log = _write_down(error, arguments)
    place = f"the details are in {log}" if log else "set DEMO_DEBUG=1 to see where"
    # Recognises the driver's errors without importing it.
    is_of_server = hasattr(error, "sqlstate")
    if is_of_server:
        message = f"PostgreSQL refused or went away ({said}); nothing was changed, try again; {place}"
    else:
        message = f"this should not have happened ({said}); {place}"
    if is_json:
        _write_error(
            "database" if is_of_server else "internal",
            message,
            {"exception": kind, "log": str(log) if log else None},
        )
    else:
        say_coloured("error:", "31", message)
    if _wants_traceback():
        say("".join(traceback.format_exception(error)))
    return 1


def _write_error(code: str, message: str, details: dict[str, Any]) -> None:
    document = {"error": {"code": code, "message": message, "details": details}}
    try:
        write_document(masked_tree(document))
    except OutputLostError:
        say_coloured("error:", "31", message)


def _wants_traceback() -> bool:
    return os.environ.get("DEMO_DEBUG", "").lower() not in {"", "0", "false", "no"}


def _write_down(error: BaseException, arguments: Sequence[str]) -> Path | None:
    """The traceback in ``$DEMO_HOME/log``; None where that cannot be written."""
    try:
        from demo_pipeline.settings import load_settings

        path = load_settings().home.absolute() / "log" / LOG_NAME
        path.parent.mkdir(parents=True, exist_ok=True)
        at = datetime.now(UTC).isoformat(timespec="seconds")
        text = f"{at} demo-pipeline {' '.join(arguments)} (Python {sys.version.split()[0]})\n"
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(neutral(masked(text + "".join(traceback.format_exception(error)))) + "\n")
    except (OSError, DemoError):
        return None
    return path


# -- what is wrong with an input -------------------------------------------------------------------------


def say_problems(error: InputError) -> None:
    """Write every problem of an input: its place, value and message; then the suggestion."""
    files = cast("list[str]", error.details.get("files", []))
    count = len(error.problems)
    # The name of a single file stands in the first line.
    is_environment = all(problem.code == "bad_setting" for problem in error.problems)
    where = f"{files[0]}: " if len(files) == 1 else "the environment: " if is_environment else ""
    what = "one problem" if count == 1 else f"{count} problems"
    if _is_one_line(error, files):
        message = " ".join(error.problems[0].message.split())
        link = " " if message.endswith("?") else "; "
        say_coloured("error:", "31", f"{where}{message}{link}nothing was done")
        return
    say_coloured("error:", "31", f"{where}{what}, nothing was done")
    for problem in error.problems:
        file, message = _file_of(problem, files)
        place = _place(problem, file if where == "" or problem.line is not None else None, files)
        say(f"\n  {place}" if place else "")
        text = textwrap.wrap(" ".join(message.split()), 96, break_long_words=False, break_on_hyphens=False)
        say("\n".join(f"    {line}" for line in text))
    if error.suggestion is not None and _is_plan(error.suggestion):
        say(f"\n{nearest_plan_line(error)}\n")
        say(json.dumps(error.suggestion, ensure_ascii=False, indent=2))
    elif error.suggestion is not None:
        say("\nThis would work; put it where the lines above are:\n")
        say(textwrap.indent(as_yaml(error.suggestion), "  "))
    if "remedy" in error.details:
        say(f"\n{error.details['remedy']}")


def nearest_plan_line(error: InputError) -> str:
    """The line before the plan that an error suggests."""
    # Imported here: most commands suggest no plan.
    from demo_pipeline.domain.patch_plan.writing import suggestion_text

    text = suggestion_text(error.suggestion, error.problems)
    return f"{text} to save as nearest.json, look at and apply:"


def _is_one_line(error: InputError, files: Sequence[str]) -> bool:
    """Whether there is one problem, which concerns the file as a whole."""
    is_more = error.suggestion is not None or "remedy" in error.details
    return len(error.problems) == 1 and not is_more and not _place(error.problems[0], None, files)


def _one_line(error: DemoError) -> str:
    """The message; of one problem whose message does not quote its value, with the value."""
    if isinstance(error, InputError) and len(error.problems) == 1:
        [problem] = error.problems
        if error.message == str(problem) and problem.value and problem.value not in problem.message:
            return f"{_place(problem, None, ())}: {problem.message}"
    return error.message


def _say_matches(matches: Sequence[Mapping[str, Any]]) -> None:
    """The candidates of an ambiguous word, one per line."""
    columns = text_columns(*(str(name).replace("_", " ") for name in matches[0]))
    rows = [[str(value or "") for value in match.values()] for match in matches]
    say("\n" + plain_text(Table(columns, rows)))


def _is_plan(suggestion: Any) -> bool:
    """Whether it is a whole plan, where a blueprint's is a part of the file."""
    return isinstance(suggestion, dict) and "plan_type" in suggestion


def _file_of(problem: Problem, files: Sequence[str]) -> tuple[str | None, str]:
    """The file of a problem, and its message without the name that it has where there are several."""
    if len(files) == 1:
        return files[0], problem.message
    for file in files:
        prefix = f"{Path(file).name}: "
        if problem.message.startswith(prefix):
            return file, problem.message.removeprefix(prefix)
    return None, problem.message


def _place(problem: Problem, file: str | None, files: Sequence[str]) -> str:
    """``acme.yaml:7  totals.leads_created = 500``; empty where the problem has no place of its own."""
    line = problem.line
    place = f"{file}:{line}" if file and line is not None else file or (f"line {line}" if line else "")
    name = "  ".join(part for part in (problem.month, problem.field or problem.metric) if part)
    if problem.value is not None and problem.value not in {*files, *(Path(one).name for one in files)}:
        # Masked before it is cut: half a password would not be recognised.
        value = masked(problem.value)
        value = value if len(value) <= 80 else f"{value[:77]}..."
        value = value if value.strip() == value and value.isprintable() else repr(value)
        name += f" = {value}" if name else value
    return "  ".join(part for part in (place, name) if part)


# -- suggestions as YAML ---------------------------------------------------------------------------------


def as_yaml(value: Any) -> str:
    """JSON-ready data as YAML that can be pasted into a file; a list of mappings has one mapping a line.

    The reader of blueprints takes scalars as written, so only text that YAML itself cannot read has quotes.
    """
    return "\n".join(_lines(value))


def _lines(value: Any) -> Iterator[str]:
    # Imported here: most commands write no YAML.
    from demo_pipeline.domain.parsing.yaml_text import one_line

    if isinstance(value, Mapping):
        for key, item in cast("Mapping[str, Any]", value).items():
            if _is_nested(item):
                yield f"{key}:"
                yield from (f"  {line}" for line in _lines(item))
            else:
                yield f"{key}: {one_line(item)}"
    elif _is_list(value):
        yield from (f"- {one_line(item)}" for item in value)
    else:
        yield one_line(value)


def _is_nested(value: Any) -> bool:
    return bool(value) and (isinstance(value, Mapping) or _is_list(value))


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)
