"""``repair``, ``dedupe`` and ``cleanup`` on the command line; and the page that says when to type them."""

from __future__ import annotations

import json
from typing import Any, Final
from uuid import uuid4

import pytest

from demo_pipeline.domain.core.errors import JobFailedError
from demo_pipeline.services.patches.patch import apply_patch
from demo_pipeline.services.tenants.queries import digest, list_jobs
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from tests.docs.test_docs import typed_lines
from tests.fixtures.cli import RunCommand
from tests.fixtures.ledger_steps import real_tenant
from tests.paths import PROJECT
from tests.services.builders import made
from tests.services.patches.builders import SMALL, execute, plan
from tests.services.patches.test_patch_faults import plant, uproot
from tests.services.repairs.damage import copy_company, misplace, plant_rows_of

PLAN: Final = plan({"2025-02": {"contacts_created": 5, "deals_created": 2}})
KEYS: Final = {
    "tenant", "kind", "done", "hide", "along", "elsewhere", "deleted_elsewhere", "kept", "stages",
    "restored_stages", "heroes", "short", "job",
}  # fmt: skip


def document(out: str) -> Any:
    """What ``--json`` prints, and nothing beside it."""
    found = json.loads(out)
    assert set(found) == KEYS
    return found


def test_a_repair_is_shown_and_then_done(
    quick_command: RunCommand, database: Database, database_settings: Settings
) -> None:
    """Without --yes nothing happens; with it the rows are hidden, and the way back is told."""
    made(database, database_settings, SMALL)
    sound = digest(database, database_settings, "acme")
    plant_rows_of(database, uuid4())
    planted = digest(database, database_settings, "acme")
    shown = quick_command("repair", "acme")
    assert shown.code == 0
    assert "are of no completed job" in shown.out
    assert "--yes does it" in shown.err
    assert digest(database, database_settings, "acme") == planted
    told = document(quick_command("repair", "acme", "--json").out)
    assert (told["done"], told["job"]) == (False, None)
    assert [(one["table"], one["rows"], len(one["ids"])) for one in told["hide"]] == [("contacts", 3, 3)]
    done = quick_command("repair", "acme", "--yes")
    assert done.code == 0
    job = list_jobs(database, database_settings, "acme")[0]
    assert f"demo-pipeline job undo {job.id}" in done.err
    assert digest(database, database_settings, "acme") == sound
    again = document(quick_command("repair", "acme", "--yes", "--json").out)
    assert (again["hide"], again["job"]) == ([], None)
    assert "there is nothing to repair" in quick_command("repair", "acme").out


def test_a_changed_stage_is_named_and_set_again(
    quick_command: RunCommand, database: Database, database_settings: Settings
) -> None:
    """Both commands name the stage; --restore-stages with --yes sets it, and no deal is hidden."""
    made(database, database_settings, SMALL)
    sound = digest(database, database_settings, "acme")
    execute(database, "UPDATE crm.pipeline_stages SET is_won = false WHERE is_won")
    found = quick_command("verify", "acme")
    assert found.code == 4
    assert "--restore-stages" in found.out
    shown = quick_command("repair", "acme")
    assert shown.code == 0
    assert "there is nothing to hide" in shown.out
    assert "no deal is hidden because of stage" in shown.err
    assert "set it to won in the CRM, or add --restore-stages" in " ".join(shown.err.split())
    # Nothing else is promised by it, and --yes alone restores nothing.
    assert "nothing was done yet" not in shown.err
    assert document(quick_command("repair", "acme", "--yes", "--json").out)["restored_stages"] == 0
    wanted = quick_command("repair", "acme", "--restore-stages")
    assert "was won" in wanted.out
    assert "nothing was done yet" in wanted.err
    done = document(quick_command("repair", "acme", "--restore-stages", "--yes", "--json").out)
    assert (done["hide"], done["kept"], done["restored_stages"], done["job"]) == ([], [], 1, None)
    [stage] = done["stages"]
    assert (stage["is_won"], stage["is_lost"], stage["deals"]) == (True, False, 2)
    assert digest(database, database_settings, "acme") == sound
    assert quick_command("verify", "acme").code == 0


def test_an_edit_is_a_note_and_exit_code_0(
    quick_command: RunCommand, database: Database, database_settings: Settings
) -> None:
    """Verify says what people edited, in words and in JSON, and ends with 0 while the figures hold."""
    made(database, database_settings, SMALL)
    execute(database, "UPDATE crm.activities SET completed_at = created_at - interval '1 day'")
    found = quick_command("verify", "acme")
    assert found.code == 0
    assert "acme: note: edited by people: 12 activities" in found.out
    told = json.loads(quick_command("verify", "acme", "--json").out)
    assert told["passed"]
    assert told["tenants"][0]["findings"] == []
    assert len(told["tenants"][0]["notes"]) == 2


def test_strangers_in_another_tenant_are_told(
    quick_command: RunCommand, database: Database, database_settings: Settings
) -> None:
    """Where rows of its jobs lie, and how many were deleted there."""
    made(database, database_settings, SMALL)
    with database.admin() as conn:
        misplaced_in = real_tenant(conn)
    misplace(database, misplaced_in)
    shown = quick_command("repair", "acme")
    assert "lie in tenant customer" in shown.out
    told = document(quick_command("repair", "acme", "--yes", "--json").out)
    assert told["elsewhere"] == [
        {"tenant": "customer", "tenant_id": str(misplaced_in), "table": "contacts", "rows": 3}
    ]
    assert told["deleted_elsewhere"] == 3


@pytest.mark.parametrize("words", [("repair", "customer"), ("dedupe", "customer")])
def test_a_real_tenant_is_refused(
    quick_command: RunCommand, database: Database, words: tuple[str, ...]
) -> None:
    """Exit 3, whatever is asked for."""
    with database.admin() as conn:
        real_tenant(conn)
    for more in ((), ("--yes",)):
        assert quick_command(*words, *more).code == 3


def test_jobs_that_cannot_be_cleaned_up(
    quick_command: RunCommand, database: Database, database_settings: Settings
) -> None:
    """Exit 2 for a job that is completed, and for one that there is not."""
    job_id = made(database, database_settings, SMALL).job_id
    refused = quick_command("cleanup", str(job_id), "--yes")
    assert (refused.code, "job undo" in refused.err) == (2, True)
    assert quick_command("cleanup", str(uuid4())).code == 2


def test_the_runbooks_can_be_followed(
    quick_command: RunCommand,
    database: Database,
    database_settings: Settings,
    dagster_database_env: dict[str, str],
) -> None:
    """Every command line of the page, in its order, on a tenant that needs it, ends as the page says."""
    made(database, database_settings, SMALL, slug="larkmoor")
    mixed_up = apply_patch(database, database_settings, "larkmoor", PLAN).job_id
    plant(database, "deals", "RAISE EXCEPTION 'planted';")
    with pytest.raises(JobFailedError):
        apply_patch(database, database_settings, "larkmoor", plan({"2025-03": {"deals_created": 1}}))
    uproot(database)
    failed = list_jobs(database, database_settings, "larkmoor")[0].id
    half = apply_patch(
        database, database_settings, "larkmoor", plan({"2025-03": {"contacts_created": 3}})
    ).job_id
    execute(database, "DELETE FROM demo.job_months WHERE job_id = %s", half)
    execute(database, "UPDATE demo.job_ledger SET status = 'failed' WHERE id = %s", half)
    copy_company(database, "larkmoor")
    own = {
        "0f1c2f3e": str(mixed_up)[:8],
        "7d2e51a0": str(failed)[:8],
        "3c5a7e19-84d2-5f60-9b1e-6f2d7c1a9e42": str(half),
    }
    lines = typed_lines((PROJECT / "docs" / "runbooks.md").read_text(encoding="utf-8"))
    typed = [[own.get(word, word) for word in rest] for _, *rest in lines]
    assert {words[0] for words in typed} >= {"verify", "repair", "dedupe", "cleanup", "generate", "job"}
    for number, words in enumerate(typed):
        done = quick_command(*words, environment=dagster_database_env)
        is_last = number >= len(typed) - 2
        allowed = {0, 4} if words[0] == "verify" and not is_last else {0}
        assert done.code in allowed, (words, done.err)
