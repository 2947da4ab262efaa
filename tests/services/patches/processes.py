"""Jobs in processes of their own, which can be killed, interrupted and started twenty at once."""

from __future__ import annotations

import json
import os
import signal as signals
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from demo_pipeline.domain.patch_plan.plan import PatchPlan
from demo_pipeline.storage.connection.database import Database
from tests.fixtures.forked_program import ForkedProcess, forker
from tests.fixtures.sessions import wait_for_loaders

#: Applies a plan; arguments: slug, plan, a signal, and the step at which it comes (or a file to wait for).
_DRIVER: Final = """
import json, os, sys, time
from pathlib import Path
from demo_pipeline.domain.core.errors import DemoError
from demo_pipeline.domain.patch_plan.plan import PatchPlan
from demo_pipeline.services.platform.ready_database import ready_database
from demo_pipeline.services.jobs.steps import JobCaller
from demo_pipeline.services.patches.patch import apply_patch
from demo_pipeline.settings import load_settings

slug, document, number, at = sys.argv[1:5]
settings = load_settings()
database = ready_database(settings)

def on_progress(percent, step):
    if step == at:
        os.kill(os.getpid(), int(number))

print("ready", flush=True)
while at.startswith("/") and not Path(at).exists():
    time.sleep(0.005)
try:
    plan = PatchPlan.from_json(json.loads(document))
    report = apply_patch(database, settings, slug, plan, caller=JobCaller(on_progress=on_progress))
except DemoError as error:
    print(json.dumps({"error": error.code, "message": str(error)}))
    sys.exit(error.exit_code)
print(json.dumps({"job_id": str(report.job_id), "already_applied": report.already_applied}))
"""

#: Does one change; arguments: its name, a job or nothing, and the step at which it kills itself.
_CHANGE_DRIVER: Final = """
import os, signal, sys
from uuid import UUID
from demo_pipeline.services.checkpoints.checkpoint import take_checkpoint
from demo_pipeline.services.checkpoints.rewind import rewind_tenant
from demo_pipeline.services.repairs.backfill import backfill
from demo_pipeline.services.platform.ready_database import ready_database
from demo_pipeline.services.jobs.steps import JobCaller
from demo_pipeline.services.tenants.delete_tenant import delete_tenant
from demo_pipeline.services.repairs.repair import cleanup, dedupe, repair
from demo_pipeline.services.patches.undo import undo_job
from demo_pipeline.settings import load_settings

name, job, at = sys.argv[1:4]
settings = load_settings()
database = ready_database(settings)

def on_progress(percent, step):
    if step == at:
        os.kill(os.getpid(), signal.SIGKILL)

caller = JobCaller(on_progress=on_progress)
print("ready", flush=True)
match name:
    case "backfill": backfill(database, settings, "acme", caller)
    case "repair": repair(database, settings, "acme", caller)
    case "dedupe": dedupe(database, settings, "acme", caller)
    case "cleanup": cleanup(database, settings, UUID(job), caller)
    case "undo": undo_job(database, settings, UUID(job), caller=caller)
    case "checkpoint": take_checkpoint(database, settings, "acme", "second", caller=caller)
    case "rewind": rewind_tenant(database, settings, "acme", "start", caller=caller)
    case "delete": delete_tenant(database, settings, "acme")
"""


def start(
    environment: Mapping[str, str], slug: str, plan: PatchPlan, *, signal: int = 0, at: str | Path = ""
) -> ForkedProcess:
    """A process that applies a plan; with ``signal`` it sends itself that one when its job is ``at`` a step.

    A path as ``at`` is waited for, so that many can begin at once.
    """
    arguments = [slug, json.dumps(plan.to_json()), str(signal), str(at)]
    return forker().start(arguments, {**os.environ, **environment}, code=_DRIVER)


def wait_ready(processes: Sequence[ForkedProcess]) -> None:
    """Until each has connected once and is about to begin."""
    for process in processes:
        assert process.stdout.readline() == "ready\n"


def answer(process: ForkedProcess) -> Any:
    """What a process that was waited for said at its end; None: it was killed before."""
    out, _ = process.communicate(timeout=200)
    lines = [line for line in out.splitlines() if line != "ready"]
    return json.loads(lines[-1]) if lines else None


def run_and_kill(
    database: Database, environment: Mapping[str, str], name: str, job: str, at: str = "", seconds: float = 0
) -> None:
    """Have a process do it that is killed when its job is ``at`` a step, or after some seconds."""
    process = forker().start([name, job, at], {**os.environ, **environment}, code=_CHANGE_DRIVER)
    wait_ready([process])
    if not at:
        time.sleep(seconds)
        process.kill()
    process.communicate(timeout=60)
    assert not at or process.returncode == -signals.SIGKILL
    wait_for_loaders(database)
