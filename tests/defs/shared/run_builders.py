"""Steps that tests of faults take: a run amid its job, its end, and what a fault must leave.

A fault must leave nothing that is stuck, no row missing or twice, and no incident that is told twice.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

import dagster as dg

from demo_pipeline.defs.operations.alerts import alerts
from demo_pipeline.defs.shared.resources import DemoTenants
from demo_pipeline.defs.shared.run_tags import INBOX_TAG
from demo_pipeline.services.tenants.verify import verify
from tests.defs.operations.test_failed_partitions import failed
from tests.defs.patches.inbox_builders import files, folder_of, put
from tests.fixtures.dagster_daemon import Daemon, StartDaemon
from tests.fixtures.dagster_instance import DagsterHome
from tests.fixtures.receivers import WebHook

#: half a second a row while the sequence stands at 1. A sequence belongs to no transaction and no snapshot:
#: a statement that began before sees at once that the brake was let go.
BRAKE: Final = """
create sequence public.brake; grant select on public.brake to public;
create function public.slow() returns trigger language plpgsql security definer as $$
begin
    if (select last_value from crm.brake) = 1 then perform pg_sleep(0.5); end if;
    return new;
end $$;
create trigger slow before insert on crm.contacts for each row execute function public.slow();
"""
RELEASE: Final = "select setval('public.brake', 2)"
_WRITERS: Final = """
select count(distinct pid) from pg_locks where relation = 'crm.contacts'::regclass
    and mode = 'RowExclusiveLock' and pid <> pg_backend_pid()
    and database = (select oid from pg_database where datname = current_database())
"""
PATCH: Final = "month,contacts_created\n2025-02,300\n"


def writers(home: DagsterHome) -> int:
    """Sessions that are amid the rows of a job."""
    return int(home.query(_WRITERS)[0][0])


def run_amid_its_job(home: DagsterHome, start_daemon: StartDaemon) -> tuple[Daemon, dg.DagsterRun]:
    """A daemon amid the run of a plan of the inbox that takes minutes, until the brake is let go."""
    home.provision("acme")
    assert home.materialise("acme").success
    home.execute_as_owner(BRAKE)
    put(folder_of(home, "acme"), "spring.csv", PATCH)
    daemon = start_daemon()
    daemon.wait_for("the run is writing", lambda: writers(home) == 1)
    [run] = home.instance.get_runs(dg.RunsFilter(job_name="apply_patch"))
    assert run.status == dg.DagsterRunStatus.STARTED
    return daemon, run


def status(home: DagsterHome, run: dg.DagsterRun) -> dg.DagsterRunStatus:
    """How far a run is."""
    found = home.instance.get_run_by_id(run.run_id)
    assert found is not None
    return found.status


def runs_of_file(home: DagsterHome) -> list[dg.DagsterRun]:
    """All runs for plans of the inbox, the first one first."""
    runs = home.instance.get_runs(dg.RunsFilter(job_name="apply_patch"))
    return [run for run in reversed(runs) if INBOX_TAG in run.tags]


def is_applied(home: DagsterHome, name: str, slug: str = "acme") -> bool:
    """Whether a plan of the inbox is among those that are done."""
    return f"done/{name}" in files(home.settings.inbox_folder / slug)


def all_runs_ended(home: DagsterHome) -> bool:
    """Whether no run is queued, starting or started."""
    return all(run.is_finished for run in home.instance.get_runs())


def tick_alerts(home: DagsterHome) -> None:
    """One tick of the sensor, as that of a second daemon: it reads everything again."""
    context = dg.build_sensor_context(instance=home.instance, resources={"demo": DemoTenants()})
    with context:
        alerts(context)


def assert_nothing_is_left(home: DagsterHome, daemon: Daemon, *slugs: str, patch_count: int) -> None:
    """No run or job is under way, each tenant is complete and exact, each plan was applied once."""
    daemon.wait_for("all runs ended", lambda: all_runs_ended(home))
    assert home.query("select count(*) from demo.job_attempts where status = 'running'") == [(0,)]
    patches = home.query("select status from demo.jobs where kind = 'patch'")
    assert patches == [("completed",)] * patch_count
    verdicts = verify(home.database, home.settings)
    assert sorted(one.tenant for one in verdicts) == sorted(slugs)
    assert all(one.is_as_expected for one in verdicts), [str(one) for one in verdicts]
    for slug in slugs:
        assert failed(home, slug) == set()


def assert_told_once(home: DagsterHome, hook: WebHook) -> Counter[str]:
    """Each incident was told once and its end once; the incidents by kind."""
    tick_alerts(home)
    assert home.query("select kind, subject from demo.incidents where closed_at is null") == []
    found = Counter(kind for (kind,) in home.query("select kind from demo.incidents"))
    described = Counter[str]()
    for message in hook.messages:
        # One message may describe several incidents of a kind.
        described[message["type"]] += message["message"].count("\n\n") + 1
    assert described == Counter({"failure": found.total(), "success": found.total()}), hook.messages
    return found
