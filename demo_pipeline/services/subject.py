"""The tenant that a request is about: found, or refused, audited and logged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeAlias
from uuid import UUID

import psycopg

from demo_pipeline.domain.errors import NotADemoTenantError, NotFoundError
from demo_pipeline.domain.metrics import Figures
from demo_pipeline.domain.months import Month
from demo_pipeline.domain.planning import TenantSpec
from demo_pipeline.services.events import Event, record
from demo_pipeline.settings import Settings
from demo_pipeline.storage import ledger, tenants
from demo_pipeline.storage.database import beside
from demo_pipeline.storage.tenants import MonthState, TenantState

#: months with the blueprint's rows that are loaded of them
Loaded: TypeAlias = Mapping[Month, MonthState]
_NOTHING_MORE: Final[Loaded] = {}


@dataclass(frozen=True)
class Subject:
    """A demo tenant as it is at one moment."""

    spec: TenantSpec
    state: TenantState

    def expected(self, month: Month, loaded: Loaded = _NOTHING_MORE) -> Figures:
        """What is due of a month: the blueprint's rows that were loaded, and what jobs changed.

        As the ledger says, but for the months that are ``loaded`` meanwhile.
        """
        state = loaded.get(month) or self.state.months.get(month)
        blueprint = state.figures if state is not None else Figures()
        return blueprint + self.state.changes.get(month, Figures())

    @property
    def known_months(self) -> set[Month]:
        """Months of which the ledger says anything."""
        return {*self.state.months, *self.state.changes}


def find_tenant_id(conn: psycopg.Connection[Any], settings: Settings, slug: str, wish: str) -> UUID:
    """The id of the demo tenant ``slug``; ``wish`` says what somebody wanted of it, for the audit.

    Raises ``NotFoundError``, or ``NotADemoTenantError`` once the attempt is written down.
    """
    try:
        return tenants.demo_tenant_id(conn, slug)
    except NotADemoTenantError:
        is_audited = _audit(conn, slug, wish)
        record(settings, Event.NON_DEMO_TENANT_BLOCKED, tenant=slug, wish=wish, is_audited=is_audited)
        raise


def find_subject(conn: psycopg.Connection[Any], settings: Settings, slug: str, wish: str) -> Subject:
    """The demo tenant ``slug`` as it is now.

    Raises as :func:`find_tenant_id` does, and ``UnreadableTenantError``.
    """
    tenant_id = find_tenant_id(conn, settings, slug, wish)
    try:
        state = tenants.tenant_state(conn, tenant_id)
    except NotADemoTenantError:
        # Deleted between the two statements.
        raise NotFoundError(f"there is no tenant {slug!r}") from None
    return Subject(state.spec, state)


def latest_instant(subject: Subject, as_of: datetime) -> datetime:
    """*Now*, but not before the last job's: its rows are not of the future for a clock that was set back."""
    return max([as_of, *(job.as_of for job in subject.state.jobs if job.as_of is not None)])


def _audit(conn: psycopg.Connection[Any], slug: str, wish: str) -> bool:
    """Whether the attempt could be written down; a server that takes no writes refuses it all the same.

    On a connection of its own: ``conn`` may be read-only, or amid a transaction that ends with the refusal.
    """
    try:
        with beside(conn) as other:
            ledger.audit(other, Event.NON_DEMO_TENANT_BLOCKED.value, slug=slug, detail={"wish": wish})
    except psycopg.Error:
        return False
    return True
