"""Materialising through Dagster from the command line: runs in this process, kept by the instance.

Dagster is imported when a run is wanted, and never before: it alone takes more than a second. The
definitions are those of the code location, found by its name as the daemon finds them. What is printed about
runs does not belong here.
"""

from __future__ import annotations

import os
import socket
import warnings
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from demo_pipeline.domain.core.errors import (
    BusyError,
    CapExceededError,
    DatabaseError,
    DemoError,
    InputError,
    InterruptedJobError,
    JobFailedError,
    NotADemoTenantError,
    NotFoundError,
    UnreadableJobError,
    UnreadableTenantError,
    VerificationError,
)
from demo_pipeline.domain.core.months import Month
from demo_pipeline.services.jobs.failures import of_job
from demo_pipeline.services.jobs.tenant_context import find_tenant_context
from demo_pipeline.services.months.month_range import MonthRange, month_range
from demo_pipeline.services.platform.instance import INSTANCE_FILE, prepare_instance
from demo_pipeline.services.tenants.incarnations import later_incarnations
from demo_pipeline.services.tenants.queries import jobs_of_run
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.clock import instant_of
from demo_pipeline.storage.connection.database import Database

if TYPE_CHECKING:
    import dagster as dg

CODE_LOCATION: Final = "demo_pipeline.definitions"
JOB: Final = "materialise_tenants"
#: the dynamic partitions, one a tenant
PARTITIONS: Final = "tenant"
_INCARNATIONS: Final = "demo_pipeline.defs.asset_pages.incarnations"
#: the instance as the command line uses it: as the other, but leaves this process's output alone
COMMAND_LINE_FILE: Final = "command-line.yaml"
_RANGE_START: Final = "dagster/asset_partition_range_start"
_RANGE_END: Final = "dagster/asset_partition_range_end"
_ERRORS: Final = {
    error.code: error
    for error in (
        BusyError,
        DatabaseError,
        InterruptedJobError,
        JobFailedError,
        NotADemoTenantError,
        NotFoundError,
        UnreadableJobError,
        UnreadableTenantError,
        VerificationError,
    )
}


@dataclass(frozen=True, kw_only=True)
class RunOutcome:
    """How the run of one tenant ended."""

    tenant: str
    run_id: str
    success: bool
    #: ``{"tenant", "code", "exit_code", "message", "details"}`` each
    errors: tuple[dict[str, Any], ...] = ()

    @property
    def error(self) -> DemoError | None:
        """What ended the run, as the error that it was: its exit code is right."""
        return as_error(self.errors[0]) if self.errors else None


def as_error(found: Mapping[str, Any]) -> DemoError:
    """An error of a run's metadata as one of the tree; the inverse of its JSON."""
    kinds: dict[str, type[InputError]] = {
        InputError.code: InputError,
        CapExceededError.code: CapExceededError,
    }
    if (kind := kinds.get(found["code"])) is not None:
        error = kind(found["message"])
        error.details = dict(found["details"])
        return error
    return _ERRORS.get(found["code"], JobFailedError)(found["message"], dict(found["details"]))


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

    ``first`` and ``last`` default to all months of each tenant. A range of partitions allows one tenant a
    run; a tenant that fails does not keep the others from theirs. Call it in the main thread: interrupts
    arrive there. Sets ``DAGSTER_HOME`` and what else Dagster needs in ``os.environ``.

    Raises ``NotFoundError``, ``NotADemoTenantError`` and ``InputError`` before anything is run, and
    ``InterruptedJobError`` after an interrupted run was rolled back.
    """
    ranges = {slug: _range(settings, database, slug, first, last) for slug in slugs}
    outcomes: list[RunOutcome] = []
    with _instance(settings, database) as (instance, job):
        # Before the partitions are shown, not only before the first event.
        import_module(_INCARNATIONS).begin_tenants(instance, later_incarnations(database, slugs))
        instance.add_dynamic_partitions(PARTITIONS, list(slugs))
        for slug, asked in ranges.items():
            tags = {
                "demo/tenant": slug,
                # By which the daemon notices that this process was killed.
                "demo/process": f"{socket.gethostname()}:{os.getpid()}",
                _RANGE_START: f"{asked.first}|{slug}",
                _RANGE_END: f"{asked.last}|{slug}",
            }
            if requested_by is not None:
                tags["demo/requested_by"] = requested_by
            outcomes.append(_run(database, instance, job, slug, tags))
    return outcomes


def _range(
    settings: Settings, database: Database, slug: str, first: Month | None, last: Month | None
) -> MonthRange:
    """As the loader, who may write down that somebody asked for a tenant that is real."""
    with database.loader() as conn:
        context = find_tenant_context(conn, settings, slug, "materialise")
        now = instant_of(conn, settings)
    return month_range(context, first, last, now)


def remove_partition(settings: Settings, database: Database, slug: str) -> None:
    """Take a tenant that is deleted out of Dagster's partitions, with its months, where there is an instance.

    Its runs stay, with their events. Raises whatever Dagster and its database raise.
    """
    if not (settings.dagster_home / INSTANCE_FILE).exists():
        return
    with _quiet_instance(settings, database) as instance:
        import_module(_INCARNATIONS).end_tenant(instance, slug)


def begin_incarnation(settings: Settings, database: Database, slug: str) -> None:
    """Have Dagster forget the deleted tenants of a slug, where there is an instance and was such a tenant.

    Raises whatever Dagster and its database raise.
    """
    if not (settings.dagster_home / INSTANCE_FILE).exists():
        return
    if incarnations := later_incarnations(database, [slug]):
        with _quiet_instance(settings, database) as instance:
            import_module(_INCARNATIONS).begin_tenants(instance, incarnations)


@contextmanager
def _instance(
    settings: Settings, database: Database
) -> Generator[tuple[dg.DagsterInstance, dg.JobDefinition]]:
    """The persistent instance and the job, without a word on the terminal."""
    with _quiet_instance(settings, database) as instance:
        # Otherwise each event opens connections of its own: twice the time of a run.
        instance.optimize_for_webserver(statement_timeout=60_000, pool_recycle=3600, max_overflow=20)
        yield instance, _definitions().resolve_job_def(JOB)


@cache
def _definitions() -> dg.Definitions:
    """The code location, by name: this layer is a client of it, as the daemon and the web server are."""
    definitions: dg.Definitions = import_module(CODE_LOCATION).defs()
    return definitions


@contextmanager
def _quiet_instance(settings: Settings, database: Database) -> Generator[dg.DagsterInstance]:
    """The persistent instance, without what Dagster warns of."""
    os.environ.update(prepare_instance(settings, database))
    _write_command_line_file(settings.dagster_home)
    with warnings.catch_warnings():
        # That partitioned checks are a preview is known, and nothing to tell a user of demo tenants.
        warnings.simplefilter("ignore")
        import dagster as dg

        with dg.DagsterInstance.from_config(
            str(settings.dagster_home.resolve()), COMMAND_LINE_FILE
        ) as instance:
            yield instance


def _run(
    database: Database,
    instance: dg.DagsterInstance,
    job: dg.JobDefinition,
    slug: str,
    tags: dict[str, str],
) -> RunOutcome:
    import dagster as dg

    run_id = str(uuid4())
    try:
        result = job.execute_in_process(
            instance=instance,
            raise_on_error=False,
            run_id=run_id,
            tags=tags,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
    except (KeyboardInterrupt, dg.DagsterExecutionInterruptedError):
        raise _interrupted(database, run_id) from None
    if result.success:
        return RunOutcome(tenant=slug, run_id=result.run_id, success=True)
    errors = _errors(result)
    if any(error["code"] == InterruptedJobError.code for error in errors):
        raise _interrupted(database, run_id)
    return RunOutcome(tenant=slug, run_id=result.run_id, success=False, errors=errors)


def _interrupted(database: Database, run_id: str) -> InterruptedJobError:
    """What became of the job of a run that was interrupted, as the ledger has it."""
    jobs = jobs_of_run(database, run_id)
    if jobs is None:
        return InterruptedJobError("interrupted; what was not finished is rolled back")
    if not jobs:
        return InterruptedJobError("interrupted before a job had begun; nothing was changed")
    job_id, status = jobs[-1]
    if status == "completed":
        return InterruptedJobError(f"interrupted after the commit: job {job_id} is completed")
    return of_job(InterruptedJobError("interrupted; the running job was rolled back"), job_id)


def _errors(result: dg.ExecuteInProcessResult) -> tuple[dict[str, Any], ...]:
    """What the run's steps wrote down of their errors, or what Dagster says of one that wrote nothing."""
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
    """The instance's file with one difference: compute logs would take this process's stdout and stderr."""
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
