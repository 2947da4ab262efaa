"""The report of a request that changed a tenant: its figures and counts, as data.

A request may cause two jobs: the blueprint's missing rows are made first, by a job of their own, then its
own change. The report counts the rows of both; the ledger keeps each job as it was. How reports are shown, or
how they came to be, does not belong here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final
from uuid import UUID

from demo_pipeline.domain.core.currency import Currency
from demo_pipeline.domain.core.figures import METRICS, NO_MONTHS, Figures, FiguresByMonth, figure_json
from demo_pipeline.domain.core.job_kinds import JobKind
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.documents.stored import reading_job
from demo_pipeline.storage.ledger.job_ledger import Job, readable

#: the key of a job's metrics that has the other jobs of its request
_REQUEST: Final = "request"


@dataclass(frozen=True, kw_only=True)
class MonthResult:
    """One month before and after a job. Values in minor units."""

    month: Month
    #: what the ledger says of the month once the job is done
    expected: Figures
    before: Figures
    #: what the job was to reach: a declared target, or before + delta
    target: Figures
    after: Figures
    #: before the first job of the request; None: as ``before``
    first_before: Figures | None = None

    @property
    def before_request(self) -> Figures:
        """What was there before the first job of the request."""
        return self.before if self.first_before is None else self.first_before

    @property
    def made(self) -> Figures:
        """What all jobs of the request changed."""
        return self.after - self.before_request

    @property
    def drift(self) -> Figures:
        """What is there beyond what is expected; negative where something is missing."""
        return self.after - self.expected

    @property
    def delta(self) -> Figures:
        return self.after - self.before

    def to_document(self, goal: Figures, currency: Currency) -> dict[str, Any]:
        """Every metric for programs, held against ``goal``; money as strings in major units."""

        def shown(metric: str, figures: Figures) -> int | str:
            return figure_json(metric, figures[metric], currency)

        return {
            "month": str(self.month),
            "metrics": {
                metric: {
                    "before": shown(metric, self.before),
                    "target": shown(metric, goal),
                    "after": shown(metric, self.after),
                    "delta": shown(metric, self.delta),
                    "passed": self.after[metric] == goal[metric],
                }
                for metric in METRICS
            },
        }

    def to_json(self, currency: Currency) -> dict[str, Any]:
        """As the ledger keeps it; money as strings in major units."""
        return {
            "before": self.before.to_json(currency),
            "target": self.target.to_json(currency),
            "after": self.after.to_json(currency),
            "expected": self.expected.to_json(currency),
            "drift": self.drift.to_json(currency),
        }

    @classmethod
    def from_json(cls, month: str, row: Mapping[str, Any], currency: Currency) -> MonthResult:
        """The inverse of :meth:`to_json`."""
        before, target, after, expected = (
            Figures.from_json(row.get(name, {}), currency)
            for name in ("before", "target", "after", "expected")
        )
        return cls(month=Month.parse(month), expected=expected, before=before, target=target, after=after)


@dataclass(frozen=True, kw_only=True)
class JobPart:
    """One of the jobs of a request."""

    job_id: UUID
    kind: JobKind
    #: table → rows
    created: Mapping[str, int]

    def to_json(self) -> dict[str, Any]:
        return {"job_id": str(self.job_id), "kind": self.kind, "created": dict(self.created)}


@dataclass(frozen=True, kw_only=True)
class FirstJob:
    """The blueprint's job that came before the request's own, in the same transaction."""

    part: JobPart
    #: of the months that it changed, before it
    before: FiguresByMonth

    def to_json(self, currency: Currency) -> dict[str, Any]:
        """As the ledger keeps it with the request's own job."""
        return {_REQUEST: {"jobs": [self.part.to_json()], "before": self.before.to_json(currency)}}

    @classmethod
    def from_metrics(cls, metrics: Mapping[str, Any], currency: Currency) -> FirstJob | None:
        """The inverse of :meth:`to_json`; None: the job was the only one of its request."""
        if _REQUEST not in metrics:
            return None
        [part] = metrics[_REQUEST]["jobs"]
        return cls(
            part=JobPart(job_id=UUID(part["job_id"]), kind=JobKind(part["kind"]), created=part["created"]),
            before=FiguresByMonth.from_json(metrics[_REQUEST]["before"], currency),
        )


@dataclass(frozen=True, kw_only=True)
class JobReport:
    """What a request did: its figures are those that its transaction verified before it committed."""

    job_id: UUID
    tenant: str
    kind: JobKind
    currency: Currency
    already_applied: bool
    #: table → rows of all jobs of the request
    created: Mapping[str, int]
    months: tuple[MonthResult, ...]
    seconds: float
    #: all jobs of the request in their order; none where it was applied already
    jobs: tuple[JobPart, ...] = ()
    #: months that are not of the request's own job and that its first job changed → figures before it
    other_months: FiguresByMonth = NO_MONTHS
    status: str = "completed"
    #: what a person should know, a sentence each
    notes: tuple[str, ...] = ()
    #: table → rows that were soft-deleted, or brought back
    hidden: Mapping[str, int] = field(default_factory=dict[str, int])
    shown: Mapping[str, int] = field(default_factory=dict[str, int])
    #: the undo that took an earlier job back, where its report is shown again
    undone_by: UUID | None = None

    @property
    def first_job_id(self) -> UUID | None:
        """The job that made the blueprint's missing rows before the request's own; None: there was none."""
        return next((part.job_id for part in self.jobs if part.job_id != self.job_id), None)

    @property
    def is_passed(self) -> bool:
        """Whether every figure is what it was to be."""
        return all(result.after == result.target for result in self.months)


def request_report(
    *,
    job_id: UUID,
    tenant: str,
    kind: JobKind,
    currency: Currency,
    months: tuple[MonthResult, ...],
    metrics: Mapping[str, Any],
    seconds: float,
    already_applied: bool = False,
    notes: tuple[str, ...] = (),
) -> JobReport:
    """The report of a whole request, from the months and the stored metrics of its own job.

    Its *before* is that of the first job. A patch's is what its plan was resolved against, with the
    blueprint's rows: there, the first *before* is kept beside it.
    """
    first = None if already_applied else FirstJob.from_metrics(metrics, currency)
    made: Mapping[str, Any] = {} if already_applied else metrics
    own = JobPart(job_id=job_id, kind=kind, created=made.get("created", {}))
    created, parts, other_months = own.created, (own,), NO_MONTHS
    if first is not None:
        tables = {**first.part.created, **own.created}
        created = {table: first.part.created.get(table, 0) + own.created.get(table, 0) for table in tables}
        parts = (first.part, own)
        listed = {result.month for result in months}
        other_months = first.before.over(month for month in first.before if month not in listed)
        months = tuple(
            replace(result, first_before=first.before.get(result.month, result.before)) for result in months
        )
        if kind is JobKind.HEAL:
            months = tuple(replace(result, before=result.before_request) for result in months)
    return JobReport(
        job_id=job_id,
        tenant=tenant,
        kind=kind,
        currency=currency,
        already_applied=already_applied,
        created=created,
        hidden=made.get("hidden", {}),
        shown=made.get("shown", {}),
        months=months,
        seconds=seconds,
        jobs=() if already_applied else parts,
        other_months=other_months,
        notes=notes,
    )


def report_of(
    job: Job, currency: Currency, *, already_applied: bool = False, seconds: float | None = None
) -> JobReport:
    """The report of a completed request from the ledger, as it was recorded when it was done.

    Raises ``UnreadableJobError``.
    """
    report = request_report(
        job_id=job.id,
        tenant=job.slug,
        kind=job.kind,
        currency=currency,
        months=months_of(job, currency),
        metrics=job.metrics or {},
        seconds=seconds if seconds is not None else job.seconds or 0.0,
        already_applied=already_applied,
    )
    return replace(report, status=job.status)


def months_of(job: Job, currency: Currency) -> tuple[MonthResult, ...]:
    """The months of one job of the ledger, by itself. Raises ``UnreadableJobError``."""
    diff: dict[str, Any] = readable(job).diff_report or {}
    with reading_job(job.slug, job.id, "diff_report"):
        return tuple(MonthResult.from_json(month, row, currency) for month, row in sorted(diff.items()))


def request_job(jobs: Sequence[Job]) -> Job | None:
    """Of the jobs of one Dagster run and tenant the request's own: no other one came after it."""
    first = set[str]()
    for job in jobs:
        metrics: dict[str, Any] = job.metrics or {}
        request: dict[str, Any] = metrics.get(_REQUEST, {})
        first.update(str(part["job_id"]) for part in request.get("jobs", ()))
    return next((job for job in jobs if str(job.id) not in first), None)
