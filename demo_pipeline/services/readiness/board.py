"""Whether tenants can be shown now, many of them at once.

What is cheap is read each time: jobs, alerts, freshness, releases, hero accounts, and a fingerprint of the
rows. What needs every row is taken from the latest examination, which holds as long as the fingerprint is the
same.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

import psycopg

from demo_pipeline.domain.core.errors import DatabaseError, UnreadableTenantError
from demo_pipeline.domain.core.job_kinds import JobKind
from demo_pipeline.domain.core.months import Month
from demo_pipeline.services.health.alerts import Alert
from demo_pipeline.services.health.state import open_alerts, search
from demo_pipeline.services.jobs.tenant_context import TenantContext, find_tenant_context
from demo_pipeline.services.readiness.reasons import (
    EXAMINED,
    Reason,
    Requirement,
    alert_notes,
    alert_reasons,
    drift_reasons,
    examination_reason,
    freshness_reasons,
    hero_reasons,
    recorded_reason,
    release_reasons,
    running_reason,
    unreadable_reason,
)
from demo_pipeline.services.tenants.release import releases_of
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.clock import instant_of, server_clock
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.connection.masking import masked
from demo_pipeline.storage.ledger import examinations, tenants
from demo_pipeline.storage.ledger.examinations import Examination
from demo_pipeline.storage.ledger.hero_accounts import broken_hero_kinds
from demo_pipeline.storage.ledger.watched_figures import running_jobs
from demo_pipeline.storage.rows.checkpoint_drift import LastCheckpoint, last_checkpoints, people_changes
from demo_pipeline.storage.rows.row_fingerprint import row_fingerprints

Connection = psycopg.Connection[Any]


class State(StrEnum):
    """Whether a requirement is met."""

    MET = "met"
    NOT_MET = "not met"
    #: the rows have changed since they were examined, or never were
    UNKNOWN = "unknown"
    #: there is no checkpoint, which is no reason not to be ready
    NONE = "none"


@dataclass(frozen=True, kw_only=True)
class TenantReadiness:
    """Whether one tenant can be shown."""

    tenant: str
    #: as the tenant sees it; the slug where that cannot be read
    name: str
    #: in the order in which they are cured; none: it is ready
    reasons: tuple[Reason, ...]
    #: what is no reason, in sentences
    notes: tuple[str, ...]
    #: whether the rows are as they were examined
    is_examined: bool
    #: the last one; None: there is none
    checkpoint: LastCheckpoint | None
    #: the latest examination; None: never
    examined_at: datetime | None
    #: whether it was ready then; None: never examined
    was_ready: bool | None

    @property
    def is_ready(self) -> bool:
        return not self.reasons

    def state(self, requirement: Requirement) -> State:
        """Whether a requirement is met."""
        if requirement in EXAMINED and not self.is_examined:
            return State.UNKNOWN
        if requirement is Requirement.CHECKPOINT and self.checkpoint is None:
            return State.NONE
        is_met = all(one.requirement is not requirement for one in self.reasons)
        return State.MET if is_met else State.NOT_MET


@dataclass(frozen=True, kw_only=True)
class Board:
    """All demo tenants, by slug."""

    #: by the database server's clock
    read_at: datetime
    tenants: tuple[TenantReadiness, ...]

    @property
    def is_ready(self) -> bool:
        """Whether every tenant can be shown."""
        return all(one.is_ready for one in self.tenants)


def read_board(database: Database, settings: Settings) -> Board:
    """All demo tenants as they are now, without reading every row. Raises ``DatabaseError``."""
    try:
        with database.snapshot() as conn:
            recorded = examinations.latest_examinations(conn)
            fingerprints = row_fingerprints(conn, {one: last.examined_at for one, last in recorded.items()})
            judgement = _Judgement(conn, settings, recorded, fingerprints)
            return Board(
                read_at=server_clock(conn),
                tenants=tuple(judgement.judge(one.slug, one.tenant_id) for one in tenants.list_tenants(conn)),
            )
    except psycopg.Error as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise DatabaseError(f"PostgreSQL went away or refused ({masked(reason)}); try again") from error


def judge_examined(
    conn: Connection, settings: Settings, slug: str, examination: Examination
) -> TenantReadiness:
    """Judge one tenant in the snapshot in which it was examined; rows of others are not read."""
    tenant_id = examination.tenant_id
    fingerprints = {tenant_id: examination.fingerprint}
    judgement = _Judgement(conn, settings, {tenant_id: examination}, fingerprints, tenant_id)
    return judgement.judge(slug, tenant_id)


class _Judgement:
    """What is read once for all tenants, or for the one that is judged."""

    def __init__(
        self,
        conn: Connection,
        settings: Settings,
        recorded: Mapping[UUID, Examination],
        fingerprints: Mapping[UUID, Decimal],
        tenant_id: UUID | None = None,
    ) -> None:
        self._conn, self._settings, self._now = conn, settings, instant_of(conn, settings)
        self._recorded, self._fingerprints = recorded, fingerprints
        found = search(conn, settings, tenant_id)
        self._alerts: dict[str | None, list[Alert]] = {}
        for opened in open_alerts(conn, found):
            self._alerts.setdefault(opened.alert.tenant, []).append(opened.alert)
        self._freshness = {one.tenant: one for one in found.tenants}
        self._broken_heroes = broken_hero_kinds(conn, tenant_id)
        self._running = running_jobs(conn)
        self._checkpoints = last_checkpoints(conn, tenant_id)

    def judge(self, slug: str, tenant_id: UUID) -> TenantReadiness:
        """One tenant."""
        last, checkpoint = self._recorded.get(tenant_id), self._checkpoints.get(tenant_id)
        alerts = self._alerts.get(slug, [])
        is_examined = last is not None and last.fingerprint == self._fingerprints[tenant_id]
        reasons = [running_reason(JobKind(kind), job_id) for job_id, kind in self._running.get(tenant_id, ())]
        try:
            context = find_tenant_context(self._conn, self._settings, slug, "ready")
        except UnreadableTenantError as error:
            name, undone = slug, set[str]()
            # An examination finds nothing else.
            reasons.append(unreadable_reason(error.message))
        else:
            name = context.spec.name
            undone = {str(job.job_id) for job in context.state.jobs if job.undone_by is not None}
            reasons += _of_rows(slug, last, is_examined=is_examined)
            reasons += self._of_checkpoint(slug, last, checkpoint, is_examined=is_examined)
            reasons += self._of_months(slug, context)
        reasons += [*hero_reasons(slug, self._broken_heroes.get(tenant_id, ())), *alert_reasons(alerts)]
        order = list(Requirement)
        return TenantReadiness(
            tenant=slug,
            name=name,
            reasons=tuple(sorted(reasons, key=lambda one: order.index(one.requirement))),
            notes=(
                *(last.notes if last is not None and is_examined else ()),
                *alert_notes(alerts, undone),
            ),
            is_examined=is_examined,
            checkpoint=checkpoint,
            examined_at=None if last is None else last.examined_at,
            was_ready=None if last is None else not last.reasons,
        )

    def _of_checkpoint(
        self, slug: str, last: Examination | None, checkpoint: LastCheckpoint | None, *, is_examined: bool
    ) -> Iterator[Reason]:
        """What people changed since the last checkpoint: compared, unless the examination has done that."""
        if checkpoint is None:
            return
        if last is not None and is_examined and last.checkpoint_id == checkpoint.id:
            yield from _recorded(last, {Requirement.CHECKPOINT})
        else:
            yield from drift_reasons(slug, checkpoint, people_changes(self._conn, checkpoint))

    def _of_months(self, slug: str, context: TenantContext) -> Iterator[Reason]:
        """Months that are not loaded, and those that may not be shown."""
        running = Month.containing(self._now)
        loaded = context.recorded_months
        missing = [
            # What is due of the running month is a question of freshness, once anything is loaded.
            one
            for one in context.asked_months(running)
            if one not in loaded and (one != running or not loaded)
        ]
        yield from freshness_reasons(slug, self._freshness.get(slug), missing)
        releases = releases_of(self._conn, context)
        yield from release_reasons(slug, {month: releases.state(month) for month in loaded})


def _of_rows(slug: str, last: Examination | None, *, is_examined: bool) -> Iterator[Reason]:
    """What the latest examination found, if the rows are as they were."""
    if last is None:
        yield examination_reason(slug, "it was never examined")
    elif not is_examined:
        since = f"{last.examined_at:%Y-%m-%d %H:%M} UTC"
        yield examination_reason(slug, f"rows have changed since it was examined ({since})")
    else:
        yield from _recorded(last, EXAMINED)


def _recorded(last: Examination, requirements: Collection[Requirement]) -> Iterator[Reason]:
    """The recorded reasons of some requirements."""
    return (one for one in map(recorded_reason, last.reasons) if one.requirement in requirements)
