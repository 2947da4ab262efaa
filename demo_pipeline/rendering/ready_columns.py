"""What a board of readiness says, for the terminal, programs and Dagster's pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from demo_pipeline.domain.core.wording import counted
from demo_pipeline.rendering.health_columns import instant_text
from demo_pipeline.rendering.table import Column, json_ready, programs, record, records

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from demo_pipeline.services.readiness.board import Board, TenantReadiness
    from demo_pipeline.services.readiness.reasons import Reason, Requirement

#: state → the sign in a cell, which is readable without colour
MARKS: Final[Mapping[str, str]] = {"met": "✓", "not met": "✗", "unknown": "?", "none": "–"}


#: why a tenant is not ready
REASON_COLUMNS: Final[tuple[Column[Reason], ...]] = (
    Column("requirement", "requirement"),
    Column("what", "what is in the way"),
    Column("remedy", "what to do"),
    Column("command", "command"),
)


def light_text(one: TenantReadiness) -> str:
    """The one light of a tenant."""
    return "✓ ready" if one.is_ready else "✗ not ready"


def board_columns(requirements: Sequence[Requirement]) -> tuple[Column[TenantReadiness], ...]:
    """A line of the board: the tenant, its light, a mark for each requirement, and the examination."""
    return (
        Column("tenant", "tenant"),
        Column("ready", "light", lambda one: one.is_ready, text=light_text),
        *(
            Column("", each.value, text=lambda one, each=each: MARKS[one.state(each)])
            for each in requirements
        ),
        Column("checkpoint", None, lambda one: one.checkpoint and one.checkpoint.name),
        Column("examined_at", "examined", text=examined_text),
        Column(
            "requirements",
            None,
            lambda one: {each.value: one.state(each).value for each in requirements},
        ),
        Column("reasons", None, lambda one: records(REASON_COLUMNS, one.reasons)),
        *programs("notes was_ready"),
    )


def examined_text(one: TenantReadiness) -> str:
    """When all rows were read last, and what the light was then."""
    if one.examined_at is None:
        return "never"
    return f"{instant_text(one.examined_at)}: {'ready' if one.was_ready else 'not ready'}"


def without_checkpoint(tenants: Sequence[TenantReadiness]) -> str:
    """A sentence about the tenants without a checkpoint; empty if there is none."""
    slugs = [one.tenant for one in tenants if one.checkpoint is None]
    if not slugs:
        return ""
    which = slugs[0] if len(slugs) == 1 else "SLUG"
    return (
        f"no checkpoint of {', '.join(slugs)}, so what people change there is not known and cannot be taken "
        f"back at once: demo-pipeline checkpoint {which} NAME takes one"
    )


def summary(tenants: Sequence[TenantReadiness]) -> str:
    """How many tenants are ready, in a sentence."""
    ready = sum(one.is_ready for one in tenants)
    if ready == len(tenants):
        return "ready" if ready == 1 else f"all {ready:,} tenants are ready"
    return f"{len(tenants) - ready:,} of {counted(len(tenants), 'tenant')} not ready"


def board_document(columns: Sequence[Column[TenantReadiness]], board: Board) -> dict[str, Any]:
    """What ``ready --all --json`` prints."""
    return {
        "ready": board.is_ready,
        "read_at": json_ready(board.read_at),
        "tenants": records(columns, board.tenants),
    }


def tenant_document(columns: Sequence[Column[TenantReadiness]], one: TenantReadiness) -> dict[str, Any]:
    """What ``ready SLUG --json`` prints."""
    return record(columns, one)
