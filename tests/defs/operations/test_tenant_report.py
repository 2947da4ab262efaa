"""The asset ``tenant_report``: what it shows of each tenant, and that it stays out of the runs of months."""

from __future__ import annotations

import base64
import re
from typing import Any

import pytest
from defusedxml import ElementTree

from demo_pipeline.definitions import defs
from demo_pipeline.defs.asset_pages.incarnations import end_tenant
from demo_pipeline.domain.core.figures import METRICS
from demo_pipeline.services.tenants.verify import VERIFIED
from tests.fixtures.dagster_instance import DagsterHome

ASSET = "tenant_report"


def metadata_of(home: DagsterHome, slug: str) -> dict[str, Any]:
    """The metadata of the latest report of a tenant, as plain values."""
    return {name: one.value for name, one in home.materialisation(ASSET, slug).metadata.items()}


@pytest.mark.usefixtures("made_acme")
def test_a_report_shows_story_pictures_and_checks(dagster_home: DagsterHome) -> None:
    """Sentences and checks are short enough to be shown at once; every picture is an SVG with a name."""
    assert dagster_home.draw_reports("acme").success
    shown = metadata_of(dagster_home, "acme")
    assert {name: shown[name] for name in METRICS} == {
        "leads_created": 27,
        "contacts_created": 44,
        "companies_created": 12,
        "deals_created": 20,
        "closed_won_count": 6,
        "closed_won_value": 2733.88,
        "pipeline_added_value": 16000.1,
        "activities_created": 90,
    }
    assert "Kranz Logistik gained 44 contacts at 12 companies and opened 20 deals" in shown["story"]
    assert shown["checks"].count("✓") == len(VERIFIED)
    assert max(len(shown["story"]), len(shown["checks"])) < 1000
    # Five numbered sentences below a heading.
    assert re.search(r"\*\*[A-Z][a-z ]+: .+\*\*\n\n(\d\. .+\n){4}5\. .+", shown["hero_accounts"])
    pictures = re.findall(r"!\[([^\]]+)\]\(data:image/svg\+xml;base64,([^)]+)\)", shown["pictures"])
    assert len(pictures) == len(METRICS) + 4
    for name, picture in pictures:
        assert name
        assert ElementTree.fromstring(base64.b64decode(picture).decode()).tag.endswith("svg")
    assert shown["open_deals_by_stage"].startswith("| stage | deals | value, EUR | expected, EUR |")
    assert len(shown["open_deals_by_stage"]) < 1000
    assert "largest_open_deals" in shown
    assert shown["as_a_page"] == "demo-pipeline report acme -o acme.html"
    assert dagster_home.materialised(ASSET) == {"acme"}


def test_findings_and_empty_tenants_are_shown(dagster_home: DagsterHome) -> None:
    """A check that fails names what it found; a tenant without rows has a report that says so."""
    dagster_home.provision("acme", "bravo")
    assert dagster_home.materialise("acme").success
    with dagster_home.database.admin() as conn:
        conn.execute("delete from crm.activities where created_at < '2025-02-01'")
    assert dagster_home.draw_reports("acme", "bravo").success
    checks = metadata_of(dagster_home, "acme")["checks"]
    assert "- ✗ no drift\n    - 2025-01 activities\\_created: 0 instead of 40" in checks
    shown = metadata_of(dagster_home, "bravo")
    assert shown["story"] == "Kranz Logistik has no rows yet."
    assert shown["pictures"] == "There is nothing to draw yet."
    assert shown["hero_accounts"].startswith("No account for comeback, big win at risk and upsell")
    assert not [name for name in shown if "open" in name]


def test_a_tenant_that_is_gone_does_not_prevent_the_others(dagster_home: DagsterHome) -> None:
    """The run fails and names it; the reports of the others are there."""
    dagster_home.provision("acme", "corto")
    dagster_home.instance.add_dynamic_partitions("tenant", ["bravo"])
    partitions = ["acme", "corto", "bravo"]
    assert dagster_home.instance.get_dynamic_partitions("tenant") == partitions
    result = dagster_home.draw_reports("acme", "bravo")
    assert not result.success
    assert dagster_home.materialised(ASSET) == {"acme", "corto"}
    [failure] = [event for event in result.all_events if event.is_step_failure]
    assert "bravo: " in str(failure.step_failure_data.user_failure_data)


def test_the_report_of_a_deleted_tenant_is_forgotten(dagster_home: DagsterHome) -> None:
    """The next tenant of the slug has none until it is drawn."""
    dagster_home.provision("acme")
    assert dagster_home.draw_reports("acme").success
    end_tenant(dagster_home.instance, "acme")
    dagster_home.instance.add_dynamic_partitions("tenant", ["acme"])
    assert dagster_home.materialised(ASSET) == set()


def test_a_run_of_months_has_no_report() -> None:
    """The job of months makes the assets of months only."""
    job = defs().resolve_job_def("materialise_tenants")
    assert ASSET not in {key.to_user_string() for key in job.asset_layer.selected_asset_keys}
