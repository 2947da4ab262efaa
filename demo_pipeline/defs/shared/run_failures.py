"""The end of a run that was refused or failed: the message, a table of all problems, and what would work.

Programs, the command line among them, read the metadata ``errors``.
"""

from __future__ import annotations

from typing import Any, Final

import dagster as dg

from demo_pipeline.defs.shared.tenant_loads import Refused
from demo_pipeline.domain.core.errors import DemoError, InputError, Problem, UnconfirmedError
from demo_pipeline.rendering.table import Column, Table, markdown

_PROBLEM_COLUMNS: Final[tuple[Column[Problem], ...]] = (
    Column("month", "month"),
    Column(
        "field",
        "figure or field",
        lambda one: one.field or one.metric or ("" if one.line is None else f"line {one.line}"),
    ),
    Column("value", "value"),
    Column("message", "what is wrong"),
)


def error_json(error: DemoError, tenant: str | None = None) -> dict[str, Any]:
    """An error as JSON, with its tenant; the command line reads it."""
    return {
        "tenant": tenant,
        "code": error.code,
        "exit_code": error.exit_code,
        "message": error.message,
        "details": error.details,
    }


def refusal_failure(error: DemoError, tenant: str | None) -> dg.Failure:
    """The failure of a run with one request."""
    metadata: dict[str, Any] = {"errors": dg.MetadataValue.json([error_json(error, tenant)])}
    if isinstance(error, InputError):
        if error.problems:
            metadata["problems"] = dg.MetadataValue.md(markdown(Table(_PROBLEM_COLUMNS, error.problems)))
        if error.suggestion is not None:
            metadata["suggestion"] = dg.MetadataValue.json(error.suggestion)
        if isinstance(error, UnconfirmedError) and "preview" in error.details:
            metadata["preview"] = dg.MetadataValue.json(error.details["preview"])
            metadata["fingerprint"] = error.details["preview"]["fingerprint"]
    elif "suggestion" in error.details:
        metadata["suggestion"] = str(error.details["suggestion"])
    return dg.Failure(error.message, metadata=metadata, allow_retries=False)


def failure_of(refusals: list[Refused]) -> dg.Failure:
    """The failure of a run in which tenants failed."""
    errors = [error_json(refused.error, refused.request.tenant) for refused in refusals]
    return dg.Failure(
        description="; ".join(f"{refused.request}: {refused.error.message}" for refused in refusals),
        metadata={"errors": dg.MetadataValue.json(errors)},
        # The same request would fail again.
        allow_retries=False,
    )
