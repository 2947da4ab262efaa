"""Examine tenants: read every row, and record what was found, so that a board need not read the rows again.

An examination is exact as long as the rows stay as they are, as their fingerprint shows. Rows that a job adds
later were verified by that job. What is judged without reading all rows belongs to ``board``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from psycopg import Connection

from demo_pipeline.domain.core.errors import UnreadableTenantError
from demo_pipeline.services.certificate.certify import certificate_of
from demo_pipeline.services.jobs.tenant_context import TenantContext, find_tenant_context, find_tenant_id
from demo_pipeline.services.readiness.board import TenantReadiness, judge_examined
from demo_pipeline.services.readiness.reasons import (
    Reason,
    certificate_reasons,
    check_reasons,
    drift_reasons,
    figures_note,
    unreadable_reason,
)
from demo_pipeline.services.tenants.verify import VERIFIED, Check, check_tenant
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.clock import instant_of, server_clock
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.ledger import examinations, tenants
from demo_pipeline.storage.ledger.examinations import Examination
from demo_pipeline.storage.rows import misplaced
from demo_pipeline.storage.rows.checkpoint_drift import last_checkpoints, people_changes
from demo_pipeline.storage.rows.misplaced import Misplaced
from demo_pipeline.storage.rows.row_fingerprint import row_fingerprints

#: all checks but freshness, which a board judges each time
_CHECKS = VERIFIED | {Check.DISCLOSURE}


def examine_each(
    database: Database, settings: Settings, slugs: Sequence[str] | None = None, *, requested_by: str
) -> Iterator[TenantReadiness]:
    """Examine tenants one after the other, record and return whether each is ready; None: all, by slug.

    Each is read in one snapshot. Raises ``NotFoundError``, ``NotADemoTenantError``.
    """
    with database.pooled() as kept:
        with kept.admin(readonly=True) as conn:
            if slugs is None:
                slugs = [one.slug for one in tenants.list_tenants(conn)]
            # Once for all, since it reads the tables of all tenants.
            strays = misplaced.find(conn) if slugs else ()
        for slug in slugs:
            with kept.snapshot() as conn:
                found = _examine(conn, settings, slug, strays, requested_by)
                judged = judge_examined(conn, settings, slug, found)
            found = replace(found, reasons=[one.record() for one in judged.reasons])
            with kept.admin() as conn, conn.transaction():
                examinations.record_examination(conn, found)
            yield replace(judged, was_ready=judged.is_ready)


def _examine(
    conn: Connection[Any], settings: Settings, slug: str, strays: Sequence[Misplaced], requested_by: str
) -> Examination:
    """What reading all rows of a tenant finds."""
    tenant_id = find_tenant_id(conn, settings, slug, "ready")
    examined_at = server_clock(conn)
    reasons: list[Reason] = []
    notes: list[str] = []
    checkpoint = last_checkpoints(conn, tenant_id).get(tenant_id)
    try:
        context = find_tenant_context(conn, settings, slug, "ready")
    except UnreadableTenantError as error:
        reasons.append(unreadable_reason(error.message))
    else:
        if checkpoint is not None:
            reasons += drift_reasons(slug, checkpoint, people_changes(conn, checkpoint))
        _read_rows(conn, settings, context, instant_of(conn, settings), strays, reasons, notes)
    return Examination(
        tenant_id=tenant_id,
        examined_at=examined_at,
        examined_by=requested_by,
        fingerprint=row_fingerprints(conn, {tenant_id: examined_at})[tenant_id],
        reasons=[one.record() for one in reasons],
        notes=notes,
        checkpoint_id=None if checkpoint is None else checkpoint.id,
    )


def _read_rows(
    conn: Connection[Any],
    settings: Settings,
    context: TenantContext,
    now: datetime,
    strays: Sequence[Misplaced],
    reasons: list[Reason],
    notes: list[str],
) -> None:
    slug = context.spec.slug
    verdict = check_tenant(conn, settings, context, now, _CHECKS, strays).verdict
    reasons += check_reasons(slug, verdict.findings)
    reasons += certificate_reasons(slug, certificate_of(conn, context, now).uncovered)
    notes += [*figures_note(slug, verdict.findings), *verdict.notes]
