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
    "larkmoor": "af194c48e49638959660312e980649a8adcb767d3c8733463d73c89f3e0f85d0",
    "marlowe-quay": "b1088b37809031b8afe5d50f97a2cdca378b9625fa1756b45d60bfef20f35077",
    "tannrausch": "69d60192d6edd2fc53384390c4306e40e646f1673cb1ea5c8be192af32ca5157",
}


@pytest.mark.risk("G5")
@pytest.mark.parametrize("path", BLUEPRINTS, ids=lambda path: path.stem)
def test_g05_golden_digest(database: Database, database_settings: Settings, path: Path) -> None:
    """The same digest on any server, at any time after the span, in any host time zone."""
    now = database_settings.model_copy(update={"now": datetime(2026, 11, 1, tzinfo=UTC)})
    slug = provision(database, now, path).slug
    materialise(database, now, slug)
    assert digest(database, now, slug) == GOLDEN[slug]
