"""What carries a right or a look across its end, or slips something under the guard: none of it works."""

from __future__ import annotations

from typing import Final

import psycopg
import pytest
from psycopg import errors

from demo_pipeline.domain.core.errors import BusyError
from demo_pipeline.services.months.materialise import materialise
from demo_pipeline.settings import Settings
from demo_pipeline.storage.ledger import job_ledger
from tests.attacks.field import MARK, Attacker, Field, passed_by, refused
from tests.fixtures.ledger_steps import finish
from tests.services.builders import make_tenant

_TAG: Final = "insert into crm.tags (tenant_id, name) values ({}, 'x')"
_TELL: Final = """
create function pg_temp.tell(text) returns boolean language plpgsql cost 0.0001 as
$$ begin raise notice '%%', $1; return true; end $$
"""

PLANTED: Final = {
    "table": "create temp table tenant_metadata as select %(real)s::uuid as tenant_id",
    "ledger": "create temp table job_ledger as select %(real)s::uuid as tenant_id, %(row)s::uuid as id",
    "crm-table": "create temp table tags (tenant_id uuid, name text)",
    "view": "create temp view tenants as select %(real)s::uuid as id, 'own' as slug",
    "now": "create function pg_temp.now() returns timestamptz language sql as 'select null::timestamptz'",
    "claim": "create function pg_temp.current_claim() returns table (tenant_id uuid, job_id uuid)"
    " language sql"
    " as 'select gen_random_uuid(), gen_random_uuid()'",
    "transaction": "create function pg_temp.pg_current_xact_id_if_assigned() returns xid8 stable return"
    " '9'::xid8",
    "equality": "create function pg_temp.same(uuid, uuid) returns boolean language sql as 'select true';"
    " create operator pg_temp.= (leftarg = uuid, rightarg = uuid, function = pg_temp.same)",
    "any-equality": "create function pg_temp.same(anyelement, anyelement) returns boolean language sql as"
    " 'select true'; create operator pg_temp.= (leftarg = anyelement, rightarg = anyelement,"
    " function = pg_temp.same)",
    "uuid-type": "create domain pg_temp.uuid as pg_catalog.uuid",
    "text-type": "create type pg_temp.text as enum ('a')",
    "cast": "create type pg_temp.mine as (x uuid); create function pg_temp.to_uuid(pg_temp.mine) returns uuid"
    " language sql as 'select $1.x'; create cast (pg_temp.mine as uuid) with function"
    " pg_temp.to_uuid(pg_temp.mine) as implicit",
    "has-role": "create function pg_temp.pg_has_role(name, text, text) returns boolean language sql as"
    " 'select true'",
    "coalesce-like": "create function pg_temp.hashtextextended(text, bigint) returns bigint language sql"
    " as 'select 0'",
    "view-of-victims": "create temp view all_of_it with (security_barrier = false) as select * from"
    " crm.contacts",
    "definer": "create function pg_temp.steal() returns setof crm.contacts language sql security definer as"
    " 'select * from crm.contacts'",
}


@pytest.mark.risk("P3", partial=True)
@pytest.mark.parametrize("name", PLANTED)
@pytest.mark.parametrize("path", ["pg_temp, demo, crm, pg_catalog", "pg_temp, pg_catalog, public", ""])
def test_planted_in_front(attacker: Attacker, name: str, path: str) -> None:
    """A table, type, function, operator, cast or view of the loader's own does not mislead the guard."""
    attacker.run("set client_min_messages = warning")
    attacker.run(PLANTED[name])
    attacker.run(f"set search_path = {path}" if path else "set search_path = ''")
    refused(attacker.tries(_TAG.format("%(real)s")))
    refused(attacker.tries(_TAG.format("%(other)s")))
    refused(attacker.tries(_TAG.format("%(own)s"), claim=False))
    seen = attacker.tries("select * from crm.contacts where tenant_id <> %(own)s", claim=True)
    passed_by(seen)
    if name == "view-of-victims":
        passed_by(attacker.tries("select * from pg_temp.all_of_it where tenant_id <> %(own)s"))
    if name == "definer":
        passed_by(attacker.tries("select * from pg_temp.steal() where tenant_id <> %(own)s"))
    # And the guard still works for who uses it as it is meant.
    passed_by(attacker.tries(_TAG.format("%(own)s")))


@pytest.mark.risk("P7", partial=True)
def test_after_the_claim_has_ended(attacker: Attacker) -> None:
    """Prepared statements, cursors and savepoints carry no right over the end of a claim."""
    attacker.run("prepare writing (uuid) as insert into crm.tags (tenant_id, name) values ($1, 'x')")
    attacker.run("prepare reading as select * from crm.contacts")
    attacker.claim()
    attacker.run("declare held cursor with hold for select tenant_id from crm.contacts")
    attacker.run("execute writing (%(own)s)")
    assert attacker.run("execute reading")
    attacker.run("savepoint s")
    with pytest.raises(errors.InsufficientPrivilege):
        attacker.run("execute writing (%(real)s)")
    attacker.run("rollback to s")
    finish(attacker.conn, attacker.names["job"])
    attacker.run("savepoint s")
    with pytest.raises(errors.InsufficientPrivilege):
        attacker.run("execute writing (%(own)s)")
    attacker.run("rollback to s")
    assert attacker.run("execute reading") == []
    attacker.conn.execute("commit")
    assert set(attacker.run("fetch all from held")) == {(attacker.field.own,)}
    assert attacker.run("execute reading") == []
    for victim in ("own", "real", "other"):
        with pytest.raises(errors.InsufficientPrivilege):
            attacker.run(f"execute writing (%({victim})s)")


@pytest.mark.risk("P7", partial=True)
def test_a_claim_that_was_rolled_back(attacker: Attacker) -> None:
    """The claim goes with its savepoint, and a finish that is rolled back leaves nothing to commit."""
    attacker.claim()
    attacker.conn.rollback()
    job = attacker.names["job"]
    attacker.run("begin; savepoint s")
    job_ledger.claim_job(attacker.conn, attacker.field.own, job)
    attacker.run("rollback to s")
    attacker.run("savepoint t")
    with pytest.raises(errors.InsufficientPrivilege):
        attacker.run(_TAG.format("%(own)s"))
    attacker.run("rollback to t")
    job_ledger.claim_job(attacker.conn, attacker.field.own, job)
    attacker.run("savepoint f")
    finish(attacker.conn, job)
    attacker.run("set constraints all immediate")
    attacker.run("rollback to f")
    attacker.run(_TAG.format("%(own)s"))
    with pytest.raises(psycopg.Error, match="not finished"):
        attacker.run("commit")


@pytest.mark.risk("P7", partial=True)
@pytest.mark.parametrize(
    "way",
    ["set constraints all immediate", "set constraints demo.tenant_metadata_open_claim immediate", "commit",
     "commit and chain", "prepare transaction 'mine'"],
)  # fmt: skip
def test_a_claim_cannot_be_kept(attacker: Attacker, way: str) -> None:
    """Neither committed, nor chained, nor prepared for two phases: the claim is finished or gone."""
    attacker.claim()
    attacker.run(_TAG.format("%(own)s"))
    with pytest.raises(psycopg.Error) as caught:
        attacker.run(way)
    assert caught.value.sqlstate in ({"DP005", "55000"} if "prepare" in way else {"DP005", "42501", "3F000"})
    attacker.conn.rollback()
    assert attacker.run("select * from demo.current_claim()") == []
    assert attacker.run("select * from pg_prepared_xacts") == []


@pytest.mark.risk("P7", partial=True)
def test_a_claim_is_not_lent(attacker: Attacker) -> None:
    """A second session that takes over the first one's snapshot has its look and not its claim."""
    attacker.claim()
    attacker.names["snapshot"] = attacker.run("select pg_export_snapshot()")[0][0]
    with Attacker(attacker.field) as second:
        second.names = attacker.names
        second.run("begin isolation level repeatable read")
        second.run("set transaction snapshot %(snapshot)s")
        assert second.run("select * from crm.contacts") == []
        assert second.run("select * from demo.current_claim()") == []
        with pytest.raises(errors.InsufficientPrivilege):
            second.run(_TAG.format("%(own)s"))


@pytest.mark.risk("P7", partial=True)
def test_ended_amid_a_statement(attacker: Attacker) -> None:
    """A function that ends the claim while rows are made opens nobody else's tenant for the rows after it."""
    attacker.run(
        "create function pg_temp.end_it(n int, job uuid) returns uuid language plpgsql volatile as $$ begin"
        " if n = 2 then perform demo.finish_job(job, null, null, null, null, null, null, null); end if;"
        " return null; end $$"
    )
    for victim in ("real", "other"):
        refused(
            attacker.tries(
                "insert into crm.tags (tenant_id, name, id) select case when n < 3 then %(own)s else"
                f" %({victim})s end, 'x', coalesce(pg_temp.end_it(n, %(job)s), gen_random_uuid())"
                " from generate_series(1, 5) n"
            )
        )


@pytest.mark.risk("G6", partial=True)
@pytest.mark.parametrize("column", ["first_name", "status"])
def test_a_leaky_condition_sees_nothing(attacker: Attacker, column: str) -> None:
    """No cheap function, cast or operator with an estimator is shown a row, or a statistic, of others."""
    attacker.run(_TELL)
    attacker.run(
        "create function pg_temp.less(text, text) returns boolean language plpgsql cost 0.0001 as"
        " $$ begin raise notice '%%', $1; return true; end $$;"
        " create operator pg_temp.<<< (leftarg = text, rightarg = text, function = pg_temp.less,"
        " restrict = scalarltsel)"
    )
    for claim in (True, False):
        for condition in (
            f"pg_temp.tell({column})",
            f"{column} operator(pg_temp.<<<) 'a'",
            f"length({column}) / (length({column}) - {len(MARK)}) > 0",
            f"tenant_id = %(real)s and {column}::int = 1",
            f"case when tenant_id = %(other)s then {column}::int = 1 else pg_temp.tell({column}) end",
        ):
            for before in ("", "explain ", "explain analyze "):
                outcome = attacker.tries(
                    f"{before}select count(*) from crm.contacts where {condition}", claim=claim
                )
                passed_by(outcome)
    passed_by(attacker.tries("select * from pg_stats where schemaname = 'crm'", claim=False))
    assert attacker.run("select * from pg_stats where schemaname = 'crm'") == []
    assert attacker.run("select * from pg_stats_ext") == []
    refused(attacker.tries("select * from pg_statistic"))


@pytest.mark.risk("G6", partial=True)
def test_what_explain_and_counters_tell(attacker: Attacker) -> None:
    """How many rows all tenants have together is told, and left open on purpose; their content is not."""
    passed_by(attacker.tries("explain (analyze, verbose, costs off) select * from crm.contacts"))
    passed_by(
        attacker.tries(
            "select n_tup_ins from pg_stat_user_tables where relname = 'contacts'",
            "select reltuples from pg_class where relname = 'contacts'",
            claim=False,
        )
    )


@pytest.mark.risk("G6", partial=True)
@pytest.mark.parametrize("victim", ["real", "other"])
def test_no_oracle_of_keys(attacker: Attacker, victim: str) -> None:
    """A row of a victim's key that exists, and one that does not, are refused with the same words."""
    told: set[str] = set()
    for row in (f"%({victim}_tags)s", "%(row)s"):
        outcome = attacker.tries(
            f"insert into crm.tags (tenant_id, id, name) values (%({victim})s, {row}, 'x')"
        )
        refused(outcome)
        told.add(outcome.message)
    assert len(told) == 1
    # In the own tenant a victim's id is as free as any.
    passed_by(
        attacker.tries(f"insert into crm.tags (tenant_id, id, name) values (%(own)s, %({victim}_tags)s, 'x')")
    )


@pytest.mark.risk("P3", partial=True)
def test_a_stolen_lock_delays_and_no_more(
    attacker: Attacker, field: Field, database_settings: Settings
) -> None:
    """Who takes the scheduling lock, or that of the rate limit, makes jobs wait: exit 5, no row."""
    settings = database_settings.model_copy(
        update={"database_url": field.database.admin_url, "loader_url": field.database.loader_url,
                "wait_seconds": 0.2}
    )  # fmt: skip
    with field.database.admin(readonly=True) as conn:
        has_any = conn.execute("select 1 from crm.tenants where slug = 'delayed'").fetchone()
    slug = "delayed" if has_any else make_tenant(field.database, settings, slug="delayed")
    with field.database.admin(readonly=True) as conn:
        attacker.names["delayed"] = conn.execute(
            "select id from crm.tenants where slug = 'delayed'"
        ).fetchall()[0][0]
    attacker.run("select pg_advisory_lock(demo.tenant_lock_key(%(delayed)s))")
    with pytest.raises(BusyError) as caught:
        materialise(field.database, settings, slug)
    assert caught.value.exit_code == 5
    attacker.run("select pg_advisory_unlock_all()")
    assert not materialise(field.database, settings, slug).already_applied
