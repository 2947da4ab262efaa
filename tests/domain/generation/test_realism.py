"""The settings of ``realism`` do what they say, and titles of deals say what their values come from."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pytest

from demo_pipeline.domain.documents.stored import read_spec
from demo_pipeline.domain.reference.countries import load_locale
from demo_pipeline.domain.reference.texts import load_texts
from tests.assertions.generated_rows import Row, batches_of, complaints, figures_of, rows_of, spec_of
from tests.builders.blueprints import NOW

BLUEPRINT: Final[dict[str, Any]] = {
    "name": "Brightwater Supplies",
    "country": "US",
    "industry": "saas",
    "start_month": "2025-01",
    "end_month": "2025-06",
    "seed": "31",
    "totals": {
        "leads_created": 600,
        "contacts_created": 900,
        "companies_created": 150,
        "deals_created": 240,
        "closed_won_count": 60,
        "activities_created": 2400,
    },
}
Rows = Mapping[str, Sequence[Row]]


def made(folder: Path, **declared: Any) -> Rows:
    """Rows of the blueprint with other keys, whose figures are exact."""
    spec = spec_of(folder, BLUEPRINT | declared, NOW)
    rows = rows_of(batches_of(spec, NOW))
    assert complaints(spec, rows, NOW) == []
    assert figures_of(rows, spec.currency) == dict(zip(spec.months, spec.figures, strict=True))
    return rows


def by_outcome(rows: Rows) -> dict[str, list[Row]]:
    """The won, lost and open deals."""
    outcomes = {
        stage["id"]: "won" if stage["is_won"] else "lost" if stage["is_lost"] else "open"
        for stage in rows["pipeline_stages"]
    }
    deals: dict[str, list[Row]] = defaultdict(list)
    for deal in rows["deals"]:
        deals[outcomes[deal["stage_id"]]].append(deal)
    return deals


@pytest.mark.parametrize("rate", ["0", "0.2", "0.5"])
def test_the_drop_off_rate_is_the_share_of_leads_without_any_activity(tmp_path: Path, rate: str) -> None:
    """Nobody answers them later by chance; all other leads are answered where activities suffice."""
    rows = made(tmp_path, realism={"drop_off_rate": rate})
    leads = [contact["id"] for contact in rows["contacts"] if contact["status"] == "lead"]
    met = {activity["contact_id"] for activity in rows["activities"]}
    silent = sum(lead not in met for lead in leads) / len(leads)
    assert silent == pytest.approx(float(rate), abs=0.06)


def test_where_all_leads_are_dropped_the_work_is_with_the_others(tmp_path: Path) -> None:
    """A rate of 1 leaves leads alone, but for the time before anybody else exists."""
    rows = made(tmp_path, realism={"drop_off_rate": "1"})
    others = [contact["created_at"] for contact in rows["contacts"] if contact["status"] != "lead"]
    leads = {contact["id"] for contact in rows["contacts"] if contact["status"] == "lead"}
    with_deal = {deal["contact_id"] for deal in rows["deals"]}
    for activity in rows["activities"]:
        if activity["contact_id"] in leads - with_deal:
            assert activity["created_at"] < min(others)


@pytest.mark.parametrize("ratio", ["0.25", "1", "3.5"])
def test_lost_value_is_the_declared_multiple_of_the_pipeline(tmp_path: Path, ratio: str) -> None:
    """In every month with lost deals, to the minor unit."""
    rows = made(tmp_path, realism={"lost_value_ratio": ratio})
    deals = by_outcome(rows)
    months = {deal["_month"] for deal in deals["lost"]}
    assert len(months) > 3
    for month in months:
        lost, pipeline = (
            sum(deal["value"] for kind in kinds for deal in deals[kind] if deal["_month"] == month)
            for kinds in (("lost",), ("won", "open"))
        )
        assert lost == (Decimal(ratio) * pipeline * 100 // 1) / 100, month


def test_lost_value_that_nobody_declared_is_what_such_deals_are_worth(tmp_path: Path) -> None:
    """The mean lost deal is about as large as the others, and the largest do not share one value."""
    deals = by_outcome(made(tmp_path))
    lost = [deal["value"] for deal in deals["lost"]]
    others = [deal["value"] for kind in ("won", "open") for deal in deals[kind]]
    assert 0.3 < (sum(lost) / len(lost)) / (sum(others) / len(others)) < 3
    assert max(lost) <= 3 * max(others)
    largest = sorted(lost)[-len(lost) // 10 :]
    # Two may be the same number of pieces at the same discount.
    assert max(Counter(largest).values()) <= 2


def test_a_stored_tenant_without_the_ratio_has_none(tmp_path: Path) -> None:
    """Tenants that were provisioned before the key existed are read as before."""
    spec = spec_of(tmp_path, BLUEPRINT | {"realism": {"lost_value_ratio": "1.5"}}, NOW)
    document = spec.to_json()
    assert read_spec(spec.slug, document).lost_value_ppm == 1_500_000
    del document["lost_value_ppm"]
    assert read_spec(spec.slug, document).lost_value_ppm is None


def test_a_title_with_pieces_agrees_with_the_value(tmp_path: Path) -> None:
    """Value ÷ pieces is the product's price, less a discount of at most a fifth; nothing costs less."""
    rows = made(tmp_path)
    product = "|".join(re.escape(str(one)) for one in load_texts("en", "saas").products.to_pylist())
    title = re.compile(rf"(?P<a>\d+) × (?P<b>{product})|(?P<c>{product}), (?P<d>\d+) (?:seats|users)")
    prices: dict[str, list[Decimal]] = defaultdict(list)
    for deal in rows["deals"]:
        if found := title.search(deal["title"]):
            pieces = int(found["a"] or found["d"])
            assert pieces > 1
            prices[found["b"] or found["c"]].append(deal["value"] / pieces)
    compared = [values for values in prices.values() if len(values) > 3]
    assert len(compared) > 5
    for values in compared:
        assert min(values) >= max(values) * Decimal("0.79")


def test_properties_name_their_city_and_what_they_are_called_there(tmp_path: Path) -> None:
    """American apartments are British flats; three titles of four name a city of the country."""
    declared = {"industry": "realestate", "totals": BLUEPRINT["totals"] | {"activities_created": 10}}
    for country, own, foreign in (("US", "Apartment", "Flat"), ("GB", "Flat", "Apartment")):
        titles = [deal["title"] for deal in made(tmp_path, country=country, **declared)["deals"]]
        assert any(own in title for title in titles)
        assert not any(foreign in title for title in titles)
        cities = [city.name for city in load_locale(country).places.cities]
        named = sum(any(city in title for city in cities) for title in titles)
        assert named > 0.6 * len(titles)
