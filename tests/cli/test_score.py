"""``score`` and ``sample`` on the command line: what they print, as text and JSON, and their exit codes."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import sql

from demo_pipeline.domain.scorecard.catalogue import MEASURES
from tests.fixtures.cli import RunCommand


def test_the_scorecard_of_a_tenant(quick_command: RunCommand, kranz: str) -> None:
    """A line a measure that applies, with figure, range and verdict; the counts add up; red is exit 0."""
    done = quick_command("score", kranz, "--json")
    assert done.code == 0, done.err
    document = done.document
    scores = document["scores"]
    names = [score["measure"] for score in scores]
    known = [measure.name for measure in MEASURES]
    assert names == [name for name in known if name in names]
    assert "in_london" not in names, "a German tenant is not measured by London"
    verdicts = [score["verdict"] for score in scores]
    assert document["tenant"] == kranz
    assert [document["green"], document["red"], document["not_measured"]] == [
        verdicts.count(verdict) for verdict in ("green", "red", "not measured")
    ]
    for score in scores:
        is_measured = score["figure"] is not None
        assert is_measured == (score["sample"] >= score["least_sample"])
        assert is_measured == (score["verdict"] != "not measured")
        if is_measured:
            low, high = score["low"], score["high"]
            holds = (low is None or score["figure"] >= low) and (high is None or score["figure"] <= high)
            assert holds == (score["verdict"] == "green"), score
    shown = quick_command("score", kranz)
    assert shown.code == 0
    title, heading, *lines = shown.out.splitlines()
    assert title == (
        f"{kranz}: {document['green']} green, {document['red']} red, {document['not_measured']} not measured"
    )
    assert heading.split()[:3] == ["measure", "figure", "expected"]
    assert [line.split()[0] for line in lines] == names


def test_strict_fails_on_a_red_line(
    quick_command: RunCommand, admin_conn: psycopg.Connection[Any], kranz: str
) -> None:
    """Exit 4 with ``--strict`` once people write addresses that reach somebody; the line names one."""
    addresses = (
        "UPDATE crm.contacts SET email = 'person' || left(id::text, 8) || '@{}' WHERE email IS NOT NULL"
    )
    admin_conn.execute(addresses.format("kranz-logistik.com"))
    done = quick_command("score", kranz, "--strict", "--json")
    assert done.code == 4
    [line] = [score for score in done.document["scores"] if score["measure"] == "reachable_mail"]
    assert (line["verdict"], line["figure"], line["detail"]) == ("red", 1.0, "kranz-logistik.com")
    admin_conn.execute(addresses.format("kranz.example"))
    again = quick_command("score", kranz, "--json").document
    [line] = [score for score in again["scores"] if score["measure"] == "reachable_mail"]
    assert line["verdict"] == "green"


def test_rows_of_the_database_are_measured(
    quick_command: RunCommand, admin_conn: psycopg.Connection[Any], kranz: str
) -> None:
    """Nulls, empty texts and quotes in names arrive as they are; deleted rows do not count."""
    admin_conn.execute(
        "UPDATE crm.companies"
        " SET name = E'Oak, \"Iron\" &\\nSons GmbH', phone = NULL, website = '', address = ''"
    )
    admin_conn.execute("UPDATE crm.activities SET deleted_at = created_at")
    figures = {
        score["measure"]: score for score in quick_command("score", kranz, "--json").document["scores"]
    }
    ((companies,),) = admin_conn.execute(
        "SELECT count(*) FROM crm.companies WHERE deleted_at IS NULL"
    ).fetchall()
    assert {figures[name]["sample"] for name in ("without_phone", "without_website", "name_patterns")} == {
        companies
    }
    assert figures["staff_outside_hours"]["sample"] == 0


def test_a_sample_of_people(
    quick_command: RunCommand, admin_conn: psycopg.Connection[Any], kranz: str
) -> None:
    """As many people as asked for, the same each time, with all their deals and activities."""
    first = quick_command("sample", kranz, "--count", "6", "--json").document
    assert first == quick_command("sample", kranz, "--count", "6", "--json").document
    people = first["people"]
    assert len(people) == 6
    assert any(person["deals"] for person in people)
    for person in people:
        for table in ("deals", "activities"):
            ((count,),) = admin_conn.execute(
                sql.SQL("SELECT count(*) FROM crm.{} WHERE contact_id = %s").format(sql.Identifier(table)),
                [person["id"]],
            ).fetchall()
            assert len(person[table]) == count
    shown = quick_command("sample", kranz, "--count", "6")
    assert "\\n" not in shown.out
    assert shown.code == 0
    for person in people:
        assert person["name"] in shown.out


def test_a_sample_shows_no_deleted_row(
    quick_command: RunCommand, admin_conn: psycopg.Connection[Any], kranz: str
) -> None:
    """Deleted companies, users, stages and deals are not shown by way of rows that refer to them."""
    before = quick_command("sample", kranz, "--json").document["people"]
    assert any(person["company"] and person["owner"] for person in before)
    assert any(one["deal"] and one["author"] for person in before for one in person["activities"])
    admin_conn.execute("UPDATE crm.pipeline_stages SET deleted_at = now()")
    people = quick_command("sample", kranz, "--json").document["people"]
    assert {deal["stage"] for person in people for deal in person["deals"]} == {None}
    for table in ("companies", "users", "deals"):
        admin_conn.execute(f"UPDATE crm.{table} SET deleted_at = now()".encode())
    after = quick_command("sample", kranz, "--json").document["people"]
    assert after
    assert {(person["company"], person["owner"]) for person in after} == {(None, "")}
    activities = [one for person in after for one in person["activities"]]
    assert activities
    assert {(one["deal"], one["author"]) for one in activities} == {(None, "")}


def test_a_sample_of_rows_with_nulls(
    quick_command: RunCommand, admin_conn: psycopg.Connection[Any], kranz: str
) -> None:
    """Words stand for what a person left out; ``None`` is never printed."""
    ((contact,),) = admin_conn.execute("SELECT id FROM crm.contacts LIMIT 1").fetchall()
    admin_conn.execute("UPDATE crm.contacts SET deleted_at = now() WHERE id <> %s", [contact])
    admin_conn.execute("UPDATE crm.contacts SET status = NULL WHERE id = %s", [contact])
    for table in ("deals", "activities"):
        source = "SELECT tenant_id, id FROM crm.contacts WHERE id = %s"
        admin_conn.execute(f"INSERT INTO crm.{table} (tenant_id, contact_id) {source}".encode(), [contact])
    admin_conn.execute(
        "UPDATE crm.deals SET title = NULL, stage_id = NULL, value = NULL, closed_at = NULL,"
        " expected_close_date = NULL WHERE contact_id = %s",
        [contact],
    )
    admin_conn.execute(
        "UPDATE crm.activities SET subject = NULL, created_by_id = NULL WHERE contact_id = %s",
        [contact],
    )
    shown = quick_command("sample", kranz)
    assert shown.code == 0, shown.err
    assert "None" not in shown.out
    assert "without a status, from" in shown.out
    assert "without a title · no value · without a stage, no date expected" in shown.out
    assert "nobody: without a subject" in shown.out


def test_a_sample_of_few_people(
    quick_command: RunCommand, admin_conn: psycopg.Connection[Any], kranz: str
) -> None:
    """Fewer people than asked for are all of them, and a note says so; none is a message."""
    admin_conn.execute(
        "UPDATE crm.contacts SET deleted_at = now() WHERE id NOT IN (SELECT id FROM crm.contacts LIMIT 2)"
    )
    shown = quick_command("sample", kranz)
    assert shown.code == 0
    assert "has only 2 contacts" in shown.err
    admin_conn.execute("UPDATE crm.contacts SET deleted_at = now()")
    none = quick_command("sample", kranz)
    assert (none.code, none.out) == (0, "")
    assert "has no contact yet" in none.err


def test_no_demo_tenant(quick_command: RunCommand, kranz: str) -> None:
    """An unknown slug is exit 2, as with every other command."""
    del kranz
    for name in ("score", "sample"):
        assert quick_command(name, "nobody").code == 2
