"""The measurements themselves: each function runs its processes and says what they came to."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg

from benchmarks.arena import Arena, Place
from benchmarks.fleet import fleet
from benchmarks.home import open_home
from benchmarks.process import ROOT, clean_environment, timed, work
from benchmarks.registered import registered
from benchmarks.results import Result
from benchmarks.rewinding import rewinds
from benchmarks.tenants import LAST_MONTH, PATCHED, Sized

MEGABYTE: Final = 1_000_000
#: The small tenant that reading commands look at.
SMALL: Final = "larkmoor"


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Rows and runs of each measurement."""

    job_rows: int = 1_000_000
    job_runs: int = 3
    generated_rows: int = 1_000_000
    generated_runs: int = 5
    small_rows: int = 50_000
    #: how many times as large as the small one a large patch is
    large_patch_times: int = 67
    large_patch_runs: int = 3
    #: about as many as the smallest bundled tenants have
    smallest_rows: int = 10_000
    kpi_runs: int = 30
    patch_runs: int = 15
    rewind_rows: tuple[int, ...] = (10_000, 50_000, 600_000)
    rewind_runs: int = 5
    memory_rows: tuple[int, int] = (1_000_000, 5_000_000)
    command_runs: int = 5
    fleet_tenants: int = 50
    registered_tenants: int = 1_000
    naive_rows: int = 20_000


QUICK: Final = Sizes(
    job_rows=100_000,
    job_runs=1,
    generated_rows=200_000,
    generated_runs=2,
    small_rows=5_000,
    smallest_rows=2_000,
    large_patch_times=4,
    large_patch_runs=1,
    kpi_runs=10,
    patch_runs=5,
    rewind_rows=(2_000, 10_000),
    rewind_runs=2,
    memory_rows=(100_000, 500_000),
    command_runs=2,
    fleet_tenants=3,
    registered_tenants=20,
    naive_rows=4_000,
)


def generation(_arena: Arena, sizes: Sizes) -> Iterator[Result]:
    """Rows a CPU-second without any database."""
    for country, industry in (("US", "saas"), ("DE", "ecommerce")):
        for is_encoded in (False, True):
            runs = [
                work(
                    "generate",
                    {
                        "rows": sizes.generated_rows,
                        "country": country,
                        "industry": industry,
                        "is_encoded": is_encoded,
                    },
                    {},
                )
                for _ in range(sizes.generated_runs)
            ]
            steps = "generation and encoding" if is_encoded else "generation alone"
            yield Result(
                what=f"{steps}, {country} {industry}, {_count(sizes.generated_rows)} rows",
                unit="rows/CPU-s",
                samples=tuple(run["rows"] / run["cpu"] for run in runs),
                goal=None if is_encoded else 400_000,
            )


def whole_job(arena: Arena, sizes: Sizes) -> Iterator[Result]:
    """The job against a superuser's COPY of the same rows, in turns; then the KPIs of a small neighbour."""
    tenant = Sized(slug="harbour-works", rows=sizes.job_rows)
    template = arena.provisioned(tenant)
    jobs: list[dict[str, Any]] = []
    copies: list[dict[str, Any]] = []
    folder = Path(tempfile.mkdtemp(dir=arena.folder))
    try:
        for run in range(sizes.job_runs):
            place = arena.clone("bench_job", template)
            jobs.append(_with_server(arena, lambda place=place: _job(place, tenant)))
            if run == 0:
                work("dump", {"url": place.superuser_url, "folder": str(folder)}, {})
            place = arena.clone("bench_copy", template)
            arguments = {"url": place.superuser_url, "folder": str(folder)}
            copies.append(_with_server(arena, lambda arguments=arguments: work("raw_copy", arguments, {})))
    finally:
        shutil.rmtree(folder)
        arena.drop("bench_copy")
    rows = {run["rows"] for run in (*jobs, *copies)}
    if len(rows) != 1:
        raise RuntimeError(f"job and COPY took different rows: {rows}")
    size = _count(sizes.job_rows)
    yield Result(
        what=f"whole job, {size} rows, all constraints, row-level security, verified",
        unit="rows/s",
        samples=_rates(jobs),
        note=_cpu_note(jobs),
    )
    yield Result(
        what=f"superuser COPY of the same {size} rows into the same tables",
        unit="rows/s",
        samples=_rates(copies),
        note=_cpu_note(copies),
    )
    yield Result(
        what="whole job : superuser COPY",
        unit="ratio",
        samples=tuple(one / other for one, other in zip(_rates(jobs), _rates(copies), strict=True)),
        goal=0.85,
    )
    yield from _kpis(arena, sizes)


def _kpis(arena: Arena, sizes: Sizes) -> Iterator[Result]:
    place = arena.place("bench_job")
    small = Sized(slug="quay-house", rows=sizes.small_rows)
    smallest = Sized(slug="mill-house", rows=sizes.smallest_rows)
    for tenant in (small, smallest):
        arena.provision(place, tenant)
        _job(place, tenant)
    with psycopg.connect(place.superuser_url, autocommit=True) as conn:
        conn.execute("VACUUM (ANALYZE)")
        # Else a million rows would be flushed on the patches' time.
        conn.execute("CHECKPOINT")
    found = work("kpis", {"slug": small.slug, "repeats": sizes.kpi_runs}, place.environment)
    what = f"of a tenant of {_count(sizes.small_rows)} rows among {_count(sizes.job_rows)}"
    yield Result(
        what=f"8 KPIs × 24 months {what}, the query",
        unit="ms",
        samples=tuple(seconds * 1000 for seconds in found["query"]),
        goal=50,
        is_more_better=False,
    )
    yield Result(
        what="the same by the service, connecting included",
        unit="ms",
        samples=tuple(seconds * 1000 for seconds in found["service"]),
    )
    for tenant in (smallest, small):
        yield from _patches(place, tenant, sizes)
    yield from _patch_commands(arena, place, small, sizes)
    yield from _reconciles(place, small, sizes)
    yield from _large_patches(place, small, sizes)
    arena.drop("bench_job")


def _patches(place: Place, tenant: Sized, sizes: Sizes) -> Iterator[Result]:
    what = f"patch of 3 months × 500 rows, tenant of {_count(tenant.rows)} rows"
    for is_keeping in (True, False):
        found = work(
            "patch",
            {"slug": tenant.slug, "repeats": sizes.patch_runs, "is_keeping": is_keeping},
            place.environment,
        )
        connections = "one after the other" if is_keeping else "each with connections of its own"
        yield Result(
            what=f"{what} among {_count(sizes.job_rows)}, in the service, {connections}",
            unit="ms",
            samples=tuple(seconds * 1000 for seconds in found["seconds"]),
            goal=250,
            is_more_better=False,
            note=f"{found['rows']} rows each; the first call of a process is not counted",
        )


def _reconciles(place: Place, tenant: Sized, sizes: Sizes) -> Iterator[Result]:
    arguments = {"slug": tenant.slug, "repeats": sizes.patch_runs}
    found = work("reconcile", arguments, place.environment)
    what = (
        f"all figures of the newest month of 24 lowered, tenant of {_count(tenant.rows)} rows, in the service"
    )
    note = f"{found['hidden']} rows hidden, {found['created']} made"
    for name, goal in (("preview", 300), ("job", 600), ("undo", None)):
        yield Result(
            what=f"{what}: {name}",
            unit="ms",
            samples=tuple(seconds * 1000 for seconds in found[name]),
            goal=goal,
            is_more_better=False,
            note=note,
        )


def _patch_commands(arena: Arena, place: Place, small: Sized, sizes: Sizes) -> Iterator[Result]:
    plan = arena.folder / "plan.csv"
    months = (LAST_MONTH + -2).until(LAST_MONTH)
    lines = [",".join(("month", *PATCHED))]
    lines += [",".join((str(month), *map(str, PATCHED.values()))) for month in months]
    plan.write_text("\n".join(lines) + "\n", encoding="utf-8")
    environment = clean_environment({**place.environment, "DEMO_HOME": str(arena.folder / "cli")})
    program = Path(sys.executable).parent / "demo-pipeline"
    samples: list[float] = []
    for _ in range(sizes.command_runs):
        with timed() as clock:
            subprocess.run(
                [program, "patch", "apply", small.slug, plan, "--again", "--json"],
                cwd=ROOT,
                env=environment,
                capture_output=True,
                check=True,
            )
        samples.append(clock.wall)
    yield Result(
        what="the same by demo-pipeline patch apply, the whole process",
        unit="s",
        samples=tuple(samples),
        goal=2.5,
        is_more_better=False,
    )


def _large_patches(place: Place, small: Sized, sizes: Sizes) -> Iterator[Result]:
    found = work(
        "large_patch",
        {
            "slug": small.slug,
            "url": place.superuser_url,
            "times": sizes.large_patch_times,
            "repeats": sizes.large_patch_runs,
        },
        place.environment,
    )
    rates = {
        f"patch of {_count(1_500 * sizes.large_patch_times)} rows, in the service": found["service"],
        "superuser COPY of the same rows into the same tables": found["copy"],
    }
    for what, samples in rates.items():
        yield Result(what=what, unit="rows/s", samples=tuple(samples))
    yield Result(
        what="patch : superuser COPY",
        unit="ratio",
        samples=tuple(one / other for one, other in zip(found["service"], found["copy"], strict=True)),
    )


def memory(arena: Arena, sizes: Sizes) -> Iterator[Result]:
    """The peak of the service process, small and large."""
    peaks: list[float] = []
    for rows in sizes.memory_rows:
        tenant = Sized(slug="harbour-works", rows=rows)
        place = arena.clone("bench_memory", arena.provisioned(tenant))
        done = _job(place, tenant)
        if done["has_dagster"]:
            raise RuntimeError("the service process has imported Dagster")
        peaks.append(done["peak_bytes"] / MEGABYTE)
        yield Result(
            what=f"peak memory of the service process, {_count(rows)} rows",
            unit="MB",
            samples=(peaks[-1],),
            goal=400,
            is_more_better=False,
        )
        arena.drop("bench_memory")
    yield Result(
        what=f"growth of the peak from {_count(sizes.memory_rows[0])} to {_count(sizes.memory_rows[1])} rows",
        unit="%",
        samples=((peaks[1] / peaks[0] - 1) * 100,),
        goal=10,
        is_more_better=False,
    )


def commands(_arena: Arena, sizes: Sizes) -> Iterator[Result]:
    """Wall time of what a person types, on an embedded server of its own."""
    with open_home() as home:

        def run(*words: str) -> float:
            return home.run(*words).wall

        yield Result(what="make demo, first time", unit="s", samples=(run("run"),))
        again = [home.run("run") for _ in range(min(3, sizes.command_runs))]
        yield Result(
            what="make demo, second time",
            unit="s",
            samples=tuple(one.wall for one in again),
            goal=5,
            is_more_better=False,
            note=f"CPU-seconds: {', '.join(f'{one.cpu:.1f}' for one in again)}",
        )
        for words in (
            ("kpis", SMALL),
            ("tenant", "list"),
            ("tenant", "show", SMALL),
            ("job", "list"),
            ("digest", SMALL),
        ):
            yield Result(
                what=f"demo-pipeline {' '.join(words)}",
                unit="s",
                samples=tuple(run(*words) for _ in range(sizes.command_runs)),
                goal=1,
                is_more_better=False,
            )


def naive(arena: Arena, sizes: Sizes) -> Iterator[Result]:
    """Faker for each row, SQLAlchemy in batches of 500."""
    place = arena.clone("bench_naive")
    done = work("naive", {"url": place.superuser_url, "rows": sizes.naive_rows}, {})
    arena.drop("bench_naive")
    yield Result(
        what=f"the naive way (Faker a row, SQLAlchemy inserts of 500), {_count(sizes.naive_rows)} rows",
        unit="rows/s",
        samples=(done["rows"] / done["wall"],),
        note="no figure is hit, no row-level security, a commit for each batch",
    )


SUITES: Final[dict[str, Callable[[Arena, Sizes], Iterator[Result]]]] = {
    "generation": generation,
    "job": whole_job,
    "rewind": lambda arena, sizes: rewinds(arena, sizes.rewind_rows, sizes.rewind_runs),
    "memory": memory,
    "commands": commands,
    "fleet": lambda arena, sizes: fleet(arena, sizes.fleet_tenants),
    "registered": lambda arena, sizes: registered(arena, sizes.registered_tenants),
    "naive": naive,
}


def _job(place: Place, tenant: Sized) -> dict[str, Any]:
    done = work("job", {"slug": tenant.slug}, place.environment)
    if not done["is_exact"]:
        raise RuntimeError(f"{tenant.slug}: a KPI is off")
    return done


def _with_server(arena: Arena, run: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    before = arena.cpu_seconds()
    done = run()
    return done | {"server_cpu": arena.cpu_seconds() - before}


def _rates(runs: list[dict[str, Any]]) -> tuple[float, ...]:
    return tuple(run["rows"] / run["wall"] for run in runs)


def _cpu_note(runs: list[dict[str, Any]]) -> str:
    shown = ", ".join(f"{run['cpu']:.1f} + {run['server_cpu']:.1f}" for run in runs)
    return f"CPU-seconds of client + server: {shown}"


def _count(rows: int) -> str:
    if rows % 1_000_000 == 0:
        return f"{rows // 1_000_000}M"
    return f"{rows // 1000}k"
