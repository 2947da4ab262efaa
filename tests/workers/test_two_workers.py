"""Two workers with URLs only: a backfill over both, while one of them is killed."""

from __future__ import annotations

import sys
import time
from collections import Counter
from typing import Any, Final, cast

import dagster as dg
import pytest
from dagster._core.execution.backfill import BulkActionStatus  # noqa: TID251 - what the pages store

from demo_pipeline.defs.shared.run_tags import TENANT_TAG
from demo_pipeline.services.months.materialise import materialise
from demo_pipeline.services.tenants.provision import provision_all
from demo_pipeline.services.tenants.queries import digest
from demo_pipeline.storage.embedded.process import Account
from tests.defs.shared.run_builders import (
    BRAKE,
    RELEASE,
    assert_nothing_is_left,
    assert_told_once,
    tick_alerts,
    writers,
)
from tests.fixtures.celery_workers import StartWorker
from tests.fixtures.dagster_daemon import StartDaemon
from tests.fixtures.dagster_instance import DagsterHome
from tests.fixtures.postgres import MakeDatabase
from tests.fixtures.receivers import WebHook
from tests.workers.builders import (
    MONTHS,
    TENANTS,
    backfill,
    completed,
    launcher_of,
    provision,
    runs,
    urls_of,
    use_workers,
)

FAILURE, SUCCESS = dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.SUCCESS
KILLED_AFTER: Final = 5
HOLD: Final = "select setval('public.brake', 1)"


def backfill_status(home: DagsterHome) -> BulkActionStatus:
    """How far the only backfill is."""
    [found] = home.instance.get_backfills()
    return found.status


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_backfill_over_two_workers_outlives_one_of_them(
    dagster_home: DagsterHome,
    broker_url: str,
    start_worker: StartWorker,
    worker_account: Account,
    start_daemon: StartDaemon,
    alert_hook: WebHook,
    make_database: MakeDatabase,
) -> None:
    """20 tenants × 24 months; one worker is killed while it writes: all complete, exact, told once."""
    home = dagster_home
    workers = [start_worker(urls_of(home, broker_url)) for _ in range(2)]
    provision(home, TENANTS)
    home.execute_as_owner(BRAKE)
    home.execute_as_owner(RELEASE)
    use_workers(home, slots=2)
    assert not worker_account.can_write(home.settings.home) or worker_account.uid is None
    daemon = start_daemon({"DEMO_BROKER_URL": broker_url})
    backfill(home, TENANTS)
    daemon.wait_for("workers", lambda: all(one.is_ready for one in workers))
    control: Any = cast("Any", launcher_of(home, broker_url)).celery.control
    assert len(control.inspect(timeout=5).ping()) == len(workers), "each has a name of its own"
    daemon.wait_for("some tenants are there", lambda: completed(home) >= KILLED_AFTER)
    home.execute_as_owner(HOLD)
    daemon.wait_for("both workers are writing", lambda: writers(home) == 2)
    workers[0].kill()
    killed_at = time.monotonic()
    daemon.wait_for("the server noticed", lambda: writers(home) == 1)
    # The next tick of the daemon could be after the retry, when nothing is wrong any more.
    tick_alerts(home)
    home.execute_as_owner(RELEASE)
    daemon.wait_for("the run is failed", lambda: bool(runs(home, FAILURE)))
    failed_after = time.monotonic() - killed_at
    daemon.wait_for("all tenants are there", lambda: completed(home) == len(TENANTS))
    sys.stderr.write(
        f"failed {failed_after:.1f} s after the kill, all there {time.monotonic() - killed_at:.1f} s\n"
    )
    assert_nothing_is_left(home, daemon, *TENANTS, patch_count=0)

    assert assert_told_once(home, alert_hook) == {"failed_job": 1}
    [lost] = runs(home, FAILURE)
    [retry] = [run for run in runs(home, SUCCESS) if run.parent_run_id == lost.run_id]
    assert len(runs(home, SUCCESS)) == len(home.instance.get_runs()) - 1 == len(TENANTS)
    assert home.materialised("kpi_snapshot") == {f"{month}|{slug}" for slug in TENANTS for month in MONTHS}
    # The daemon looks at it from time to time.
    daemon.wait_for("the backfill ended", lambda: backfill_status(home) is not BulkActionStatus.REQUESTED)
    assert backfill_status(home) is BulkActionStatus.COMPLETED_SUCCESS
    # One attempt of one job failed, that of the killed worker, and its tenant is like one made in one piece.
    attempts = Counter(status for (status,) in home.query("select status from demo.job_attempts"))
    assert attempts == {"completed": len(TENANTS), "failed": 1}
    assert workers[1].stop() == 0
    assert "Traceback" not in workers[1].log.read_text(encoding="utf-8", errors="replace")
    slug, elsewhere = retry.tags[TENANT_TAG], make_database()
    provision_all(elsewhere, home.settings, [home.folder / f"{slug}.yaml"])
    materialise(elsewhere, home.settings, slug)
    assert digest(home.database, home.settings, slug) == digest(elsewhere, home.settings, slug)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_run_that_is_terminated_is_rolled_back_and_not_retried(
    dagster_home: DagsterHome, broker_url: str, start_worker: StartWorker, start_daemon: StartDaemon
) -> None:
    """*Terminate* on the pages reaches the worker: nothing is left of the run, and it is not retried."""
    home = dagster_home
    worker = start_worker(urls_of(home, broker_url))
    provision(home, TENANTS[:1])
    home.execute_as_owner(BRAKE)
    use_workers(home, slots=1)
    daemon = start_daemon({"DEMO_BROKER_URL": broker_url})
    backfill(home, TENANTS[:1])
    daemon.wait_for("the worker is writing", lambda: worker.is_ready and writers(home) == 1)
    [run] = runs(home, dg.DagsterRunStatus.STARTED)
    assert launcher_of(home, broker_url).terminate(run.run_id)
    daemon.wait_for("it is canceled", lambda: bool(runs(home, dg.DagsterRunStatus.CANCELED)))
    assert writers(home) == 0
    assert home.row_count(TENANTS[0]) == 0
    [canceled] = home.instance.get_runs()
    assert canceled.tags.get("dagster/will_retry") != "true"
    assert worker.stop() == 0
