"""The launcher of ``deploy/celery/dagster.yaml``: Dagster's Celery launcher with a better health check.

The stock launcher believes the result backend, which says *started* of a task whatever became of its
worker. A run of a killed worker then stays *started* until the longest run time is over. Here the workers
themselves are asked: a run whose task none of them executes is dead.

One answer may be missing because a worker is busy or has just taken the task, so it takes two in a row. A run
that is taken for dead and is not can do no harm: its job holds the tenant, and the retry waits for it.

Runs of the command line have no task; they are judged by their process, as Dagster's other launcher does it
here. The base class of launchers and their answers are not public in Dagster: a test runs this one.
"""

from __future__ import annotations

import time
from typing import Any, Final, cast

import dagster as dg
from dagster._core.launcher import CheckRunHealthResult, LaunchRunContext, WorkerStatus  # noqa: TID251 - see above
from dagster_celery.launcher import CeleryRunLauncher
from dagster_celery.tags import DAGSTER_CELERY_QUEUE_TAG, DAGSTER_CELERY_TASK_ID_TAG
from kombu.exceptions import OperationalError

from demo_pipeline.defs.shared.run_launcher import is_process_gone
from demo_pipeline.defs.shared.run_tags import INBOX_TAG

#: queue of the workers that have the folders of the daemon: inbox, blueprints, exports
FOLDER_QUEUE: Final = "folders"
_FOLDER_JOB: Final = "provision_tenants"
_FOLDER_ASSET: Final = dg.AssetKey("tenant_export")
_FOLDER_KEY: Final = "inbox_file"
#: for the workers to answer
_ANSWER_SECONDS: Final = 2.0
#: One question serves all runs of a poll of Dagster's monitoring, which takes turns of five seconds.
_SAME_POLL_SECONDS: Final = 2.0
#: For the queue to answer; Dagster's daemon ends itself when it was silent for twice as long.
_QUEUE_SECONDS: Final = 900
_MOST_SECONDS_BETWEEN_TRIES: Final = 5
#: polls in a row in which no worker had the run
_MOST_MISSES: Final = 2


class WorkerRunLauncher(CeleryRunLauncher):
    """Queues runs for workers, and notices those whose worker was killed."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        #: run → polls in a row in which no worker executed it
        self._misses: dict[str, int] = {}
        self._active: tuple[float, frozenset[str]] = (float("-inf"), frozenset())

    def launch_run(self, context: LaunchRunContext) -> None:
        """Queue a run; one that reads or writes folders for the workers beside them.

        Waits while Redis is away: the runs behind this one stay in Dagster's queue, and none of them uses up
        its retries. Raises ``OperationalError`` after a quarter of an hour.
        """
        run = context.dagster_run
        if DAGSTER_CELERY_QUEUE_TAG not in run.tags and uses_folders(run):
            self._instance.add_run_tags(run.run_id, {DAGSTER_CELERY_QUEUE_TAG: FOLDER_QUEUE})
            run = run.with_tags({**run.tags, DAGSTER_CELERY_QUEUE_TAG: FOLDER_QUEUE})
        with cast("Any", self).celery.connection_for_write() as connection:
            connection.ensure_connection(
                interval_start=1,
                interval_step=1,
                interval_max=_MOST_SECONDS_BETWEEN_TRIES,
                timeout=_QUEUE_SECONDS,
            )
        super().launch_run(context._replace(dagster_run=run))

    def terminate(self, run_id: str) -> bool:
        """Interrupt a run; its job is rolled back. False: it has ended, or no worker has it."""
        run = self._instance.get_run_by_id(run_id)
        task_id = run and run.tags.get(DAGSTER_CELERY_TASK_ID_TAG)
        if run is None or run.is_finished or not task_id:
            return False
        # First: a run that ends in this state is canceled, and not retried.
        self._instance.report_run_canceling(run)
        # The stock launcher sends SIGTERM, which ends Celery's process before anything can be rolled back.
        control = cast("Any", self).celery.control
        control.revoke(task_id, terminate=True, signal="SIGINT")
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Whether a worker executes a started run."""
        task_id = run.tags.get(DAGSTER_CELERY_TASK_ID_TAG)
        if task_id is None:
            if is_process_gone(self._instance, run):
                return CheckRunHealthResult(WorkerStatus.FAILED, "the process of its command is gone")
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        try:
            is_active = task_id in self._active_tasks()
        except OperationalError as error:
            return CheckRunHealthResult(WorkerStatus.RUNNING, f"the workers cannot be asked: {error}")
        misses = 0 if is_active else self._misses.pop(run.run_id, 0) + 1
        if misses >= _MOST_MISSES:
            return CheckRunHealthResult(WorkerStatus.FAILED, "no worker executes it any more")
        if misses:
            self._misses[run.run_id] = misses
        else:
            self._misses.pop(run.run_id, None)
        return CheckRunHealthResult(WorkerStatus.RUNNING)

    def _active_tasks(self) -> frozenset[str]:
        """Ids of the tasks that living workers execute now.

        Raises ``OperationalError`` where the broker does not answer.
        """
        asked_at, active = self._active
        if time.monotonic() > asked_at + _SAME_POLL_SECONDS:
            # Celery has no types.
            control = cast("Any", self).celery.control
            answers: dict[str, list[dict[str, Any]]] = control.inspect(timeout=_ANSWER_SECONDS).active() or {}
            active = frozenset(str(task["id"]) for tasks in answers.values() for task in tasks)
            self._active = time.monotonic(), active
        return active


def uses_folders(run: dg.DagsterRun) -> bool:
    """Whether a run reads the inbox or the blueprints, or writes exports."""
    ops: dict[str, Any] = cast("Any", run).run_config.get("ops", {})
    return (
        INBOX_TAG in run.tags
        or run.job_name == _FOLDER_JOB
        or _FOLDER_ASSET in (run.asset_selection or ())
        or any(op.get("config", {}).get(_FOLDER_KEY) is not None for op in ops.values())
    )
