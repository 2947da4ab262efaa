"""Take, list and delete checkpoints of a tenant. A checkpoint is a job that changes no row of the tenant."""

from __future__ import annotations

import re
from typing import Any, Final

from psycopg import Connection

from demo_pipeline.domain.core.errors import InputError, NotFoundError, Problem
from demo_pipeline.domain.core.figures import NO_MONTHS
from demo_pipeline.domain.core.job_kinds import JobKind
from demo_pipeline.domain.parsing.scalars import nearest
from demo_pipeline.services.jobs.report import JobReport
from demo_pipeline.services.jobs.runner import run_job
from demo_pipeline.services.jobs.selection import next_job
from demo_pipeline.services.jobs.steps import JobCaller, JobOutcome, JobRun, JobSelection, JobTransaction
from demo_pipeline.services.jobs.tenant_context import (
    TenantContext,
    check_instant,
    find_tenant_context,
    open_snapshot,
)
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.ledger import checkpoints
from demo_pipeline.storage.ledger.checkpoints import MOST_NAMED, Checkpoint
from demo_pipeline.storage.ledger.job_ledger import JobSpec
from demo_pipeline.storage.rows.digest import digest_within

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}")


def take_checkpoint(
    database: Database,
    settings: Settings,
    slug: str,
    name: str,
    *,
    replaces: bool = False,
    caller: JobCaller | None = None,
) -> JobReport:
    """Remember all rows of a tenant under a name, for 30 days. ``replaces``: one of that name may be there.

    Raises as ``run_job`` does; ``InputError`` for a name that cannot be, one that is there already, a sixth
    checkpoint, and a tenant without any month.
    """
    check_name(name)
    plan = {"name": name, "replaces": replaces}
    return run_job(
        database,
        settings,
        slug,
        JobKind.CHECKPOINT,
        lambda run: _select(run, plan, replaces=replaces),
        caller,
    )


def take_automatic(
    database: Database, settings: Settings, slug: str, caller: JobCaller | None = None
) -> JobReport | None:
    """Take a checkpoint called ``auto-`` and the time, of which the newest five stay.

    None: the tenant has no month yet. Raises as ``run_job`` does.
    """
    with database.admin(readonly=True) as conn:
        if not find_tenant_context(conn, settings, slug, JobKind.CHECKPOINT).loaded_months:
            return None
    return _take_automatic(database, settings, slug, caller)


def _take_automatic(database: Database, settings: Settings, slug: str, caller: JobCaller | None) -> JobReport:
    def select(run: JobRun) -> JobSelection:
        # Taken again within a second it is the same moment.
        plan = {"name": f"auto-{run.as_of:%Y%m%d-%H%M%S}", "replaces": True, "automatic": True}
        return _select(run, plan, replaces=True)

    return run_job(database, settings, slug, JobKind.CHECKPOINT, select, caller)


def delete_checkpoint(
    database: Database, settings: Settings, slug: str, name: str, *, caller: JobCaller | None = None
) -> JobReport:
    """Delete a checkpoint. Raises as ``run_job`` does; ``NotFoundError`` where there is none of that name."""

    def select(run: JobRun) -> JobSelection:
        with run.database.admin(readonly=True) as conn:
            find_checkpoint(conn, run.context, name)
        return _selection(run, {"name": name, "deletes": True})

    return run_job(database, settings, slug, JobKind.CHECKPOINT, select, caller)


def repeat_checkpoint(
    database: Database, settings: Settings, slug: str, plan: Any, caller: JobCaller | None
) -> JobReport:
    """The request of a job's stored plan once more. Raises as the functions above do."""
    if plan.get("deletes"):
        return delete_checkpoint(database, settings, slug, plan["name"], caller=caller)
    if plan.get("automatic"):
        return _take_automatic(database, settings, slug, caller)
    return take_checkpoint(
        database, settings, slug, plan["name"], replaces=bool(plan.get("replaces")), caller=caller
    )


def list_checkpoints(database: Database, settings: Settings, slug: str) -> tuple[Checkpoint, ...]:
    """The checkpoints of a tenant, the latest first. Raises ``NotFoundError``, ``NotADemoTenantError``."""
    with open_snapshot(database, settings, slug, "checkpoints") as (conn, context, _):
        return tuple(checkpoints.list_checkpoints(conn, context.state.tenant.tenant_id))


def count_expired(database: Database) -> int:
    """How many checkpoints and rewinds have expired and are still stored, of all tenants."""
    with database.admin(readonly=True) as conn:
        return checkpoints.count_expired(conn)


def drop_expired(database: Database) -> int:
    """Delete them; how many there were."""
    with database.admin() as conn, conn.transaction():
        return checkpoints.drop_expired(conn)


def check_name(name: str) -> None:
    """Raise ``InputError`` for a name that no checkpoint can have."""
    if not _NAME.fullmatch(name):
        raise _refused(
            "bad_name",
            f"{name[:60]!r} is no name of a checkpoint: up to 40 small letters, digits and . _ -, with a "
            "letter or digit first, like before-demo",
        )


def find_checkpoint(conn: Connection[Any], context: TenantContext, name: str) -> Checkpoint:
    """The checkpoint of that name. ``conn`` is an administrator's. Raises ``NotFoundError``."""
    tenant = context.state.tenant
    there = {one.name: one for one in checkpoints.list_checkpoints(conn, tenant.tenant_id)}
    if (found := there.get(name)) is not None:
        return found
    if (former := checkpoints.former_incarnation(conn, tenant.slug, name)) is not None:
        raise NotFoundError(
            f"checkpoint {name!r} belonged to incarnation {former} of {tenant.slug}, which was deleted; the "
            f"present one is incarnation {tenant.incarnation}: demo-pipeline checkpoints {tenant.slug} lists "
            "its checkpoints",
            {"tenant": tenant.slug, "checkpoint": name, "incarnation": former},
        )
    meant = nearest(name, list(there))
    hint = "" if meant is None else f"did you mean {meant}? "
    raise NotFoundError(
        f"{tenant.slug} has no checkpoint {name!r}; {hint}each is kept for 30 days; "
        f"demo-pipeline checkpoints {tenant.slug} shows those there are",
        {"tenant": tenant.slug, "checkpoint": name, "suggestion": meant},
    )


def _select(run: JobRun, plan: dict[str, Any], *, replaces: bool) -> JobSelection:
    check_instant(run.context, run.as_of, run.settings)
    slug, name = run.tenant.slug, plan["name"]
    if not run.context.loaded_months:
        raise _refused(
            "no_month",
            f"{slug} has no month yet, so there is nothing to remember; demo-pipeline generate {slug} makes "
            "its months",
        )
    with run.database.admin(readonly=True) as conn:
        there = checkpoints.list_checkpoints(conn, run.tenant.tenant_id)
    if not plan.get("automatic"):
        _check_room(slug, name, [one.name for one in there if not one.is_automatic], replaces=replaces)
    if not replaces and any(one.name == name for one in there):
        raise _refused(
            "name_taken",
            f"{slug} has a checkpoint {name!r} already; --replace takes it anew, or choose another name",
        )
    return _selection(run, plan)


def _check_room(slug: str, name: str, named: list[str], *, replaces: bool) -> None:
    if len(named) < MOST_NAMED or (replaces and name in named):
        return
    raise _refused(
        "too_many_checkpoints",
        f"{slug} has {len(named)} checkpoints already, the most there can be: {', '.join(named)}; delete "
        f"one with demo-pipeline checkpoint {slug} {named[-1]} --delete, or take one anew with --replace",
    )


def _selection(run: JobRun, plan: dict[str, Any]) -> JobSelection:
    spec = JobSpec(kind=JobKind.CHECKPOINT, plan=plan, seed=run.tenant.seed, as_of=run.as_of)
    return JobSelection(request=next_job(run.context, spec), execute=_execute)


def _execute(run: JobTransaction) -> JobOutcome:
    plan = run.request.plan
    assert plan is not None  # of a checkpoint
    metrics: dict[str, Any]
    if plan.get("deletes"):
        checkpoints.delete_checkpoint(run.conn, run.request.job_id, plan["name"])
        metrics = {}
    else:
        digest = digest_within(run.conn, run.tenant.tenant_id)
        rows = checkpoints.take_checkpoint(
            run.conn,
            run.request.job_id,
            plan["name"],
            digest,
            is_automatic=bool(plan.get("automatic")),
            replaces=bool(plan["replaces"]),
        )
        metrics = {"stored": rows, "digest": digest}
    # It changes nothing, hero accounts included.
    return JobOutcome(before=run.figures(), change=NO_MONTHS, metrics=metrics, has_heroes=True)


def _refused(code: str, message: str) -> InputError:
    return InputError(message, [Problem(code=code, field="NAME", message=message)])
