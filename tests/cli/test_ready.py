"""``ready``: each reason is provoked, and the command that is printed beside it makes it go."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import psycopg
import pytest

from demo_pipeline.services.months.materialise import materialise
from demo_pipeline.services.tenants.provision import provision
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.rows.row_fingerprint import row_fingerprints
from tests.fixtures.cli import Finished, RunCommand
from tests.fixtures.ledger_steps import real_tenant
from tests.services.repairs.damage import copy_company, guards_off, misplace, plant_rows_of

Conn = psycopg.Connection[Any]
_REQUIREMENTS: Final = [
    "jobs",
    "checkpoint",
    "fresh",
    "checked",
    "scan",
    "certificate",
    "heroes",
    "alerts",
    "released",
]
#: more cures than any tenant of these tests needs
_MOST_CURES: Final = 20


def state_of(done: Finished) -> dict[str, Any]:
    """What ``ready SLUG --json`` or the only line of ``ready --all --json`` says, as the exit code does."""
    document = done.document
    assert done.code == (0 if document["ready"] else 4)
    [one] = document.get("tenants", [document])
    assert one["ready"] is (not one["reasons"])
    assert list(one["requirements"]) == _REQUIREMENTS
    return one


def examined(command: RunCommand, slug: str) -> dict[str, Any]:
    """One tenant, examined."""
    return state_of(command("ready", slug, "--json"))


def on_board(command: RunCommand) -> dict[str, Any]:
    """The only line of the board."""
    return state_of(command("ready", "--all", "--json"))


def cure(command: RunCommand, look: Callable[[], dict[str, Any]]) -> list[tuple[str, str]]:
    """Run the first printed command until none is left: requirement and the words of each command.

    Each one ends well, and its reason is gone after it.
    """
    cured: list[tuple[str, str]] = []
    while curable := [one for one in look()["reasons"] if one["command"] is not None]:
        reason = curable[0]
        program, *arguments = shlex.split(reason["command"])
        assert program == "demo-pipeline"
        done = command(*arguments)
        # An examination finds more, or nothing.
        assert done.code == 0 or (arguments[0] == "ready" and done.code == 4), (reason, done)
        assert reason not in look()["reasons"]
        cured.append((reason["requirement"], " ".join(arguments)))
        assert len(cured) < _MOST_CURES
    return cured


def tenant_of(conn: Conn) -> Any:
    """The id of the only demo tenant."""
    return conn.execute("select tenant_id from demo.tenant_metadata").fetchall()[0][0]


def test_a_ready_tenant(quick_command: RunCommand, kranz: str) -> None:
    """Green in text and JSON, exit code 0; the board takes it from the examination, and both say when."""
    assert quick_command("release", kranz).code == 0
    one = examined(quick_command, kranz)
    assert one["reasons"] == []
    assert {name for name, state in one["requirements"].items() if state != "met"} == {"checkpoint"}
    assert (one["checkpoint"], one["notes"]) == (None, [])
    assert one["was_ready"] is True
    board = quick_command("ready", "--all", "--json")
    assert state_of(board) == one
    for arguments in ((kranz,), ("--all",), ("--all", "--examine")):
        shown = quick_command("ready", *arguments)
        assert shown.code == 0
        title, line = shown.out.splitlines()[:2]
        assert title.split() == ["tenant", "light", *_REQUIREMENTS, "examined"]
        assert line.split()[: 3 + len(_REQUIREMENTS)] == [kranz, "✓", "ready", *"✓–✓✓✓✓✓✓✓"]
        assert shown.out.splitlines()[-1] == "ready"
        assert f"demo-pipeline checkpoint {kranz} NAME takes one" in shown.err


@pytest.mark.risk("P9", partial=True)
def test_every_printed_command_cures_its_reason(
    command: RunCommand, kranz: str, database: Database, admin_conn: Conn
) -> None:
    """Everything that jobs can cure is wrong at once. The commands, as printed, end with a ready tenant."""
    tenant_id = tenant_of(admin_conn)
    copy_company(database, kranz)
    plant_rows_of(database, uuid4(), kranz)
    misplace(database, real_tenant(admin_conn), kranz)
    with guards_off(database, ("contacts", "contacts_owner_fkey")) as conn:
        conn.execute(
            "update crm.contacts set owner_id = gen_random_uuid() where id = (select id from crm.contacts"
            " where tenant_id = %s order by id limit 1)",
            [tenant_id],
        )
        conn.execute(
            "update crm.deals set closed_at = null where id = (select id from crm.deals"
            " where tenant_id = %s and closed_at is not null order by id limit 1)",
            [tenant_id],
        )
        conn.execute(
            "update crm.activities set demo_generated = false, demo_job_id = null, demo_source_month = null"
            " where id = (select id from crm.activities where tenant_id = %s order by id limit 1)",
            [tenant_id],
        )
    admin_conn.execute(
        "update crm.activities set deleted_at = now() where id in (select id from crm.activities"
        " where tenant_id = %s and demo_source_month = '2025-03' limit 2)",
        [tenant_id],
    )
    cured = cure(command, partial(examined, command, kranz))
    assert {
        ("checked", f"repair {kranz} --yes"),
        ("checked", f"dedupe {kranz} --yes"),
        ("checked", f"provenance backfill {kranz}"),
        ("checked", f"generate {kranz}"),
    } <= set(cured)
    assert cured[-1] == ("released", f"release {kranz}")
    assert examined(command, kranz)["ready"]


def test_a_tenant_without_months(command: RunCommand, blueprint: Path) -> None:
    """Not loaded, not examined, not released: the board's own commands lead to a ready tenant."""
    assert command("tenant", "provision", blueprint).code == 0
    cured = cure(command, partial(on_board, command))
    assert cured == [
        ("fresh", "generate kranz"),
        ("checked", "ready kranz"),
        ("released", "release kranz"),
    ]


def test_a_stale_tenant(
    command: RunCommand, blueprint: Path, database: Database, database_settings: Settings
) -> None:
    """A living tenant that was loaded two weeks ago, months that have begun since included."""
    text = blueprint.read_text(encoding="utf-8").replace("end_month: 2025-03\n", "")
    blueprint.write_text(text.replace("start_month: 2025-01", "last_months: 2"), encoding="utf-8")
    earlier = database_settings.model_copy(update={"now": datetime.now(UTC) - timedelta(days=14)})
    provision(database, earlier, blueprint)
    materialise(database, earlier, "kranz")
    reason = on_board(command)["reasons"][0]
    assert reason["requirement"] == "fresh"
    assert "no activity for" in reason["what"]
    assert ("fresh", "generate kranz") in cure(command, partial(on_board, command))


def test_what_people_do_needs_another_examination(
    quick_command: RunCommand, kranz: str, admin_conn: Conn
) -> None:
    """The board sees any change of any row, and does not know any more; rows of a job leave it as it was."""
    assert quick_command("release", kranz).code == 0
    assert quick_command("ready", kranz).code == 0
    tenant_id = tenant_of(admin_conn)
    for change in (
        "insert into crm.contacts (tenant_id, first_name) values (%s, 'Ada')",
        "update crm.tags set color = '#000000' where tenant_id = %s",
        "update crm.contacts set updated_at = now() where tenant_id = %s and first_name = 'Ada'",
        "delete from crm.contacts where tenant_id = %s and first_name = 'Ada'",
    ):
        admin_conn.execute(change.encode(), [tenant_id])
        board = on_board(quick_command)
        assert board["requirements"]["checked"] == board["requirements"]["scan"] == "unknown", change
        [reason] = board["reasons"]
        assert reason["what"].startswith("rows have changed since it was examined")
        assert board["was_ready"] is True
        assert cure(quick_command, partial(on_board, quick_command)) == [("checked", f"ready {kranz}")]


def test_a_patch_needs_a_release_only(quick_command: RunCommand, kranz: str, tmp_path: Path) -> None:
    """Rows that a job adds were verified by it, tags of its contacts included: no examination is due."""
    assert quick_command("release", kranz).code == 0
    assert quick_command("ready", kranz).code == 0
    plan = tmp_path / "plan.csv"
    plan.write_text("month,contacts_created,deals_created\n2025-02,30,3\n", encoding="utf-8")
    assert quick_command("patch", "apply", kranz, plan).code == 0
    look = partial(on_board, quick_command)
    [reason] = look()["reasons"]
    assert (reason["requirement"], reason["what"]) == (
        "released",
        "1 month (2025-02) is changed since the release",
    )
    assert cure(quick_command, look) == [("released", f"release {kranz}")]
    undone = quick_command("job", "undo", "--last", kranz)
    assert undone.code == 0, undone
    assert [one["requirement"] for one in look()["reasons"]] == ["released"]


def test_what_people_do_with_rows_of_a_job_needs_another_examination(
    quick_command: RunCommand, kranz: str, admin_conn: Conn, tmp_path: Path
) -> None:
    """Rows that a job added since, edited, deleted or tagged by people: the board does not know any more."""
    assert quick_command("release", kranz).code == 0
    assert quick_command("ready", kranz).code == 0
    plan = tmp_path / "plan.csv"
    plan.write_text("month,contacts_created,activities_created\n2025-02,30,40\n", encoding="utf-8")
    assert quick_command("patch", "apply", kranz, plan).code == 0
    assert quick_command("release", kranz).code == 0
    assert on_board(quick_command)["ready"]
    tenant_id = tenant_of(admin_conn)
    since = dict(admin_conn.execute("select tenant_id, examined_at from demo.examinations").fetchall())
    job = "(select id from demo.job_ledger where kind = 'patch')"
    tag = (
        f"(select k.id from crm.contact_tags k join crm.contacts c on c.id = k.contact_id"
        f" where c.demo_job_id = {job} order by k.id limit 1)"
    )
    before = row_fingerprints(admin_conn, since)
    seen: dict[str, bool] = {}
    for change in (
        f"update crm.contacts set first_name = 'Zoe' where demo_job_id = {job}",
        f"update crm.activities set deleted_at = now() where demo_job_id = {job}",
        (
            "delete from crm.activities where id = (select min(id::text)::uuid from crm.activities"
            f" where demo_job_id = {job})"
        ),
        (
            "insert into crm.contact_tags (tenant_id, contact_id, tag_id) select c.tenant_id, c.id, t.id"
            f" from crm.contacts c join crm.tags t using (tenant_id) where c.demo_job_id = {job}"
            " and (c.id, t.id) not in (select k.contact_id, k.tag_id from crm.contact_tags k) limit 1"
        ),
        f"update crm.contact_tags set created_at = created_at where id = {tag}",
        f"delete from crm.contact_tags where id = {tag}",
    ):
        with admin_conn.transaction(force_rollback=True):
            assert admin_conn.execute(change.encode()).rowcount, change
            seen[change] = row_fingerprints(admin_conn, since) != before
    assert [change for change, is_seen in seen.items() if not is_seen] == []
    assert row_fingerprints(admin_conn, since) == before
    admin_conn.execute(f"update crm.contacts set first_name = 'Zoe' where demo_job_id = {job}".encode())
    assert on_board(quick_command)["requirements"]["checked"] == "unknown"
    assert cure(quick_command, partial(on_board, quick_command)) == [("checked", f"ready {kranz}")]
    assert list(since) == [tenant_id]


def test_hero_accounts_that_people_changed_are_selected_anew(
    quick_command: RunCommand, kranz: str, admin_conn: Conn
) -> None:
    """A hero's deal that somebody moved to another stage: a repair that hides no row selects another one."""
    assert quick_command("release", kranz).code == 0
    admin_conn.execute(
        "update crm.deals d set stage_id = (select s.id from crm.pipeline_stages s where s.tenant_id ="
        " d.tenant_id and s.is_lost), closed_at = now() where d.id = (select deal_id from"
        " demo.hero_accounts where kind = 'at_risk')"
    )
    look = partial(examined, quick_command, kranz)
    [reason] = look()["reasons"]
    assert reason["what"] == "people changed the rows of 1 hero account (at risk)"
    planned = quick_command("repair", kranz)
    assert "people changed the rows of: at risk" in planned.out
    command = f"repair {kranz} --restore-stages --yes"
    assert cure(quick_command, look) == [("heroes", command)]
    assert "differ from what is expected" in look()["notes"][0]
    # A stage that is not won any more: it is set again, and the accounts are what they were.
    heroes = admin_conn.execute("select deal_id from demo.hero_accounts order by kind").fetchall()
    admin_conn.execute("update crm.pipeline_stages set is_won = false where is_won")
    assert "heroes" in {one["requirement"] for one in look()["reasons"]}
    assert ("heroes", command) in cure(quick_command, look)
    assert admin_conn.execute("select deal_id from demo.hero_accounts order by kind").fetchall() == heroes


def test_a_failed_job_is_tried_again(
    quick_command: RunCommand, kranz: str, admin_conn: Conn, tmp_path: Path
) -> None:
    """Its alert is a reason until the printed retry has completed it."""
    assert quick_command("release", kranz).code == 0
    plan = tmp_path / "plan.csv"
    plan.write_text("month,contacts_created\n2025-02,3\n", encoding="utf-8")
    admin_conn.execute(
        "create function public.refuse() returns trigger language plpgsql as"
        " $$ begin raise exception 'planted'; end $$"
    )
    admin_conn.execute(
        "create trigger refuse before insert on crm.contacts for each row execute function public.refuse()"
    )
    assert quick_command("patch", "apply", kranz, plan).code == 1
    admin_conn.execute("drop trigger refuse on crm.contacts")
    look = partial(examined, quick_command, kranz)
    [reason] = look()["reasons"]
    assert reason["requirement"] == "alerts"
    assert "planted" in reason["what"]
    cured = cure(quick_command, look)
    assert [requirement for requirement, _ in cured] == ["alerts", "released"]
    assert cured[0][1].startswith("job retry ")


def test_what_no_command_cures_is_explained(
    quick_command: RunCommand, kranz: str, admin_conn: Conn, database_env: dict[str, str]
) -> None:
    """Words, numbers, an inbox file and a job at work: the place and what to do, and no command."""
    assert quick_command("release", kranz).code == 0
    tenant_id = tenant_of(admin_conn)
    admin_conn.execute(
        "insert into crm.contacts (tenant_id, first_name, last_name, phone)"
        " values (%s, 'Test', 'Person', '+49 30 1234567')",
        [tenant_id],
    )
    folder = Path(database_env["DEMO_HOME"]) / "inbox" / kranz / "refused"
    folder.mkdir(parents=True, mode=0o750)
    for path in (folder, *list(folder.parents)[:2]):
        path.chmod(0o750)
    (folder / "plan.csv").write_text("month\n", encoding="utf-8")
    report = '{"file": "plan.csv", "at": "2999-01-01T00:00:00+00:00", "error": {"message": "no metric"}}'
    (folder / "plan.csv.report.json").write_text(report, encoding="utf-8")
    one = examined(quick_command, kranz)
    reasons = {reason["requirement"]: reason for reason in one["reasons"]}
    assert list(reasons) == ["scan", "certificate", "alerts"]
    assert "contacts.first_name: 'test'" in reasons["scan"]["what"]
    assert "+49 30 1234567" in reasons["certificate"]["what"]
    assert "no metric" in reasons["alerts"]["what"]
    assert {reason["command"] for reason in one["reasons"]} == {None}
    shown = quick_command("ready", kranz)
    assert shown.code == 4
    assert "✗ not ready" in shown.out
    for reason in one["reasons"]:
        assert reason["what"] in shown.out
        assert reason["remedy"] in shown.out
    admin_conn.execute("delete from crm.contacts where tenant_id = %s and first_name = 'Test'", [tenant_id])
    (folder / "plan.csv").unlink()
    admin_conn.execute("update demo.job_ledger set status = 'running', completed_at = null")
    with admin_conn.transaction():
        admin_conn.execute("select pg_advisory_xact_lock(demo.tenant_lock_key(%s))", [tenant_id])
        board = on_board(quick_command)
    reasons = {reason["requirement"]: reason for reason in board["reasons"]}
    assert reasons["jobs"]["what"] == "a materialisation is running"
    assert "demo-pipeline job show " in reasons["jobs"]["remedy"]


def test_drift_since_the_last_checkpoint_is_what_people_did(
    quick_command: RunCommand, kranz: str, admin_conn: Conn
) -> None:
    """Rows that people added, edited, hid and deleted, by table; the printed rewind ends it."""
    assert quick_command("release", kranz).code == 0
    assert quick_command("checkpoint", kranz, "before-demo").code == 0
    assert quick_command("ready", kranz).code == 0
    assert examined(quick_command, kranz)["requirements"]["checkpoint"] == "met"
    assert on_board(quick_command)["checkpoint"] == "before-demo"
    tenant_id = tenant_of(admin_conn)
    for change in (
        "insert into crm.companies (tenant_id, name) select %(tenant)s, 'Visitors'",
        (
            "insert into crm.contact_tags (tenant_id, contact_id, tag_id)"
            " select c.tenant_id, c.id, t.id from crm.contacts c join crm.tags t on t.tenant_id = c.tenant_id"
            " where c.tenant_id = %(tenant)s and (c.id, t.id) not in"
            " (select k.contact_id, k.tag_id from crm.contact_tags k)"
            " order by c.id desc limit 2"
        ),
        (
            "update crm.users set first_name = 'Zoe' where id = (select id from crm.users"
            " where tenant_id = %(tenant)s order by id limit 1)"
        ),
        (
            "update crm.contacts set deleted_at = now() where id in (select id from crm.contacts"
            " where tenant_id = %(tenant)s order by id desc limit 3)"
        ),
        (
            "delete from crm.activities where id in (select id from crm.activities"
            " where tenant_id = %(tenant)s order by id desc limit 4)"
        ),
    ):
        admin_conn.execute(change.encode(), {"tenant": tenant_id})
    on = on_board(quick_command)
    assert [one["requirement"] for one in on["reasons"]] == ["checkpoint", "checked"]
    what = "people changed 1 user, 1 company, 3 contacts, 2 tags on contacts, 4 activities since checkpoint"
    assert on["reasons"][0]["what"].startswith(f"{what} before-demo (")
    one = examined(quick_command, kranz)
    assert one["reasons"][0] == on["reasons"][0]
    assert on_board(quick_command)["reasons"][0] == on["reasons"][0]
    cured = cure(quick_command, partial(examined, quick_command, kranz))
    assert cured[0] == ("checkpoint", f"rewind {kranz} before-demo --yes")
    assert {requirement for requirement, _ in cured[1:]} <= {"released"}


@pytest.mark.risk("P10", partial=True)
def test_what_jobs_did_since_the_last_checkpoint_is_no_drift(
    quick_command: RunCommand, kranz: str, admin_conn: Conn, tmp_path: Path
) -> None:
    """A patch, a plan that lowers figures, and their undos; what a person does then is, until it is kept."""
    assert quick_command("checkpoint", kranz, "before-demo").code == 0

    def drift() -> list[dict[str, Any]]:
        one = examined(quick_command, kranz)
        assert one["checkpoint"] == "before-demo"
        return [reason for reason in one["reasons"] if reason["requirement"] == "checkpoint"]

    plan, lower = tmp_path / "plan.csv", tmp_path / "lower.yaml"
    plan.write_text("month,contacts_created,deals_created\n2025-02,12,3\n", encoding="utf-8")
    months = [{"month": "2025-02", "metrics": {"activities_created": 20}}]
    lower.write_text(
        json.dumps({"mode": "reconcile", "plan_type": "targets", "months": months}), encoding="utf-8"
    )
    for arguments in (
        ("patch", "apply", kranz, plan),
        ("job", "undo", "--last", kranz),
        ("patch", "apply", kranz, lower, "--yes"),
        ("job", "undo", "--last", kranz),
    ):
        done = quick_command(*arguments)
        assert done.code == 0, done
        assert drift() == [], arguments
    admin_conn.execute(
        "update crm.contacts set first_name = 'Zoe' where id = (select id from crm.contacts limit 1)"
    )
    [reason] = drift()
    assert "people changed 1 contact since" in reason["what"]
    assert quick_command("checkpoint", kranz, "before-demo", "--replace").code == 0
    assert drift() == []


def test_a_tenant_is_compared_with_the_checkpoint_that_it_went_back_to(
    quick_command: RunCommand, kranz: str, admin_conn: Conn
) -> None:
    """The older of two, an automatic one, and after the undo of the rewind the newer one again."""

    def checkpoint() -> str:
        one = examined(quick_command, kranz)
        assert "checkpoint" not in {reason["requirement"] for reason in one["reasons"]}
        assert on_board(quick_command)["requirements"]["checkpoint"] == "met"
        return one["checkpoint"]

    assert quick_command("checkpoint", kranz, "first").code == 0
    rename = "update crm.contacts set first_name = %s where id = (select id from crm.contacts limit 1)"
    admin_conn.execute(rename, ["Zoe"])
    assert quick_command("checkpoint", kranz, "second").code == 0
    assert checkpoint() == "second"
    assert quick_command("rewind", kranz, "first", "--yes").code == 0
    assert checkpoint() == "first"
    admin_conn.execute(rename, ["Ann"])
    [reason] = [one for one in on_board(quick_command)["reasons"] if one["requirement"] == "checkpoint"]
    assert "people changed 1 contact since checkpoint first" in reason["what"]
    assert reason["command"] == f"demo-pipeline rewind {kranz} first --yes"
    assert quick_command("rewind", kranz, "second", "--yes").code == 0
    assert checkpoint() == "second"
    assert quick_command("job", "undo", "--last", kranz).code == 0
    assert on_board(quick_command)["checkpoint"] == "first"
    admin_conn.execute("update demo.checkpoints set is_automatic = true where name = 'first'")
    assert quick_command("rewind", kranz, "first", "--yes").code == 0
    assert checkpoint() == "first"
    assert quick_command("job", "undo", "--last", kranz).code == 0
    assert quick_command("checkpoint", kranz, "second", "--replace").code == 0
    assert checkpoint() == "second"


def test_a_tenant_that_people_renamed(quick_command: RunCommand, kranz: str, admin_conn: Conn) -> None:
    """Its own row counts as people's change, the preview of the rewind lists it, and the rewind ends it."""
    assert quick_command("release", kranz).code == 0
    assert quick_command("checkpoint", kranz, "before-demo").code == 0
    admin_conn.execute("update crm.tenants set name = 'Renamed', timezone = 'UTC' where slug = %s", [kranz])
    one = examined(quick_command, kranz)
    [reason] = one["reasons"]
    assert reason["what"].startswith("people changed the tenant itself since checkpoint before-demo (")
    preview = quick_command("rewind", kranz, "before-demo", "--json").document
    assert preview["rows"]["changed"] == {"tenants": 1}
    shown = quick_command("rewind", kranz, "before-demo")
    assert shown.out.splitlines()[2].split() == ["tenants", "1", "0", "0", "0", "0"], shown.out
    assert cure(quick_command, partial(examined, quick_command, kranz))[0] == (
        "checkpoint",
        f"rewind {kranz} before-demo --yes",
    )
    nothing = f"{kranz}: nothing has changed since checkpoint before-demo\n"
    assert quick_command("rewind", kranz, "before-demo").out == nothing


def test_a_plan_that_was_requested_twice_is_noted_until_it_is_undone(
    quick_command: RunCommand, kranz: str, tmp_path: Path
) -> None:
    """In plain words: the second request changed nothing."""
    plan = tmp_path / "plan.csv"
    plan.write_text("month,contacts_created\n2025-02,3\n", encoding="utf-8")
    job_id = quick_command("patch", "apply", kranz, plan, "--json").document["job_id"]
    quick_command("patch", "apply", kranz, plan)
    [note] = examined(quick_command, kranz)["notes"]
    assert note.startswith(f"the plan of job {job_id[:8]} was requested twice, last at ")
    assert note.endswith("; the second request changed nothing")
    quick_command("job", "undo", job_id)
    assert examined(quick_command, kranz)["notes"] == []


def test_wrong_input(quick_command: RunCommand, kranz: str, admin_conn: Conn) -> None:
    """Neither a tenant nor --all, both, --examine alone, and a tenant that is none."""
    for arguments, message in (
        ((), "give a tenant, or --all"),
        ((kranz, "--all"), "give a tenant, or --all"),
        ((kranz, "--examine"), "--examine belongs to --all"),
        (("nobody",), "there is no tenant 'nobody'"),
    ):
        done = quick_command("ready", *arguments)
        assert (done.code, done.out) == (2, "")
        assert message in done.err
    real_tenant(admin_conn)
    assert quick_command("ready", "customer").code == 3


def test_without_a_tenant(quick_command: RunCommand) -> None:
    """Nothing is wrong where nothing is."""
    done = quick_command("ready", "--all")
    assert (done.code, done.out) == (0, "")
    assert "no demo tenant" in done.err
    assert quick_command("ready", "--all", "--json").document["ready"] is True
