"""The check of all tenants' scorecards, as its button executes it."""

from __future__ import annotations

import dagster as dg

from demo_pipeline.definitions import defs
from demo_pipeline.defs.operations.believability import NAME, SCORECARDS_ASSET
from demo_pipeline.services.scorecard.score import score_tenant
from tests.fixtures.dagster_instance import QUIET, DagsterHome


def execute(home: DagsterHome) -> tuple[bool, dg.AssetCheckEvaluation]:
    """Press the button."""
    job = defs().resolve_implicit_global_asset_job_def()
    subset = job.get_subset(asset_check_selection={dg.AssetCheckKey(dg.AssetKey(SCORECARDS_ASSET), NAME)})
    result = subset.execute_in_process(instance=home.instance, raise_on_error=False, run_config=QUIET)
    [evaluation] = result.get_asset_check_evaluations()
    return result.success, evaluation


def test_red_lines_of_all_tenants_are_a_warning(dagster_home: DagsterHome) -> None:
    """Without a tenant it passes; addresses that reach somebody are a warning, and the run succeeds."""
    success, verdict = execute(dagster_home)
    assert success
    assert verdict.passed
    dagster_home.provision("acme")
    assert dagster_home.materialise("acme").success
    dagster_home.query("update crm.contacts set email = left(id::text, 8) || '@nordwind.com' returning id")
    success, verdict = execute(dagster_home)
    assert success
    assert not verdict.passed
    assert verdict.severity is dg.AssetCheckSeverity.WARN
    card = score_tenant(dagster_home.database, dagster_home.settings, "acme")
    assert verdict.metadata["red"].value == len(card.red) > 0
    shown = str(verdict.metadata["red_lines"].value)
    assert "acme" in shown
    assert "addresses that could reach somebody" in shown
