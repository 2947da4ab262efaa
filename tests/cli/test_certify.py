"""``certify`` on the command line: every value under a rule, and what no rule covers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.fixtures.cli import RunCommand


def test_a_tenant_that_reaches_nobody(
    quick_command: RunCommand, admin_conn: psycopg.Connection[Any], kranz: str
) -> None:
    """Exit 0; every number, address and domain is counted once, under its rule and source."""
    done = quick_command("certify", kranz, "--json")
    assert done.code == 0, done.out
    document = done.document
    assert (document["tenant"], document["holds"], document["uncovered"]) == (kranz, True, [])
    for place in ("contacts.phone", "contacts.email", "companies.domain", "companies.website", "users.email"):
        table, column = place.split(".")
        statement = f"SELECT count(*), count(DISTINCT {column}) FROM crm.{table} WHERE {column} <> ''"
        ((rows, values),) = admin_conn.execute(statement.encode()).fetchall()
        lines = [line for line in document["certified"] if line["place"] == place]
        assert sum(line["row_count"] for line in lines) == rows > 0
        assert sum(line["value_count"] for line in lines) == values
        assert all(line["source"] for line in lines)
    shown = quick_command("certify", kranz)
    assert shown.code == 0
    assert shown.out.startswith(f"{kranz}: every contact value is reserved\n")


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("contacts.phone", "+49 30 23126 000"),
        ("companies.phone", "030 23125 000"),
        ("contacts.email", "a.person@kranz-logistik.de"),
        ("companies.website", "https://www.kranz-logistik.de/example"),
        ("companies.domain", "kranz.example.de"),
        ("users.email", "nora@example.io"),
    ],
)
def test_a_value_that_may_reach_somebody(
    quick_command: RunCommand, admin_conn: psycopg.Connection[Any], kranz: str, place: str, value: str
) -> None:
    """Exit 4, and the value is named with its column and the number of its rows."""
    table, column = place.split(".")
    statement = f"UPDATE crm.{table} SET {column} = %s WHERE id = (SELECT id FROM crm.{table} LIMIT 1)"
    admin_conn.execute(statement.encode(), [value])
    done = quick_command("certify", kranz, "--json")
    assert done.code == 4
    assert done.document["holds"] is False
    assert done.document["uncovered"] == [{"place": place, "value": value, "row_count": 1}]
    shown = quick_command("certify", kranz)
    assert shown.code == 4
    assert f"no rule covers {place} {value} (1 row)" in shown.out


def test_the_certificate_as_a_file(quick_command: RunCommand, kranz: str, tmp_path: Path) -> None:
    """A file with the command to run it on top; the document counts its assertions; a folder is refused."""
    file = tmp_path / "kranz.sql"
    done = quick_command("certify", kranz, "--sql", file, "--json")
    assert done.code == 0, done.err
    text = file.read_text(encoding="utf-8")
    assert done.document["bytes"] == len(text.encode())
    assert done.document["assertions"] >= 300
    assert f"{done.document['assertions']:,} assertions" in text.splitlines()[0]
    assert quick_command("certify", kranz, "--sql", tmp_path).code == 2
    assert quick_command("certify", "nobody", "--sql", file).code == 2
