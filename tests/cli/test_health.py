"""``health``: what is watched, what is wrong, and the exit code."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from uuid import UUID

import psycopg
import pytest

from demo_pipeline.storage.ledger.incidents import AlertRecord, record_alerts
from tests.fixtures.cli import RunCommand
from tests.fixtures.ledger_steps import ended_attempts, real_tenant


@pytest.fixture
def kranz_id(kranz: str, admin_conn: psycopg.Connection) -> UUID:
    """The id of the tenant."""
    ((tenant_id,),) = admin_conn.execute(
        "select tenant_id from demo.tenant_metadata where slug = %s", [kranz]
    ).fetchall()
    return tenant_id


def test_a_healthy_installation(quick_command: RunCommand, kranz: str) -> None:
    """Exit code 0; every figure with its limit; the document has the same."""
    done = quick_command("health")
    assert done.code == 0, done.err
    assert done.out.splitlines()[-1] == "healthy"
    for text in ("patch attempts that failed", "120 s", "1 tenant: 1 closed", "DEMO_ALERT_URLS is not set"):
        assert text in done.out
    document = quick_command("health", "--json").document
    assert document["healthy"] is True
    assert [one["name"] for one in document["figures"]] == [
        "patch_failure_share",
        "patch_duration_seconds",
        "kpi_verification_failure_share",
        "duplicate_detection_count",
        "non_demo_attempt_count",
    ]
    assert [one["threshold"] for one in document["figures"]] == [0.05, 120, 0.1, 0, 0]
    assert document["tenants"][0] | {"last_activity_at": None, "loaded_until": None} == {
        "tenant": kranz,
        "state": "closed",
        "last_activity_at": None,
        "loaded_until": None,
        "quiet_minutes": None,
        "allowed_minutes": None,
    }
    assert document["jobs"] == {"completed": 1}
    assert (document["alerts"], document["receivers"], document["undelivered_notices"]) == ([], [], 0)


def test_what_is_wrong_is_said_with_the_remedy(
    quick_command: RunCommand,
    kranz: str,
    kranz_id: UUID,
    admin_conn: psycopg.Connection,
    loader_conn: psycopg.Connection,
    tmp_path: Path,
) -> None:
    """Exit code 4, from real commands: a patch twice, one on a customer, and a ledger with slow failures."""
    plan = tmp_path / "plan.csv"
    plan.write_text("month,contacts_created\n2025-02,3\n", encoding="utf-8")
    for _ in range(2):
        assert quick_command("patch", "apply", kranz, plan).code == 0
    real_tenant(admin_conn)
    assert quick_command("patch", "apply", "customer", plan).code == 3
    job = ended_attempts(
        loader_conn, admin_conn, kranz_id, 20, error_code="job_failed", seconds=300, ago=timedelta(0)
    )
    document = quick_command("health", "--json").document
    assert document.get("healthy") is False, document
    alerts = {one["kind"]: one for one in document["alerts"]}
    assert set(alerts) == {"patch_failures", "slow_patch", "duplicate", "non_demo_attempt", "failed_job"}
    assert alerts["duplicate"]["tenant"] == kranz
    assert alerts["non_demo_attempt"]["tenant"] == "customer"
    assert (alerts["slow_patch"]["job_id"], alerts["failed_job"]["job_id"]) == (str(job), str(job))
    assert alerts["failed_job"]["command"] == f"demo-pipeline job retry {job}"
    assert "20 of 21 patch attempts" in alerts["patch_failures"]["what"]
    done = quick_command("health")
    assert done.code == 4
    assert done.out.splitlines()[-1] == "5 alerts"
    for one in document["alerts"]:
        assert one["what"] in done.out
        assert one["remedy"] in done.out


def test_a_refused_file_counts_until_it_is_deleted(
    quick_command: RunCommand, kranz: str, database_env: dict[str, str]
) -> None:
    """As its report says; an inbox that cannot be read is no alert."""
    folder = Path(database_env["DEMO_HOME"]) / "inbox" / kranz / "refused"
    folder.mkdir(parents=True, mode=0o750)
    for path in (folder, *list(folder.parents)[:2]):
        path.chmod(0o750)
    (folder / "plan.csv").write_text("month\n", encoding="utf-8")
    report = '{"file": "plan.csv", "at": "2999-01-01T00:00:00+00:00", "error": {"message": "no metric"}}'
    (folder / "plan.csv.report.json").write_text(report, encoding="utf-8")
    (folder / "odd.csv.report.json").write_text("[1]", encoding="utf-8")
    [alert] = quick_command("health", "--json").document["alerts"]
    assert (alert["kind"], alert["tenant"]) == ("refused_file", kranz)
    assert "plan.csv was refused, and nothing was done: no metric" in alert["what"]
    (folder / "plan.csv").unlink()
    assert quick_command("health").code == 0


def test_what_only_dagster_knows_is_shown_as_recorded(
    quick_command: RunCommand, kranz: str, admin_conn: psycopg.Connection
) -> None:
    """A failed run of which the ledger has no job, with the time of the sensor's last look."""
    finding = AlertRecord(
        kind="failed_run",
        subject="provision_tenants",
        detail={"what": "the run failed: no space", "remedy": "its page has the reason", "run_id": "1f2e"},
    )
    with admin_conn.transaction():
        ((now,),) = admin_conn.execute("select now()").fetchall()
        record_alerts(admin_conn, [finding], kinds=[], looked_at=now, receivers=[])
    done = quick_command("health")
    assert done.code == 4
    assert "failed_run, run 1f2e, since " in done.out
    assert "seen " in done.out


def test_a_test_needs_a_receiver(quick_command: RunCommand) -> None:
    """Exit code 2 without one, and for an address that is unknown; no address is shown."""
    done = quick_command("health", "--send-test")
    assert done.code == 2
    assert "DEMO_ALERT_URLS is not set" in done.err
    secret = {"DEMO_ALERT_URLS": "nonsense://user:hunter2@host json://127.0.0.1:9/hunter2"}
    done = quick_command("health", "--send-test", environment=secret)
    assert done.code == 2
    assert "nonsense (1 of 2)" in done.err
    assert "json (2 of 2)" not in done.err
    refused = {"DEMO_ALERT_URLS": "json://127.0.0.1:9/hunter2"}
    unsent = quick_command("health", "--send-test", environment=refused)
    assert unsent.code == 1
    assert "json (1 of 1): not delivered: it cannot be reached" in unsent.out
    for one in (done, unsent, quick_command("health", environment=refused)):
        assert "hunter2" not in one.out + one.err
