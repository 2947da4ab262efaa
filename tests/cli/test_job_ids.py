"""Jobs are named by the beginning of their ids, and the latest change of a tenant by ``job undo --last``."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import psycopg
import pytest

from tests.fixtures.cli import RunCommand
from tests.fixtures.ledger_steps import real_tenant

PLAN: Final = "month,contacts_created\n2025-02,{count}\n"
UNKNOWN: Final = "0f1c2f3e-5d1c-5b7a-9a51-3a6f5a2b7c11"


def apply(run: RunCommand, folder: Path, slug: str, count: int) -> str:
    """A job that adds contacts; its id."""
    path = folder / f"plan-{count}.csv"
    path.write_text(PLAN.format(count=count), encoding="utf-8")
    return str(run("patch", "apply", slug, path, "--json").document["job_id"])


def contacts(run: RunCommand, slug: str) -> int:
    """Contacts of February."""
    table = run("kpis", slug, "--from", "2025-02", "--to", "2025-02", "--json").document
    return int(table["months"][0]["contacts_created"])


def plant(conn: psycopg.Connection[Any], job_id: str, other_id: str) -> None:
    """A second job with an id of our choice: a copy of a job that was never begun."""
    columns = "tenant_id, kind, mode, plan_type, plan, seed, incarnation, requested_by"
    conn.execute(
        f"insert into demo.job_ledger (id, number, ordinal, {columns})"
        f" select %s, 1000, 1000, {columns} from demo.job_ledger where id = %s",
        [other_id, job_id],
    )


@pytest.mark.parametrize("form", ["{0:.4}", "{0:.8}", "{0:.20}", "{0}"])
def test_a_beginning_of_an_id_is_enough(
    quick_command: RunCommand, kranz: str, tmp_path: Path, form: str
) -> None:
    """Four digits or more, with dashes or without, in any case, wherever a command takes a job's id."""
    job_id = apply(quick_command, tmp_path, kranz, 5)
    written = form.format(job_id)
    for beginning in (written, written.replace("-", ""), written.upper()):
        assert quick_command("job", "show", beginning, "--json").document["job_id"] == job_id
        assert quick_command("job", "retry", beginning, "--json").document["job_id"] == job_id
        assert quick_command("cleanup", beginning).code == 2
    assert quick_command("job", "undo", written, "--json").document["undoes"] == job_id


def test_an_ambiguous_beginning_is_refused_with_the_jobs(
    quick_command: RunCommand, kranz: str, tmp_path: Path, admin_conn: psycopg.Connection[Any]
) -> None:
    """Exit 2, and every job that is meant with its tenant, kind and start; more digits are enough."""
    job_id = apply(quick_command, tmp_path, kranz, 5)
    other_id = f"{job_id[:10]}{'0' if job_id[10] != '0' else '1'}{job_id[11:]}"
    plant(admin_conn, job_id, other_id)
    refused = quick_command("job", "show", job_id[:8])
    assert (refused.code, refused.out) == (2, "")
    assert "2 jobs" in refused.err
    for part in (job_id, other_id, kranz, "patch"):
        assert part in refused.err
    error = quick_command("job", "undo", job_id[:8], "--json").error
    assert {match["job_id"] for match in error["details"]["matches"]} == {job_id, other_id}
    assert {match["tenant"] for match in error["details"]["matches"]} == {kranz}
    assert quick_command("job", "show", job_id[:11], "--json").document["job_id"] == job_id
    # Lists show as much of an id as is unique.
    assert f"{job_id[:13]}  " in quick_command("job", "list").out


@pytest.mark.parametrize("command", [("job", "show"), ("job", "undo"), ("job", "retry"), ("cleanup",)])
def test_an_unknown_beginning_says_where_the_jobs_are(
    quick_command: RunCommand, command: tuple[str, ...]
) -> None:
    """Exit 2 for an id that no job has; what cannot be an id gets another message."""
    for written in (UNKNOWN, UNKNOWN[:6]):
        refused = quick_command(*command, written)
        assert refused.code == 2
        assert written.partition("-")[0] in refused.err
        assert "demo-pipeline job list" in refused.err
    for written in ("abc", "seven", f"{UNKNOWN}0", "%", "0f1_"):
        refused = quick_command(*command, written)
        assert refused.code == 2
        assert "at least 4 hexadecimal digits" in " ".join(refused.err.split())


# -- job undo --last -------------------------------------------------------------------------------------


def test_the_last_change_is_taken_back_and_then_the_one_before(
    quick_command: RunCommand, kranz: str, tmp_path: Path
) -> None:
    """Repeated, it steps back through the history; the job is named first; then nothing is left: exit 2."""
    before = contacts(quick_command, kranz)
    first = apply(quick_command, tmp_path, kranz, 5)
    second = apply(quick_command, tmp_path, kranz, 7)
    assert contacts(quick_command, kranz) == before + 12
    done = quick_command("job", "undo", "--last", kranz)
    assert done.code == 0
    assert done.err.startswith(f"taking back patch {second} of {kranz}")
    assert done.err.endswith(" UTC, of 2025-02\n")
    assert contacts(quick_command, kranz) == before + 5
    assert quick_command("job", "undo", "--last", kranz, "--json").document["undoes"] == first
    assert contacts(quick_command, kranz) == before
    refused = quick_command("job", "undo", "--last", kranz)
    assert (refused.code, refused.out) == (2, "")
    assert f"{kranz} has no change that can be taken back" in refused.err
    assert contacts(quick_command, kranz) == before


def test_a_change_that_was_brought_back_is_the_last_again(
    quick_command: RunCommand, kranz: str, tmp_path: Path
) -> None:
    """The undo of an undo makes the patch count; the undos themselves are never chosen."""
    job_id = apply(quick_command, tmp_path, kranz, 5)
    undo = quick_command("job", "undo", "--last", kranz, "--json").document["job_id"]
    assert quick_command("job", "undo", undo, "--json").document["undoes"] == undo
    assert quick_command("job", "undo", "--last", kranz, "--json").document["undoes"] == job_id


def test_an_extension_is_a_change_and_materialising_is_none(
    quick_command: RunCommand, kranz: str, tmp_path: Path
) -> None:
    """Without changes there is nothing to take back, however much was materialised."""
    assert quick_command("job", "undo", "--last", kranz).code == 2
    apply(quick_command, tmp_path, kranz, 5)
    extension = quick_command("tenant", "extend", kranz, "--to", "2025-05", "--json").document["job_id"]
    assert quick_command("job", "undo", "--last", kranz, "--json").document["undoes"] == extension


def test_what_is_to_be_undone_is_given_once(quick_command: RunCommand) -> None:
    """ID and --last exclude each other, and one of the two is needed."""
    both = quick_command("job", "undo", UNKNOWN, "--last", "kranz")
    assert (both.code, both.out) == (2, "")
    assert "exclude each other" in both.err
    neither = quick_command("job", "undo", "--json")
    assert neither.code == 2
    assert "--last" in neither.error["message"]


def test_the_last_change_of_a_real_tenant_is_none_of_ours(
    quick_command: RunCommand, admin_conn: psycopg.Connection[Any]
) -> None:
    """Exit 3, and the attempt is in the audit."""
    real_tenant(admin_conn, "customer")
    assert quick_command("job", "undo", "--last", "customer", "--json").error["code"] == "not_a_demo_tenant"
    found = admin_conn.execute("select event, slug, detail ->> 'wish' from demo.audit_log").fetchall()
    assert found == [("NON_DEMO_TENANT_BLOCKED", "customer", "undo")]
