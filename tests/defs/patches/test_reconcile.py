"""Plans that lower figures, in Dagster: their fingerprint goes into the form or the inbox file."""

from __future__ import annotations

import json
from typing import Any

from tests.defs.patches.inbox_builders import files, folder_of, launch, put, report_of, tick
from tests.defs.patches.test_patches import config, failure_of
from tests.fixtures.dagster_instance import DagsterHome, output_metadata

#: one contact fewer than there are
PLAN: dict[str, Any] = {
    "mode": "reconcile",
    "plan_type": "targets",
    "months": [{"month": "2025-02", "metrics": {"contacts_created": 3}}],
}


def contacts(home: DagsterHome) -> int:
    """Contacts of acme in February."""
    [(count,)] = home.query("select contacts_created from demo.kpi_monthly where month = '2025-02'")
    return int(count)


def test_the_form_needs_the_fingerprint_of_the_preview(dagster_home: DagsterHome, made_acme: str) -> None:
    """Without it the run fails and shows the preview; with it the plan is applied."""
    before = contacts(dagster_home)
    plan = {**PLAN, "months": [{"month": "2025-02", "metrics": {"contacts_created": before - 1}}]}
    refused = dagster_home.launch("apply_patch", config(made_acme, plan=plan))
    assert not refused.success
    message, metadata = failure_of(refused)
    assert "needs a confirmation" in message
    assert sum(change["hidden"] for change in metadata["preview"]["changes"]) >= 1
    looked = dagster_home.launch(
        "preview_patch", {"ops": {"preview": {"config": {"tenant": made_acme, "plan": plan}}}}
    )
    fingerprint = output_metadata(looked)["fingerprint"]
    assert fingerprint == metadata["fingerprint"]
    assert contacts(dagster_home) == before
    applied = dagster_home.launch("apply_patch", config(made_acme, plan=plan | {"fingerprint": fingerprint}))
    assert applied.success
    assert contacts(dagster_home) == before - 1


def test_an_inbox_file_needs_the_line(dagster_home: DagsterHome, made_acme: str) -> None:
    """The report beside a refused file has the preview and the line to add; with the line it is applied."""
    inbox = folder_of(dagster_home, made_acme)
    before = contacts(dagster_home)
    plan = {**PLAN, "months": [{"month": "2025-02", "metrics": {"contacts_created": before - 1}}]}
    put(inbox, "lower.json", json.dumps(plan))
    [request] = tick(dagster_home)
    assert not launch(dagster_home, request).success
    assert "refused/lower.json" in files(inbox)
    report = report_of(inbox / "refused", "lower.json")
    line = f"fingerprint: {report['error']['details']['preview']['fingerprint']}"
    assert line in (inbox / "refused" / "lower.json.report.md").read_text(encoding="utf-8")
    name, _, fingerprint = line.partition(": ")
    put(inbox, "lower2.json", json.dumps(plan | {name: fingerprint}))
    [request] = tick(dagster_home)
    assert launch(dagster_home, request).success
    assert contacts(dagster_home) == before - 1
