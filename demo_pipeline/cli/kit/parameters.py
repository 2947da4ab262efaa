"""Arguments and options that several commands share, and how ``--help`` is laid out.

Imported by every command at every start: only what Typer needs to read a command line.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, Final, TypeVar

import typer
from typer.core import TyperCommand, TyperGroup

from demo_pipeline.domain.core.months import Month

_Function = TypeVar("_Function", bound=Callable[..., Any])

CONTEXT: Final[dict[str, Any]] = {"help_option_names": ["--help", "-h"]}
MAIN_PANEL: Final = "Main commands"
TENANT_PANEL: Final = "One tenant"
PARTS_PANEL: Final = "Tenants, plans, jobs, database"
#: of the beginning of a job's id
_LEAST_DIGITS: Final = 4
_BRACES: Final = re.compile(r"^\{([^{}]*)\}")
_JOB_ID: Final = re.compile(rf"[0-9a-f]{{{_LEAST_DIGITS},32}}")


def example(*lines: str) -> str:
    """The end of a command's help: command lines that can be typed as they are."""
    title = "Example:" if len(lines) == 1 else "Examples:"
    return "\n\n".join([title, *(f"demo-pipeline {line}" for line in lines)])


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
        # What Typer proposes is of this group only.
        self.suggest_commands = False
        try:
            return super().resolve_command(ctx, args)
        # Typer's copy of click is private: its error is recognised by its message, and any is raised again.
        except Exception as error:
            message = getattr(error, "message", None)
            if message is not None and args and not args[0].startswith("-"):
                from demo_pipeline.cli.kit.command_names import proposals

                root = ctx.find_root()
                group_name = "" if ctx is root else str(ctx.info_name)
                if found := proposals(root.command, group_name, args[0]):
                    # Of the program itself, where a group was named.
                    found = [one if " " in one or ctx is root else f"{root.info_name} {one}" for one in found]
                    error.message = f"{message.rstrip('.')}. Did you mean: {', '.join(found)}?"  # pyright: ignore[reportAttributeAccessIssue]
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


class Commands(typer.Typer):
    """A Typer application or group whose commands have plain usage lines."""

    def __init__(self, **options: Any) -> None:
        super().__init__(cls=_ProposingGroup, **options)

    def command(self, *arguments: Any, **options: Any) -> Callable[[_Function], _Function]:
        options.setdefault("cls", _PlainUsageCommand)
        return super().command(*arguments, **options)


def group(help_text: str) -> typer.Typer:
    """A group of commands like ``tenant``."""
    return Commands(
        no_args_is_help=True,
        help=help_text,
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown",
        context_settings=CONTEXT,
    )


def month_text(text: str) -> Month:
    """A month as typed."""
    try:
        return Month.parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def whole_number(text: str) -> int:
    """A whole number as typed; what it may be is the service's."""
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
    """As typed; what is no text at all would only be refused by the database, and not politely."""
    if not text.isprintable():
        from demo_pipeline.cli.kit.program_path import command_line

        raise typer.BadParameter(f"{text!a} is not a slug; {command_line('tenant list')} shows the tenants")
    return text


def job_id_text(text: str) -> str:
    """The hexadecimal digits of a job's id or of its beginning, in lower case and without dashes."""
    digits = text.strip().lower().replace("-", "")
    if not _JOB_ID.fullmatch(digits):
        from demo_pipeline.cli.kit.program_path import command_line

        raise typer.BadParameter(
            f"{text!a} is not a job id or its beginning (at least {_LEAST_DIGITS} hexadecimal digits); "
            f"{command_line('job list')} shows the jobs"
        )
    return digits


Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout and nothing else.")]
Slug = Annotated[
    str, typer.Argument(parser=slug_text, metavar="SLUG", help="The tenant, as tenant list shows it.")
]
FromMonth = Annotated[
    Month | None, typer.Option("--from", parser=month_text, metavar="MONTH", help="First month, as YYYY-MM.")
]
ToMonth = Annotated[
    Month | None, typer.Option("--to", parser=month_text, metavar="MONTH", help="Last month, as YYYY-MM.")
]
#: the digits of :func:`job_id_text`; ``services.reading.find_job`` finds the job
JobId = Annotated[
    str,
    typer.Argument(
        parser=job_id_text,
        metavar="ID",
        help=f"The job's id; a beginning of {_LEAST_DIGITS} digits or more will do.",
    ),
]
PlanPath = Annotated[
    str, typer.Argument(metavar="PLAN", help="A plan: .csv, .xlsx, .json or .yaml; - is standard input.")
]
# What may stand here is checked with the plan, so that all that is wrong is said together.
PlanTypeOption = Annotated[
    str | None,
    typer.Option(
        "--plan-type", metavar="TYPE", help="What the figures are, whatever PLAN says: deltas or targets."
    ),
]
SeedOption = Annotated[
    str | None, typer.Option("--seed", metavar="S", help="The seed of the new rows, whatever PLAN says.")
]
SheetOption = Annotated[
    str | None,
    typer.Option(
        "--sheet", metavar="NAME", help="The sheet of a workbook; the first visible one without it."
    ),
]
