"""Which clock counts: the database server's, whatever the machine says that runs the command."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest

from demo_pipeline import settings as settings_module
from demo_pipeline.domain.core.errors import InputError, UnreadableTenantError
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.patch_plan.shapes import Shape
from demo_pipeline.services.months.materialise import materialise
from demo_pipeline.services.months.top_up import top_ups
from demo_pipeline.services.patches.drafts import draft_plan
from demo_pipeline.services.patches.patch import apply_patch
from demo_pipeline.services.patches.preview import preview
from demo_pipeline.services.patches.split import split_plan
from demo_pipeline.services.platform.ready_database import ready_database
from demo_pipeline.services.repairs.repair import repair
from demo_pipeline.services.tenants.queries import list_jobs
from demo_pipeline.services.tenants.verify import Check, inspect, verify
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.clock import current_instant
from demo_pipeline.storage.connection.database import Database
from tests.fixtures.cli import RunChanged, RunCommand
from tests.services.builders import BLUEPRINT, make_tenant
from tests.services.patches.builders import plan, scalar

_ROWS_TO_COME = """
SELECT (SELECT count(*) FROM crm.companies WHERE greatest(created_at, updated_at) > now())
     + (SELECT count(*) FROM crm.contacts WHERE greatest(created_at, updated_at) > now())
     + (SELECT count(*) FROM crm.deals WHERE greatest(created_at, updated_at) > now())
     + (SELECT count(*) FROM crm.activities WHERE greatest(created_at, updated_at) > now())
"""
_ROWS = "SELECT count(*) FROM crm.activities"


def raised(error: UnreadableTenantError) -> None:
    """Every tenant here can be read."""
    raise error


def set_client_clock(monkeypatch: pytest.MonkeyPatch, days: int) -> None:
    """This machine's clock is ahead, or behind where ``days`` is negative."""

    class Wrong(dt.datetime):
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> Any:
            return dt.datetime.now(tz) + dt.timedelta(days=days)

    monkeypatch.setattr(settings_module, "datetime", Wrong)


def running_blueprint(now: dt.datetime) -> dict[str, Any]:
    """A span from three months ago to the running month."""
    month = Month.containing(now)
    return BLUEPRINT | {"start_month": str(month + -3), "end_month": str(month)}


@pytest.mark.parametrize("days", [200, -200])
def test_a_wrong_client_clock_changes_nothing(
    database: Database, database_settings: Settings, monkeypatch: pytest.MonkeyPatch, days: int
) -> None:
    """Rows end at the server's clock, jobs carry its instant, and every use case takes it."""
    now = current_instant(database, database_settings)
    set_client_clock(monkeypatch, days)
    slug = make_tenant(database, database_settings, running_blueprint(now))
    materialise(database, database_settings, slug)
    running = Month.containing(now)
    with pytest.raises(InputError, match="future"):
        materialise(database, database_settings, slug, last=running + 1)
    wanted = plan({str(running + -1): {"contacts_created": 3}})
    assert preview(database, database_settings, slug, wanted).feasible
    apply_patch(database, database_settings, slug, wanted)
    repair(database, database_settings, slug)
    assert split_plan(database, database_settings, slug, wanted)
    assert not inspect(database, database_settings, slug, {Check.LIFE_CYCLES}).verdict.findings
    assert all(one.last == running for one in top_ups(database, database_settings, on_unreadable=raised))
    written = draft_plan(database, database_settings, slug, next(iter(Shape)))
    assert max(month.month for month in written.plan.months) <= running
    assert verify(database, database_settings)[0].is_as_expected
    after = current_instant(database, database_settings)
    assert scalar(database, _ROWS) > 0
    assert scalar(database, _ROWS_TO_COME) == 0
    for job in list_jobs(database, database_settings, slug):
        assert job.as_of is not None
        assert now <= job.as_of <= after


def test_now_may_be_a_minute_late_and_no_more(database: Database, database_settings: Settings) -> None:
    """A ``DEMO_NOW`` a little ahead is the server's clock; one further ahead is refused with both named."""

    def at(seconds: int) -> Settings:
        ahead = current_instant(database, database_settings) + dt.timedelta(seconds=seconds)
        return database_settings.model_copy(update={"now": ahead})

    near = at(50)
    assert near.now is not None
    assert current_instant(database, near) < near.now
    far = at(75)
    assert far.now is not None
    with pytest.raises(InputError, match=r"the database server's clock, which says 20\d\d-") as caught:
        ready_database(far)
    assert far.now.isoformat() in str(caught.value)
    assert caught.value.exit_code == 2
    past = current_instant(database, at(-86_400))
    assert past < current_instant(database, database_settings) - dt.timedelta(hours=23)


@pytest.mark.parametrize(
    "arguments",
    [
        ("tenant", "list"),
        ("kpis", "kranz"),
        ("verify",),
        ("generate", "kranz"),
        ("tenant", "delete", "kranz", "--yes"),
    ],
)
def test_every_command_refuses_a_now_to_come(quick_command: RunCommand, arguments: tuple[str, ...]) -> None:
    """Also those that only read, and before anything else is looked at."""
    done = quick_command(*arguments, "--json", environment={"DEMO_NOW": "2990-01-01T00:00:00Z"})
    assert done.code == 2
    assert "DEMO_NOW is 2990-01-01" in done.error["message"]
    assert "the database server's clock" in done.error["message"]


def test_a_right_now_is_no_business_of_the_client_clock(
    changed_command: RunChanged, database: Database, database_settings: Settings
) -> None:
    """On a machine whose clock is behind, a ``DEMO_NOW`` of an hour ago is not refused."""
    now = current_instant(database, database_settings) - dt.timedelta(hours=1)
    behind = (
        "import datetime as dt\n"
        "from demo_pipeline import settings\n"
        "class Behind(dt.datetime):\n"
        "    @classmethod\n"
        "    def now(cls, tz=None):\n"
        "        return dt.datetime.now(tz) - dt.timedelta(days=200)\n"
        "settings.datetime = Behind\n"
    )
    done = changed_command(behind, "tenant", "list", "--json", environment={"DEMO_NOW": now.isoformat()})
    assert (done.code, done.document) == (0, {"tenants": []})


def test_a_tenant_of_the_future_is_refused_with_the_cause(
    database: Database, database_settings: Settings, tenant: str
) -> None:
    """Nobody set DEMO_NOW, so the message names the two clocks and what to do."""
    with database.admin() as conn:
        conn.execute("SET ROLE demo_owner")
        conn.execute("UPDATE demo.tenant_metadata SET provisioned_at = now() + interval '200 days'")
    wanted = plan({"2025-01": {"contacts_created": 1}})
    found = preview(database, database_settings, tenant, wanted)
    assert [problem.code for problem in found.problems] == ["before_provisioning"]
    for refuse in (
        lambda: materialise(database, database_settings, tenant),
        lambda: apply_patch(database, database_settings, tenant, wanted),
    ):
        with pytest.raises(InputError, match=r"\(the database server's clock\), before acme") as caught:
            refuse()
        assert "DEMO_NOW" not in json.dumps(caught.value.details) + str(caught.value)
        assert "correct the server's clock" in str(caught.value)


def test_a_job_of_the_future_is_no_excuse_for_its_rows(
    database: Database, database_settings: Settings, tenant: str
) -> None:
    """``verify`` reports rows beyond the server's clock, and the job that worked as of then."""
    with database.admin() as conn:
        conn.execute("SET ROLE demo_owner")
        conn.execute("UPDATE demo.job_ledger SET as_of = now() + interval '200 days'")
        conn.execute("ALTER TABLE crm.contacts DISABLE TRIGGER USER")
        conn.execute(
            "UPDATE crm.contacts SET updated_at = now() + interval '100 days'"
            " WHERE id = (SELECT id FROM crm.contacts ORDER BY id LIMIT 1)"
        )
    (verdict,) = verify(database, database_settings)
    told = [finding.message for finding in verdict.findings]
    assert any("1 contacts: not true that contacts are not of the future" in one for one in told), told
    assert any("worked as of" in one and "server's clock says" in one for one in told), told
