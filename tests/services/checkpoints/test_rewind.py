"""Checkpoints and rewinds: whatever people and jobs did since, the tenant is as it was, and back again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final
from uuid import UUID, uuid4

import psycopg
import pytest

from demo_pipeline.domain.core.errors import (
    BusyError,
    DemoError,
    InputError,
    NotADemoTenantError,
    NotFoundError,
)
from demo_pipeline.domain.core.job_kinds import JobKind
from demo_pipeline.domain.core.months import Month
from demo_pipeline.services.checkpoints.checkpoint import (
    count_expired,
    delete_checkpoint,
    drop_expired,
    list_checkpoints,
    take_automatic,
    take_checkpoint,
)
from demo_pipeline.services.checkpoints.rewind import changes_of, preview_rewind, rewind_tenant
from demo_pipeline.services.jobs import runner
from demo_pipeline.services.months.materialise import materialise
from demo_pipeline.services.patches.patch import apply_patch
from demo_pipeline.services.patches.undo import last_change, undo_job
from demo_pipeline.services.repairs.repair import repair
from demo_pipeline.services.retry import retry_job
from demo_pipeline.services.tenants.delete_tenant import delete_tenant
from demo_pipeline.services.tenants.extend import extend_tenant
from demo_pipeline.services.tenants.queries import digest, list_jobs, show_tenant
from demo_pipeline.services.tenants.verify import verify
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.ledger import job_ledger
from tests.fixtures.ledger_steps import real_tenant
from tests.long_tests import part
from tests.seeded_random import SeededRandom
from tests.services.builders import BLUEPRINT, made, make_tenant
from tests.services.months.user_edits import People
from tests.services.patches.builders import (
    SMALL,
    assert_as_expected,
    execute,
    fingerprint_of_others,
    plan,
    scalar,
    tenant_rows,
)
from tests.services.patches.reconcile_builders import reconcile_plan
from tests.services.repairs.damage import copy_company

PLAN: Final = plan({"2025-02": {"contacts_created": 4, "deals_created": 2, "activities_created": 9}})
#: what is known of a tenant besides its rows, by table of schema demo
_KNOWN: Final = ("edited_rows", "tenant_months", "hero_accounts")
#: tables in which an undo of a rewind leaves rows hidden that were deleted for good
_PUT_BACK: Final = (
    "users",
    "pipeline_stages",
    "tags",
    "companies",
    "contacts",
    "contact_tags",
    "deals",
    "activities",
)


def people_work(database: Database) -> None:
    """What a demo leaves behind: edits, new rows, rows deleted softly and for good, of every table."""
    with database.admin() as conn, conn.transaction():
        [[tenant]] = conn.execute("select id from crm.tenants where slug = 'acme'").fetchall()

        def run(statement: str, *values: object) -> None:
            conn.execute(statement.encode(), [*values, tenant])

        users = "select id, email from crm.users where tenant_id = %s order by id limit 2"
        (a, email_a), (b, email_b) = conn.execute(users, [tenant]).fetchall()
        # Two users swap their addresses, which are unique.
        for user, email in ((a, "x"), (b, email_a), (a, email_b)):
            run("update crm.users set email = %s where id = %s and tenant_id = %s", email, user)
        stage, user, contact, deal = uuid4(), uuid4(), uuid4(), uuid4()
        run("insert into crm.users (email, id, tenant_id) values ('new@x.example', %s, %s)", user)
        run("insert into crm.pipeline_stages (name, id, tenant_id) values ('Later', %s, %s)", stage)
        run("update crm.pipeline_stages set name = name || '!' where tenant_id = %s")
        run("insert into crm.contacts (first_name, id, tenant_id) values ('Ann', %s, %s)", contact)
        run("insert into crm.deals (contact_id, id, tenant_id) values (%s, %s, %s)", contact, deal)
        run("update crm.contacts set status = 'churned' where status = 'lead' and tenant_id = %s")
        run("update crm.deals set value = 7, stage_id = %s where tenant_id = %s", stage)
        # The same tags are set again under other ids.
        run("delete from crm.contact_tags where tenant_id = %s")
        run(
            "insert into crm.contact_tags (tag_id, contact_id, tenant_id) select t.id, c.id, t.tenant_id"
            " from crm.tags t join crm.contacts c on c.tenant_id = t.tenant_id where t.tenant_id = %s"
        )
        run("delete from crm.activities where id in (select id from crm.activities order by id limit 4)"
            " and tenant_id = %s")  # fmt: skip
        run("update crm.companies set deleted_at = now() where tenant_id = %s")
        run("update crm.tags set color = 'plaid' where tenant_id = %s")
        run("update crm.tenants set name = 'Changed' where id = %s")
        free = (
            "select c.id from crm.contacts c where c.tenant_id = %s and c.demo_generated"
            " and not exists (select from crm.deals d where d.contact_id = c.id) limit 2"
        )
        for (row,) in conn.execute(free, [tenant]).fetchall():
            for table, column in (
                ("activities", "contact_id"),
                ("contact_tags", "contact_id"),
                ("contacts", "id"),
            ):
                run(f"delete from crm.{table} where {column} = %s and tenant_id = %s", row)


def known(database: Database) -> dict[str, Any]:
    """What the product and the CRM know of the tenant besides its rows."""
    found = {
        table: scalar(database, f"select coalesce(jsonb_agg(t order by t::text), '[]') from demo.{table} t")
        for table in _KNOWN
    }
    return found | {"tenant": scalar(database, "select to_jsonb(t) from crm.tenants t where slug = 'acme'")}


def undone(database: Database) -> dict[UUID, UUID | None]:
    """Each job but checkpoints, and the job that undid it."""
    with database.admin(readonly=True) as conn:
        jobs = job_ledger.list_jobs(conn, "acme")
    return {job.id: job.undone_by for job in jobs if job.kind is not JobKind.CHECKPOINT}


def same_rows(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Every row that was there is byte for byte the same; a row that was not is hidden."""
    for table in _PUT_BACK:
        assert {key: found[table].get(key) for key in wanted[table]} == wanted[table], table
        assert all(row["deleted_at"] for key, row in found[table].items() if key not in wanted[table]), table


@pytest.mark.risk("P10", partial=True)
def test_whatever_people_did_is_as_it_was(
    database: Database, database_settings: Settings, tenant: str
) -> None:
    """Added, edited, deleted softly or for good, swapped, set again, in every table; and the undo of it."""
    settings = database_settings
    others = fingerprint_of_others(database, tenant)
    before, rows, state = digest(database, settings, tenant), tenant_rows(database, tenant), known(database)
    take_checkpoint(database, settings, tenant, "start")
    people_work(database)
    worked, rows_then, state_then = (
        digest(database, settings, tenant),
        tenant_rows(database, tenant),
        known(database),
    )
    assert worked != before
    shown = preview_rewind(database, settings, tenant, "start")
    assert known(database) == state_then
    report = rewind_tenant(database, settings, tenant, "start")
    assert changes_of(database, report.job_id) == shown.rows
    assert shown.rows.made_by_jobs == {}
    assert shown.rows.tables == ["tenants", *_PUT_BACK]
    assert digest(database, settings, tenant) == before
    same_rows(tenant_rows(database, tenant), rows)
    assert known(database) == state
    assert_as_expected(database, settings)
    assert last_change(database, settings, tenant).id == report.job_id
    for _ in range(2):
        undo = undo_job(database, settings, report.job_id)
        assert digest(database, settings, tenant) == worked
        same_rows(tenant_rows(database, tenant), rows_then)
        assert known(database) == state_then
        undo_job(database, settings, undo.job_id)
        assert digest(database, settings, tenant) == before
        assert known(database) == state
    assert fingerprint_of_others(database, tenant) == others


@pytest.mark.risk("P10", partial=True)
def test_jobs_since_count_as_undone(database: Database, database_settings: Settings, tenant: str) -> None:
    """Patch, undo, extension, months, repair: the ledger is as it was; and again as it was after them."""
    settings = database_settings
    first = apply_patch(database, settings, tenant, PLAN)
    taken_back = undo_job(database, settings, first.job_id)
    before, state, jobs = digest(database, settings, tenant), known(database), undone(database)
    end = show_tenant(database, settings, tenant).context.end_month
    take_checkpoint(database, settings, tenant, "start")

    undo_job(database, settings, taken_back.job_id)
    second = apply_patch(database, settings, tenant, PLAN, again=True)
    extend_tenant(database, settings, tenant, Month.parse("2025-05"))
    materialise(database, settings, tenant)
    copy_company(database, tenant)
    repair(database, settings, tenant)
    later, later_jobs = digest(database, settings, tenant), undone(database)

    shown = preview_rewind(database, settings, tenant, "start")
    assert {kind for _, kind in shown.jobs} == {"patch", "undo", "extend", "materialise", "repair"}
    report = rewind_tenant(database, settings, tenant, "start")
    assert digest(database, settings, tenant) == before
    assert known(database) == state
    assert show_tenant(database, settings, tenant).context.end_month == end
    now = undone(database)
    assert {job: now[job] for job in jobs} == jobs
    assert {now[job] for job in later_jobs if job not in jobs} == {report.job_id}
    assert_as_expected(database, settings)
    changes = changes_of(database, report.job_id)
    assert changes.made_by_jobs == {"contacts": 4, "deals": 2, "activities": 9}
    assert not materialise(database, settings, tenant).created

    undo = undo_job(database, settings, report.job_id)
    assert digest(database, settings, tenant) == later
    assert {job: undone(database)[job] for job in later_jobs} == later_jobs
    assert_as_expected(database, settings)
    undo_job(database, settings, undo.job_id)
    assert digest(database, settings, tenant) == before

    # The same again is made anew: months with the same rows, the patch as another job.
    third = apply_patch(database, settings, tenant, PLAN)
    assert not third.already_applied
    assert third.job_id not in {first.job_id, second.job_id}
    assert_as_expected(database, settings)
    rewind_tenant(database, settings, tenant, "start")
    assert digest(database, settings, tenant) == before


@pytest.mark.risk("P10", partial=True)
def test_months_made_since_are_made_again_byte_for_byte(
    database: Database, database_settings: Settings
) -> None:
    """Blueprint rows are deleted, so the same ones can be made again; a person's row keeps its parents."""
    settings = database_settings
    slug = make_tenant(database, settings, BLUEPRINT)
    february, last = Month.parse("2025-02"), Month.parse("2025-06")
    materialise(database, settings, slug, None, february)
    before = digest(database, settings, slug)
    take_checkpoint(database, settings, slug, "start")
    materialise(database, settings, slug, None, last)
    whole = digest(database, settings, slug)
    hidden = execute(
        database, "update crm.contacts set deleted_at = now() where demo_source_month = '2025-05'"
    )
    assert hidden
    report = rewind_tenant(database, settings, slug, "start")
    assert digest(database, settings, slug) == before
    assert sum(row["deleted_at"] is not None for row in tenant_rows(database, slug)["contacts"].values()) == 0
    assert changes_of(database, report.job_id).to_json()["deleted"]["contacts"] > hidden
    materialise(database, settings, slug, None, last)
    assert digest(database, settings, slug) == whole
    execute(
        database,
        "insert into crm.activities (tenant_id, id, subject, contact_id)"
        " select tenant_id, gen_random_uuid(), 'Call', id from crm.contacts"
        " where demo_source_month = '2025-04' limit 1",
    )
    rewind_tenant(database, settings, slug, "start")
    assert digest(database, settings, slug) == before
    kept = tenant_rows(database, slug)
    assert [row["subject"] for row in kept["activities"].values() if row["deleted_at"]] == ["Call"]
    assert sum(row["deleted_at"] is not None for row in kept["contacts"].values()) == 1
    materialise(database, settings, slug, None, last)
    # One row stayed, hidden, with a person's row that depends on it: it is made up for.
    materialise(database, settings, slug, None, last)
    assert_as_expected(database, settings)
    assert scalar(database, "select count(*) from crm.activities where subject = 'Call'") == 1


@pytest.mark.risk("P10", partial=True)
def test_healing_and_reconciling_since(database: Database, database_settings: Settings, tenant: str) -> None:
    """Rows that were healed, and rows that a reconcile hid and made anew, before and after the checkpoint."""
    settings = database_settings
    lower = reconcile_plan({"2025-02": {"activities_created": 11}})
    first = apply_patch(database, settings, tenant, lower, is_confirmed=True)
    before, state, jobs = digest(database, settings, tenant), known(database), undone(database)
    take_checkpoint(database, settings, tenant, "start")
    undo_job(database, settings, first.job_id)
    execute(database, "update crm.contacts set deleted_at = now() where status = 'lead'")
    healed = materialise(database, settings, tenant)
    assert healed.kind is JobKind.HEAL
    wanted = reconcile_plan({"2025-02": {"activities_created": 10}})
    apply_patch(database, settings, tenant, wanted, is_confirmed=True)
    later, later_jobs = digest(database, settings, tenant), undone(database)
    report = rewind_tenant(database, settings, tenant, "start")
    assert digest(database, settings, tenant) == before
    assert known(database) == state
    assert {job: undone(database)[job] for job in jobs} == jobs
    assert_as_expected(database, settings)
    undo_job(database, settings, report.job_id)
    assert digest(database, settings, tenant) == later
    assert {job: undone(database)[job] for job in later_jobs} == later_jobs
    rewind_tenant(database, settings, tenant, "start")
    # What it was made of can be taken back as if nothing had been.
    undo_job(database, settings, first.job_id)
    assert_as_expected(database, settings)


def test_names_and_limits(database: Database, database_settings: Settings, tenant: str) -> None:
    """Five by name, five automatic ones; a name once; --replace, --delete; refusals say what to do."""
    settings = database_settings
    for bad in ("", "Before", "-x", "a b", "x" * 41, "ä"):
        with pytest.raises(InputError, match="is no name of a checkpoint"):
            take_checkpoint(database, settings, tenant, bad)
    for name in ("0", "a.b", "a_b", "a-b", "x" * 40):
        take_checkpoint(database, settings, tenant, name)
    with pytest.raises(
        InputError, match=r"has 5 checkpoints already.*--delete, or take one anew with --replace"
    ):
        take_checkpoint(database, settings, tenant, "sixth")
    taken = {one.name: one.id for one in list_checkpoints(database, settings, tenant)}
    assert len(taken) == 5
    take_checkpoint(database, settings, tenant, "0", replaces=True)
    delete_checkpoint(database, settings, tenant, "a.b")
    with pytest.raises(InputError, match="has a checkpoint '0' already; --replace takes it anew"):
        take_checkpoint(database, settings, tenant, "0")
    with pytest.raises(NotFoundError, match=r"no checkpoint 'a_c'; did you mean a_b\?"):
        rewind_tenant(database, settings, tenant, "a_c")
    with pytest.raises(NotFoundError, match=r"has no checkpoint 'a\.b'"):
        delete_checkpoint(database, settings, tenant, "a.b")
    now = settings.model_copy(update={"now": None})
    for _ in range(7):
        assert take_automatic(database, now, tenant) is not None
        # Each is of another second.
        execute(database, "update demo.checkpoints set name = left(name, 19) || substr(id::text, 1, 8),"
                " taken_at = taken_at - interval '1 s' where is_automatic")  # fmt: skip
    found = list_checkpoints(database, settings, tenant)
    assert [one.is_automatic for one in found].count(True) == 5
    assert {one.name for one in found if not one.is_automatic} == {"0", "a_b", "a-b", "x" * 40}
    assert next(one.id for one in found if one.name == "0") != taken["0"]
    stored = scalar(database, "select count(distinct checkpoint_id) from demo.checkpoint_contacts")
    assert stored == len(found)


def test_a_checkpoint_that_cannot_be_used(
    database: Database, database_settings: Settings, tenant: str
) -> None:
    """Expired, of changed columns, of an earlier tenant, of one without months: named, nothing done."""
    settings = database_settings
    take_checkpoint(database, settings, tenant, "start")
    before = scalar(database, "select count(*) from demo.job_ledger")
    execute(database, "alter table crm.contacts add column score integer not null default 0")
    execute(database, "alter table crm.users alter column email drop not null")
    for call in (preview_rewind, rewind_tenant):
        with pytest.raises(
            InputError, match=r"columns .* changed .*: contacts\.score, users\.email; .*--replace"
        ):
            call(database, settings, tenant, "start")
    execute(database, "alter table crm.contacts drop column score")
    execute(database, "alter table crm.users alter column email set not null")
    people_work(database)
    assert scalar(database, "select count(*) from demo.job_ledger") == before
    report = rewind_tenant(database, settings, tenant, "start")
    execute(database, "update demo.checkpoints set expires_at = now() - interval '1 s'")
    with pytest.raises(NotFoundError, match="has no checkpoint 'start'; each is kept for 30 days"):
        rewind_tenant(database, settings, tenant, "start")
    with pytest.raises(InputError, match="kept for 30 days and is gone"):
        undo_job(database, settings, report.job_id)
    assert (count_expired(database), drop_expired(database), count_expired(database)) == (2, 2, 0)
    assert stored_rows(database) == 0
    take_checkpoint(database, settings, tenant, "start")
    delete_tenant(database, settings, tenant)
    assert stored_rows(database) == 0
    make_tenant(database, settings, SMALL)
    with pytest.raises(NotFoundError, match="belonged to incarnation 1 of acme, which was deleted"):
        rewind_tenant(database, settings, tenant, "start")
    assert take_automatic(database, settings, tenant) is None
    with pytest.raises(InputError, match="has no month yet, so there is nothing to remember"):
        take_checkpoint(database, settings, tenant, "start")


def stored_rows(database: Database) -> int:
    """Rows of all tables in which checkpoints are stored."""
    with database.admin(readonly=True) as conn:
        tables = conn.execute(
            "select relname from pg_class where relnamespace = 'demo'::regnamespace and relkind = 'r'"
            " and (relname like 'checkpoint%' or relname = 'rewind_rows')"
        ).fetchall()
        assert len(tables) == 11
    return sum(scalar(database, f"select count(*) from demo.{table}") for (table,) in tables)


@pytest.mark.risk("P3", partial=True)
def test_real_tenants_are_refused_and_busy_ones_wait(
    database: Database, database_settings: Settings, tenant: str
) -> None:
    """Exit 3 and audited; exit 5 while another session holds the tenant; nothing is stored."""
    settings = database_settings.model_copy(update={"wait_seconds": 0.05})
    with database.admin() as conn:
        real_tenant(conn, "customer")
    for number, call in enumerate((take_checkpoint, rewind_tenant, preview_rewind), start=1):
        with pytest.raises(NotADemoTenantError):
            call(database, settings, "customer", "start")
        audited = "select count(*) from demo.audit_log where event = 'NON_DEMO_TENANT_BLOCKED'"
        assert scalar(database, audited) == number
    with database.loader() as holder:
        holder.execute(
            "select pg_advisory_lock(demo.tenant_lock_key((demo.find_tenant('acme') ->> 'tenant_id')::uuid))"
        )
        with pytest.raises(BusyError) as caught:
            take_checkpoint(database, settings, tenant, "start")
    assert caught.value.exit_code == 5
    assert stored_rows(database) == 0


def test_people_who_edit_all_the_while(
    database: Database, database_settings: Settings, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Edits that come after its view make it try again, then end with exit 5 and nothing changed."""
    settings = database_settings
    take_checkpoint(database, settings, tenant, "start")
    execute(database, "update crm.contacts set first_name = 'Zoe'")
    before = digest(database, settings, tenant)
    real_transaction, tries = runner.run_transaction, 0
    edits = [True] * 8 + [True, False]

    def edited(run: Any, *rest: Any) -> Any:
        nonlocal tries
        tries += 1
        if edits.pop(0):
            # The job's view is of before this edit, which is committed before it comes to the row.
            selection, *others = rest

            def execute_late(transaction: Any) -> Any:
                transaction.figures()
                execute(database, "update crm.contacts set first_name = first_name || '!'")
                return selection.execute(transaction)

            rest = (replace(selection, execute=execute_late), *others)
        return real_transaction(run, *rest)

    monkeypatch.setattr(runner, "run_transaction", edited)
    with pytest.raises(BusyError, match="people kept editing the same rows through all tries") as caught:
        rewind_tenant(database, settings, tenant, "start")
    assert (caught.value.exit_code, tries) == (5, 8)
    assert scalar(database, "select count(*) from demo.rewind_rows") == 0
    assert digest(database, settings, tenant) != before
    rewind_tenant(database, settings, tenant, "start")
    assert tries == 10


def test_a_trigger_of_the_crm_that_changes_rows_is_noticed(
    database: Database, database_settings: Settings, tenant: str
) -> None:
    """The digest is compared before the commit: exit 4, nothing changed, and the job can be tried again."""
    settings = database_settings
    take_checkpoint(database, settings, tenant, "start")
    people_work(database)
    worked = digest(database, settings, tenant)
    execute(
        database,
        "create function crm.stamp() returns trigger language plpgsql as"
        " $$ begin new.updated_at := clock_timestamp(); return new; end $$;"
        "create trigger stamp before update on crm.contacts for each row execute function crm.stamp()",
    )
    with pytest.raises(
        DemoError, match="is not as it was at checkpoint 'start', everything was rolled back"
    ) as caught:
        rewind_tenant(database, settings, tenant, "start")
    assert caught.value.exit_code == 4
    assert digest(database, settings, tenant) == worked
    execute(database, "drop trigger stamp on crm.contacts")
    failed = list_jobs(database, settings, tenant)[0]
    assert (failed.kind, failed.status) == (JobKind.REWIND, "failed")
    assert retry_job(database, settings, failed.id).job_id == failed.id
    assert digest(database, settings, tenant) != worked


def test_a_retry_goes_to_the_checkpoint_that_was_asked_for(
    database: Database, database_settings: Settings, tenant: str
) -> None:
    """Another one of the same name is refused with the command that shows what it would change."""
    settings = database_settings
    take_checkpoint(database, settings, tenant, "start")
    people_work(database)
    execute(
        database,
        "create function crm.full_disk() returns trigger language plpgsql as"
        " $$ begin raise disk_full; end $$;"
        "create trigger full_disk before update on crm.contacts execute function crm.full_disk()",
    )
    with pytest.raises(DemoError):
        rewind_tenant(database, settings, tenant, "start")
    execute(database, "drop trigger full_disk on crm.contacts")
    failed = list_jobs(database, settings, tenant)[0]
    assert (failed.kind, failed.status) == (JobKind.REWIND, "failed")
    take_checkpoint(database, settings, tenant, "start", replaces=True)
    worked = digest(database, settings, tenant)
    execute(database, "update crm.contacts set first_name = 'Zoe'")
    later = digest(database, settings, tenant)
    with pytest.raises(
        InputError, match=r"'start' was taken anew .*; demo-pipeline rewind acme start shows what"
    ) as caught:
        retry_job(database, settings, failed.id)
    assert (caught.value.problems[0].code, caught.value.exit_code) == ("checkpoint_replaced", 2)
    assert digest(database, settings, tenant) == later
    assert rewind_tenant(database, settings, tenant, "start").job_id != failed.id
    assert digest(database, settings, tenant) == worked


def test_a_repair_takes_a_checkpoint_first(
    database: Database, database_settings: Settings, tenant: str
) -> None:
    """An automatic one, which has the rows that the repair hides; a dry run takes none."""
    settings = database_settings
    copy_company(database, tenant)
    repair(database, settings, tenant, is_dry=True)
    assert list_checkpoints(database, settings, tenant) == ()
    before = digest(database, settings, tenant)
    repair(database, settings, tenant)
    [one] = list_checkpoints(database, settings, tenant)
    assert (one.is_automatic, one.digest) == (True, before)
    assert one.name.startswith("auto-20")
    assert digest(database, settings, tenant) != before
    rewind_tenant(database, settings, tenant, one.name)
    assert digest(database, settings, tenant) == before


def random_session(database: Database, settings: Settings, seed: int) -> None:
    """Random work of people on a tenant, with a rewind and its undo after it."""
    draws = SeededRandom(seed)
    now = show_tenant(database, settings, "acme").context.state.tenant.provisioned_at
    people = People(database, "acme", Month.parse("2025-01"))
    steps = people.act(draws, now, draws.between(5, 40))
    worked, rows, state = digest(database, settings, "acme"), tenant_rows(database, "acme"), known(database)
    [start] = [one for one in list_checkpoints(database, settings, "acme") if one.name == "start"]
    report = rewind_tenant(database, settings, "acme", "start")
    assert digest(database, settings, "acme") == start.digest, (seed, steps)
    undo = undo_job(database, settings, report.job_id)
    assert digest(database, settings, "acme") == worked, (seed, steps)
    same_rows(tenant_rows(database, "acme"), rows)
    assert known(database) == state, (seed, steps)
    undo_job(database, settings, undo.job_id)
    assert digest(database, settings, "acme") == start.digest, (seed, steps)


def sessions(database: Database, settings: Settings, seeds: range) -> None:
    """Session after session on one tenant; nobody else is touched and it is as expected at the end."""
    made(database, settings, SMALL, "other")
    others = digest(database, settings, "other")
    generous = settings.model_copy(update={"rate_per_tenant": 100_000, "rate_total": 100_000})
    first = known(database)
    take_checkpoint(database, generous, "acme", "start")
    for seed in seeds:
        random_session(database, generous, seed)
    assert digest(database, settings, "other") == others
    assert known(database) == first
    assert [verdict.findings for verdict in verify(database, settings)] == [(), ()]


@pytest.mark.risk("P10", partial=True)
def test_random_sessions(database: Database, database_settings: Settings, tenant: str) -> None:
    """A few random demos, each followed by a rewind, its undo and the undo of that."""
    assert tenant == "acme"
    sessions(database, database_settings, range(4))


@pytest.mark.long(divides=True)
@pytest.mark.timeout(1800)
@pytest.mark.risk("P10", partial=True)
def test_two_hundred_random_sessions(database: Database, database_settings: Settings, tenant: str) -> None:
    """The same, two hundred times."""
    assert tenant == "acme"
    sessions(database, database_settings, range(1_000, 1_000 + part(200)))


def test_the_loader_cannot_pass_the_service_by(
    database: Database, database_settings: Settings, tenant: str
) -> None:
    """By SQL alone no stored row is read or written."""
    take_checkpoint(database, database_settings, tenant, "start")
    with database.loader() as conn:
        for statement in (
            "select * from demo.checkpoints",
            "select * from demo.checkpoint_contacts",
            "insert into demo.checkpoint_contacts select * from demo.checkpoint_contacts",
            "update demo.checkpoint_contacts set first_name = 'x'",
            "delete from demo.checkpoints",
            "select * from demo.checkpoint_differences(gen_random_uuid())",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                conn.execute(statement.encode())
