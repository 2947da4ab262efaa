"""What the commands say of a tenant that cannot be read: one clear message, exit code 4, and a way out."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from tests.fixtures.cli import Finished, RunCommand

_PLANT = """
    alter table demo.tenant_metadata disable trigger user;
    update demo.tenant_metadata set plan = plan - 'currency';
    alter table demo.tenant_metadata enable trigger user;
"""


@pytest.fixture
def broken(kranz: str, admin_conn: psycopg.Connection) -> str:
    """A tenant whose plan has lost a key."""
    admin_conn.execute(_PLANT)
    return kranz


def assert_answered(done: Finished, code: int) -> None:
    """It ended with that exit code, and nobody is told that this should not have happened."""
    assert done.code == code, done.err
    assert "should not have happened" not in done.err
    assert "Traceback" not in done.err


def test_a_command_that_needs_the_plan_names_what_is_wrong(
    quick_command: RunCommand, broken: str, blueprint: Path
) -> None:
    """Exit code 4, the key, the remedy; the same as a JSON document."""
    for arguments in (
        ["tenant", "show", broken],
        ["tenant", "provision", blueprint],
        ["kpis", broken],
        ["generate", broken],
        ["repair", broken],
        ["dedupe", broken],
        ["provenance", "backfill", broken],
    ):
        done = quick_command(*arguments)
        assert_answered(done, 4)
        assert "plan.currency: field required" in done.err
        assert f"demo-pipeline tenant delete {broken} --yes" in done.err
    error = quick_command("kpis", broken, "--json").error
    assert error["code"] == "unreadable_tenant"
    assert error["details"]["problems"] == ["plan.currency: field required"]


def test_commands_over_all_tenants_report_it(
    quick_command: RunCommand, broken: str, blueprint: Path, tmp_path: Path
) -> None:
    """``verify`` has it as a finding beside the verdicts on the others; ``scan`` and lists go on."""
    other = tmp_path / "sound.yaml"
    other.write_text(blueprint.read_text(encoding="utf-8"), encoding="utf-8")
    assert quick_command("tenant", "provision", other).code == 0
    done = quick_command("verify", "--json")
    assert_answered(done, 4)
    kranz, sound = done.document["tenants"]
    assert [one["check"] for one in kranz["findings"]] == ["stored_documents_can_be_read"]
    assert sound["is_as_expected"] is True
    assert_answered(quick_command("verify"), 4)
    for arguments in (["scan"], ["tenant", "list"], ["job", "list"], ["digest", broken]):
        assert_answered(quick_command(*arguments), 0)


def test_the_main_job_reports_it(quick_command: RunCommand, broken: str, blueprint: Path) -> None:
    """``run`` leaves it alone and ends with the finding, exit code 4."""
    done = quick_command("run", blueprint, "--json")
    assert_answered(done, 4)
    [verdict] = done.document["verdicts"]
    assert verdict["tenant"] == broken
    assert done.document["passed"] is False
    assert_answered(quick_command("run", blueprint), 4)


def test_it_can_be_deleted(quick_command: RunCommand, broken: str, blueprint: Path) -> None:
    """The remedy works: asked first, then all rows go, and the name is free."""
    asked = quick_command("tenant", "delete", broken)
    assert_answered(asked, 2)
    assert "48 contacts" in asked.err
    assert_answered(quick_command("tenant", "delete", broken, "--yes"), 0)
    assert_answered(quick_command("verify"), 0)
    assert_answered(quick_command("tenant", "provision", blueprint), 0)
