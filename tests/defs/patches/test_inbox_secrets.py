"""What the inbox says of a file: everything of a plan but passwords, nothing of a file that is no plan."""

from __future__ import annotations

import json
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import openpyxl
import pytest

from demo_pipeline.defs.patches.inbox import plan_inbox
from demo_pipeline.defs.shared.resources import DemoTenants
from demo_pipeline.domain.core.errors import InputError
from demo_pipeline.services.files.plan_files import is_meant_as_plan, read_plan
from tests.defs.patches.inbox_builders import IMPOSSIBLE, folder_of, launch, put, report_of, tick
from tests.fixtures.dagster_instance import DagsterHome

SECRET = "hunter2-tango"
#: Files that are no plans, as they may be put into the inbox by mistake.
NO_PLANS = {
    "key.yaml": f"-----BEGIN OPENSSH PRIVATE KEY-----\n{SECRET}\n-----END OPENSSH PRIVATE KEY-----\n",
    "passwd.csv": f"root:{SECRET}:0:0:root:/root:/bin/bash\ndaemon:x:1:1::/:/bin/sh\n",
    "logins.csv": f"month,user,password\n2025-02,root,{SECRET}\n",
    "payroll.csv": f"Month;Name;Salary\n{SECRET};4000\n",
    "head.csv": f"{SECRET}\n2025-02\n",
    "column.csv": f"month,{SECRET}\n2025-02,3\n",
    "quote.csv": f'name,"{SECRET}\n',
    "environment.yaml": f"DATABASE_PASSWORD={SECRET}\n",
    "compose.yml": f"services:\n  db:\n    environment: {{POSTGRES_PASSWORD: {SECRET}}}\n",
    "token.json": f'{{"access_token": "{SECRET}", "expires_in": 3600}}',
    "text.json": f'"{SECRET}"',
    "broken.json": f'{{"token": {SECRET}}}',
    "months.json": f'{{"months": ["{SECRET}"], "billing": 1}}',
    "nested.yaml": f"months: 1\n{SECRET}: 2\n",
    "alias.yaml": f"key: *{SECRET}\n",
    "tag.yaml": f"key: !{SECRET} []\n",
    "broken.yaml": f"key:\n  - [{SECRET}\n",
    "text.yaml": f"{SECRET}\n",
    "escape.yaml": f'key: "\\q{SECRET}"\n',
    "binary.json": f"\x00\x01{SECRET}",
}
#: Plans with something wrong in them, also where they cannot be parsed.
PLANS = {
    "cell.csv": "month,contacts_created\n2025-02,twelve\n",
    "number.csv": 'month;closed_won_value\n2025-02;"1.250 about"\n',
    "month.csv": "month,contacts_created\nFebruary,3\n",
    "name.csv": "month,leads\n2025-02,3\n",
    "misspelt.csv": "Month,Contacts Craeted\n2025-02,3\n",
    "metric.json": '{"months": [{"month": "2025-02", "metrics": {"dealz": 1}}]}',
    "mode.json": '{"mode": "subtract", "months": [{"month": "2025-02", "metrics": {"contacts_created": 1}}]}',
    "broken.json": '{"months": [{"month": "2025-02" "metrics": {"contacts_created": 1}}]}',
    "value.yaml": "months:\n  - month: 2025-02\n    metrics: {contacts_created: many}\n",
    "broken.yaml": "months:\n  - month: 2025-02\n    metrics: {contacts_created: [1\n",
    "key.yaml": "months:\n  - month: 2025-02\n    contacts_created: 2\n",
    "title.csv": "Plan 2025\nsep=;\nmonth;Figures\n;contacts_created\n2025.1;3\n",
    "separator.csv": "sep=;\nmonth;contacts_created\n2025-02;NaN\n",
    "records.json": '[{"month": "2025-02", "contacts_created": "many"}]',
}
PASSWORDS = (
    f"postgresql://admin:{SECRET}@db.example.com/crm",
    f"postgresql://administrator:{SECRET}-and-much-more-of-it@db.example.com/crm",
    f"password={SECRET}",
)


def visible_texts(home: DagsterHome, folder: Path) -> list[str]:
    """All that can be read once the files were dealt with: reports, events, tags, ticks, ledger, logs."""
    texts: list[str] = []
    while requests := tick(home):
        texts += [str(request) for request in requests]
        for request in requests:
            result = launch(home, request)
            assert not result.success
            texts += [dg.serialize_value(entry) for entry in home.instance.all_logs(result.run_id)]
            texts.append(str(home.instance.get_run_by_id(result.run_id)))
    with dg.build_sensor_context(instance=home.instance, resources={"demo": DemoTenants()}) as context:
        texts.append(str(plan_inbox(context)))
    texts += [
        path.read_text(encoding="utf-8")
        for path in folder.rglob("*")
        if path.is_file() and path.suffix in {".json", ".jsonl", ".md", ".log", ".txt"}
        if ".report." in path.name or "refused" not in path.parts
    ]
    texts += [
        json.dumps(home.query(f"select t::text from demo.{table} t"))
        for table in ("audit_log", "jobs", "job_attempts")
    ]
    return texts


def assert_secret_is_kept(texts: Sequence[str]) -> None:
    """No text has the secret, nor a part of it."""
    leaks = [text for text in texts if "hunter2" in text or "tango" in text]
    assert not leaks, leaks[0]


@pytest.mark.parametrize(
    "names",
    [
        pytest.param(("key.yaml", "passwd.csv", "logins.csv", "token.json"), id="some"),
        pytest.param(tuple(NO_PLANS), marks=pytest.mark.long, id="all"),
    ],
)
def test_no_content_of_other_files_is_shown(
    dagster_home: DagsterHome,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    names: tuple[str, ...],
) -> None:
    """Refused, with what a plan begins with; no report, event, log line, tag, tick or ledger quotes it."""
    dagster_home.provision("acme")
    inbox = folder_of(dagster_home, "acme")
    for name in names:
        put(inbox, name, NO_PLANS[name])
    texts = visible_texts(dagster_home, tmp_path)
    assert_secret_is_kept([*texts, *capfd.readouterr(), caplog.text])
    for name in names:
        [problem] = report_of(inbox / "refused", name)["error"]["details"]["errors"]
        assert problem["value"] is None
        assert "what the file says is not repeated here" in problem["message"]


def write_workbook(path: Path, *rows: Sequence[Any]) -> None:
    """A workbook of one sheet in the inbox."""
    book = openpyxl.Workbook()
    sheet: Any = book.active
    for row in rows:
        sheet.append(row)
    book.save(path)


def test_workbooks_are_quoted_only_where_they_are_plans(dagster_home: DagsterHome, tmp_path: Path) -> None:
    """A wrong plan gets its reasons, but for passwords; of any other workbook nothing is said."""
    dagster_home.provision("acme")
    inbox = folder_of(dagster_home, "acme")
    write_workbook(inbox / "logins.xlsx", ["month", "user", "password"], ["2025-02", "root", SECRET])
    write_workbook(
        inbox / "hidden.xlsx", ["month", "contacts_created"], ["2025-02", f"password={SECRET} and more"]
    )
    write_workbook(inbox / "plan.xlsx", ["Plan"], ["month", "contacts_created"], ["2025-02", "twelve"])
    put(inbox, "text.xlsx", SECRET)
    book = openpyxl.load_workbook(inbox / "plan.xlsx")
    other = book.create_sheet("Other")
    for row in (["service", "password"], ["crm", SECRET]):
        other.append(row)
    book.save(tmp_path / "sheets.xlsx")
    content = (tmp_path / "sheets.xlsx").read_bytes()
    assert is_meant_as_plan(content, "xlsx", None)
    assert not is_meant_as_plan(content, "xlsx", "Other")
    assert_secret_is_kept(visible_texts(dagster_home, tmp_path))
    problems = {
        name: report_of(inbox / "refused", name)["error"]["details"]["errors"][0]
        for name in ("logins.xlsx", "hidden.xlsx", "plan.xlsx", "text.xlsx")
    }
    assert {name: problem["code"] for name, problem in problems.items()} == {
        "logins.xlsx": "not_a_plan",
        "hidden.xlsx": "not_a_number",
        "plan.xlsx": "not_a_number",
        "text.xlsx": "other_kind",
    }
    assert (problems["plan.xlsx"]["field"], problems["plan.xlsx"]["value"]) == (
        "row 3, column B (contacts_created)",
        "twelve",
    )


@pytest.mark.parametrize(
    "names",
    [
        pytest.param(("cell.csv", "metric.json", "broken.yaml"), id="some"),
        pytest.param(tuple(PLANS), marks=pytest.mark.long, id="all"),
    ],
)
def test_a_plan_gets_the_reasons_of_the_command_line(
    dagster_home: DagsterHome, names: tuple[str, ...]
) -> None:
    """Place, message, value and suggestion: in both reports and in the run, without another command."""
    dagster_home.provision("acme")
    inbox = folder_of(dagster_home, "acme")
    for name in names:
        put(inbox, name, PLANS[name])
    for request in tick(dagster_home):
        name = request.run_config["ops"]["patch"]["config"]["inbox_file"]
        result = launch(dagster_home, request)
        with pytest.raises(InputError) as caught:
            read_plan(inbox / "refused" / name)
        expected = caught.value
        assert expected.problems
        report = report_of(inbox / "refused", name)["error"]
        assert report["message"] == expected.message
        assert report["details"] == json.loads(json.dumps(expected.details))
        page = (inbox / "refused" / f"{name}.report.md").read_text(encoding="utf-8").replace("\\", "")
        [event] = [event for event in result.all_events if event.is_step_failure]
        failure: Any = event.step_failure_data
        assert failure.user_failure_data.description == expected.message
        table = failure.user_failure_data.metadata["problems"].value.replace("\\", "")
        for problem in expected.problems:
            for part in (problem.message, problem.value or ""):
                assert " ".join(part.split()) in page
                assert " ".join(part.split()) in table


@pytest.mark.parametrize("password", PASSWORDS)
def test_no_password_in_a_plan_is_shown(dagster_home: DagsterHome, tmp_path: Path, password: str) -> None:
    """A URL in a cell or a value is quoted without its password, also where the quotation is cut."""
    dagster_home.provision("acme")
    inbox = folder_of(dagster_home, "acme")
    put(inbox, "cell.csv", f"month,contacts_created\n2025-02,{password}\n")
    put(
        inbox, "value.yaml", f"months:\n  - month: 2025-02\n    metrics: {{contacts_created: '{password}'}}\n"
    )
    put(inbox, "key.json", f'{{"months": [{{"month": "2025-02", "metrics": {{"{password}": 1}}}}]}}')
    assert_secret_is_kept(visible_texts(dagster_home, tmp_path))
    for name in ("cell.csv", "value.yaml", "key.json"):
        [problem, *_] = report_of(inbox / "refused", name)["error"]["details"]["errors"]
        assert "***" in str(problem)


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644, 0o604])
def test_a_report_is_no_more_open_than_its_file(dagster_home: DagsterHome, mode: int) -> None:
    """The report has no more readers than the file, and is never open to all."""
    dagster_home.provision("acme")
    inbox = folder_of(dagster_home, "acme")
    put(inbox, "plan.csv", IMPOSSIBLE).chmod(mode)
    [request] = tick(dagster_home)
    assert not launch(dagster_home, request).success
    file = (inbox / "refused" / "plan.csv").stat()
    for suffix in (".report.json", ".report.md"):
        report = (inbox / "refused" / f"plan.csv{suffix}").stat()
        assert stat.S_IMODE(report.st_mode) == mode & 0o640
        assert (report.st_uid, report.st_gid) == (file.st_uid, file.st_gid)
