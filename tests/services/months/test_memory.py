"""Memory does not grow with the rows: what the process of a job has resident at its peak.

Measured by the very programs of ``benchmarks``, each in a process of its own. Where several runs share a
machine times differ, memory does not.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.process import work
from benchmarks.tenants import NO_CAPS, Sized
from demo_pipeline.storage.connection.database import Database
from tests.fixtures.postgres import MakeDatabase
from tests.long_tests import part

#: What a peak may be above that of fewer rows. Holding the rows would double it.
MOST_GROWTH = 1.10
MOST_BYTES = 400_000_000


@pytest.mark.risk("G4", partial=True)
def test_g04_rows_stream_through_generation_and_encoding() -> None:
    """A million rows take at most a tenth more memory than 400,000 on their way to the connection."""
    peaks: list[int] = []
    for rows in (400_000, 1_000_000):
        done = work("stream", {"rows": rows}, {})
        assert done["rows"] == pytest.approx(rows, rel=0.01)
        peaks.append(done["peak_bytes"])
    assert peaks[1] < MOST_BYTES
    assert peaks[1] < peaks[0] * MOST_GROWTH


def _job(database: Database, folder: Path, rows: int) -> dict[str, Any]:
    """Provision a tenant of about so many rows, make its months, and what that process measured."""
    assert database.loader_url is not None
    environment = {
        "DEMO_HOME": str(folder / "home"),
        "DEMO_DATABASE_URL": database.admin_url,
        "DEMO_LOADER_URL": database.loader_url,
        **NO_CAPS,
    }
    tenant = Sized(slug="harbour-works", rows=rows)
    work("provision", {"path": str(tenant.write(folder))}, environment)
    done = work("job", {"slug": tenant.slug}, environment)
    assert done["rows"] == pytest.approx(rows, rel=0.1 if rows < 100_000 else 0.01)
    return done


def test_a_job_imports_neither_dagster_nor_pandas(make_database: MakeDatabase, tmp_path: Path) -> None:
    """The process of a job has not imported what takes half a second and 60 MB and makes no row."""
    done = _job(make_database(), tmp_path, 5_000)
    assert done["is_exact"]
    assert not done["has_dagster"]
    assert not done["has_pandas"]


@pytest.mark.long(divides=True)
@pytest.mark.timeout(1800)
@pytest.mark.risk("G4")
def test_g04_memory_of_a_job_does_not_grow_with_its_rows(make_database: MakeDatabase, tmp_path: Path) -> None:
    """A job of 5 million rows takes at most a tenth more memory than one of a million, without Dagster."""
    peaks = [
        _job(make_database(), tmp_path, rows)["peak_bytes"] for rows in (part(1_000_000), part(5_000_000))
    ]
    assert peaks[1] < MOST_BYTES
    assert peaks[1] < peaks[0] * MOST_GROWTH
