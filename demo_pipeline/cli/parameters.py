"""Arguments and options that several commands share, and how ``--help`` is laid out.

Imported by every command at every start: only what Typer needs to read a command line.
"""

from __future__ import annotations

from typing import Annotated, Any, Final
from uuid import UUID

import typer

from demo_pipeline.domain.months import Month

CONTEXT: Final[dict[str, Any]] = {"help_option_names": ["--help", "-h"]}
MAIN_PANEL: Final = "The whole line"
TENANT_PANEL: Final = "One tenant"
PARTS_PANEL: Final = "Tenants, plans, jobs, database"


def example(*lines: str) -> str:
    """The end of a command's help: command lines that can be typed as they are."""
    title = "Example:" if len(lines) == 1 else "Examples:"
    return "\n\n".join([title, *(f"demo-pipeline {line}" for line in lines)])


def group(help_text: str) -> typer.Typer:
    """A group of commands like ``tenant``."""
    return typer.Typer(
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


def slug_text(text: str) -> str:
    """As typed; what is no text at all would only be refused by the database, and not politely."""
    if not text.isprintable():
        raise typer.BadParameter(f"{text!a} is no slug; demo-pipeline tenant list shows those there are")
    return text


def _job_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise typer.BadParameter(
            f"{text!a} is no job id; demo-pipeline job list shows those there are"
        ) from None


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
JobId = Annotated[UUID, typer.Argument(parser=_job_id, metavar="ID", help="The job, as job list shows it.")]
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
