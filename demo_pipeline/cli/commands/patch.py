"""``patch``: changing the figures of a demo tenant by a plan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from demo_pipeline.cli.kit.console import warn, write_document, write_table, write_text
from demo_pipeline.cli.kit.parameters import (
    Json,
    PlanPath,
    PlanTypeOption,
    SeedOption,
    SheetOption,
    Slug,
    example,
    group,
)
from demo_pipeline.cli.kit.session import open_session
from demo_pipeline.cli.views.changes import change_document, change_table, is_passed
from demo_pipeline.cli.views.jobs import made_rows
from demo_pipeline.domain.core.wording import rows_text

if TYPE_CHECKING:
    from demo_pipeline.services.jobs.report import JobReport

app = group("Change the figures of demo tenants by plans.")


@app.command(
    epilog=example(
        "patch apply larkmoor plan.csv", "patch apply larkmoor targets.csv --plan-type targets --json"
    )
)
def apply(
    slug: Slug,
    plan: PlanPath,
    *,
    again: Annotated[
        bool, typer.Option("--again", help="Also where this very plan was applied before.")
    ] = False,
    split: Annotated[
        bool, typer.Option("--split", help="One job for each piece that fits the caps, one after the other.")
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
    """
    from demo_pipeline.cli.commands.patching import about_plan, apply_plan, read_plan_file

    file = read_plan_file(plan, plan_type, seed, sheet)
    session = open_session()
    with about_plan(plan):
        reports = apply_plan(session, slug, file, is_again=again, is_split=split)
    if json:
        documents = [change_document(report) for report in reports]
        passed = all(document["passed"] for document in documents)
        write_document({"jobs": documents, "passed": passed} if split else documents[0])
        return
    for number, report in enumerate(reports):
        if number:
            write_text("")
        write_change(report, can_be_repeated=not split)


def write_change(report: JobReport, *, can_be_repeated: bool = False) -> None:
    """What a job did, for people: a sentence, the figures, what a person should know.

    ``can_be_repeated``: the command that asked for it has ``--again``.
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
    if report.months:
        write_table(change_table(title, report.kind, report.months, report.currency))
    for note in report.notes:
        warn(note)
