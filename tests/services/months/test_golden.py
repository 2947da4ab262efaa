"""The digest of every bundled blueprint, on whatever server the tests run on."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from demo_pipeline.rendering.hero_columns import hero_sections
from demo_pipeline.services.months.materialise import materialise
from demo_pipeline.services.tenants.provision import provision
from demo_pipeline.services.tenants.queries import digest, show_tenant
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from tests.paths import BUNDLED, PROJECT

#: What ``demo-pipeline digest`` has always printed for these. A change here is a change of every tenant
#: made before it: it needs new versions (``domain.reference.versions``) and a line in the changelog.
GOLDEN = {
    "larkmoor": "2293326f430ad6948c294bbf7bd23df9bb30e6de3faecbd4addc675ed3aa9c7c",
    "marlowe-quay": "e9b122ddcdd8eaca56082e6266c2e3f3f4d4d344dfeea5032266e955f67cfe4d",
    "tannrausch": "0072fd90fa2f00426b574d8000a92fc368676d5fbdf640f9b6694d09a4cfdc58",
    "tidewick": "09b1a28f5f37d7cf969d2cc19d52841112329b2ebb05d64260a1fef6dc69c7d9",
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
    if slug == "larkmoor":
        assert_page_shows_hero_accounts_of(database, now, slug)


def assert_page_shows_hero_accounts_of(database: Database, settings: Settings, slug: str) -> None:
    """The page on tenants shows what the command prints of this tenant."""
    page = (PROJECT / "docs" / "tenants.md").read_text(encoding="utf-8")
    _, _, block = page.partition(f"$ demo-pipeline tenant show {slug}\n")
    shown = [line.strip() for line in block.partition("```")[0].splitlines() if line.strip() != "..."]
    printed = [
        line
        for section in hero_sections(show_tenant(database, settings, slug).heroes)
        for line in (section.heading, *(f"{i}. {one}" for i, one in enumerate(section.sentences, start=1)))
    ]
    assert shown
    assert set(shown) <= set(printed), printed


def test_many_small_loads_are_one_large_one(database: Database, database_settings: Settings) -> None:
    """Staging tables are used again within a transaction, and nothing of the load before is left in them."""
    small = database_settings.model_copy(update={"now": LATER, "batch_rows": 500})
    slug = provision(database, small, BUNDLED[0]).slug
    created = materialise(database, small, slug).created
    assert min(created.values()) > 0
    assert max(created.values()) > 2 * small.batch_rows
    assert digest(database, small, slug) == GOLDEN[slug]
