"""The sensor on the plan inbox: one run of ``apply_patch`` for each waiting file.

It is on by default: only the operator may write to the folder, and a file passes the same checks as any plan.
``services.inbox.folder`` finds the waiting files.
"""

import time
from collections.abc import Collection, Iterator, Sequence
from hashlib import sha256
from typing import Final

import dagster as dg

from demo_pipeline.defs.patches.patch_job import JOB, apply_patch_job
from demo_pipeline.defs.shared.resources import DemoTenants
from demo_pipeline.defs.shared.run_tags import INBOX_TAG, REQUESTER_TAG, STUCK_TAG, TENANT_TAG
from demo_pipeline.domain.core.errors import DemoError
from demo_pipeline.domain.core.terminal_text import neutral
from demo_pipeline.services.inbox.apply import refuse_unusable
from demo_pipeline.services.inbox.folder import InboxFile, Waiting, waiting_files
from demo_pipeline.services.inbox.unknown_tenants import report_unknown, unknown_tenants
from demo_pipeline.services.jobs.steps import JobCaller

INTERVAL_SECONDS: Final = 30
#: runs that one tick asks for
_MOST_FILES: Final = 20
#: runs of one file that are looked at
_MOST_RUNS: Final = 20
#: files that a note names
_SAID_AT_ONCE: Final = 5
#: A file whose runs fail for a passing reason is tried again, each time after twice the wait.
_LONGEST_WAIT_SECONDS: Final = 3600


@dg.sensor(
    job=apply_patch_job,
    minimum_interval_seconds=INTERVAL_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Applies every patch plan that is put into a tenant's inbox, `$DEMO_HOME/inbox/<tenant>/`, "
    "as .csv, .xlsx, .json or .yaml, and moves it to `done/` or `refused/` there, with a report beside it. A "
    "file is taken once it has such a name: write it under another (`plan.csv.part`) and rename it.",
)
def plan_inbox(context: dg.SensorEvaluationContext, demo: DemoTenants) -> dg.SensorResult:
    """Request a run for each waiting file that has none; log once what needs a person."""
    waiting = waiting_files(demo.settings)
    unknown, unknown_notes = _unknown_tenants(demo, waiting)
    for file in waiting.unusable:
        if file.tenant in unknown:
            continue
        context.log.warning(
            "%s", refuse_unusable(demo.database, demo.settings, file, JobCaller(requested_by="plan_inbox"))
        )
    now = time.time()
    requests: list[dg.RunRequest] = []
    stuck: list[InboxFile] = []
    for file in waiting.files:
        if file.tenant in unknown:
            continue
        runs = runs_of(context.instance, file)
        if any(STUCK_TAG in record.dagster_run.tags for record in runs):
            stuck.append(file)
        # Files that wait for another try must not delay others.
        elif len(requests) < _MOST_FILES and (request := next_run(context.instance, file, runs, now)):
            requests.append(request)
    notes = "; ".join([*_stuck_notes(stuck), *unknown_notes, *waiting.notes])
    # Logged when they change, not at every tick.
    seen = sha256(notes.encode(errors="backslashreplace")).hexdigest() if notes else ""
    if notes and seen != context.cursor:
        context.log.warning("%s", neutral(notes))
    skip_reason = None if requests else notes or "no plan waits for a run"
    return dg.SensorResult(run_requests=requests, skip_reason=skip_reason, cursor=seen)


def _unknown_tenants(demo: DemoTenants, waiting: Waiting) -> tuple[Collection[str], list[str]]:
    """Folders whose tenant does not exist, reported in the inbox, and what to say of them."""
    folders = {file.tenant for file in (*waiting.files, *waiting.unusable)} | set(waiting.odd_folders)
    try:
        unknown = unknown_tenants(demo.database, demo.settings, folders)
    except DemoError as error:
        # Each run finds out, once the database answers.
        return (), [error.message]
    return unknown, report_unknown(demo.settings, waiting, unknown)


def runs_of(instance: dg.DagsterInstance, file: InboxFile) -> Sequence[dg.RunRecord]:
    """The runs that were launched for a file, the latest first; not all of very many."""
    return instance.get_run_records(dg.RunsFilter(tags={INBOX_TAG: file.fingerprint}), limit=_MOST_RUNS)


def next_run(
    instance: dg.DagsterInstance, file: InboxFile, runs: Sequence[dg.RunRecord], now: float
) -> dg.RunRequest | None:
    """The next run of a file that had ``runs``; None while one is under way, and for a while after one.

    ``now``: seconds since 1970.

    Dagster remembers run keys for ever: a file that is put there again has another fingerprint, and a file
    that stayed gets a key for each try.
    """
    if any(not record.dagster_run.is_finished for record in runs):
        return None
    wait = min(INTERVAL_SECONDS * 2 ** len(runs), _LONGEST_WAIT_SECONDS)
    if any((record.end_time or 0) > now - wait for record in runs):
        return None
    key = file.fingerprint
    tries = len(runs)
    if tries == _MOST_RUNS:
        tries = instance.get_runs_count(dg.RunsFilter(tags={INBOX_TAG: key}))
    return dg.RunRequest(
        run_key=f"{key}-{tries}",
        job_name=JOB,
        run_config={"ops": {"patch": {"config": {"tenant": file.tenant, "inbox_file": file.name}}}},
        tags={TENANT_TAG: file.tenant, INBOX_TAG: key, REQUESTER_TAG: f"inbox file {file.name}"},
    )


def _stuck_notes(stuck: Sequence[InboxFile]) -> Iterator[str]:
    """What is to be done about files that were dealt with and could not be moved."""
    if stuck:
        names = ", ".join(f"{file.tenant}/{file.name}" for file in stuck[:_SAID_AT_ONCE])
        more = f" and {len(stuck) - _SAID_AT_ONCE} more" if len(stuck) > _SAID_AT_ONCE else ""
        yield (
            f"dealt with, could not be moved, not looked at again: {names}{more}; "
            "move what is named away: the runs say what hinders them"
        )
