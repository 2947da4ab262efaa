"""What rows look like as a whole: known values, gaps, changes, and nothing that every row has in common."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

from demo_pipeline.domain import model
from demo_pipeline.domain.blueprint.schema import ChannelMix
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.generation.calendar import MINUTE_US, instant_us, tenant_calendar
from demo_pipeline.domain.generation.row_schemas import SCHEMAS
from demo_pipeline.domain.model import MODEL
from demo_pipeline.domain.reference.countries import COUNTRIES, load_locale
from demo_pipeline.domain.reference.industries import INDUSTRIES
from tests.assertions.generated_rows import (
    FACTS,
    Row,
    batches_of,
    complaints,
    rows_of,
    spec_of,
    write_blueprint,
)
from tests.builders.blueprints import NOW, spec_of_file

BLUEPRINT: Final[dict[str, Any]] = {
    "name": "Brightwater Supplies",
    "country": "US",
    "industry": "saas",
    "start_month": "2025-01",
    "end_month": "2025-04",
    "seed": "17",
    "team_size": 12,
    "totals": {
        "leads_created": 500,
        "contacts_created": 900,
        "companies_created": 300,
        "deals_created": 200,
        "closed_won_count": 60,
        "activities_created": 1500,
    },
}
#: (table, column) → the values that the CRM knows
KNOWN_VALUES: Final = {
    ("users", "role"): model.USER_ROLES,
    ("companies", "size"): model.COMPANY_SIZES,
    ("contacts", "status"): model.CONTACT_STATUSES,
    ("contacts", "source"): model.CONTACT_SOURCES,
    ("activities", "type"): model.ACTIVITY_TYPES,
}


def made(
    folder: Path, blueprint: Mapping[str, Any] = BLUEPRINT, now: datetime = NOW
) -> Mapping[str, Sequence[Row]]:
    """Team and rows of a blueprint; every life in them is possible."""
    spec = spec_of(folder, blueprint, now)
    rows = rows_of(batches_of(spec, now))
    assert complaints(spec, rows, now) == []
    return rows


def null_share(rows: Sequence[Row], column: str) -> float:
    """The share of rows without a value."""
    return sum(row[column] is None for row in rows) / len(rows)


def unchanged_share(rows: Sequence[Row]) -> float:
    """The share of rows that nobody changed after their creation."""
    return sum(row["updated_at"] == row["created_at"] for row in rows) / len(rows)


@pytest.mark.parametrize(("country", "industry"), list(product(COUNTRIES, INDUSTRIES)))
def test_every_value_of_a_fixed_set_is_known_to_the_crm(tmp_path: Path, country: str, industry: str) -> None:
    """Roles, sizes, statuses, sources and types of all countries and industries are those of the CRM."""
    rows = made(tmp_path, BLUEPRINT | {"country": country, "industry": industry})
    for (table, column), known in KNOWN_VALUES.items():
        assert {row[column] for row in rows[table]} <= set(known), (table, column)
    assert {row["industry"] for row in rows["companies"]} <= set(
        load_locale(country).companies.industries.names
    )
    assert len({row["type"] for row in rows["activities"]}) == len(model.ACTIVITY_TYPES)
    assert len({row["status"] for row in rows["contacts"]}) == len(model.CONTACT_STATUSES)


@pytest.mark.parametrize("country", COUNTRIES)
def test_the_frozen_lists_and_the_channels_have_the_values_of_the_crm(country: str) -> None:
    """Sizes of every country and channels of every blueprint are the CRM's, in its order."""
    assert load_locale(country).companies.sizes.names == model.COMPANY_SIZES
    assert model.COMPANY_SIZES == ("1-10", "11-50", "51-200", "201-500", "501-1000", "1000+")
    assert tuple(ChannelMix.model_fields) == model.CONTACT_SOURCES


def won_with(rows: Mapping[str, Sequence[Row]]) -> Counter[str]:
    """Status of the contact → won deals."""
    status = {row["id"]: row["status"] for row in rows["contacts"]}
    won = {stage["id"] for stage in rows["pipeline_stages"] if stage["is_won"]}
    return Counter(status[row["contact_id"]] for row in rows["deals"] if row["stage_id"] in won)


def monthly(*months: Mapping[str, Any]) -> dict[str, Any]:
    """The blueprint with exact figures of its months."""
    declared = {key: value for key, value in BLUEPRINT.items() if key != "totals"}
    return declared | {"months": [{"month": f"2025-0{place + 1}", **one} for place, one in enumerate(months)]}


@pytest.mark.parametrize("seed", range(12))
def test_a_won_deal_is_not_with_a_lead_where_anybody_else_exists(tmp_path: Path, seed: int) -> None:
    """Also where nobody is a customer, where one of fifty contacts is none, and where she comes late."""
    few: dict[str, Any] = {"deals_created": 9, "closed_won_count": 7, "activities_created": 5}
    for months in (
        ({"leads_created": 49, "contacts_created": 50, **few},),
        ({"leads_created": 50, "contacts_created": 50}, {"leads_created": 30, "contacts_created": 31, **few}),
        ({"leads_created": 1, "contacts_created": 2, **few},),
    ):
        rows = made(tmp_path, monthly(*months) | {"seed": str(seed)})
        assert sum(won_with(rows).values()) == 7
        assert won_with(rows)["lead"] == 0, months


def test_won_deals_are_with_leads_only_where_all_contacts_are_leads(tmp_path: Path) -> None:
    """Figures that leave nothing else are met, with a warning for those months alone."""
    won = {"deals_created": 4, "closed_won_count": 3}
    leads = {"leads_created": 5, "contacts_created": 5}
    blueprint = monthly({**leads, **won}, {**leads, **won, "contacts_created": 6}, won)
    rows = made(tmp_path, blueprint)
    assert won_with(rows)["lead"] == 3
    _, warnings = spec_of_file(write_blueprint(tmp_path, blueprint), NOW, "")
    (warning,) = [one for one in warnings if "lead" in one]
    assert warning.startswith("2025-01: every contact that exists by then is a lead, so 3 won deals are with")


@pytest.mark.parametrize("country", COUNTRIES)
def test_people_leave_gaps(tmp_path: Path, country: str) -> None:
    """Some contacts have no phone, few no e-mail; some companies have no phone, website or street."""
    rows = made(tmp_path, BLUEPRINT | {"country": country})
    contacts, companies = rows["contacts"], rows["companies"]
    assert 0.01 < null_share(contacts, "email") < 0.08
    assert null_share(contacts, "phone") > 0.14
    assert all(row["email"] or row["phone"] for row in contacts)
    for column in ("phone", "website", "address"):
        assert 0.1 < null_share(companies, column) < 0.3, column
    assert 0.02 < null_share(companies, "city") < 0.1
    websites = [row["website"] for row in companies if row["website"]]
    assert len({site.split(row_domain(site))[0] for site in websites}) > 2
    with_email = {row["id"] for row in contacts if row["email"]}
    written = [row["contact_id"] for row in rows["activities"] if row["type"] == "email"]
    assert set(written) <= with_email


def test_columns_that_rows_leave_empty_are_the_optional_ones(tmp_path: Path) -> None:
    """What an adopted CRM must let be null is declared: every column that is null in some row, and no other.

    References and what depends on them are null only where people took the referenced row away.
    """
    null: dict[str, set[str]] = {table: set() for table in SCHEMAS}
    for country in COUNTRIES:
        rows = made(tmp_path, BLUEPRINT | {"country": country})
        for table, columns in null.items():
            columns |= {
                name for name in SCHEMAS[table].names if any(row[name] is None for row in rows[table])
            }
    for table, columns in null.items():
        sparse = {column.name for column in MODEL[table].generated if column.may_be_empty}
        assert columns <= sparse, table
        rest = {name for name in sparse - columns if not name.endswith("_id")}
        assert rest == ({"probability"} if table == "deals" else set()), table


def row_domain(site: str) -> str:
    """The host of a website without its ``www``."""
    return site.removeprefix("https://").removeprefix("http://").removeprefix("www.")


def test_rows_are_changed_as_their_stories_imply(tmp_path: Path) -> None:
    """Most contacts and companies are changed, customers more than leads; some at once, some weeks later."""
    rows = made(tmp_path)
    for table, least, most in (
        ("companies", 0.2, 0.6), ("contacts", 0.2, 0.6), ("activities", 0.5, 0.85), ("users", 0.0, 0.8),
    ):  # fmt: skip
        assert least <= unchanged_share(rows[table]) <= most, table
    by_status = {
        status: unchanged_share([row for row in rows["contacts"] if row["status"] == status])
        for status in ("lead", "customer")
    }
    assert by_status["customer"] < by_status["lead"] / 2
    lags = [row["updated_at"] - row["created_at"] for row in rows["contacts"]]
    assert any(timedelta(0) < lag < timedelta(days=2) for lag in lags)
    assert any(lag > timedelta(days=20) for lag in lags)
    closed = [row for row in rows["deals"] if row["closed_at"]]
    assert 0.5 < sum(row["updated_at"] == row["closed_at"] for row in closed) / len(closed) < 0.95


@pytest.mark.parametrize("timezone", ["America/New_York", "Pacific/Auckland", "Asia/Kolkata"])
@pytest.mark.parametrize("start", ["2020-01", "2025-01", "2025-03"])
def test_the_team_joins_over_the_working_days_before_the_first_row(
    tmp_path: Path, timezone: str, start: str
) -> None:
    """Users, stages and tags are made one by one, all of them before every row, none before the tenant."""
    month = Month.parse(start)
    blueprint = BLUEPRINT | {"timezone": timezone, "start_month": start, "end_month": str(month + 2)}
    rows = made(tmp_path, blueprint)
    first = min(row["created_at"] for table in ("companies", "contacts") for row in rows[table])
    for table in ("users", "pipeline_stages", "tags"):
        instants = [row["created_at"] for row in rows[table]]
        assert len({at.replace(microsecond=0) for at in instants}) == len(instants)
        assert max(instants) < first
        assert month.start - timedelta(days=30) < min(instants)
        assert all(at.microsecond for at in instants)
        assert all(row["updated_at"] >= row["created_at"] for row in rows[table])
    joined = [row["created_at"] for row in rows["users"]]
    assert joined == sorted(joined)
    assert len({at.date() for at in joined}) > 3
    assert {row["updated_at"] == row["created_at"] for row in rows["users"]} == {True, False}


@pytest.mark.parametrize(
    "table", ["users", "pipeline_stages", "tags", "companies", "contacts", "deals", "activities"]
)
def test_no_fact_is_on_whole_seconds(tmp_path: Path, table: str) -> None:
    """Instants have their seconds and fractions of seconds, except those that people choose."""
    rows = made(tmp_path)[table]
    for fact in FACTS:
        instants = [row[fact] for row in rows if row.get(fact) is not None]
        if instants:
            assert sum(at.microsecond == 0 for at in instants) / len(instants) < 0.02, fact
            assert len(set(instants)) > len(instants) * 0.95, fact


def test_tags_are_given_when_a_contact_comes_and_later(tmp_path: Path) -> None:
    """Not every tag is from its contact's own instant, and none is from another month."""
    rows = made(tmp_path)
    contacts = {row["id"]: row for row in rows["contacts"]}
    lags = [row["created_at"] - contacts[row["contact_id"]]["created_at"] for row in rows["contact_tags"]]
    assert 0.3 < sum(lag == timedelta(0) for lag in lags) / len(lags) < 0.8
    assert min(lags) == timedelta(0)
    assert all(Month.containing(row["created_at"]) == row["_month"] for row in rows["contact_tags"])


def test_no_row_waits_longer_than_two_working_hours_for_a_change(tmp_path: Path) -> None:
    """Where a month may be loaded while it runs, changes come soon, and tags with their contacts."""
    now = datetime(2025, 3, 12, 15, tzinfo=UTC)
    declared = {key: value for key, value in BLUEPRINT.items() if key != "end_month"}
    spec = spec_of(tmp_path, declared, now)
    rows = rows_of(batches_of(spec, now, Month.parse("2025-05")))
    calendar = tenant_calendar(spec)
    minutes = calendar.timeline(spec.start_month, Month.parse("2025-08")).minutes

    def slot(instant: datetime) -> int:
        return int(np.searchsorted(minutes, instant_us(instant) // MINUTE_US))

    late = 0
    for table in ("companies", "contacts"):
        for row in rows[table]:
            if row["updated_at"] < now:
                continue
            late += row["updated_at"] > row["created_at"]
            assert slot(row["updated_at"]) - slot(row["created_at"]) < 120, row
            assert row["updated_at"] < row["_month"].end
    assert late > 20
    contacts = {row["id"]: row for row in rows["contacts"]}
    for row in rows["contact_tags"]:
        assert row["created_at"] == contacts[row["contact_id"]]["created_at"] or row["created_at"] < now
    for table in ("users", "pipeline_stages", "tags"):
        assert all(row["updated_at"] < now for row in rows[table])


def test_a_tenant_of_the_first_lists_keeps_its_team(tmp_path: Path) -> None:
    """Its users, stages and tags are found again by their ids, which are made from their instants."""
    spec = replace(
        spec_of(tmp_path, BLUEPRINT | {"seed": "42", "team_size": 8}, NOW), lists_version="2026.11"
    )
    rows = rows_of(batches_of(spec, NOW, spec.start_month))
    for table, first in (
        ("users", "0194176ff2007efe8c90dfede0fbf497"),
        ("pipeline_stages", "0194176ff2007d3b8bfdf79062d65850"),
        ("tags", "0194176ff2007108a181fa6a2dcc5e33"),
    ):
        assert rows[table][0]["id"].hex() == first
        assert {row[fact] for row in rows[table] for fact in ("created_at", "updated_at")} == {
            datetime(2024, 12, 30, 12, tzinfo=UTC)
        }
