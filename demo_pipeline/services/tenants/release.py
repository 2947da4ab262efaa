"""Release months of a tenant: a record that they may be shown, made once their checks pass.

A release hides nothing and changes no row of the CRM. A job that changes a released month makes the record
out of date until the month is released again. A check that fails later does not withdraw it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

from psycopg import Connection

from demo_pipeline.domain.core.errors import InputError, Problem, VerificationError
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.core.wording import counted
from demo_pipeline.services.jobs.tenant_context import TenantContext, open_snapshot
from demo_pipeline.services.tenants.verify import PAGE_CHECKS, WARNINGS, Finding, inspect
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.ledger import job_ledger, releases
from demo_pipeline.storage.ledger.releases import ReleasedMonth

#: of the audit log
RELEASED: Final = "MONTHS_RELEASED"


class ReleaseState(StrEnum):
    """Whether a month may be shown."""

    NOT_RELEASED = "not released"
    RELEASED = "released"
    #: a job changed it after it was released
    CHANGED_SINCE = "released, changed since"

    @property
    def may_be_shown(self) -> bool:
        """Whether the month is released as it is now."""
        return self is ReleaseState.RELEASED


@dataclass(frozen=True, kw_only=True)
class Releases:
    """The released months of a tenant, and those that were just kept back."""

    tenant: str
    months: Mapping[Month, ReleasedMonth]
    #: released by this call
    released: tuple[Month, ...] = ()
    #: month → what its checks found
    kept_back: Mapping[Month, tuple[Finding, ...]] = field(default_factory=dict[Month, "tuple[Finding, ...]"])

    def state(self, month: Month) -> ReleaseState:
        """Whether a month may be shown."""
        if (record := self.months.get(month)) is None:
            return ReleaseState.NOT_RELEASED
        return ReleaseState.CHANGED_SINCE if record.is_changed_since else ReleaseState.RELEASED

    @property
    def error(self) -> VerificationError:
        """Months that were kept back, and why."""
        kept = {str(month): [one.message for one in found] for month, found in self.kept_back.items()}
        checks = sorted({one.check.value for found in self.kept_back.values() for one in found})
        message = (
            f"{counted(len(kept), 'month')} of {self.tenant} kept back: {', '.join(kept)} "
            f"({', '.join(checks)} did not pass); demo-pipeline verify {self.tenant} says what is wrong"
        )
        return VerificationError(message, {"tenant": self.tenant, "kept_back": kept})


def read_releases(database: Database, settings: Settings, slug: str) -> Releases:
    """The released months of a tenant. Raises ``NotFoundError``, ``NotADemoTenantError``."""
    with open_snapshot(database, settings, slug, "show") as (conn, context, _):
        return releases_of(conn, context)


def releases_of(conn: Connection[Any], context: TenantContext) -> Releases:
    """The same within a transaction."""
    found = releases.released_months(conn, context.state.tenant.tenant_id)
    return Releases(
        tenant=context.spec.slug, months={Month.parse(month): one for month, one in found.items()}
    )


def months_between(
    database: Database, settings: Settings, slug: str, first: Month | None, last: Month | None
) -> tuple[Month, ...]:
    """The loaded months of a tenant from ``first`` to ``last``; None: without a bound.

    Raises ``InputError`` where there is none.
    """
    with open_snapshot(database, settings, slug, "show") as (_, context, _now):
        months = sorted(context.recorded_months)
    found = tuple(
        month for month in months if (first is None or month >= first) and (last is None or month <= last)
    )
    if not found:
        message = (
            f"nothing is loaded of {slug} in these months; demo-pipeline generate {slug} makes its months"
        )
        raise InputError(message, [Problem(code="not_loaded", message=message)])
    return found


def release(
    database: Database,
    settings: Settings,
    slug: str,
    months: Sequence[Month] | None = None,
    *,
    requested_by: str,
    reason: str | None = None,
) -> Releases:
    """Release the months whose checks of severity ERROR pass; with a ``reason`` all of them. None: all.

    A month that is released and not changed since is left alone. Raises ``InputError`` for an empty reason
    and for a month of which nothing is loaded, ``NotFoundError``, ``NotADemoTenantError``.
    """
    if reason is not None and not reason.strip():
        message = "the reason is empty; say why the months may be shown although a check did not pass"
        raise InputError(message, [Problem(code="empty_reason", field="reason", message=message)])
    with open_snapshot(database, settings, slug, "release") as (conn, context, _):
        tenant_id = context.state.tenant.tenant_id
        recorded = sorted(context.recorded_months)
        current = releases.released_months(conn, tenant_id)
        # Before the checks: a job that is completed meanwhile makes the release out of date.
        counts = releases.change_counts(conn, tenant_id)
    asked = recorded if months is None else sorted(set(months))
    _refuse_unloaded(slug, [month for month in asked if month not in recorded])
    due = [
        month
        for month in asked
        if (found := current.get(str(month))) is None or found.is_changed_since or reason is not None
    ]
    now = inspect(database, settings, slug, PAGE_CHECKS - WARNINGS) if due and reason is None else None
    kept_back = {month: found for month in due if now is not None and (found := now.errors_in(month))}
    released = [month for month in due if month not in kept_back]
    if released:
        with database.admin() as conn, conn.transaction():
            releases.release_months(
                conn,
                tenant_id,
                [(str(month), counts.get(str(month), 0)) for month in released],
                requested_by,
                reason,
            )
            detail = {"months": list(map(str, released)), "reason": reason, "requested_by": requested_by}
            job_ledger.audit(conn, RELEASED, tenant_id=tenant_id, slug=slug, detail=detail)
    now_released = read_releases(database, settings, slug)
    return replace(now_released, released=tuple(released), kept_back=kept_back)


def _refuse_unloaded(slug: str, months: Sequence[Month]) -> None:
    if not months:
        return
    message = (
        f"nothing is loaded of {', '.join(map(str, months))}; demo-pipeline generate {slug} makes the months "
        "that the tenant has"
    )
    raise InputError(message, [Problem(code="not_loaded", month=str(months[0]), message=message)])
