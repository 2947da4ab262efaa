"""``docs/reference/stories.md``: what some activities say in each country, made as a tenant's are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from demo_pipeline.domain.blueprint.checks import blueprint_from_tree
from demo_pipeline.domain.blueprint.resolve import resolve
from demo_pipeline.domain.blueprint.tenant_spec import TenantSpec
from demo_pipeline.domain.core.arrow import column, instant_at, records
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.generation.generator import Generator
from demo_pipeline.domain.reference.countries import COUNTRIES
from scripts.reference_pages.markdown import head, page, table

_NOW: Final = datetime(2026, 1, 1, tzinfo=UTC)
#: The industries whose stories are shown, in turn.
_INDUSTRIES: Final = ("saas", "realestate", "ecommerce", "finserv", "trading", "igaming")
#: Activities of a deal that is shown.
_FEWEST, _MOST = 6, 10
_INTRODUCTION: Final = """\
For each country a deal that was won and a contact without one, with all of their activities, as a new tenant
has them. Times are local. Other tenants have other people, deals and texts; `demo-pipeline sample SLUG` shows
ten people of a tenant that is there. Where the texts come from: [stories](../packs.md#stories)."""

Row = dict[str, Any]


def render() -> str:
    """The page."""
    blocks = [head("Stories", "demo_pipeline/domain/reference/packs"), _INTRODUCTION]
    for place, country in enumerate(sorted(COUNTRIES)):
        blocks += _country(country, _INDUSTRIES[place % len(_INDUSTRIES)])
    return page(blocks)


def _spec(country: str, industry: str) -> TenantSpec:
    tree = {
        "name": "Larkmoor Works",
        "country": country,
        "industry": industry,
        "start_month": "2025-03",
        "end_month": "2025-08",
        "seed": "shown",
        "totals": {
            "leads_created": 60,
            "contacts_created": 120,
            "companies_created": 40,
            "deals_created": 60,
            "closed_won_count": 25,
            "activities_created": 700,
        },
    }
    return resolve(blueprint_from_tree(tree, "larkmoor", Month.containing(_NOW)), lambda: "shown")[0]


def _country(country: str, industry: str) -> Iterator[str]:
    spec = _spec(country, industry)
    generator = Generator(spec, _NOW)
    rows = defaultdict[str, list[Row]](list)
    for month in spec.months:
        for batch in generator.month(month):
            names = [name for name in batch.rows.schema.names if not name.endswith("_at")]
            made = records(batch.rows, *names)
            for place, row in enumerate(made):
                row["at"] = instant_at(column(batch.rows, "created_at"), place)
            rows[batch.table] += made
    users = records(generator.team.users, "id", "first_name")
    people = {row["id"]: row for row in rows["contacts"]}
    authors = {row["id"]: row["first_name"] for row in users}
    stories = defaultdict[Any, list[Row]](list)
    for row in sorted(rows["activities"], key=lambda row: row["at"]):
        stories[row["deal_id"] or row["contact_id"]].append(row)
    won = {row["id"] for row in records(generator.team.stages, "id", "is_won") if row["is_won"]}
    deals = [row for row in rows["deals"] if row["stage_id"] in won]
    with_deal = {row["contact_id"] for row in rows["deals"]}
    deal = max(deals, key=lambda row: _interest(stories[row["id"]]))
    contact = max(
        (row for row in rows["contacts"] if row["id"] not in with_deal),
        key=lambda row: _interest(stories[row["id"]]),
    )
    zone = ZoneInfo(spec.timezone)
    yield f"## {country}, {industry}"
    yield f"**{deal['title']}**, {deal['value']} {deal['currency']}"
    yield _table(stories[deal["id"]], people, authors, zone)
    name = f"{contact['first_name']} {contact['last_name']}"
    yield f"**{name}**, {contact['status']}, source {contact['source']}"
    yield _table(stories[contact["id"]], people, authors, zone)


def _interest(story: Sequence[Row]) -> tuple[bool, int]:
    """Long enough to be a story, short enough for a page; then the most kinds of activity."""
    return _FEWEST <= len(story) <= _MOST, len({row["type"] for row in story})


def _table(story: Sequence[Row], people: dict[Any, Row], authors: dict[Any, str], zone: ZoneInfo) -> str:
    def cells(row: Row) -> tuple[str, ...]:
        contact = people[row["contact_id"]]
        who = f"{authors[row['created_by_id']]} · {contact['first_name']} {contact['last_name']}"
        text = row["description"].replace("\n", "<br>")
        return f"{row['at'].astimezone(zone):%a %d %b %H:%M}", row["type"], who, row["subject"], text

    return table(("when", "type", "who", "subject", "text"), map(cells, story))
