"""Checkpoints by the loader's login alone: of others, in other kinds of jobs, of its own by wrong ways."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final
from uuid import UUID, uuid4

import pytest
from psycopg import errors

from demo_pipeline.domain.core.job_kinds import JobKind
from demo_pipeline.storage.ledger import checkpoints, job_ledger
from demo_pipeline.storage.ledger.job_ledger import JobRequest
from tests.attacks.field import ALL_TABLES, DENIED, Attacker, Field, Outcome, passed_by, refused
from tests.fixtures.ledger_steps import a_request, finish

OUT_OF_STATE: Final = "DP005"
DIGEST: Final = "0" * 64
FINISH: Final = "select demo.finish_job(%(job)s, null, null, null, null, null, null, null)"
STORED: Final = (
    "checkpoints", "rewind_rows", "checkpoint_edits", *(f"checkpoint_{name}" for name in ALL_TABLES[1:]),
)  # fmt: skip


def begin(attacker: Attacker, tenant: UUID, kind: JobKind, plan: dict[str, Any] | None) -> UUID:
    """A running job of that kind, claimed in an open transaction."""
    request: JobRequest = replace(a_request(tenant), kind=kind, plan=plan, job_id=uuid4())
    with attacker.conn.transaction():
        job_ledger.begin_job(attacker.conn, request)
    attacker.conn.execute("begin")
    job_ledger.claim_job(attacker.conn, tenant, request.job_id)
    attacker.names["job"] = request.job_id
    return request.job_id


def tries(attacker: Attacker, kind: JobKind, plan: dict[str, Any] | None, *statements: str) -> Outcome:
    """Statements within the claim of a job of the attacker's own, which then ends, or is rolled back."""
    begin(attacker, attacker.field.own, kind, plan)
    return attacker.tries(*statements, FINISH,
                          "commit", claim=False)  # fmt: skip


@pytest.fixture(scope="module")
def stored(field: Field) -> dict[str, UUID]:
    """A checkpoint of the victim and one of the attacker, taken as jobs take them."""
    ids: dict[str, UUID] = {}
    for name, tenant in (("other", field.other), ("own", field.own)):
        with Attacker(field) as one:
            job = begin(one, tenant, JobKind.CHECKPOINT, {"name": "start"})
            checkpoints.take_checkpoint(one.conn, job, "start", DIGEST, is_automatic=False, replaces=False)
            finish(one.conn, job)
            one.conn.execute("commit")
            ids[name] = job
    return ids


@pytest.fixture
def armed(attacker: Attacker, stored: dict[str, UUID]) -> Attacker:
    """An attacker who knows the ids of both checkpoints."""
    attacker.names |= {f"{name}_checkpoint": checkpoint for name, checkpoint in stored.items()}
    return attacker


@pytest.fixture(scope="module")
def original(field: Field, stored: dict[str, UUID]) -> list[tuple[Any, ...]]:
    """As in ``conftest``, once the checkpoints are there."""
    assert stored
    return field.state()


@pytest.mark.risk("P3", partial=True)
@pytest.mark.parametrize("table", STORED)
@pytest.mark.parametrize(
    "statement",
    [
        "select * from demo.{}", "insert into demo.{} select * from demo.{}", "delete from demo.{}",
        "truncate demo.{}", "copy demo.{} to stdout", "alter table demo.{} disable row level security",
    ],
)  # fmt: skip
def test_what_is_stored_is_out_of_reach(armed: Attacker, table: str, statement: str) -> None:
    """Neither read nor written, within the claim of a checkpoint's job neither."""
    refused(tries(armed, JobKind.CHECKPOINT, {"name": "x"}, statement.format(table, table)), DENIED)


@pytest.mark.risk("P3", partial=True)
@pytest.mark.parametrize("kind", [kind for kind in JobKind if kind is not JobKind.REWIND])
def test_a_rewind_in_a_job_of_another_kind(armed: Attacker, kind: JobKind) -> None:
    """The claim of any other kind of job does not go back, though its plan names the checkpoint."""
    own = armed.names["own_checkpoint"]
    # A patch with such a plan is not even registered.
    plan = None if kind is JobKind.PATCH else {"name": "start", "checkpoint": str(own), "job": str(own)}
    refused(tries(armed, kind, plan, "select demo.rewind(%(job)s, %(own_checkpoint)s)"), OUT_OF_STATE)


@pytest.mark.risk("P3", partial=True)
@pytest.mark.parametrize("kind", [kind for kind in JobKind if kind is not JobKind.CHECKPOINT])
def test_a_checkpoint_in_a_job_of_another_kind(armed: Attacker, kind: JobKind) -> None:
    """Taken or deleted: only in the claim of a checkpoint's job."""
    plan = None if kind is JobKind.PATCH else {"name": "x", "job": str(uuid4())}
    take = f"select demo.take_checkpoint(%(job)s, 'x', false, false, '{DIGEST}')"
    for statement in (take, "select demo.delete_checkpoint(%(job)s, 'start')"):
        refused(tries(armed, kind, plan, statement), OUT_OF_STATE)


@pytest.mark.risk("P3", partial=True)
def test_of_somebody_else(armed: Attacker) -> None:
    """A victim's checkpoint within an own claim, another one than the plan names, a victim's job."""
    for target in ("other_checkpoint", "row"):
        plan = {"name": "start", "checkpoint": str(armed.names[target])}
        refused(
            tries(armed, JobKind.REWIND, plan, f"select demo.rewind(%(job)s, %({target})s)"), OUT_OF_STATE
        )
    plan = {"name": "start", "checkpoint": str(armed.names["other_checkpoint"])}
    refused(
        tries(armed, JobKind.REWIND, plan, "select demo.rewind(%(job)s, %(own_checkpoint)s)"), OUT_OF_STATE
    )
    refused(
        tries(armed, JobKind.UNDO, {"job": str(armed.names["own_checkpoint"])},
              "select demo.rewind(%(job)s, %(own_checkpoint)s)"), OUT_OF_STATE)  # fmt: skip
    refused(tries(armed, JobKind.REWIND, plan, "select demo.rewind(%(other_running)s, %(other_checkpoint)s)"),
            OUT_OF_STATE)  # fmt: skip
    # Of that name is one of the victim, too: only the own one goes, and comes again.
    passed_by(
        tries(armed, JobKind.CHECKPOINT, {"name": "start"}, "select demo.delete_checkpoint(%(job)s, 'start')")
    )
    passed_by(tries(armed, JobKind.CHECKPOINT, {"name": "start"},
                    f"select demo.take_checkpoint(%(job)s, 'start', false, true, '{DIGEST}')"))  # fmt: skip


@pytest.mark.risk("P3", partial=True)
def test_planted_objects_are_not_used(armed: Attacker) -> None:
    """Tables, functions and triggers of the loader's own in pg_temp: the guard uses none of them."""
    armed.run("set client_min_messages = warning")
    for table in (*STORED, "tenant_months", "job_ledger", *ALL_TABLES):
        armed.run(f"create temp table {table} as select %(real)s::uuid as tenant_id, %(row)s::uuid as id")
    armed.run(
        "create function pg_temp.tell() returns trigger language plpgsql as"
        " $$ begin raise exception 'I am %%', current_user; end $$;"
        "create trigger tell before insert on pg_temp.rewind_rows for each row"
        " execute function pg_temp.tell();"
        "create function pg_temp.format(text, text) returns text language sql as"
        " 'select ''delete from crm.contacts''::text';"
        "create function pg_temp.clock_timestamp() returns timestamptz language sql"
        " as 'select null::timestamptz'"
    )
    armed.run("set search_path = pg_temp, pg_catalog")
    passed_by(tries(armed, JobKind.CHECKPOINT, {"name": "planted"},
                    f"select demo.take_checkpoint(%(job)s, 'planted', false, true, '{DIGEST}')"))  # fmt: skip
    own = armed.names["job"]
    armed.names["planted"] = own
    plan = {"name": "planted", "checkpoint": str(own)}
    passed_by(tries(armed, JobKind.REWIND, plan, "select demo.rewind(%(job)s, %(planted)s)"))


@pytest.mark.risk("P3", partial=True)
def test_the_rights_of_a_rewind_are_the_guards(armed: Attacker) -> None:
    """What the guard may write since then the loader may not: other columns, other tenants, other months."""
    for statement in (
        "update crm.contacts set first_name = 'x' where tenant_id = %(own)s",
        "update crm.tenants set name = 'x' where id = %(own)s",
        "delete from crm.contacts where tenant_id = %(own)s",
        "delete from demo.tenant_months where tenant_id = %(own)s",
    ):
        plan = {"name": "start", "checkpoint": str(armed.names["own_checkpoint"])}
        refused(tries(armed, JobKind.REWIND, plan, statement), DENIED)


@pytest.mark.risk("P3", partial=True)
@pytest.mark.parametrize("table", STORED)
def test_the_reader_cannot_even_name_it(field: Field, table: str) -> None:
    """The CRM's reader has no right on the schema: what is stored is not there for it."""
    with field.database.admin() as conn, conn.transaction(force_rollback=True):
        conn.execute("set local role crm_reader")
        with pytest.raises(errors.InsufficientPrivilege):
            conn.execute(f"select * from demo.{table}".encode())
