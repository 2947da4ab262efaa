"""Memory does not grow with the rows: what the process of a job has resident at its peak.

Measured by the very programs of ``benchmarks``, each in a process of its own. Where several runs share a
machine times differ, memory does not.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.process import work
from benchmarks.tenants import NO_CAPS, Sized
from tests.fixtures.postgres import MakeDatabase

#: What a peak may be above that of fewer rows. Holding the rows would double it.
MOST_GROWTH = 1.10
MOST_BYTES = 400_000_000


@pytest.mark.risk("G4", partial=True)
def test_g04_rows_stream_through_generation_and_encoding() -> None:
    """2.5 million rows take at most a tenth more memory than a million on their way to the connection."""
    peaks: list[int] = []
    for rows in (1_000_000, 2_500_000):
        done = work("stream", {"rows": rows}, {})
        assert done["rows"] == pytest.approx(rows, rel=0.01)
        peaks.append(done["peak_bytes"])
    assert peaks[1] < MOST_BYTES
    assert peaks[1] < peaks[0] * MOST_GROWTH


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.risk("G4")
def test_g04_memory_of_a_job_does_not_grow_with_its_rows(make_database: MakeDatabase, tmp_path: Path) -> None:
    """A job of 5 million rows takes at most a tenth more memory than one of a million, without Dagster."""
    peaks: list[int] = []
    for rows in (1_000_000, 5_000_000):
        database = make_database()
        assert database.loader_url is not None
        environment = {
            "DEMO_HOME": str(tmp_path / "home"),
            "DEMO_DATABASE_URL": database.admin_url,
            "DEMO_LOADER_URL": database.loader_url,
            **NO_CAPS,
        }
        tenant = Sized(slug="harbour-works", rows=rows)
        work("provision", {"path": str(tenant.write(tmp_path))}, environment)
        done = work("job", {"slug": tenant.slug}, environment)
        assert done["rows"] == pytest.approx(rows, rel=0.01)
        assert not done["has_dagster"]
        peaks.append(done["peak_bytes"])
    assert peaks[1] < MOST_BYTES
    assert peaks[1] < peaks[0] * MOST_GROWTH
