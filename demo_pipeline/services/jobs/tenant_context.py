"""The tenant that a request is about: found, or refused, audited and logged."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Final, TypeAlias
from uuid import UUID

import psycopg

from demo_pipeline.domain.blueprint.tenant_spec import TenantSpec
from demo_pipeline.domain.core.errors import (
    DemoError,
    InputError,
    NotADemoTenantError,
    NotFoundError,
    Problem,
)
from demo_pipeline.domain.core.figures import Figures, FiguresByMonth
from demo_pipeline.domain.core.job_kinds import JobKind
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.patch_plan.plan import PlanMode
from demo_pipeline.domain.reference.versions import present_version
from demo_pipeline.services.jobs.events import Event, record
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.clock import instant_of
from demo_pipeline.storage.connection.database import Database, beside, open_database
from demo_pipeline.storage.ledger import job_ledger, tenants
from demo_pipeline.storage.ledger.tenants import MonthState, TenantState

#: months with the blueprint's rows that are loaded of them
Loaded: TypeAlias = Mapping[Month, MonthState]
_NOTHING_MORE: Final[Loaded] = {}


@dataclass(frozen=True)
class TenantContext:
    """A demo tenant as it is at one moment."""

    spec: TenantSpec
    state: TenantState

    @cached_property
    def end_month(self) -> Month | None:
        """The last month that the blueprint asks anything for, extensions included; None: a living tenant."""
        closed = self.spec.closed_month
        return None if closed is None else max([closed, *(last for _, last in self.extensions)])

    @property
    def extensions(self) -> tuple[tuple[UUID, Month], ...]:
        """Extensions that were not undone, the oldest first: job and last month."""
        return tuple(
            (job.job_id, job.last_month)
            for job in self.state.jobs
            if job.kind is JobKind.EXTEND and job.status == "completed" and job.undone_by is None
            if job.last_month is not None
        )

    def last_asked(self, last: Month) -> Month:
        """The last month up to ``last`` that the blueprint asks anything for; may be before the span."""
        return last if self.end_month is None else min(last, self.end_month)

    def is_asked(self, month: Month) -> bool:
        """Whether the blueprint asks anything for a month that has begun."""
        return self.spec.start_month <= month == self.last_asked(month)

    def has_month(self, month: Month) -> bool:
        """Whether a month belongs to the tenant: by its blueprint, or by a job that recorded a change."""
        return self.is_asked(month) or month in self.state.changes

    def asked_months(self, running: Month) -> Iterator[Month]:
        """The months up to the running one that the blueprint asks anything for, in order."""
        return self.spec.start_month.until(self.last_asked(running))

    @property
    def was_rewound(self) -> bool:
        """Whether any job went back to a checkpoint."""
        return any(job.kind is JobKind.REWIND and job.status == "completed" for job in self.state.jobs)

    @cached_property
    def loaded_months(self) -> dict[Month, MonthState]:
        """Months with loaded rows of the blueprint, without those of an extension that was undone."""
        return {month: state for month, state in self.state.months.items() if self.is_asked(month)}

    def expected(self, month: Month, loaded: Loaded = _NOTHING_MORE) -> Figures:
        """What is due of a month: the blueprint's rows that were loaded, and what jobs changed.

        As the ledger says, but for the months that are ``loaded`` meanwhile.
        """
        state = loaded.get(month) or self.loaded_months.get(month)
        blueprint = state.figures if state is not None else Figures()
        return blueprint + self.state.changes.at(month)

    @property
    def expected_by_month(self) -> FiguresByMonth:
        """The expected figures of the months that the ledger records."""
        return FiguresByMonth((month, self.expected(month)) for month in self.recorded_months)

    @property
    def recorded_months(self) -> set[Month]:
        """Months of which the ledger records anything."""
        return {*self.loaded_months, *self.state.changes}

    @cached_property
    def is_made_by_figures(self) -> bool:
        """Whether missing rows of the blueprint are made from figures, and not one by one.

        Rows of another version, and rows made from figures, are never made again; and after a reconcile the
        blueprint's next rows would refer to hidden ones. So it stays once rows were made like that, even if
        the reconcile is undone. A rewind takes them back, and what the months record of them.
        """
        made_by = {version for state in self.state.months.values() for version in state.versions}
        return bool(made_by - {present_version()}) or any(
            job.mode == PlanMode.RECONCILE and job.status == "completed" and job.undone_by is None
            for job in self.state.jobs
        )

    @cached_property
    def was_made_by_figures(self) -> bool:
        """Whether rows of the blueprint may ever have been made from figures, also by jobs undone since."""
        return self.is_made_by_figures or any(
            job.mode == PlanMode.RECONCILE and job.status == "completed" for job in self.state.jobs
        )


def find_tenant_id(conn: psycopg.Connection[Any], settings: Settings, slug: str, wish: str) -> UUID:
    """The id of the demo tenant ``slug``; ``wish`` says what was asked of it, for the audit.

    Raises ``NotFoundError`` that proposes the nearest demo tenant, or ``NotADemoTenantError`` once the
    attempt is written down.
    """
    try:
        return tenants.demo_tenant_id(conn, slug)
    except NotFoundError:
        raise _unknown(conn, settings, slug) from None
    except NotADemoTenantError:
        is_audited = _audit(conn, slug, wish)
        record(settings, Event.NON_DEMO_TENANT_BLOCKED, tenant=slug, wish=wish, is_audited=is_audited)
        raise


def find_tenant_context(
    conn: psycopg.Connection[Any], settings: Settings, slug: str, wish: str
) -> TenantContext:
    """The demo tenant ``slug`` as it is now.

    Raises as :func:`find_tenant_id` does, and ``UnreadableTenantError``.
    """
    tenant_id = find_tenant_id(conn, settings, slug, wish)
    try:
        state = tenants.tenant_state(conn, tenant_id)
    except NotADemoTenantError:
        # Deleted between the two statements.
        raise _unknown(conn, settings, slug) from None
    return TenantContext(state.spec, state)


@contextmanager
def open_snapshot(
    database: Database, settings: Settings, slug: str, wish: str
) -> Generator[tuple[psycopg.Connection, TenantContext, datetime]]:
    """A snapshot of the database for reading one tenant: connection, tenant and *now*.

    Raises as :func:`find_tenant_context` does, and ``InputError`` for a ``DEMO_NOW`` in the future.
    """
    with database.snapshot() as conn:
        yield conn, find_tenant_context(conn, settings, slug, wish), instant_of(conn, settings)


def _unknown(conn: psycopg.Connection[Any], settings: Settings, slug: str) -> NotFoundError:
    """No tenant has that slug. A job's login may not list tenants, so the administrator's is asked then."""
    known = tenants.demo_slugs(conn)
    if known is None:
        with suppress(DemoError, psycopg.Error), open_database(settings).admin(readonly=True) as admin:
            known = tenants.demo_slugs(admin)
    return tenants.unknown_tenant(slug, known or (), settings.place)


def check_instant(context: TenantContext, as_of: datetime, settings: Settings) -> None:
    """Raises ``InputError`` where *now* is before the tenant was provisioned."""
    tenant = context.state.tenant
    provisioned_at = tenant.provisioned_at
    if as_of >= provisioned_at:
        return
    is_set = settings.now is not None
    source = "DEMO_NOW" if is_set else "the database server's clock"
    remedy = (
        "unset DEMO_NOW or take a later instant"
        if is_set
        else "the tenant was made by a clock that was ahead, or the server's clock is behind: correct the "
        "server's clock, or delete the tenant and provision it again"
    )
    message = (
        f"now is {as_of:%Y-%m-%d %H:%M} UTC ({source}), "
        f"before {tenant.slug} was provisioned ({provisioned_at:%Y-%m-%d %H:%M} UTC); {remedy}"
    )
    field = "DEMO_NOW" if is_set else None
    raise InputError(message, [Problem(code="before_provisioning", field=field, message=message)])


def latest_instant(context: TenantContext, as_of: datetime) -> datetime:
    """*Now*, but not before the last job's: its rows are not of the future for a clock that was set back."""
    return max([as_of, *(job.as_of for job in context.state.jobs if job.as_of is not None)])


def _audit(conn: psycopg.Connection[Any], slug: str, wish: str) -> bool:
    """Whether the attempt could be written down; a server that takes no writes refuses it all the same.

    On a connection of its own: ``conn`` may be read-only, or within a transaction that ends with the refusal.
    """
    try:
        with beside(conn) as other:
            job_ledger.audit(other, Event.NON_DEMO_TENANT_BLOCKED.value, slug=slug, detail={"wish": wish})
    except psycopg.Error:
        return False
    return True
