"""``repair``, ``dedupe`` and ``cleanup``: show wrong rows, and with ``--yes`` soft-delete them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Final, Protocol

from demo_pipeline.cli.kit.console import command_line, say, warn, write_document, write_table, write_text
from demo_pipeline.cli.kit.job_progress import shown_on_asset_pages, watched
from demo_pipeline.cli.kit.job_views import change_document
from demo_pipeline.cli.kit.parameters import TENANT_PANEL, Commands, JobId, Json, Slug, example, flag
from demo_pipeline.cli.kit.session import Session, caller, notice_if_slow, open_session
from demo_pipeline.domain.core.wording import counted
from demo_pipeline.rendering.repair_tables import plan_table
from demo_pipeline.rendering.table import Column, programs, records

if TYPE_CHECKING:
    from demo_pipeline.services.jobs.row_checks import ChangedStage
    from demo_pipeline.services.jobs.steps import JobCaller
    from demo_pipeline.services.repairs.repair import Group, Plan, Repaired
    from demo_pipeline.storage.rows.misplaced import Misplaced

Yes = Annotated[bool, flag("--yes", "Do it; without it the plan is shown and nothing is done.")]
#: ids of rows that a document names
_MOST_IDS: Final = 100

app = Commands(position=7, panel=TENANT_PANEL)


class _Call(Protocol):
    """One of the three services, for one tenant or job."""

    def __call__(self, *, caller: JobCaller, is_dry: bool) -> Repaired: ...


@app.command(
    epilog=example("repair larkmoor", "repair larkmoor --yes", "repair larkmoor --restore-stages --yes")
)
def repair(
    slug: Slug,
    *,
    yes: Yes = False,
    restore_stages: Annotated[
        bool,
        flag(
            "--restore-stages",
            "Also set stages that people changed to won, lost or open again, where deals contradict them.",
        ),
    ] = False,
    json: Json = False,
) -> None:
    """Show what is wrong with a tenant's rows, and with --yes put it right.

    Orphans, broken life cycles, rows of no completed job and copies are hidden, with the rows of jobs that
    depend on them, by one job that **job undo** takes back. Rows of its jobs that lie in other tenants are
    deleted there; the audit log keeps them. Rows that people made or edited are never touched. Deals that
    contradict a stage are not hidden where people changed the stage: the stage is named, and
    --restore-stages sets it as it was. Other hero accounts are selected where people changed the rows of one.
    What is missing then, **generate** makes up for.
    """
    session = open_session()
    from demo_pipeline.services.repairs import repair as service

    call = partial(service.repair, session.database, session.settings, slug, with_stages=restore_stages)
    _do(session, slug, call, yes=yes, json=json)


@app.command(epilog=example("dedupe larkmoor --yes"))
def dedupe(slug: Slug, *, yes: Yes = False, json: Json = False) -> None:
    """Show rows that say the same as another one in every column, and with --yes hide all but one of each.

    One job, which **job undo** takes back.
    """
    session = open_session()
    from demo_pipeline.services.repairs import repair as service

    call = partial(service.dedupe, session.database, session.settings, slug)
    _do(session, slug, call, yes=yes, json=json)


@app.command(epilog=example("cleanup 0f1c2f3e-5d1c-5b7a-9a51-3a6f5a2b7c11 --yes"))
def cleanup(job_id: JobId, *, yes: Yes = False, json: Json = False) -> None:
    """Show the rows of a job that was not completed, and with --yes hide them.

    There are none unless the database's guards were switched off. A completed patch is taken back with
    **job undo**. One job, which **job undo** takes back.
    """
    session = open_session()
    from demo_pipeline.services.repairs import repair as service
    from demo_pipeline.services.tenants import queries

    job = queries.find_job(session.database, job_id)
    call = partial(service.cleanup, session.database, session.settings, job.id)
    _do(session, job.slug, call, yes=yes, json=json)


def _do(session: Session, slug: str, call: _Call, *, yes: bool, json: bool) -> None:
    """Show the plan; with ``yes`` do it, and show what was done."""
    with notice_if_slow("looking through the tenant's rows ..."):
        done = call(caller=caller(), is_dry=True)
    if yes and not done.plan.is_empty:
        if not json:
            _write_plan(done)
        with watched(session, [slug]), shown_on_asset_pages(session) as reports:
            done = call(caller=caller(), is_dry=False)
            reports.extend([done.report] if done.report is not None else [])
    if json:
        write_document(_document(done, is_done=yes))
        return
    if done.plan.is_empty:
        write_text(f"{slug}: there is nothing to {done.plan.kind}")
    elif yes:
        _write_done(done)
    elif _write_plan(done):
        say("nothing was done yet: the same command with --yes does it")
    _warn_of_kept(done.plan)
    if not done.plan.is_empty:
        _warn_of_stages(done)
    _warn_of_months(done)


def _write_plan(done: Repaired) -> bool:
    """Show what is to be done; whether there is anything."""
    table = plan_table(done)
    if not table.rows:
        write_text(f"{done.plan.tenant}: there is nothing to hide")
        return False
    write_table(table)
    return True


def _write_done(done: Repaired) -> None:
    if done.deleted_elsewhere:
        write_text(
            f"{done.plan.tenant}: {done.deleted_elsewhere:,} rows deleted in other tenants; the audit log "
            "has what they were"
        )
    if done.restored_stages:
        write_text(
            f"{done.plan.tenant}: restored {counted(done.restored_stages, 'stage')}; the audit log has "
            "what people had made of it"
        )
    if done.report is not None:
        count = sum(len(group.ids) for group in done.plan.groups) + sum(done.plan.along.values())
        if done.plan.heroes:
            write_text(f"{done.plan.tenant}: hero accounts selected anew by job {done.report.job_id}")
        if count:
            write_text(
                f"{done.plan.tenant}: {count:,} rows are hidden by job {done.report.job_id}, "
                f"in {done.report.seconds:.1f} s"
            )
            say(f"{command_line(f'job undo {done.report.job_id}')} brings them back")


def _warn_of_kept(plan: Plan) -> None:
    for group in plan.kept:
        warn(
            f"{len(group.ids):,} {group.table} that {group.reason} stay, because people edited them or rows "
            "that depend on them: correct or delete them in the CRM"
        )


def _warn_of_stages(done: Repaired) -> None:
    for stage in () if done.with_stages else done.plan.stages:
        warn(
            f"no deal is hidden because of stage {stage.name!r}: set it to {stage.outcome} in the CRM, or "
            "add --restore-stages"
        )


def _warn_of_months(done: Repaired) -> None:
    plan = done.plan
    if not plan.short:
        return
    which = ", ".join(str(month) for month in plan.short[:6]) + (" ..." if len(plan.short) > 6 else "")
    short = f"{counted(len(plan.short), 'month')} with less than what is expected then ({which})"
    if plan.stages and not done.restored_stages:
        warn(f"{short}: restore the stage first, since its deals count for something else now")
    else:
        warn(f"{short}: {command_line(f'generate {plan.tenant}')} makes up for it")


def _document(done: Repaired, *, is_done: bool) -> dict[str, Any]:
    plan = done.plan
    return {
        "tenant": plan.tenant,
        "kind": plan.kind,
        "done": is_done,
        "hide": records(_GROUP_COLUMNS, plan.groups),
        "along": plan.along,
        "elsewhere": records(_STRAY_COLUMNS, plan.elsewhere),
        "deleted_elsewhere": done.deleted_elsewhere,
        "kept": records(_GROUP_COLUMNS, plan.kept),
        "stages": records(_STAGE_COLUMNS, plan.stages),
        "restored_stages": done.restored_stages,
        "heroes": plan.heroes,
        "short": plan.short,
        "job": None if done.report is None else change_document(done.report),
    }


_GROUP_COLUMNS: Final[tuple[Column[Group], ...]] = (
    *programs("table reason"),
    Column("rows", None, lambda group: len(group.ids)),
    Column("ids", None, lambda group: group.ids[:_MOST_IDS]),
)
_STRAY_COLUMNS: Final[tuple[Column[Misplaced], ...]] = (
    Column("tenant", None, lambda stray: stray.slug),
    *programs("tenant_id table"),
    Column("rows", None, lambda stray: len(stray.ids)),
)
_STAGE_COLUMNS: Final[tuple[Column[ChangedStage], ...]] = (
    *programs("id name is_won is_lost"),
    Column("deals", None, lambda stage: stage.deal_count),
)
