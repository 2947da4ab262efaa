"""Materialises tenants through Dagster from the command line: runs in this process, stored by the instance.

Dagster is imported when a run starts, and never before: the import takes more than a second. The definitions
are found by the name of the code location, as the daemon finds them. How results look belongs in
``job_views``.
"""

from __future__ import annotations

import os
import socket
import sys
import warnings
from collections import defaultdict
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from demo_pipeline.cli.kit.job_progress import watched
from demo_pipeline.cli.kit.session import Session, requester
from demo_pipeline.domain.core.errors import (
    DemoError,
    InterruptedJobError,
    JobFailedError,
    error_of_code,
)
from demo_pipeline.domain.core.months import Month
from demo_pipeline.services.jobs.report import JobReport, MonthResult, report_of, request_job
from demo_pipeline.services.jobs.tenant_context import find_tenant_context
from demo_pipeline.services.months.materialise import is_as_expected
from demo_pipeline.services.months.month_range import MonthRange, month_range
from demo_pipeline.services.platform.instance import INSTANCE_FILE, prepare_instance, require_storage
from demo_pipeline.services.tenants.queries import (
    TenantDetail,
    jobs_of_run,
    kpis,
    later_incarnations,
    show_tenant,
)
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.clock import current_instant, instant_of
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.ledger.job_ledger import Job

if TYPE_CHECKING:
    import dagster as dg

CODE_LOCATION: Final = "demo_pipeline.definitions"
JOB: Final = "materialise_tenants"
#: the dynamic partitions, one a tenant
PARTITIONS: Final = "tenant"
_INCARNATIONS: Final = "demo_pipeline.defs.asset_pages.incarnations"
#: settings of the instance for the command line: Dagster does not capture the output of this process
COMMAND_LINE_FILE: Final = "command-line.yaml"
_RANGE_START: Final = "dagster/asset_partition_range_start"
_RANGE_END: Final = "dagster/asset_partition_range_end"


@dataclass(frozen=True, kw_only=True)
class RunOutcome:
    """The end of one tenant's run."""

    tenant: str
    #: empty: the tenant was as expected and shown, so there was nothing to run
    run_id: str
    success: bool
    #: ``{"tenant", "code", "exit_code", "message", "details"}`` each
    errors: tuple[dict[str, Any], ...] = ()

    @property
    def error(self) -> DemoError | None:
        """The error that ended the run, with its exit code."""
        return as_error(self.errors[0]) if self.errors else None


def as_error(found: Mapping[str, Any]) -> DemoError:
    """An error of a run's metadata as an exception; the inverse of its JSON."""
    kind = error_of_code(found["code"])
    error = kind(found["message"])
    error.details = dict(found["details"])
    return error


def materialise_tenants(
    session: Session, slugs: Sequence[str], first: Month | None = None, last: Month | None = None
) -> tuple[JobReport, ...]:
    """Materialise the months of tenants, with progress on stderr; reports in the order of ``slugs``.

    Raises the ``DemoError`` of the first job that failed; the jobs of other tenants are committed.
    """
    # Output of libraries goes to stderr: stdout is for results.
    with watched(session, slugs), redirect_stdout(sys.stderr):
        try:
            outcomes = run_materialisation(
                session.settings, session.database, slugs, first, last, requested_by=requester()
            )
        except InterruptedJobError as error:
            # It does more than job retry: the tenants after this one, and what comes after all of them.
            if len(slugs) > 1 or error.details:
                error.message += "; the same command goes on from here"
            raise
    if failed := [outcome for outcome in outcomes if not outcome.success]:
        raise _failure(failed, of_count=len(slugs))
    return tuple(_report(session, outcome, first, last) for outcome in outcomes)


def _failure(failed: Sequence[RunOutcome], *, of_count: int) -> DemoError:
    """The first error, with a message that names every tenant that failed."""
    errors = [outcome.error or JobFailedError("the Dagster run failed") for outcome in failed]
    error = errors[0]
    error.details |= {"runs": {outcome.tenant: outcome.run_id for outcome in failed}}
    if of_count > 1:
        pairs = zip(failed, errors, strict=True)
        error.message = "; ".join(f"{outcome.tenant}: {each.message}" for outcome, each in pairs)
        error.message += f" ({len(failed)} of {of_count} tenants; the others are done)"
    return error


def run_materialisation(
    settings: Settings,
    database: Database,
    slugs: Sequence[str],
    first: Month | None = None,
    last: Month | None = None,
    *,
    requested_by: str | None = None,
) -> list[RunOutcome]:
    """Materialise a range of months of each tenant, one Dagster run a tenant, one after the other.

    ``first`` and ``last`` default to all months of each tenant. A tenant whose months are as expected, and
    shown on the asset pages, has no run. A range of partitions allows one tenant a
    run; a tenant that fails does not keep the others from theirs. Call it in the main thread: interrupts
    arrive there. Sets ``DAGSTER_HOME`` and what else Dagster needs in ``os.environ``.

    Raises ``NotFoundError``, ``NotADemoTenantError`` and ``InputError`` before anything is run, and
    ``InterruptedJobError`` after an interrupted run was rolled back.
    """
    ranges = {slug: _range(settings, database, slug, first, last) for slug in slugs}
    outcomes: list[RunOutcome] = []
    with _quiet_instance(settings, database) as instance, database.pooled() as kept:
        # Before the partitions are added, not only before the first event.
        import_module(_INCARNATIONS).begin_tenants(instance, later_incarnations(database, slugs))
        instance.add_dynamic_partitions(PARTITIONS, list(slugs))
        shown = _shown_months(instance)
        for slug, asked in ranges.items():
            if shown[slug].issuperset(map(str, asked.months)) and is_as_expected(
                kept, settings, slug, first, last
            ):
                outcomes.append(RunOutcome(tenant=slug, run_id="", success=True))
                continue
            tags = {
                "demo/tenant": slug,
                # The daemon recognises by it that this process was killed.
                "demo/process": f"{socket.gethostname()}:{os.getpid()}",
                _RANGE_START: f"{asked.first}|{slug}",
                _RANGE_END: f"{asked.last}|{slug}",
            }
            if requested_by is not None:
                tags["demo/requested_by"] = requested_by
            outcomes.append(_run(Session(settings, kept), instance, slug, tags))
    return outcomes


def _shown_months(instance: dg.DagsterInstance) -> Mapping[str, set[str]]:
    """Tenant → the months that the asset pages show as materialised."""
    import dagster as dg

    shown: dict[str, set[str]] = defaultdict(set)
    # The last asset of a month that a run shows.
    for key in instance.get_materialized_partitions(dg.AssetKey("kpi_snapshot")):
        month, _, slug = key.partition("|")
        shown[slug].add(month)
    return shown


def _range(
    settings: Settings, database: Database, slug: str, first: Month | None, last: Month | None
) -> MonthRange:
    """The months to materialise; read as the loader, which records a request for a real tenant."""
    with database.loader() as conn:
        context = find_tenant_context(conn, settings, slug, "materialise")
        now = instant_of(conn, settings)
    return month_range(context, first, last, now)


def remove_partition(settings: Settings, database: Database, slug: str) -> None:
    """Remove a deleted tenant and its months from Dagster's partitions, if there is an instance.

    Its runs and their events are kept. Raises the errors of Dagster and of its database.
    """
    if not (settings.dagster_home / INSTANCE_FILE).exists():
        return
    with _quiet_instance(settings, database) as instance:
        import_module(_INCARNATIONS).end_tenant(instance, slug)


def begin_incarnation(settings: Settings, database: Database, slug: str) -> None:
    """Delete Dagster's history of earlier tenants of a slug, if there is an instance.

    Raises the errors of Dagster and of its database.
    """
    if not (settings.dagster_home / INSTANCE_FILE).exists():
        return
    if incarnations := later_incarnations(database, [slug]):
        with _quiet_instance(settings, database) as instance:
            import_module(_INCARNATIONS).begin_tenants(instance, incarnations)


@cache
def _job() -> dg.JobDefinition:
    """The job, from the code location by name, as the daemon and the web server find it.

    Loaded for the first run: it takes half a second, which a command without a run saves.
    """
    definitions: dg.Definitions = import_module(CODE_LOCATION).defs()
    return definitions.resolve_job_def(JOB)


@contextmanager
def _quiet_instance(settings: Settings, database: Database) -> Generator[dg.DagsterInstance]:
    """The persistent instance, without Dagster's warnings."""
    os.environ.update(prepare_instance(settings, database))
    require_storage(settings)
    _write_command_line_file(settings.dagster_home)
    with warnings.catch_warnings():
        # Dagster warns that partitioned checks are a preview.
        warnings.simplefilter("ignore")
        import dagster as dg

        with dg.DagsterInstance.from_config(
            str(settings.dagster_home.resolve()), COMMAND_LINE_FILE
        ) as instance:
            yield instance


def _run(
    session: Session,
    instance: dg.DagsterInstance,
    slug: str,
    tags: dict[str, str],
) -> RunOutcome:
    import dagster as dg

    run_id = str(uuid4())
    try:
        result = _job().execute_in_process(
            instance=instance,
            raise_on_error=False,
            run_id=run_id,
            tags=tags,
            # In place of the resource of the definitions, which opens connections of its own for each run.
            resources={"demo": session},
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
    except (KeyboardInterrupt, dg.DagsterExecutionInterruptedError):
        raise _interrupted(session.database, run_id) from None
    if result.success:
        return RunOutcome(tenant=slug, run_id=result.run_id, success=True)
    errors = _errors(result)
    if any(error["code"] == InterruptedJobError.code for error in errors):
        raise _interrupted(session.database, run_id)
    return RunOutcome(tenant=slug, run_id=result.run_id, success=False, errors=errors)


def _interrupted(database: Database, run_id: str) -> InterruptedJobError:
    """The state of the job of an interrupted run, from the ledger."""
    jobs = jobs_of_run(database, run_id)
    if jobs is None:
        return InterruptedJobError("interrupted; what was not finished is rolled back")
    if not jobs:
        return InterruptedJobError("interrupted before a job had begun; nothing was changed")
    job_id, status = jobs[-1]
    if status == "completed":
        return InterruptedJobError(f"interrupted after the commit: job {job_id} is completed")
    return InterruptedJobError("interrupted; the running job was rolled back", {"job_id": str(job_id)})


def _errors(result: dg.ExecuteInProcessResult) -> tuple[dict[str, Any], ...]:
    """The errors that the run's steps recorded, or Dagster's own error of a step that recorded none."""
    found: list[dict[str, Any]] = []
    for event in result.filter_events(lambda event: event.is_step_failure):
        failure: Any = event.step_failure_data
        written: Any = failure.user_failure_data
        if written is not None and "errors" in written.metadata:
            found += written.metadata["errors"].value
        elif "Interrupt" in (failure.error.cls_name or ""):
            found.append(_plain(InterruptedJobError.code, "interrupted", exit_code=130))
        else:
            found.append(_plain(JobFailedError.code, failure.error.to_string().strip().splitlines()[0]))
    return tuple(found) or (
        _plain(JobFailedError.code, f"the Dagster run {result.run_id} failed; its page says why"),
    )


def _plain(code: str, message: str, *, exit_code: int = 1) -> dict[str, Any]:
    return {"tenant": None, "code": code, "exit_code": exit_code, "message": message, "details": {}}


def _write_command_line_file(home: Path) -> None:
    """Write the instance's settings without compute logs, which would capture stdout and stderr."""
    from ruamel.yaml import YAML

    yaml = YAML(typ="safe", pure=True)
    instance: dict[str, Any] = yaml.load((home / INSTANCE_FILE).read_text(encoding="utf-8")) or {}
    instance["compute_logs"] = {
        "module": "dagster._core.storage.noop_compute_log_manager",
        "class": "NoOpComputeLogManager",
    }
    text = StringIO()
    yaml.dump(instance, text)
    draft = home / f"{COMMAND_LINE_FILE}.{os.getpid()}"
    draft.write_text(text.getvalue(), encoding="utf-8")
    draft.replace(home / COMMAND_LINE_FILE)


# -- reports of runs, from the ledger --------------------------------------------------------------------


def _report(session: Session, outcome: RunOutcome, first: Month | None, last: Month | None) -> JobReport:
    """The report of a run that succeeded."""
    detail = show_tenant(session.database, session.settings, outcome.tenant)
    own = request_job([job for job in detail.jobs if job.dagster_run_id == outcome.run_id])
    if outcome.run_id and own is not None:
        return report_of(own, detail.spec.currency)
    # Nothing was missing. Report the job of these months, or else the latest job of the tenant.
    now = current_instant(session.database, session.settings)
    asked = month_range(detail.context, first, last, now)
    done = [job for job in detail.jobs if job.kind == "materialise" and job.status == "completed"]
    bounds = (str(asked.first), str(asked.last))
    same = [job for job in done if (job.range_start_month, job.range_end_month) == bounds]
    for job in (*same, *done):
        return _already(session, detail, job, asked.months)
    raise JobFailedError(f"the ledger has no job of run {outcome.run_id}", {"run_id": outcome.run_id})


def _already(session: Session, detail: TenantDetail, job: Job, months: Sequence[Month]) -> JobReport:
    """An earlier job, with the requested months as they are now."""
    now = kpis(session.database, session.settings, job.slug).months
    return JobReport(
        job_id=job.id,
        tenant=job.slug,
        kind=job.kind,
        currency=detail.spec.currency,
        already_applied=True,
        created={},
        months=tuple(
            MonthResult(
                month=month,
                expected=detail.context.expected(month),
                before=now.at(month),
                target=now.at(month),
                after=now.at(month),
            )
            for month in months
        ),
        seconds=0.0,
    )
