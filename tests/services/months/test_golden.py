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
    "larkmoor": "12d74311b601c07ff7a8563878c6ba159df2909947f74a005a545108207f57cc",
    "marlowe-quay": "6ba9c7adc53f2a00da560f3104c1bb24036d15a8960c1f3a1386595787658d24",
    "tannrausch": "4d2f43d8f9f3ddd0496d1a2f6bdbeee75d6e615f1fb1413dc7fc88f1a596ece8",
    "tidewick": "ad258c940fd067b095e55eb57134e0d478a17a561afe58cac98a809a9f34f795",
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
