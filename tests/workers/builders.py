"""Tenants, a backfill and an instance for tests of workers; and what became of their runs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import dagster as dg

# What the pages store of a backfill, and of a sensor that is switched off.
from dagster._core.execution.backfill import PartitionBackfill  # noqa: TID251
from dagster._core.remote_origin import (  # noqa: TID251
    RegisteredCodeLocationOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (  # noqa: TID251
    InstigatorState,
    InstigatorStatus,
    InstigatorType,
    SensorInstigatorData,
)

from demo_pipeline.definitions import defs
from demo_pipeline.defs.asset_pages import specs
from demo_pipeline.services.tenants.provision import provision_all
from demo_pipeline.workers.run_launcher import WorkerRunLauncher
from tests.fixtures.dagster_instance import DagsterHome
from tests.paths import PROJECT

TENANTS: Final = tuple(f"tenant-{number:02}" for number in range(1, 21))
MONTHS: Final = tuple(f"{year}-{month:02}" for year in (2024, 2025) for month in range(1, 13))
_LOCATION: Final = "demo_pipeline"
_MONTH: Final = """\
  - month: {month}
    leads_created: 2
    contacts_created: 4
    companies_created: 2
    deals_created: 2
    closed_won_count: 1
    closed_won_value: 100.01
    pipeline_added_value: 300.10
    activities_created: 6
"""
_HEAD: Final = """\
name: {slug} Logistik
country: DE
industry: saas
start_month: 2024-01
end_month: 2025-12
seed: "{slug}"
team_size: 3
months:
"""


def provision(home: DagsterHome, slugs: Sequence[str]) -> None:
    """Tenants of 24 months, without rows."""
    paths: list[Path] = []
    for slug in slugs:
        paths.append(home.folder / f"{slug}.yaml")
        months = "".join(_MONTH.format(month=month) for month in MONTHS)
        paths[-1].write_text(_HEAD.format(slug=slug) + months, encoding="utf-8")
    provision_all(home.database, home.settings, paths)
    home.instance.add_dynamic_partitions("tenant", list(slugs))


def backfill(home: DagsterHome, slugs: Sequence[str]) -> None:
    """Ask for all months of tenants, as the dialog of the asset page does."""
    home.instance.add_backfill(
        PartitionBackfill.from_asset_partitions(
            backfill_id="all",
            asset_graph=defs().resolve_asset_graph(),
            partition_names=[f"{month}|{slug}" for slug in slugs for month in MONTHS],
            asset_selection=[dg.AssetKey(name) for name in specs.ASSETS],
            backfill_timestamp=time.time(),
            tags={},
            dynamic_partitions_store=home.instance,
            all_partitions=False,
            title=None,
            description=None,
            run_config=None,
        )
    )


def completed(home: DagsterHome) -> int:
    """Jobs that are committed."""
    return int(home.query("select count(*) from demo.jobs where status = 'completed'")[0][0])


def use_workers(home: DagsterHome, slots: int, start_timeout: int = 180) -> None:
    """Make the instance the one of ``deploy/celery``, without releases, which would be runs too."""
    text = (PROJECT / "deploy/celery/dagster.yaml").read_text(encoding="utf-8")
    for name, usual, wanted in (
        ("max_concurrent_runs", 4, slots),
        ("start_timeout_seconds", 180, start_timeout),
    ):
        assert f"{name}: {usual}\n" in text
        text = text.replace(f"{name}: {usual}\n", f"{name}: {wanted}\n")
    (home.settings.dagster_home / "dagster.yaml").write_text(text, encoding="utf-8")
    repository = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin(_LOCATION), "__repository__")
    origin = repository.get_instigator_origin("release_months")
    home.instance.add_instigator_state(
        InstigatorState(origin, InstigatorType.SENSOR, InstigatorStatus.STOPPED, SensorInstigatorData())
    )


def urls_of(home: DagsterHome, broker_url: str) -> dict[str, str]:
    """All that a worker is given."""
    names = ("DEMO_DATABASE_URL", "DEMO_LOADER_URL", "DEMO_DAGSTER_URL")
    return {name: home.environment[name] for name in names} | {"DEMO_BROKER_URL": broker_url}


def launcher_of(home: DagsterHome, broker_url: str) -> WorkerRunLauncher:
    """The launcher, as the web server has it."""
    launcher = WorkerRunLauncher("dagster", broker=broker_url, backend=broker_url)
    launcher.register_instance(home.instance)
    return launcher


def runs(home: DagsterHome, *statuses: dg.DagsterRunStatus) -> Sequence[dg.DagsterRun]:
    """Runs that have one of these states."""
    return home.instance.get_runs(dg.RunsFilter(statuses=statuses))
