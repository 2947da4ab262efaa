"""The plan inbox: which files wait, what a run makes of one, and where it goes."""

from __future__ import annotations

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import openpyxl
import pytest

from demo_pipeline.defs.patches.inbox import next_run, plan_inbox, runs_of
from demo_pipeline.defs.shared.resources import DemoTenants
from demo_pipeline.domain.core.errors import BusyError, InputError, NotFoundError
from demo_pipeline.services.inbox.apply import apply_inbox_file
from demo_pipeline.services.inbox.folder import read_inbox_file, settle, waiting_files
from demo_pipeline.services.jobs.steps import JobCaller
from demo_pipeline.storage.ledger.tenants import hold_tenant
from tests.defs.patches.inbox_builders import (
    IMPOSSIBLE,
    PLAN,
    companies,
    files,
    folder_of,
    launch,
    put,
    report_of,
    tick,
    waiting,
)
from tests.fixtures.dagster_instance import DagsterHome
from tests.fixtures.ledger_steps import real_tenant


@pytest.fixture
def inbox(dagster_home: DagsterHome, made_acme: str) -> Path:
    """The inbox of tenant acme, which has its months."""
    return folder_of(dagster_home, "acme")


# -- what a run makes of a file --------------------------------------------------------------------------


def test_a_plan_is_applied_and_moved_with_its_report(dagster_home: DagsterHome, inbox: Path) -> None:
    """A file makes one run, which applies it, shows it, and puts file and reports into done/."""
    put(inbox, "spring.csv")
    [request] = tick(dagster_home)
    result = launch(dagster_home, request)
    assert result.success
    assert companies(dagster_home) == 5
    assert files(inbox) == {"done/spring.csv", "done/spring.csv.report.json", "done/spring.csv.report.md"}
    told = report_of(inbox / "done", "spring.csv")
    [(job_id, run_id, requester)] = dagster_home.query(
        "select id::text, dagster_run_id, requested_by from demo.jobs where kind = 'patch'"
    )
    assert (told["job_id"], told["dagster_run_id"], told["outcome"]) == (job_id, run_id, "applied")
    assert requester == told["requested_by"] == "inbox file spring.csv"
    [month] = told["months"]
    assert month["metrics"]["companies_created"] == {
        "before": 4,
        "target": 5,
        "after": 5,
        "delta": 1,
        "passed": True,
    }
    assert told["plan"]["months"] == [
        {"month": "2025-02", "metrics": {"contacts_created": 3, "companies_created": 1}}
    ]
    text = (inbox / "done" / "spring.csv.report.md").read_text(encoding="utf-8")
    assert "| companies_created | 4 | 5 | 5 | +1 |" in text
    assert dagster_home.run_tags(result.run_id)["demo/job_id"] == job_id
    change = dagster_home.materialisation("kpi_snapshot", "2025-02|acme").metadata["change"].value
    assert "| Companies created | 4 | **+1** | 5 | 5 |" in str(change)
    assert tick(dagster_home) == []


def test_a_workbook_is_a_plan_like_any_other(dagster_home: DagsterHome, inbox: Path) -> None:
    """``.xlsx`` in the inbox; what Excel puts beside an open workbook is not taken for one."""
    book = openpyxl.Workbook()
    sheet: Any = book.active
    sheet.append(["month", "contacts_created", "companies_created"])
    sheet.append([date(2025, 2, 1), 3, 1])
    book.save(inbox / "spring.xlsx")
    put(inbox, "~$spring.xlsx")
    [request] = tick(dagster_home)
    assert launch(dagster_home, request).success
    assert companies(dagster_home) == 5
    assert files(inbox) >= {"~$spring.xlsx", "done/spring.xlsx"}


def test_a_plan_that_cannot_be_goes_to_refused(dagster_home: DagsterHome, inbox: Path) -> None:
    """The run fails with the reason, nothing is written, and the report has errors and suggestion."""
    put(inbox, "plan.csv", IMPOSSIBLE)
    [request] = tick(dagster_home)
    assert not launch(dagster_home, request).success
    assert files(inbox) == {"refused/plan.csv", "refused/plan.csv.report.json", "refused/plan.csv.report.md"}
    told = report_of(inbox / "refused", "plan.csv")
    assert (told["outcome"], told["error"]["code"]) == ("refused", "invalid_input")
    assert told["error"]["details"]["suggestion"]
    text = (inbox / "refused" / "plan.csv.report.md").read_text(encoding="utf-8")
    assert "leads_created" in text
    assert "The nearest plan that works, as JSON:" in text
    assert dagster_home.query("select count(*) from demo.jobs where kind = 'patch'") == [(0,)]


def test_a_file_that_is_no_plan_goes_to_refused(dagster_home: DagsterHome, inbox: Path) -> None:
    """Bytes that are no text, and more than a plan can have, are refused without quoting them."""
    (inbox / "junk.json").write_bytes(b"\x00\xff\xfe" * 1000)
    (inbox / "huge.yaml").write_bytes(b"secret: x\n" * 200_000)
    for request in tick(dagster_home):
        assert not launch(dagster_home, request).success
    for name in ("junk.json", "huge.yaml"):
        told = json.dumps(report_of(inbox / "refused", name))
        assert "secret" not in told
        assert len(told) < 3000


def test_plans_of_no_demo_tenant_are_refused(dagster_home: DagsterHome, inbox: Path) -> None:
    """A folder of a customer: refused there, and the attempt is in the audit log."""
    with dagster_home.database.admin() as conn:
        real_tenant(conn)
    before = dagster_home.row_count("customer")
    put(folder_of(dagster_home, "customer"), "plan.csv")
    [request] = tick(dagster_home)
    assert not launch(dagster_home, request).success
    report = report_of(inbox.parent / "customer" / "refused", "plan.csv")
    assert report["error"]["code"] == "not_a_demo_tenant"
    assert dagster_home.row_count("customer") == before
    assert dagster_home.query(
        "select count(*) > 0 from demo.audit_log where event = 'NON_DEMO_TENANT_BLOCKED'"
    ) == [(True,)]


def test_the_same_content_again_is_dealt_with_again(dagster_home: DagsterHome, inbox: Path) -> None:
    """Put there a second time it makes a second run, which finds it applied; no file is overwritten."""
    put(inbox, "plan.csv")
    [first] = tick(dagster_home)
    assert launch(dagster_home, first).success
    put(inbox, "plan.csv")
    [second] = tick(dagster_home)
    assert second.run_key != first.run_key
    assert launch(dagster_home, second).success
    assert companies(dagster_home) == 5
    plans = {name for name in files(inbox / "done") if name.endswith(".csv")}
    assert plans == {"plan.csv", "plan-2.csv"}
    assert report_of(inbox / "done", "plan.csv")["outcome"] == "applied"
    assert report_of(inbox / "done", "plan-2.csv")["outcome"] == "already applied"


def test_a_file_that_is_moved_back_is_dealt_with_again(dagster_home: DagsterHome, inbox: Path) -> None:
    """The very same file, its times kept, is another request all the same."""
    put(inbox, "plan.csv")
    [first] = tick(dagster_home)
    assert launch(dagster_home, first).success
    (inbox / "done" / "plan.csv").rename(inbox / "plan.csv")
    [second] = tick(dagster_home)
    assert second.run_key != first.run_key


def test_a_busy_tenant_keeps_its_file(dagster_home: DagsterHome, inbox: Path) -> None:
    """A reason that passes moves nothing and reports nothing: the file is there for the next try."""
    put(inbox, "plan.csv")
    [(tenant_id,)] = dagster_home.query("select id from crm.tenants where slug = 'acme'")
    settings = dagster_home.settings.model_copy(update={"wait_seconds": 0.2})
    with (
        dagster_home.database.loader() as conn,
        hold_tenant(conn, tenant_id, 5),
        pytest.raises(BusyError),
    ):
        apply_inbox_file(dagster_home.database, settings, "acme", "plan.csv")
    assert files(inbox) == {"plan.csv"}
    assert apply_inbox_file(dagster_home.database, settings, "acme", "plan.csv").place == "done/plan.csv"


def test_a_file_that_stayed_is_tried_again_after_a_while(
    dagster_home: DagsterHome, inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a run that failed for a passing reason comes another, with a key of its own, but not at once."""
    put(inbox, "plan.csv")
    [first] = tick(dagster_home)
    with monkeypatch.context() as environment:
        environment.setenv("DEMO_LOADER_URL", "postgresql://nobody@127.0.0.1:1/nowhere")
        environment.setenv("DEMO_RETRY_SECONDS", "0")
        assert not launch(dagster_home, first).success
    assert files(inbox) == {"plan.csv"}
    assert tick(dagster_home) == []
    [file] = waiting_files(dagster_home.settings).files
    second = next_run(dagster_home.instance, file, runs_of(dagster_home.instance, file), time.time() + 120)
    assert second is not None
    assert second.run_key != first.run_key
    assert launch(dagster_home, second).success
    assert companies(dagster_home) == 5


# -- at once ---------------------------------------------------------------------------------------------


def test_two_runs_of_one_file_apply_it_once(dagster_home: DagsterHome, inbox: Path) -> None:
    """Two ticks that saw the same file: the run that comes second finds it gone, and ends well."""
    put(inbox, "plan.csv")
    [first], [second] = tick(dagster_home), tick(dagster_home)
    assert first.run_key == second.run_key
    assert launch(dagster_home, first).success
    assert launch(dagster_home, second).success
    assert companies(dagster_home) == 5
    assert files(inbox) == {"done/plan.csv", "done/plan.csv.report.json", "done/plan.csv.report.md"}


def test_a_file_that_is_read_by_several_at_once_is_applied_once(
    dagster_home: DagsterHome, inbox: Path
) -> None:
    """Four at the same moment: one job, one file in done/, and every report stands by a file."""
    put(inbox, "plan.csv")

    def apply(number: int) -> bool | None:
        """Whether it was applied before; None: the file had gone."""
        caller = JobCaller(requested_by=f"run {number}")
        with suppress(NotFoundError):
            return apply_inbox_file(
                dagster_home.database, dagster_home.settings, "acme", "plan.csv", caller=caller
            ).report.already_applied
        return None

    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(apply, range(4)))
    assert outcomes.count(False) == 1
    assert companies(dagster_home) == 5
    assert dagster_home.query("select count(*) from demo.jobs where kind = 'patch'") == [(1,)]
    assert files(inbox) == {"done/plan.csv", "done/plan.csv.report.json", "done/plan.csv.report.md"}


def test_a_file_that_is_replaced_meanwhile_waits_for_its_own_turn(
    dagster_home: DagsterHome, inbox: Path
) -> None:
    """What a job has not read is not moved away as done."""
    put(inbox, "plan.csv")
    read = read_inbox_file(dagster_home.settings, "acme", "plan.csv")
    put(inbox, "plan.csv", PLAN.replace("3,1", "4,2"))
    settle(dagster_home.settings, read, "done", {".report.json": "{}"})
    assert waiting(dagster_home) == ["acme/plan.csv"]
    assert not (inbox / "done" / "plan.csv").exists()


# -- what is no file of ours -----------------------------------------------------------------------------


def test_only_complete_regular_files_wait(dagster_home: DagsterHome, tmp_path: Path) -> None:
    """Drafts, hidden files, links, folders, pipes and other names are left where they are."""
    inbox = folder_of(dagster_home, "acme")
    secret = tmp_path / "secret.csv"
    secret.write_text(PLAN, encoding="utf-8")
    for name in ("a.csv.part", "b.csv.tmp", "c.csv~", ".d.csv", "notes.txt", "e"):
        (inbox / name).write_text(PLAN, encoding="utf-8")
    (inbox / "link.csv").symlink_to(secret)
    (inbox / "broken.csv").symlink_to(tmp_path / "nowhere")
    (inbox / "folder.csv").mkdir()
    os.mkfifo(inbox / "pipe.csv")
    (inbox.parent / "linked").symlink_to(tmp_path, target_is_directory=True)
    (inbox.parent / "Not_A_Slug").mkdir()
    put(inbox.parent / "Not_A_Slug", "plan.csv")
    for name in ("one.csv", "two.JSON", "three.yaml", "four.yml"):
        put(inbox, name)
    found = waiting_files(dagster_home.settings)
    assert [file.name for file in found.files] == ["one.csv", "two.JSON", "three.yaml", "four.yml"]
    notes = "\n".join(found.notes)
    for name in ("link.csv", "broken.csv", "folder.csv", "pipe.csv", "linked"):
        assert name in notes
    assert list(found.odd_folders) == ["Not_A_Slug"]


@pytest.mark.parametrize(
    "name",
    [
        "../secret.csv",
        "/etc/passwd",
        "..",
        ".",
        "",
        "done/plan.csv",
        "x\\plan.csv",
        ".plan.csv",
        "plan.csv.part",
        "plan\n.csv",
        "plan\0.csv",
        "link.csv",
    ],
)
def test_no_name_leads_out_of_the_folder(dagster_home: DagsterHome, tmp_path: Path, name: str) -> None:
    """``inbox_file`` is one file of that folder, or refused; nothing is read and nothing moved."""
    inbox = folder_of(dagster_home, "acme")
    for place in (inbox.parent / "secret.csv", tmp_path / "secret.csv", inbox / "plan.csv.part"):
        place.write_text(PLAN, encoding="utf-8")
    (inbox / "link.csv").symlink_to(tmp_path / "secret.csv")
    (inbox / "done").mkdir()
    (inbox / "done" / "plan.csv").write_text(PLAN, encoding="utf-8")
    before = files(tmp_path)
    with pytest.raises(InputError):
        apply_inbox_file(dagster_home.database, dagster_home.settings, "acme", name)
    assert files(tmp_path) - before <= {"home/log/events.jsonl"}


@pytest.mark.parametrize("slug", ["..", "../inbox", "linked", "a/b", "", "Acme"])
def test_no_tenant_leads_out_of_the_inbox(dagster_home: DagsterHome, tmp_path: Path, slug: str) -> None:
    """A folder is a slug's own, no link and no path."""
    root = folder_of(dagster_home, "acme").parent
    (root / "linked").symlink_to(tmp_path, target_is_directory=True)
    for place in (root, tmp_path):
        (place / "plan.csv").write_text(PLAN, encoding="utf-8")
    with pytest.raises(InputError):
        apply_inbox_file(dagster_home.database, dagster_home.settings, slug, "plan.csv")
    assert (tmp_path / "plan.csv").exists()


def test_an_inbox_that_everybody_may_write_to_is_left_alone(dagster_home: DagsterHome) -> None:
    """Whoever may put a plan there changes a tenant; the note says how to close it."""
    inbox = folder_of(dagster_home, "acme")
    put(inbox, "plan.csv")
    inbox.chmod(0o777)
    found = waiting_files(dagster_home.settings)
    assert found.files == ()
    assert "chmod o-w" in found.notes[0]


def test_a_done_folder_that_is_a_link_is_not_followed(
    dagster_home: DagsterHome, inbox: Path, tmp_path: Path
) -> None:
    """The plan is applied, the file stays, and the run says so; nothing goes elsewhere."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (inbox / "done").symlink_to(elsewhere, target_is_directory=True)
    put(inbox, "plan.csv")
    [request] = tick(dagster_home)
    result = launch(dagster_home, request)
    assert not result.success
    [event] = [event for event in result.all_events if event.is_step_failure]
    failure: Any = event.step_failure_data
    assert "is completed, but plan.csv could not be moved" in failure.user_failure_data.description
    assert list(elsewhere.iterdir()) == []
    assert companies(dagster_home) == 5


def test_without_an_inbox_the_sensor_says_where_it_would_be(dagster_home: DagsterHome) -> None:
    """Nothing is made and nothing fails where nobody uses an inbox."""
    with dg.build_sensor_context(
        instance=dagster_home.instance, resources={"demo": DemoTenants()}
    ) as context:
        result = plan_inbox(context)
    assert isinstance(result, dg.SensorResult)
    assert result.skip_reason is not None
    assert str(dagster_home.settings.inbox_folder) in str(result.skip_reason.skip_message)


UNUSABLE = {
    "spring\x1b[2J.csv": "spring_[2J.csv",
    "plan\n.csv": "plan_.csv",
    "summer.csv\n": "summer.csv",
    "autumn.csv ": "autumn.csv",
    "win\u202eter.json": "win_ter.json",
    "back\\slash.yaml": "back_slash.yaml",
    "\udcff.csv": "plan.csv",
}


def test_a_file_whose_name_cannot_be_used_is_refused_with_its_reason(dagster_home: DagsterHome) -> None:
    """It is moved to refused/ under a name that can be used, with a report like any other."""
    dagster_home.provision("acme")
    folder = folder_of(dagster_home, "acme")
    for name in UNUSABLE:
        put(folder, name)
    put(folder, "grün \u00a0 می\u200cخ.csv")
    (folder / "notes\x1b.txt").write_text("x")
    (folder / ".hidden\x1b.csv").write_text("x")
    [request] = tick(dagster_home)
    assert request.run_config["ops"]["patch"]["config"]["inbox_file"] == "grün \u00a0 می\u200cخ.csv"
    assert len(list((folder / "refused").iterdir())) == 3 * len(UNUSABLE)
    for name, other in UNUSABLE.items():
        report = report_of(folder / "refused", other)
        assert report["error"]["code"] == "invalid_input"
        assert f"name the file {other}" in report["error"]["message"]
        assert report["file"] == name
        text = (folder / "refused" / f"{other}.report.md").read_bytes()
        assert all(byte >= 32 or byte == 10 for byte in text)
        assert not (folder / name).exists()
    # What lies in the folder and is no plan stays.
    assert {path.name for path in folder.iterdir() if path.is_file()} == {
        "grün \u00a0 می\u200cخ.csv", "notes\x1b.txt", ".hidden\x1b.csv"
    }  # fmt: skip
    assert len(tick(dagster_home)) == 1
