"""What the code location says it has: assets, checks, partitions, jobs, sensors."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Any

import dagster as dg
import pytest
from ruamel.yaml import YAML

from demo_pipeline.definitions import defs
from tests.paths import PROJECT

TABLES = {"companies", "contacts", "deals", "activities"}
#: key → (deps, group, owners, kinds)
EXPECTED = {
    "companies": (set[str](), "tenant_tables", ["team:demo-data"], {"postgres"}),
    "contacts": ({"companies"}, "tenant_tables", ["team:demo-data"], {"postgres"}),
    "deals": ({"contacts"}, "tenant_tables", ["team:demo-data"], {"postgres"}),
    "activities": ({"contacts", "deals"}, "tenant_tables", ["team:demo-data"], {"postgres"}),
    "kpi_snapshot": (TABLES, "tenant_kpis", ["team:demo-data"], {"postgres"}),
    "tenants": (set[str](), "tenant_kpis", ["team:demo-data"], {"postgres"}),
    "scorecards": (set[str](), "tenant_kpis", ["team:demo-data"], {"postgres"}),
    "tenant_readiness": ({"tenant_release"}, "tenant_kpis", ["team:demo-data"], {"postgres"}),
    "tenant_release": ({"kpi_snapshot"}, "tenant_kpis", ["team:demo-data"], {"postgres"}),
    "tenant_report": ({"kpi_snapshot"}, "tenant_kpis", ["team:demo-data"], {"postgres"}),
    "tenant_export": ({"tenant_release"}, "tenant_kpis", ["team:demo-data"], {"postgres"}),
}


def test_assets_are_what_they_were() -> None:
    """Keys, dependencies, groups, owners and kinds change on purpose only: pages and alerts name them."""
    specs = defs().resolve_all_asset_specs()
    found = {
        spec.key.to_user_string(): (
            {dep.asset_key.to_user_string() for dep in spec.deps},
            spec.group_name,
            list(spec.owners),
            set(spec.kinds),
        )
        for spec in specs
    }
    assert found == EXPECTED


def test_assets_are_documented() -> None:
    """Each asset says what it is, which table it is, its code version and its columns."""
    for spec in defs().resolve_all_asset_specs():
        name = spec.key.to_user_string()
        assert spec.description is not None, name
        assert len(spec.description) > 100, name
        assert spec.code_version, name
        assert {tag for tag in spec.tags if not tag.startswith("dagster/kind/")} == set(), name
        if name in TABLES:
            assert spec.metadata["dagster/table_name"] == f"crm.{name}"
            columns = spec.metadata["dagster/column_schema"].columns
            assert {"tenant_id", "id", "created_at", "demo_job_id"} <= {column.name for column in columns}
            types = {column.name: column.type for column in columns}
            assert (types["tenant_id"], types["created_at"]) == ("uuid", "timestamptz")


def test_checks_are_what_they_were() -> None:
    """What is wrong blocks, drift does not; every verdict is on one partition."""
    specs = {spec.name: spec for one in _assets() for spec in one.check_specs}
    assert {name: (spec.asset_key.to_user_string(), spec.blocking) for name, spec in specs.items()} == {
        "kpis_match_plan": ("kpi_snapshot", True),
        "nothing_is_missing": ("kpi_snapshot", True),
        "references_are_whole": ("kpi_snapshot", True),
        "life_cycles_hold": ("kpi_snapshot", True),
        "no_duplicates": ("kpi_snapshot", True),
        "provenance_is_complete": ("kpi_snapshot", True),
        "nothing_reveals_a_demo": ("kpi_snapshot", True),
        "no_drift": ("kpi_snapshot", False),
        "tenant_is_fresh": ("kpi_snapshot", False),
    }
    assert all(spec.partitions_def is not None and spec.description for spec in specs.values())


def test_partitions_are_tenants_and_months() -> None:
    """A partition is a tenant's month, from January 2020 to the running one; of a report, it is a tenant."""
    by_key = {key.to_user_string(): one for one in _assets() for key in one.keys}
    assets, report = by_key["kpi_snapshot"], by_key["tenant_report"]
    assert by_key["tenant_release"].partitions_def == assets.partitions_def
    assert isinstance(report.partitions_def, dg.DynamicPartitionsDefinition)
    assert report.partitions_def.name == "tenant"
    partitions = assets.partitions_def
    assert isinstance(partitions, dg.MultiPartitionsDefinition)
    dimensions = {one.name: one.partitions_def for one in partitions.partitions_defs}
    assert set(dimensions) == {"tenant", "month"}
    assert dimensions["month"].get_first_partition_key() == "2020-01"
    assert isinstance(dimensions["tenant"], dg.DynamicPartitionsDefinition)


def test_jobs_say_what_they_do() -> None:
    """Jobs carry their kind as a tag, by which runs are found, and a description."""
    repository = defs().get_repository_def()
    jobs = {job.name: job for job in repository.get_all_jobs() if not job.name.startswith("__")}
    assert {name: job.tags.get("demo/kind") for name, job in jobs.items()} == {
        "apply_patch": "patch",
        "checkpoint_tenant": "checkpoint",
        "clean_old_runs": "clean",
        "clear_failed_partitions": "clear",
        "examine_tenants": "examine",
        "drop_expired_checkpoints": "clean",
        "materialise_tenants": "materialise",
        "preview_patch": "preview",
        "provision_tenants": "provision",
        "release_tenant": "release",
        "repair_tenant": "repair",
        "rewind_tenant": "rewind",
        "show_job": "show",
        "undo_job": "undo",
        "verify_tenants": "verify",
    }
    assert all(job.description for job in jobs.values())


def test_sensors_and_schedules_are_what_they_were() -> None:
    """What runs by itself from the start, and what somebody has to switch on; each says what it does."""
    repository = defs().get_repository_def()
    sensors = {sensor.name: sensor for sensor in repository.sensor_defs}
    assert {name: sensor.default_status for name, sensor in sensors.items()} == {
        "alerts": dg.DefaultSensorStatus.RUNNING,
        "plan_inbox": dg.DefaultSensorStatus.RUNNING,
        "release_months": dg.DefaultSensorStatus.RUNNING,
        "sync_tenants": dg.DefaultSensorStatus.RUNNING,
        "watch_blueprints": dg.DefaultSensorStatus.RUNNING,
    }
    schedules = repository.schedule_defs
    assert {(one.name, one.job_name, one.cron_schedule, one.default_status) for one in schedules} == {
        ("checkpoint_every_morning", "checkpoint_tenant", "45 4 * * *", dg.DefaultScheduleStatus.STOPPED),
        (
            "drop_expired_every_night",
            "drop_expired_checkpoints",
            "30 3 * * *",
            dg.DefaultScheduleStatus.RUNNING,
        ),
        ("clean_every_night", "clean_old_runs", "15 3 * * *", dg.DefaultScheduleStatus.RUNNING),
        ("examine_every_morning", "examine_tenants", "*/15 * * * *", dg.DefaultScheduleStatus.STOPPED),
        ("heal_tenants", "materialise_tenants", "0 6 * * *", dg.DefaultScheduleStatus.STOPPED),
        ("top_up_running_month", "materialise_tenants", "0 * * * *", dg.DefaultScheduleStatus.STOPPED),
        ("verify_every_morning", "verify_tenants", "30 5 * * *", dg.DefaultScheduleStatus.STOPPED),
    }
    assert all(one.description for one in (*sensors.values(), *schedules))


def test_every_field_of_a_patch_is_explained() -> None:
    """The launchpad shows a sentence for each field of the configuration, and for the job's op."""
    [op] = defs().resolve_job_def("apply_patch").nodes_in_topological_order
    schema: Any = op.definition.config_schema
    fields: dict[str, Any] = schema.config_type.fields
    assert set(fields) == {"tenant", "plan", "inbox_file", "plan_type", "seed", "sheet", "again"}
    assert {name for name, field in fields.items() if not field.description} == set()
    assert op.definition.description


def test_the_examples_of_the_documentation_are_valid() -> None:
    """What the page on Dagster says to write into the launchpad is taken as it is."""
    page = (PROJECT / "docs" / "dagster.md").read_text(encoding="utf-8")
    examples = re.findall(r"```yaml\n(ops:.*?)```", page, re.DOTALL)
    assert len(examples) == 2
    job = defs().resolve_job_def("apply_patch")
    for example in examples:
        dg.validate_run_config(job, YAML(typ="safe", pure=True).load(example))
    with pytest.raises(dg.DagsterInvalidConfigError):
        dg.validate_run_config(job, {"ops": {"patch": {"config": {"tenant": "acme", "plans": {}}}}})


def test_every_job_is_in_the_table_of_the_documentation() -> None:
    """What a person can launch is listed once, with what it does."""
    page = (PROJECT / "docs" / "dagster.md").read_text(encoding="utf-8")
    section = page.partition("## Everything a person does")[2].partition("\n## ")[0]
    listed = re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)
    jobs = {job.name for job in defs().get_repository_def().get_all_jobs() if not job.name.startswith("__")}
    assert sorted(listed) == sorted(jobs)


def test_importing_the_definitions_connects_to_nothing() -> None:
    """A code location must load where no database answers, or no page would ever say why; nothing draws."""
    program = (
        "import sys; from demo_pipeline.definitions import defs; defs().get_repository_def(); "
        "print('loaded', *{'matplotlib', 'jinja2.environment'} & {*sys.modules})"
    )
    nowhere = "postgresql://nobody@127.0.0.1:1/nowhere"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        env={"DEMO_DATABASE_URL": nowhere, "DEMO_LOADER_URL": nowhere, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "loaded"), done.stderr


def _assets() -> list[dg.AssetsDefinition]:
    return [one for one in defs().assets or [] if isinstance(one, dg.AssetsDefinition)]
