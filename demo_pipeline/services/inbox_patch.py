"""Apply a plan that lies in a tenant's inbox, and move it to where its end belongs, with a report beside it.

A file stays where it is as long as trying again may help: the tenant is busy, the database is away, somebody
interrupted the job. Whoever tries again then does no harm: a plan is one job, however often it is asked for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from demo_pipeline.domain.errors import DemoError, InputError, InterruptedJobError, Problem
from demo_pipeline.domain.metrics import METRICS
from demo_pipeline.domain.plan_numbers import shortened, shown
from demo_pipeline.domain.plan_tree import MONTH_KEYS, PLAN_KEYS, TOLERANCE_KEYS
from demo_pipeline.services.failures import is_passing
from demo_pipeline.services.inbox import End, InboxFile, read_inbox_file, settle, usable_name
from demo_pipeline.services.inbox_reports import done_reports, refused_reports
from demo_pipeline.services.job_run import Asker
from demo_pipeline.services.patch import apply_patch
from demo_pipeline.services.plan_files import SUFFIXES, PlanFile, parse_plan
from demo_pipeline.services.reports import JobReport
from demo_pipeline.settings import Settings
from demo_pipeline.storage.clock import current_instant
from demo_pipeline.storage.database import Database

#: in the details of an error: why the file of a plan that was refused for good could not be moved
HINDRANCE: Final = "hindrance"
_SAID_AT_ONCE: Final = 5
#: the place of a cell, without the header of its column
_CELL: Final = re.compile(r"row \d+(?:, column [A-Z]+)?(?= \(|$)")
#: one step of a path, and the place in a list after it
_STEP: Final = re.compile(r"([^.\[\]]+)((?:\[\d{1,4}\])*)")
#: steps of a path that every plan may have, as ``_told_place`` compares them
_STEPS: Final = frozenset(
    name.replace("_", "") for name in (*PLAN_KEYS, *MONTH_KEYS, *TOLERANCE_KEYS, *METRICS)
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
    asker: Asker | None = None,
) -> Handled:
    """Read, apply and settle one file.

    Raises as ``read_inbox_file``, ``parse_plan`` and ``apply_patch`` do; the file is in ``refused/`` then,
    unless it was none, or the reason passes.
    """
    asker = asker or Asker()
    file = read_inbox_file(settings, slug, name)
    plan: PlanFile | None = None
    try:
        plan = _parsed(file, plan_type, seed, sheet)
        report = apply_patch(database, settings, slug, plan, again=again, asker=asker)
    except InterruptedJobError:
        raise
    except DemoError as error:
        if not is_passing(error):
            reports = refused_reports(file, plan, error, asker, current_instant(database, settings))
            _, hindrance = _settle(settings, file, "refused", reports)
            if hindrance:
                error.message += f" ({hindrance})"
                error.details[HINDRANCE] = hindrance
        raise
    reports = done_reports(file, plan, report, asker, current_instant(database, settings))
    place, hindrance = _settle(settings, file, "done", reports)
    return Handled(report=report, place=place, hindrance=hindrance)


def refuse_unusable(database: Database, settings: Settings, file: InboxFile, asker: Asker) -> str:
    """Refuse a file whose name cannot be used, with a report; a sentence that says what became of it."""
    name = usable_name(file.name)
    message = (
        f"the name {shown(file.name)} has characters that cannot be seen or cannot be in a name; "
        f"name the file {name} and put it there again"
    )
    problem = Problem(code="bad_inbox_file", field="inbox_file", value=shortened(file.name), message=message)
    at = current_instant(database, settings)
    reports = refused_reports(file, None, InputError(message, [problem]), asker, at)
    place, hindrance = _settle(settings, file, "refused", reports, name)
    return f"{file.tenant}: {message} ({hindrance or f'it is in {place}'})"


def _parsed(file: InboxFile, plan_type: str | None, seed: str | None, sheet: str | None) -> PlanFile:
    """The plan of a file. What is wrong is told by its place and kind, without what the file says.

    Who reads the report or the run need not be who may read the file.
    """
    kind = SUFFIXES[Path(file.name).suffix.lower()]
    try:
        return parse_plan(file.content, kind, source=file.name, plan_type=plan_type, seed=seed, sheet=sheet)
    except InputError as error:
        problems = [
            Problem(
                code=problem.code,
                field=_told_place(problem.field) if problem.field else None,
                line=problem.line,
                month=problem.month,
                metric=problem.metric,
                message=f"{problem.code.replace('_', ' ')}; demo-pipeline plan preview says more of it",
            )
            for problem in error.problems
        ]
        message = "; ".join(str(problem) for problem in problems[:_SAID_AT_ONCE]) or "no plan can be read"
        raise InputError(f"{file.name}: {message}", problems) from None


def _told_place(place: str) -> str:
    """A place in a file, without what the file says: a name that is none of a plan's becomes ``?``."""
    if cell := _CELL.match(place):
        return cell[0]

    def step(found: re.Match[str]) -> str:
        is_known = found[1].replace("_", "").casefold() in _STEPS
        return f"{found[1] if is_known else '?'}{found[2]}"

    return _STEP.sub(step, place)


def _settle(
    settings: Settings, file: InboxFile, end: End, reports: dict[str, str], name: str | None = None
) -> tuple[str | None, str | None]:
    """The new place, and what was in the way: neither undoes what the job did."""
    try:
        return settle(settings, file, end, reports, name), None
    except (OSError, DemoError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        return None, f"{shortened(file.name)} could not be moved to {end}/: {reason}; move it away"
