"""``release``: what it prints, keeps back and records."""

from __future__ import annotations

import json

import psycopg

from tests.fixtures.cli import RunCommand


def test_months_are_released_listed_and_kept_back(
    quick_command: RunCommand, kranz: str, admin_conn: psycopg.Connection
) -> None:
    """All months; then nothing new; a month that lost a row is kept back, exit 4; a reason releases it."""
    listed = json.loads(quick_command("release", kranz, "--list", "--json").out)
    assert {one["state"] for one in listed["months"]} == {"not released"}
    first = json.loads(quick_command("release", kranz, "--json").out)
    months = [one["month"] for one in listed["months"]]
    assert first["released"] == months
    assert {one["state"] for one in first["months"]} == {"released"}
    assert json.loads(quick_command("release", kranz, "--json").out)["released"] == []

    admin_conn.execute("delete from demo.month_releases")
    admin_conn.execute(
        "update crm.deals set deleted_at = now() where id ="
        " (select id from crm.deals where demo_source_month = %s limit 1)",
        [months[0]],
    )
    kept = quick_command("release", kranz)
    assert kept.code == 4
    assert f"{months[0]}: nothing_is_missing: " in kept.out
    assert "not released" in kept.out
    done = quick_command("release", kranz, "--to", months[0], "--reason", "shown as it is")
    assert done.code == 0
    assert "shown as it is" in done.out
    assert admin_conn.execute(
        "select count(*) from demo.audit_log"
        " where event = 'MONTHS_RELEASED' and detail ->> 'reason' is not null"
    ).fetchone() == (1,)


def test_wrong_input_is_refused(quick_command: RunCommand, kranz: str) -> None:
    """An empty reason, months without rows, a slug that is no tenant: exit 2, with what is wrong."""
    for arguments, message in (
        ((kranz, "--reason", " "), "the reason is empty"),
        ((kranz, "--from", "2025-11"), "nothing is loaded"),
        (("nobody",), "nobody"),
    ):
        done = quick_command("release", *arguments)
        assert (done.code, done.out) == (2, "")
        assert message in done.err
