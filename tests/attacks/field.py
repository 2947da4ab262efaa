"""The field of the attacks: two victims, an attacker who knows all of SQL, and what must not change.

The victims are a real customer, entered as the CRM's application enters rows, and a demo tenant of somebody
else. The attacker is a login that is a member of ``demo_loader`` and of nothing else, with a demo tenant of
its own; our Python stands nowhere between it and the database. ``Field.state`` is everything of the victims
and every right in the catalogue, as text. Which attacks there are belongs to the tests.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Self
from uuid import UUID, uuid4

import psycopg
from psycopg import Connection, sql

from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.ledger import job_ledger
from tests.fixtures.embedded_server import wait_until
from tests.fixtures.ledger_steps import (
    GENERATED,
    a_request,
    begun,
    finish,
    insert_generated,
    provisioned,
    under_claim,
)
from tests.fixtures.postgres import PostgresServer, new_database

Conn = Connection[Any]

#: a word that is in every text of the victims and nowhere else
MARK: Final = "Zephyrine"
#: what a person entered, and what a loader may not even name
TABLES: Final = ("users", "pipeline_stages", "tags", "contact_tags", *GENERATED)
ALL_TABLES: Final = ("tenants", *TABLES)
#: a visible text of each table
TEXTS: Final = {
    "tenants": "name", "users": "email", "pipeline_stages": "name", "tags": "name", "companies": "name",
    "contacts": "first_name", "deals": "title", "activities": "subject", "contact_tags": None,
}  # fmt: skip
#: refused for want of a right, or by a row-level policy
DENIED: Final = "42501"
PASSED: Final = None

#: Every right, rule and function that the guard is made of, and the roles that it speaks of.
CATALOGUE: Final = """
with ours as (select oid from pg_namespace where nspname in ('crm', 'crm_app', 'demo', 'public'))
select 'schema' as what, concat_ws(' ', nspname, nspowner::regrole, nspacl) as says
from pg_namespace where nspname !~ '^pg_'
union all select 'relation', concat_ws(' ', oid::regclass, relkind, relowner::regrole, relacl,
    relrowsecurity, relforcerowsecurity, relhassubclass, reloptions, obj_description(oid, 'pg_class'))
from pg_class where relnamespace in (select oid from ours)
union all select 'column', concat_ws(' ', attrelid::regclass, attname, atttypid::regtype, attnotnull, attacl)
from pg_attribute join pg_class c on c.oid = attrelid
where c.relnamespace in (select oid from ours) and attnum > 0
union all select 'policy', to_jsonb(p)::text from pg_policies p
union all select 'trigger', concat_ws(' ', tgrelid::regclass,
    case when tgisinternal then tgname::text else pg_get_triggerdef(oid) end, tgenabled)
from pg_trigger
union all select 'constraint', concat_ws(' ', conrelid::regclass, conname, pg_get_constraintdef(oid))
from pg_constraint where connamespace in (select oid from ours)
union all select 'function', concat_ws(' ', oid::regprocedure, proowner::regrole, prosecdef, proacl,
    proconfig, prosrc)
from pg_proc where pronamespace in (select oid from ours)
union all select 'rule', pg_get_ruledef(oid) from pg_rewrite
where ev_class in (select oid from pg_class where relnamespace in (select oid from ours))
union all select 'role', to_jsonb(r)::text from pg_roles r
where rolname in ('demo_owner', 'demo_guard', 'demo_loader', 'crm_reader', 'crm_views')
union all select 'member', concat_ws(' ', roleid::regrole, member::regrole, admin_option)
from pg_auth_members
where roleid::regrole::text in ('demo_owner', 'demo_guard', 'crm_reader', 'crm_views')
    or member::regrole::text in ('demo_owner', 'demo_guard', 'demo_loader', 'crm_reader', 'crm_views')
union all select 'database', concat_ws(' ', datname, datacl) from pg_database
where datname = current_database()
union all select 'extension', extname from pg_extension
union all select 'server', srvname from pg_foreign_server
union all select 'default', to_jsonb(d)::text from pg_default_acl d
"""
#: and every row of the victims, with the transaction that wrote it
_STATE: Final = (
    f"with victims as materialized (select unnest(%s::uuid[]) as v), catalogue as ({CATALOGUE})"
    " select what, says from catalogue "
    + " ".join(
        f"union all select '{table}', {says} from {table} r"
        f" where {'id' if table == 'crm.tenants' else 'tenant_id'} in (select v from victims)"
        for table, says in {
            **{f"crm.{name}": "concat_ws(' ', r, xmin)" for name in ALL_TABLES},
            **dict.fromkeys(
                (
                    "demo.tenant_metadata",
                    "demo.tenant_months",
                    "demo.job_months",
                    "demo.job_ledger",
                    "demo.hero_accounts",
                    "demo.checkpoints",
                    *(f"demo.checkpoint_{name}" for name in TABLES),
                ),
                "r::text",
            ),
        }.items()
    )
)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How an attempt ended."""

    #: SQLSTATE of the refusal; none: every statement went through and was committed
    state: str | None
    message: str = ""
    #: rows that the statements met or returned, in their order
    counts: tuple[int, ...] = ()
    #: everything that the server said: rows, notices, error texts
    heard: str = ""


@dataclass(frozen=True, kw_only=True)
class Field:
    """A database with the victims and the attacker's own tenant in it."""

    database: Database
    #: a session of the administrator, to look with
    admin: Conn
    #: the customer, the other demo tenant, the attacker's own
    real: UUID
    other: UUID
    own: UUID
    #: what statements may name as ``%(name)s``: tenants, jobs, and a row of each table of each tenant
    names: Mapping[str, Any]

    def state(self) -> list[tuple[Any, ...]]:
        """Everything that no attack may change."""
        return sorted(self.admin.execute(_STATE.encode(), [[self.real, self.other]], prepare=True).fetchall())

    def own_row_count(self) -> int:
        """Rows of the attacker's tenant in the four tables with provenance."""
        with self.database.admin(readonly=True) as conn:
            counts = [
                conn.execute(
                    sql.SQL("select count(*) from crm.{} where tenant_id = %s").format(sql.Identifier(table)),
                    [self.own],
                ).fetchall()[0][0]
                for table in GENERATED
            ]
        return sum(counts)


_SESSION: Final = "SELECT 1 FROM pg_stat_activity WHERE pid = %s"


class Attacker:
    """A session of the loader's login."""

    def __init__(self, battle: Field) -> None:
        assert battle.database.loader_url is not None
        self.field = battle
        self.conn = psycopg.connect(battle.database.loader_url, autocommit=True)
        self.names: dict[str, Any] = dict(battle.names)
        self._heard: list[str] = []
        self.conn.add_notice_handler(lambda notice: self._heard.append(str(notice.message_primary)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pid = self.conn.info.backend_pid
        self.conn.close()
        # The server drops the temporary objects of a session after the client has left.
        wait_until(lambda: not self.field.admin.execute(_SESSION, [pid]).fetchall())

    def claim(self) -> UUID:
        """Open a job of its own, begin a transaction, and claim: all that a loader can be given."""
        self.names["job"] = job = begun(self.conn, self.field.own)
        self.conn.execute("begin")
        job_ledger.claim_job(self.conn, self.field.own, job)
        return job

    def commit(self) -> None:
        """End the claim as a job does, so that what went through stays."""
        finish(self.conn, self.names["job"])
        self.conn.execute("commit")

    def run(self, statement: str) -> list[tuple[Any, ...]]:
        """One statement or several; the rows of the last one."""
        cursor = psycopg.ClientCursor(self.conn)
        cursor.execute(statement.encode(), self.names)
        rows = cursor.fetchall() if cursor.description else []
        self._heard += map(str, rows)
        self._count = cursor.rowcount
        return rows

    def tries(self, *statements: str, claim: bool = True) -> Outcome:
        """Take the statements one after the other and commit, or say what refused them.

        With ``claim`` within a claimed transaction; without, each for itself.
        """
        counts: list[int] = []
        self._heard.clear()
        try:
            if claim:
                self.claim()
            for statement in statements:
                self.run(statement)
                counts.append(self._count)
            if claim:
                self.commit()
        except psycopg.Error as error:
            parts = [error.diag.message_primary, error.diag.message_detail, error.diag.message_hint,
                     error.diag.context]  # fmt: skip
            self._heard += [part for part in parts if part]
            state, message = error.sqlstate, str(error)
        else:
            state, message = PASSED, ""
        if not self.conn.closed:
            self.conn.rollback()
        return Outcome(state=state, message=message, counts=tuple(counts), heard="\n".join(self._heard))


def refused(outcome: Outcome, *states: str) -> None:
    """The attempt was refused for the reason that stops it, and told nothing of the victims."""
    assert outcome.state in (states or (DENIED,)), outcome
    assert MARK not in outcome.heard, outcome.heard


def passed_by(outcome: Outcome) -> None:
    """The statements went through and met no row of anybody else; what they changed, ``state`` tells."""
    assert outcome.state is PASSED, outcome
    assert MARK not in outcome.heard, outcome.heard


@contextmanager
def new_field(server: PostgresServer) -> Generator[Field]:
    """A field of its own."""
    with new_database(server) as database, database.admin() as admin, database.loader() as loader:
        names: dict[str, Any] = {"row": uuid4()}
        names["real"] = real = a_customer(admin, names)
        names["other"] = other = provisioned(loader, "other")
        names["own"] = own = provisioned(loader, "own")
        for prefix, tenant, text in (("other", other, MARK), ("own", own, "Mine")):
            names[f"{prefix}_done"] = _job_with_rows(loader, tenant, prefix, names)
            _give_text(admin, tenant, text)
            pending = a_request(tenant)
            with loader.transaction():
                job_ledger.register_job(loader, pending)
            names[f"{prefix}_pending"] = pending.job_id
        names["other_running"] = begun(loader, other)
        admin.execute("analyze")
        yield Field(database=database, admin=admin, real=real, other=other, own=own, names=names)


def a_customer(admin: Conn, names: dict[str, Any], slug: str = "customer") -> UUID:
    """A real tenant whose rows came through the application's views."""
    tenant = uuid4()
    admin.execute(
        "insert into crm.tenants (id, slug, name, country) values (%s, %s, %s, 'DE')", [tenant, slug, MARK]
    )
    rows = {
        "users": {"email": f"{MARK}@customer.example", "role": "owner"},
        "pipeline_stages": {"name": MARK, "is_won": True},
        "tags": {"name": MARK},
        "companies": {"name": MARK, "owner_id": "users"},
        "contacts": {"first_name": MARK, "company_id": "companies", "owner_id": "users", "status": "lead"},
        "contact_tags": {"contact_id": "contacts", "tag_id": "tags"},
        "deals": {"title": MARK, "value": 123456, "stage_id": "pipeline_stages", "contact_id": "contacts"},
        "activities": {"subject": MARK, "deal_id": "deals", "created_by_id": "users"},
    }
    with admin.transaction():
        admin.execute("set local role crm_views")
        admin.execute("select set_config('app.tenant_id', %s, true)", [str(tenant)])
        for table, columns in rows.items():
            names[f"real_{table}"] = row = uuid4()
            values = [names.get(f"real_{value}", value) for value in columns.values()]
            admin.execute(
                sql.SQL("insert into crm_app.{} (tenant_id, id, {}) values (%s, %s, {})").format(
                    sql.Identifier(table),
                    sql.SQL(", ").join(map(sql.Identifier, columns)),
                    sql.SQL(", ").join([sql.Placeholder()] * len(columns)),
                ),
                [tenant, row, *values],
            )
    return tenant


def _job_with_rows(loader: Conn, tenant: UUID, prefix: str, names: dict[str, Any]) -> UUID:
    """A completed job that left a row in each table."""
    job = begun(loader, tenant)
    for table in TABLES:
        names[f"{prefix}_{table}"] = uuid4()

    def insert() -> None:
        for table in ("users", "pipeline_stages", "tags"):
            loader.execute(
                sql.SQL("insert into crm.{} (tenant_id, id, {}) values (%s, %s, 'x')").format(
                    sql.Identifier(table), sql.Identifier(TEXTS[table] or "")
                ),
                [tenant, names[f"{prefix}_{table}"]],
            )
        for table in GENERATED:
            insert_generated(loader, table, tenant, job, row_id=names[f"{prefix}_{table}"])
        loader.execute(
            "insert into crm.contact_tags (tenant_id, id, contact_id, tag_id) values (%s, %s, %s, %s)",
            [tenant, *(names[f"{prefix}_{table}"] for table in ("contact_tags", "contacts", "tags"))],
        )

    under_claim(loader, tenant, job, insert, lambda: finish(loader, job))
    return job


def _give_text(admin: Conn, tenant: UUID, text: str) -> None:
    for table, column in TEXTS.items():
        if column is not None:
            admin.execute(
                sql.SQL("update crm.{} set {} = %s where {} = %s").format(
                    sql.Identifier(table),
                    sql.Identifier(column),
                    sql.Identifier("id" if table == "tenants" else "tenant_id"),
                ),
                [text, tenant],
            )


@dataclass(frozen=True)
class Call:
    """A statement and how it must end."""

    statement: str
    #: SQLSTATEs, one of which refuses it; none: it goes through and changes nothing
    states: tuple[str, ...] = (DENIED,)
    #: outside any transaction, because it must be, or because a claim would make it weaker
    is_alone: bool = False
    #: taken before, in the same transaction
    first: tuple[str, ...] = field(default=())

    def made_by(self, attacker: Attacker) -> Outcome:
        """Take it and hold its end against what must be."""
        outcome = attacker.tries(*self.first, self.statement, claim=not self.is_alone)
        (refused(outcome, *self.states) if self.states else passed_by(outcome))
        return outcome
