"""What a job that changed a tenant tells whoever asked for it.

Belongs here: the figures and counts, as data. Does not: how they are shown, or how they came to be.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from demo_pipeline.domain.metrics import Figures
from demo_pipeline.domain.months import Month
from demo_pipeline.domain.stored import reading_job
from demo_pipeline.storage.ledger import Job, readable


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

    @property
    def drift(self) -> Figures:
        """What is there beyond what is expected; negative where something is missing."""
        return self.after - self.expected

    @property
    def delta(self) -> Figures:
        return self.after - self.before

    def to_json(self, minor_digits: int) -> dict[str, Any]:
        """As the ledger keeps it; money as strings in major units."""
        return {
            "before": self.before.to_json(minor_digits),
            "target": self.target.to_json(minor_digits),
            "after": self.after.to_json(minor_digits),
            "expected": self.expected.to_json(minor_digits),
            "drift": self.drift.to_json(minor_digits),
        }

    @classmethod
    def from_json(cls, month: str, row: Mapping[str, Any], minor_digits: int) -> MonthResult:
        """The inverse of :meth:`to_json`."""
        before, target, after, expected = (
            Figures.from_json(row.get(name, {}), minor_digits)
            for name in ("before", "target", "after", "expected")
        )
        return cls(month=Month.parse(month), expected=expected, before=before, target=target, after=after)


@dataclass(frozen=True, kw_only=True)
class JobReport:
    """What a job did: its figures are those that its transaction verified before it committed."""

    job_id: UUID
    tenant: str
    kind: str
    minor_digits: int
    already_applied: bool
    #: table → rows
    created: Mapping[str, int]
    months: tuple[MonthResult, ...]
    seconds: float
    status: str = "completed"
    #: what a person should know, a sentence each
    notes: tuple[str, ...] = ()

    @property
    def is_passed(self) -> bool:
        """Whether every figure is what it was to be."""
        return all(result.after == result.target for result in self.months)


def report_of(
    job: Job, minor_digits: int, *, already_applied: bool = False, seconds: float | None = None
) -> JobReport:
    """The report of a completed job from the ledger, as it was told when it was done.

    Raises ``UnreadableJobError``.
    """
    diff: dict[str, Any] = readable(job).diff_report or {}
    metrics: dict[str, Any] = job.metrics or {}
    with reading_job(job.slug, job.id, "diff_report"):
        months = tuple(
            MonthResult.from_json(month, told, minor_digits) for month, told in sorted(diff.items())
        )
    return JobReport(
        job_id=job.id,
        tenant=job.slug,
        kind=job.kind,
        minor_digits=minor_digits,
        already_applied=already_applied,
        created={} if already_applied else metrics.get("created", {}),
        months=months,
        seconds=seconds if seconds is not None else job.seconds or 0.0,
        status=job.status,
    )
