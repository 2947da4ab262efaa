"""``job``: the ledger of everything that was done to demo tenants, and taking it back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from demo_pipeline.cli.change_views import change_document, csv_lines
from demo_pipeline.cli.console import say, write_document, write_table, write_text
from demo_pipeline.cli.job_views import detail_document, detail_tables, job_document, job_table
from demo_pipeline.cli.parameters import JobId, Json, example, group, slug_text
from demo_pipeline.cli.patch_commands import write_change
from demo_pipeline.cli.session import Session, open_session

if TYPE_CHECKING:
    from demo_pipeline.services.reports import JobReport
    from demo_pipeline.storage.ledger import Job

app = group("Look at jobs, take them back, try them again.")
_ID = "0f1c2f3e-5d1c-5b7a-9a51-3a6f5a2b7c11"


@app.command("list", epilog=example("job list", "job list larkmoor"))
def list_(
    slug: Annotated[
        str | None,
        typer.Argument(parser=slug_text, metavar="SLUG", help="The tenant; all demo tenants without it."),
    ] = None,
    *,
    json: Json = False,
) -> None:
    """List jobs, the latest first."""
    session = open_session()
    from demo_pipeline.services import reading

    jobs = reading.list_jobs(session.database, session.settings, slug)
    if json:
        write_document({"jobs": [job_document(job) for job in jobs]})
    elif jobs:
        write_table(job_table(jobs))
    else:
        say("there are no jobs yet")


@app.command(epilog=example(f"job show {_ID}", f"job show {_ID} --csv"))
def show(
    job_id: JobId,
    *,
    csv: Annotated[
        bool, typer.Option("--csv", help="Print a line for each month and metric, with a header.")
    ] = False,
    json: Json = False,
) -> None:
    """Show one job: what it was, how every figure moved, every attempt and how it ended."""
    if csv and json:
        raise typer.BadParameter("--csv and --json exclude each other; choose one")
    session = open_session()
    from demo_pipeline.services import reading

    detail = reading.show_job(session.database, job_id)
    if json:
        write_document(detail_document(detail))
        return
    if csv:
        write_text("\n".join(csv_lines(detail.job)))
        return
    for number, table in enumerate(detail_tables(detail)):
        if number:
            write_text("")
        write_table(table)


@app.command(epilog=example(f"job undo {_ID}", f"job undo {_ID} --with-dependents"))
def undo(
    job_id: JobId,
    *,
    with_dependents: Annotated[
        bool,
        typer.Option(
            "--with-dependents", help="Also the rows of other jobs that hang on it; rows of people never."
        ),
    ] = False,
    json: Json = False,
) -> None:
    """Take a patch back: its rows are hidden, its figures fall by what they had added.

    An extension is taken back with the blueprint's rows of its months, and the undo of a repair brings back
    what it hid. Rows of other jobs that depend on these rows stop it, with the list. The undo of an undo
    brings the rows back. All or nothing, like the patch.
    """
    session = open_session()
    from demo_pipeline.cli.patching import asker, run_watched
    from demo_pipeline.services.undo import undo_job

    job = _find(session, job_id)
    report = run_watched(
        session,
        job.slug,
        lambda: undo_job(
            session.database, session.settings, job.id, with_dependents=with_dependents, asker=asker()
        ),
    )
    _tell(report, {"undoes": str(job.id)}, json=json)


@app.command(epilog=example(f"job retry {_ID}"))
def retry(job_id: JobId, *, json: Json = False) -> None:
    """Take up a job that failed or was interrupted: the same request, one more attempt.

    For a completed job its report is shown, and nothing is done.
    """
    session = open_session()
    from demo_pipeline.cli.patching import asker, run_watched
    from demo_pipeline.services.retry import retry_job

    job = _find(session, job_id)
    report = run_watched(
        session,
        job.slug,
        lambda: retry_job(session.database, session.settings, job.id, asker=asker()),
    )
    _tell(report, {"retries": str(job.id)}, json=json)


def _find(session: Session, job_id: JobId) -> Job:
    """The job that is meant. Raises ``NotFoundError``."""
    from demo_pipeline.services import reading

    return reading.show_job(session.database, job_id).job


def _tell(report: JobReport, about: dict[str, Any], *, json: bool) -> None:
    if json:
        head = {"tenant": report.tenant, "kind": report.kind, **about}
        write_document({**head, **change_document(report), "notes": list(report.notes)})
    else:
        write_change(report)
