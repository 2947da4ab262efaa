"""Powers that a loader does not have: other roles, other sessions, files, programs, the schema itself."""

from __future__ import annotations

from typing import Any, Final

import psycopg
import pytest

from tests.attacks.field import Attacker, Call, passed_by, refused

#: where the server lacks the extension it says so first
ABSENT: Final = ("42501", "0A000", "58P01", "42704")
OURS: Final = ("demo_owner", "demo_guard", "crm_reader", "crm_views", "postgres")

ROLES: Final = {
    **{f"set-role-{role}": Call(f"set role {role}", ("42501", "22023")) for role in OURS},
    **{f"set-local-role-{role}": Call(f"set local role {role}", ("42501", "22023")) for role in OURS},
    **{f"session-{role}": Call(f"set session authorization {role}", ("42501", "22023")) for role in OURS},
    **{
        f"role-setting-{role}": Call(f"select set_config('role', '{role}', false)", ("42501", "22023"))
        for role in OURS
    },
    "reset-role-then-write": Call("delete from crm.contacts", first=("reset role",)),
    "own-role-then-write": Call(
        "insert into crm.tags (tenant_id, name) values (%(real)s, 'x')", first=("set role demo_loader",)
    ),
    "own-session-then-write": Call(
        "insert into crm.tags (tenant_id, name) values (%(real)s, 'x')",
        first=("reset session authorization",),
    ),
    "grant-owner": Call("grant demo_owner to session_user"),
    "grant-guard": Call("grant demo_guard to demo_loader"),
    "grant-loader-on": Call("grant demo_loader to crm_reader"),
    "grant-files": Call("grant pg_read_server_files to demo_loader"),
    "superuser": Call("alter role session_user superuser"),
    "bypass": Call("alter role session_user bypassrls"),
    "create-role": Call("create role mine login superuser"),
    "alter-loader": Call("alter role demo_loader set row_security = off"),
    "alter-reader": Call("alter role crm_reader bypassrls"),
    "password-of-owner": Call("alter role demo_owner login password 'x'"),
    "drop-role": Call("drop role crm_reader", ("42501",)),
    "drop-owned-by-owner": Call("drop owned by demo_owner cascade"),
    "reassign-owned": Call("reassign owned by demo_owner to session_user"),
    "default-privileges-of-owner": Call(
        "alter default privileges for role demo_owner grant all on tables to public"
    ),
}

SETTINGS: Final = {
    "replication-role": Call("set session_replication_role = replica"),
    "row-security-off": Call("select * from crm.contacts", first=("set row_security = off",)),
    "row-security-off-write": Call(
        "update crm.contacts set deleted_at = now()", first=("set row_security = off",)
    ),
    "system-tables": Call("set allow_system_table_mods = on"),
    "preload": Call("set session_preload_libraries = 'x'"),
    "local-preload-write": Call("load '/tmp/evil.so'"),
    "alter-system": Call("alter system set row_security = off", is_alone=True),
    "alter-database": Call("alter database postgres set row_security = off"),
    "catalogue-write": Call("update pg_catalog.pg_class set relrowsecurity = false"),
    "policy-write": Call("delete from pg_catalog.pg_policy"),
    "auth-read": Call("select * from pg_catalog.pg_authid"),
}

FILES: Final = {
    "read-file": Call("select pg_read_file('/etc/passwd')"),
    "read-binary": Call("select pg_read_binary_file('PG_VERSION')"),
    "list-folder": Call("select pg_ls_dir('.')"),
    "list-wal": Call("select pg_ls_waldir()"),
    "stat-file": Call("select pg_stat_file('PG_VERSION')"),
    "import": Call("select lo_import('/etc/passwd')"),
    "export": Call("select lo_export(1, '/tmp/stolen')"),
    "read-hba": Call("select * from pg_hba_file_rules"),
    "copy-to-file": Call("copy crm.contacts to '/tmp/stolen'"),
    "copy-into-temp": Call("copy t from '/etc/passwd'", first=("create temp table t (line text)",)),
    "copy-program": Call("copy t from program 'id'", first=("create temp table t (line text)",)),
    "copy-to-program": Call("copy (select 1) to program 'cat >/tmp/stolen'"),
    "rotate-log": Call("select pg_rotate_logfile()"),
    "reload": Call("select pg_reload_conf()"),
    "switch-wal": Call("select pg_switch_wal()"),
    "checkpoint": Call("checkpoint", is_alone=True),
}

ELSEWHERE: Final = {
    "dblink": Call("create extension dblink", ABSENT),
    "postgres-fdw": Call("create extension postgres_fdw", ABSENT),
    "file-fdw": Call("create extension file_fdw", ABSENT),
    "pageinspect": Call("create extension pageinspect", ABSENT),
    "untrusted-language": Call("create extension plpython3u", ABSENT),
    "wrapper": Call("create foreign data wrapper mine"),
    "server": Call("create server mine foreign data wrapper postgres_fdw", ABSENT),
    "subscription": Call(
        "create subscription mine connection 'host=127.0.0.1' publication p with (connect = false)",
        is_alone=True,
    ),
    "publication": Call("create publication mine for table crm.contacts"),
    "slot": Call("select pg_create_logical_replication_slot('mine', 'pgoutput')", ("42501", "55000")),
    "physical-slot": Call("select pg_create_physical_replication_slot('mine')", ("42501", "55000")),
    "origin": Call("select pg_replication_origin_create('mine')"),
    "event-trigger": Call(
        "create event trigger mine on ddl_command_start execute function demo.keep_provenance()"
    ),
    "c-function": Call("create function pg_temp.c() returns int language c as '$libdir/plpgsql', 'x'"),
    "internal-function": Call("create function pg_temp.i() returns int language internal as 'now'"),
    "new-database": Call("create database mine", is_alone=True),
    "drop-database": Call("drop database postgres", ("42501", "55006"), is_alone=True),
    "tablespace": Call("create tablespace mine location '/tmp'", is_alone=True),
    "new-schema": Call("create schema mine"),
    "language": Call("create trusted language mine handler plpgsql_call_handler", ("42501",)),
}


def _schema_attacks() -> dict[str, Call]:
    found: dict[str, Call] = {}
    for schema in ("crm", "demo", "crm_app", "public"):
        for name, body in {
            "table": "create table {}.mine (id int)",
            "view": "create view {}.mine as select 1 as one",
            "function": "create function {}.mine() returns int language sql as 'select 1'",
            "operator": "create operator {}.=== (leftarg = uuid, rightarg = uuid, function = uuid_eq)",
            "sequence": "create sequence {}.mine",
            "type": "create type {}.mine as enum ('a')",
            "domain": "create domain {}.mine as int",
            "matview": "create materialized view {}.mine as select 1",
            "collation": "create collation {}.mine (locale = 'C')",
            "text-search": "create text search configuration {}.mine (copy = simple)",
        }.items():
            found[f"create-{name}-in-{schema}"] = Call(body.format(schema))
    for name, rest in {
        "disable-row-security": "alter table {} disable row level security",
        "no-force": "alter table {} no force row level security",
        "disable-triggers": "alter table {} disable trigger all",
        "owner": "alter table {} owner to session_user",
        "add-column": "alter table {} add column mine int",
        "drop-column": "alter table {} drop column tenant_id",
        "change-type": "alter table {} alter column deleted_at type text",
        "new-default": "alter table {} alter column created_at set default now()",
        "drop-key": "alter table {0} drop constraint contacts_company_fkey",
        "rename": "alter table {} rename to gone",
        "move": "alter table {} set schema public",
        "autovacuum": "alter table {} set (autovacuum_enabled = off)",
        "inherit": "create temp table child () inherits ({})",
        "policy": "create policy mine on {} using (true)",
        "alter-policy": "alter policy loader_select on {} using (true)",
        "drop-policy": "drop policy owner_all on {}",
        "trigger": "create trigger mine before insert on {} for each row execute function pg_temp.mine()",
        "rule": "create rule mine as on insert to {} do instead nothing",
        "index": "create index on {} (created_at)",
        "statistics": "create statistics pg_temp.mine on first_name, last_name from {}",
        "comment": "comment on table {} is 'x'",
        "column-comment": "comment on column {}.first_name is 'x'",
        "drop": "drop table {} cascade",
        "reindex": "reindex table {}",
        "cluster": "cluster {} using contacts_pkey",
        "reference": "create temp table t (a uuid, b uuid, foreign key (a, b) references {})",
    }.items():
        first: tuple[str, ...] = ()
        if name == "trigger":
            first = (
                (
                    "create function pg_temp.mine() returns trigger language plpgsql as"
                    " $$ begin new.tenant_id := null; return new; end $$"
                ),
            )
        states = ("42P16", "42501") if name == "reference" else ("42501",)
        found[name] = Call(rest.format("crm.contacts"), states, first=first)
    for name, statement in {
        "drop-schema": "drop schema crm cascade",
        "drop-view": "drop view crm_app.contacts",
        "replace-view": "create or replace view crm_app.contacts as select * from crm.contacts",
        "alter-view": "alter view crm_app.contacts reset (security_barrier)",
        "own-view": "alter view crm_app.contacts owner to session_user",
        "drop-function": "drop function demo.current_claim cascade",
        "invoker": "alter function demo.current_claim() security invoker",
        "path-of-function": "alter function demo.current_claim() set search_path = pg_temp",
        "replace-function": "create or replace function demo.current_claim() returns table"
        " (tenant_id uuid, job_id uuid) language sql as 'select null::uuid, null::uuid'",
        "grant-function": "grant execute on function demo.delete_tenant to session_user",
        "grant-ledger": "grant all on demo.job_ledger to session_user",
        "cast": "create cast (uuid as text) without function",
        "drop-claim-index": "drop index demo.tenant_metadata_claim_idx",
        "alter-database-owner": "alter schema public owner to session_user",
        "read-ledger": "select * from demo.job_ledger",
        "read-jobs": "select * from demo.jobs",
        "read-figures": "select * from demo.kpi_monthly",
        "read-audit": "select * from demo.audit_log",
        "write-audit": "insert into demo.audit_log (event) values ('x')",
        "erase-audit": "truncate demo.audit_log",
        "write-ledger": "update demo.job_ledger set tenant_id = %(real)s",
        "make-a-demo-of-it": "insert into demo.tenant_metadata (tenant_id, slug, blueprint, plan, seed,"
        " lists_version, provisioned_at) values (%(real)s, 'x', '{}', '{}', '', '', now())",
        "forge-a-claim": "update demo.tenant_metadata set claim_xid = pg_current_xact_id(), claim_at = now(),"
        " claim_job_id = %(other_running)s where tenant_id = %(other)s",
        "read-through-reader": "select * from crm_app.contacts",
        "schema-version": "update demo.alembic_version set version_num = '0'",
    }.items():
        found[name] = Call(statement)
    return found


#: go through with a warning at most, and change nothing
HARMLESS: Final = {
    "grant-what-it-has": Call("grant select on crm.contacts to public", ()),
    "revoke-from-the-owner": Call("revoke select on crm.contacts from demo_owner", ()),
    "refuse-others": Call("revoke connect on database postgres from public", ()),
    "vacuum": Call("vacuum crm.contacts", (), is_alone=True),
    "vacuum-full": Call("vacuum full crm.contacts", (), is_alone=True),
    "analyze": Call("analyze crm.contacts", ()),
    "notify": Call("notify crm, 'x'", (), first=("listen crm",)),
    "large-object": Call("select lo_unlink(lo_from_bytea(0, 'x'))", ()),
    "discard": Call("discard all", (), is_alone=True),
    "own-defaults": Call(
        "alter default privileges grant execute on functions to public", (),
        first=("alter default privileges revoke all on functions from public",),
    ),
}  # fmt: skip

CALLS: Final = {**ROLES, **SETTINGS, **FILES, **ELSEWHERE, **_schema_attacks(), **HARMLESS}


@pytest.mark.risk("P3")
@pytest.mark.parametrize("name", CALLS)
def test_p03_a_statement_of_the_loader(attacker: Attacker, name: str) -> None:
    """Refused by name, or without effect: rows of real tenants, rights and rules are as they were.

    With a claim, and without one: what a claim does not open is not open without it.
    """
    call = CALLS[name]
    call.made_by(attacker)
    if call.states and not call.is_alone:
        refused(attacker.tries("begin", *call.first, call.statement, claim=False), *call.states)


@pytest.mark.risk("P3", partial=True)
@pytest.mark.parametrize(
    "deed", ["pg_terminate_backend", "pg_cancel_backend", "pg_log_backend_memory_contexts"]
)
def test_other_sessions_go_on(attacker: Attacker, deed: str) -> None:
    """The session of an application or of an administrator can neither be ended nor disturbed."""
    with attacker.field.database.admin() as admin:
        attacker.names["pid"] = admin.info.backend_pid
        refused(attacker.tries(f"select {deed}(%(pid)s)"))
        refused(attacker.tries(f"select {deed}(%(pid)s)", claim=False))
        assert admin.execute("select 1").fetchone() == (1,)


@pytest.mark.risk("G6", partial=True)
def test_what_others_ask_is_not_shown(attacker: Attacker) -> None:
    """What other logins ask stays hidden; so do their prepared statements and cursors."""
    with attacker.field.database.admin() as admin:
        admin.execute("select 'Zephyrine'")
        attacker.names["pid"] = admin.info.backend_pid
        seen = attacker.tries(
            "select query from pg_stat_activity where pid = %(pid)s",
            "select * from pg_prepared_statements",
            "select * from pg_cursors",
            claim=False,
        )
        passed_by(seen)
        assert seen.heard == "('<insufficient privilege>',)"


def test_a_typing_error_is_no_defence(attacker: Attacker) -> None:
    """What the other tests take as a refusal is never a mistake in their own statements."""
    for statement, state in (
        ("selec", "42601"),
        ("table crm.nothing", "42P01"),
        ("select demo.no()", "42883"),
    ):
        outcome = attacker.tries(statement)
        assert outcome.state == state
        with pytest.raises(AssertionError):
            refused(outcome)
    mistakes = {"42601", "42P01", "42883", "42703"}
    assert not [name for name, call in CALLS.items() if mistakes & set(call.states)]


def _is_superuser(conn: psycopg.Connection[Any]) -> bool:
    return conn.execute("select rolsuper from pg_roles where rolname = session_user").fetchall()[0][0]


def test_the_attacker_is_what_jobs_are(attacker: Attacker) -> None:
    """The login of the attacks is a member of one role, without any attribute."""
    assert not _is_superuser(attacker.conn)
    found = attacker.run(
        "select r.rolname from pg_auth_members m join pg_roles r on r.oid = m.roleid"
        " where m.member = session_user::regrole"
    )
    assert found == [("demo_loader",)]
