"""A database is away for a minute while the daemon runs: afterwards nothing is stuck, lost or there twice."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any, cast

import dagster as dg
import pytest

from demo_pipeline.definitions import defs
from demo_pipeline.defs.shared.run_tags import RANGE_END_TAG, RANGE_START_TAG
from demo_pipeline.services.platform.instance import STORAGE_VARIABLE
from tests.defs.patches.inbox_builders import folder_of, put
from tests.defs.shared.run_builders import (
    BRAKE,
    PATCH,
    RELEASE,
    assert_nothing_is_left,
    assert_told_once,
    is_applied,
    runs_of_file,
    status,
    tick_alerts,
    writers,
)
from tests.fixtures.dagster_daemon import Daemon, StartDaemon
from tests.fixtures.dagster_instance import DagsterHome
from tests.fixtures.outages import SwitchableProxy, switchable
from tests.fixtures.receivers import WebHook

AWAY_SECONDS = 60
FAILURE = dg.DagsterRunStatus.FAILURE
LATER_PATCH = "month,contacts_created\n2025-03,2\n"
#: database → the variables that name it
CRM = ("DEMO_DATABASE_URL", "DEMO_LOADER_URL")
DAGSTER = ("DEMO_DAGSTER_URL", STORAGE_VARIABLE)


@pytest.fixture
def proxy(dagster_home: DagsterHome) -> Iterator[SwitchableProxy]:
    """A proxy in front of the server that has both databases."""
    with switchable(dagster_home.environment["DEMO_DATABASE_URL"]) as found:
        yield found


def through(home: DagsterHome, proxy: SwitchableProxy, names: tuple[str, ...]) -> Mapping[str, str]:
    """The variables of a daemon that reaches one of the databases by way of the proxy."""
    return {name: proxy.through(home.environment[name]) for name in names}


def completed(home: DagsterHome) -> int:
    """Jobs that are completed."""
    return int(home.query("select count(*) from demo.jobs where status = 'completed'")[0][0])


def shown_months(home: DagsterHome, slug: str) -> int:
    """Months of a tenant that the pages show as materialised."""
    return sum(key.endswith(f"|{slug}") for key in home.materialised("kpi_snapshot"))


def job_of(home: DagsterHome, slug: str) -> str:
    """The only job of a tenant."""
    [(job,)] = home.query(
        "select j.id from demo.jobs j join crm.tenants t on t.id = j.tenant_id where t.slug = %s", slug
    )
    return str(job)


def launch_months(home: DagsterHome, like: dg.DagsterRun, slug: str) -> dg.DagsterRun:
    """Queue a run of all months of a tenant, as the pages do; ``like``: a run of the same code location."""
    remote, code, name = like.remote_job_origin, like.job_code_origin, "materialise_tenants"
    assert remote is not None
    assert code is not None
    run = home.instance.create_run_for_job(
        defs().resolve_job_def(name),
        tags={RANGE_START_TAG: f"2025-01|{slug}", RANGE_END_TAG: f"2025-03|{slug}"},
        status=dg.DagsterRunStatus.NOT_STARTED,
        remote_job_origin=type(remote)(remote.repository_origin, name),
        job_code_origin=type(code)(name, code.repository_origin),
    )
    # The queue does not look at the workspace.
    home.instance.submit_run(run.run_id, cast("Any", None))
    return run


def two_runs_amid_their_jobs(
    home: DagsterHome, start_daemon: StartDaemon, variables: Mapping[str, str]
) -> tuple[Daemon, dg.DagsterRun, dg.DagsterRun]:
    """A plan of acme from the inbox, and the months of bolt from the pages, both amid their rows."""
    home.provision("acme", "bolt")
    assert home.materialise("acme").success
    home.execute_as_owner(BRAKE)
    put(folder_of(home, "acme"), "spring.csv", PATCH)
    daemon = start_daemon(variables)
    daemon.wait_for("the run of the plan is writing", lambda: writers(home) == 1)
    [patch] = runs_of_file(home)
    months = launch_months(home, patch, "bolt")
    daemon.wait_for("both runs are writing", lambda: writers(home) == 2)
    return daemon, patch, months


@pytest.mark.long
def test_dagster_s_database_is_away(
    dagster_home: DagsterHome, start_daemon: StartDaemon, proxy: SwitchableProxy, alert_hook: WebHook
) -> None:
    """Amid two runs, then without one: jobs are committed once meanwhile, and shown once it is back."""
    daemon, *_ = two_runs_amid_their_jobs(dagster_home, start_daemon, through(dagster_home, proxy, DAGSTER))
    proxy.switch_off()
    dagster_home.execute_as_owner(RELEASE)
    daemon.wait_for("both jobs are committed without it", lambda: completed(dagster_home) == 3)
    time.sleep(AWAY_SECONDS)
    proxy.switch_on()
    daemon.wait_for("the plan is done", lambda: is_applied(dagster_home, "spring.csv"))
    daemon.wait_for("bolt is shown", lambda: shown_months(dagster_home, "bolt") == 3)
    assert_nothing_is_left(dagster_home, daemon, "acme", "bolt", patch_count=1)

    proxy.switch_off()
    put(dagster_home.settings.inbox_folder / "acme", "summer.csv", LATER_PATCH)
    time.sleep(AWAY_SECONDS / 2)
    proxy.switch_on()
    daemon.wait_for("the next plan is done", lambda: is_applied(dagster_home, "summer.csv"))
    assert_nothing_is_left(dagster_home, daemon, "acme", "bolt", patch_count=2)
    assert daemon.is_running
    assert_told_once(dagster_home, alert_hook)


@pytest.mark.long
def test_the_crm_s_database_is_away(
    dagster_home: DagsterHome, start_daemon: StartDaemon, proxy: SwitchableProxy, alert_hook: WebHook
) -> None:
    """Amid two runs, then without one: plans are applied by retries, months after the alert."""
    daemon, _, months = two_runs_amid_their_jobs(
        dagster_home, start_daemon, through(dagster_home, proxy, CRM)
    )
    proxy.switch_off()
    dagster_home.execute_as_owner(RELEASE)
    time.sleep(AWAY_SECONDS)
    proxy.switch_on()
    daemon.wait_for("the plan is applied", lambda: is_applied(dagster_home, "spring.csv"))
    daemon.wait_for("the months are failed", lambda: status(dagster_home, months) == FAILURE)
    tick_alerts(dagster_home)
    job = job_of(dagster_home, "bolt")
    told = dagster_home.query(
        "select detail ->> 'command' from demo.incidents where detail ->> 'tenant' = 'bolt'"
    )
    assert told == [(f"demo-pipeline job retry {job}",)], "the run of the job is not another incident"
    assert dagster_home.materialise("bolt").success
    assert_nothing_is_left(dagster_home, daemon, "acme", "bolt", patch_count=1)

    proxy.switch_off()
    put(dagster_home.settings.inbox_folder / "acme", "summer.csv", LATER_PATCH)
    time.sleep(AWAY_SECONDS / 2)
    proxy.switch_on()
    daemon.wait_for("the next plan is done", lambda: is_applied(dagster_home, "summer.csv"))
    assert_nothing_is_left(dagster_home, daemon, "acme", "bolt", patch_count=2)
    assert daemon.is_running
    # A release may have met the outage, too: its alert names its page, where it is re-executed.
    for slug in ("acme", "bolt"):
        assert dagster_home.release(slug).success
    assert_told_once(dagster_home, alert_hook)
