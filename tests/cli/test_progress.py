"""Progress of running jobs: shown from a thread of its own, silent for two seconds, never in the way."""

from __future__ import annotations

import time

import pytest

from demo_pipeline.cli.kit import job_progress
from demo_pipeline.cli.kit.job_progress import Bars, Lines, watched
from demo_pipeline.cli.kit.session import Session
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.ledger import job_ledger
from tests.fixtures.ledger_steps import begun, provisioned


def test_lines_say_what_is_new(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a terminal: a line every few seconds, the end at once, nothing twice."""
    clock = iter([0.0, 1.0, 1.0, 2.0, 9.0, 9.0, 9.5])
    monkeypatch.setattr(job_progress, "monotonic", lambda: next(clock, 10.0))
    lines = Lines()
    for percent, step in (
        (3, "loading users"),
        (4, "loading users"),
        (9, "loading deals"),
        (9, "loading deals"),
    ):
        lines.show("acme", percent, step)
    lines.show("acme", 100, "completed")
    lines.close()
    said = capsys.readouterr()
    assert not said.out
    assert said.err.splitlines() == [
        "acme: 3 % loading users",
        "acme: 9 % loading deals",
        "acme: 100 % completed",
    ]


def test_bars_draw_on_stderr(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal: a bar a tenant, and stdout stays free."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")
    bars = Bars()
    bars.show("acme", 40, "loading deals")
    bars.show("acme", 60, "loading deals")
    bars.close()
    said = capsys.readouterr()
    assert not said.out
    assert "acme" in said.err
    assert "60%" in said.err


def test_a_running_job_is_shown(
    database: Database,
    database_settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What a job reports on its own connection appears while it runs; a short job shows nothing."""
    session = Session(database_settings, database)
    with database.loader() as conn:
        job_id = begun(conn, provisioned(conn))
        job_ledger.report_progress(conn, job_id, 42, "loading deals")
    with watched(session, ["acme"]):
        pass
    assert not capsys.readouterr().err
    monkeypatch.setattr(job_progress, "QUIET_SECONDS", 0.0)
    with watched(session, ["acme"]):
        deadline = time.monotonic() + 20
        said = ""
        while "42 %" not in said and time.monotonic() < deadline:
            time.sleep(0.05)
            said += capsys.readouterr().err
    assert said == "acme: 42 % loading deals\n"


def test_a_display_that_breaks_is_silent(
    database_settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a database there is no progress, and the work goes on."""
    monkeypatch.setattr(job_progress, "QUIET_SECONDS", 0.0)
    nowhere = Database(admin_url="postgresql://ann@127.0.0.1:9/crm")
    with watched(Session(database_settings, nowhere), ["acme"]):
        time.sleep(0.1)
    assert not capsys.readouterr().err
