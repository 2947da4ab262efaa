"""``patch``: changing the figures of a demo tenant by a plan."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from demo_pipeline.cli.commands.plan import SPLIT_IT, about_plan, read_plan_file, write_preview
from demo_pipeline.cli.kit.console import say, warn, write_document, write_table, write_text
from demo_pipeline.cli.kit.job_progress import shown_on_asset_pages, watched
from demo_pipeline.cli.kit.job_views import (
    change_document,
    change_table,
    is_passed,
    made_rows,
    unchanged_line,
)
from demo_pipeline.cli.kit.parameters import (
    PARTS_PANEL,
    Commands,
    Json,
    PlanPath,
    PlanTypeOption,
    SeedOption,
    SheetOption,
    Slug,
    example,
    flag,
)
from demo_pipeline.cli.kit.session import Session, caller, open_session
from demo_pipeline.domain.core.errors import (
    CapExceededError,
    DemoError,
    InputError,
    Problem,
    UnconfirmedError,
)
from demo_pipeline.domain.core.wording import rows_text

if TYPE_CHECKING:
    from demo_pipeline.domain.patch_plan.plan import PatchPlan
    from demo_pipeline.services.files.plan_files import PlanFile
    from demo_pipeline.services.jobs.report import JobReport

app = Commands(
    position=13, panel=PARTS_PANEL, group="patch", about="Change the figures of demo tenants by plans."
)


@app.command(
    epilog=example(
        "patch apply larkmoor plan.csv", "patch apply larkmoor targets.csv --plan-type targets --json"
    )
)
def apply(
    slug: Slug,
    plan: PlanPath,
    *,
    again: Annotated[bool, flag("--again", "Also if this plan was already applied.")] = False,
    split: Annotated[
        bool, flag("--split", "One job for each piece that fits the caps, one after the other.")
    ] = False,
    yes: Annotated[
        bool, flag("--yes", "Confirm that a plan with mode reconcile hides rows, as it would by now.")
    ] = False,
    plan_type: PlanTypeOption = None,
    seed: SeedOption = None,
    sheet: SheetOption = None,
    json: Json = False,
) -> None:
    """Apply a plan: exactly, once, all of it or nothing.

    Makes rows until every figure of the plan's months is met to the unit and to the cent, verifies them and
    commits. A plan that was applied already is left alone, exit code 0. One that cannot be is refused with
    the nearest that can, before anything is written. With --split each piece is all or nothing by itself.
    A plan with mode reconcile also hides generated rows. It is applied with --yes, or with the fingerprint of
    its preview in it; otherwise the preview is shown, exit code 2.
    """
    file = read_plan_file(plan, plan_type, seed, sheet)
    session = open_session()
    try:
        with about_plan(plan):
            reports = _apply(session, slug, file, is_again=again, is_split=split, is_confirmed=yes)
    except UnconfirmedError as error:
        if not json:
            write_preview(error.preview)
        raise
    if json:
        documents = [change_document(report) for report in reports]
        passed = all(document["passed"] for document in documents)
        for report in reports:
            _write_notes(report)
        write_document({"jobs": documents, "passed": passed} if split else documents[0])
        return
    for number, report in enumerate(reports):
        if number:
            write_text("")
        write_change(report, can_be_repeated=not split)


def _apply(
    session: Session, slug: str, plan: PlanFile, *, is_again: bool, is_split: bool, is_confirmed: bool
) -> tuple[JobReport, ...]:
    """Apply a plan, or each of its pieces as one job.

    Raises the ``DemoError`` of the first job that fails, with the pieces that are applied.
    """
    from demo_pipeline.services.patches.patch import apply_patch

    if is_split and is_again:
        # After a failure it would not be known which pieces belong to which request.
        message = "--again and --split do not go together; undo the pieces first, then split again"
        raise InputError(message, [Problem(code="bad_option", field="--again", message=message)])
    pieces: tuple[PlanFile | PatchPlan, ...] = (plan,)
    if is_split:
        from demo_pipeline.services.patches.split import split_plan

        pieces = split_plan(session.database, session.settings, slug, plan)
    with (
        watched(session, [slug]),
        shown_on_asset_pages(session) as reports,
        session.database.pooled() as database,
    ):
        for number, piece in enumerate(pieces, start=1):
            if len(pieces) > 1:
                say(f"piece {number} of {len(pieces)} ...")
            try:
                report = apply_patch(
                    database,
                    session.settings,
                    slug,
                    piece,
                    again=is_again,
                    is_confirmed=is_confirmed,
                    caller=caller(),
                )
            except DemoError as error:
                _add_pieces(error, reports, len(pieces))
                if isinstance(error, CapExceededError) and not is_split:
                    error.details["remedy"] = SPLIT_IT
                raise
            reports.append(report)
    return tuple(reports)


def _add_pieces(error: DemoError, done: Sequence[JobReport], count: int) -> None:
    """Add to the error of a split plan which pieces are applied."""
    if count == 1:
        return
    from demo_pipeline.services.jobs.failures import retry_text

    error.details["jobs"] = [str(report.job_id) for report in done]
    which = f"{len(done)} of {count} pieces are applied, each whole" if done else "no piece is applied"
    # The same command does more than job retry: the pieces after this one.
    error.message = error.message.replace(retry_text(error.details.get("job_id")), "")
    error.message += f" (piece {len(done) + 1} of {count}; {which}; the same command again goes on with it)"


def write_change(report: JobReport, *, can_be_repeated: bool = False) -> None:
    """What a job did, for people: a sentence, the figures, warnings.

    ``can_be_repeated``: the command has the option ``--again``.
    """
    if report.undone_by is not None:
        write_text(
            f"{report.tenant}: job {report.job_id} was undone by job {report.undone_by}; "
            "nothing was changed now"
        )
        title = "what it had changed before that"
    elif report.already_applied:
        is_patch = report.kind == "patch"
        write_text(
            f"{report.tenant}: already {'applied' if is_patch else 'done'} by job {report.job_id}; nothing "
            f"was changed now{' (--again applies it once more)' if can_be_repeated else ''}"
        )
        title = "what it changed then"
    else:
        verdict = "every figure is exact" if is_passed(report) else "some figures are off"
        what = "; ".join(
            f"{made}{end}"
            for made, end in (
                (made_rows(report.created), ""),
                (rows_text(report.hidden), " soft-deleted"),
                (rows_text(report.shown), " brought back"),
            )
            if made
        )
        write_text(
            f"{report.tenant}: job {report.job_id} is {report.status} in {report.seconds:.1f} s, {verdict}"
            f"{f'; {what}' if what else ''}"
        )
        title = ""
    changes = change_table(title, report.kind, report.months, report.currency)
    if changes.rows:
        write_table(changes)
    if line := unchanged_line(changes, report.months):
        write_text(line)
    _write_notes(report)


def _write_notes(report: JobReport) -> None:
    for note in report.notes:
        warn(note)
