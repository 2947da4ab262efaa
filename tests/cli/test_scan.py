"""``scan`` on the command line: what it says, as text and JSON, and its exit codes."""

from __future__ import annotations

from typing import Any

import psycopg

from tests.fixtures.cli import RunCommand
from tests.fixtures.ledger_steps import real_tenant


def test_a_clean_tenant(quick_command: RunCommand, kranz: str) -> None:
    """Exit 0, and what was looked through is said."""
    done = quick_command("scan", "--json")
    assert done.code == 0
    assert done.document["clean"] is True
    [tenant] = done.document["tenants"]
    assert (tenant["tenant"], tenant["clean"], tenant["findings"]) == (kranz, True, [])
    assert tenant["columns"] > 100
    assert tenant["values"] > 300
    shown = quick_command("scan", kranz)
    assert shown.code == 0
    title, line = shown.out.splitlines()
    assert title.split() == ["tenant", "verdict", "columns", "values"]
    assert line.split() == [kranz, "clean", str(tenant["columns"]), f"{tenant['values']:,}"]


def test_what_tells_is_listed(
    quick_command: RunCommand, admin_conn: psycopg.Connection[Any], kranz: str
) -> None:
    """Exit 4; place, word, count and an example of each, and what concerns every tenant once."""
    admin_conn.execute("UPDATE crm.pipeline_stages SET name = 'Test stage ' || position")
    admin_conn.execute("SET ROLE demo_owner")
    admin_conn.execute("COMMENT ON TABLE crm.deals IS 'Generated'")
    admin_conn.execute("RESET ROLE")
    stages = admin_conn.execute("SELECT count(*) FROM crm.pipeline_stages").fetchall()[0][0]
    done = quick_command("scan", kranz, "--json")
    assert done.code == 4
    assert done.document["clean"] is False
    [tenant] = done.document["tenants"]
    word, comment = tenant["findings"]
    assert word.pop("examples")[0].startswith("Test stage ")
    assert word == {
        "check": "values_tell_nothing",
        "place": "pipeline_stages.name",
        "word": "test",
        "count": stages,
    }
    assert comment == {
        "check": "comments_tell_nothing",
        "place": "table crm.deals",
        "word": "generated",
        "count": 1,
        "examples": ["Generated"],
    }
    shown = quick_command("scan")
    assert shown.code == 4
    assert "2 findings" in shown.out
    assert f"{kranz}: values_tell_nothing: pipeline_stages.name: test ({stages} times): Test" in shown.out
    assert "every tenant: comments_tell_nothing: table crm.deals: generated: Generated" in shown.out


def test_a_customer_is_refused(quick_command: RunCommand, admin_conn: psycopg.Connection[Any]) -> None:
    """Exit 3 for a real tenant, 2 for none of that name, 0 where there is no demo."""
    real_tenant(admin_conn)
    refused = quick_command("scan", "customer", "--json")
    assert (refused.code, refused.error["code"]) == (3, "not_a_demo_tenant")
    assert quick_command("scan", "nobody").code == 2
    empty = quick_command("scan")
    assert (empty.code, empty.out) == (0, "")
    assert "no demo tenant" in empty.err
