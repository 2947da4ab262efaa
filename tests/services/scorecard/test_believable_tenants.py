"""Tenants of every industry in every country, and the bundled ones: nothing looks made up."""

from __future__ import annotations

import json
from dataclasses import fields
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Final

import pytest

from demo_pipeline.domain.feasibility import Caps
from demo_pipeline.domain.scorecard.measure import Score, Verdict
from demo_pipeline.services.certificate.certify import certify
from demo_pipeline.services.months.materialise import materialise
from demo_pipeline.services.patches.patch import apply_patch
from demo_pipeline.services.scorecard.score import score_tenant
from demo_pipeline.services.tenants.provision import provision
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from tests.builders.believable_tenants import COUNTRIES, USUAL, believable
from tests.paths import BUNDLED
from tests.services.patches.builders import plan

ROWS: Final = 5_000
#: so many that there are 100,000 activities
MANY_ROWS: Final = 161_500
#: each industry, each country
LARGE: Final = (
    ("US", "saas"),
    ("GB", "realestate"),
    ("DE", "ecommerce"),
    ("US", "finserv"),
    ("GB", "trading"),
    ("DE", "igaming"),
    ("FR", "saas"),
)
#: of each of these months: enough contacts and activities that a seam could be seen
PATCHED_MONTHS, PATCHED_ROWS = ("2025-07", "2025-08", "2025-09"), 3_500
NO_CAPS: Final = {f"DEMO_CAP_{cap.name.upper()}": str(10**12) for cap in fields(Caps)}
LATER: Final = datetime(2026, 11, 1, tzinfo=UTC)


def assert_believable(database: Database, settings: Settings, slug: str) -> tuple[Score, ...]:
    """No red line, and every contact value is reserved."""
    card = score_tenant(database, settings, slug)
    red = [f"{one.measure.name}: {one.figure}, expected {one.expected}" for one in card.red]
    assert not red, "\n".join(red)
    assert certify(database, settings, slug).uncovered == ()
    return card.scores


def made(database: Database, settings: Settings, path: Path) -> str:
    """The tenant of a blueprint with all of its months."""
    slug = provision(database, settings, path).slug
    materialise(database, settings, slug)
    return slug


@pytest.mark.scorecard
@pytest.mark.risk("G3")
@pytest.mark.parametrize(("country", "industry"), list(product(COUNTRIES, USUAL)))
def test_g03_every_industry_is_believable_in_every_country(
    database: Database, database_settings: Settings, tmp_path: Path, country: str, industry: str
) -> None:
    """A year of about 5,000 rows: most measures have enough rows to be taken."""
    settings = database_settings.model_copy(update={"now": LATER})
    file = tmp_path / f"{country.lower()}-{industry}.yaml"
    file.write_text(json.dumps(believable(country, industry, ROWS)), encoding="utf-8")
    scores = assert_believable(database, settings, made(database, settings, file))
    assert sum(score.verdict is Verdict.GREEN for score in scores) >= 30


@pytest.mark.scorecard
@pytest.mark.risk("G3")
@pytest.mark.parametrize("path", BUNDLED, ids=lambda path: path.stem)
def test_g03_bundled_tenants_are_believable(
    database: Database, database_settings: Settings, path: Path
) -> None:
    """What a newcomer sees first."""
    settings = database_settings.model_copy(update={"now": LATER})
    assert_believable(database, settings, made(database, settings, path))


@pytest.mark.long
@pytest.mark.risk("G3")
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("country", "industry"), LARGE)
def test_g03_a_hundred_thousand_activities_are_believable(
    database: Database,
    database_settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    country: str,
    industry: str,
) -> None:
    """Nearly every measure is taken, and a classifier sees no seam between months or around a patch."""
    for name, most in NO_CAPS.items():
        monkeypatch.setenv(name, most)
    settings = database_settings.model_copy(update={"now": LATER})
    file = tmp_path / f"{country.lower()}-{industry}.yaml"
    file.write_text(json.dumps(believable(country, industry, MANY_ROWS)), encoding="utf-8")
    slug = made(database, settings, file)
    scores = assert_believable(database, settings, slug)
    assert sum(score.verdict is Verdict.NOT_MEASURED for score in scores) <= 8
    # Months that grow by a fourth in one day are not as even as their neighbours: only seams are judged.
    more = believable(country, industry, PATCHED_ROWS)["totals"]
    apply_patch(database, settings, slug, plan({month: {**more} for month in PATCHED_MONTHS}))
    seams = {
        score.measure.name.removeprefix("seam_of_patches_"): score
        for score in score_tenant(database, settings, slug).scores
        if score.measure.name.startswith("seam_of_patches")
    }
    assert {seams[table].verdict for table in ("contacts", "activities")} == {Verdict.GREEN}, seams
    # Firms have fewer deals than a classifier needs.
    assert seams["deals"].verdict is not Verdict.RED, seams
