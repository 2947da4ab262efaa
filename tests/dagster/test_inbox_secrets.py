"""What a file of the inbox holds is told to nobody but who may read the file."""

from __future__ import annotations

import json
from pathlib import Path

import dagster as dg
import pytest

from demo_pipeline.defs.inbox import plan_inbox
from demo_pipeline.defs.resources import DemoTenants
from tests.dagster.inbox_scenes import folder_of, launch, put, report_of, tick
from tests.fixtures.dagster_instance import DagsterHome

SECRET = "hunter2-tango"
#: Files that are no plans, with the secret at the place that is wrong.
FILES = {
    "cell.csv": f"month,contacts_created\n2025-02,{SECRET}\n",
    "number.csv": f'month,closed_won_value\n2025-02,"1.250 {SECRET}"\n',
    "month.csv": f"month,contacts_created\n{SECRET},3\n",
    "column.csv": f"month,{SECRET}\n2025-02,3\n",
    "place.csv": f"month,contacts_created,contacts_created ({SECRET})\n2025-02,3,4\n",
    "head.csv": f"{SECRET}\n2025-02\n",
    "quote.csv": f'month,contacts_created\n2025-02,"{SECRET}\n',
    "broken.json": f'{{"months": {SECRET}}}',
    "text.json": f'"{SECRET}"',
    "key.json": f'{{"{SECRET}": 1, "months": []}}',
    "metric.json": f'{{"months": [{{"month": "2025-02", "metrics": {{"{SECRET}": 1}}}}]}}',
    "index.json": f'{{"months": [{{"month": "2025-02", "x[4111111]{SECRET}[4111111]": 1}}]}}',
    "inner.json": f'{{"months": [{{"month": "2025-02", "metrics": {{"a": {{"{SECRET}": 1}}}}}}]}}',
    "twice.json": f'{{"{SECRET}": 1, "{SECRET}": 2}}',
    "mode.json": f'{{"mode": "{SECRET}", "months": []}}',
    "type.json": f'{{"plan_type": "{SECRET}", "months": []}}',
    "tolerance.json": f'{{"tolerances": {{"{SECRET}": 1, "count": "{SECRET}"}}, "months": []}}',
    "seed.json": f'{{"seed": ["{SECRET}"], "months": []}}',
    "month.json": f'{{"months": [{{"month": "{SECRET}", "metrics": {{"contacts_created": 1}}}}]}}',
    "broken.yaml": f"months:\n  - [{SECRET}\n",
    "indent.yaml": f"months: 1\n  {SECRET}: 2\n",
    "alias.yaml": f"months: *{SECRET}\n",
    "tag.yaml": f"months: !{SECRET} []\n",
    "twice.yaml": f"{SECRET}: 1\n{SECRET}: 2\n",
    "key.yaml": f"months:\n  - month: 2025-02\n    {SECRET}: 2\n",
    "value.yaml": f"months:\n  - month: 2025-02\n    metrics: {{contacts_created: {SECRET}}}\n",
    "text.yaml": f"{SECRET}\n",
    "escape.yaml": f'months: "\\q{SECRET}"\n',
}


#: Where reports say that the mistake is.
PLACES = {
    "cell.csv": "row 2, column B",
    "place.csv": "row 1, column C",
    "metric.json": "months[0].metrics.?",
    "index.json": "months[0].?[?]?[?]",
    "value.yaml": "months[0].metrics.contacts_created",
}


@pytest.mark.parametrize(
    "names",
    [
        pytest.param(tuple(PLACES), id="one-of-a-kind"),
        pytest.param(tuple(FILES), marks=pytest.mark.long, id="all"),
    ],
)
def test_nothing_that_a_file_says_is_told(
    dagster_home: DagsterHome,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    names: tuple[str, ...],
) -> None:
    """No report, event, log line, tag, tick or ledger has the text that is wrong; each file its reports."""
    dagster_home.provision("acme")
    inbox = folder_of(dagster_home, "acme")
    for name in names:
        put(inbox, name, FILES[name])
    told: list[str] = []
    while requests := tick(dagster_home):
        told += [str(request) for request in requests]
        for request in requests:
            result = launch(dagster_home, request)
            assert not result.success
            logs = dagster_home.instance.all_logs(result.run_id)
            told += [dg.serialize_value(entry) for entry in logs]
            told.append(str(dagster_home.instance.get_run_by_id(result.run_id)))
    assert sorted(path.name for path in (inbox / "refused").glob("*.json")) == sorted(
        [f"{name}.report.json" for name in names] + [name for name in names if name.endswith(".json")]
    )
    with dg.build_sensor_context(
        instance=dagster_home.instance, resources={"demo": DemoTenants()}
    ) as context:
        told.append(str(plan_inbox(context)))
    told += [
        path.read_text(encoding="utf-8")
        for path in tmp_path.rglob("*")
        if path.is_file() and path.suffix in {".json", ".jsonl", ".md", ".log", ".txt"}
        if path.name not in FILES
    ]
    told += [
        json.dumps(dagster_home.query(f"select t::text from demo.{table} t"))
        for table in ("audit_log", "jobs", "job_attempts")
    ]
    told += [*capfd.readouterr(), caplog.text]
    leaks = [text for text in told if "hunter2" in text or "tango" in text or "4111111" in text]
    assert not leaks, leaks[0]
    places = {
        name: report_of(inbox / "refused", name)["error"]["details"]["errors"][0].get("field")
        for name in PLACES
    }
    assert places == PLACES
