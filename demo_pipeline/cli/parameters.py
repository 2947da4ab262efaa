"""Arguments and options that several commands share, and how ``--help`` is laid out.

Imported by every command at every start: only what Typer needs to read a command line.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

import typer

from demo_pipeline.domain.months import Month

CONTEXT: Final[dict[str, Any]] = {"help_option_names": ["--help", "-h"]}
MAIN_PANEL: Final = "The whole line"
TENANT_PANEL: Final = "One tenant"
PARTS_PANEL: Final = "Tenants, jobs, database"


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


def _month(text: str) -> Month:
    try:
        return Month.parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _slug(text: str) -> str:
    """As typed; what is no text at all would only be refused by the database, and not politely."""
    if not text.isprintable():
        raise typer.BadParameter(f"{text!a} is no slug; demo-pipeline tenant list shows those there are")
    return text


Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout and nothing else.")]
Slug = Annotated[
    str, typer.Argument(parser=_slug, metavar="SLUG", help="The tenant, as tenant list shows it.")
]
FromMonth = Annotated[
    Month | None, typer.Option("--from", parser=_month, metavar="MONTH", help="First month, as YYYY-MM.")
]
ToMonth = Annotated[
    Month | None, typer.Option("--to", parser=_month, metavar="MONTH", help="Last month, as YYYY-MM.")
]
