"""``job``: the ledger of everything that was done to demo tenants."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import typer

from demo_pipeline.cli.console import say, write_document, write_table, write_text
from demo_pipeline.cli.job_views import detail_document, detail_tables, job_document, job_table
from demo_pipeline.cli.parameters import Json, example, group
from demo_pipeline.cli.session import open_session

app = group("Look at jobs: what was done to demo tenants, and how it ended.")


def _job_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is no job id; demo-pipeline job list shows those there are"
        ) from None


@app.command("list", epilog=example("job list", "job list larkmoor"))
def list_(
    slug: Annotated[
        str | None, typer.Argument(metavar="SLUG", help="The tenant; all demo tenants without it.")
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


@app.command(epilog=example("job show 0f1c2f3e-5d1c-5b7a-9a51-3a6f5a2b7c11"))
def show(
    job_id: Annotated[
        UUID, typer.Argument(parser=_job_id, metavar="ID", help="The job, as job list shows it.")
    ],
    *,
    json: Json = False,
) -> None:
    """Show one job with every attempt and how it ended."""
    session = open_session()
    from demo_pipeline.services import reading

    detail = reading.show_job(session.database, job_id)
    if json:
        write_document(detail_document(detail))
        return
    for number, table in enumerate(detail_tables(detail)):
        if number:
            write_text("")
        write_table(table)
