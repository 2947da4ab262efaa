"""Redis that is away, or that loses its queue, and a worker that dies with a run it has not begun."""

from __future__ import annotations

import signal
import time
from collections import Counter
from typing import Final

import dagster as dg
import psutil
import pytest
import redis

from tests.defs.shared.run_builders import BRAKE, RELEASE, assert_nothing_is_left, writers
from tests.fixtures.celery_workers import Broker, StartWorker, Worker
from tests.fixtures.dagster_daemon import StartDaemon
from tests.fixtures.dagster_instance import DagsterHome
from tests.workers.builders import TENANTS, backfill, completed, provision, runs, urls_of, use_workers

FAILURE, STARTING, SUCCESS = (
    dg.DagsterRunStatus.FAILURE,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.SUCCESS,
)
#: run after run in one slot
THREE: Final = TENANTS[:3]


def ended(home: DagsterHome) -> Counter[dg.DagsterRunStatus]:
    """How all runs ended."""
    return Counter(run.status for run in home.instance.get_runs())


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("start_timeout", "failures"),
    [pytest.param(180, 0, id="shorter than a start may take"), pytest.param(10, 1, id="longer")],
)
def test_launches_wait_while_redis_is_away(
    dagster_home: DagsterHome,
    broker: Broker,
    start_worker: StartWorker,
    start_daemon: StartDaemon,
    start_timeout: int,
    failures: int,
) -> None:
    """A run that was begun goes on. The next one waits, fails at most once, and the others stay queued."""
    home = dagster_home
    worker = start_worker(urls_of(home, broker.url))
    provision(home, THREE)
    home.execute_as_owner(BRAKE)
    use_workers(home, slots=1, start_timeout=start_timeout)
    daemon = start_daemon({"DEMO_BROKER_URL": broker.url})
    backfill(home, THREE)
    daemon.wait_for("the worker is writing", lambda: worker.is_ready and writers(home) == 1)
    broker.stop()
    home.execute_as_owner(RELEASE)
    daemon.wait_for("the run that was begun is done", lambda: len(runs(home, SUCCESS)) == 1)
    daemon.wait_for("the next one is launched", lambda: bool(runs(home, STARTING)))
    time.sleep(25)
    assert completed(home) == 1
    assert len(runs(home, FAILURE)) == failures
    broker.start()
    daemon.wait_for("all tenants are there", lambda: completed(home) == len(THREE))
    assert_nothing_is_left(home, daemon, *THREE, patch_count=0)
    assert ended(home) == Counter({SUCCESS: len(THREE), FAILURE: failures})
    assert worker.stop() == 0


@pytest.mark.long
@pytest.mark.timeout(900)
def test_runs_are_tried_again_after_redis_has_lost_its_queue(
    dagster_home: DagsterHome, broker: Broker, start_worker: StartWorker, start_daemon: StartDaemon
) -> None:
    """Runs that were in it fail when they should have started, and their retries do what they would have."""
    home = dagster_home
    provision(home, TENANTS[:2])
    use_workers(home, slots=2, start_timeout=20)
    daemon = start_daemon({"DEMO_BROKER_URL": broker.url})
    backfill(home, TENANTS[:2])
    with redis.Redis.from_url(broker.url) as queue:
        daemon.wait_for("both runs are in the queue", lambda: queue.llen("dagster") == 2)
    broker.stop()
    broker.start()
    worker = start_worker(urls_of(home, broker.url))
    daemon.wait_for("both tenants are there", lambda: completed(home) == 2)
    assert_nothing_is_left(home, daemon, *TENANTS[:2], patch_count=0)
    assert ended(home) == Counter({SUCCESS: 2, FAILURE: 2})
    assert worker.stop() == 0


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_run_that_was_taken_and_not_begun_is_queued_again(
    dagster_home: DagsterHome, broker: Broker, start_worker: StartWorker, start_daemon: StartDaemon
) -> None:
    """The worker that took it is killed before its process begins: another one gets it, and no run fails."""
    home = dagster_home
    first = start_worker(urls_of(home, broker.url), "--slots", "1")
    provision(home, TENANTS[:1])
    use_workers(home, slots=1)
    daemon = start_daemon({"DEMO_BROKER_URL": broker.url})
    daemon.wait_for("the worker is ready", lambda: first.is_ready)
    stop_slots(first)
    backfill(home, TENANTS[:1])
    with redis.Redis.from_url(broker.url) as queue:
        daemon.wait_for("the worker has taken the run", lambda: queue.hlen("unacked") == 1)
    first.kill()
    second = start_worker(urls_of(home, broker.url))
    daemon.wait_for("the tenant is there", lambda: completed(home) == 1)
    assert_nothing_is_left(home, daemon, TENANTS[0], patch_count=0)
    assert ended(home) == Counter({SUCCESS: 1})
    assert second.stop() == 0


def stop_slots(worker: Worker) -> None:
    """SIGSTOP for the processes that would execute runs: the worker still takes them."""
    for process in psutil.Process(worker.process.pid).children(recursive=True):
        process.send_signal(signal.SIGSTOP)
