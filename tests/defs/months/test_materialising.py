"""Runs that materialise partitions, on a real instance and a real database: what they leave in both."""

from __future__ import annotations

import dagster as dg
import pytest

from demo_pipeline.defs.asset_pages.checks import check_specs
from demo_pipeline.defs.shared.partitions import months_by_tenant, partition_key
from demo_pipeline.domain.core.errors import InputError, NotADemoTenantError, VerificationError
from demo_pipeline.domain.core.figures import METRICS
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.patch_plan.plan import MonthRequest, PatchPlan
from demo_pipeline.services.patches.patch import apply_patch
from tests.defs.operations.test_failed_partitions import failed
from tests.defs.operations.test_verification import states
from tests.fixtures.dagster_instance import DagsterHome
from tests.fixtures.embedded_server import wait_until
from tests.fixtures.ledger_steps import real_tenant
from tests.fixtures.sessions import sessions

ASSETS = ("companies", "contacts", "deals", "activities", "kpi_snapshot")
MONTHS = ("2025-01", "2025-02", "2025-03")


def keys(slug: str, *months: str) -> set[str]:
    """Partition keys of a tenant."""
    return {f"{month}|{slug}" for month in months or MONTHS}


def test_a_run_materialises_the_range_of_one_tenant(dagster_home: DagsterHome) -> None:
    """All months of the range are materialised, with rows, a KPI table, passed checks and the run's tags."""
    dagster_home.provision("acme", "other")
    outcome = dagster_home.materialise("acme")
    assert outcome.success, outcome.errors
    assert {asset: dagster_home.materialised(asset) for asset in ASSETS} == dict.fromkeys(
        ASSETS, keys("acme")
    )
    assert dagster_home.row_count("acme") == 6 + 4 + 2 + 20 + 15 + 9 + 9 + 7 + 4 + 40 + 30 + 20
    assert dagster_home.row_count("other") == 0
    for check in ("kpis_match_plan", "no_drift", "life_cycles_hold"):
        found = dagster_home.evaluations(outcome.run_id, check)
        assert {key for key, one in found.items() if one.passed} == keys("acme"), check
    [(job_id, run_id)] = dagster_home.query(
        "select id, dagster_run_id from demo.jobs where status = 'completed'"
    )
    run = dagster_home.instance.get_run_by_id(outcome.run_id)
    assert run is not None
    assert run_id == outcome.run_id
    assert dagster_home.run_tags(outcome.run_id) == {
        "demo/kind": "materialise",
        "demo/tenant": "acme",
        "demo/job_id": str(job_id),
    }


@pytest.mark.usefixtures("made_acme")
def test_metadata_of_a_partition_tell_its_rows(dagster_home: DagsterHome) -> None:
    """A table's partition says how many rows it has and got, the snapshot's has all eight KPIs."""
    deals = dagster_home.materialisation("deals", "2025-02|acme").metadata
    assert (deals["dagster/partition_row_count"].value, deals["rows_added"].value) == (7, 7)
    kpis = dagster_home.materialisation("kpi_snapshot", "2025-02|acme").metadata
    assert "| Value won | 900.00 | **900.00** | 0.00 | 0.00 |" in str(kpis["kpis"].value)
    table = kpis["kpi_table"]
    assert isinstance(table, dg.TableMetadataValue)
    rows = [dict(record.data) for record in table.records]
    assert rows[0] == {
        "metric": "leads_created",
        "expected": "10",
        "before": "0",
        "after": "10",
        "drift": "0",
    }
    assert len(rows) == 8
    # What is longer is folded away on the page.
    assert len(str(kpis["kpis"].value)) < 1000
    assert len(str(kpis["trend"].value)) < 1000


@pytest.mark.usefixtures("made_acme")
def test_kpis_are_numbers_that_dagster_plots(dagster_home: DagsterHome) -> None:
    """Each KPI of the month is a number, money in major units; bars show the months up to it."""
    kpis = dagster_home.materialisation("kpi_snapshot", "2025-02|acme").metadata
    assert {name: kpis[name].value for name in METRICS} == {
        "leads_created": 10,
        "contacts_created": 15,
        "companies_created": 4,
        "deals_created": 7,
        "closed_won_count": 2,
        "closed_won_value": 900.0,
        "pipeline_added_value": 5000.0,
        "activities_created": 30,
    }
    for name in METRICS:
        assert isinstance(kpis[name], dg.IntMetadataValue | dg.FloatMetadataValue)
    trend = str(kpis["trend"].value)
    assert "| EUR | 2025-01 to 2025-02 | 2025-02 |" in trend
    assert "| Deals created | █▇ | 7 |" in trend


def test_what_is_as_expected_and_shown_needs_no_run(dagster_home: DagsterHome) -> None:
    """The same request again starts no run, whatever months it names; what is missing or not shown does."""
    dagster_home.provision("acme")
    dagster_home.materialise("acme", "2025-01", "2025-02")
    for months in (("2025-01", "2025-02"), ("2025-02", "2025-02")):
        outcome = dagster_home.materialise("acme", *months)
        assert (outcome.success, outcome.run_id) == (True, "")
    assert len(dagster_home.instance.get_runs()) == 1
    assert dagster_home.materialise("acme").run_id
    dagster_home.query(
        "update crm.deals set deleted_at = now() where demo_source_month = '2025-01' returning id"
    )
    assert dagster_home.materialise("acme", "2025-01", "2025-01").run_id
    assert not dagster_home.materialise("acme").run_id
    # The pages lost a month: a process was killed between the commit and its events.
    dagster_home.instance.wipe_asset_partitions(dg.AssetKey("kpi_snapshot"), ["2025-02|acme"])
    assert dagster_home.materialise("acme").run_id
    assert dagster_home.materialised("kpi_snapshot") == keys("acme")


@pytest.mark.usefixtures("made_acme")
def test_a_run_of_what_is_as_expected_changes_no_row(dagster_home: DagsterHome) -> None:
    """As the pages start it: the rows stay, and the page shows the same figures as before and after."""
    before = dagster_home.query("select id, xmin::text from crm.contacts order by id")
    outcome = dagster_home.run_partitions("2025-01|acme", "2025-03|acme")
    assert outcome.success
    assert dagster_home.query("select id, xmin::text from crm.contacts order by id") == before
    kpis = dagster_home.materialisation("kpi_snapshot", "2025-01|acme").metadata
    assert "| Deals won | 3 | **3** | 0 | 3 |" in str(kpis["kpis"].value)


def test_a_wrong_kpi_leaves_the_partition_unmaterialised_and_nothing_committed(
    dagster_home: DagsterHome,
) -> None:
    """One cent too much: the check fails on each month, no asset is materialised, no row is there."""
    dagster_home.provision("acme")
    dagster_home.spoil_values("acme")
    outcome = dagster_home.materialise("acme")
    assert not outcome.success
    assert isinstance(outcome.error, VerificationError)
    assert outcome.error.exit_code == 4
    assert "closed_won_value" in outcome.error.message
    assert {dagster_home.row_count("acme"), *map(len, map(dagster_home.materialised, ASSETS))} == {0}
    found = dagster_home.evaluations(outcome.run_id, "kpis_match_plan")
    assert {key for key, one in found.items() if not one.passed and one.blocking} == keys("acme")
    assert "| Value won | 2025-01 | 1,500.55 | **1,500.58** | 0.00 |" in str(
        found["2025-01|acme"].metadata["kpis_found"].value
    )
    assert dagster_home.query("select status, error_code from demo.jobs where started_at is not null") == [
        ("failed", "verification_failed")
    ]

    dagster_home.mend_values()
    assert dagster_home.materialise("acme").success
    assert dagster_home.materialised("kpi_snapshot") == keys("acme")


def test_a_tenant_that_fails_does_not_take_the_others_down(dagster_home: DagsterHome) -> None:
    """In one run of three tenants the sound ones are committed, shown and judged, the bad one is not."""
    dagster_home.provision("acme", "bravo", "corto")
    dagster_home.spoil_values("bravo")
    result = dagster_home.run_partitions("2025-01|acme", "2025-02|corto")
    assert not result.success
    wanted = keys("acme", "2025-01", "2025-02") | keys("corto", "2025-01", "2025-02")
    assert {asset: dagster_home.materialised(asset) for asset in ASSETS} == dict.fromkeys(ASSETS, wanted)
    found = dagster_home.evaluations(result.run_id, "kpis_match_plan")
    assert {key for key, one in found.items() if one.passed} == wanted
    assert {key for key, one in found.items() if not one.passed} == keys("bravo", "2025-01", "2025-02")
    assert [dagster_home.row_count(slug) > 0 for slug in ("acme", "bravo", "corto")] == [True, False, True]
    run = dagster_home.instance.get_run_by_id(result.run_id)
    assert run is not None
    jobs = dict(
        dagster_home.query(
            "select m.slug, j.id::text from demo.jobs j join demo.tenant_metadata m using (tenant_id)"
            " where j.started_at is not null"
        )
    )
    assert run.tags["demo/tenant"] == "several"
    assert {slug: run.tags[f"demo/tenant/{slug}"] for slug in jobs} == jobs
    assert set(jobs) == {"acme", "bravo", "corto"}
    sessions_of = dict(
        dagster_home.query(
            "select m.slug, a.backend_pid from demo.job_attempts a join demo.jobs j on j.id = a.job_id"
            " join demo.tenant_metadata m on m.tenant_id = j.tenant_id"
        )
    )
    # The one that failed was not used again, and after the run there is none.
    assert sessions_of["acme"] == sessions_of["bravo"] != sessions_of["corto"]
    wait_until(lambda: not sessions(dagster_home.database))


def test_a_real_tenant_beside_a_demo_is_refused_and_audited(dagster_home: DagsterHome) -> None:
    """A partition that names a customer is never materialised; the attempt is written down."""
    dagster_home.provision("acme")
    with dagster_home.database.admin() as conn:
        real_tenant(conn)
    before = dagster_home.row_count("customer")
    dagster_home.instance.add_dynamic_partitions("tenant", ["customer"])
    result = dagster_home.run_partitions("2025-01|acme", "2025-01|customer")
    assert not result.success
    assert dagster_home.materialised("kpi_snapshot") == keys("acme", "2025-01")
    assert dagster_home.row_count("customer") == before
    assert dagster_home.query(
        "select count(*) > 0 from demo.audit_log where event = 'NON_DEMO_TENANT_BLOCKED'"
    ) == [(True,)]


def test_a_run_that_cannot_be_is_refused_before_it_begins(dagster_home: DagsterHome) -> None:
    """Months before the span and customers' tenants make no run at all."""
    dagster_home.provision("acme")
    with dagster_home.database.admin() as conn:
        real_tenant(conn)
    with pytest.raises(InputError, match="begin with 2025-01"):
        dagster_home.materialise("acme", "2019-11")
    with pytest.raises(NotADemoTenantError):
        dagster_home.materialise("customer")
    assert dagster_home.instance.get_runs() == []


def test_months_that_a_tenant_cannot_have_are_left_out(dagster_home: DagsterHome) -> None:
    """Before the first month, after the end of a closed tenant, in the future: no row, nothing shown."""
    dagster_home.provision("acme")
    result = dagster_home.run_partitions("2024-11|acme", "2025-06|acme")
    assert result.success
    assert dagster_home.materialised("contacts") == keys("acme")
    assert dagster_home.materialised("kpi_snapshot") == keys("acme")
    log = "\n".join(entry.user_message for entry in dagster_home.instance.all_logs(result.run_id))
    assert "acme, 2024-12: left out, since it is before the tenant's first month, 2025-01" in log
    assert "acme, 2025-04: left out, since it is after the tenant's end, 2025-03" in log
    for spec in check_specs():
        assert states(dagster_home, spec.name) == {"SUCCEEDED": keys("acme")}, spec.name
    # None of them at all is no failure either.
    none = dagster_home.run_partitions("2025-05|acme", "2025-06|acme")
    assert none.success
    assert dagster_home.materialised("contacts") == keys("acme")
    run = dagster_home.instance.get_run_by_id(none.run_id)
    assert run is not None
    assert run.tags.get("demo/tenant") != "several"
    # They are not failed with the run, either.
    dagster_home.provision("oaken")
    dagster_home.spoil_values("oaken")
    assert not dagster_home.run_partitions("2024-12|oaken", "2025-04|oaken").success
    assert failed(dagster_home, "oaken") == set(MONTHS)


def test_a_month_that_a_plan_filled_after_the_end_is_the_tenant_s(dagster_home: DagsterHome) -> None:
    """It is materialised with the months of the span, and the gap between them stays empty."""
    dagster_home.provision("acme")
    plan = PatchPlan(months=(MonthRequest(Month.parse("2025-06"), {"contacts_created": 4}),))
    apply_patch(dagster_home.database, dagster_home.settings, "acme", plan)
    outcome = dagster_home.materialise("acme")
    assert outcome.success, outcome.errors
    assert dagster_home.materialised("contacts") == keys("acme", *MONTHS, "2025-06")
    assert dagster_home.query("select count(*) from crm.contacts where demo_source_month > '2025-03'") == [
        (4,)
    ]


@pytest.mark.usefixtures("made_acme")
def test_the_snapshot_shows_what_is_committed_not_what_the_job_meant(dagster_home: DagsterHome) -> None:
    """What people add is drift: shown in the table, a warning, and no failure."""
    with dagster_home.database.admin() as conn:
        conn.execute(
            "insert into crm.companies (tenant_id, name, created_at)"
            " select id, 'By hand', '2025-02-10 12:00Z' from crm.tenants where slug = 'acme'"
        )
    outcome = dagster_home.materialise("acme")
    assert outcome.success
    found = dagster_home.evaluations(outcome.run_id, "no_drift")
    assert {key for key, one in found.items() if not one.passed} == keys("acme", "2025-02")
    kpis = dagster_home.materialisation("kpi_snapshot", "2025-02|acme").metadata
    assert "| Companies created | 4 | **5** | **+1** | 5 |" in str(kpis["kpis"].value)


def test_keys_are_grouped_by_tenant_in_any_order() -> None:
    """However Dagster hands partitions over, each tenant is asked for once, its months in order."""
    january, march = Month.parse("2025-01"), Month.parse("2025-03")
    mixed = ["2025-03|b-2", "2025-01|acme", "2025-01|b-2", "2025-03|b-2"]
    assert months_by_tenant(mixed) == {"acme": (january,), "b-2": (january, march)}
    assert partition_key("acme", january) == "2025-01|acme"
