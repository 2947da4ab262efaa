"""Won deals of patches and of healing: with a contact that is not a lead, wherever one exists by then."""

from __future__ import annotations

from typing import Any, Final

import pytest

from demo_pipeline.services.months.materialise import materialise
from demo_pipeline.services.patches.patch import apply_patch
from demo_pipeline.services.patches.preview import preview
from demo_pipeline.services.tenants.verify import verify
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from tests.services.builders import make_tenant
from tests.services.patches.builders import execute, plan, scalar

LEADS: Final[dict[str, Any]] = {
    "name": "Larkmoor Nord",
    "country": "GB",
    "industry": "saas",
    "start_month": "2025-01",
    "end_month": "2025-03",
    "seed": "7",
    "team_size": 3,
    "months": [{"month": "2025-01", "leads_created": 160, "contacts_created": 160, "companies_created": 3}],
}
WON: Final = {
    "deals_created": 12,
    "closed_won_count": 8,
    "closed_won_value": "8000",
    "pipeline_added_value": "9000",
}

_WON_WITH: Final = """
SELECT count(*) FROM crm.deals d
JOIN crm.pipeline_stages s ON s.tenant_id = d.tenant_id AND s.id = d.stage_id AND s.is_won
JOIN crm.contacts c ON c.tenant_id = d.tenant_id AND c.id = d.contact_id
WHERE d.deleted_at IS NULL AND (c.status IS NOT DISTINCT FROM 'lead') = %s
"""


@pytest.fixture
def lead_tenant(database: Database, database_settings: Settings) -> str:
    """A tenant whose contacts are leads; its slug."""
    slug = make_tenant(database, database_settings, LEADS)
    materialise(database, database_settings, slug)
    return slug


def won_with(database: Database, *, leads: bool) -> int:
    """Living won deals that are with leads, or with others."""
    return scalar(database, _WON_WITH, leads)


def turn(database: Database, place: str, status: str | None = "customer") -> None:
    """Give one contact another status, as people do: the first or the last by its creation."""
    order = "ASC" if place == "first" else "DESC"
    changed = execute(
        database,
        "UPDATE crm.contacts SET status = %s WHERE (tenant_id, id) IN"
        f" (SELECT tenant_id, id FROM crm.contacts ORDER BY created_at {order} LIMIT 1)",
        status,
    )
    assert changed == 1


@pytest.mark.parametrize("place", ["first", "last"])
@pytest.mark.parametrize("status", ["customer", "prospect", None])
def test_the_only_contact_that_is_no_lead_gets_the_won_deals(
    database: Database, database_settings: Settings, lead_tenant: str, place: str, status: str | None
) -> None:
    """Long before the plan's rows, or later in the month than most of them; an old one is not forgotten."""
    turn(database, place, status)
    wanted = plan({"2025-01": WON, "2025-03": WON})
    assert not [
        one for one in preview(database, database_settings, lead_tenant, wanted).warnings if "lead" in one
    ]
    apply_patch(database, database_settings, lead_tenant, wanted)
    assert (won_with(database, leads=True), won_with(database, leads=False)) == (0, 16)
    # Nothing but what people changed.
    findings = verify(database, database_settings, lead_tenant)[0].findings
    assert {finding.metric for finding in findings} == {"leads_created"}


def test_a_plan_brings_the_first_contact_that_is_no_lead_itself(
    database: Database, database_settings: Settings, lead_tenant: str
) -> None:
    """In the same plan and month: the won deals come after it, and nobody is warned."""
    wanted = plan({"2025-02": {**WON, "contacts_created": 2, "leads_created": 1}})
    assert not [
        one for one in preview(database, database_settings, lead_tenant, wanted).warnings if "lead" in one
    ]
    apply_patch(database, database_settings, lead_tenant, wanted)
    assert (won_with(database, leads=True), won_with(database, leads=False)) == (0, 8)


def test_where_all_contacts_are_leads_the_preview_warns(
    database: Database, database_settings: Settings, lead_tenant: str
) -> None:
    """The plan is met to the unit, with leads, and the preview names the months, those alone."""
    wanted = plan({"2025-01": WON, "2025-02": {**WON, "contacts_created": 2}})
    (warning,) = [
        one for one in preview(database, database_settings, lead_tenant, wanted).warnings if "lead" in one
    ]
    assert warning.startswith("2025-01: every contact that exists by then is a lead, so 8 won deals are with")
    apply_patch(database, database_settings, lead_tenant, wanted)
    assert (won_with(database, leads=True), won_with(database, leads=False)) == (8, 8)


def test_the_blueprints_missing_rows_count_in_the_preview(
    database: Database, database_settings: Settings
) -> None:
    """A tenant that is empty yet has the contacts that the patch makes first."""
    months = [{"month": "2025-01", "leads_created": 5, "contacts_created": 7}]
    slug = make_tenant(database, database_settings, LEADS | {"months": months})
    wanted = plan({"2025-02": WON})
    assert not [one for one in preview(database, database_settings, slug, wanted).warnings if "lead" in one]
    apply_patch(database, database_settings, slug, wanted)
    assert won_with(database, leads=True) == 0


def test_healing_wins_deals_with_no_lead(
    database: Database, database_settings: Settings, lead_tenant: str
) -> None:
    """Won deals that people hid come back with the one contact that is no lead."""
    apply_patch(database, database_settings, lead_tenant, plan({"2025-01": WON, "2025-03": WON}))
    execute(database, "UPDATE crm.deals SET deleted_at = now()")
    turn(database, "first")
    report = materialise(database, database_settings, lead_tenant)
    assert report.kind == "heal"
    assert (won_with(database, leads=True), won_with(database, leads=False)) == (0, 16)
