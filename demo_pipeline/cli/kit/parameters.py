"""Declares commands: groups and their order in ``--help``, shared arguments and options, parsing of values.

Every command imports this module at every start, so it imports only what Typer needs to read a command line.
What a command does belongs in ``commands``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Final, TypeVar

import typer
from typer.core import TyperCommand, TyperGroup

from demo_pipeline.cli.kit.console import command_line
from demo_pipeline.domain.core.months import Month

_Function = TypeVar("_Function", bound=Callable[..., Any])

MAIN_PANEL: Final = "Main commands"
TENANT_PANEL: Final = "One tenant"
PARTS_PANEL: Final = "Tenants, plans, jobs, database"
_SETTINGS: Final[dict[str, Any]] = {
    "no_args_is_help": True,
    "pretty_exceptions_enable": False,
    "rich_markup_mode": "markdown",
    "context_settings": {"help_option_names": ["--help", "-h"]},
}
#: hexadecimal digits that the beginning of a job's id must have
_LEAST_DIGITS: Final = 4
_BRACES: Final = re.compile(r"^\{([^{}]*)\}")
_JOB_ID: Final = re.compile(rf"[0-9a-f]{{{_LEAST_DIGITS},32}}")
#: word of other programs → last word of the command here
_SYNONYMS: Final = {
    "add": "provision",
    "build": "generate",
    "create": "provision",
    "destroy": "delete",
    "dump": "backup",
    "history": "list",
    "ls": "list",
    "make": "provision",
    "materialise": "generate",
    "materialize": "generate",
    "migrate": "upgrade",
    "new": "provision",
    "remove": "delete",
    "revert": "undo",
    "rm": "delete",
    "rollback": "undo",
    "start": "serve",
    "status": "list",
    "ui": "serve",
    "update": "apply",
    "validate": "verify",
}
#: group → the group that is searched next
_RELATED: Final = {"patch": "plan", "plan": "patch"}
#: commands that are proposed for one word
_MOST_PROPOSALS: Final = 4


class Commands(typer.Typer):
    """The commands of one module, which ``command_tree`` collects.

    ``position`` orders the modules in ``--help``; ``panel`` is the heading there. With ``group`` the commands
    are typed after that word, as in ``tenant list``, and ``about`` is the help of the group; without it each
    command stands alone.
    """

    def __init__(self, *, position: int, panel: str, group: str | None = None, about: str = "") -> None:
        super().__init__(cls=_ProposingGroup, help=about, **_SETTINGS)
        self.position, self.panel, self.group = position, panel, group

    def command(self, name: str | None = None, **options: Any) -> Callable[[_Function], _Function]:
        panel = None if self.group else self.panel
        return super().command(name, cls=_PlainUsageCommand, rich_help_panel=panel, **options)


def program(name: str, *, epilog: str) -> typer.Typer:
    """The root of the command tree."""
    return typer.Typer(name=name, cls=_ProposingGroup, add_completion=False, epilog=epilog, **_SETTINGS)


def example(*lines: str) -> str:
    """The end of a command's help: command lines that can be typed as they are."""
    title = "Example:" if len(lines) == 1 else "Examples:"
    return "\n\n".join([title, *(f"demo-pipeline {line}" for line in lines)])


def flag(name: str, text: str) -> Any:
    """An option without a value."""
    return typer.Option(name, help=text)


def option(names: str, metavar: str, text: str, parser: Callable[[str], Any] | None = None) -> Any:
    """An option with a value; ``names`` are separated by blanks, ``parser`` raises ``BadParameter``."""
    return typer.Option(*names.split(), metavar=metavar, help=text, parser=parser)


def argument(metavar: str, text: str, parser: Callable[[str], Any] | None = None) -> Any:
    """A positional argument."""
    return typer.Argument(metavar=metavar, help=text, parser=parser)


# -- help and usage errors -------------------------------------------------------------------------------


class _PlainUsageCommand(TyperCommand):
    """A command whose usage names required arguments as ``SLUG``, where Typer writes ``{SLUG}``."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        return [_BRACES.sub(r"\1", piece) for piece in super().collect_usage_pieces(ctx)]

    def format_help(self, ctx: Any, formatter: Any) -> None:
        _show_no_types(self.get_params(ctx))
        super().format_help(ctx, formatter)


class _ProposingGroup(TyperGroup):
    """A group of commands that proposes commands of all groups for one that it does not have."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        _show_no_types(self.get_params(ctx))
        super().format_help(ctx, formatter)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        # Typer proposes commands of this group only.
        self.suggest_commands = False
        try:
            return super().resolve_command(ctx, args)
        # Typer's copy of click is private: its error is recognised by its message, and any is raised again.
        except Exception as error:
            message = getattr(error, "message", None)
            if message is not None and args and not args[0].startswith("-"):
                root = ctx.find_root()
                group_name = "" if ctx is root else str(ctx.info_name)
                if found := _proposals(root.command, group_name, args[0]):
                    # After a group's name a command of the program itself needs the program's name.
                    found = [one if " " in one or ctx is root else f"{root.info_name} {one}" for one in found]
                    error.message = f"{message.rstrip('.')}; did you mean {', '.join(found)}?"  # pyright: ignore[reportAttributeAccessIssue]
            raise


def _show_no_types(parameters: Any) -> None:
    """Have help show no type of flags, which take no value, and of arguments, whose help says what they are.

    Typer shows ``<bool>`` and ``<str>`` there.
    """
    for parameter in parameters:
        if parameter.param_type_name == "argument" or getattr(parameter, "is_flag", False):
            parameter.display_type_rich = _no_type


def _no_type(ctx: Any) -> None:  # noqa: ARG001 - Typer's way to call it
    return None


def _proposals(root: Any, group: str, word: str) -> list[str]:
    """Commands of ``root`` that ``word`` may mean, as typed; commands of ``group`` first.

    A command matches if its last word is ``word`` or a synonym of it, or else is spelled like it.
    """
    from difflib import get_close_matches

    paths = list(_paths(root))
    here = [path for path in paths if path[0] == group]
    related = [path for path in paths if path[0] == _RELATED.get(group)]
    wanted = word.lower()
    found = [path for path in paths if path[-1] in {wanted, _SYNONYMS.get(wanted)}]
    for some in (here, related, paths):
        if near := [" ".join(path) for path in found if path in some]:
            return near[:_MOST_PROPOSALS]
    for some in (here, paths):
        names = {path[-1] for path in some} | {path[0] for path in some}
        for name in get_close_matches(wanted, names, n=1):
            ends = [" ".join(path) for path in some if path[-1] == name]
            return ends[:_MOST_PROPOSALS] or [name]
    return []


def _paths(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    below: dict[str, Any] = getattr(command, "commands", {})
    if not below and path:
        yield path
    for name, child in below.items():
        if not child.hidden:
            yield from _paths(child, (*path, name))


# -- values as typed -------------------------------------------------------------------------------------


def month_text(text: str) -> Month:
    """A month as typed."""
    try:
        return Month.parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def whole_number(text: str) -> int:
    """A whole number as typed; the service checks its range."""
    if not re.fullmatch(r"[+-]?[0-9]{1,18}", text.strip(), re.ASCII):
        raise typer.BadParameter(f"{text!a} is not a whole number; write digits, like 3")
    return int(text)


def positive_number(text: str) -> int:
    """A whole number of at least 1 as typed."""
    number = whole_number(text)
    if number < 1:
        raise typer.BadParameter(f"{text!a} is less than 1; write a whole number, like 3")
    return number


def slug_text(text: str) -> str:
    """A slug as typed; control characters are rejected here, before the database rejects them."""
    if not text.isprintable():
        raise typer.BadParameter(f"{text!a} is not a slug; {command_line('tenant list')} shows the tenants")
    return text


def job_id_text(text: str) -> str:
    """The hexadecimal digits of a job's id or of its beginning, in lower case and without dashes."""
    digits = text.strip().lower().replace("-", "")
    if not _JOB_ID.fullmatch(digits):
        raise typer.BadParameter(
            f"{text!a} is not a job id or its beginning (at least {_LEAST_DIGITS} hexadecimal digits); "
            f"{command_line('job list')} shows the jobs"
        )
    return digits


# -- shared arguments and options ------------------------------------------------------------------------

Json = Annotated[bool, flag("--json", "Print one JSON document on stdout and nothing else.")]
Slug = Annotated[str, argument("SLUG", "The tenant, as tenant list shows it.", slug_text)]
OptionalSlug = Annotated[str | None, argument("SLUG", "The tenant; all demo tenants without it.", slug_text)]
FromMonth = Annotated[Month | None, option("--from", "MONTH", "First month, as YYYY-MM.", month_text)]
ToMonth = Annotated[Month | None, option("--to", "MONTH", "Last month, as YYYY-MM.", month_text)]
#: the digits of :func:`job_id_text`; ``services.tenants.queries.find_job`` finds the job
JobId = Annotated[
    str,
    argument("ID", f"The job's id; a beginning of {_LEAST_DIGITS} digits or more will do.", job_id_text),
]
PlanPath = Annotated[str, argument("PLAN", "A plan: .csv, .xlsx, .json or .yaml; - is standard input.")]
# The values are checked together with the plan, so that all problems are reported at once.
PlanTypeOption = Annotated[
    str | None,
    option("--plan-type", "TYPE", "What the figures are, whatever PLAN says: deltas or targets."),
]
SeedOption = Annotated[str | None, option("--seed", "S", "The seed of the new rows, whatever PLAN says.")]
SheetOption = Annotated[
    str | None, option("--sheet", "NAME", "The sheet of a workbook; the first visible one without it.")
]
