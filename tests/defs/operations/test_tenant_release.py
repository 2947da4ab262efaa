"""Releases by automation, by hand and by the command line: what keeps a month back, and what makes it due."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache

import dagster as dg
import pytest

from demo_pipeline.definitions import defs
from demo_pipeline.domain.core.months import Month
from demo_pipeline.services.months.materialise import materialise as materialise_months
from demo_pipeline.services.patches.patch import apply_patch
from demo_pipeline.services.tenants.release import ReleaseState, read_releases
from tests.defs.operations.test_verification import ALL, BAD, lose_a_row
from tests.fixtures.dagster_instance import QUIET, DagsterHome
from tests.services.patches.builders import plan

KEY = dg.AssetKey("tenant_release")


@cache
def _definitions() -> dg.Definitions:
    return defs()


class Automation:
    """The sensor, tick after tick; what it requests is executed at once."""

    def __init__(self, home: DagsterHome) -> None:
        self._home = home
        self._cursor: dg.AutomationConditionEvaluationCursor | None = None

    def tick(self, at: datetime | None = None, *, is_executed: bool = True) -> set[str]:
        """The partitions that are requested, and released by a run."""
        result = dg.evaluate_automation_conditions(
            defs=_definitions(),
            instance=self._home.instance,
            asset_selection=dg.AssetSelection.assets("tenant_release"),
            cursor=self._cursor,
            evaluation_time=at,
        )
        self._cursor = result.cursor
        requested = {str(key) for key in result.get_requested_partitions(KEY)}
        for key in sorted(requested) if is_executed else ():
            assert materialise(self._home, key).success
        return requested


def materialise(home: DagsterHome, key: str, reason: str | None = None) -> dg.ExecuteInProcessResult:
    """One run of one month, as the launchpad starts it."""
    job = _definitions().resolve_implicit_global_asset_job_def().get_subset(asset_selection={KEY})
    config = {"ops": {"tenant_release": {"config": {"reason": reason}}}} if reason else {}
    return job.execute_in_process(
        instance=home.instance, partition_key=key, raise_on_error=False, run_config={**QUIET, **config}
    )


def state(home: DagsterHome, month: str = "2025-02") -> ReleaseState:
    """Whether the ledger says that the month may be shown."""
    return read_releases(home.database, home.settings, "acme").state(Month.parse(month))


def test_a_month_is_released_once_its_checks_pass_and_a_failing_one_is_kept_back(
    dagster_home: DagsterHome,
) -> None:
    """All but the month that lost a row; that one after it was healed; then nothing more."""
    dagster_home.provision("acme")
    automation = Automation(dagster_home)
    assert automation.tick() == set()
    dagster_home.materialise("acme")
    lose_a_row(dagster_home)
    dagster_home.launch("verify_tenants")
    assert automation.tick() == ALL - {BAD}
    assert (state(dagster_home, "2025-01"), state(dagster_home)) == (
        ReleaseState.RELEASED,
        ReleaseState.NOT_RELEASED,
    )
    assert automation.tick() == set()
    assert dagster_home.materialise("acme").success
    assert BAD in automation.tick()
    assert automation.tick() == set()
    assert state(dagster_home) is ReleaseState.RELEASED
    assert dagster_home.materialised("tenant_release") == ALL


@pytest.mark.usefixtures("made_acme")
def test_a_release_that_failed_is_requested_again(dagster_home: DagsterHome) -> None:
    """Its run was lost, as a database was away: it is asked for again every ten minutes until it is there."""
    automation, began_at = Automation(dagster_home), datetime(2026, 11, 29, 9, 0, 30, tzinfo=UTC)
    assert automation.tick(began_at, is_executed=False) == ALL
    minutes = {
        minute: automation.tick(began_at + timedelta(minutes=minute), is_executed=False)
        for minute in (1, 2, 9, 10, 11, 19, 20)
    }
    assert {minute for minute, requested in minutes.items() if requested} == {10, 20}
    assert minutes[10] == ALL
    assert automation.tick(began_at + timedelta(minutes=30)) == ALL
    assert [automation.tick(began_at + timedelta(minutes=minute)) for minute in (31, 40, 50)] == [set()] * 3


@pytest.mark.usefixtures("made_acme")
def test_a_month_is_released_when_a_verification_alone_passes(dagster_home: DagsterHome) -> None:
    """Its row came back without a materialisation: the next verdict releases it."""
    lose_a_row(dagster_home)
    dagster_home.launch("verify_tenants")
    automation = Automation(dagster_home)
    assert automation.tick() == ALL - {BAD}
    materialise_months(dagster_home.database, dagster_home.settings, "acme")
    assert automation.tick() == set()
    assert dagster_home.launch("verify_tenants").success
    assert automation.tick() == {BAD}


@pytest.mark.usefixtures("made_acme")
def test_a_job_makes_a_release_out_of_date_until_the_checks_have_passed_again(
    dagster_home: DagsterHome,
) -> None:
    """Only the month that it changed; a check that fails later withdraws nothing."""
    automation = Automation(dagster_home)
    assert automation.tick() == ALL
    lose_a_row(dagster_home)
    dagster_home.launch("verify_tenants")
    assert state(dagster_home) is ReleaseState.RELEASED
    dagster_home.materialise("acme")

    config = {
        "ops": {
            "patch": {
                "config": {
                    "tenant": "acme",
                    "plan": {"months": [{"month": "2025-01", "metrics": {"contacts_created": 3}}]},
                }
            }
        }
    }
    assert dagster_home.launch("apply_patch", config).success
    assert state(dagster_home, "2025-01") is ReleaseState.CHANGED_SINCE
    assert state(dagster_home, "2025-03") is ReleaseState.RELEASED
    assert "2025-01|acme" in automation.tick()
    assert {state(dagster_home, month) for month in ("2025-01", "2025-02", "2025-03")} == {
        ReleaseState.RELEASED
    }


@pytest.mark.usefixtures("made_acme")
def test_a_person_releases_with_a_reason_that_the_audit_log_keeps(dagster_home: DagsterHome) -> None:
    """Without one the run fails and says which check; with one the month is released, and it is recorded."""
    lose_a_row(dagster_home)
    refused = materialise(dagster_home, BAD)
    assert not refused.success
    [failure] = refused.filter_events(lambda event: event.is_step_failure)
    assert "nothing_is_missing" in str(failure.step_failure_data.user_failure_data)
    assert dagster_home.materialised("tenant_release") == set()

    assert materialise(dagster_home, BAD, "the customer asks for it").success
    assert dagster_home.materialised("tenant_release") == {BAD}
    shown = dagster_home.materialisation("tenant_release", BAD).metadata
    assert shown["reason"].value == "the customer asks for it"
    [(detail,)] = dagster_home.query("select detail from demo.audit_log where event = 'MONTHS_RELEASED'")
    assert (detail["months"], detail["reason"]) == (["2025-02"], "the customer asks for it")


@pytest.mark.usefixtures("made_acme")
def test_a_job_outside_dagster_counts(dagster_home: DagsterHome) -> None:
    """A patch by the service alone: the release is out of date at once."""
    assert materialise(dagster_home, BAD).success
    apply_patch(dagster_home.database, dagster_home.settings, "acme", plan({"2025-02": {"deals_created": 1}}))
    assert state(dagster_home) is ReleaseState.CHANGED_SINCE
