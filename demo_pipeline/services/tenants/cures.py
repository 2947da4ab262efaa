"""What to do about the findings of checks: the same on Dagster's pages and for ``demo-pipeline ready``.

Belongs here: which cure a finding has, and its words. Does not: finding it (``verify``), and doing it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import assert_never

from demo_pipeline.services.tenants.verify import Check, Finding


@dataclass(frozen=True, kw_only=True)
class Cure:
    """What to do about findings of one tenant."""

    remedy: str
    #: cures it, typed as it is; None: no single command does
    command: str | None


class _Kind(Enum):
    """Cures, in the order in which they are applied.

    A row without provenance counts as a person's, and stops a repair; what a repair hides is made again after
    it. ``{slug}`` is the tenant, ``{job}`` the job of a finding.
    """

    RESTORE = "restore the stored document from a backup; demo-pipeline verify {slug} names it"
    RETRY = "complete the job", "job retry {job}"
    WAIT = "correct the database server's clock, or wait"
    BACKFILL = "give these rows their job back", "provenance backfill {slug}"
    DEDUPE = "hide the copies", "dedupe {slug} --yes"
    REPAIR = "hide these rows, or delete them from the tenants that they lie in", "repair {slug} --yes"
    GENERATE = "make the missing rows again, as materialising the month does", "generate {slug}"
    CHANGE = (
        "change these values in the CRM, go back to a checkpoint, or restore changed views from a backup; "
        "demo-pipeline scan {slug} lists them"
    )
    MAKE_UP = (
        "make up for what is missing, unless people meant it; demo-pipeline verify {slug} lists the figures",
        "generate {slug}",
    )
    BRING_UP = (
        "bring it up to now; the schedule top_up_running_month, once it is on, keeps it there",
        "generate {slug}",
    )

    def __init__(self, remedy: str, command: str | None = None) -> None:
        self.remedy = remedy
        self.command = command

    def cure(self, slug: str, finding: Finding) -> Cure:
        command = None
        if self.command is not None:
            command = f"demo-pipeline {self.command.format(slug=slug, job=finding.job_id)}"
        return Cure(remedy=self.remedy.format(slug=slug), command=command)


def cures(slug: str, findings: Iterable[Finding]) -> dict[Cure, list[Finding]]:
    """Cure → the findings of a tenant that it is for, in the order in which cures are applied."""
    found: dict[Cure, list[Finding]] = {}
    order = list(_Kind)
    for kind, one in sorted(((_kind(one), one) for one in findings), key=lambda pair: order.index(pair[0])):
        found.setdefault(kind.cure(slug, one), []).append(one)
    return found


def _kind(finding: Finding) -> _Kind:
    match finding.check:
        case Check.DOCUMENTS:
            return _Kind.RESTORE
        case Check.JOBS:
            return _Kind.WAIT if finding.job_id is None else _Kind.RETRY
        case Check.PROVENANCE:
            # Rows that name no job, or one that did not complete.
            return _Kind.BACKFILL if finding.job_id is None else _Kind.REPAIR
        case Check.DUPLICATES:
            return _Kind.DEDUPE
        case Check.REFERENCES | Check.LIFE_CYCLES | Check.PLACES:
            return _Kind.REPAIR
        case Check.MISSING:
            return _Kind.GENERATE
        case Check.DISCLOSURE:
            return _Kind.CHANGE
        case Check.DRIFT:
            return _Kind.MAKE_UP
        case Check.FRESHNESS:
            return _Kind.BRING_UP
        case _:
            assert_never(finding.check)
