"""Deltas into rows, within a job's transaction: what a patch and the healing of a month have in common.

First what the blueprint still owes, under its own job; then rows that add exactly the deltas. Which deltas is
decided by who calls.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import pyarrow as pa

from demo_pipeline.domain.metrics import Figures
from demo_pipeline.domain.months import Month
from demo_pipeline.domain.patch_story import PatchStory
from demo_pipeline.domain.rows import COUNTED
from demo_pipeline.domain.story import Story
from demo_pipeline.services.blueprint_rows import KIND as MATERIALISE
from demo_pipeline.services.blueprint_rows import MissingRows, missing_rows, request_for
from demo_pipeline.services.job_choice import choose_job
from demo_pipeline.services.job_run import AnotherTryError, Choice, JobRun
from demo_pipeline.services.patch_ground import Simulated, simulated_ground
from demo_pipeline.storage.known_rows import known_rows
from demo_pipeline.storage.ledger import JobRequest

#: Rows that new ones may refer to: as many as there are new ones, within these bounds.
_FEWEST_KNOWN: Final = 500
_MOST_KNOWN: Final = 10_000


def simulate(run: JobRun, last: Month, months: tuple[Month, Month]) -> Simulated:
    """What the tenant will be with the blueprint whole up to ``last``, from one snapshot, in memory.

    With the figures of ``months``, first and last.
    """
    return simulated_ground(run.database, run.subject, run.as_of, last, months)


def job_beside(run: JobRun, simulated: Simulated, last: Month) -> JobRequest | None:
    """The blueprint's job that is to be claimed too; None: none of its rows is missing."""
    if simulated.is_whole:
        return None
    blueprint = request_for(run.subject, run.subject.spec.start_month, last, run.as_of)
    return choose_job(run.subject, blueprint, lambda _: False)[0]


def make_whole(run: JobRun, choice: Choice, last: Month) -> tuple[MissingRows, dict[str, int] | None]:
    """Load what the blueprint owes up to ``last``, as its own job; verified by itself.

    With the rows by table, None where no such job was claimed.
    """
    missing = missing_rows(run.conn, run.subject, last, run.as_of)
    if choice.beside is None:
        if missing.count_rows():
            raise AnotherTryError("rows of the blueprint went missing")
        return missing, None
    before = run.figures()
    run.expect_rows(missing.row_count)
    created = run.load(missing.batches(), choice.beside.job_id)
    run.verify(choice.beside, before, missing.change, run.figures())
    return missing, created


def load_deltas(
    run: JobRun, choice: Choice, number: int, seed: str, deltas: Mapping[Month, Figures]
) -> dict[str, int]:
    """Rows of the job that add exactly ``deltas``; feasible ones. Table → rows."""
    run.expect_rows(sum(row_count(delta) for delta in deltas.values()))
    earlier = [job.companies_created for job in run.subject.state.jobs if job.kind != MATERIALISE]
    story = PatchStory(
        run.subject.spec,
        Story(run.subject.spec, run.tenant.provisioned_at).team,
        number=number,
        seed=seed,
        as_of=run.as_of,
        companies_before=sum(earlier),
        company_count=sum(delta.companies_created for delta in deltas.values()),
    )
    created: dict[str, int] = dict.fromkeys(COUNTED, 0)
    for month, delta in sorted(deltas.items()):
        if delta:
            made = run.load(_rows(run, choice, story, month, delta), choice.request.job_id)
            for table in COUNTED:
                created[table] += made.get(table, 0)
    return created


def row_count(figures: Figures) -> int:
    """Rows of the four counted tables."""
    return (
        figures.contacts_created
        + figures.companies_created
        + figures.deals_created
        + figures.activities_created
    )


def _rows(
    run: JobRun, choice: Choice, story: PatchStory, month: Month, delta: Figures
) -> Iterator[tuple[str, pa.RecordBatch]]:
    blueprint = {job.job_id for job in run.subject.state.jobs if job.kind == MATERIALISE}
    if choice.beside is not None:
        # It was made for this job, after the tenant was read.
        blueprint.add(choice.beside.job_id)
    known = known_rows(
        run.conn,
        run.tenant.tenant_id,
        min(month.end, run.as_of),
        min(max(row_count(delta), _FEWEST_KNOWN), _MOST_KNOWN),
        sorted(blueprint),
    )
    return ((batch.table, batch.rows) for batch in story.month(month, delta, known) if batch.rows.num_rows)
