"""``report``: the page on disk, its figures as a document, and every way in which it cannot be written."""

from __future__ import annotations

import signal
from pathlib import Path

import psycopg
import pytest

from tests.fixtures.cli import RunChanged, RunCommand, StartCommand, finish
from tests.fixtures.embedded_server import wait_until

#: Files cannot become as large as the page: the write fails in the middle, as on a full disk.
SMALL_FILES = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
"""
WAITING = """
SELECT count(*) FROM pg_locks
WHERE NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


def test_a_page_has_the_figures_of_kpis(quick_command: RunCommand, kranz: str, tmp_path: Path) -> None:
    """The document, and the page, show exactly what ``kpis`` and ``verify`` say."""
    file = tmp_path / "kranz.html"
    done = quick_command("report", kranz, "-o", file, "--json")
    assert done.code == 0, done.err
    document = done.document
    kpis = quick_command("kpis", kranz, "--json").document
    [verdict] = quick_command("verify", kranz, "--json").document["tenants"]
    assert document["tenant"] == kranz
    assert document["months"] == kpis["months"]
    assert (document["as_expected"], document["findings"], document["pending"]) == (
        verdict["is_as_expected"],
        [],
        verdict["pending"],
    )
    assert document["file"] == str(file)
    page = file.read_bytes()
    assert document["bytes"] == len(page)
    for month in kpis["months"]:
        assert month["month"] in page.decode()
        assert f"{float(month['pipeline_added_value']):,.2f}" in page.decode()
    assert document["funnel"]["contacts"] == sum(month["contacts_created"] for month in kpis["months"])
    won = sum(month["won_count"] for month in document["closings"])
    assert won == sum(month["closed_won_count"] for month in kpis["months"])
    assert {"stage", "count", "value", "weighted_value"} == set(document["open"][0])


def test_a_page_goes_to_a_file_or_to_standard_output(
    quick_command: RunCommand, kranz: str, tmp_path: Path
) -> None:
    """A file that is there is replaced, and a line says what was written; ``-`` prints the same page."""
    file = tmp_path / "a report.html"
    file.write_text("old", encoding="utf-8")
    environment = {"DEMO_NOW": "2026-03-04T05:06:07Z"}
    done = quick_command("report", kranz, "-o", file, environment=environment)
    assert (done.code, done.out) == (0, "")
    assert f"wrote a page about kranz to '{file}'" in done.err
    printed = quick_command("report", kranz, "-o", "-", environment=environment)
    assert printed.code == 0
    assert printed.out == file.read_text(encoding="utf-8")
    assert "as of 2026-03-04 05:06 UTC" in printed.out
    assert [one.name for one in tmp_path.glob("*.html")] == [file.name]


def test_an_overview_links_the_pages_beside_it(quick_command: RunCommand, kranz: str, tmp_path: Path) -> None:
    """Without a tenant there is nothing to show; a tenant's page is linked if its file is there."""
    file = tmp_path / "all.html"
    done = quick_command("report", "--all", "-o", file, "--json")
    assert done.code == 0, done.err
    assert [one["tenant"] for one in done.document["tenants"]] == [kranz]
    assert done.document["tenants"][0]["months"] == quick_command("kpis", kranz, "--json").document["months"]
    assert "demo-pipeline report kranz -o kranz.html" in file.read_text(encoding="utf-8")
    assert quick_command("report", kranz, "-o", tmp_path / "kranz.html").code == 0
    assert quick_command("report", "--all", "-o", file).code == 0
    assert '<a href="kranz.html">' in file.read_text(encoding="utf-8")


def test_an_overview_of_nothing(quick_command: RunCommand, tmp_path: Path) -> None:
    """The page says how a tenant is made."""
    file = tmp_path / "all.html"
    done = quick_command("report", "--all", "-o", file)
    assert done.code == 0
    assert "wrote a page about 0 tenants" in done.err
    assert "demo-pipeline tenant provision FILE" in file.read_text(encoding="utf-8")


def test_findings_are_on_the_page_and_no_failure(
    quick_command: RunCommand, kranz: str, tmp_path: Path, admin_conn: psycopg.Connection
) -> None:
    """People deleted rows: the page shows the targets that are missed, and a note names ``verify``."""
    admin_conn.execute("update crm.companies set deleted_at = now()")
    file = tmp_path / "kranz.html"
    done = quick_command("report", kranz, "-o", file)
    assert done.code == 0
    assert "kranz: the page shows 6 findings" in done.err
    assert "verify kranz" in done.err
    page = file.read_text(encoding="utf-8")
    assert "checked: 6 findings" in page
    assert '<span class="target">target ' in page


def test_what_cannot_be_written_is_refused(
    quick_command: RunCommand, kranz: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit 2 with the reason, before anything is read, and nothing is left behind."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken.html").mkdir()
    before = sorted(tmp_path.iterdir())
    for arguments, reason in (
        ([], "--output"),
        ([kranz], "--output"),
        (["-o", "a.html"], "give a tenant, or --all"),
        ([kranz, "--all", "-o", "a.html"], "give a tenant, or --all"),
        ([kranz, "-o", "-", "--json"], "--json and -o -"),
        ([kranz, "-o", "a.pdf"], "does not end with .html"),
        ([kranz, "-o", "missing/a.html"], "cannot be written: No such file or directory"),
        ([kranz, "-o", "taken.html"], "cannot be written: Is a directory"),
        (["nobody", "-o", "a.html"], "nobody"),
    ):
        done = quick_command("report", *arguments)
        assert done.code == 2, arguments
        said = done.error["message"] if "--json" in arguments else done.err
        assert reason in " ".join(said.replace("│", " ").split())
    assert sorted(tmp_path.iterdir()) == before


def test_a_write_that_fails_half_way_leaves_the_old_file(
    changed_command: RunChanged, kranz: str, tmp_path: Path
) -> None:
    """No half page, no file beside it, and the page that was there is whole."""
    file = tmp_path / "pages" / "kranz.html"
    file.parent.mkdir()
    file.write_text("old", encoding="utf-8")
    done = changed_command(SMALL_FILES, "report", kranz, "-o", file)
    assert done.code == 2, done.err
    assert "cannot be written: File too large" in done.err
    assert [one.read_text(encoding="utf-8") for one in file.parent.iterdir()] == ["old"]


def test_an_interrupt_leaves_no_file(
    start_command: StartCommand, kranz: str, tmp_path: Path, admin_conn: psycopg.Connection
) -> None:
    """Ctrl-C while the figures are read: exit 130, and nothing is in the folder."""
    file = tmp_path / "pages" / "kranz.html"
    file.parent.mkdir()
    with admin_conn.transaction():
        admin_conn.execute("lock table crm.deals in access exclusive mode")
        process = start_command("report", kranz, "-o", file)
        wait_until(lambda: admin_conn.execute(WAITING).fetchone() != (0,) or process.poll() is not None, 60)
        assert process.poll() is None, process.communicate()
        process.send_signal(signal.SIGINT)
        done = finish(process)
    assert done.code == 130, done.err
    assert list(file.parent.iterdir()) == []
