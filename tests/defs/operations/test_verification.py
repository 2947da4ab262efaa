"""Checks without materialising: by month through ``verify_tenants``, of all tenants through their buttons.

What Dagster derives from the events is asked, as its pages and automations ask it, not the events.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final
from uuid import UUID

import dagster as dg
import pytest

from demo_pipeline.definitions import defs
from demo_pipeline.defs.asset_pages.checks import (
    CHECKS,
    KPIS_MATCH_PLAN,
    check_specs,
    severity_of,
    what_to_do,
)
from demo_pipeline.defs.asset_pages.specs import ASSETS
from demo_pipeline.defs.shared.partitions import TENANT_MONTHS
from demo_pipeline.rendering.table import escaped
from demo_pipeline.services.readiness.reasons import check_reasons
from demo_pipeline.services.tenants.provision import provision
from demo_pipeline.services.tenants.verify import PAGE_CHECKS, WARNINGS, Check, Finding
from demo_pipeline.settings import load_settings
from tests.fixtures.dagster_instance import BLUEPRINT, QUIET, DagsterHome
from tests.services.repairs.damage import guards_off, misplace, tenant_id_of

MONTHS = ("2025-01", "2025-02", "2025-03")
ALL = {f"{month}|acme" for month in MONTHS}
BAD = "2025-02|acme"


@cache
def _definitions() -> dg.Definitions:
    return defs()


def states(home: DagsterHome, check: str) -> dict[str, set[str]]:
    """Dagster's state of a check: status → partitions; those without a current verdict are in none."""
    from dagster._core.definitions.partitions.context import (  # noqa: TID251 - the pages ask for it
        partition_loading_context,
    )

    [spec] = [spec for spec in check_specs() if spec.name == check]
    with partition_loading_context(dynamic_partitions_store=home.instance):
        found: Any = home.instance.event_log_storage.get_asset_check_state([(spec.key, TENANT_MONTHS)])
        return {
            status.value: {str(key) for key in subset.value.get_partition_keys()}
            for status, subset in found[spec.key].subsets.items()
            if subset.size
        }


def execute_now(home: DagsterHome, *names: str) -> tuple[bool, dict[str, dg.AssetCheckEvaluation]]:
    """Press the button of some checks of all tenants, or *Execute all*."""
    job = _definitions().resolve_implicit_global_asset_job_def()
    asset = dg.AssetKey("tenants")
    keys = {dg.AssetCheckKey(asset, f"{name}_now") for name in names}
    if not names:
        keys = {key for key in job.asset_layer.asset_graph.asset_check_keys if key.asset_key == asset}
    subset = job.get_subset(asset_check_selection=keys)
    result = subset.execute_in_process(instance=home.instance, raise_on_error=False, run_config=QUIET)
    return result.success, {one.check_name: one for one in result.get_asset_check_evaluations()}


#: a row of one month of one tenant: {table}
_A_ROW: Final = (
    "(select r.id from crm.{table} r join crm.tenants t on t.id = r.tenant_id"
    " where t.slug = 'acme' and r.demo_source_month = '2025-02' order by r.id limit 1)"
)


def lose_a_row(home: DagsterHome) -> None:
    """Somebody deletes an activity."""
    one = _A_ROW.format(table="activities")
    home.query(f"update crm.activities set deleted_at = now() where id = {one} returning id")


def break_a_reference(home: DagsterHome) -> None:
    """A restore that went wrong: a contact whose company is not there."""
    one = _A_ROW.format(table="contacts")
    statement = f"update crm.contacts set company_id = gen_random_uuid() where id = {one}"
    _unrecorded(home, statement, ("contacts", "contacts_company_fkey"))


def break_a_life_cycle(home: DagsterHome) -> None:
    """A deal that is older than its contact, and that nobody edited."""
    _unrecorded(
        home,
        "update crm.deals set created_at = older.at"
        " from (select d.id, c.created_at - interval '1 second' as at"
        " from crm.deals d join crm.contacts c on c.tenant_id = d.tenant_id and c.id = d.contact_id"
        " join crm.tenants t on t.id = d.tenant_id where t.slug = 'acme' and d.demo_source_month = '2025-02'"
        " and c.demo_source_month = '2025-02' order by d.id limit 1) older where deals.id = older.id",
    )


def copy_a_row(home: DagsterHome) -> None:
    """The same activity twice."""
    _unrecorded(
        home,
        "insert into crm.activities select (jsonb_populate_record(null::crm.activities,"
        " to_jsonb(a) || jsonb_build_object('id', gen_random_uuid()))).*"
        f" from crm.activities a where a.id = {_A_ROW.format(table='activities')}",
    )


def lose_provenance(home: DagsterHome) -> None:
    """A company that does not say any more which job made it."""
    _unrecorded(
        home,
        "update crm.companies set demo_generated = false, demo_job_id = null, demo_source_month = null"
        f" where id = {_A_ROW.format(table='companies')}",
    )


def reveal(home: DagsterHome) -> None:
    """A name that gives the tenant away."""
    one = _A_ROW.format(table="companies")
    home.query(f"update crm.companies set name = 'Demo Ltd' where id = {one} returning id")


def add_a_row(home: DagsterHome) -> None:
    """A person makes a company."""
    home.query(
        "insert into crm.companies (tenant_id, id, name, created_at)"
        " select id, gen_random_uuid(), 'Nordwind', '2025-02-11 09:00+00' from crm.tenants"
        " where slug = 'acme' returning id"
    )


def _unrecorded(home: DagsterHome, statement: str, *constraints: tuple[str, str]) -> None:
    """Execute a statement that no trigger records as an edit."""
    with guards_off(home.database, *constraints) as conn:
        conn.execute(statement.encode())


#: check → what makes it fail, and for which partitions
FAULTS: Mapping[Check, tuple[Callable[[DagsterHome], None], set[str]]] = {
    Check.MISSING: (lose_a_row, {BAD}),
    Check.REFERENCES: (break_a_reference, {BAD}),
    Check.LIFE_CYCLES: (break_a_life_cycle, {BAD}),
    Check.DUPLICATES: (copy_a_row, {BAD}),
    Check.PROVENANCE: (lose_provenance, {BAD}),
    Check.DISCLOSURE: (reveal, ALL),
    Check.DRIFT: (add_a_row, {BAD}),
}


def test_every_check_has_a_fault_of_its_own() -> None:
    """A check that is added is seen failing in this file."""
    assert {*FAULTS, Check.FRESHNESS} == CHECKS.keys() == PAGE_CHECKS


def test_after_a_run_every_check_is_current_and_passed(dagster_home: DagsterHome) -> None:
    """Dagster derives 'succeeded' for each month, again after a second run, and 'missing' for no month."""
    dagster_home.provision("acme")
    for _ in range(2):
        assert dagster_home.materialise("acme").success
        for spec in check_specs():
            assert states(dagster_home, spec.name) == {"SUCCEEDED": ALL}, spec.name


@pytest.mark.parametrize("check", Check)
@pytest.mark.parametrize("job_id", [None, UUID(int=1)])
def test_pages_and_ready_have_the_same_cure_for_every_finding(check: Check, job_id: UUID | None) -> None:
    """No finding is without one, and each of severity ERROR is a reason not to be ready."""
    finding = Finding(check=check, message="found", job_id=job_id)
    reasons = [*check_reasons("acme", [finding])]
    assert len(reasons) == (0 if check in WARNINGS else 1)
    page = what_to_do("acme", [finding])
    assert page.startswith("- ")
    for reason in reasons:
        assert escaped(reason.remedy) in page
        assert reason.command is None or f"`{reason.command}`" in page


@pytest.mark.parametrize("check", FAULTS)
def test_a_fault_is_seen_without_materialising_and_healed_by_it_or_not(
    dagster_home: DagsterHome, check: Check
) -> None:
    """Red for the month before anything heals it, with what was expected, what was found and what to do."""
    dagster_home.provision("acme", "other")
    assert dagster_home.run_partitions("2025-01|acme", "2025-03|other").success
    materialised = dagster_home.query("select count(*) from demo.jobs")
    plant, bad = FAULTS[check]
    plant(dagster_home)

    result = dagster_home.launch("verify_tenants")
    is_error = check not in WARNINGS
    assert states(dagster_home, check.value)["FAILED"] == bad
    assert result.success is not is_error
    found = dagster_home.evaluations(result.run_id, check.value)
    shown = found[min(bad)]
    assert not shown.passed
    assert shown.description
    assert {"expected", "found", "what_to_do"} <= shown.metadata.keys()
    assert "acme" in str(shown.metadata["what_to_do"].value)
    assert {key for key, one in found.items() if not one.passed} == bad
    # Nothing was changed, and the gate's verdicts stay.
    assert dagster_home.query("select count(*) from demo.jobs") == materialised
    assert BAD in states(dagster_home, KPIS_MATCH_PLAN)["SUCCEEDED"]

    success, now = execute_now(dagster_home, check.value)
    assert success
    verdict = now[f"{check.value}_now"]
    assert (verdict.passed, verdict.blocking, verdict.severity) == (False, False, severity_of(check))
    assert verdict.metadata["bad"].value == len(bad)
    assert "| acme | 2025-02 |" in str(verdict.metadata["bad_months"].value)
    assert "| other |" not in str(verdict.metadata["bad_months"].value)


def test_a_living_tenant_that_is_behind_is_a_warning(
    dagster_home: DagsterHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eight days without an activity: its last month is not fresh, and nothing is kept back."""
    monkeypatch.setenv("DEMO_NOW", "2025-03-20T12:00Z")
    path = dagster_home.folder / "acme.yaml"
    path.write_text(BLUEPRINT.replace("end_month: 2025-03\n", ""), encoding="utf-8")
    provision(dagster_home.database, load_settings(), path)
    dagster_home.instance.add_dynamic_partitions("tenant", ["acme"])
    assert dagster_home.run_partitions("2025-01|acme", "2025-03|acme").success
    assert states(dagster_home, "tenant_is_fresh") == {"SUCCEEDED": ALL}
    monkeypatch.setenv("DEMO_NOW", "2025-03-28T12:00Z")
    assert dagster_home.launch("verify_tenants").success
    assert states(dagster_home, "tenant_is_fresh")["FAILED"] == {"2025-03|acme"}
    _, found = execute_now(dagster_home, "tenant_is_fresh")
    assert found["tenant_is_fresh_now"].severity is dg.AssetCheckSeverity.WARN
    assert found["tenant_is_fresh_now"].metadata["bad"].value == 1


def test_execute_all_is_green_where_all_is_well(dagster_home: DagsterHome) -> None:
    """All checks of all tenants in one run; without tenants there is nothing wrong either."""
    success, found = execute_now(dagster_home)
    assert (success, {one.passed for one in found.values()}) == (True, {True})
    dagster_home.provision("acme", "other")
    dagster_home.materialise("acme")
    success, found = execute_now(dagster_home)
    assert success
    names = {f"{one.value}_now" for one in (*CHECKS, Check.PLACES)}
    assert {name for name, one in found.items() if one.passed} == names
    assert [one.metadata["tenants"].value for one in found.values()] == [2] * len(found)


@pytest.mark.usefixtures("made_acme")
def test_lost_rows_are_red_until_they_are_healed(dagster_home: DagsterHome) -> None:
    """Lost, seen by the verification, healed by materialising, and green without another verification."""
    lose_a_row(dagster_home)
    dagster_home.launch("verify_tenants")
    assert states(dagster_home, "nothing_is_missing") == {"FAILED": {BAD}, "SUCCEEDED": ALL - {BAD}}
    assert dagster_home.materialise("acme").success
    assert states(dagster_home, "nothing_is_missing") == {"SUCCEEDED": ALL}


@pytest.mark.usefixtures("made_acme")
def test_a_gate_that_fails_on_a_materialised_month_is_shown_as_failed(dagster_home: DagsterHome) -> None:
    """The verdict names the materialisation of before, so that it does not count as missing."""
    lose_a_row(dagster_home)
    dagster_home.query(
        "update crm.deals set deleted_at = now() where demo_source_month = '2025-02' returning id"
    )
    dagster_home.spoil_values("acme")
    assert not dagster_home.materialise("acme").success
    assert states(dagster_home, KPIS_MATCH_PLAN) == {"FAILED": ALL}
    assert states(dagster_home, "nothing_is_missing")["FAILED"] == {BAD}


def test_only_the_checks_of_the_months_are_planned_with_the_assets(dagster_home: DagsterHome) -> None:
    """A run of the five assets, as the pages start it, plans and judges no check of all tenants."""
    dagster_home.provision("acme")
    job = _definitions().resolve_implicit_global_asset_job_def()
    subset = job.get_subset(asset_selection=set(map(dg.AssetKey, ASSETS)))
    result = subset.execute_in_process(
        instance=dagster_home.instance, partition_key="2025-01|acme", run_config=QUIET
    )
    planned = dagster_home.instance.all_logs(
        result.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED
    )
    names = {entry.get_dagster_event().asset_check_planned_data.check_name for entry in planned}
    assert names == {spec.name for spec in check_specs()}


def test_rows_in_another_tenant_are_found_and_no_run_of_months_hides_them(dagster_home: DagsterHome) -> None:
    """The verification of all tenants fails on ``tenants``; a run of one tenant does not judge it."""
    dagster_home.provision("acme", "other")
    assert dagster_home.run_partitions("2025-01|acme", "2025-01|other").success
    assert dagster_home.launch("verify_tenants").success
    misplace(dagster_home.database, tenant_id_of(dagster_home.database, "other"), rows=2)
    result = dagster_home.launch("verify_tenants")
    assert not result.success
    [verdict] = dagster_home.evaluations(result.run_id, "rows_are_in_their_own_tenant_now").values()
    assert (verdict.passed, verdict.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert "| acme | all | 2 contacts: lie in tenant other |" in str(verdict.metadata["bad_months"].value)
    assert "`demo-pipeline repair acme --yes`" in str(verdict.metadata["what_to_do"].value)
    assert dagster_home.run_partitions("2025-01|acme", "2025-01|acme").success
    _, found = execute_now(dagster_home, "rows_are_in_their_own_tenant")
    assert not found["rows_are_in_their_own_tenant_now"].passed


def test_one_tenant_can_be_verified_and_an_unknown_one_is_refused(dagster_home: DagsterHome) -> None:
    """The launchpad takes slugs; a slug that is no demo tenant ends the run with those there are."""
    dagster_home.provision("acme", "other")
    assert dagster_home.run_partitions("2025-01|acme", "2025-01|other").success
    config = {"ops": {"verify_each": {"config": {"tenants": ["acme"]}}}}
    result = dagster_home.launch("verify_tenants", config)
    assert result.success
    assert set(dagster_home.evaluations(result.run_id, "no_drift")) == {"2025-01|acme"}
    config["ops"]["verify_each"]["config"]["tenants"] = ["acme", "acmee"]
    refused = dagster_home.launch("verify_tenants", config)
    assert not refused.success
    [failure] = refused.filter_events(lambda event: event.is_step_failure)
    assert "no demo tenants: acmee; there are: acme, other" in str(
        failure.step_failure_data.user_failure_data
    )


def test_a_tenant_that_cannot_be_read_does_not_keep_the_others_from_being_judged(
    dagster_home: DagsterHome,
) -> None:
    """Its error is the run's, the verdicts on the others are there; the buttons list it."""
    dagster_home.provision("acme", "other")
    assert dagster_home.run_partitions("2025-01|acme", "2025-01|other").success
    dagster_home.execute_as_owner(
        "alter table demo.tenant_metadata disable trigger user; update demo.tenant_metadata set plan = '{}'"
        " where tenant_id = (select id from crm.tenants where slug = 'acme')"
    )
    result = dagster_home.launch("verify_tenants")
    assert not result.success
    assert set(dagster_home.evaluations(result.run_id, "no_drift")) == {"2025-01|other"}
    _, found = execute_now(dagster_home, "no_drift")
    assert "| acme | all |" in str(found["no_drift_now"].metadata["bad_months"].value)
