"""Steps that tests of the plan inbox take: files put there, ticks of the sensor, runs, and what is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import dagster as dg

from demo_pipeline.defs.patches.inbox import plan_inbox
from demo_pipeline.defs.shared.resources import DemoTenants
from demo_pipeline.services.inbox.folder import waiting_files
from tests.fixtures.dagster_instance import DagsterHome

PLAN = "month,contacts_created,companies_created\n2025-02,3,1\n"
#: more leads than contacts
IMPOSSIBLE = "month,contacts_created,leads_created\n2025-02,3,4\n"


def folder_of(home: DagsterHome, slug: str) -> Path:
    """A tenant's inbox."""
    folder = home.settings.inbox_folder / slug
    folder.mkdir(parents=True)
    return folder


def put(folder: Path, name: str, text: str = PLAN) -> Path:
    """A file as it should be put there: whole, by renaming."""
    draft = folder / f"{name}.part"
    draft.write_text(text, encoding="utf-8")
    return draft.rename(folder / name)


def tick(home: DagsterHome) -> list[dg.RunRequest]:
    """What the sensor asks for now."""
    with dg.build_sensor_context(instance=home.instance, resources={"demo": DemoTenants()}) as context:
        result = plan_inbox(context)
    assert isinstance(result, dg.SensorResult)
    return list(result.run_requests or [])


def launch(home: DagsterHome, request: dg.RunRequest) -> dg.ExecuteInProcessResult:
    """A run as the daemon makes it of a request."""
    assert request.job_name == "apply_patch"
    return home.launch("apply_patch", request.run_config, request.tags)


def waiting(home: DagsterHome) -> list[str]:
    """Names of the plans that wait."""
    return [f"{file.tenant}/{file.name}" for file in waiting_files(home.settings).files]


def files(folder: Path) -> set[str]:
    """What is below a folder."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def report_of(folder: Path, name: str) -> dict[str, Any]:
    """The JSON report of a file that was settled."""
    found: dict[str, Any] = json.loads((folder / f"{name}.report.json").read_text(encoding="utf-8"))
    return found


def companies(home: DagsterHome) -> int:
    """Companies of acme in February."""
    [(count,)] = home.query(
        "select companies_created from demo.kpi_monthly k join crm.tenants t on t.id = k.tenant_id"
        " where slug = 'acme' and month = '2025-02'"
    )
    return int(count)
