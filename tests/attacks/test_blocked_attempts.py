"""Every command that names a tenant refuses a real one, and each attempt is logged and audited.

The commands come from the program itself: one that takes a slug and is not known here is tried all the same,
and fails here where it needs something that this module does not know to give.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import psycopg
import pytest

from demo_pipeline.domain.core.errors import NotADemoTenantError
from demo_pipeline.services.jobs.tenant_context import find_tenant_context
from demo_pipeline.services.tenants.queries import digest
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from scripts.build_cli_reference import Command, leaves, load_root
from tests.attacks.field import MARK, a_customer
from tests.fixtures.cli import SMALL, RunCommand, table_counts
from tests.fixtures.ledger_steps import fingerprint

#: what commands need beside the slug, by the name of the parameter
NEEDS: Final = {
    "folder": "written",
    "name": "before-demo",
    "plan": "plan.csv",
    "shape": "copy-last-month",
    "output": "written",
    "file": "written",
    "month": "2025-01",
    "to": "2025-06",
}
#: said with the command, so that it would do something
ALSO: Final = {"yes": "--yes", "confirm": "--confirm"}

COMMANDS: Final = {
    path: command
    for path, command in leaves(load_root())
    if any(parameter.name == "slug" for parameter in command.params)
}


def _customer(admin: psycopg.Connection[Any]) -> UUID:
    return a_customer(admin, {}, "kranz")


def _line(path: tuple[str, ...], command: Command, folder: Path) -> list[str]:
    """The command about the tenant ``kranz``, with all that it needs."""
    words: list[str] = []
    for parameter in command.params:
        if parameter.name == "slug":
            words.append("kranz")
        elif parameter.param_type_name == "argument" and parameter.required:
            need = NEEDS[str(parameter.name)]
            words.append(str(folder / need) if "." in need or need == "written" else need)
        elif parameter.required:
            need = NEEDS[str(parameter.name)]
            need = "written.html" if path == ("report",) else need
            words += [parameter.opts[0], need if parameter.name == "to" else str(folder / need)]
        elif parameter.name in ALSO:
            words.append(ALSO[str(parameter.name)])
    return [*path, *words]


@pytest.mark.risk("P3")
@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_p03_a_command_about_a_real_tenant(
    quick_command: RunCommand, admin_conn: psycopg.Connection[Any], tmp_path: Path, path: tuple[str, ...]
) -> None:
    """Exit 3, one line in the log and one row in the audit; nothing else changes, and nothing is told."""
    tenant = _customer(admin_conn)
    (tmp_path / "plan.csv").write_text("month,contacts_created\n2025-01,5\n", encoding="utf-8")
    before, rows = table_counts(admin_conn), fingerprint(admin_conn, tenant)
    done = quick_command(*_line(path, COMMANDS[path], tmp_path), "--json")
    assert done.code == 3, done.out + done.err
    assert done.error["code"] == "not_a_demo_tenant"
    assert MARK not in done.out + done.err
    assert str(tenant) not in done.out + done.err
    found = admin_conn.execute(
        "select event, slug, detail ->> 'wish', actor from demo.audit_log order by id"
    ).fetchall()
    assert [row[:2] for row in found] == [("NON_DEMO_TENANT_BLOCKED", "kranz")], found
    assert found[0][2]
    after = table_counts(admin_conn)
    assert after.pop("demo.audit_log") == before.pop("demo.audit_log") + 1
    assert after == before
    assert fingerprint(admin_conn, tenant) == rows
    log = (tmp_path / "home" / "log" / "events.jsonl").read_text(encoding="utf-8")
    [event] = [json.loads(line) for line in log.splitlines()]
    assert (event["event"], event["tenant"], event["is_audited"]) == (
        "NON_DEMO_TENANT_BLOCKED",
        "kranz",
        True,
    )


@pytest.mark.risk("P3")
@pytest.mark.parametrize("path", [("tenant", "provision"), ("run",)], ids=" ".join)
def test_p03_a_blueprint_of_a_real_tenants_name(
    quick_command: RunCommand, admin_conn: psycopg.Connection[Any], tmp_path: Path, path: tuple[str, ...]
) -> None:
    """A file that is called as a customer makes nothing: exit 3, logged and audited."""
    tenant = _customer(admin_conn)
    blueprint = tmp_path / "kranz.yaml"
    blueprint.write_text(SMALL, encoding="utf-8")
    rows = fingerprint(admin_conn, tenant)
    done = quick_command(*path, blueprint)
    assert done.code == 3, done.err
    found = admin_conn.execute("select event, slug, detail from demo.audit_log").fetchall()
    assert found == [("NON_DEMO_TENANT_BLOCKED", "kranz", {"wish": "provision"})]
    assert fingerprint(admin_conn, tenant) == rows


def test_commands_that_name_a_tenant_are_known() -> None:
    """The list is not empty by mistake: what the contract names is in it."""
    names = {" ".join(path) for path in COMMANDS}
    assert names >= {"generate", "kpis", "verify", "digest", "tenant show", "tenant delete", "plan preview",
                     "plan write", "patch apply", "job list"}  # fmt: skip


@pytest.mark.risk("P3", partial=True)
def test_audited_though_the_transaction_is_rolled_back(
    database: Database, database_settings: Settings, admin_conn: psycopg.Connection[Any]
) -> None:
    """The refusal takes its transaction with it, and not the line that tells of it."""
    _customer(admin_conn)
    for readonly in (True, False):
        with (
            database.admin(readonly=readonly) as conn,
            pytest.raises(NotADemoTenantError),
            conn.transaction(),
        ):
            find_tenant_context(conn, database_settings, "kranz", "a test")
    assert admin_conn.execute("select count(*) from demo.audit_log").fetchone() == (2,)


@pytest.mark.risk("P3", partial=True)
def test_refused_where_nothing_can_be_written(
    database: Database, database_settings: Settings, admin_conn: psycopg.Connection[Any]
) -> None:
    """A server that takes no audit row refuses the attempt all the same; the log says that it has none."""
    _customer(admin_conn)
    admin_conn.execute("create function demo.full_disk() returns trigger language plpgsql as"
                       " $$ begin raise exception using errcode = 'disk_full'; end $$")  # fmt: skip
    admin_conn.execute(
        "create trigger full_disk before insert on demo.audit_log execute function demo.full_disk()"
    )
    with pytest.raises(NotADemoTenantError):
        digest(database, database_settings, "kranz")
    [line] = (database_settings.home / "log" / "events.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(line)["is_audited"] is False
