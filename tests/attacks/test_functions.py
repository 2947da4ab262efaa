"""Every function of the guard, called with what belongs to a victim; a new one without a call fails here."""

from __future__ import annotations

from typing import Final

import pytest

from tests.attacks.field import Attacker, Call, Field, refused

#: the terms of a job after its tenant and id
_TERMS: Final = "'patch', null, null, null, null, 0, '2025-01', '2025-01', null, now(), null"
_FINISH: Final = "select demo.finish_job({}, null, null, null, null, {}, {}, null)"
_MONTHS: Final = """'[{"month": "2025-01", "loaded_as_of": "2025-01-01T00:00Z", "is_whole": true,
    "tenant_id": "00000000-0000-0000-0000-000000000000"}]'"""
_BIRTH: Final = (
    "select demo.provision_tenant({}, {}, 'x', 'DE', 'UTC', 'EUR', 'saas', {}, '1', '1', '{{}}', '{{}}',"
    " now(), now(), true, null)"
)

_TAKE: Final = "select demo.take_checkpoint({}, 'x', false, false, repeat('0', 64))"

NOT_A_DEMO, OUT_OF_STATE, EXISTS, HELD, DONE, UNREADABLE = (
    "DP001",
    "DP005",
    "DP004",
    "DP003",
    "DP002",
    "DP006",
)

#: function → how an attack with it ends; a function that nobody may call is called all the same
CALLS: Final[dict[str, list[Call]]] = {
    "provision_tenant": [
        Call(_BIRTH.format("%(real)s", "'fresh'", 1), (NOT_A_DEMO,)),
        Call(_BIRTH.format("gen_random_uuid()", "'customer'", 1), (NOT_A_DEMO,)),
        Call(_BIRTH.format("%(real)s", "'customer'", 1), (NOT_A_DEMO,)),
        Call(_BIRTH.format("%(other)s", "'fresh'", 1), (EXISTS,)),
        Call(_BIRTH.format("gen_random_uuid()", "'other'", 2), (EXISTS,)),
        Call(_BIRTH.format("null", "'fresh'", 1), ("23502",)),
        # A document that nobody could read, before the slug is looked at.
        Call(_BIRTH.format("gen_random_uuid()", "'Fresh; drop'", 1), (UNREADABLE,)),
        Call(_BIRTH.format("gen_random_uuid()", "'fresh'", 1), (UNREADABLE,)),
    ],
    "register_job": [
        Call(f"select demo.register_job(%(real)s, %(row)s, {_TERMS})", (NOT_A_DEMO,)),
        Call(f"select demo.register_job(%(own)s, %(other_done)s, {_TERMS})", (OUT_OF_STATE,)),
        Call(f"select demo.register_job(null, %(row)s, {_TERMS})", (NOT_A_DEMO,)),
        Call(f"select demo.register_job(%(own)s, null, {_TERMS})", ("23502",)),
    ],
    "begin_job": [
        Call(f"select demo.begin_job(%(real)s, %(row)s, {_TERMS}, null)", (NOT_A_DEMO,)),
        Call(f"select demo.begin_job(%(own)s, %(other_pending)s, {_TERMS}, null)", (OUT_OF_STATE,)),
        Call(f"select demo.begin_job(null, null, {_TERMS}, null)", (NOT_A_DEMO,)),
    ],
    "claim_job": [
        Call("select demo.claim_job(%(real)s, %(row)s, null)", (NOT_A_DEMO,), is_alone=True),
        Call("select demo.claim_job(%(real)s, %(other_running)s, null)", (NOT_A_DEMO,), is_alone=True),
        Call("select demo.claim_job(%(other)s, %(other_done)s, null)", (DONE,), is_alone=True),
        Call("select demo.claim_job(%(other)s, %(own_pending)s, null)", (OUT_OF_STATE,), is_alone=True),
        Call("select demo.claim_job(%(own)s, %(other_running)s, null)", (OUT_OF_STATE,), is_alone=True),
        Call("select demo.claim_job(%(own)s, null, null)", (OUT_OF_STATE,), is_alone=True),
        Call("select demo.claim_job(null, null, null)", (NOT_A_DEMO,), is_alone=True),
        # A second claim, of somebody who can be claimed otherwise.
        Call("select demo.claim_job(%(other)s, %(other_running)s, null)", (OUT_OF_STATE,)),
        Call("select demo.claim_job(%(other)s, %(other_running)s, %(own_pending)s)", (OUT_OF_STATE,)),
        # Outside a transaction block the claim would end with its own statement: it cannot be committed.
        Call("select demo.claim_job(%(other)s, %(other_running)s, null)", (OUT_OF_STATE,), is_alone=True),
        Call(
            "select demo.claim_job(%(other)s, %(other_running)s, %(own_pending)s)",
            (OUT_OF_STATE,), is_alone=True,
        ),
    ],
    "finish_job": [
        Call(_FINISH.format("%(other_running)s", "null", "null"), (OUT_OF_STATE,)),
        Call(_FINISH.format("%(other_running)s", _MONTHS, "null"), (OUT_OF_STATE,), is_alone=True),
        Call(_FINISH.format("%(own_pending)s", "null", "null"), (OUT_OF_STATE,)),
        Call(_FINISH.format("null", "null", "null"), (OUT_OF_STATE,)),
    ],
    "select_hero_accounts": [
        Call("select demo.select_hero_accounts(%(other_running)s)", (OUT_OF_STATE,)),
        Call("select demo.select_hero_accounts(%(other_done)s)", (OUT_OF_STATE,), is_alone=True),
        Call("select demo.select_hero_accounts(%(own_pending)s)", (OUT_OF_STATE,)),
        Call("select demo.select_hero_accounts(null)", (OUT_OF_STATE,)),
        # Its own claim: nothing of anybody else is read or marked.
        Call("select demo.select_hero_accounts(%(job)s)", ()),
    ],
    "fail_job": [
        Call("select demo.fail_job(%(real)s, %(other_running)s, 1, 'x', 'x')", (NOT_A_DEMO,)),
        Call("select demo.fail_job(%(own)s, %(other_running)s, 1, 'x', 'x')", (OUT_OF_STATE,)),
        Call("select demo.fail_job(%(own)s, %(other_running)s, 1, 'x', 'x')", (), is_alone=True),
        Call("select demo.fail_job(%(other)s, %(other_done)s, 1, 'x', 'x')", (), is_alone=True),
    ],
    "mark_undone": [
        Call("select demo.mark_undone(%(job)s, %(other_done)s, true)", (OUT_OF_STATE,)),
        Call("select demo.mark_undone(%(other_running)s, %(other_done)s, true)", (OUT_OF_STATE,)),
        Call("select demo.mark_undone(null, %(other_done)s, true)", (OUT_OF_STATE,), is_alone=True),
    ],
    "admit_request": [
        Call("select demo.admit_request(%(real)s, 1, 1)", (NOT_A_DEMO,)),
        Call("select demo.admit_request(null, 1, 1)", (NOT_A_DEMO,)),
        Call("select demo.admit_request(%(other)s, 1, 1)", (), is_alone=True),
    ],
    # The claim is a materialisation's: neither kind of job is what it would have to be.
    "take_checkpoint": [
        Call(_TAKE.format("%(job)s"), (OUT_OF_STATE,)),
        Call(_TAKE.format("%(other_running)s"), (OUT_OF_STATE,)),
        Call(_TAKE.format("%(other_running)s"), (OUT_OF_STATE,), is_alone=True),
        Call(_TAKE.format("null"), (OUT_OF_STATE,)),
    ],
    "delete_checkpoint": [
        Call("select demo.delete_checkpoint(%(job)s, 'x')", (OUT_OF_STATE,)),
        Call("select demo.delete_checkpoint(%(other_running)s, 'x')", (OUT_OF_STATE,)),
        Call("select demo.delete_checkpoint(null, null)", (OUT_OF_STATE,), is_alone=True),
    ],
    "rewind": [
        Call("select demo.rewind(%(job)s, %(other_done)s)", (OUT_OF_STATE,)),
        Call("select demo.rewind(%(other_running)s, %(other_done)s)", (OUT_OF_STATE,)),
        Call("select demo.rewind(%(other_running)s, %(other_done)s)", (OUT_OF_STATE,), is_alone=True),
        Call("select demo.rewind(%(job)s, null)", (OUT_OF_STATE,)),
    ],
    # Figures that are shown, of jobs that run: one loader may tell wrong ones of another's job.
    "report_progress": [
        Call("select demo.report_progress(%(other_done)s, 50, 'x')", ()),
        Call("select demo.report_progress(%(real)s, 50, 'x')", ()),
        Call("select demo.report_progress(%(other_running)s, 99, 'x')", (), is_alone=True),
    ],
    # Only adds a line, with the login's name in it.
    "audit": [Call("select demo.audit('x', %(real)s, 'customer', null, null)", ())],
    "find_tenant": [
        Call("select demo.find_tenant('customer')", ()), Call("select demo.find_tenant(null)", ()),
    ],
    "tenant_state": [
        Call("select demo.tenant_state(%(real)s)", ()), Call("select demo.tenant_state(null)", ()),
    ],
    "tenant_lock_key": [Call("select demo.tenant_lock_key(%(real)s)", ())],
    "schema_revision": [Call("select demo.schema_revision()", ())],
    "current_claim": [Call("select * from demo.current_claim()", (), is_alone=True)],
    "claimed_jobs": [Call("select demo.claimed_jobs()", (), is_alone=True)],
    "lock_tenant": [
        Call("select demo.lock_tenant(%(real)s)"), Call("select demo.lock_tenant(%(other)s)"),
    ],
    "delete_tenant": [
        Call("select demo.delete_tenant(%(real)s, null)"), Call("select demo.delete_tenant(%(other)s, null)"),
        Call("select demo.delete_tenant(%(own)s, null)"),
    ],
    # Triggers: nobody calls them by hand, nor hangs them on a table of their own.
    **{
        name: [
            Call(f"select demo.{name}()", ("42501", "0A000")),
            Call(
                f"create trigger t after update on mine for each row execute function demo.{name}()",
                first=("create temp table mine (tenant_id uuid, claim_job_id uuid)",),
            ),
        ]
        for name in (
            "refuse_open_claim", "refuse_audit_change", "keep_provenance", "refuse_unreadable_tenant",
            "refuse_unreadable_month", "refuse_unreadable_job", "refuse_unreadable_lists", "record_edit",
            "forget_edits", "forget_checkpoints",
        )
    },
    # They read what they are given, and nobody has a right to them.
    **{
        name: [Call(f"select demo.{name}({arguments})")]
        for name, arguments in (
            ("row_count", "'1'"), ("is_whole", "'1', 0, 2"), ("is_text", "'1', ''"),
            ("is_month", "'2025-01'"),
            ("is_instant", "now()"), ("figures_problems", "'{}', 2, 'x', true"), ("plan_problems", "'{}'"),
            ("job_problems", "null, 2"), ("list_problems", "'{}'"), ("minor_digits", "%(real)s"),
            ("checkpoint_tables", ""), ("checkpoint_columns", "'deals', '%%I', false"), ("crm_columns", ""),
            ("claimed_tenant", "%(job)s, 'materialise'"), ("checkpoint_differences", "%(other_done)s"),
            ("forget_stored", "array[%(other_done)s]"), ("drop_expired_checkpoints", ""),
            ("store_state", "%(job)s, %(own)s, 'x', false, null"),
        )
    },
    "restore_loader_policies": [Call("select demo.restore_loader_policies()")],
}  # fmt: skip


def _functions(field: Field) -> set[str]:
    with field.database.admin(readonly=True) as conn:
        found = conn.execute(
            "select distinct p.proname from pg_proc p where p.pronamespace in"
            " ('demo'::regnamespace, 'crm'::regnamespace, 'crm_app'::regnamespace)"
        ).fetchall()
    return {name for (name,) in found}


def test_every_function_is_attacked(field: Field) -> None:
    """Whoever adds a function to the schemas adds its attacks here."""
    assert set(CALLS) == _functions(field)


@pytest.mark.risk("P3", "P7", partial=True)
@pytest.mark.parametrize("name", CALLS)
def test_a_function_called_for_a_victim(attacker: Attacker, name: str) -> None:
    """No argument makes a function do something to a tenant, a job or a row of somebody else."""
    for call in CALLS[name]:
        call.made_by(attacker)


@pytest.mark.risk("P3", partial=True)
def test_what_is_told_of_a_customer(attacker: Attacker) -> None:
    """That a slug is taken, and no more: no id, no name, no row."""
    outcome = attacker.tries(
        "select demo.find_tenant('customer')", "select demo.tenant_state(%(real)s)", claim=False
    )
    assert str(attacker.field.real) not in outcome.heard
    assert "'exists': True" in outcome.heard
    assert "'is_demo': False" in outcome.heard
    assert outcome.heard.endswith("(None,)")


@pytest.mark.risk("P3", partial=True)
def test_definer_functions_are_closed(field: Field) -> None:
    """Each runs with a fixed path as a role that cannot log in and owns no table, and never for everybody."""
    with field.database.admin(readonly=True) as conn:
        found = conn.execute(
            "select p.proname, p.proowner::regrole::text, p.prosecdef, p.proconfig,"
            " has_function_privilege('public', p.oid, 'execute') from pg_proc p"
            " where p.pronamespace = 'demo'::regnamespace"
        ).fetchall()
        owned = conn.execute(
            "select count(*) from pg_class where relowner in ('demo_guard'::regrole, 'demo_loader'::regrole)"
            " and relkind <> 'i'"
        ).fetchall()
    assert owned == [(0,)]
    for name, owner, is_definer, config, is_public in found:
        assert not is_public, name
        assert "search_path=pg_catalog, pg_temp" in config, name
        assert not is_definer or owner == "demo_guard", name


def test_a_function_that_is_held(attacker: Attacker) -> None:
    """The other tenant's job cannot be begun while its session holds the tenant."""
    with attacker.field.database.loader() as holder:
        holder.execute("select pg_advisory_lock(demo.tenant_lock_key(%s))", [attacker.field.other])
        outcome = attacker.tries(
            f"select demo.begin_job(%(other)s, %(other_pending)s, {_TERMS}, null)", claim=False
        )
    refused(outcome, HELD)
