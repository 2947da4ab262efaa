"""The sensor of alerts on a real instance: what Dagster alone knows, and what its ticks say."""

from collections.abc import Sequence
from typing import Any

import dagster as dg
import pytest

from demo_pipeline.defs.operations.alerts import alerts
from demo_pipeline.defs.operations.run_history import RunHistory
from demo_pipeline.defs.shared.resources import DemoTenants
from tests.defs.patches.inbox_builders import IMPOSSIBLE, folder_of, launch, put
from tests.defs.patches.inbox_builders import tick as inbox_tick
from tests.fixtures.dagster_instance import QUIET, DagsterHome
from tests.fixtures.receivers import WebHook


class Sensor:
    """The sensor as a daemon ticks it: each time with the cursor of the last."""

    def __init__(self, home: DagsterHome, hook: WebHook) -> None:
        self.home, self.hook = home, hook
        self.cursor: str | None = None
        self.summary = ""

    def tick(self) -> list[dict[str, Any]]:
        """One tick; what the web hook received."""
        context = dg.build_sensor_context(
            instance=self.home.instance, cursor=self.cursor, resources={"demo": DemoTenants()}
        )
        with context:
            result = alerts(context)
        assert isinstance(result, dg.SensorResult)
        assert not result.run_requests
        self.cursor, reason = result.cursor, result.skip_reason
        self.summary = str(reason.skip_message if isinstance(reason, dg.SkipReason) else reason)
        return self.hook.received()

    def titles(self) -> list[str]:
        """The titles of what is received at one tick."""
        return [one["title"].removeprefix("demo-pipeline ") for one in self.tick()]


@pytest.fixture
def sensor(dagster_home: DagsterHome, web_hook: WebHook, monkeypatch: pytest.MonkeyPatch) -> Sensor:
    """With a receiver, of a house without tenants."""
    monkeypatch.setenv("DEMO_ALERT_URLS", web_hook.url)
    monkeypatch.setenv("DEMO_PAGES_URL", "http://127.0.0.1:3000/")
    return Sensor(dagster_home, web_hook)


@dg.op(config_schema={"failed": [str], "severity": str})
def verdicts(context: dg.OpExecutionContext) -> Any:
    """Verdicts as a job over many tenants gives them; the run fails where one does."""
    failed: Sequence[str] = context.op_config["failed"]
    severity = dg.AssetCheckSeverity(context.op_config["severity"])
    for month in ("2025-01", "2025-02", "2025-03"):
        yield dg.AssetCheckEvaluation(
            asset_key=dg.AssetKey("activities"),
            check_name="lifecycles_are_sound",
            passed=month not in failed,
            severity=severity,
            partition=f"{month}|acme",
        )
    if failed and severity is dg.AssetCheckSeverity.ERROR:
        raise dg.Failure("checks fail", allow_retries=False)
    yield dg.Output(None)


@dg.job
def verify_all() -> None:
    """A job over all tenants."""
    verdicts()


def judge(home: DagsterHome, *failed: str, severity: str = "ERROR") -> None:
    """One run of verdicts on three months of acme."""
    config = {"ops": {"verdicts": {"config": {"failed": list(failed), "severity": severity}}}}
    verify_all.execute_in_process(
        instance=home.instance, raise_on_error=False, run_config={**QUIET, **config}
    )


def test_a_failed_run_is_over_once_a_later_one_succeeds(sensor: Sensor) -> None:
    """Its alert has the reason and the link to its page; nothing of it comes twice."""
    home = sensor.home
    assert sensor.titles() == []
    assert sensor.summary == "0 incidents open (0 new, 0 over); 0 messages sent"
    job = {"ops": {"provision": {"config": {"files": ["nowhere.yaml"]}}}}
    # Dagster tries it again: not yet a failure.
    retried = home.launch("provision_tenants", job)
    home.instance.add_run_tags(retried.run_id, {"dagster/will_retry": "true"})
    assert sensor.titles() == []
    run = home.launch("provision_tenants", job)
    [alert] = sensor.tick()
    assert alert["title"] == "demo-pipeline alert: a Dagster run failed"
    assert "provision_tenants failed: not in " in alert["message"]
    assert f"run: http://127.0.0.1:3000/runs/{run.run_id}" in alert["message"]
    assert sensor.titles() == []
    assert sensor.summary == "1 incident open (0 new, 0 over); 0 messages sent"
    # Without the cursor everything is read again, and is the same incident.
    sensor.cursor = None
    assert sensor.titles() == []
    job["ops"]["provision"]["config"]["files"] = ["larkmoor.yaml"]
    assert home.launch("provision_tenants", job).success
    assert sensor.titles() == ["resolved: a Dagster run failed"]
    assert sensor.titles() == []


def test_a_run_whose_job_failed_is_the_job_s_incident(sensor: Sensor) -> None:
    """A month that misses its KPIs: one alert, of the job, and one recovery once it is made."""
    home = sensor.home
    home.provision("acme")
    home.spoil_values("acme")
    home.materialise("acme")
    [alert] = sensor.tick()
    assert alert["title"] == "demo-pipeline alert: a job failed"
    assert "tenant: acme" in alert["message"]
    assert "job retry" in alert["message"]
    home.mend_values()
    home.materialise("acme")
    assert sensor.titles() == ["resolved: a job failed"]
    assert sensor.titles() == []


def test_failing_checks_of_a_tenant_are_one_incident(sensor: Sensor) -> None:
    """Until the last month passes; a warning is none; a deleted tenant has none."""
    home = sensor.home
    home.provision("acme")
    judge(home, "2025-01", severity="WARN")
    assert sensor.titles() == []
    judge(home, "2025-01", "2025-02")
    [alert] = sensor.tick()
    assert alert["title"] == "demo-pipeline alert: checks of a tenant fail"
    assert "lifecycles_are_sound (2 months)" in alert["message"]
    assert "months: 2025-01 to 2025-02" in alert["message"]
    judge(home, "2025-02")
    assert sensor.titles() == []
    judge(home)
    assert sensor.titles() == ["resolved: checks of a tenant fail"]
    judge(home, "2025-03")
    assert sensor.titles() == ["alert: checks of a tenant fail"]
    home.query("select demo.delete_tenant(tenant_id, 'a test') from demo.tenant_metadata")
    assert sensor.titles() == ["resolved: checks of a tenant fail"]


def test_a_refused_plan_of_the_inbox_is_one_incident(sensor: Sensor) -> None:
    """Its run fails too, and is not another incident; a corrected file of that name ends it."""
    home = sensor.home
    home.provision("acme")
    home.materialise("acme")
    folder = folder_of(home, "acme")
    for text, title in ((IMPOSSIBLE, "alert"), ("month,contacts_created\n2025-02,3\n", "resolved")):
        put(folder, "spring.csv", text)
        [request] = inbox_tick(home)
        launch(home, request)
        assert sensor.titles() == [f"{title}: an inbox file was refused"]
    assert sensor.titles() == []


def test_without_a_receiver_a_tick_says_so(sensor: Sensor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Incidents are recorded all the same; what cannot be delivered is said, too."""
    monkeypatch.delenv("DEMO_ALERT_URLS")
    sensor.home.launch("provision_tenants", {"ops": {"provision": {"config": {"files": ["nowhere.yaml"]}}}})
    assert sensor.titles() == []
    assert sensor.summary == ("1 incident open (1 new, 0 over); no receivers: DEMO_ALERT_URLS is not set")
    monkeypatch.setenv("DEMO_ALERT_URLS", sensor.hook.url)
    sensor.hook.switch_off()
    assert sensor.titles() == []
    assert "json (1 of 1): it cannot be reached" in sensor.summary
    sensor.hook.switch_on()
    assert sensor.titles() == ["alert: a Dagster run failed"]


def test_a_cursor_that_cannot_be_read_begins_anew() -> None:
    """As one of another version."""
    for cursor in ("", "not JSON", '{"event_id": "many"}', "[]"):
        assert RunHistory.of_cursor(cursor) == RunHistory()
