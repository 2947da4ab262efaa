"""The digest of every bundled blueprint, on whatever server the tests run on."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from demo_pipeline.services.materialise import materialise
from demo_pipeline.services.provision import provision
from demo_pipeline.services.reading import digest
from demo_pipeline.settings import Settings
from demo_pipeline.storage.database import Database

BLUEPRINTS = sorted((Path(__file__).parents[2] / "blueprints").glob("*.yaml"))

#: What ``demo-pipeline digest`` has always printed for these. A change here is a change of every tenant
#: made before it: it needs a new version of the word lists and a line in the changelog.
GOLDEN = {
    "larkmoor": "1548bfc3e9b5f2a60649ff09f7fe0243c52221de57e1b1d910bab1da000248e6",
    "marlowe-quay": "57f70eeaf18afaa1078d1c12ade21b33c7a8ed213d1102088a93967966218d46",
    "tannrausch": "977ca2446c5b5096b40dfdef77d0e483b6d291c9df846a27b10ebb645107cda4",
}


#: A living tenant shows data up to now: its digest is that of one moment, amid a month.
CLOCKS = {"tidewick": datetime(2026, 6, 17, 13, tzinfo=UTC)}
LATER = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.mark.risk("G5")
@pytest.mark.parametrize("path", BLUEPRINTS, ids=lambda path: path.stem)
def test_g05_golden_digest(database: Database, database_settings: Settings, path: Path) -> None:
    """The same digest on any server, at any time after a closed span, in any host time zone."""
    now = database_settings.model_copy(update={"now": CLOCKS.get(path.stem, LATER)})
    slug = provision(database, now, path).slug
    materialise(database, now, slug)
    assert digest(database, now, slug) == GOLDEN[slug]


def test_many_small_loads_are_one_large_one(database: Database, database_settings: Settings) -> None:
    """Staging tables are used again within a transaction, and nothing of the load before is left in them."""
    small = database_settings.model_copy(update={"now": LATER, "batch_rows": 500})
    slug = provision(database, small, BLUEPRINTS[0]).slug
    created = materialise(database, small, slug).created
    assert min(created.values()) > 0
    assert max(created.values()) > 2 * small.batch_rows
    assert digest(database, small, slug) == GOLDEN[slug]
