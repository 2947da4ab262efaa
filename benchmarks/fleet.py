"""Many small tenants by one command: what Dagster costs beside the work itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from benchmarks.arena import Arena
from benchmarks.home import open_home
from benchmarks.process import work
from benchmarks.results import Result
from benchmarks.tenants import FIRST_MONTH, LAST_MONTH, Sized

#: rows of each tenant: fifty have about 105,700
_ROWS: Final = 2_100
_BOARD_RUNS: Final = 5
#: exit code of ``ready``
_NOT_READY: Final = 4
_MONTHS: Final = len(list(FIRST_MONTH.until(LAST_MONTH)))


def write_blueprints(folder: Path, count: int) -> None:
    """Blueprint files of small tenants, in a new folder."""
    folder.mkdir()
    for number in range(count):
        Sized(slug=f"fleet-{number:04}", rows=_ROWS).write(folder)


def fleet(arena: Arena, tenant_count: int) -> Iterator[Result]:
    """``run`` for a folder of blueprints, again, the same services without Dagster, and the board."""
    with open_home() as home:
        write_blueprints(home.blueprints, tenant_count)
        # Makes the server and the schema.
        home.run("tenant", "list")
        before = home.server_cpu_seconds()
        first = home.run("run")
        between = home.server_cpu_seconds()
        again = home.run("run")
        after = home.server_cpu_seconds()
        # Nothing is released, so no tenant is ready.
        examined = home.run("ready", "--all", "--examine", expected=_NOT_READY)
        boards = [home.run("ready", "--all", expected=_NOT_READY) for _ in range(_BOARD_RUNS)]
        place = arena.clone("bench_fleet")
        arguments = {"folder": str(home.blueprints)}
        before_services = arena.cpu_seconds()
        services = work("materialise_folder", arguments, place.environment)
        services_server = arena.cpu_seconds() - before_services
        arena.drop("bench_fleet")
        launched = work("launched_runs", {}, home.environment, "benchmarks.dagster_work")
    rows, month_count = services["rows"], tenant_count * _MONTHS
    tenants = f"{tenant_count} tenants × {_MONTHS} months ({rows:,} rows)"
    yield Result(
        what=f"{tenants} by demo-pipeline run",
        unit="s",
        samples=(first.wall,),
        goal=75,
        is_more_better=False,
        note=f"CPU-seconds of client + server: {first.cpu:.1f} + {between - before:.1f}",
    )
    yield Result(
        what="the same by the services alone, without Dagster",
        unit="s",
        samples=(services["wall"],),
        note=f"CPU-seconds of client + server: {services['cpu']:.1f} + {services_server:.1f}",
    )
    yield Result(
        what="what Dagster costs a tenant-month, client",
        unit="CPU-ms",
        samples=((first.cpu - services["cpu"]) / month_count * 1000,),
        goal=50,
        is_more_better=False,
        note="the difference of the two above: the start of Python, Dagster's runs and events, and the "
        "checks for the pages",
    )
    yield Result(
        what="the same of runs as the pages launch them, without the start of their process",
        unit="CPU-ms",
        samples=(launched["cpu"] / launched["months"] * 1000,),
        goal=28,
        is_more_better=False,
        note=f"{launched['months']} tenant-months that are as expected: no rows, every event",
    )
    yield Result(
        what=f"connections to Dagster's database of such a run of {_MONTHS} months",
        unit="connections",
        samples=(launched["connections"],),
        goal=2,
        is_more_better=False,
        note=f"and {launched['opening']} short ones while its process opens Dagster's instance",
    )
    yield Result(
        what=f"statements in Dagster's database of such a run of {_MONTHS} months",
        unit="statements",
        samples=(launched["statements"],),
        goal=90,
        is_more_better=False,
        note="its planning included; beside them a kept connection is checked "
        f"{launched['checks']} times before it is used",
    )
    yield Result(
        what="the same command, when nothing is to be done",
        unit="s",
        samples=(again.wall,),
        goal=10,
        is_more_better=False,
        note=f"CPU-seconds of client + server: {again.cpu:.1f} + {after - between:.1f}",
    )
    yield Result(
        what="demo-pipeline ready --all, the board, the whole process",
        unit="s",
        samples=tuple(one.wall for one in boards),
        goal=2,
        is_more_better=False,
    )
    yield Result(
        what="the same with --examine: every row of every tenant is read",
        unit="s",
        samples=(examined.wall,),
    )
