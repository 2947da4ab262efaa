"""Apply a plan that lies in a tenant's inbox, and move it to where its end belongs, with a report beside it.

A file stays where it is as long as trying again may help: the tenant is busy, the database is away, the job
was interrupted. Trying again does no harm: a plan is one job, however often it is requested.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from demo_pipeline.domain.core.errors import (
    DemoError,
    InputError,
    InterruptedJobError,
    NotFoundError,
    Problem,
)
from demo_pipeline.domain.core.figures import METRICS
from demo_pipeline.domain.parsing.scalars import quoted, shortened
from demo_pipeline.services.files.plan_files import PlanFile, is_meant_as_plan, parse_plan, plan_text
from demo_pipeline.services.files.reader import SUFFIXES, FileFormat
from demo_pipeline.services.inbox.folder import End, InboxFile, read_inbox_file, settle, usable_name
from demo_pipeline.services.inbox.reports import done_reports, refused_reports
from demo_pipeline.services.inbox.unknown_tenants import unknown_tenants
from demo_pipeline.services.jobs.failures import is_passing
from demo_pipeline.services.jobs.report import JobReport
from demo_pipeline.services.jobs.steps import JobCaller
from demo_pipeline.services.patches.patch import apply_patch
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.clock import current_instant
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.connection.masking import masked

#: in the details of an error: why the file of a plan that was refused for good could not be moved
HINDRANCE: Final = "hindrance"
#: codes of problems of a file as a whole, whose messages quote nothing of it
_OF_THE_WHOLE: Final = frozenset(
    {"file_too_large", "not_utf8", "control_character", "other_kind", "not_a_workbook"}
)


@dataclass(frozen=True, kw_only=True)
class Handled:
    """A file whose plan is applied."""

    report: JobReport
    #: where the file is now, ``done/plan.csv``; none: it had gone, or could not be moved
    place: str | None
    #: why it could not be moved
    hindrance: str | None = None


def apply_inbox_file(
    database: Database,
    settings: Settings,
    slug: str,
    name: str,
    *,
    again: bool = False,
    plan_type: str | None = None,
    seed: str | None = None,
    sheet: str | None = None,
    caller: JobCaller | None = None,
) -> Handled:
    """Read, apply and settle one file.

    Raises as ``read_inbox_file``, ``parse_plan`` and ``apply_patch`` do; the file is in ``refused/`` then,
    unless it was none, the tenant does not exist, or the reason passes.
    """
    caller = caller or JobCaller()
    try:
        file = read_inbox_file(settings, slug, name)
    except NotFoundError as error:
        # Without its tenant, a folder may be missing as well.
        raise unknown_tenants(database, settings, [slug]).get(slug, error) from None
    if (unknown := unknown_tenants(database, settings, [slug]).get(slug)) is not None:
        raise unknown
    plan: PlanFile | None = None
    try:
        plan = _parsed(file, plan_type, seed, sheet)
        report = apply_patch(database, settings, slug, plan, again=again, caller=caller)
    except InterruptedJobError:
        raise
    except DemoError as error:
        if not is_passing(error):
            reports = refused_reports(file, plan, error, caller, current_instant(database, settings))
            _, hindrance = _settle(settings, file, "refused", reports)
            if hindrance:
                error.message += f" ({hindrance})"
                error.details[HINDRANCE] = hindrance
        raise
    reports = done_reports(file, plan, report, caller, current_instant(database, settings))
    place, hindrance = _settle(settings, file, "done", reports)
    return Handled(report=report, place=place, hindrance=hindrance)


def refuse_unusable(database: Database, settings: Settings, file: InboxFile, caller: JobCaller) -> str:
    """Refuse a file whose name cannot be used, with a report; a sentence that says what became of it."""
    name = usable_name(file.name)
    message = (
        f"the name {quoted(file.name)} has characters that cannot be seen or cannot be in a name; "
        f"name the file {name} and put it there again"
    )
    problem = Problem(code="bad_inbox_file", field="inbox_file", value=shortened(file.name), message=message)
    at = current_instant(database, settings)
    reports = refused_reports(file, None, InputError(message, [problem]), caller, at)
    place, hindrance = _settle(settings, file, "refused", reports, name)
    return f"{file.tenant}: {message} ({hindrance or f'it is in {place}'})"


def _parsed(file: InboxFile, plan_type: str | None, seed: str | None, sheet: str | None) -> PlanFile:
    """The plan of a file. Raises ``InputError``, as full as on the command line for what is meant as a plan.

    Of any other file nothing is quoted: who reads the report or the run need not be who may read the file.
    """
    kind = SUFFIXES[Path(file.name).suffix.lower()]

    def parse(content: bytes, kind: FileFormat, sheet: str | None) -> PlanFile:
        return parse_plan(content, kind, source=file.name, plan_type=plan_type, seed=seed, sheet=sheet)

    try:
        return parse(file.content, kind, sheet)
    except InputError as error:
        if not is_meant_as_plan(file.content, kind, sheet):
            raise _no_plan(file, kind, error) from None
        text = plan_text(file.content, kind, sheet)
        hidden = masked(text)
        if hidden == text:
            raise
    # Problems quote beginnings of values, in which half a password would not be recognised: they are found
    # once more in the text without passwords.
    try:
        # A workbook's text is a table like any other.
        parse(hidden.encode(), "csv" if kind == "xlsx" else kind, None)
    except InputError as error:
        raise error from None
    message = "a value looks like a password and is not shown; demo-pipeline plan preview says what is wrong"
    raise InputError(f"{file.name}: {message}", [Problem(code="hidden_value", message=message)])


def _no_plan(file: InboxFile, kind: FileFormat, error: InputError) -> InputError:
    """A file without the names of a plan: which these are, and where reading it ended."""
    size = next((problem for problem in error.problems if problem.code in _OF_THE_WHOLE), None)
    line = next((problem.line for problem in error.problems if problem.line is not None), None)
    columns = f"names the columns: month, and some of {', '.join(METRICS)}"
    names = {
        "csv": f"one of its first lines {columns}",
        "xlsx": f"one of the first rows of its first visible sheet {columns} (another one is named "
        "with the key sheet of apply_patch)",
    }
    wanted = names.get(kind, "it has the key months, a list with month and metrics in each entry")
    message = f"is not a patch plan: {wanted}; what the file says is not repeated here"
    if size is not None:
        message = f"{size.message}; what the file says is not repeated here"
    problem = Problem(code="not_a_plan" if size is None else size.code, line=line, message=message)
    return InputError(f"{file.name}: {problem}", [problem])


def _settle(
    settings: Settings, file: InboxFile, end: End, reports: dict[str, str], name: str | None = None
) -> tuple[str | None, str | None]:
    """The new place, and what was in the way: neither undoes what the job did."""
    try:
        return settle(settings, file, end, reports, name), None
    except (OSError, DemoError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        return None, f"{shortened(file.name)} could not be moved to {end}/: {reason}; move it away"
