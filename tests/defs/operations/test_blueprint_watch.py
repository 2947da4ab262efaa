"""The sensor on the blueprint folder: new files become tenants, all else is reported once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest

from demo_pipeline.defs.operations.blueprint_watch import watch_blueprints
from demo_pipeline.defs.shared.resources import DemoTenants
from demo_pipeline.domain.core.months import Month
from demo_pipeline.services.months.materialise import materialise
from demo_pipeline.services.tenants.delete_tenant import delete_tenant
from demo_pipeline.services.tenants.extend import extend_tenant
from demo_pipeline.services.tenants.provision import provision
from tests.fixtures.dagster_instance import BLUEPRINT, DagsterHome

TOTALS = """\
name: Nordlicht
country: DE
industry: saas
start_month: 2025-01
end_month: 2025-02
seed: "7"
team_size: 3
totals: {leads_created: 4, contacts_created: 8, activities_created: 10}
"""


@dataclass
class Watch:
    """The folder, and the sensor with the cursor of its last tick."""

    home: DagsterHome
    folder: Path
    cursor: str | None = None

    def put(self, name: str, text: str = BLUEPRINT) -> Path:
        """Write a file."""
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    def tick(self) -> tuple[list[dg.RunRequest], dg.AssetObservation | None, str]:
        """Runs that the tick asks for, the observation, and what the tick says."""
        with dg.build_sensor_context(
            instance=self.home.instance, resources={"demo": DemoTenants()}, cursor=self.cursor
        ) as context:
            result = watch_blueprints(context)
        assert isinstance(result, dg.SensorResult)
        self.cursor = result.cursor
        events = list(result.asset_events)
        assert len(events) <= 1
        observation = events[0] if events else None
        assert observation is None or isinstance(observation, dg.AssetObservation)
        return (
            list(result.run_requests or ()),
            observation,
            str(getattr(result.skip_reason, "skip_message", "")),
        )

    def provision(self, path: Path) -> None:
        """Make the tenant of a file, outside Dagster."""
        provision(self.home.database, self.home.settings, path)


@pytest.fixture
def watch(dagster_home: DagsterHome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Watch:
    """An empty folder that the sensor has seen."""
    folder = tmp_path / "blueprints"
    folder.mkdir()
    monkeypatch.setenv("DEMO_BLUEPRINTS", str(folder))
    one = Watch(dagster_home, folder)
    assert one.tick()[:2] == ([], None)
    return one


def shown(observation: dg.AssetObservation | None) -> str:
    """All text of an observation, as Markdown has it."""
    assert observation is not None
    return "\n".join(str(value.value) for value in observation.metadata.values()).replace("\\", "")


def state(home: DagsterHome) -> list[tuple[object, ...]]:
    """Everything that a reported file must leave as it is."""
    return [
        *home.query("select slug, blueprint, plan from demo.tenant_metadata order by slug"),
        *home.query("select id, xmin::text from crm.contacts order by id"),
        *home.query("select id, status from demo.jobs order by id"),
    ]


def test_a_new_file_becomes_a_tenant_without_data(watch: Watch) -> None:
    """By one run for that file alone, once two ticks saw the same content; then there is nothing to say."""
    watch.put("acme.yaml", BLUEPRINT[: len(BLUEPRINT) // 2])
    assert watch.tick()[0] == []
    watch.put("acme.yaml")
    requests, _, said = watch.tick()
    assert (requests, "acme.yaml" in said) == ([], True), "it may still be being written"
    [request] = watch.tick()[0]
    assert request.tags["demo/tenant"] == "acme"
    requests, _, said = watch.tick()
    assert (requests, "was requested" in said) == ([], True)
    watch.put("bravo.yaml")
    assert watch.home.launch("provision_tenants", request.run_config, request.tags).success
    assert watch.home.query("select slug from crm.tenants") == [("acme",)]
    assert watch.home.row_count("acme") == 0
    assert "acme" in watch.home.instance.get_dynamic_partitions("tenant")
    watch.tick()
    [request] = watch.tick()[0]
    assert request.tags["demo/tenant"] == "bravo"


def test_files_of_the_first_tick_are_not_new(watch: Watch) -> None:
    """Nothing is made of what was there before; a file without a tenant is reported with its command."""
    path = watch.put("acme.yaml")
    watch.cursor = None
    requests, observation, said = watch.tick()
    assert requests == []
    assert f"demo-pipeline tenant provision {path}" in said
    assert "no tenant" in shown(observation)
    assert watch.tick()[:2] == ([], None)


def test_a_changed_file_is_reported_key_by_key_and_changes_nothing(watch: Watch) -> None:
    """With both values and the command, once for each change; and once more when nothing differs."""
    path = watch.put("acme.yaml")
    watch.provision(path)
    materialise(watch.home.database, watch.home.settings, "acme")
    assert watch.tick()[:2] == ([], None)
    before = state(watch.home)
    changed = BLUEPRINT.replace("Kranz Logistik", "Kranz Spedition").replace(
        "leads_created: 10", "leads_created: 9"
    )
    watch.put("acme.yaml", changed)
    requests, observation, said = watch.tick()
    assert requests == []
    assert "| acme.yaml | name | Kranz Logistik | Kranz Spedition |" in shown(observation)
    assert "| acme.yaml | months.2025-02.leads_created | 10 | 9 |" in shown(observation)
    assert "2 keys changed" in said
    assert f"demo-pipeline tenant delete acme, then demo-pipeline tenant provision {path}" in said
    assert watch.tick()[:2] == ([], None), "each change is reported once"
    assert state(watch.home) == before
    watch.put("acme.yaml")
    _, observation, _ = watch.tick()
    assert observation is not None
    assert observation.metadata["blueprints_that_differ"].value == 0


def test_a_later_end_names_the_extension(watch: Watch) -> None:
    """``tenant extend`` applies where only the end is later; once it was done, nothing is to be done."""
    path = watch.put("nord.yaml", TOTALS)
    watch.provision(path)
    watch.tick()
    watch.put("nord.yaml", TOTALS.replace("end_month: 2025-02", "end_month: 2025-04"))
    _, observation, said = watch.tick()
    assert "demo-pipeline tenant extend nord --to 2025-04" in said
    assert "| nord.yaml | end_month | 2025-02 | 2025-04 |" in shown(observation)
    extend_tenant(watch.home.database, watch.home.settings, "nord", Month.parse("2025-04"))
    requests, observation, said = watch.tick()
    assert requests == []
    assert "nothing is to be done" in shown(observation)
    watch.put("nord.yaml", TOTALS.replace("end_month: 2025-02", "end_month: 2025-01"))
    assert "demo-pipeline tenant delete nord" in watch.tick()[2]


def test_a_removed_file_deletes_nothing(watch: Watch) -> None:
    """It is reported as long as its tenant is there; a file that was renamed to .yml is there."""
    path = watch.put("acme.yaml")
    watch.provision(path)
    watch.tick()
    before = state(watch.home)
    path.rename(path.with_suffix(".yml"))
    assert watch.tick()[:2] == ([], None)
    path.with_suffix(".yml").unlink()
    requests, observation, said = watch.tick()
    assert requests == []
    assert "removed" in shown(observation)
    assert "demo-pipeline tenant delete acme" in said
    assert watch.tick()[:2] == ([], None)
    assert state(watch.home) == before
    delete_tenant(watch.home.database, watch.home.settings, "acme")
    requests, observation, _ = watch.tick()
    assert requests == []
    assert observation is not None
    assert observation.metadata["blueprints_that_differ"].value == 0


def test_the_file_of_a_deleted_tenant_does_not_bring_it_back(watch: Watch) -> None:
    """Not when it stays, and not when it is put there anew: the command is named."""
    path = watch.put("acme.yaml")
    watch.provision(path)
    watch.tick()
    delete_tenant(watch.home.database, watch.home.settings, "acme")
    requests, observation, said = watch.tick()
    assert requests == []
    assert "tenant deleted" in shown(observation)
    assert f"demo-pipeline tenant provision {path}" in said
    path.unlink()
    watch.tick()
    watch.put("acme.yaml")
    assert (watch.tick()[0], watch.tick()[0]) == ([], [])
    assert watch.home.query("select slug from crm.tenants") == []


def test_an_invalid_file_is_reported_with_its_problems_once(watch: Watch) -> None:
    """Once for each content; a new one that is corrected becomes a tenant.

    Of a file that is no blueprint nothing is repeated.
    """
    watch.put("acme.yaml", BLUEPRINT.replace("saas", "bakery"))
    requests, observation, said = watch.tick()
    assert requests == []
    assert "line 3, industry" in shown(observation)
    assert "bakery" in said
    assert watch.tick()[:2] == ([], None)
    watch.put("acme.yaml", BLUEPRINT.replace("saas", "brewery"))
    assert "brewery" in shown(watch.tick()[1])
    watch.put("acme.yaml")
    watch.tick()
    assert len(watch.tick()[0]) == 1
    watch.put("key.yaml", "-----BEGIN PRIVATE KEY-----\nMIIEvgIBADANBgkqhkiG9w0\n")
    _, observation, said = watch.tick()
    assert "this is not a blueprint" in said
    assert "MIIE" not in said + shown(observation)
