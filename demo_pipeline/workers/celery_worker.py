"""The worker: executes the runs that the launcher has queued, until it is stopped.

Its instance of Dagster is in a folder of its own, removed at the end: all that lasts is in the databases. The
queue and its settings come from ``dagster.yaml``, so that launcher and worker cannot differ. After SIGTERM
it takes no more runs, and ends when those that it executes have ended.
"""

from __future__ import annotations

import os
import shutil
import warnings
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, cast

import dagster as dg
from celery.signals import task_postrun
from dagster._grpc.types import ExecuteRunArgs
from dagster._serdes import unpack_value
from dagster_celery import tasks
from dagster_celery.launcher import CeleryRunLauncher

from demo_pipeline.domain.core.errors import InputError, Problem
from demo_pipeline.services.platform.instance import INSTANCE_FILE, prepare_instance, require_storage
from demo_pipeline.settings import BUNDLED_FILES, Settings
from demo_pipeline.storage.connection.database import Database

#: the instance of a worker that is given none
DEFAULT_INSTANCE: Final = BUNDLED_FILES / "deploy" / "celery" / INSTANCE_FILE


def run_worker(settings: Settings, database: Database, *, slots: int, queue: str) -> None:
    """Execute queued runs, ``slots`` at a time, until SIGTERM.

    Without ``DAGSTER_HOME`` the instance is a temporary folder with the file of ``deploy/celery``. Raises
    ``DatabaseError`` where Dagster's database cannot be reached, ``InputError`` where the given instance has
    no queue for workers.
    """
    with ExitStack() as stack:
        if settings.dagster_home_override is None:
            home = Path(stack.enter_context(TemporaryDirectory(prefix="demo-worker-")))
            shutil.copyfile(DEFAULT_INSTANCE, home / INSTANCE_FILE)
            settings = settings.model_copy(update={"dagster_home_override": home})
        os.environ.update(prepare_instance(settings, database))
        require_storage(settings)
        # Dagster warns that partitioned checks are a preview.
        warnings.simplefilter("ignore")
        with dg.DagsterInstance.get() as instance:
            app = _app(instance, settings.dagster_home)
            outputs = Path(instance.storage_directory())
        cast("Any", tasks).create_execute_job_task(app)
        _remove_outputs_after_each_run(outputs)
        app.worker_main(
            [
                *("worker", f"--concurrency={slots}", f"--queues={queue}", "--loglevel=INFO"),
                # Two workers of one name would answer in one: the launcher would miss the runs of the other.
                f"--hostname={queue}-{os.getpid()}@%h",
                # Neither is needed, and each sends messages from every worker to every other.
                *("--without-gossip", "--without-mingle"),
            ]
        )


def _app(instance: dg.DagsterInstance, home: Path) -> Any:
    """The Celery application of the instance's launcher; Celery has no types."""
    launcher = instance.run_launcher
    if isinstance(launcher, CeleryRunLauncher):
        return cast("Any", launcher).celery
    message = (
        f"{home / INSTANCE_FILE} names the run launcher {type(launcher).__name__}, which queues nothing for "
        "workers: use the file of deploy/celery, or unset DAGSTER_HOME"
    )
    problem = Problem(code="no_queue", message=message, field="DAGSTER_HOME", value=str(home))
    raise InputError(message, [problem])


def _remove_outputs_after_each_run(folder: Path) -> None:
    """What ops handed on is of no use after the run, and nobody else would remove it from this machine."""

    def remove(kwargs: dict[str, Any], **_: Any) -> None:
        arguments = unpack_value(kwargs["execute_job_args_packed"], as_type=ExecuteRunArgs)
        shutil.rmtree(folder / arguments.run_id, ignore_errors=True)

    task_postrun.connect(remove, weak=False)
