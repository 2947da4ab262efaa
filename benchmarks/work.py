"""What is measured in a process of its own: ``python -m benchmarks.work TASK '{"argument": ...}'``.

Each task prints one line of JSON. Settings come from the environment, as for any command. Dagster is not
imported here.
"""

from __future__ import annotations

import json
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from operator import attrgetter
from pathlib import Path
from typing import Any, Final

import psycopg
import pyarrow as pa
from psycopg import sql

from benchmarks.patching import large_patch, patch
from benchmarks.process import peak_bytes, timed
from benchmarks.reconciling import reconcile
from benchmarks.rewinding import rewind
from benchmarks.tenants import FIRST_MONTH, LAST_MONTH, PROVISIONED_AT, Sized
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.generation.generator import Generator
from demo_pipeline.domain.generation.row_schemas import SCHEMAS
from demo_pipeline.services.files.blueprint_files import blueprint_paths
from demo_pipeline.services.jobs.tenant_context import find_tenant_context
from demo_pipeline.services.months.materialise import materialise
from demo_pipeline.services.tenants import queries
from demo_pipeline.services.tenants.provision import provision as provision_tenant
from demo_pipeline.services.tenants.provision import provision_all
from demo_pipeline.services.tenants.verify import verify
from demo_pipeline.settings import load_settings
from demo_pipeline.storage.connection.database import open_database
from demo_pipeline.storage.rows.kpis import month_figures
from demo_pipeline.storage.rows.load import Load, encoded, prefetched

#: bytes read from a file and handed to COPY at once
_CHUNK: Final = 1 << 20


def generate(*, rows: int, country: str, industry: str, is_encoded: bool) -> dict[str, Any]:
    """Make all rows of a tenant, encode them if asked to, and keep none."""
    spec = Sized(slug="generated", rows=rows, country=country, industry=industry).spec()
    count = 0
    with timed() as clock:
        batches = _batches(Generator(spec, PROVISIONED_AT))
        if is_encoded:
            for load in encoded(batches, load_settings().batch_rows):
                count += len(load)
        else:
            for _, batch in batches:
                count += batch.num_rows
    return {"rows": count, "wall": clock.wall, "cpu": clock.cpu, "peak_bytes": peak_bytes()}


def stream(*, rows: int) -> dict[str, Any]:
    """Make and encode rows one load ahead, as a job does, and drop each load when the next one is there.

    So as much is held at once as by a job whose database is slower than generation.
    """
    spec = Sized(slug="generated", rows=rows).spec()
    held: deque[Load] = deque(maxlen=1)
    count = 0
    batches = _batches(Generator(spec, PROVISIONED_AT))
    with timed() as clock, prefetched(encoded(batches, load_settings().batch_rows)) as loads:
        for load in loads:
            count += len(load)
            held.append(load)
            del load
    return {"rows": count, "wall": clock.wall, "cpu": clock.cpu, "peak_bytes": peak_bytes()}


def _batches(generator: Generator) -> Iterator[tuple[str, pa.RecordBatch]]:
    yield from generator.team.batches().items()
    for month in generator.spec.months:
        # No loop: it would hold each batch while the next one is made.
        yield from map(attrgetter("table", "rows"), generator.month(month))


def provision(*, path: str) -> dict[str, Any]:
    """Make the tenant of a blueprint file, and no rows of it."""
    settings = load_settings()
    provision_tenant(open_database(settings), settings, Path(path))
    return {}


def materialise_folder(*, folder: str) -> dict[str, Any]:
    """All that ``demo-pipeline run`` does for a folder of blueprints, but for Dagster and for the output."""
    settings, rows = load_settings(), 0
    with timed() as clock, open_database(settings).pooled() as database:
        made = provision_all(database, settings, blueprint_paths(Path(folder)))
        for tenant in made:
            rows += sum(materialise(database, settings, tenant.slug).created.values())
        slugs = [tenant.slug for tenant in made]
        is_exact = all(verdict.is_as_expected for verdict in verify(database, settings, *slugs))
        for slug in slugs:
            queries.kpis(database, settings, slug)
    if not is_exact or "dagster" in sys.modules:
        raise RuntimeError(f"{folder}: a tenant is not as expected, or Dagster was imported")
    return {"rows": rows, "wall": clock.wall, "cpu": clock.cpu}


def job(*, slug: str) -> dict[str, Any]:
    """The whole job of a tenant that was provisioned, by the service that everything else uses."""
    settings = load_settings()
    with timed() as clock:
        report = materialise(open_database(settings), settings, slug)
    return {
        "rows": sum(report.created.values()),
        "wall": clock.wall,
        "cpu": clock.cpu,
        "peak_bytes": peak_bytes(),
        "has_dagster": "dagster" in sys.modules,
        "has_pandas": "pandas" in sys.modules,
        "is_exact": all(not month.drift for month in report.months),
    }


def dump(*, url: str, folder: str) -> dict[str, Any]:
    """Every loaded table as binary COPY, in the order in which its rows lie."""
    with psycopg.connect(url) as conn:
        conn.execute("SET synchronize_seqscans = off")
        for table in SCHEMAS:
            statement = sql.SQL("COPY crm.{} TO STDOUT (FORMAT binary)").format(sql.Identifier(table))
            with (
                (Path(folder) / table).open("wb") as file,
                conn.cursor() as cursor,
                cursor.copy(statement) as copy,
            ):
                for piece in copy:
                    file.write(piece)
    return {}


def raw_copy(*, url: str, folder: str) -> dict[str, Any]:
    """What PostgreSQL can take: files to tables by a superuser, one COPY a table, one transaction."""
    rows = 0
    with psycopg.connect(url, autocommit=True) as conn:
        # As the loader's session has it: else the cached plans of foreign-key checks may scan.
        conn.execute("SET enable_seqscan = off")
        conn.execute("SET jit = off")
        with timed() as clock, conn.transaction(), conn.cursor() as cursor:
            for table in SCHEMAS:
                statement = sql.SQL("COPY crm.{} FROM STDIN (FORMAT binary)").format(sql.Identifier(table))
                with (Path(folder) / table).open("rb") as file, cursor.copy(statement) as copy:
                    while piece := file.read(_CHUNK):
                        copy.write(piece)
                rows += cursor.rowcount
    return {"rows": rows, "wall": clock.wall, "cpu": clock.cpu}


def kpis(*, slug: str, repeats: int) -> dict[str, Any]:
    """Eight KPIs of 24 months: the query on an open connection, and the whole service call."""
    settings = load_settings()
    database = open_database(settings)
    query: list[float] = []
    service: list[float] = []
    with database.admin(readonly=True) as conn:
        subject = find_tenant_context(conn, settings, slug, "kpis")
        tenant_id, currency = subject.state.tenant.tenant_id, subject.spec.currency
        _must_be_plan(
            month_figures(conn, tenant_id, FIRST_MONTH, LAST_MONTH, currency), slug, subject.spec.figures_of
        )
        for _ in range(repeats):
            with timed() as clock:
                month_figures(conn, tenant_id, FIRST_MONTH, LAST_MONTH, currency)
            query.append(clock.wall)
    for _ in range(repeats):
        with timed() as clock:
            queries.kpis(database, settings, slug)
        service.append(clock.wall)
    return {"query": query, "service": service}


def _must_be_plan(found: Mapping[Month, Any], slug: str, expected: Callable[[Month], Any]) -> None:
    for month, figures in found.items():
        if figures != expected(month):
            raise RuntimeError(f"{slug} {month}: {figures} is not {expected(month)}")


def naive(*, url: str, rows: int) -> dict[str, Any]:
    """The usual script, for comparison. Imported late: it brings Faker and SQLAlchemy."""
    from benchmarks.naive import load_naively

    with timed() as clock:
        count = load_naively(url, rows)
    return {"rows": count, "wall": clock.wall, "cpu": clock.cpu}


TASKS: Final[dict[str, Callable[..., dict[str, Any]]]] = {
    task.__name__: task
    for task in (
        generate,
        stream,
        provision,
        materialise_folder,
        job,
        dump,
        raw_copy,
        kpis,
        naive,
        patch,
        large_patch,
        rewind,
        reconcile,
    )
}

if __name__ == "__main__":
    print(json.dumps(TASKS[sys.argv[1]](**json.loads(sys.argv[2]))))
