"""What the launcher of workers says of a run, and where it queues one; with a real Redis and no worker."""

from __future__ import annotations

from typing import Any, Final

import dagster as dg
import pytest

from demo_pipeline.defs.asset_pages.show_job import show_job
from demo_pipeline.defs.operations.tenant_export import tenant_export
from demo_pipeline.defs.operations.tenant_partitions import provision_tenants
from demo_pipeline.defs.patches.patch_job import PatchConfig
from demo_pipeline.defs.shared.run_launcher import PROCESS_TAG, this_process
from demo_pipeline.defs.shared.run_tags import INBOX_TAG
from demo_pipeline.workers import run_launcher
from demo_pipeline.workers.run_launcher import WorkerRunLauncher, uses_folders
from tests.fixtures.dagster_instance import DagsterHome
from tests.fixtures.dagster_web import free_port

ALIVE: Final = "RUNNING"
DEAD: Final = "FAILED"
TASK: Final = "dagster-celery/task_id"
CONFIG: Final = {"ops": {"show": {"config": {"job_id": "-"}}}}


def launcher(home: DagsterHome, broker_url: str) -> WorkerRunLauncher:
    """A launcher of the instance."""
    made = WorkerRunLauncher("dagster", broker=broker_url, backend=broker_url)
    made.register_instance(home.instance)
    return made


def started_run(home: DagsterHome, tags: dict[str, str]) -> dg.DagsterRun:
    """A run that the instance believes to be started."""
    return home.instance.create_run_for_job(
        show_job, run_config=CONFIG, tags=tags, status=dg.DagsterRunStatus.STARTED
    )


@pytest.fixture(autouse=True)
def _polls_follow_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each poll asks again, and waits for a moment: there is no worker that could answer."""
    monkeypatch.setattr(run_launcher, "_SAME_POLL_SECONDS", 0.0)
    monkeypatch.setattr(run_launcher, "_ANSWER_SECONDS", 0.2)


def healths(by: WorkerRunLauncher, run: dg.DagsterRun, polls: int) -> list[str]:
    """What it says of a run in so many polls."""
    return [str(by.check_run_worker_health(run).status.value) for _ in range(polls)]


def test_a_run_that_no_worker_has_is_dead_at_the_second_poll(
    shared_home: DagsterHome, broker_url: str
) -> None:
    """One missing answer proves nothing."""
    run = started_run(shared_home, {TASK: "lost"})
    assert healths(launcher(shared_home, broker_url), run, 2) == [ALIVE, DEAD]


def test_a_run_is_alive_while_the_workers_cannot_be_asked(shared_home: DagsterHome) -> None:
    """Without Redis nothing is known, and nothing is failed."""
    run = started_run(shared_home, {TASK: "somewhere"})
    assert healths(launcher(shared_home, f"redis://127.0.0.1:{free_port()}/0"), run, 3) == [ALIVE] * 3


def test_a_run_of_the_command_line_is_judged_by_its_process(
    shared_home: DagsterHome, broker_url: str
) -> None:
    """It has no task; a process of another host counts as alive."""
    by = launcher(shared_home, broker_url)
    host = this_process().rpartition(":")[0]
    said = [
        by.check_run_worker_health(started_run(shared_home, {PROCESS_TAG: process})).status.value
        for process in (this_process(), f"{host}:{2**22 + 1}", "elsewhere:1")
    ]
    assert said == [ALIVE, DEAD, ALIVE]
    assert not by.terminate(started_run(shared_home, {PROCESS_TAG: this_process()}).run_id)


@pytest.mark.parametrize(
    ("details", "is_expected"),
    [
        pytest.param({}, False, id="any"),
        pytest.param({"tags": {INBOX_TAG: "x"}}, True, id="a file of the inbox"),
        pytest.param({"job_name": provision_tenants.name}, True, id="blueprints"),
        pytest.param({"asset_selection": frozenset({tenant_export.key})}, True, id="exports"),
        pytest.param(
            {"run_config": {"ops": {"patch": {"config": {"tenant": "acme", "inbox_file": "a.csv"}}}}},
            True,
            id="a file of the inbox in the launchpad",
        ),
        pytest.param(
            {"run_config": {"ops": {"patch": {"config": {"tenant": "acme", "inbox_file": None}}}}},
            False,
            id="a plan in the launchpad",
        ),
    ],
)
def test_runs_that_use_folders_have_a_queue_of_their_own(details: Any, *, is_expected: bool) -> None:
    """Inbox, blueprints and exports are on the machine of the daemon only."""
    run = dg.DagsterRun(**({"job_name": "any"} | details))
    assert uses_folders(run) is is_expected
    assert "inbox_file" in PatchConfig.model_fields
