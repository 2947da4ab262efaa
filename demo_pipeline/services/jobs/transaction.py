"""The data transaction of a job: claim, execute, verify, select hero accounts, finish; all of it or nothing.

REPEATABLE READ, so that the figures before and after differ by this job alone. Nothing is committed before
the figures have moved by exactly the job's change and its rows satisfy every life-cycle rule. Opening and
closing the attempt, and trying again, belong to ``runner``.
"""

from __future__ import annotations

from psycopg import IsolationLevel

from demo_pipeline.domain.core.errors import VerificationError
from demo_pipeline.domain.core.figures import FiguresByMonth, mismatches
from demo_pipeline.services.jobs.events import Event
from demo_pipeline.services.jobs.progress import Progress
from demo_pipeline.services.jobs.report import JobReport, MonthResult, request_report
from demo_pipeline.services.jobs.steps import (
    JobOutcome,
    JobRun,
    JobSelection,
    JobTransaction,
)
from demo_pipeline.storage.ledger import job_ledger
from demo_pipeline.storage.ledger.hero_accounts import select_hero_accounts
from demo_pipeline.storage.ledger.job_ledger import JobRequest
from demo_pipeline.storage.rows import row_checks


def run_transaction(
    run: JobRun, selection: JobSelection, number: int, beside: tuple[JobRequest, int] | None
) -> JobReport:
    """Run the selected job and commit it; ``number`` is its number within the tenant.

    Raises ``VerificationError``, what ``execute`` raises, and ``psycopg.Error``; the transaction is rolled
    back then.
    """
    request = selection.request
    progress = Progress(run.database, request.job_id, run.caller.on_progress)
    transaction = JobTransaction(
        **vars(run), request=request, number=number, beside=beside, progress=progress
    )
    run.conn.isolation_level = IsolationLevel.REPEATABLE_READ
    with run.conn.transaction():
        job_ledger.claim_job(
            run.conn, run.tenant.tenant_id, request.job_id, beside[0].job_id if beside else None
        )
        with progress:
            outcome = selection.execute(transaction)
            progress.report(96, "verifying", is_due=True)
        after = run.figures()
        verify_change(run, request, outcome.before, outcome.change, after)
        if not outcome.has_heroes:
            # One that soft-deletes rows may have deleted those of a hero account.
            select_hero_accounts(run.conn, request.job_id)
        report = _finish(run, request, outcome, after)
    if run.caller.on_progress is not None:
        run.caller.on_progress(100, "committed")
    return report


def verify_change(
    run: JobRun, request: JobRequest, before: FiguresByMonth, change: FiguresByMonth, after: FiguresByMonth
) -> None:
    """The gate: figures moved by exactly ``change``, and the job's own rows fit each other."""
    wrong = mismatches(before + change, after)
    first = run.context.spec.start_month.start
    broken = row_checks.violations(run.conn, run.tenant.tenant_id, run.as_of, first, job_id=request.job_id)
    if not wrong and not broken:
        return
    lines = [mismatch.describe(run.currency) for mismatch in wrong]
    lines += [f"{item.count:,} {item.table}: not true that {item.rule}" for item in broken]
    run.record(Event.KPI_VERIFICATION_FAILED, request.job_id, kind=request.kind, findings=lines[:50])
    raise VerificationError(
        f"{len(lines)} checks failed before the commit, everything was rolled back: " + "; ".join(lines[:10]),
        {"findings": lines, "mismatches": [item.to_json(run.currency) for item in wrong]},
    )


def _finish(run: JobRun, request: JobRequest, outcome: JobOutcome, after: FiguresByMonth) -> JobReport:
    """Complete the job in the ledger. The report is made from what is stored."""
    months = tuple(
        MonthResult(
            month=month,
            expected=expected,
            before=outcome.before.at(month),
            target=target,
            after=after.at(month),
        )
        for month, (expected, target) in sorted(outcome.results.items())
    )
    first, seconds = outcome.first, round(run.seconds, 3)
    metrics = {"created": dict(outcome.created), "seconds": seconds, **outcome.metrics}
    if first is not None:
        metrics |= first.to_json(run.currency)
    job_ledger.finish_job(
        run.conn,
        request.job_id,
        before=outcome.before.to_json(run.currency),
        after=after.to_json(run.currency),
        diff={str(result.month): result.to_json(run.currency) for result in months},
        metrics=metrics,
        months=outcome.loaded,
        changes=outcome.recorded,
        blueprint_metrics=first and {"created": dict(first.part.created), "seconds": seconds},
        currency=run.currency,
    )
    return request_report(
        job_id=request.job_id,
        tenant=run.tenant.slug,
        kind=request.kind,
        currency=run.currency,
        months=months,
        metrics=metrics,
        seconds=run.seconds,
        notes=outcome.notes,
    )
