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
    "larkmoor": "5597ac3b84d11b4d8e8854e175d19e7d3891494948fa9fdf41bccfc08ba919e4",
    "marlowe-quay": "e99956910355e8a1c15180c4d6ad807603c2bb648a3c78e449ee64547a7e56bc",
    "tannrausch": "67f9b9914e7c3f59579bd5d2038c64b587ed52e7dec518a6bcf4e68789258a03",
    "tidewick": "6bec56eb43a265aea94b3f43a73b663b3a13137bbb164511e11b280e6357977c",
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
