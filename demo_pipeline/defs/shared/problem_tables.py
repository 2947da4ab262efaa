"""A refused request as a run's page shows it: the message, a table of all problems, and what would work."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg

from demo_pipeline.defs.shared.tenant_loads import error_json
from demo_pipeline.domain.core.errors import DemoError, InputError, Problem


def refusal_failure(error: DemoError, tenant: str | None) -> dg.Failure:
    """The end of a run whose request was refused or failed for good; programs read ``errors``."""
    metadata: dict[str, Any] = {"errors": dg.MetadataValue.json([error_json(error, tenant)])}
    if isinstance(error, InputError):
        if error.problems:
            metadata["problems"] = dg.MetadataValue.md(problems_markdown(error.problems))
        if error.suggestion is not None:
            metadata["suggestion"] = dg.MetadataValue.json(error.suggestion)
    elif "suggestion" in error.details:
        metadata["suggestion"] = str(error.details["suggestion"])
    return dg.Failure(error.message, metadata=metadata, allow_retries=False)


def problems_markdown(problems: Sequence[Problem]) -> str:
    """One row a problem."""
    return "\n".join(_lines(problems))


def _lines(problems: Sequence[Problem]) -> Iterator[str]:
    yield "| month | figure or field | value | what is wrong |"
    yield "|:--|:--|:--|:--|"
    for one in problems:
        place = one.field or one.metric or ("" if one.line is None else f"line {one.line}")
        cells = (one.month or "", place, one.value or "", one.message)
        yield f"| {' | '.join(map(_cell, cells))} |"


def _cell(text: str) -> str:
    """Text that breaks no table and is no markup: it may be what somebody wrote into a file."""
    escaped = "".join(
        f"\\{character}" if character in "\\`*_{}[]<>#|~!&" else character for character in text
    )
    return " ".join(escaped.split())
