"""The certificate as SQL: it holds as written, psql alone runs it, and every planted fault is found."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from demo_pipeline.domain.model import MODEL, Column, Kind, Table
from demo_pipeline.services.certificate.certify import certificate_sql, certify
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.embedded.binaries import find_tool

Connection = psycopg.Connection[Any]
#: faults that are planted, at least
FAULTS = 100

#: column, value, whether it may reach somebody
VALUES = (
    ("contacts.email", " a@kranz.example ", False),
    ("contacts.email", "A@KRANZ.Example.", False),
    ("contacts.email", "a@gmail.com, b@kranz.example", True),
    ("contacts.email", "a@b@kranz.example", True),
    ("contacts.email", "a@gmail.com\nb@kranz.example", True),
    ("companies.website", "\thttps://www.kranz.example:8080/team?to=a@b.com ", False),
    ("companies.website", "nora@kranz.example./", False),
    ("companies.website", "https://medium.com/@kranz.example", True),
    ("companies.website", "https://evil.com/?to=x@kranz.example", True),
    ("companies.website", "https://evil.com\\@kranz.example", True),
    ("companies.domain", " kranz.example.", False),
    ("companies.domain", "\u212aranz.example", True),
    ("companies.domain", "evil.com/@kranz.test", True),
    ("contacts.phone", " +1 212-555-0100", False),
    ("contacts.phone", "+1 800-555-0100", True),
    ("contacts.phone", "+1 212-555-01\u0663\u0663", True),
)


def the_block(text: str) -> bytes:
    """The statement of the file that compares, without its transaction."""
    return ("DO $certificate$" + text.partition("DO $certificate$")[2].partition("COMMIT;")[0]).encode()


def broken(conn: Connection, block: bytes) -> str | None:
    """What the block says, None if all assertions hold; the transaction goes on."""
    try:
        with conn.transaction():
            conn.execute("SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO, YMD'")
            conn.execute(block)
    except psycopg.errors.RaiseException as error:
        return str(error)
    return None


def changed(column: Column) -> sql.Composable:
    """Another value of a column, as near as a mistake would come."""
    name = sql.Identifier(column.name)
    if column.values:
        first, second = (sql.Literal(value) for value in column.values[:2])
        return sql.SQL("CASE {} WHEN {} THEN {} ELSE {} END").format(name, first, second, first)
    if column.references is not None:
        parent = sql.Identifier(column.references)
        return sql.SQL("(SELECT p.id FROM crm.{} p WHERE p.id IS DISTINCT FROM r.{} LIMIT 1)").format(
            parent, name
        )
    match column.kind:
        case Kind.MONEY:
            return sql.SQL("{} + 0.01").format(name)
        case Kind.INTEGER:
            return sql.SQL("{} + 1").format(name)
        case Kind.BOOLEAN:
            return sql.SQL("NOT {}").format(name)
        case Kind.DATE:
            return sql.SQL("{} + 1").format(name)
        case Kind.INSTANT:
            return sql.SQL("{} + interval '1 microsecond'").format(name)
        case _:
            # The last character is another digit.
            return sql.SQL("left({0}, -1) || CASE right({0}, 1) WHEN '7' THEN '8' ELSE '7' END").format(name)


def faults() -> Iterator[tuple[Table, Column, str]]:
    """A change in each visible column but keys, of the oldest and of the youngest row that has a value there.

    References of tags are keys: a tag on another contact may be there already.
    """
    columns = [
        (table, column)
        for table in MODEL
        for column in table.columns
        if column.is_visible
        and column.name not in {"id", "tenant_id"}
        and not (table.name == "contact_tags" and column.references)
    ]
    for order in ("ASC", "DESC"):
        yield from ((table, column, order) for table, column in columns)


def test_the_file_holds_as_written_by_psql_alone(
    database: Database, database_settings: Settings, tenant: str, tmp_path: Path
) -> None:
    """Exit 0 and at least 300 assertions; after a fault exit 3, and a line names table, month and column."""
    found = certificate_sql(database, database_settings, tenant)
    assert found.assertion_count >= 300
    file = tmp_path / "tenant.sql"
    file.write_text(found.text, encoding="utf-8")

    def run() -> subprocess.CompletedProcess[str]:
        command = [find_tool("psql"), "--no-psqlrc", f"--file={file}", database.admin_url]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    done = run()
    assert done.returncode == 0, done.stderr
    assert f"all {found.assertion_count} assertions hold" in done.stderr
    with database.admin() as conn:
        [(month,)] = conn.execute(
            "UPDATE crm.deals SET value = value + 0.01"
            " WHERE id = (SELECT id FROM crm.deals ORDER BY id LIMIT 1)"
            " RETURNING to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM')"
        ).fetchall()
    done = run()
    assert done.returncode == 3
    assert f"deals {month}: value: expected" in done.stderr


def test_every_planted_fault_is_found(database: Database, database_settings: Settings, tenant: str) -> None:
    """A hundred faults, one at a time: a cent, a key, a day, a digit, in every kind of column."""
    block = the_block(certificate_sql(database, database_settings, tenant).text)
    planted, missed = 0, list[str]()
    with database.admin() as conn, conn.transaction(force_rollback=True):
        assert broken(conn, block) is None
        for table, column, order in faults():
            statement = sql.SQL(
                "UPDATE crm.{table} r SET {column} = {value} WHERE r.id = (SELECT id FROM crm.{table}"
                " WHERE {column} IS NOT NULL ORDER BY created_at {order}, id LIMIT 1)"
            ).format(
                table=sql.Identifier(table.name),
                column=sql.Identifier(column.name),
                value=changed(column),
                order=sql.SQL("ASC" if order == "ASC" else "DESC"),
            )
            # What the schema refuses needs no certificate.
            with (
                suppress(psycopg.errors.CheckViolation, psycopg.errors.UniqueViolation),
                conn.transaction(force_rollback=True),
            ):
                if conn.execute(statement).rowcount:
                    planted += 1
                    if broken(conn, block) is None:
                        missed.append(f"{table.name}.{column.name} {order}")
    assert missed == []
    assert planted >= FAULTS


@pytest.mark.parametrize("table", MODEL.counted)
def test_a_row_more_or_less_is_found(
    database: Database, database_settings: Settings, tenant: str, table: str
) -> None:
    """A deleted row, and one that a person adds in another month."""
    block = the_block(certificate_sql(database, database_settings, tenant).text)
    name = sql.Identifier(table)
    deletion = sql.SQL("UPDATE crm.{0} SET deleted_at = now() WHERE id = (SELECT id FROM crm.{0} LIMIT 1)")
    columns, values = ("name, ", "'Nordwind', ") if table == "companies" else ("", "")
    addition = sql.SQL(
        "INSERT INTO crm.{} ({}tenant_id, created_at) SELECT {}id, '2031-01-15' FROM crm.tenants"
    )
    with database.admin() as conn, conn.transaction(force_rollback=True):
        with conn.transaction(force_rollback=True):
            conn.execute(deletion.format(name))
            assert broken(conn, block) is not None
        conn.execute(addition.format(name, sql.SQL(columns), sql.SQL(values)))
        assert broken(conn, block) is not None


@pytest.mark.parametrize(("place", "value", "reaches"), VALUES)
def test_the_file_and_the_program_agree(
    database: Database, database_settings: Settings, tenant: str, place: str, value: str, *, reaches: bool
) -> None:
    """The file breaks and the program names the value if, and only if, it may reach somebody."""
    table, column = place.split(".")
    statement = f"UPDATE crm.{table} SET {column} = %s WHERE id = (SELECT id FROM crm.{table} LIMIT 1)"
    with database.admin() as conn:
        conn.execute(statement.encode(), [value])
        found = broken(conn, the_block(certificate_sql(database, database_settings, tenant).text))
    assert (found is not None) is reaches
    uncovered = certify(database, database_settings, tenant).uncovered
    assert [(one.place, one.value) for one in uncovered] == ([(place, value)] if reaches else [])
