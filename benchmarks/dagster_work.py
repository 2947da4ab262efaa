"""What is measured in a process with Dagster: ``python -m benchmarks.dagster_work TASK '{"argument": ...}'``.

Each task prints one line of JSON. The instance is that of the home which the environment names.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import dagster as dg
from sqlalchemy import Engine, event
from sqlalchemy.pool import Pool

from benchmarks.process import timed
from benchmarks.tenants import FIRST_MONTH, LAST_MONTH
from demo_pipeline.definitions import defs
from demo_pipeline.defs.operations.alerts import alerts
from demo_pipeline.defs.operations.tenant_partitions import sync_tenants
from demo_pipeline.defs.shared.partitions import TENANT, partition_key
from demo_pipeline.defs.shared.resources import DemoTenants
from demo_pipeline.services.files.blueprint_files import blueprint_paths
from demo_pipeline.services.months.top_up import top_ups
from demo_pipeline.services.platform.instance import prepare_instance
from demo_pipeline.services.platform.ready_database import ready_database
from demo_pipeline.services.tenants.provision import provision_all
from demo_pipeline.services.tenants.queries import list_tenants
from demo_pipeline.settings import load_settings


@contextmanager
def _instance() -> Generator[dg.DagsterInstance]:
    """The persistent instance, as a run's process opens it."""
    settings = load_settings()
    os.environ.update(prepare_instance(settings, ready_database(settings)))
    with dg.DagsterInstance.get() as instance:
        yield instance


@dataclass
class Traffic:
    """What this process has asked of Dagster's database."""

    connections: int = 0
    statements: int = 0
    #: times that a kept connection was checked with ``SELECT 1`` before it was used
    checks: int = 0


@contextmanager
def _traffic() -> Generator[Traffic]:
    """Count from here on. Only Dagster uses SQLAlchemy: what goes to the CRM's database is not counted."""
    traffic = Traffic()

    def count(name: str) -> Callable[..., None]:
        def listener(*_: object) -> None:
            setattr(traffic, name, getattr(traffic, name) + 1)

        return listener

    listeners = (
        (Pool, "connect", count("connections")),
        (Pool, "checkout", count("checks")),
        (Engine, "before_cursor_execute", count("statements")),
    )
    for listener in listeners:
        event.listen(*listener)
    yield traffic
    for listener in listeners:
        event.remove(*listener)


def launched_runs() -> dict[str, Any]:
    """A run of all months of each tenant, which are as expected, by what the pages launch.

    Traffic is that of the first run: of a process with one run, as the pages launch it. ``opening`` are the
    connections before it, of the instance that is opened.
    """
    settings = load_settings()
    job = defs().resolve_job_def("materialise_tenants")

    def launch(slug: str) -> None:
        tags = {
            f"dagster/asset_partition_range_{end}": str(partition_key(slug, month))
            for end, month in (("start", FIRST_MONTH), ("end", LAST_MONTH))
        }
        if not job.execute_in_process(instance=instance, tags=tags).success:
            raise RuntimeError(f"the run of {slug} failed")

    slugs = [tenant.slug for tenant in list_tenants(ready_database(settings))]
    with _traffic() as process, _instance() as instance:
        opening = process.connections
        with timed() as clock:
            with _traffic() as run:
                launch(slugs[0])
            for slug in slugs[1:]:
                launch(slug)
    return {
        "months": len(slugs) * len(list(FIRST_MONTH.until(LAST_MONTH))),
        "opening": opening,
        "connections": run.connections,
        "statements": run.statements,
        "checks": run.checks,
        "wall": clock.wall,
        "cpu": clock.cpu,
    }


def register(*, folder: str) -> dict[str, Any]:
    """Make the tenants of a folder of blueprints without months, and show them as partitions."""
    settings = load_settings()
    with timed() as clock:
        made = provision_all(ready_database(settings), settings, blueprint_paths(Path(folder)))
        with _instance() as instance:
            instance.add_dynamic_partitions(TENANT, [tenant.slug for tenant in made])
    return {"tenants": len(made), "wall": clock.wall, "cpu": clock.cpu}


def ticks() -> dict[str, Any]:
    """Seconds of what the daemon does at its ticks, by name; each after a first tick that is not counted."""
    settings = load_settings()
    database = ready_database(settings)
    found: dict[str, Any] = {}
    with _instance() as instance:
        demo = DemoTenants()

        def sensor_tick(sensor: Callable[..., Any], cursor: str | None) -> Any:
            resources = {"demo": demo}
            with dg.build_sensor_context(instance=instance, cursor=cursor, resources=resources) as context:
                return sensor(context)

        def release(cursor: dg.AutomationConditionEvaluationCursor | None) -> Any:
            return dg.evaluate_automation_conditions(
                defs=defs(),
                instance=instance,
                asset_selection=dg.AssetSelection.assets("tenant_release"),
                cursor=cursor,
            ).cursor

        def measure(name: str, tick: Callable[[Any], Any]) -> None:
            cursor = tick(None)
            with timed() as clock:
                tick(cursor)
            found[name] = {"wall": clock.wall, "cpu": clock.cpu}

        measure(
            "planning of the top-up",
            lambda _: top_ups(database, settings, on_unreadable=lambda error: print(error, file=sys.stderr)),
        )
        measure("sensor alerts", lambda cursor: sensor_tick(alerts, cursor and cursor.cursor))
        measure("sensor sync_tenants", lambda _: sensor_tick(sync_tenants, None))
        measure("automation release_months", release)
    return found


TASKS: Final[dict[str, Callable[..., dict[str, Any]]]] = {
    task.__name__: task for task in (launched_runs, register, ticks)
}

if __name__ == "__main__":
    warnings.simplefilter("ignore")
    print(json.dumps(TASKS[sys.argv[1]](**json.loads(sys.argv[2]))))
