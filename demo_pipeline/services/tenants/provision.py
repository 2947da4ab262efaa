"""Make a demo tenant from a blueprint file: the tenant, its metadata and a pending job, and no data yet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import psycopg

from demo_pipeline.domain.blueprint.schema import complete_declaration
from demo_pipeline.domain.blueprint.tenant_spec import TenantSpec
from demo_pipeline.domain.core.errors import (
    InputError,
    NotADemoTenantError,
    Problem,
    UnreadableTenantError,
    raise_problems,
)
from demo_pipeline.domain.core.job_kinds import JobKind
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.core.row_ids import tenant_id
from demo_pipeline.domain.documents.stored import read_spec
from demo_pipeline.domain.generation.calendar import tenant_calendar
from demo_pipeline.domain.generation.provenance import blueprint_stream
from demo_pipeline.domain.generation.team import signed_up_at
from demo_pipeline.services.files.blueprint_files import DeclaredTenant, read_blueprint
from demo_pipeline.services.jobs.events import Event, record
from demo_pipeline.services.jobs.selection import identified, months_spec
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.clock import current_instant
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.ledger import job_ledger, tenants
from demo_pipeline.storage.ledger.tenants import NewTenant

#: characters of a value that a message quotes
_MOST_SHOWN: Final = 40


@dataclass(frozen=True, kw_only=True)
class Provisioned:
    """A tenant that is there now."""

    slug: str
    tenant_id: UUID
    #: False: it was there already, with this very blueprint
    is_new: bool
    first_month: Month
    last_month: Month
    warnings: tuple[str, ...]


def provision_all(
    database: Database,
    settings: Settings,
    paths: Sequence[Path],
    *,
    requested_by: str | None = None,
    on_unreadable: Callable[[str, UnreadableTenantError], None] | None = None,
) -> tuple[Provisioned, ...]:
    """Provision several blueprints; all files are read first, and nothing is made if one is wrong.

    A tenant that exists and cannot be read is passed with its slug to ``on_unreadable`` and left out; without
    that function it raises ``UnreadableTenantError``.
    """
    now = current_instant(database, settings)
    declared: list[DeclaredTenant] = []
    problems: list[Problem] = []
    for path in paths:
        try:
            declared.append(read_declared(database, settings, path, now))
        except InputError as error:
            if len(paths) == 1:
                raise
            problems += [
                replace(problem, message=f"{path.name}: {problem.message}")
                for problem in error.problems or [Problem(code=error.code, message=error.message)]
            ]
    raise_problems(problems)
    made: list[Provisioned] = []
    for one in declared:
        try:
            made.append(_provision(database, settings, one, now, requested_by))
        except UnreadableTenantError as error:
            if on_unreadable is None:
                raise
            on_unreadable(one.slug, error)
    return tuple(made)


def provision(
    database: Database,
    settings: Settings,
    path: Path,
    *,
    requested_by: str | None = None,
    sheet: str | None = None,
) -> Provisioned:
    """Make the tenant that a blueprint file declares, unless it is there with this blueprint.

    ``sheet`` is the sheet of a workbook of months, whatever the blueprint says.

    Raises ``InputError`` for what is wrong with the file and for another blueprint of the same slug,
    ``CapExceededError``, ``NotADemoTenantError`` where a real tenant has the slug, and
    ``UnreadableTenantError`` where the tenant exists and cannot be read.
    """
    now = current_instant(database, settings)
    return _provision(
        database, settings, read_declared(database, settings, path, now, sheet), now, requested_by
    )


def _provision(
    database: Database, settings: Settings, declared: DeclaredTenant, now: datetime, requested_by: str | None
) -> Provisioned:
    spec, warnings = declared.spec, declared.warnings
    document = declared.blueprint.model_dump(mode="json")
    with database.loader() as conn:
        found = tenants.find_tenant(conn, spec.slug)
        if found.exists and found.tenant_id is None:
            record(settings, Event.NON_DEMO_TENANT_BLOCKED, tenant=spec.slug, wish="provision")
            job_ledger.audit(
                conn, Event.NON_DEMO_TENANT_BLOCKED.value, slug=spec.slug, detail={"wish": "provision"}
            )
            raise NotADemoTenantError(
                f"tenant {spec.slug!r} exists and is not a demo; give the blueprint another file name",
                {"tenant": spec.slug},
            )
        if found.tenant_id is not None:
            return _present(tenants.get_tenant(conn, spec.slug), document, warnings)
        identity = tenant_id(spec.slug, found.last_incarnation + 1)
        try:
            _make(conn, spec, document, identity, found.last_incarnation + 1, now, requested_by)
        except InputError:
            # Somebody made it at the same moment; from this very blueprint, or not.
            return _present(tenants.get_tenant(conn, spec.slug), document, warnings)
    return _provisioned(spec, identity, warnings, is_new=True)


def _make(
    conn: psycopg.Connection[Any],
    spec: TenantSpec,
    declared: dict[str, Any],
    identity: UUID,
    incarnation: int,
    now: datetime,
    requested_by: str | None,
) -> None:
    """Tenant, metadata and the pending job of the span, in one transaction."""
    with conn.transaction():
        tenants.provision_tenant(
            conn,
            NewTenant(
                tenant_id=identity,
                slug=spec.slug,
                name=spec.name,
                country=spec.country,
                timezone=spec.timezone,
                currency=spec.currency.code,
                industry=spec.industry,
                incarnation=incarnation,
                seed=spec.seed,
                lists_version=spec.lists_version,
                blueprint=declared,
                plan=spec.to_json(),
                created_at=signed_up_at(spec, tenant_calendar(spec), blueprint_stream(spec)),
                provisioned_at=now,
                requested_by=requested_by,
            ),
        )
        # The job that loads the whole span, pending until it is run.
        first_job = months_spec(JobKind.MATERIALISE, spec.seed, spec.start_month, spec.end_month)
        request = identified(first_job, identity, incarnation)
        job_ledger.register_job(conn, replace(request, requested_by=requested_by))


def read_declared(
    database: Database, settings: Settings, path: Path, now: datetime, sheet: str | None = None
) -> DeclaredTenant:
    """What a file declares by the instant of its tenant, so that its span is still the same, or by now."""
    with database.loader() as conn:
        if tenants.find_tenant(conn, path.stem).tenant_id is not None:
            now = tenants.get_tenant(conn, path.stem).provisioned_at
    return read_blueprint(path, now, settings.caps.to_domain(), sheet=sheet)


def _present(tenant: tenants.Tenant, declared: dict[str, Any], warnings: tuple[str, ...]) -> Provisioned:
    """The tenant that is there, if the file says what it was made from."""
    stored = complete_declaration(tenant.blueprint)
    if declared != stored:
        keys = [key for key in sorted({*declared, *stored}) if declared.get(key) != stored.get(key)]
        changed = ", ".join(keys)
        shown = ", ".join(
            filter(None, (_difference(key, stored.get(key), declared.get(key)) for key in keys))
        )
        verb = "differs" if len(keys) == 1 else "differ"
        message = (
            f"tenant {tenant.slug!r} was made from another blueprint ({changed} {verb}"
            f"{f': {shown}' if shown else ''}); give the file another name, or delete the tenant with all "
            f"its rows first: demo-pipeline tenant delete {tenant.slug}"
        )
        raise InputError(message, [Problem(code="other_blueprint", message=message, value=changed)])
    return _provisioned(read_spec(tenant.slug, tenant.plan), tenant.tenant_id, warnings, is_new=False)


def _difference(key: str, before: object, now: object) -> str:
    """A key of a blueprint with both values, ``name 'Acme' then, 'Ace' now``; empty if that is long."""
    if any(isinstance(value, dict | list) or len(str(value)) > _MOST_SHOWN for value in (before, now)):
        return ""
    old, new = ("not set" if value is None else repr(value) for value in (before, now))
    return f"{key} {old} then, {new} now"


def _provisioned(spec: TenantSpec, identity: UUID, warnings: tuple[str, ...], *, is_new: bool) -> Provisioned:
    return Provisioned(
        slug=spec.slug,
        tenant_id=identity,
        is_new=is_new,
        first_month=spec.start_month,
        last_month=spec.end_month,
        warnings=warnings,
    )
