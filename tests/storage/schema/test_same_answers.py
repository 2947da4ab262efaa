"""A demo tenant answers people as a customer does: the same edits succeed, the same are refused.

Whatever the tables ask for is here: each constraint either holds for everybody, with a statement that breaks
it, or is about provenance, which nobody but jobs writes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, LiteralString, NamedTuple
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import Connection

from demo_pipeline.storage.connection.database import Database
from tests.fixtures.ledger_steps import GENERATED, begun, finish, provisioned, under_claim

Conn = Connection[Any]

#: one row of each table; generated ones get provenance
ROWS: Final[dict[str, str]] = {
    "users": "email, role) values (%(tenant)s, %(row)s, 'ann@b.example', 'member'",
    "pipeline_stages": "name) values (%(tenant)s, %(row)s, 'Proposal'",
    "tags": "name) values (%(tenant)s, %(row)s, 'hot'",
    "companies": "name, owner_id) values (%(tenant)s, %(row)s, 'Bäckerei Nord', %(row)s",
    "contacts": "first_name, status, company_id) values (%(tenant)s, %(row)s, 'Ann', 'lead', %(row)s",
    "contact_tags": "contact_id, tag_id) values (%(tenant)s, %(row)s, %(row)s, %(row)s",
    "deals": "title, value, stage_id, contact_id, company_id)"
    " values (%(tenant)s, %(row)s, 'Renewal', 100, %(row)s, %(row)s, %(row)s",
    "activities": "subject, contact_id, deal_id) values (%(tenant)s, %(row)s, 'Call', %(row)s, %(row)s",
}
#: what a CRM's screens and imports do, through its views; the names of rows stand for the only one
SCREENS: Final[tuple[LiteralString, ...]] = (
    *(f"update crm_app.{table} set {change}"
      for table in ("companies", "contacts", "deals", "activities")
      for change in (
          "created_at = created_at - interval '400 days'",
          "created_at = created_at + interval '40 days'",
          "created_at = '2031-01-01Z'",
          "updated_at = created_at - interval '1 second'",
          "updated_at = '2019-12-31 23:59Z'",
          "updated_at = now()",
          "deleted_at = now()",
          "deleted_at = created_at - interval '1 day'",
          "created_at = '2020-02-29Z', updated_at = '2020-02-28Z', deleted_at = '2020-02-27Z'",
          "id = gen_random_uuid()",
          "tenant_id = gen_random_uuid()",
      )),
    *(f"update crm_app.{table} set {change}"
      for table in ("users", "pipeline_stages", "tags", "contact_tags")
      for change in ("created_at = created_at - interval '400 days'", "updated_at = '2019-12-31Z'",
                     "deleted_at = '2019-12-31Z'")),
    "update crm_app.deals set closed_at = created_at - interval '1 day'",
    "update crm_app.deals set closed_at = null, stage_id = null, contact_id = null, company_id = null",
    "update crm_app.deals set expected_close_date = '1999-12-31', value = null, currency = null",
    "update crm_app.activities set completed_at = created_at - interval '1 day', scheduled_at = '1999-01-01'",
    "update crm_app.activities set contact_id = null, deal_id = null, created_by_id = null",
    "update crm_app.contacts set company_id = null, status = null, email = null, phone = ''",
    "update crm_app.contacts set status = 'customer', source = 'import', owner_id = null",
    "update crm_app.pipeline_stages set is_won = true", "update crm_app.pipeline_stages set is_lost = true",
    "update crm_app.users set role = 'owner', email = 'other@b.example'",
    "update crm_app.companies set name = ''",
    # A tag is removed, and set again.
    """update crm_app.contact_tags set deleted_at = now();
       insert into crm_app.contact_tags (tenant_id, contact_id, tag_id)
       select tenant_id, id, %(row)s from crm_app.contacts""",
    # An import of what was done elsewhere, years ago.
    """insert into crm_app.deals (tenant_id, title, created_at, updated_at, closed_at)
       values (%(tenant)s, 'Old', '2021-05-01Z', '2021-04-01Z', '2021-03-01Z')""",
    """insert into crm_app.activities (tenant_id, created_at, completed_at, deal_id)
       values (%(tenant)s, '2021-05-01Z', '2020-05-01Z', %(row)s)""",
    "insert into crm_app.contacts (tenant_id, id, company_id) values (%(tenant)s, %(row)s, %(row)s)",
)  # fmt: skip


class Broken(NamedTuple):
    """A statement of the tables' owner that breaks one constraint."""

    name: str
    statement: str


def _foreign_keys() -> Iterator[Broken]:
    for table, *columns in (
        ("companies", "owner_id"), ("contacts", "company_id", "owner_id"),
        ("deals", "stage_id", "owner_id", "contact_id", "company_id"),
        ("activities", "contact_id", "company_id", "deal_id", "created_by_id"),
        ("contact_tags", "contact_id", "tag_id"),
    ):  # fmt: skip
        for column in columns:
            name = f"{table}_{column.removesuffix('_id')}_fkey"
            yield Broken(name, f"update crm.{table} set {column} = gen_random_uuid() where id = %(row)s")
    for table in ROWS:
        if table != "contact_tags":
            column = ROWS[table].partition(",")[0].partition(")")[0]
            extra = "subject" if table == "activities" else column
            statement = f"insert into crm.{table} (tenant_id, {extra}) values (gen_random_uuid(), 'x')"
            yield Broken(f"{table}_tenant_fkey", statement)


#: constraints and unique indexes that hold for everybody
FOR_EVERYBODY: Final = (
    Broken("tenants_pkey", "insert into crm.tenants (id, slug, name) values (%(tenant)s, 'another', 'x')"),
    Broken("tenants_slug_key", "insert into crm.tenants (slug, name) select slug, name from crm.tenants"),
    *(
        Broken(f"{table}_pkey", f"insert into crm.{table} (tenant_id, id, {values})")
        for table, values in ROWS.items()
    ),
    *_foreign_keys(),
    Broken(
        "users_email_key", "insert into crm.users (tenant_id, email) values (%(tenant)s, 'ann@b.example')"
    ),
    Broken(
        "contact_tags_living_key",
        "insert into crm.contact_tags (tenant_id, contact_id, tag_id) values (%(tenant)s, %(row)s, %(row)s)",
    ),
    Broken("users_role_check", "update crm.users set role = 'king' where id = %(row)s"),
    Broken(
        "pipeline_stages_probability_check",
        "update crm.pipeline_stages set probability = 101 where id = %(row)s",
    ),
    Broken(
        "pipeline_stages_outcome_check",
        "update crm.pipeline_stages set is_won = true, is_lost = true where id = %(row)s",
    ),
    Broken("contacts_status_check", "update crm.contacts set status = 'friend' where id = %(row)s"),
    Broken("deals_value_check", "update crm.deals set value = -0.01 where id = %(row)s"),
    Broken("deals_probability_check", "update crm.deals set probability = -1 where id = %(row)s"),
    Broken("activities_type_check", "update crm.activities set type = 'fax' where id = %(row)s"),
    Broken("activities_duration_check", "update crm.activities set duration_minutes = -1 where id = %(row)s"),
)
#: constraints of provenance alone
OURS: Final = tuple(f"{table}_{kind}" for table in GENERATED for kind in ("provenance_check", "job_fkey"))
PROVENANCE: Final = {"demo_generated", "demo_job_id", "demo_source_month"}


class Tenants(NamedTuple):
    """A demo tenant with a generated row in each table, and a customer with the same rows."""

    conn: Conn
    demo: UUID
    customer: UUID
    #: the id of every row of both
    row: UUID

    def answer(self, tenant: UUID, statement: str, role: str | None = None) -> tuple[Any, ...]:
        """What a statement answers in a tenant: rows, or SQLSTATE, constraint and message; then roll back."""
        with self.conn.transaction(force_rollback=True):
            if role is not None:
                self.conn.execute(f"set local role {role}".encode())
            self.conn.execute("select set_config('app.tenant_id', %s, true)", [str(tenant)])
            try:
                counts = [
                    self.conn.execute(one.encode(), {"tenant": tenant, "row": self.row}).rowcount
                    for one in statement.split(";")
                ]
                # Deferred rules too.
                self.conn.execute("set constraints all immediate")
            except psycopg.Error as error:
                said = (error.diag.message_primary or "").replace(str(tenant), "TENANT")
                return (error.sqlstate, error.diag.constraint_name, error.diag.table_name, said)
            return tuple(counts)


@pytest.fixture
def tenants(database: Database, loader_conn: Conn) -> Iterator[Tenants]:
    """The two, on a connection of the administrator."""
    row, customer = uuid4(), uuid4()
    demo = provisioned(loader_conn)
    job = begun(loader_conn, demo)

    def load() -> None:
        for table, values in ROWS.items():
            columns, _, rest = values.partition(") values (")
            if table in GENERATED:
                columns += ", created_at, demo_generated, demo_job_id, demo_source_month"
                rest += ", '2025-01-15 12:00Z', true, %(job)s, '2025-01'"
            statement = f"insert into crm.{table} (tenant_id, id, {columns}) values ({rest})"
            loader_conn.execute(statement.encode(), {"tenant": demo, "row": row, "job": job})

    under_claim(loader_conn, demo, job, load, lambda: finish(loader_conn, job))
    with database.admin() as conn:
        conn.execute("insert into crm.tenants (id, slug, name) values (%s, 'customer', 'x')", [customer])
        for table, values in ROWS.items():
            columns, _, rest = values.partition(") values (")
            if table in GENERATED:
                columns, rest = f"{columns}, created_at", f"{rest}, '2025-01-15 12:00Z'"
            statement = f"insert into crm.{table} (tenant_id, id, {columns}) values ({rest})"
            conn.execute(statement.encode(), {"tenant": customer, "row": row})
        yield Tenants(conn, demo, customer, row)


@pytest.mark.risk("P7", partial=True)
def test_what_screens_and_imports_do_succeeds_in_a_demo_as_in_a_customer(tenants: Tenants) -> None:
    """Back-dating, clearing, moving, removing, setting again: the same answer, to the word."""
    answers = {
        statement: (
            tenants.answer(tenants.demo, statement, "crm_views"),
            tenants.answer(tenants.customer, statement, "crm_views"),
        )
        for statement in SCREENS
    }
    assert {statement: pair for statement, pair in answers.items() if pair[0] != pair[1]} == {}
    refused = {statement for statement, (demo, _) in answers.items() if isinstance(demo[0], str)}
    # No view lets anybody write a key, and a key is a key.
    assert refused == {
        *(one for one in SCREENS if "set id =" in one or "set tenant_id =" in one),
        "insert into crm_app.contacts (tenant_id, id, company_id) values (%(tenant)s, %(row)s, %(row)s)",
    }


@pytest.mark.risk("P7", partial=True)
def test_what_the_tables_refuse_they_refuse_everybody(tenants: Tenants) -> None:
    """Each constraint for everybody, broken in a demo and in a customer: the same name, the same words."""
    for name, statement in FOR_EVERYBODY:
        demo, customer = (tenants.answer(tenant, statement) for tenant in (tenants.demo, tenants.customer))
        assert demo[1] == name, (name, demo)
        assert (demo[0], demo[1], demo[2]) == (customer[0], customer[1], customer[2]), name


def test_every_constraint_holds_for_everybody_or_is_about_provenance_alone(tenants: Tenants) -> None:
    """A constraint that is added belongs here; those of provenance are about no column that people write."""
    found = tenants.conn.execute(
        "select conname, (select array_agg(a.attname::text) from pg_attribute a where a.attrelid = c.conrelid"
        " and a.attnum = any (c.conkey)) from pg_constraint c where c.connamespace = 'crm'::regnamespace"
        " and c.contype in ('p', 'u', 'f', 'c', 'x')"
        " union all select i.relname, null from pg_index x join pg_class i on i.oid = x.indexrelid"
        " where x.indisunique and i.relnamespace = 'crm'::regnamespace"
        " and not exists (select from pg_constraint k where k.conindid = x.indexrelid and k.contype <> 'f')"
    ).fetchall()
    assert {name for name, _ in found} == {one.name for one in FOR_EVERYBODY} | set(OURS)
    for name, columns in found:
        if name in OURS:
            assert set(columns) - {"tenant_id"} <= PROVENANCE, name
    granted = tenants.conn.execute(
        "select grantee, column_name from information_schema.column_privileges where table_schema = 'crm'"
        " and column_name = any (%s) and privilege_type in ('INSERT', 'UPDATE')"
        " and grantee not in ('demo_owner', 'demo_loader')"
        # A rewind inserts rows as they were.
        " and not (grantee = 'demo_guard' and privilege_type = 'INSERT')",
        [list(PROVENANCE)],
    ).fetchall()
    assert granted == []


def test_triggers_and_policies_bind_our_own_roles_only(tenants: Tenants) -> None:
    """No trigger can refuse what people write, and each policy is for a role of ours or for the views'."""
    triggers = tenants.conn.execute(
        "select tgname, pg_get_triggerdef(t.oid) from pg_trigger t join pg_class c on c.oid = t.tgrelid"
        " where not tgisinternal and c.relnamespace = 'crm'::regnamespace"
    ).fetchall()
    assert {name for name, _ in triggers} == {
        f"{table}_{name}" for table in GENERATED for name in ("keep_provenance", "record_edit")
    }
    for name, definition in triggers:
        # Of columns that people do not write, or after the fact.
        expected = "BEFORE UPDATE OF demo_generated" if "keep" in name else "AFTER UPDATE ON"
        assert expected in definition, definition
    roles = tenants.conn.execute(
        "select distinct unnest(roles)::text from pg_policies where schemaname = 'crm'"
    ).fetchall()
    assert {role for (role,) in roles} == {"demo_owner", "demo_guard", "demo_loader", "crm_views"}
    kinds = tenants.conn.execute(
        "select distinct permissive from pg_policies where schemaname in ('crm', 'demo')"
    ).fetchall()
    # A restrictive one binds every member of its role, and an administrator may be one.
    assert kinds == [("PERMISSIVE",)]


LATE: Final = {
    "demo_source_month": "'2025-02'",
    "updated_at": "created_at - interval '1 second'",
    "deleted_at": "created_at - interval '1 second'",
    "closed_at": "created_at - interval '1 second'",
    "completed_at": "created_at - interval '1 second'",
}


@pytest.mark.risk("P6", partial=True)
@pytest.mark.parametrize("table", GENERATED)
def test_what_jobs_write_is_of_its_month_and_in_its_order(loader_conn: Conn, table: str) -> None:
    """Jobs may not write a row of another month, or one that changed, ended or went before it was made."""
    tenant = provisioned(loader_conn)
    job = begun(loader_conn, tenant)
    name = {"companies": "name", "contacts": "first_name", "deals": "title", "activities": "subject"}[table]
    late = {
        column: value
        for column, value in LATE.items()
        if column not in {"closed_at", "completed_at"}
        or (table, column) in {("deals", "closed_at"), ("activities", "completed_at")}
    }

    def insert(**changes: str) -> None:
        columns = {
            "tenant_id": "%(tenant)s", name: "'Row'", "created_at": "t.created_at", "updated_at": "now()",
            "demo_generated": "true", "demo_job_id": "%(job)s", "demo_source_month": "'2025-01'", **changes,
        }  # fmt: skip
        statement = (
            f"insert into crm.{table} ({', '.join(columns)}) select {', '.join(columns.values())}"
            " from (values ('2025-01-31 23:59:59.999Z'::timestamptz)) as t (created_at)"
        )
        loader_conn.execute(statement.encode(), {"tenant": tenant, "job": job})

    for column, value in late.items():
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
            under_claim(loader_conn, tenant, job, lambda: insert(**{column: value}))  # noqa: B023
    # Sound rows may have changed at any time since, and may leave contact data empty.
    under_claim(
        loader_conn,
        tenant,
        job,
        insert,
        lambda: insert(updated_at="t.created_at"),
        lambda: finish(loader_conn, job),
    )
