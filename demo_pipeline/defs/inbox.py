"""The sensor on the plan inbox: one run of ``apply_patch`` for each file that waits.

It is on from the start: a file has to be put into a folder that only the operator may write to, and what is
in it passes the same gates as any plan. Which files wait is known by ``services.inbox``.
"""

import time
from itertools import islice
from typing import Final

import dagster as dg

from demo_pipeline.defs.patch_job import JOB, apply_patch_job
from demo_pipeline.defs.resources import DemoTenants
from demo_pipeline.defs.run_tags import INBOX_TAG, REQUESTER_TAG, TENANT_TAG
from demo_pipeline.services.inbox import InboxFile, waiting_files

INTERVAL_SECONDS: Final = 30
#: runs that one tick asks for
_MOST_FILES: Final = 20
#: runs of one file that are looked at
_MOST_RUNS: Final = 20
#: A file whose runs fail for a passing reason is tried again, each time after twice the wait.
_LONGEST_WAIT_SECONDS: Final = 3600


@dg.sensor(
    job=apply_patch_job,
    minimum_interval_seconds=INTERVAL_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Applies every patch plan that is put into a tenant's inbox, `$DEMO_HOME/inbox/<tenant>/`, "
    "as .csv, .json or .yaml, and moves it to `done/` or `refused/` there, with a report beside it. A file "
    "is taken once it has such a name: write it under another (`plan.csv.part`) and rename it.",
)
def plan_inbox(context: dg.SensorEvaluationContext, demo: DemoTenants) -> dg.SensorResult:
    """Ask for a run of each file that waits and has none."""
    waiting = waiting_files(demo.settings)
    now = time.time()
    # Files that are to wait for another try must not keep others from theirs.
    wanted = (next_run(context.instance, file, now) for file in waiting.files)
    requests = list(islice(filter(None, wanted), _MOST_FILES))
    if not requests:
        return dg.SensorResult(skip_reason="; ".join(waiting.notes) or "no plan waits for a run")
    for note in waiting.notes:
        context.log.info("%s", note)
    return dg.SensorResult(run_requests=requests)


def next_run(instance: dg.DagsterInstance, file: InboxFile, now: float) -> dg.RunRequest | None:
    """The next run of a file; None while one is under way, and for a while after one that failed.

    ``now``: seconds since 1970.

    Dagster remembers run keys for ever: a file that is put there again has another fingerprint, and a file
    that stayed gets a key for each try.
    """
    key = file.fingerprint
    runs = instance.get_run_records(dg.RunsFilter(tags={INBOX_TAG: key}), limit=_MOST_RUNS)
    if any(not record.dagster_run.is_finished for record in runs):
        return None
    wait = min(INTERVAL_SECONDS * 2 ** len(runs), _LONGEST_WAIT_SECONDS)
    if any((record.end_time or 0) > now - wait for record in runs):
        return None
    return dg.RunRequest(
        run_key=f"{key}-{len(runs)}",
        job_name=JOB,
        run_config={"ops": {"patch": {"config": {"tenant": file.tenant, "inbox_file": file.name}}}},
        tags={TENANT_TAG: file.tenant, INBOX_TAG: key, REQUESTER_TAG: f"inbox file {file.name}"},
    )
