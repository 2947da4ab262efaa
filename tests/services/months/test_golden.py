"""The digest of every bundled blueprint, on whatever server the tests run on."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from demo_pipeline.services.months.materialise import materialise
from demo_pipeline.services.tenants.provision import provision
from demo_pipeline.services.tenants.queries import digest
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from tests.paths import BUNDLED

#: What ``demo-pipeline digest`` has always printed for these. A change here is a change of every tenant
#: made before it: it needs new versions (``domain.reference.versions``) and a line in the changelog.
GOLDEN = {
    "larkmoor": "a2a2605e55ea429d0ed8907e89578afca4b0cc60b234c6e9bb589ea051ef8c58",
    "marlowe-quay": "a6619af41487cf6c0693dc8fad2c34b2d17bf07c7495bdb6e469bdff21d99756",
    "tannrausch": "69d414aa00179416e6717b59541a6b1c836159f336ca922a6a44f80e9e4eee87",
    "tidewick": "a23035c07fb6fc507e635f46e2f8748e393d99b177756b5a4ae91df01c8dc09c",
}


#: A living tenant shows data up to now: its digest is that of one moment, amid a month.
CLOCKS = {"tidewick": datetime(2026, 6, 17, 13, tzinfo=UTC)}
LATER = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.mark.risk("G5")
@pytest.mark.parametrize("path", BUNDLED, ids=lambda path: path.stem)
def test_g05_golden_digest(database: Database, database_settings: Settings, path: Path) -> None:
    """The same digest on any server, at any time after a closed span, in any host time zone."""
    now = database_settings.model_copy(update={"now": CLOCKS.get(path.stem, LATER)})
    slug = provision(database, now, path).slug
    materialise(database, now, slug)
    assert digest(database, now, slug) == GOLDEN[slug]


def test_many_small_loads_are_one_large_one(database: Database, database_settings: Settings) -> None:
    """Staging tables are used again within a transaction, and nothing of the load before is left in them."""
    small = database_settings.model_copy(update={"now": LATER, "batch_rows": 500})
    slug = provision(database, small, BUNDLED[0]).slug
    created = materialise(database, small, slug).created
    assert min(created.values()) > 0
    assert max(created.values()) > 2 * small.batch_rows
    assert digest(database, small, slug) == GOLDEN[slug]
