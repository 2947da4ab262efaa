"""``job``: the ledger of everything that was done to demo tenants, and taking it back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from demo_pipeline.cli.commands.patch import write_change
from demo_pipeline.cli.kit.console import say, write_document, write_table, write_text
from demo_pipeline.cli.kit.job_progress import run_watched
from demo_pipeline.cli.kit.job_views import (
    change_document,
    detail_csv,
    detail_document,
    detail_tables,
    job_document,
    job_line,
    job_table,
)
from demo_pipeline.cli.kit.parameters import (
    PARTS_PANEL,
    Commands,
    JobId,
    Json,
    OptionalSlug,
    argument,
    example,
    flag,
    job_id_text,
    option,
    positive_number,
    slug_text,
)
from demo_pipeline.cli.kit.session import Session, caller, open_session
from demo_pipeline.domain.core.wording import are, counted

if TYPE_CHECKING:
    from demo_pipeline.services.jobs.report import JobReport
    from demo_pipeline.storage.ledger.job_ledger import Job

app = Commands(
    position=14, panel=PARTS_PANEL, group="job", about="Look at jobs, take them back, try them again."
)
_ID = "0f1c2f3e"
#: jobs that a list for people has without ``--limit``
_MOST_SHOWN: Final = 50


@app.command(
    "list",
    epilog=example("job list", "job list larkmoor --kind patch --since 7d", "job list --status failed"),
)
def list_(
    slug: OptionalSlug = None,
    *,
    status: Annotated[
        list[str] | None,
        option("--status", "STATUS", "Only pending, running, completed or failed jobs; repeatable."),
    ] = None,
    kind: Annotated[
        list[str] | None, option("--kind", "KIND", "Only jobs of that kind, like patch; repeatable.")
    ] = None,
    since: Annotated[
        str | None,
        option(
            "--since",
            "TIME",
            "Only jobs begun since then: 2025-01-31, 2025-01-31T10:00 (UTC without an offset), or how "
            "long ago, as 24h, 7d or 2w.",
        ),
    ] = None,
    limit: Annotated[
        int | None,
        option("--limit", "N", f"At most N jobs; {_MOST_SHOWN} without, all with --json.", positive_number),
    ] = None,
    json: Json = False,
) -> None:
    """List jobs, the latest first.

    Filters narrow it down; each of them holds. An id is shown as far as it is unique among all jobs.
    With --json every job is printed unless --limit is given, and total says how many there are.
    """
    session = open_session()
    from demo_pipeline.services.tenants import queries

    page = queries.find_jobs(
        session.database,
        session.settings,
        slug,
        statuses=status or (),
        kinds=kind or (),
        since=since,
        limit=limit if json or limit is not None else _MOST_SHOWN,
    )
    if json:
        write_document({"jobs": [job_document(job) for job in page.jobs], "total": page.total})
        return
    if page.jobs:
        write_table(job_table(page.jobs, page.id_length))
    elif status or kind or since:
        say("no job fits these filters; job list without them shows all")
    else:
        say(f"there are no jobs yet{session.settings.place}")
    if rest := page.total - len(page.jobs):
        say(f"{counted(rest, 'earlier job')} {are(rest)} not shown; --limit {page.total} shows all")


@app.command(epilog=example(f"job show {_ID}", f"job show {_ID} --csv"))
def show(
    job_id: JobId,
    *,
    csv: Annotated[bool, flag("--csv", "Print a line for each month and metric, with a header.")] = False,
    json: Json = False,
) -> None:
    """Show one job: what it was, which figures changed, every attempt and how it ended.

    --json and --csv have every figure of its months.
    """
    if csv and json:
        raise typer.BadParameter("--csv and --json exclude each other; choose one")
    session = open_session()
    from demo_pipeline.services.tenants import queries

    detail = queries.show_job(session.database, _find(session, job_id).id)
    if json:
        write_document(detail_document(detail))
        return
    if csv:
        write_text(detail_csv(detail.job))
        return
    for number, table in enumerate(detail_tables(detail)):
        if number:
            write_text("")
        write_table(table)


@app.command(
    epilog=example(f"job undo {_ID}", f"job undo {_ID} --with-dependents", "job undo --last larkmoor")
)
def undo(
    job_id: Annotated[
        str | None, argument("ID", "The job; a beginning of its id will do.", job_id_text)
    ] = None,
    *,
    last: Annotated[
        str | None,
        option(
            "--last",
            "SLUG",
            "In place of ID: the tenant's latest completed change that is not undone (a patch, an "
            "extension, a repair, a rewind).",
            slug_text,
        ),
    ] = None,
    with_dependents: Annotated[
        bool,
        flag("--with-dependents", "Also the rows of other jobs that depend on it; rows of people never."),
    ] = False,
    json: Json = False,
) -> None:
    """Take a patch back: its rows are hidden, its figures fall by what they had added.

    An extension is taken back with the blueprint's rows of its months, and the undo of a repair brings back
    what it hid. The undo of a rewind makes everything as it was before it. Rows of other jobs that depend on
    these rows stop it, with the list. The undo of an undo brings the rows back. All or nothing, like the
    patch. With --last again and again, changes are taken back one after the other, the latest first.
    """
    if (job_id is None) == (last is None):
        raise typer.BadParameter(
            "neither ID nor --last SLUG is given; give one of the two"
            if job_id is None
            else "ID and --last exclude each other; give one of the two"
        )
    session = open_session()
    from demo_pipeline.services.patches.undo import last_change, undo_job

    if last is not None:
        job = last_change(session.database, session.settings, last)
        say(f"taking back {job_line(job)}")
    else:
        assert job_id is not None  # one of the two is given
        job = _find(session, job_id)
    report = run_watched(
        session,
        job.slug,
        lambda: undo_job(
            session.database, session.settings, job.id, with_dependents=with_dependents, caller=caller()
        ),
    )
    _report(report, {"undoes": job.id}, json=json)


@app.command(epilog=example(f"job retry {_ID}"))
def retry(job_id: JobId, *, json: Json = False) -> None:
    """Take up a job that failed or was interrupted: the same request, one more attempt.

    For a completed job its report is shown, and nothing is done.
    """
    session = open_session()
    from demo_pipeline.services.retry import retry_job

    job = _find(session, job_id)
    report = run_watched(
        session,
        job.slug,
        lambda: retry_job(session.database, session.settings, job.id, caller=caller()),
    )
    _report(report, {"retries": job.id}, json=json)


def _find(session: Session, job_id: str) -> Job:
    """The job whose id begins like that. Raises ``NotFoundError``, and ``InputError`` where several do."""
    from demo_pipeline.services.tenants import queries

    return queries.find_job(session.database, job_id)


def _report(report: JobReport, about: dict[str, Any], *, json: bool) -> None:
    if json:
        head = {"tenant": report.tenant, "kind": report.kind, **about}
        write_document({**head, **change_document(report), "notes": report.notes})
    else:
        write_change(report)
