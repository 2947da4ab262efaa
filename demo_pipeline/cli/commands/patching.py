"""Applying plans from the command line: read, watched, one job after the other, shown by Dagster.

What a plan may say and what a job does is decided in services; how results look in ``views.changes``.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from demo_pipeline.cli.kit.console import say, warn
from demo_pipeline.cli.kit.job_progress import watched
from demo_pipeline.cli.kit.session import Session, about_files, about_options, requester
from demo_pipeline.domain.core.errors import CapExceededError, DemoError, InputError, Problem

if TYPE_CHECKING:
    from demo_pipeline.domain.patch_plan.plan import PatchPlan
    from demo_pipeline.services.files.plan_files import PlanFile
    from demo_pipeline.services.jobs.report import JobReport
    from demo_pipeline.services.jobs.runner import JobCaller

#: for a plan beyond a cap
SPLIT_IT: Final = (
    "patch apply --split makes one job of each piece that fits, or a cap can be raised: DEMO_CAP_*"
)
_STANDARD_INPUT: Final = "-"


def read_plan_file(path: str, plan_type: str | None, seed: str | None, sheet: str | None) -> PlanFile:
    """The plan of a file or of standard input. Raises ``InputError`` with all that is wrong with it."""
    from demo_pipeline.services.files.plan_files import read_plan

    given = {"plan_type": plan_type, "seed": seed}
    # Of the two, what is given as an option counts, whatever the plan says.
    names = {name: f"--{name.replace('_', '-')}" for name, text in given.items() if text is not None}
    with about_plan(path), about_options(names):
        return read_plan(path, plan_type=plan_type, seed=seed, sheet=sheet)


@contextmanager
def about_plan(path: str) -> Generator[None]:
    """Name the plan in what is refused inside the block."""
    with about_files([plan_name(path)]):
        yield


def plan_name(path: str) -> str:
    """What a message calls a plan."""
    return "standard input" if path == _STANDARD_INPUT else path


def apply_plan(
    session: Session, slug: str, plan: PlanFile, *, is_again: bool, is_split: bool
) -> tuple[JobReport, ...]:
    """Apply a plan, or each of its pieces, one job each.

    Raises the ``DemoError`` that ended a job, which says of all pieces what became of them.
    """
    from demo_pipeline.services.patches.patch import apply_patch

    if is_split and is_again:
        # Broken off, it could not be told which pieces of which time are there.
        message = "--again and --split do not go together; undo the pieces first, then split again"
        raise InputError(message, [Problem(code="bad_option", field="--again", message=message)])
    pieces: tuple[PlanFile | PatchPlan, ...] = (plan,)
    if is_split:
        from demo_pipeline.services.patches.split import split_plan

        pieces = split_plan(session.database, session.settings, slug, plan)
    with (
        watched(session, [slug]),
        shown_on_asset_pages(session) as reports,
        session.database.keeping() as database,
    ):
        for number, piece in enumerate(pieces, start=1):
            if len(pieces) > 1:
                say(f"piece {number} of {len(pieces)} ...")
            try:
                report = apply_patch(database, session.settings, slug, piece, again=is_again, caller=caller())
            except DemoError as error:
                _say_of_pieces(error, reports, len(pieces))
                if isinstance(error, CapExceededError) and not is_split:
                    error.details["remedy"] = SPLIT_IT
                raise
            reports.append(report)
    return tuple(reports)


def _say_of_pieces(error: DemoError, done: Sequence[JobReport], count: int) -> None:
    """Where a plan was split: which pieces are in the database, each whole."""
    if count == 1:
        return
    error.details["jobs"] = [str(report.job_id) for report in done]
    which = f"{len(done)} of {count} pieces are applied, each whole" if done else "no piece is applied"
    error.message += f" (piece {len(done) + 1} of {count}; {which}; the same command again goes on with it)"


def run_watched(session: Session, slug: str, job: Callable[[], JobReport]) -> JobReport:
    """Do one job of a tenant: watched, and shown on Dagster's pages."""
    with watched(session, [slug]), shown_on_asset_pages(session) as reports:
        reports.append(job())
    return reports[0]


def caller() -> JobCaller:
    """Who asks for the jobs of this process."""
    from demo_pipeline.services.jobs.runner import JobCaller

    return JobCaller(requested_by=requester())


@contextmanager
def shown_on_asset_pages(session: Session) -> Generator[list[JobReport]]:
    """Have Dagster show the jobs that were put into the list, also where a later one failed.

    Never fails a command, what it tells of is committed; and nobody waits for it.
    """
    done: list[JobReport] = []
    try:
        yield done
    finally:
        from demo_pipeline.services.platform.asset_pages import show_on_asset_pages

        job_ids = [report.job_id for report in done if not report.already_applied]
        try:
            show_on_asset_pages(session.settings, session.database, job_ids)
        except DemoError as error:
            warn(error.message)
