"""``tenant delete``: asked before, all rows gone, the history kept, the name free for the next one."""

from __future__ import annotations

from pathlib import Path

import psycopg

from tests.fixtures.cli import RunCommand, table_counts
from tests.fixtures.ledger_steps import fingerprint, real_tenant


def partitions(environment: dict[str, str]) -> list[str]:
    """The tenants that Dagster has partitions for."""
    with psycopg.connect(environment["DEMO_DAGSTER_URL"]) as conn:
        rows = conn.execute(
            "SELECT partition FROM dynamic_partitions WHERE partitions_def_name = 'tenant' ORDER BY 1"
        ).fetchall()
    return [row[0] for row in rows]


def test_it_asks_first(quick_command: RunCommand, kranz: str, admin_conn: psycopg.Connection) -> None:
    """Without --yes: exit 2, what would go, and nothing is deleted."""
    before = table_counts(admin_conn)
    asked = quick_command("tenant", "delete", kranz)
    assert (asked.code, asked.out) == (2, "")
    for text in ("48 contacts", "120 activities", "nothing was deleted", "--yes"):
        assert text in asked.err
    error = quick_command("tenant", "delete", kranz, "--json").error
    assert error["details"]["rows"] == {"companies": 9, "contacts": 48, "deals": 15, "activities": 120}
    assert table_counts(admin_conn) == before
    assert "hidden" not in asked.err
    admin_conn.execute(
        "update crm.activities set deleted_at = now() where id in (select id from crm.activities limit 3)"
    )
    asked = quick_command("tenant", "delete", kranz)
    assert "117 activities, of hidden rows 3 activities, and everything" in " ".join(asked.err.split())
    details = quick_command("tenant", "delete", kranz, "--json").error["details"]
    assert (details["rows"]["activities"], details["hidden_rows"]["activities"]) == (117, 3)


def test_it_deletes_one_tenant_and_keeps_its_history(
    quick_command: RunCommand, kranz: str, blueprint: Path, admin_conn: psycopg.Connection
) -> None:
    """Every row of it is gone and none of another; its jobs can still be looked at, not done again."""
    customer = real_tenant(admin_conn)
    others = fingerprint(admin_conn, customer)
    before = table_counts(admin_conn)
    jobs = quick_command("job", "list", kranz, "--json").document["jobs"]
    done = quick_command("tenant", "delete", kranz, "--yes", "--json")
    assert done.code == 0, done.err
    assert done.document["tenant"] == kranz
    assert done.document["deleted"]["activities"] == 120
    after = table_counts(admin_conn)
    for table, count in done.document["deleted"].items():
        assert after[f"crm.{table}"] == before[f"crm.{table}"] - count
    assert after["crm.tenants"] == before["crm.tenants"] - 1
    assert fingerprint(admin_conn, customer) == others

    assert quick_command("job", "list", kranz, "--json").document["jobs"] == jobs
    assert quick_command("job", "show", jobs[0]["job_id"]).code == 0
    for arguments in (
        ["kpis", kranz],
        ["tenant", "delete", kranz, "--yes"],
        ["job", "retry", jobs[0]["job_id"]],
    ):
        assert quick_command(*arguments).code == 2
    assert quick_command("tenant", "provision", blueprint).code == 0
    assert quick_command("tenant", "show", kranz, "--json").document["incarnation"] == 2


def test_the_next_one_of_its_name_comes_through_dagster(
    command: RunCommand, quick_command: RunCommand, blueprint: Path, dagster_database_env: dict[str, str]
) -> None:
    """The partition goes with the tenant; provisioned and made again, everything is there and as expected."""
    assert command("run", blueprint).code == 0
    assert partitions(dagster_database_env) == ["kranz"]
    first = quick_command("kpis", "kranz").out
    deleted = command("tenant", "delete", "kranz", "--yes")
    assert deleted.code == 0, deleted.err
    assert "warning" not in deleted.err
    assert partitions(dagster_database_env) == []

    again = command("run", blueprint, "--json")
    assert again.code == 0, again.err
    assert again.document["passed"]
    (job,) = again.document["jobs"]
    assert (job["already_applied"], job["created"]["activities"]) == (False, 120)
    assert partitions(dagster_database_env) == ["kranz"]
    assert quick_command("kpis", "kranz").out == first
    assert quick_command("tenant", "show", "kranz", "--json").document["incarnation"] == 2

    away = command(
        "tenant",
        "delete",
        "kranz",
        "--yes",
        "--json",
        environment={"DEMO_DAGSTER_URL": "postgresql://nobody@127.0.0.1:9/dagster"},
    )
    assert away.code == 0, away.err
    assert away.document["deleted"]["activities"] == 120
    assert "warning: Dagster still shows kranz" in away.err
