"""Rows of the victims, table by table, statement by statement: none comes, none goes, none changes."""

from __future__ import annotations

from typing import Final

import pytest

from tests.attacks.field import ALL_TABLES, DENIED, PASSED, TABLES, TEXTS, Attacker, passed_by, refused
from tests.fixtures.ledger_steps import GENERATED

VICTIMS: Final = ("real", "other")
#: the column list and values of a row that would be sound in the claimed tenant
PROVENANCE: Final = ", created_at, demo_generated, demo_job_id, demo_source_month"
IN_JANUARY: Final = ", '2025-01-15 12:00Z'::timestamptz, true, {job}::uuid, '2025-01'"


def columns(table: str) -> str:
    """Columns of a whole row."""
    match table:
        case "tenants":
            return "id, slug, name"
        case "contact_tags":
            return "tenant_id, id, contact_id, tag_id"
        case _:
            return f"tenant_id, id, {TEXTS[table]}" + (PROVENANCE if table in GENERATED else "")


def values(table: str, tenant: str, row: str = "gen_random_uuid()", job: str = "%(job)s") -> str:
    """Values for ``columns``; ``tenant`` names who gets the row."""
    match table:
        case "tenants":
            return f"%({tenant})s, 'taken', 'x'"
        case "contact_tags":
            return f"%({tenant})s, {row}, %({tenant}_contacts)s, %({tenant}_tags)s"
        case _:
            more = IN_JANUARY.format(job=job) if table in GENERATED else ""
            return f"%({tenant})s, {row}, 'x'{more}"


def against(
    attacker: Attacker, statement: str, *states: str, claims: tuple[bool, ...] = (True, False)
) -> None:
    """The statement, ``VICTIM`` put in, with a claim and without one, is refused each time."""
    attacker.names.setdefault("job", attacker.names["own_pending"])
    for victim in VICTIMS:
        for claim in claims:
            refused(attacker.tries(statement.replace("VICTIM", victim), claim=claim), *(states or (DENIED,)))


@pytest.mark.risk("P3", "P7", partial=True)
@pytest.mark.parametrize("table", ALL_TABLES)
def test_insert(attacker: Attacker, table: str) -> None:
    """A row for a victim is refused, alone, among good ones, from a query, and with RETURNING."""
    plain = f"insert into crm.{table} ({columns(table)}) "
    wrong = f"({values(table, 'VICTIM')})"
    against(attacker, plain + "values " + wrong)
    against(attacker, plain + "values " + wrong + " returning *")
    against(attacker, plain + f"select {wrong[1:-1]}")
    against(attacker, f"with made as ({plain} values {wrong} returning 1) select * from made")
    if table != "tenants":
        good = f"({values(table, 'own')})" if table != "contact_tags" else wrong
        against(attacker, plain + f"values {good}, {wrong}", claims=(True,))


@pytest.mark.risk("P3", "P7", partial=True)
@pytest.mark.parametrize("table", ALL_TABLES)
def test_upsert_and_merge_of_a_row_that_is_there(attacker: Attacker, table: str) -> None:
    """ON CONFLICT and MERGE neither change a victim's row nor tell whether its id exists."""
    key = "id" if table == "tenants" else "tenant_id, id"
    first = key.partition(",")[0]
    row = "%(VICTIM)s" if table == "tenants" else f"%(VICTIM_{table})s"
    plain = f"insert into crm.{table} as t ({columns(table)}) values "
    there, absent = (f"({values(table, 'VICTIM', one)})" for one in (row, "%(row)s"))
    against(attacker, plain + there)
    for tail in (
        "on conflict do nothing",
        f"on conflict ({key}) do nothing",
        f"on conflict ({key}) do update set deleted_at = now()",
        f"on conflict ({key}) do update set {first} = excluded.{first}",
    ):
        against(attacker, f"{plain} {there} {tail}")
        against(attacker, f"{plain} {absent} {tail}")
    match_on = f"t.{first} = %(VICTIM)s"
    merge = f"merge into crm.{table} t using (select 1) s on "
    against(attacker, f"{merge} {match_on} when matched then delete")
    against(
        attacker,
        f"{merge} {match_on} when not matched then insert ({columns(table)})"
        f" values ({values(table, 'VICTIM', row)})",
    )
    against(attacker, f"{merge} true when matched then update set {first} = %(VICTIM)s")


@pytest.mark.risk("P3", "P7", partial=True)
@pytest.mark.parametrize("table", ALL_TABLES)
def test_copy(attacker: Attacker, table: str) -> None:
    """COPY FROM goes past no policy; COPY TO shows the claimed tenant's rows and nobody else's."""
    states = (DENIED,) if table == "tenants" else ("0A000",)
    against(attacker, f"copy crm.{table} from stdin", *states)
    against(attacker, f"copy crm.{table} from '/etc/passwd'", DENIED)
    against(attacker, f"copy crm.{table} from program 'true'", DENIED)
    against(attacker, f"copy crm.{table} to program 'true'", DENIED)
    against(attacker, f"copy (select * from crm.{table}) to '/tmp/stolen'", DENIED)
    for claim in (True, False):
        if claim:
            attacker.claim()
        with attacker.conn.cursor().copy(f"copy (select * from crm.{table}) to stdout".encode()) as copy:
            told = b"".join(bytes(piece) for piece in copy).decode()
        for victim in VICTIMS:
            assert str(attacker.names[victim]) not in told
        assert (str(attacker.names["own"]) in told) == claim
        attacker.conn.rollback()


@pytest.mark.risk("P3", "P7", partial=True)
@pytest.mark.parametrize("table", ALL_TABLES)
def test_update(attacker: Attacker, table: str) -> None:
    """No row moves in or out of a tenant, no visible column changes, and hiding meets the own rows alone."""
    key = "id" if table == "tenants" else "tenant_id"
    against(attacker, f"update crm.{table} set {key} = %(VICTIM)s where {key} = %(own)s")
    against(attacker, f"update crm.{table} set {key} = %(own)s where {key} = %(VICTIM)s")
    against(attacker, f"update crm.{table} set id = gen_random_uuid() where {key} = %(VICTIM)s")
    text = TEXTS[table] or "tag_id"
    against(attacker, f"update crm.{table} set {text} = default where {key} = %(VICTIM)s")
    against(attacker, f"update crm.{table} set created_at = now()")
    if table == "tenants":
        against(attacker, "update crm.tenants set deleted_at = now()")
        return
    for claim in (True, False):
        outcome = attacker.tries(
            f"update crm.{table} set deleted_at = now(), updated_at = now() where tenant_id <> %(own)s",
            f"update crm.{table} t set deleted_at = now() from crm.{table} v where v.tenant_id <> %(own)s",
            f"select id from crm.{table} where tenant_id <> %(own)s for update",
            f"with hidden as (update crm.{table} set deleted_at = now() where tenant_id = %(real)s"
            " returning *) select * from hidden",
            claim=claim,
        )
        passed_by(outcome)
        assert outcome.counts == (0, 0, 0, 0)
    # Without a condition and a result only the policy of UPDATE stands between.
    for claim in (True, False):
        bare = f"update crm.{table} set deleted_at = "
        passed_by(attacker.tries(bare + "now()", bare + "null", claim=claim))
    # It is the own tenant's rows that are hidden and brought back.
    hidden = attacker.tries(
        f"update crm.{table} set deleted_at = now() returning tenant_id",
        f"update crm.{table} set deleted_at = null returning tenant_id",
    )
    passed_by(hidden)
    assert hidden.counts[0] == hidden.counts[1] >= 1
    assert not any(str(attacker.names[victim]) in hidden.heard for victim in VICTIMS)


@pytest.mark.risk("P3", "P7", partial=True)
@pytest.mark.parametrize("table", ALL_TABLES)
def test_delete_truncate_and_lock(attacker: Attacker, table: str) -> None:
    """Nothing is deleted, and customers cannot be locked out of a table."""
    key = "id" if table == "tenants" else "tenant_id"
    against(attacker, f"delete from crm.{table} where {key} = %(VICTIM)s")
    against(attacker, f"delete from crm.{table}")
    against(attacker, f"truncate crm.{table}")
    against(attacker, f"truncate only crm.{table} restart identity cascade")
    for mode in ("access exclusive", "exclusive", "share row exclusive", "share", "share update exclusive"):
        refused(attacker.tries(f"lock table crm.{table} in {mode} mode"))


@pytest.mark.risk("P3", "P7", partial=True)
@pytest.mark.parametrize("table", TABLES)
def test_one_wrong_row_in_ten_thousand(attacker: Attacker, table: str) -> None:
    """Somewhere amid a big statement is a victim's row: all ten thousand are refused."""
    before = attacker.field.own_row_count()
    more = IN_JANUARY.format(job="%(job)s") if table in GENERATED else ""
    for victim in VICTIMS:
        if table == "contact_tags":
            made = (
                f"case when n = 7777 then %({victim})s else %(own)s end, gen_random_uuid(),"
                f" case when n = 7777 then %({victim}_contacts)s else %(own_contacts)s end, gen_random_uuid()"
            )
        else:
            made = f"case when n = 7777 then %({victim})s else %(own)s end, gen_random_uuid(), 'x' || n{more}"
        refused(
            attacker.tries(
                f"insert into crm.{table} ({columns(table)}) select {made} from generate_series(1, 10000) n"
            )
        )
    assert attacker.field.own_row_count() == before


@pytest.mark.risk("P7", partial=True)
@pytest.mark.parametrize("table", GENERATED)
@pytest.mark.parametrize(
    ("job", "state"),
    [
        ("%(other_running)s", DENIED),
        ("%(other_done)s", DENIED),
        ("%(other_pending)s", DENIED),
        ("%(own_done)s", DENIED),
        ("%(own_pending)s", DENIED),
        ("null", DENIED),
        ("%(row)s", DENIED),
    ],
    ids=["anothers-running", "anothers-completed", "anothers-pending", "own-completed", "own-pending",
         "none", "unknown"],
)  # fmt: skip
def test_wrong_job(attacker: Attacker, table: str, job: str, state: str) -> None:
    """A row under a job that is not claimed is refused, also where one of a hundred has it."""
    plain = f"insert into crm.{table} ({columns(table)}) "
    refused(attacker.tries(f"{plain} values ({values(table, 'own', job=job)})"), state)
    mixed = values(table, "own", job=f"(case when n = 50 then {job} else %(job)s end)")
    refused(attacker.tries(f"{plain} select {mixed} from generate_series(1, 100) n"), state)


@pytest.mark.risk("P7", partial=True)
@pytest.mark.parametrize("table", GENERATED)
def test_wrong_provenance(attacker: Attacker, table: str) -> None:
    """A row without provenance, of another month, or with another's job put on afterwards is refused."""
    plain = f"insert into crm.{table} ({columns(table)}) values (%(own)s, gen_random_uuid(), 'x', "
    for rest, state in (
        ("'2025-01-15Z', false, %(job)s, '2025-01')", DENIED),
        ("'2025-01-15Z', null, %(job)s, '2025-01')", DENIED),
        ("'2025-01-15Z', true, %(job)s, '2025-02')", DENIED),
        ("'2025-01-15Z', true, %(job)s, null)", DENIED),
    ):
        refused(attacker.tries(plain + rest), state)
    for victim in ("other_done", "other_running", "real", "row"):
        outcome = attacker.tries(
            f"update crm.{table} set demo_job_id = %({victim})s where id = %(own_{table})s"
        )
        refused(outcome, DENIED)
        assert "written once" in outcome.message


REFERENCES: Final = [
    ("companies", "owner_id", "users"), ("contacts", "company_id", "companies"),
    ("contacts", "owner_id", "users"), ("deals", "contact_id", "contacts"),
    ("deals", "company_id", "companies"), ("deals", "stage_id", "pipeline_stages"),
    ("deals", "owner_id", "users"), ("activities", "contact_id", "contacts"),
    ("activities", "company_id", "companies"), ("activities", "deal_id", "deals"),
    ("activities", "created_by_id", "users"), ("contact_tags", "contact_id", "contacts"),
    ("contact_tags", "tag_id", "tags"),
]  # fmt: skip


@pytest.mark.risk("G6", "P7", partial=True)
@pytest.mark.parametrize(("table", "column", "parent"), REFERENCES)
def test_parent_of_another_tenant(attacker: Attacker, table: str, column: str, parent: str) -> None:
    """A row of the own tenant cannot hang on a victim's, also where one of a hundred does."""
    before = attacker.field.own_row_count()
    for victim in VICTIMS:
        wrong = f"case when n = 50 then %({victim}_{parent})s else %(own_{parent})s end"
        if table == "contact_tags":
            names = "tenant_id, id, contact_id, tag_id"
            # Each good one under a contact of its own, or the pair would be there already.
            pair = {"contact_id": "%(own_contacts)s", "tag_id": "%(own_tags)s"}
            pair[column] = f"%({victim}_{parent})s"
            made = f"%(own)s, gen_random_uuid(), {pair['contact_id']}, {pair['tag_id']}"
            statement = f"insert into crm.contact_tags ({names}) select {made}"
        else:
            statement = (
                f"insert into crm.{table} ({columns(table)}, {column}) select {values(table, 'own')}, {wrong}"
                " from generate_series(1, 100) n"
            )
        outcome = attacker.tries("set constraints all deferred", statement)
        refused(outcome, "23503")
        assert column.removesuffix("_id").replace("created_by", "creat") in outcome.message
    assert attacker.field.own_row_count() == before


SETTINGS: Final = (
    "app.tenant_id", "demo.tenant_id", "demo.job_id", "demo.current_claim", "app.role", "crm.tenant_id",
    "request.jwt.claims",
)  # fmt: skip


@pytest.mark.risk("P3", "G6", partial=True)
@pytest.mark.parametrize("setting", SETTINGS)
def test_wrong_tenant_in_a_setting(attacker: Attacker, setting: str) -> None:
    """No setting makes the loader somebody's: a victim's rows stay out of sight and reach."""
    for victim in VICTIMS:
        put = f"select set_config('{setting}', %({victim})s::text, false)"
        for claim in (True, False):
            seen = attacker.tries(
                put, f"select * from crm.contacts where tenant_id = %({victim})s", claim=claim
            )
            passed_by(seen)
            assert seen.counts[1] == 0
        write = f"insert into crm.companies ({columns('companies')}) values ({values('companies', victim)})"
        refused(attacker.tries(put, write))
        refused(attacker.tries(put, "select * from crm_app.contacts"))


@pytest.mark.risk("G6", partial=True)
@pytest.mark.parametrize("table", ALL_TABLES)
def test_reading(attacker: Attacker, table: str) -> None:
    """The loader sees its claimed tenant and nothing else; without a claim it sees nothing at all."""
    key = "id" if table == "tenants" else "tenant_id"
    seen = attacker.tries(f"select distinct {key} from crm.{table}")
    assert seen.state is PASSED
    assert seen.heard == f"({attacker.names['own']!r},)"
    nothing = attacker.tries(f"select * from crm.{table}", f"table crm.{table}", claim=False)
    assert (nothing.state, nothing.counts) == (PASSED, (0, 0))
