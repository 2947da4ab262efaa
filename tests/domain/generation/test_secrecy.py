"""No text that the generator makes has a tell-tale word, whatever the blueprint."""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings

from demo_pipeline.domain.parsing.scalars import TELL_TALE
from demo_pipeline.domain.reference.countries import COUNTRIES
from demo_pipeline.domain.reference.industries import INDUSTRIES
from tests.assertions.generated_rows import batches_of, spec_of
from tests.builders.blueprints import NOW, feasible_blueprints
from tests.hypothesis_profiles import examples

#: ``contact_tags`` has no text
TABLES = {"users", "pipeline_stages", "tags", "companies", "contacts", "deals", "activities"}
PROVENANCE = "demo_source_month"


def telling(
    blueprint: dict[str, Any], pattern: re.Pattern[str] = TELL_TALE
) -> tuple[list[str], Counter[str]]:
    """Texts that the pattern is found in, in any column of any row, and how many texts each table has."""
    with tempfile.TemporaryDirectory() as folder:
        spec = spec_of(Path(folder), blueprint, NOW)
    found: list[str] = []
    counts: Counter[str] = Counter()
    for batch in batches_of(spec, NOW):
        rows: Any = batch.rows
        for name in (field.name for field in rows.schema if pa.types.is_string(field.type)):
            if name == PROVENANCE:
                continue
            texts: list[str] = rows.column(name).drop_null().to_pylist()
            counts[batch.table] += len(texts)
            # A line break is no part of a word.
            if pattern.search("\n".join(texts)):
                found += [text for text in texts if pattern.search(text)]
    return found, counts


def large(country: str, industry: str) -> dict[str, Any]:
    """A blueprint with some ten thousand texts."""
    return {
        "name": "Larkmoor Nord",
        "country": country,
        "industry": industry,
        "start_month": "2025-01",
        "end_month": "2025-02",
        "seed": "42",
        "totals": {
            "leads_created": 300,
            "contacts_created": 500,
            "companies_created": 200,
            "deals_created": 150,
            "closed_won_count": 40,
            "activities_created": 1500,
        },
    }


@pytest.mark.risk("G7", partial=True)
@settings(max_examples=examples(40), suppress_health_check=[HealthCheck.too_slow])
@given(blueprint=feasible_blueprints())
def test_no_text_of_a_random_blueprint_tells(blueprint: dict[str, Any]) -> None:
    """Every text of every row of any feasible blueprint is free of tell-tale words."""
    found, counts = telling(blueprint)
    assert found == []
    assert counts["users"]


@pytest.mark.long(divides=True)
@pytest.mark.timeout(1500)
@pytest.mark.risk("G7", partial=True)
@settings(max_examples=examples(2_000), suppress_health_check=[HealthCheck.too_slow])
@given(blueprint=feasible_blueprints())
def test_no_text_of_two_thousand_random_blueprints_tells(blueprint: dict[str, Any]) -> None:
    """The same for two thousand."""
    assert telling(blueprint)[0] == []


@pytest.mark.risk("G7", partial=True)
@pytest.mark.parametrize("industry", INDUSTRIES)
@pytest.mark.parametrize("country", COUNTRIES)
def test_no_text_tells_in_any_country_and_industry(country: str, industry: str) -> None:
    """Thousands of texts in each country's lists and each industry's words, in every table that has texts."""
    found, counts = telling(large(country, industry))
    assert found == []
    assert {table for table, count in counts.items() if count} == TABLES
    assert counts.total() > 9_000


def test_a_telling_text_would_be_seen() -> None:
    """The look above finds a word that is there: the company of the blueprint, in its people's addresses."""
    found, _ = telling(large("DE", "saas"), re.compile("larkmoor"))
    assert found
