"""Alerts: each kind is received once, and once more when it is over, by receivers on this machine."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import StringIO
from pathlib import Path
from threading import Barrier
from typing import Any, Final
from uuid import UUID

import psycopg
import pytest
from apprise.plugins.slack import NotifySlack

from demo_pipeline.domain.core.errors import InputError, NotADemoTenantError
from demo_pipeline.domain.core.job_kinds import JobKind
from demo_pipeline.services.health.alerts import AlertKind, FailedRun, FailingChecks, figure_alerts
from demo_pipeline.services.health.incidents import deliver_notices, record_alerts, send_test
from demo_pipeline.services.health.receivers import check_receivers, receivers_of
from demo_pipeline.services.health.state import read_state
from demo_pipeline.services.patches.patch import apply_patch
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.ledger.watched_figures import WatchedEvent, WatchedFigure
from tests.fixtures.embedded_server import wait_until
from tests.fixtures.ledger_steps import begun, ended_attempts, real_tenant
from tests.fixtures.receivers import MailBox, WebHook
from tests.paths import PROJECT
from tests.services.builders import made, make_tenant
from tests.services.patches.builders import SMALL, plan

Conn = psycopg.Connection[Any]
CHANGE: Final = plan({"2025-02": {"contacts_created": 1}})
RUN: Final = FailedRun(run_id="1f2e3d4c", job="provision_tenants", tenant=None, message="no space left")
CHECKS: Final = FailingChecks(
    tenant="acme", checks={"lifecycles_are_sound": ["2025-01", "2025-02"]}, run_id="5a6b7c8d"
)
EARLIER: Final = datetime(2025, 3, 26, tzinfo=UTC)
#: a blueprint that goes on, of which something is due at any time
LIVING: Final = {key: value for key, value in SMALL.items() if key != "end_month"}


class House:
    """A database with one tenant, and one look of the sensor at it."""

    def __init__(
        self, database: Database, settings: Settings, loader: Conn, admin: Conn, hook: WebHook
    ) -> None:
        self.database, self.loader, self.admin, self.hook = database, loader, admin, hook
        self.settings = settings.model_copy(
            update={"alert_urls": hook.url, "pages_url": "http://127.0.0.1:3000"}
        )
        made(database, settings, SMALL)
        ((self.tenant_id,),) = admin.execute("select tenant_id from demo.tenant_metadata").fetchall()
        #: what Dagster knows
        self.runs: list[FailedRun] = []
        self.checks: list[FailingChecks] = []

    def at(self, now: datetime) -> Settings:
        """The settings at an earlier instant."""
        return self.settings.model_copy(update={"now": now})

    def record(self) -> None:
        """The first half of a look."""
        record_alerts(self.database, self.settings, runs=self.runs, failing=self.checks)

    def look(self) -> list[dict[str, Any]]:
        """Record, deliver, and return what the web hook received."""
        self.record()
        delivery = deliver_notices(self.database, self.settings)
        received = self.hook.received()
        assert not delivery.failures
        assert delivery.sent == len(received)
        return received

    def attempts(self, count: int, **changes: Any) -> UUID:
        """Ended attempts at a patch, then a completed one, so that no job counts as failed."""
        job = ended_attempts(self.loader, self.admin, self.tenant_id, count, **changes)
        ended_attempts(self.loader, self.admin, self.tenant_id, 1, ago=timedelta(0))
        return job

    def forget(self) -> None:
        """Make what happened older than 7 days."""
        self.admin.execute("alter table demo.audit_log disable trigger user")
        self.admin.execute("grant update on demo.audit_log to demo_owner")
        columns = {"job_ledger": "started_at", "job_attempts": "started_at", "audit_log": "at"}
        for table, column in columns.items():
            statement = f"update demo.{table} set {column} = {column} - interval '8 days'"
            self.admin.execute(statement.encode())

    def delete(self, slug: str) -> None:
        """Make a tenant a deleted one."""
        statement = "update demo.tenant_metadata set deleted_at = now() where slug = %s"
        self.admin.execute(statement, [slug])

    def refuse(
        self, name: str, reason: str, *, job_id: UUID | None = None, run_id: str | None = None
    ) -> Path:
        """A plan in the folder of refused ones, with its report."""
        folder = self.settings.inbox_folder / "acme" / "refused"
        folder.mkdir(parents=True, exist_ok=True, mode=0o750)
        details = {} if job_id is None else {"job_id": str(job_id)}
        report = {
            "file": name,
            "at": datetime.now(UTC).isoformat(),
            "error": {"message": reason, "details": details},
            "dagster_run_id": run_id,
        }
        (folder / f"{name}.report.json").write_text(json.dumps(report), encoding="utf-8")
        path = folder / name
        path.write_text("month\n", encoding="utf-8")
        return path


@pytest.fixture
def house(
    database: Database, database_settings: Settings, loader_conn: Conn, admin_conn: Conn, web_hook: WebHook
) -> House:
    """A sound tenant, of which nothing is to be said."""
    found = House(database, database_settings, loader_conn, admin_conn, web_hook)
    assert found.look() == []
    return found


# -- how each kind begins, and what ends it --------------------------------------------------------------


def patch_failures(house: House) -> Callable[[], object]:
    house.attempts(30, error_code="job_failed")
    return house.forget


def slow_patch(house: House) -> Callable[[], object]:
    house.attempts(1, seconds=300)
    return house.forget


def verification_failures(house: House) -> Callable[[], object]:
    house.attempts(30, kind=JobKind.MATERIALISE, error_code="verification_failed")
    return house.forget


def duplicate(house: House) -> Callable[[], object]:
    for _ in range(3):
        apply_patch(house.database, house.settings, "acme", CHANGE)
    return house.forget


def non_demo_attempt(house: House) -> Callable[[], object]:
    real_tenant(house.admin)
    with pytest.raises(NotADemoTenantError):
        apply_patch(house.database, house.settings, "customer", CHANGE)
    return house.forget


def failed_job(house: House) -> Callable[[], object]:
    ended_attempts(house.loader, house.admin, house.tenant_id, 1, error_code="job_failed", ago=timedelta(0))
    return lambda: apply_patch(house.database, house.settings, "acme", CHANGE)


def failed_run(house: House) -> Callable[[], object]:
    house.runs.append(RUN)
    return house.runs.clear


def failing_check(house: House) -> Callable[[], object]:
    house.checks.append(CHECKS)
    return house.checks.clear


def refused_file(house: House) -> Callable[[], object]:
    return house.refuse("spring.csv", "more leads than contacts").unlink


def stale_tenant(house: House) -> Callable[[], object]:
    make_tenant(house.database, house.at(EARLIER), LIVING, "south")
    return lambda: house.delete("south")


def unreadable_tenant(house: House) -> Callable[[], object]:
    made(house.database, house.at(EARLIER), LIVING, "odd")
    house.admin.execute("alter table demo.tenant_metadata disable trigger user")
    house.admin.execute("update demo.tenant_metadata set plan = plan - 'currency' where slug = 'odd'")
    return lambda: house.delete("odd")


#: kind → how it begins, and what the alert says
BEGINNINGS: Final[dict[AlertKind, tuple[Callable[[House], Callable[[], object]], list[str]]]] = {
    AlertKind.PATCH_FAILURES: (patch_failures, ["30 of 31 patch attempts", "job list --kind patch"]),
    AlertKind.SLOW_PATCH: (slow_patch, ["the patch took 300 s", "tenant: acme", "job: ", "job show"]),
    AlertKind.VERIFICATION_FAILURES: (
        verification_failures,
        ["30 of 32 attempts", "did not reach their KPIs"],
    ),
    AlertKind.DUPLICATE: (
        duplicate,
        ["was requested 3 times, last at ", "only the first request changed", "tenant: acme", "job: "],
    ),
    AlertKind.NON_DEMO_ATTEMPT: (non_demo_attempt, ["not a demo", "tenant: customer", "demo.audit_log"]),
    AlertKind.FAILED_JOB: (failed_job, ["a patch failed", "tenant: acme", "job: ", "job retry"]),
    AlertKind.FAILED_RUN: (failed_run, ["no space left", "run: http://127.0.0.1:3000/runs/1f2e3d4c"]),
    AlertKind.FAILING_CHECK: (
        failing_check,
        ["lifecycles_are_sound (2 months)", "months: 2025-01 to 2025-02", "verify acme"],
    ),
    AlertKind.REFUSED_FILE: (refused_file, ["spring.csv was refused", "more leads than contacts"]),
    AlertKind.STALE_TENANT: (stale_tenant, ["nothing is loaded yet", "tenant: south", "generate south"]),
    AlertKind.UNREADABLE_TENANT: (unreadable_tenant, ["plan.currency: field required", "verify odd"]),
}


def test_every_kind_is_tried_and_documented() -> None:
    """A kind that is added has its beginning here, and a line that says what to do."""
    assert set(BEGINNINGS) == set(AlertKind)
    page = (PROJECT / "docs" / "alerts.md").read_text(encoding="utf-8")
    for name in (*AlertKind, *WatchedFigure):
        assert f"\n| `{name.value}` |" in page


def test_copies_of_rows_are_no_second_request() -> None:
    """What dedupe removed is a duplicate, too, and has words of its own."""
    job_id = UUID("0f1c2f3e-0000-0000-0000-000000000000")
    removed = WatchedEvent(
        figure=WatchedFigure.DUPLICATES,
        subject=str(job_id),
        slug="acme",
        job_id=job_id,
        kind=JobKind.DEDUPE,
        count=1,
        last_at=datetime(2025, 3, 1, 12, tzinfo=UTC),
        value=Decimal(1),
        threshold=Decimal(0),
    )
    [alert] = figure_alerts((), [removed])
    assert alert.what == (
        "rows were there twice, and job 0f1c2f3e removed the copies, last at 2025-03-01 12:00 UTC"
    )


@pytest.mark.parametrize("kind", AlertKind)
def test_an_incident_is_alerted_once_and_its_end_once(house: House, kind: AlertKind) -> None:
    """What, where and what to do; nothing at the next look; one recovery notice; nothing after it."""
    begin, texts = BEGINNINGS[kind]
    end = begin(house)
    [alert] = house.look()
    assert (alert["type"], alert["title"]) == ("failure", f"demo-pipeline alert: {kind.headline(1)}")
    for text in (*texts, "since: ", "what to do: "):
        assert text in alert["message"], alert["message"]
    assert house.look() == []
    assert [one.alert.kind for one in read_state(house.database, house.settings).alerts] == [kind]
    end()
    [recovery] = house.look()
    assert (recovery["type"], recovery["title"]) == (
        "success",
        f"demo-pipeline resolved: {kind.headline(1)}",
    )
    assert "from 20" in recovery["message"]
    assert house.look() == []
    assert read_state(house.database, house.settings).is_healthy


# -- receivers -------------------------------------------------------------------------------------------


def test_a_receiver_that_is_away_gets_everything_later(house: House, mail_box: MailBox) -> None:
    """Away for two looks, then back: each notice once. The other receiver has its own at once."""
    house.settings = house.settings.model_copy(update={"alert_urls": f"{house.hook.url} {mail_box.url}"})
    house.hook.switch_off()
    house.runs.append(RUN)
    for _ in range(2):
        house.record()
        [failure] = deliver_notices(house.database, house.settings).failures
        assert failure.startswith("json (1 of 2): it cannot be reached")
    assert len(mail_box.mails) == 1
    assert read_state(house.database, house.settings).undelivered_count == 1
    house.runs.clear()
    house.record()
    house.hook.switch_on()
    deliver_notices(house.database, house.settings)
    assert [one["type"] for one in house.hook.received()] == ["failure", "success"]
    assert deliver_notices(house.database, house.settings).sent == 0
    assert len(mail_box.mails) == 2


def test_a_receiver_that_answers_with_an_error_is_tried_again(house: House) -> None:
    """The status is said, the address is not; once it accepts, it has the alert once."""
    house.hook.status = 503
    house.runs.append(RUN)
    house.record()
    [failure] = deliver_notices(house.database, house.settings).failures
    assert "HTTP status 503" in failure
    assert str(house.hook.port) not in failure
    house.hook.status = 200
    assert len(house.look()) == 1
    assert house.look() == []


def test_two_daemons_send_one_alert(house: House) -> None:
    """Both look and deliver at the same moment."""
    house.runs.append(RUN)
    barrier = Barrier(2)

    def tick(_number: int) -> None:
        barrier.wait()
        house.record()
        deliver_notices(house.database, house.settings)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(tick, range(2)))
    deliver_notices(house.database, house.settings)
    assert len(house.hook.received()) == 1


def test_a_job_that_ends_during_a_look_has_not_failed(house: House) -> None:
    """The snapshot of the look shows the job under way, and no session holds its tenant any more."""
    begun(house.loader, house.tenant_id)
    with ThreadPoolExecutor(1) as pool:
        with house.admin.transaction():
            house.admin.execute("lock table demo.job_attempts")
            look = pool.submit(house.record)
            waits = "select from pg_locks where not granted and relation = 'demo.job_attempts'::regclass"
            wait_until(lambda: house.admin.execute(waits).rowcount == 1)
            house.admin.execute(
                "update demo.job_ledger set status = 'completed', completed_at = now()"
                " where status = 'running'"
            )
        look.result()
    assert house.look() == []


def test_a_mail_has_subject_and_text(house: House, mail_box: MailBox) -> None:
    """As the web hook has title and message; what a failure says is text and no markup."""
    house.settings = house.settings.model_copy(update={"alert_urls": mail_box.url})
    house.runs.append(FailedRun(run_id="1", job="x", tenant=None, message="<img src=x> & more"))
    house.record()
    assert deliver_notices(house.database, house.settings).sent == 1
    [mail] = mail_box.mails
    assert mail["Subject"] == "demo-pipeline alert: a Dagster run failed"
    assert mail["To"] == "ops@demo.example"
    parts = [part for part in mail.walk() if not part.is_multipart()]
    texts = {part.get_content_type(): str(part.get_content()) for part in parts}
    assert "<img" not in texts.get("text/html", "")
    assert any("the run of x failed" in text for text in texts.values())


def test_slack_gets_its_own_format(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Apprise's plug-in for Slack, with Slack's host replaced by the web hook."""
    monkeypatch.setattr(NotifySlack, "webhook_url", f"http://127.0.0.1:{house.hook.port}/services")
    slack = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#ops"
    house.settings = house.settings.model_copy(update={"alert_urls": slack})
    house.runs.append(RUN)
    [message] = house.look()
    assert "no space left" in str(message)
    assert house.hook.paths == ["/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"]
    assert house.look() == []


def test_incidents_of_one_kind_come_in_one_message(house: House) -> None:
    """Thirty at once: the first ones described, the others counted; each counts as delivered."""
    house.runs += [
        FailedRun(run_id=str(number), job=f"job_{number:02}", tenant=None, message="no space")
        for number in range(30)
    ]
    [alert] = house.look()
    assert alert["title"] == "demo-pipeline alert: 30 Dagster runs failed"
    assert "and 10 more" in alert["message"]
    assert house.look() == []


def test_without_a_receiver_incidents_are_recorded(house: House) -> None:
    """A receiver that is added later is alerted of what is wrong then."""
    with_receiver = house.settings
    house.settings = with_receiver.model_copy(update={"alert_urls": None})
    house.runs.append(RUN)
    assert house.look() == []
    house.settings = with_receiver
    [alert] = house.look()
    assert "no space left" in alert["message"]


# -- one incident, one kind ------------------------------------------------------------------------------


def test_a_run_whose_job_failed_is_one_incident(house: House) -> None:
    """The job's: its run, its verdicts and its inbox file say nothing more."""
    job = ended_attempts(
        house.loader, house.admin, house.tenant_id, 1, error_code="verification_failed", ago=timedelta(0)
    )
    for table, key in (("job_ledger", "id"), ("job_attempts", "job_id")):
        statement = f"update demo.{table} set dagster_run_id = '77' where {key} = %s"
        house.admin.execute(statement.encode(), [job])
    house.runs.append(FailedRun(run_id="77", job="apply_patch", tenant="acme", message="not exact"))
    house.checks.append(FailingChecks(tenant="acme", checks={"kpis_match_plan": ["2025-01"]}, run_id="77"))
    house.refuse("spring.csv", "not exact", job_id=job, run_id="77")
    [alert] = house.look()
    assert alert["title"] == "demo-pipeline alert: a job failed"


def test_a_run_that_refused_a_plan_or_found_failing_checks_is_one_incident(house: House) -> None:
    """The file's, or the checks'."""
    house.refuse("spring.csv", "no metric", run_id="78")
    house.runs += [
        FailedRun(run_id="78", job="apply_patch", tenant="acme", message="no metric"),
        FailedRun(run_id="5a6b7c8d", job="verify", tenant="acme", message="checks", has_failed_checks=True),
    ]
    house.checks.append(CHECKS)
    assert {one["title"] for one in house.look()} == {
        "demo-pipeline alert: an inbox file was refused",
        "demo-pipeline alert: checks of a tenant fail",
    }


def test_a_refused_plan_is_over_once_it_is_applied(house: House) -> None:
    """A file of the same name in done/ settles it; its refused copy may stay."""
    house.refuse("spring.csv", "no metric")
    assert len(house.look()) == 1
    applied = house.settings.inbox_folder / "acme" / "done"
    applied.mkdir(mode=0o750)
    report = {"file": "spring.csv", "at": (datetime.now(UTC) + timedelta(seconds=5)).isoformat()}
    (applied / "spring.csv.report.json").write_text(json.dumps(report), encoding="utf-8")
    [recovery] = house.look()
    assert recovery["type"] == "success"


# -- secrets ---------------------------------------------------------------------------------------------


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> StringIO:
    """What goes to the log of this process, to the last detail."""
    text = StringIO()
    caplog.set_level(logging.DEBUG)
    # The client of Kubernetes, once it is imported, keeps this logger from saying anything.
    caplog.set_level(logging.DEBUG, "urllib3")
    root = logging.getLogger()
    # By a handler of its own: pytest's is also given what a logger keeps to itself.
    monkeypatch.setattr(root, "handlers", [logging.StreamHandler(text)])
    return text


def test_an_address_is_shown_nowhere(house: House, log: StringIO, capfd: pytest.CaptureFixture[str]) -> None:
    """Neither in names, nor in errors, nor in any log, nor in the database."""
    secret = "hunter2-tango"
    urls = f"json://me:{secret}@127.0.0.1:9/{secret} nonsense://{secret} slack://{secret}"
    settings = house.settings.model_copy(update={"alert_urls": urls})
    receivers = receivers_of(settings)
    assert [one.name for one in receivers] == ["json (1 of 3)", "nonsense (2 of 3)", "slack (3 of 3)"]
    with pytest.raises(InputError, match="nonsense") as refusal:
        check_receivers(receivers)
    house.runs.append(RUN)
    record_alerts(house.database, settings, runs=house.runs, failing=[])
    delivery = deliver_notices(house.database, settings)
    assert len(delivery.failures) == 3
    stored = house.admin.execute("select * from demo.incidents, demo.incident_notices").fetchall()
    tested = send_test(settings)
    logging.getLogger("urllib3").debug("the log works")
    assert "the log works" in log.getvalue()
    printed = capfd.readouterr()
    for shown in (refusal.value, delivery, tested, receivers, settings, stored, log.getvalue(), printed):
        assert secret not in f"{shown!r} {shown}"
