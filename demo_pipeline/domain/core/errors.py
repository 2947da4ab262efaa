"""Every way in which a request can end other than well.

One small tree. Each class carries the exit code of the command line (see ``EXIT_CODES``) and a stable
``code`` for programs; each message says what, where, why and what to do. A problem of the input is a
``Problem``; an ``InputError`` holds all of them, so that a person mends a file once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Final
from uuid import UUID


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing that is wrong with an input."""

    #: stable, for programs: ``unknown_key``, ``leads_exceed_contacts`` ...
    code: str
    #: what is wrong, with the value, and what would be right
    message: str
    #: dotted path of the field, ``totals.leads_created``
    field: str | None = None
    #: line in the file, from 1
    line: int | None = None
    #: the value as it was written
    value: str | None = None
    #: ``2025-01``
    month: str | None = None
    #: one of the eight metrics
    metric: str | None = None
    #: what to write instead
    suggestion: Any = None

    def __str__(self) -> str:
        place = ", ".join(
            part
            for part in (
                f"line {self.line}" if self.line is not None else "",
                self.month or "",
                self.field or self.metric or "",
            )
            if part
        )
        return f"{place}: {self.message}" if place else self.message


@dataclass
class DemoError(Exception):
    """Base of all errors that a user may see. ``details`` is JSON-ready."""

    message: str
    details: dict[str, Any] = field(default_factory=dict[str, Any])

    code: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 1

    def __str__(self) -> str:
        return self.message


class JobFailedError(DemoError):
    """The job failed; none of its rows are in the database."""

    code = "job_failed"


class DatabaseError(DemoError):
    """The database cannot be used: not there, wrong password, too old, not migrated."""

    code = "database"


class NotFoundError(DemoError):
    """A tenant, job or file of that name is not there."""

    code = "not_found"
    exit_code = 2


class InputError(DemoError):
    """The input is wrong and nothing was tried. All problems are named at once."""

    code = "invalid_input"
    exit_code = 2

    def __init__(self, message: str, problems: Sequence[Problem] = (), *, suggestion: Any = None) -> None:
        self.problems = tuple(problems)
        self.suggestion = suggestion
        details: dict[str, Any] = {}
        if self.problems:
            details["errors"] = [asdict(problem) for problem in self.problems]
        if suggestion is not None:
            details["suggestion"] = suggestion
        super().__init__(message, details)

    def change_problems(self, change: Callable[[Problem], Problem]) -> None:
        """Say each problem as ``change`` does, in the message and in the details."""
        for problem in self.problems:
            self.message = self.message.replace(str(problem), str(change(problem)))
        self.problems = tuple(map(change, self.problems))
        if self.problems:
            self.details["errors"] = [asdict(problem) for problem in self.problems]


def raise_problems(problems: Sequence[Problem]) -> None:
    """Raise an ``InputError`` that names all ``problems``; nothing without any."""
    if problems:
        raise InputError("; ".join(map(str, problems)), problems)


class NotADemoTenantError(DemoError):
    """The tenant exists and is not a demo: refused, audited, logged."""

    code = "not_a_demo_tenant"
    exit_code = 3


class UnconfirmedError(InputError):
    """A plan that soft-deletes rows, without a confirmation or with one whose preview is out of date.

    ``details`` has ``preview``; ``preview`` is the same as an object.
    """

    code = "unconfirmed"

    #: what the plan would do now
    preview: Any = None


class CapExceededError(InputError):
    """More rows or value than a cap allows: refused before any work."""

    code = "cap_exceeded"
    exit_code = 3


class VerificationError(DemoError):
    """The figures are not what they must be; what was done is rolled back."""

    code = "verification_failed"
    exit_code = 4


#: problems that a message names
_MOST_LISTED: Final = 3


def _listed(problems: Sequence[str]) -> str:
    """The first few problems in one line; the details of the error have all."""
    more = len(problems) - _MOST_LISTED
    return "; ".join(problems[:_MOST_LISTED]) + (f"; and {more} more" if more > 0 else "")


class UnreadableTenantError(DemoError):
    """What is stored of a tenant cannot be read. It can be deleted, which reads none of it."""

    code = "unreadable_tenant"
    exit_code = 4

    @classmethod
    def of(cls, slug: str, problems: Sequence[str]) -> UnreadableTenantError:
        """The error that names all ``problems`` and the remedy."""
        remedy = f"demo-pipeline tenant delete {slug} --yes"
        return cls(
            f"what is stored of tenant {slug!r} cannot be read ({_listed(problems)}); other tenants are "
            f"not affected; restore it from a backup, or delete the tenant: {remedy}",
            {"tenant": slug, "problems": list(problems), "remedy": remedy},
        )


class UnreadableJobError(DemoError):
    """What is stored of a job cannot be read: it can be neither shown nor undone nor tried again."""

    code = "unreadable_job"
    exit_code = 4

    @classmethod
    def of(cls, slug: str, job_id: UUID, problems: Sequence[str]) -> UnreadableJobError:
        """The error that names all ``problems`` and the remedy."""
        remedy = f"demo-pipeline tenant delete {slug} --yes"
        return cls(
            f"what is stored of job {job_id} of tenant {slug!r} cannot be read ({_listed(problems)}); "
            f"other jobs are not affected; restore it from a backup, or delete the tenant: {remedy}",
            {"tenant": slug, "job_id": str(job_id), "problems": list(problems), "remedy": remedy},
        )


class BusyError(DemoError):
    """Another job held the tenant for longer than the wait, or a rate limit was reached."""

    code = "busy"
    exit_code = 5


class OutputLostError(DemoError):
    """The result could not be reported: standard output cannot be written. Commits stand."""

    code = "output_lost"
    #: ``EX_IOERR`` of sysexits.h: 1 would say that nothing was committed
    exit_code = 74


class InterruptedJobError(DemoError):
    """A person stopped the job; it is rolled back."""

    code = "interrupted"
    exit_code = 130


def error_of_code(code: str) -> type[DemoError]:
    """The class of errors with that ``code``; an unknown code is a failed job."""
    kinds = list(DemoError.__subclasses__())
    for kind in kinds:
        kinds += kind.__subclasses__()
    return {kind.code: kind for kind in kinds}.get(code, JobFailedError)
