"""The asset ``tenant_readiness``: what it shows, and whom the schedule examines in whose morning."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest

from demo_pipeline.definitions import defs
from demo_pipeline.defs.operations.tenant_readiness import examine_every_morning
from demo_pipeline.defs.shared.resources import DemoTenants
from demo_pipeline.services.readiness.morning import last_morning
from tests.fixtures.dagster_instance import QUIET, DagsterHome

ASSET = "tenant_readiness"


def tick(home: DagsterHome, at: datetime) -> dg.RunRequest | None:
    """What the schedule asks for at an instant."""
    with dg.build_schedule_context(
        instance=home.instance, resources={"demo": DemoTenants()}, scheduled_execution_time=at
    ) as context:
        requests = examine_every_morning.evaluate_tick(context).run_requests or []
    return requests[0] if requests else None


def shown(home: DagsterHome, slug: str) -> dict[str, Any]:
    """The metadata of a tenant's latest materialisation, as plain values."""
    return {name: one.value for name, one in home.materialisation(ASSET, slug).metadata.items()}


@pytest.mark.usefixtures("made_acme")
def test_a_morning_from_tick_to_page(dagster_home: DagsterHome) -> None:
    """The tick names who is due, its run materialises the light with reasons, and the next tick none."""
    dagster_home.provision("bravo")
    now = datetime.now(UTC)
    request = tick(dagster_home, now)
    assert request is not None
    assert request.run_config["ops"]["examine"]["config"] == {"tenants": ["acme", "bravo"]}
    assert dagster_home.launch("examine_tenants", request.run_config, request.tags).success
    assert dagster_home.materialised(ASSET) == {"acme", "bravo"}
    for slug in ("acme", "bravo"):
        found = shown(dagster_home, slug)
        assert found["light"] == "✗ not ready"
        assert found["reasons"] == 1
        assert f"no checkpoint of {slug}" in found["notes"]
    assert "demo-pipeline release acme" in shown(dagster_home, "acme")["what_to_do"]
    assert "demo-pipeline generate bravo" in shown(dagster_home, "bravo")["what_to_do"]
    assert tick(dagster_home, now + timedelta(seconds=1)) is None
    # Berlin's next morning.
    assert tick(dagster_home, now + timedelta(days=1)) is not None
    assert dagster_home.query("select distinct examined_by from demo.examinations") == [
        ("schedule examine_every_morning",)
    ]


@pytest.mark.usefixtures("made_acme")
def test_a_partition_is_examined_on_demand(dagster_home: DagsterHome) -> None:
    """Materialising a partition examines that tenant; once it is released, the light is green."""
    dagster_home.query("update crm.tenants set timezone = 'Mars/Olympus' returning id")
    assert dagster_home.release("acme").success
    result = (
        defs()
        .resolve_implicit_global_asset_job_def()
        .execute_in_process(
            instance=dagster_home.instance,
            asset_selection=[dg.AssetKey(ASSET)],
            partition_key="acme",
            run_config=QUIET,
        )
    )
    assert result.success
    assert shown(dagster_home, "acme")["light"] == "✓ ready"
    # A time zone that there is not is no reason never to look again.
    assert tick(dagster_home, datetime.now(UTC) + timedelta(days=1)) is not None


@pytest.mark.parametrize(
    ("now", "zone", "morning"),
    [
        ("2026-03-03T05:59:00+01:00", "Europe/Berlin", "2026-03-02T06:00:00+01:00"),
        ("2026-03-03T06:00:00+01:00", "Europe/Berlin", "2026-03-03T06:00:00+01:00"),
        ("2026-03-03T00:20:00+00:00", "Asia/Kathmandu", "2026-03-03T06:00:00+05:45"),
        ("2026-03-03T12:00:00+00:00", "America/Los_Angeles", "2026-03-02T06:00:00-08:00"),
        # The night in which clocks go forward.
        ("2026-03-29T05:00:00+00:00", "Europe/Berlin", "2026-03-29T06:00:00+02:00"),
    ],
)
def test_mornings(now: str, zone: str, morning: str) -> None:
    """Six o'clock where the tenant is, of today or else of yesterday."""
    from demo_pipeline.domain.core.timezones import load_timezone

    found = last_morning(datetime.fromisoformat(now), load_timezone(zone))
    assert found == datetime.fromisoformat(morning)
