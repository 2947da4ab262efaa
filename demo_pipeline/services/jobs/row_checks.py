"""Generated rows that break a rule, by cause, and rows of the blueprint that are not there any more.

A rule that a row breaks because a person changed the row, a row that it refers to, or a deal's stage, is not
a fault: no repair hides such a row, and it is no reason to fail. Figures do not belong here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

import psycopg

from demo_pipeline.domain.core.job_kinds import JobKind
from demo_pipeline.domain.model import MODEL
from demo_pipeline.services.jobs.tenant_context import TenantContext, latest_instant
from demo_pipeline.storage.connection.clock import server_clock
from demo_pipeline.storage.ledger.tenants import MonthState
from demo_pipeline.storage.rows import provenance, row_checks
from demo_pipeline.storage.rows.pipeline_stages import stage_outcomes
from demo_pipeline.storage.rows.row_checks import Violation

Connection = psycopg.Connection[Any]


#: (table, month as ``2025-01``) → rows
RowCounts: TypeAlias = Mapping[tuple[str, str], int]


def count_blueprint_rows(conn: Connection, context: TenantContext) -> RowCounts:
    """How many of the blueprint's rows are there, rows that people hid included."""
    jobs = [job.job_id for job in context.state.jobs if job.kind is JobKind.MATERIALISE]
    return row_checks.generated_counts(conn, context.state.tenant.tenant_id, jobs)


def absent_rows(loaded: MonthState, counts: RowCounts) -> dict[str, int]:
    """Table → how many of a month's loaded rows are not there; tables without any are left out.

    More may be there than were loaded, where rows of another version were hidden and made up for.
    """
    absent = {
        table: loaded.figures[f"{table}_created"] - counts.get((table, str(loaded.month)), 0)
        for table in MODEL.counted
    }
    return {table: count for table, count in absent.items() if count > 0}


@dataclass(frozen=True, kw_only=True)
class ChangedStage:
    """A pipeline stage whose outcome people changed, so that deals in it contradict it."""

    id: UUID
    name: str
    #: as the tenant was made
    is_won: bool
    is_lost: bool
    #: deals of jobs that contradict the stage as it is now
    deal_count: int

    @property
    def outcome(self) -> str:
        """As the tenant was made: ``won``, ``lost`` or ``open``."""
        return "won" if self.is_won else "lost" if self.is_lost else "open"


@dataclass(frozen=True, kw_only=True)
class RowChecks:
    """What was found, by cause."""

    #: that no edit explains
    faults: tuple[Violation, ...]
    #: that edits explain
    by_people: tuple[Violation, ...]
    stages: tuple[ChangedStage, ...]
    #: table → living generated rows that people edited
    edited: Mapping[str, frozenset[UUID]]


def check_rows(
    conn: Connection, context: TenantContext, as_of: datetime, finished: Mapping[UUID, datetime]
) -> RowChecks:
    """Check the life cycles of a tenant's generated rows. Within a transaction.

    ``finished`` is what ``provenance.finished_at`` says, which only administrators may ask.
    """
    tenant_id = context.state.tenant.tenant_id
    edited = provenance.edited_rows(conn, tenant_id, finished)
    # No row may lie in the server's future, whatever a job took for now.
    latest = min(latest_instant(context, as_of), server_clock(conn))
    found = row_checks.violations(conn, tenant_id, latest, context.spec.start_month.start)
    changed = {row for rows in edited.values() for row in rows}
    stages = _changed_stages(conn, context) if any(one.table == "deals" for one in found) else {}
    faults: list[Violation] = []
    by_people: list[Violation] = []
    for one in found:
        explained = one.explained_by(changed | stages.keys())
        rest = frozenset(one.ids) - explained
        by_people += [one.of_rows(explained)] if explained else []
        faults += [one.of_rows(rest)] if rest else []
    counted = tuple(
        replace(stage, deal_count=count)
        for stage in stages.values()
        if (count := sum(stage.id in parents for one in by_people for parents in one.parents.values()))
    )
    return RowChecks(faults=tuple(faults), by_people=tuple(by_people), stages=counted, edited=edited)


def _changed_stages(conn: Connection, context: TenantContext) -> dict[UUID, ChangedStage]:
    """The tenant's stages whose outcome is not the one that they were made with."""
    # numpy and Arrow: only where a deal breaks a rule.
    from demo_pipeline.domain.core.arrow import records
    from demo_pipeline.domain.generation.generator import Generator

    tenant = context.state.tenant
    now = stage_outcomes(conn, tenant.tenant_id)
    return {
        (stage_id := UUID(bytes=stage["id"])): ChangedStage(
            id=stage_id,
            name=stage["name"],
            is_won=stage["is_won"],
            is_lost=stage["is_lost"],
            deal_count=0,
        )
        for stage in records(
            Generator(context.spec, tenant.provisioned_at).team.stages, "id", "name", "is_won", "is_lost"
        )
        if now.get(stage["id"], flags := (stage["is_won"], stage["is_lost"])) != flags
    }
