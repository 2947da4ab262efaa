"""What a job that changed a tenant tells whoever asked for it.

Belongs here: the figures and counts, as data. Does not: how they are shown, or how they came to be.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from demo_pipeline.domain.metrics import Figures
from demo_pipeline.domain.months import Month


@dataclass(frozen=True, kw_only=True)
class MonthResult:
    """One month before and after a job. Values in minor units."""

    month: Month
    expected: Figures
    before: Figures
    after: Figures

    @property
    def drift(self) -> Figures:
        """What is there beyond what is expected; negative where something is missing."""
        return self.after - self.expected


@dataclass(frozen=True, kw_only=True)
class JobReport:
    """What a job did: its figures are those that its transaction verified before it committed."""

    job_id: UUID
    tenant: str
    minor_digits: int
    already_applied: bool
    #: table → rows
    created: Mapping[str, int]
    months: tuple[MonthResult, ...]
    seconds: float
    status: str = "completed"
