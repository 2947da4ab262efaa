"""Requirements of a tenant that is shown, and why one is not met, each with the command that cures it.

Belongs here: the words and commands, made of what was read. Does not: reading it (``board``), and reading all
rows of a tenant (``examination``).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from demo_pipeline.domain.core.job_kinds import JobKind
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.core.wording import are, counted, rows_text
from demo_pipeline.services.health.alerts import Alert, AlertKind
from demo_pipeline.services.months.freshness import Freshness
from demo_pipeline.services.tenants.cures import cures
from demo_pipeline.services.tenants.release import ReleaseState
from demo_pipeline.services.tenants.verify import WARNINGS, Check, Finding
from demo_pipeline.storage.rows.checkpoint_drift import LastCheckpoint
from demo_pipeline.storage.rows.contact_values import ContactValue

#: values, months or findings of one kind that a reason names; the others are counted
_MOST_NAMED: Final = 3


class Requirement(StrEnum):
    """What must hold of a tenant that is shown; in the order in which a person cures what does not."""

    JOBS = "jobs"
    CHECKPOINT = "checkpoint"
    FRESH = "fresh"
    CHECKED = "checked"
    SCAN = "scan"
    CERTIFICATE = "certificate"
    HEROES = "heroes"
    ALERTS = "alerts"
    RELEASED = "released"


#: judged by an examination alone, which reads every row
EXAMINED: Final = frozenset({Requirement.CHECKED, Requirement.SCAN, Requirement.CERTIFICATE})


@dataclass(frozen=True, kw_only=True)
class Reason:
    """Why a tenant is not ready."""

    requirement: Requirement
    what: str
    #: what to do
    remedy: str
    #: cures it, typed as it is; None: no single command does
    command: str | None = None

    @property
    def advice(self) -> str:
        """What to do, with the command, on one line."""
        return self.remedy if self.command is None else f"{self.remedy}: {self.command}"

    def record(self) -> dict[str, Any]:
        """As it is recorded."""
        return asdict(self)


def recorded_reason(record: Mapping[str, Any]) -> Reason:
    """A recorded reason."""
    return Reason(**{**record, "requirement": Requirement(record["requirement"])})


# -- from an examination ---------------------------------------------------------------------------------


def check_reasons(slug: str, findings: Iterable[Finding]) -> Iterator[Reason]:
    """The findings of checks, those of one check with one cure together; warnings are no reason."""
    for cure, found in cures(slug, (one for one in findings if one.check not in WARNINGS)).items():
        for check in dict.fromkeys(one.check for one in found):
            messages = [one.message for one in found if one.check is check]
            yield Reason(
                requirement=Requirement.SCAN if check is Check.DISCLOSURE else Requirement.CHECKED,
                what=f"{_named(messages, 'finding')} ({check.value})",
                remedy=cure.remedy,
                command=cure.command,
            )


def figures_note(slug: str, findings: Sequence[Finding]) -> Iterator[str]:
    """Figures that people changed: not wrong by itself."""
    if months := {one.month for one in findings if one.check is Check.DRIFT}:
        yield (
            f"figures of {counted(len(months), 'month')} differ from what is expected; "
            f"demo-pipeline verify {slug} lists them"
        )


def certificate_reasons(slug: str, uncovered: Sequence[ContactValue]) -> Iterator[Reason]:
    """Values that no rule reserves: a person could be reached by them."""
    if uncovered:
        values = _named([f"{one.place} {one.value}" for one in uncovered], "value")
        yield Reason(
            requirement=Requirement.CERTIFICATE,
            what=f"somebody could be reached by {values}",
            remedy="change these values in the CRM, or go back to a checkpoint; "
            f"demo-pipeline certify {slug} lists them",
        )


def drift_reasons(slug: str, checkpoint: LastCheckpoint, changes: Mapping[str, int]) -> Iterator[Reason]:
    """Rows that people changed since the last checkpoint."""
    if changes:
        name, taken = checkpoint.name, f"{checkpoint.taken_at:%Y-%m-%d %H:%M} UTC"
        yield Reason(
            requirement=Requirement.CHECKPOINT,
            what=f"people changed {rows_text(changes)} since checkpoint {name} ({taken})",
            remedy=f"if it is meant, demo-pipeline checkpoint {slug} {name} --replace keeps it; else go "
            "back, which also takes back what jobs did since",
            command=f"demo-pipeline rewind {slug} {name} --yes",
        )


# -- from what is read each time -------------------------------------------------------------------------


def examination_reason(slug: str, what: str) -> Reason:
    """Nothing is known of the rows as they are now."""
    return Reason(
        requirement=Requirement.CHECKED,
        what=what,
        remedy="examine it",
        command=f"demo-pipeline ready {slug}",
    )


def unreadable_reason(message: str) -> Reason:
    """A tenant whose stored documents cannot be read."""
    return Reason(
        requirement=Requirement.CHECKED, what=message, remedy="restore the stored document from a backup"
    )


def running_reason(kind: JobKind, job_id: UUID) -> Reason:
    """A job is at work."""
    return Reason(
        requirement=Requirement.JOBS,
        what=f"{kind.noun} is running",
        remedy=f"wait for its end; demo-pipeline job show {job_id} shows how far it is",
    )


def freshness_reasons(slug: str, freshness: Freshness | None, missing: Sequence[Month]) -> Iterator[Reason]:
    """Months that are over and were never loaded, and quiet for too long."""
    what: list[str] = []
    if missing:
        what.append(f"{_months_text(missing)} not loaded yet")
    elif freshness is not None and not freshness.is_fresh:
        what.append(freshness.reason)
    for text in what:
        yield Reason(
            requirement=Requirement.FRESH,
            what=text,
            remedy="bring it up to now",
            command=f"demo-pipeline generate {slug}",
        )


def release_reasons(slug: str, states: Mapping[Month, ReleaseState]) -> Iterator[Reason]:
    """Months that may not be shown yet, or were changed since they might."""
    for state, text in (
        (ReleaseState.NOT_RELEASED, "not released"),
        (ReleaseState.CHANGED_SINCE, "changed since the release"),
    ):
        if months := [month for month, found in sorted(states.items()) if found is state]:
            yield Reason(
                requirement=Requirement.RELEASED,
                what=f"{_months_text(months)} {text}",
                remedy="release what passes its checks",
                command=f"demo-pipeline release {slug}",
            )


def hero_reasons(slug: str, broken: Sequence[str]) -> Iterator[Reason]:
    """Hero accounts whose rows are not as their story needs them."""
    if broken:
        names = ", ".join(kind.replace("_", " ") for kind in broken)
        yield Reason(
            requirement=Requirement.HEROES,
            what=f"people changed the rows of {counted(len(broken), 'hero account')} ({names})",
            remedy="set stages as they were, and select other accounts where that is not enough",
            command=f"demo-pipeline repair {slug} --restore-stages --yes",
        )


def alert_reasons(alerts: Iterable[Alert]) -> Iterator[Reason]:
    """Open alerts of the tenant that no other requirement covers."""
    for alert in alerts:
        if alert.kind in _ALERTS:
            yield Reason(
                requirement=Requirement.ALERTS,
                what=alert.what,
                remedy=alert.remedy,
                command=alert.command,
            )


def alert_notes(alerts: Iterable[Alert], undone: Collection[str]) -> Iterator[str]:
    """Alerts about what happened once and says nothing about the rows; not of jobs that are ``undone``."""
    for alert in alerts:
        if alert.kind in _PAST and alert.job_id not in undone:
            yield alert.what


#: A failing check, a stale and an unreadable tenant are seen by requirements of their own.
_ALERTS: Final = frozenset({AlertKind.FAILED_JOB, AlertKind.FAILED_RUN, AlertKind.REFUSED_FILE})
_PAST: Final = frozenset({AlertKind.SLOW_PATCH, AlertKind.DUPLICATE})


def _months_text(months: Sequence[Month]) -> str:
    """``2 months (2025-01, 2025-04) are``, ``9 months (2025-01 to 2025-10) are``."""
    few = ", ".join(map(str, months))
    which = few if len(months) <= _MOST_NAMED else f"{months[0]} to {months[-1]}"
    return f"{counted(len(months), 'month')} ({which}) {are(len(months))}"


def _named(names: Sequence[str], noun: str) -> str:
    """``a; b; c and 4 more findings``."""
    shown = "; ".join(names[:_MOST_NAMED])
    more = len(names) - _MOST_NAMED
    return shown if more <= 0 else f"{shown} and {more:,} more {noun}{'s' if more > 1 else ''}"
