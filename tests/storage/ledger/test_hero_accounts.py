"""Which accounts become hero accounts, of planted rows; and that nobody else reads or writes the marks."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

import pytest
from psycopg import Connection, errors

from demo_pipeline.domain.core.errors import JobFailedError
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.ledger.hero_accounts import hero_marks, select_hero_accounts
from tests.fixtures.ledger_steps import begun, finish, insert_generated, under_claim
from tests.fixtures.postgres import MakeDatabase
from tests.storage.ledger.planted_accounts import PlantedTenant, row_id

Conn = Connection[Any]


@pytest.fixture
def planted(loader_conn: Conn, admin_conn: Conn) -> PlantedTenant:
    """A tenant without an account yet."""
    return PlantedTenant(loader_conn, admin_conn)


def plant_each_kind(planted: PlantedTenant) -> None:
    """Accounts that fit each kind, and some that nearly do. As of 15 June 2025."""
    # Lost, then won; a win of the same size that was open before the loss; a win before the loss.
    for name, won_days in (("back", (40, 60)), ("overlap", (5, 60)), ("before", (1, 9))):
        planted.account(name)
        planted.deal(name, f"{name} lost", "lost", 900, (2, 30))
        planted.deal(name, f"{name} won", "won", 1_000, won_days)
    # Not late: neither its stage nor its date. Late by stage, worked on lately; late by date, long ago.
    for name, stage, value, expected, worked in (
        ("early", "lead", 9_000, "2025-09-01", 10),
        ("busy", "offer", 8_000, None, 160),
        ("forgotten", "lead", 7_000, "2025-05-01", 70),
    ):
        planted.account(name)
        planted.deal(name, f"{name} open", stage, value, (10, None), expected=expected)
        planted.activity(f"{name} open", worked)
    # Three wins that grow, four wins that shrink, two wins that grow more.
    for name, values in (("grows", (10, 90, 50)), ("shrinks", (90, 80, 70, 60)), ("doubles", (10, 500))):
        planted.account(name)
        for place, value in enumerate(values):
            planted.deal(name, f"{name} {place}", "won", value, (place * 20, place * 20 + 10))


def test_each_kind_is_selected(planted: PlantedTenant) -> None:
    """The comeback after a loss, the big deal nobody works on, the customer who buys most and more."""
    plant_each_kind(planted)
    assert planted.run_job() == {"comeback": "back won", "at_risk": "forgotten open", "upsell": "grows 2"}
    marks = {mark.kind: mark for mark in hero_marks(planted.admin, planted.tenant_id)}
    assert all(mark.is_exact_fit for mark in marks.values())
    assert marks["comeback"].earlier_deal_id == row_id("back lost")
    assert marks["upsell"].earlier_deal_id == row_id("grows 0")
    assert marks["at_risk"].earlier_deal_id is None
    assert {mark.company_id for mark in marks.values()} == {
        row_id(f"company {name}") for name in ("back", "forgotten", "grows")
    }


def test_a_private_person_is_an_account(planted: PlantedTenant) -> None:
    """Without a company; the same person lost and won."""
    planted.account("Ann", is_private=True)
    planted.account("Bob", is_private=True)
    planted.deal("Ann", "Ann lost", "lost", 10, (1, 5), is_private=True)
    planted.deal("Bob", "Bob won", "won", 99, (6, 8), is_private=True)
    planted.deal("Ann", "Ann won", "won", 20, (6, 8), is_private=True)
    assert planted.run_job() == {"comeback": "Ann won", "upsell": "Bob won"}
    (mark, _) = hero_marks(planted.admin, planted.tenant_id)
    assert (mark.company_id, mark.contact_id) == (None, row_id("contact Ann"))


def test_the_nearest_fit_is_taken_and_replaced_by_an_exact_one(planted: PlantedTenant) -> None:
    """A later job finds better ones. One without better ones leaves the nearest fit as it is."""
    for name in ("one", "two", "three"):
        planted.account(name)
    planted.deal("one", "one won", "won", 300, (1, 5))
    planted.deal("two", "two open", "lead", 50, (1, None))
    planted.deal("three", "three won", "won", 200, (1, 5))
    first = {"comeback": "one won", "at_risk": "two open", "upsell": "three won"}
    assert planted.run_job() == first
    before = hero_marks(planted.admin, planted.tenant_id)
    assert not any(mark.is_exact_fit for mark in before)
    # Nearer, or larger, but not exact.
    planted.account("four")
    planted.deal("four", "four won", "won", 900, (1, 5))
    planted.deal("four", "four open", "lead", 900, (1, None))
    assert planted.run_job() == first
    assert hero_marks(planted.admin, planted.tenant_id) == before
    planted.account("five")
    planted.deal("five", "five lost", "lost", 5, (1, 5))
    planted.deal("five", "five won", "won", 5, (6, 7))
    planted.deal("two", "two late", "offer", 5, (1, None))
    planted.deal("three", "three more", "won", 201, (6, 8))
    assert planted.run_job() == {"comeback": "five won", "at_risk": "two late", "upsell": "three more"}
    assert all(mark.is_exact_fit for mark in hero_marks(planted.admin, planted.tenant_id))


def test_an_account_is_of_one_kind_only(planted: PlantedTenant) -> None:
    """A tenant of one account has one hero account: the first kind that it fits exactly."""
    planted.account("only")
    planted.deal("only", "open", "lead", 5, (1, None), expected="2025-01-15")
    planted.deal("only", "lost", "lost", 9, (1, 5))
    planted.deal("only", "won", "won", 5, (6, 8))
    planted.deal("only", "more", "won", 9, (9, 12))
    assert planted.run_job() == {"comeback": "more"}


def test_an_exact_fit_does_not_lose_its_account_to_a_nearest_one(planted: PlantedTenant) -> None:
    """The only account with two wins is an upsell, though no win elsewhere can be a comeback either."""
    planted.account("buyer")
    planted.deal("buyer", "first", "won", 10, (1, 5))
    planted.deal("buyer", "second", "won", 20, (6, 8))
    assert planted.run_job() == {"upsell": "second"}


def test_a_tenant_without_deals_has_none(planted: PlantedTenant) -> None:
    """Nothing is selected, and nothing fails."""
    planted.account("alone")
    assert planted.run_job() == {}


@pytest.mark.parametrize(
    ("table", "name", "assignment"),
    [
        ("deals", "back won", "deleted_at = now()"),
        ("deals", "back lost", "deleted_at = now()"),
        ("contacts", "contact back", "deleted_at = now()"),
        ("companies", "company back", "deleted_at = now()"),
        ("deals", "back won", f"stage_id = '{row_id('lead')}'"),
        ("deals", "back lost", f"stage_id = '{row_id('won')}'"),
    ],
)
def test_one_whose_rows_changed_is_replaced(
    planted: PlantedTenant, table: str, name: str, assignment: str
) -> None:
    """It is shown no longer, and the next job selects another one. The other kinds stay."""
    plant_each_kind(planted)
    planted.account("spare")
    planted.deal("spare", "spare lost", "lost", 3, (1, 5))
    planted.deal("spare", "spare won", "won", 3, (6, 7))
    first = planted.run_job()
    planted.change(table, name, assignment)
    assert planted.heroes() == {kind: deal for kind, deal in first.items() if kind != "comeback"}
    assert planted.run_job() == first | {"comeback": "spare won"}


def test_a_deal_that_moves_to_another_contact(planted: PlantedTenant) -> None:
    """The account is selected again with the contact that the deal has now."""
    plant_each_kind(planted)
    first = planted.run_job()
    planted.change("deals", "back won", f"contact_id = '{row_id('contact early')}'")
    assert "comeback" not in planted.heroes()
    assert planted.run_job() == first
    marks = {mark.kind: mark for mark in hero_marks(planted.admin, planted.tenant_id)}
    assert marks["comeback"].contact_id == row_id("contact early")


def test_one_that_is_whole_stays(planted: PlantedTenant) -> None:
    """However much better ones come, and whatever else of its rows people change."""
    plant_each_kind(planted)
    first = planted.run_job()
    before = hero_marks(planted.admin, planted.tenant_id)
    planted.change("deals", "back won", "title = 'Renamed', value = 1")
    planted.account("better")
    planted.deal("better", "better lost", "lost", 90_000, (1, 5))
    planted.deal("better", "better won", "won", 90_000, (6, 8))
    planted.deal("better", "better open", "offer", 90_000, (1, None))
    assert planted.run_job() == first
    assert hero_marks(planted.admin, planted.tenant_id) == before


def test_a_hard_deleted_row_takes_its_hero_account_along(planted: PlantedTenant) -> None:
    """The delete is not refused."""
    plant_each_kind(planted)
    first = planted.run_job()
    planted.admin.execute("delete from crm.deals where id = %s", [row_id("back lost")])
    kinds = planted.admin.execute("select kind from demo.hero_accounts order by kind").fetchall()
    assert kinds == [("at_risk",), ("upsell",)]
    # "overlap" was won after its loss, and is the nearest fit.
    assert planted.run_job() == first | {"comeback": "overlap won"}


def test_what_people_enter_is_not_selected(planted: PlantedTenant) -> None:
    """A deal that somebody typed in while trying the CRM is no story."""
    plant_each_kind(planted)
    planted.run_job()
    planted.admin.execute("delete from demo.hero_accounts")
    for name, stage in (("typed", "offer"), ("typed too", "won")):
        planted.admin.execute(
            "insert into crm.deals (tenant_id, title, value, stage_id, contact_id, company_id)"
            " values (%s, %s, 900000, %s, %s, %s)",
            [planted.tenant_id, name, row_id(stage), row_id("contact early"), row_id("company early")],
        )
    assert planted.run_job() == {"comeback": "back won", "at_risk": "forgotten open", "upsell": "grows 2"}


def test_the_same_rows_give_the_same_accounts_everywhere(make_database: MakeDatabase) -> None:
    """Also where all are alike, and where the rows were inserted in another order."""
    found: list[Any] = []
    for names in ("abcdefgh", "hgfedcba"):
        database = make_database()
        with database.loader() as loader, database.admin() as admin:
            planted = PlantedTenant(loader, admin)
            for name in names:
                planted.account(name)
                planted.deal(name, f"{name} lost", "lost", 5, (1, 5))
                planted.deal(name, f"{name} won", "won", 5, (6, 8))
                planted.deal(name, f"{name} more", "won", 6, (6, 8))
                planted.deal(name, f"{name} open", "offer", 5, (6, None))
            planted.run_job()
            found.append(hero_marks(admin, planted.tenant_id))
    assert found[0] == found[1]
    assert len(found[0]) == 3


def test_of_many_deals_of_one_account_the_time_does_not_explode(
    planted: PlantedTenant, admin_conn: Conn, loader_conn: Conn
) -> None:
    """Each deal is compared with its predecessors once: 20,000 deals of one company are soon done."""
    planted.account("only")
    planted.run_job()
    job = begun(loader_conn, planted.tenant_id)
    steps = [
        partial(
            loader_conn.execute,
            "insert into crm.deals (tenant_id, title, value, stage_id, contact_id, company_id, created_at,"
            " updated_at, closed_at, demo_generated, demo_job_id, demo_source_month)"
            " select %s, 'Deal', 1 + n, case when n %% 2 = 0 then %s else %s end::uuid, %s, %s, t, t, t,"
            " true, %s, '2025-01'"
            " from generate_series(1, 20000) n, lateral (select '2025-01-02Z'::timestamptz"
            " + n * interval '1 minute') c (t)",
            [
                planted.tenant_id,
                *(row_id(name) for name in ("won", "lost", "contact only", "company only")),
                job,
            ],
        ),
        partial(loader_conn.execute, "set local statement_timeout = '5s'"),
        partial(select_hero_accounts, loader_conn, job),
        partial(finish, loader_conn, job),
    ]
    under_claim(loader_conn, planted.tenant_id, job, *steps)
    assert [mark.kind for mark in hero_marks(admin_conn, planted.tenant_id)] == ["comeback"]


#: what no role but the administrator's may do
_FOREIGN: Final = (
    "select * from demo.hero_accounts",
    "select * from demo.whole_hero_accounts",
    "insert into demo.hero_accounts select * from demo.hero_accounts",
    "update demo.hero_accounts set chosen_at = now()",
    "delete from demo.hero_accounts",
    "truncate demo.hero_accounts",
    "alter table demo.hero_accounts disable row level security",
)


@pytest.mark.risk("G7", "P3", partial=True)
@pytest.mark.parametrize("statement", _FOREIGN)
def test_neither_a_loader_nor_the_crm_reaches_the_marks(
    planted: PlantedTenant, database: Database, statement: str
) -> None:
    """With a claim or without, nor the reader nor the owner of its views."""
    plant_each_kind(planted)
    planted.run_job()
    before = hero_marks(planted.admin, planted.tenant_id)
    job = begun(planted.loader, planted.tenant_id)
    step = partial(planted.loader.execute, statement.encode())
    for attempt in (step, partial(under_claim, planted.loader, planted.tenant_id, job, step)):
        with pytest.raises(errors.InsufficientPrivilege):
            attempt()
    for role in ("crm_reader", "crm_views"):
        with database.admin() as conn, conn.transaction(force_rollback=True):
            conn.execute(f"set local role {role}".encode())
            with pytest.raises(errors.InsufficientPrivilege):
                conn.execute(statement.encode())
    assert hero_marks(planted.admin, planted.tenant_id) == before


@pytest.mark.risk("P3", "P7", partial=True)
def test_a_claim_selects_for_its_own_tenant_only(
    planted: PlantedTenant, loader_conn: Conn, admin_conn: Conn
) -> None:
    """Not for another tenant's job, nor without a claim; another tenant's rows never count."""
    plant_each_kind(planted)
    planted.run_job()
    other = PlantedTenant(loader_conn, admin_conn, "other")
    other.account("small")
    other.deal("small", "small won", "won", 1, (1, 5))
    assert other.run_job() == {"comeback": "small won"}
    job, others = begun(loader_conn, planted.tenant_id), begun(loader_conn, other.tenant_id)
    with pytest.raises(JobFailedError, match="is not claimed"):
        select_hero_accounts(loader_conn, job)
    with pytest.raises(JobFailedError, match="is not claimed"):
        under_claim(loader_conn, planted.tenant_id, job, lambda: select_hero_accounts(loader_conn, others))


@pytest.mark.risk("P1", partial=True)
def test_what_a_job_rolls_back_was_never_selected(planted: PlantedTenant) -> None:
    """The marks are part of the job's own transaction."""
    plant_each_kind(planted)
    first = planted.run_job()
    planted.change("deals", "back won", "deleted_at = now()")
    job = begun(planted.loader, planted.tenant_id)

    def fail() -> None:
        raise KeyError

    with pytest.raises(KeyError):
        under_claim(
            planted.loader,
            planted.tenant_id,
            job,
            lambda: insert_generated(planted.loader, "companies", planted.tenant_id, job),
            lambda: select_hero_accounts(planted.loader, job),
            fail,
        )
    assert planted.heroes() == {kind: deal for kind, deal in first.items() if kind != "comeback"}


def test_row_security_is_forced(admin_conn: Conn) -> None:
    """The owner of the table has its policy, too."""
    found = admin_conn.execute(
        "select relrowsecurity, relforcerowsecurity from pg_class where oid = 'demo.hero_accounts'::regclass"
    ).fetchall()
    assert found == [(True, True)]
