"""The schedule that brings tenants up to now: whom a tick asks for, and what its runs leave."""

from __future__ import annotations

from datetime import UTC, datetime

import dagster as dg
import pytest

from demo_pipeline.defs.months.top_up import top_up_running_month
from demo_pipeline.defs.shared.resources import DemoTenants
from demo_pipeline.domain.core.months import Month
from demo_pipeline.services.months.materialise import materialise
from demo_pipeline.services.tenants.provision import provision
from demo_pipeline.services.tenants.queries import digest
from demo_pipeline.settings import Settings
from tests.fixtures.dagster_instance import BLUEPRINT, DagsterHome
from tests.fixtures.postgres import MakeDatabase

#: Berlin in winter: one hour later. 3 March 2025 is a Monday, the 5th a Wednesday, the 8th a Saturday.
PROVISIONED = "2025-03-03T08:00:00+00:00"
WEDNESDAY_NOON = "2025-03-05T12:00:00+00:00"
WEDNESDAY_NIGHT = "2025-03-05T22:00:00+00:00"
SATURDAY_NOON = "2025-03-08T12:00:00+00:00"
MIDNIGHT = "2025-03-08T00:00:00+00:00"
MARCH_IS_OVER = "2025-03-31T22:30:00+00:00"


def tick(home: DagsterHome, monkeypatch: pytest.MonkeyPatch, at: str) -> list[dg.RunRequest]:
    """What the schedule asks for at an instant."""
    monkeypatch.setenv("DEMO_NOW", at)
    with dg.build_schedule_context(
        instance=home.instance,
        resources={"demo": DemoTenants()},
        scheduled_execution_time=datetime.fromisoformat(at).astimezone(UTC),
    ) as context:
        return list(top_up_running_month.evaluate_tick(context).run_requests or [])


def ranges(requests: list[dg.RunRequest]) -> dict[str, tuple[str, str]]:
    """First and last partition of each tenant."""
    return {
        request.tags["demo/tenant"]: (
            request.tags["dagster/asset_partition_range_start"],
            request.tags["dagster/asset_partition_range_end"],
        )
        for request in requests
    }


def load(home: DagsterHome, slug: str, at: str, last: str = "2025-03") -> None:
    """Bring a tenant to an instant, outside Dagster, up to a month."""
    materialise(home.database, at_instant(home.settings, at), slug, last=Month.parse(last))


def at_instant(settings: Settings, at: str) -> Settings:
    """The settings of a process that takes this for now."""
    return settings.model_copy(update={"now": datetime.fromisoformat(at)})


def provision_early(home: DagsterHome, *slugs: str) -> None:
    """Tenants that were provisioned in the last month of their span, most of which lay ahead."""
    for slug in slugs:
        path = home.folder / f"{slug}.yaml"
        path.write_text(BLUEPRINT, encoding="utf-8")
        provision(home.database, at_instant(home.settings, PROVISIONED), path)


def test_a_tick_asks_for_those_who_have_worked(
    dagster_home: DagsterHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the month that was loaded last to the running one, while it is day there; not at its night."""
    provision_early(dagster_home, "acme", "bravo", "corto")
    load(dagster_home, "acme", "2025-03-04T12:00:00+00:00")
    load(dagster_home, "bravo", PROVISIONED, last="2025-02")
    assert ranges(tick(dagster_home, monkeypatch, WEDNESDAY_NOON)) == {
        "acme": ("2025-03|acme", "2025-03|acme"),
        "bravo": ("2025-02|bravo", "2025-03|bravo"),
        "corto": ("2025-01|corto", "2025-03|corto"),
    }
    assert sorted(dagster_home.instance.get_dynamic_partitions("tenant")) == ["acme", "bravo", "corto"]
    assert tick(dagster_home, monkeypatch, WEDNESDAY_NIGHT) == []
    assert tick(dagster_home, monkeypatch, SATURDAY_NOON) == []


def test_at_midnight_everybody_has_a_turn_who_is_behind(
    dagster_home: DagsterHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a pause of the daemon left out is asked for on the next day, and who has all of it is not."""
    provision_early(dagster_home, "acme", "bravo")
    load(dagster_home, "acme", WEDNESDAY_NOON)
    load(dagster_home, "bravo", "2025-03-07T23:00:00+00:00")
    assert ranges(tick(dagster_home, monkeypatch, MIDNIGHT)) == {"acme": ("2025-03|acme", "2025-03|acme")}


def test_each_tick_has_keys_of_its_own(dagster_home: DagsterHome, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same tenant an hour later is another run; the same tick twice is one."""
    provision_early(dagster_home, "acme")
    [noon] = tick(dagster_home, monkeypatch, WEDNESDAY_NOON)
    [again] = tick(dagster_home, monkeypatch, WEDNESDAY_NOON)
    [later] = tick(dagster_home, monkeypatch, WEDNESDAY_NOON.replace("T12", "T13"))
    assert noon.run_key == again.run_key != later.run_key


def test_a_tenant_that_begins_later_is_left_alone(
    dagster_home: DagsterHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the first month of its span there is nothing to bring a tenant up to."""
    provision_early(dagster_home, "acme")
    assert tick(dagster_home, monkeypatch, "2024-12-04T12:00:00+00:00") == []


def test_topping_up_gives_what_one_load_gives(
    dagster_home: DagsterHome,
    make_database: MakeDatabase,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In the middle of a month and at its end, by runs of the schedule: the same bytes as at once."""
    provision_early(dagster_home, "acme")
    counts: list[int] = []
    for at in (WEDNESDAY_NOON, "2025-03-19T15:00:00+00:00", MARCH_IS_OVER):
        [request] = tick(dagster_home, monkeypatch, at.replace("22:30", "18:00"))
        monkeypatch.setenv("DEMO_NOW", at)
        result = dagster_home.launch("materialise_tenants", {}, request.tags)
        assert result.success
        counts.append(dagster_home.row_count("acme"))
        shown = dagster_home.materialisation("kpi_snapshot", "2025-03|acme").metadata
        assert shown["job_id"].value == dagster_home.run_tags(result.run_id)["demo/job_id"]
    assert counts == sorted(set(counts)), "each of them brought rows"
    # A span that is over is whole.
    assert counts[-1] == 6 + 4 + 2 + 20 + 15 + 9 + 9 + 7 + 4 + 40 + 30 + 20

    at_once = make_database()
    settings = at_instant(dagster_home.settings, PROVISIONED)
    provision(at_once, settings, dagster_home.folder / "acme.yaml")
    materialise(at_once, at_instant(settings, MARCH_IS_OVER), "acme")
    settings = dagster_home.settings
    assert digest(dagster_home.database, settings, "acme") == digest(at_once, settings, "acme")


def test_a_run_that_finds_nothing_to_do_changes_nothing(
    dagster_home: DagsterHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked for twice, the second run ends well; no row is touched, and no job is added to the ledger."""
    provision_early(dagster_home, "acme")
    [request] = tick(dagster_home, monkeypatch, WEDNESDAY_NOON)
    assert dagster_home.launch("materialise_tenants", {}, request.tags).success
    before = dagster_home.query("select id, xmin::text from crm.contacts order by id")
    jobs = dagster_home.query("select count(*) from demo.jobs where status = 'completed'")
    assert dagster_home.launch("materialise_tenants", {}, request.tags).success
    assert dagster_home.query("select id, xmin::text from crm.contacts order by id") == before
    assert dagster_home.query("select count(*) from demo.jobs where status = 'completed'") == jobs
