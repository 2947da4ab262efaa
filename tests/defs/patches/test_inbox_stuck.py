"""Files of the inbox that were dealt with and cannot be moved: told once, applied once, in nobody's way."""

from __future__ import annotations

import json
import time
from pathlib import Path

import dagster as dg
import pytest

from demo_pipeline.defs.patches import inbox as inbox_sensor
from demo_pipeline.defs.patches.inbox import plan_inbox
from demo_pipeline.defs.shared.resources import DemoTenants
from demo_pipeline.defs.shared.run_tags import INBOX_TAG, STUCK_TAG
from demo_pipeline.services.inbox.folder import waiting_files
from demo_pipeline.services.patches.undo import undo_job
from demo_pipeline.services.tenants.queries import list_jobs
from tests.defs.patches.inbox_builders import (
    IMPOSSIBLE,
    companies,
    files,
    folder_of,
    launch,
    put,
    tick,
    waiting,
)
from tests.fixtures.dagster_instance import DagsterHome

#: runs that one tick may ask for here, and one file more than that
MOST = 5
COUNT = MOST + 1


def plan(seed: int) -> str:
    """A plan of one company, other for every seed."""
    months = [{"month": "2025-02", "metrics": {"companies_created": 1}}]
    return json.dumps({"seed": str(seed), "months": months})


@pytest.mark.usefixtures("made_acme")
def test_files_that_cannot_be_moved_are_applied_once(
    dagster_home: DagsterHome, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """More than a tick takes: each has one run, nobody is kept waiting, and what is stuck is said once."""
    monkeypatch.setattr(inbox_sensor, "_MOST_FILES", MOST)
    inbox = folder_of(dagster_home, "acme")
    # Neither folder can be used.
    for name in ("done", "refused"):
        (inbox / name).write_text("", encoding="utf-8")
    for number in range(COUNT):
        put(inbox, f"plan-{number}.json", plan(number))
    put(inbox, "wrong.csv", IMPOSSIBLE)
    before = companies(dagster_home)
    for expected in (MOST, 2):
        requests = tick(dagster_home)
        assert len(requests) == expected
        assert not any(launch(dagster_home, request).success for request in requests)
    assert companies(dagster_home) == before + COUNT
    assert {name for name in files(inbox) if ".report." in name} == set()

    # Taken back by a person, a plan is not applied again because its file lies there yet.
    patch = next(
        job
        for job in list_jobs(dagster_home.database, dagster_home.settings, "acme")
        if job.kind == "patch" and job.requested_by == "inbox file plan-0.json"
    )
    undo_job(dagster_home.database, dagster_home.settings, patch.id)
    later = time.time() + 30 * 86_400
    cursor: str | None = None
    said: list[str] = []
    for _ in range(3):
        with monkeypatch.context() as clock:
            clock.setattr(time, "time", lambda: later)
            with dg.build_sensor_context(
                instance=dagster_home.instance, cursor=cursor, resources={"demo": DemoTenants()}
            ) as context:
                result = plan_inbox(context)
        assert isinstance(result, dg.SensorResult)
        assert not result.run_requests
        assert result.skip_reason is not None
        said.append(str(result.skip_reason.skip_message))
        cursor = result.cursor
    assert said[0] == said[1] == said[2]
    assert said[0].startswith("dealt with, could not be moved")
    assert "acme/plan-0.json" in said[0]
    assert f"and {COUNT + 1 - 5} more" in said[0]
    assert "move what is named away" in said[0]
    assert capfd.readouterr().err.count(said[0]) == 1

    # A new plan beside them has its turn at once; put away by hand they are forgotten.
    put(inbox, "late.json", plan(COUNT))
    [request] = tick(dagster_home)
    assert not launch(dagster_home, request).success
    assert companies(dagster_home) == before + COUNT
    for path in inbox.iterdir():
        if path.is_file():
            path.unlink()
    put(inbox, "free.json", plan(COUNT + 1))
    [request] = tick(dagster_home)
    assert launch(dagster_home, request).success
    assert (inbox / "done" / "free.json").exists()
    assert waiting(dagster_home) == []


@pytest.mark.parametrize("text", [plan(0), IMPOSSIBLE])
@pytest.mark.usefixtures("made_acme")
def test_a_file_that_is_moved_away_and_back_is_dealt_with_again(
    dagster_home: DagsterHome, tmp_path: Path, text: str
) -> None:
    """Stuck is the file as it lay there: put there anew, it is another request, which finds it applied."""
    inbox = folder_of(dagster_home, "acme")
    name, end = ("plan.json", "done") if text != IMPOSSIBLE else ("plan.csv", "refused")
    (inbox / end).write_text("", encoding="utf-8")
    path = put(inbox, name, text)
    [request] = tick(dagster_home)
    result = launch(dagster_home, request)
    assert not result.success
    assert dagster_home.run_tags(result.run_id)[STUCK_TAG] == end
    [file] = waiting_files(dagster_home.settings).files
    assert dagster_home.run_tags(result.run_id)[INBOX_TAG] == file.fingerprint
    after = companies(dagster_home)
    assert tick(dagster_home) == []
    path.rename(tmp_path / name)
    (inbox / end).unlink()
    (tmp_path / name).rename(path)
    [request] = tick(dagster_home)
    assert launch(dagster_home, request).success == (end == "done")
    assert (inbox / end / name).exists()
    assert companies(dagster_home) == after
