"""Outcomes of pipeline stages: as they are, and set again by an administrator.

Jobs may not set them: they write no visible column.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

import psycopg

from demo_pipeline.storage.ledger import job_ledger

#: of the audit log
RESTORED: Final = "STAGES_RESTORED"


def restore_outcomes(
    conn: psycopg.Connection[Any],
    tenant_id: UUID,
    outcomes: Mapping[UUID, tuple[bool, bool]],
    *,
    slug: str,
    requested_by: str | None,
) -> int:
    """Set (is won, is lost) of a tenant's stages; how many changed. The audit log has what they were.

    Only these two columns change. Within one transaction.
    """
    ids = list(outcomes)
    before = conn.execute(
        "SELECT id, name, is_won, is_lost FROM crm.pipeline_stages WHERE tenant_id = %s AND id = ANY(%s)"
        " ORDER BY id FOR UPDATE",
        [tenant_id, ids],
    ).fetchall()
    changed = [row for row in before if outcomes[row[0]] != (row[2], row[3])]
    for stage_id, *_ in changed:
        conn.execute(
            "UPDATE crm.pipeline_stages SET is_won = %s, is_lost = %s WHERE tenant_id = %s AND id = %s",
            [*outcomes[stage_id], tenant_id, stage_id],
        )
    if changed:
        stages = [
            {"id": str(stage_id), "name": name, "was_won": is_won, "was_lost": is_lost}
            for stage_id, name, is_won, is_lost in changed
        ]
        detail = {"requested_by": requested_by, "stages": stages}
        job_ledger.audit(conn, RESTORED, tenant_id=tenant_id, slug=slug, detail=detail)
    return len(changed)


def stage_outcomes(conn: psycopg.Connection[Any], tenant_id: UUID) -> dict[bytes, tuple[bool, bool]]:
    """Stage id → (is won, is lost), as the tenant has them now."""
    rows = conn.execute(
        "SELECT id, is_won, is_lost FROM crm.pipeline_stages WHERE tenant_id = %s", (tenant_id,)
    ).fetchall()
    return {row[0].bytes: (row[1], row[2]) for row in rows}
