"""Hero accounts of made tenants: there after the first job, true, and no part of what the tenant sees."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import psycopg
import pytest
from psycopg.rows import dict_row

from demo_pipeline.domain.core.errors import VerificationError
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.heroes.model import HeroAccount, HeroAccounts, HeroKind
from demo_pipeline.domain.heroes.talk_track import talk_track
from demo_pipeline.domain.reference.countries import language_of
from demo_pipeline.domain.reference.talk_tracks import load_talk_track
from demo_pipeline.services.jobs import transaction
from demo_pipeline.services.jobs.tenant_context import open_snapshot
from demo_pipeline.services.months.materialise import materialise
from demo_pipeline.services.patches.patch import apply_patch
from demo_pipeline.services.patches.undo import undo_job
from demo_pipeline.services.tenants.delete_tenant import delete_tenant
from demo_pipeline.services.tenants.heroes import read_heroes
from demo_pipeline.services.tenants.queries import digest, show_tenant
from demo_pipeline.services.tenants.report import read_report
from demo_pipeline.services.tenants.verify import verify
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from tests.services.builders import BLUEPRINT, made, make_tenant
from tests.services.patches.builders import execute, plan, scalar

Row = dict[str, Any]

PRIVATE: Final = {**BLUEPRINT, "name": "Tannrausch", "country": "DE", "industry": "ecommerce"}
MORE: Final = plan(
    {
        "2025-06": {
            "contacts_created": 9,
            "deals_created": 30,
            "closed_won_count": 12,
            "activities_created": 40,
        }
    }
)


def heroes_of(database: Database, settings: Settings, slug: str = "acme") -> HeroAccounts:
    """As they are read now."""
    with open_snapshot(database, settings, slug, "a test") as (conn, context, as_of):
        return read_heroes(conn, context, as_of)


def deals_of(heroes: HeroAccounts) -> dict[HeroKind, Any]:
    """Kind → the deal of its story."""
    return {one.kind: one.deal_id for one in heroes.accounts}


def rows_of(database: Database, table: str) -> list[Row]:
    """The living rows of a table."""
    with database.admin(readonly=True) as conn, conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(f"select * from crm.{table} where deleted_at is null".encode()).fetchall()


# Of a small tenant an account of some kind may only come near: with this seed all three fit.
@pytest.mark.parametrize(
    "blueprint", [{**BLUEPRINT, "seed": "43"}, PRIVATE], ids=["companies", "private customers"]
)
def test_the_first_load_selects_one_of_each_kind(
    database: Database, database_settings: Settings, blueprint: dict[str, Any]
) -> None:
    """Three accounts, three companies or persons; tenant show and report have the same."""
    made(database, database_settings, blueprint)
    heroes = heroes_of(database, database_settings)
    assert [one.kind for one in heroes.accounts] == list(HeroKind)
    assert all(one.is_exact_fit for one in heroes.accounts)
    assert len({one.company_id or one.contact_id for one in heroes.accounts}) == 3
    assert deals_of(show_tenant(database, database_settings, "acme").heroes) == deals_of(heroes)
    assert deals_of(read_report(database, database_settings, "acme").heroes) == deals_of(heroes)


class Facts:
    """What the rows of an account have, computed in Python."""

    def __init__(self, database: Database, account: HeroAccount) -> None:
        stages = {row["id"]: row for row in rows_of(database, "pipeline_stages")}
        zone = ZoneInfo(rows_of(database, "tenants")[0]["timezone"])

        def day(instant: datetime | None) -> date | None:
            return None if instant is None else instant.astimezone(zone).date()

        def is_own(row: Row) -> bool:
            if account.company_id is None:
                return row["contact_id"] == account.contact_id
            return row["company_id"] == account.company_id

        self.deals = [row for row in rows_of(database, "deals") if is_own(row)]
        self.activities = [row for row in rows_of(database, "activities") if is_own(row)]
        contacts = {row["id"]: row for row in rows_of(database, "contacts")}
        users = {row["id"]: row for row in rows_of(database, "users")}
        won = [row for row in self.deals if stages[row["stage_id"]]["is_won"]]
        talks = [row for row in self.activities if row["type"] in ("call", "email", "meeting")]
        self.talks = [row for row in talks if row["completed_at"] is not None]
        self.amounts = {row["value"] for row in self.deals} | {sum(row["value"] for row in won)}
        self.days = {
            *(day(row[name]) for row in self.deals for name in ("created_at", "closed_at")),
            *(row["expected_close_date"] for row in self.deals),
            *(
                day(row[name])
                for row in self.activities
                for name in ("created_at", "completed_at", "scheduled_at")
            ),
            day(contacts[account.contact_id]["created_at"]),
        }
        self.quoted = {row["title"] for row in self.deals} | {row["subject"] for row in self.activities}
        self.stages = {row["name"] for row in stages.values()}
        self.people = {
            f"{row['first_name']} {row['last_name']}"
            for row in (*contacts.values(), *users.values())
            if row["id"] in users or row["id"] in {one["contact_id"] for one in self.activities + self.deals}
        }
        self.won_count = len(won)


@pytest.mark.parametrize("blueprint", [BLUEPRINT, PRIVATE], ids=["companies", "private customers"])
def test_talk_tracks_are_true(
    database: Database, database_settings: Settings, blueprint: dict[str, Any]
) -> None:
    """Each amount, day, title, name and count in the sentences is in the rows of the account."""
    made(database, database_settings, blueprint)
    apply_patch(database, database_settings, "acme", MORE)
    for account in heroes_of(database, database_settings).accounts:
        facts, sentences = Facts(database, account), talk_track(account)
        text = " ".join(sentences)
        language = load_talk_track(language_of(account.country)).language
        shown = {language.amount(int(one * 100), account.deal.currency) for one in facts.amounts}
        amounts = set(re.findall(r"(?:\$[\d,]+(?:\.\d\d)?|[\d.]+(?:,\d\d)?\s?€)(?!\d)", text))
        assert amounts
        assert amounts <= shown
        days = re.findall(rf"(?:(\d+)\. )?({'|'.join(language.days.months)}) (?:(\d+), )?(\d{{4}})", text)
        said = {
            date(int(year), language.days.months.index(name) + 1, int(before or after))
            for before, name, after, year in days
        }
        assert said
        assert said <= facts.days
        assert set(re.findall(r"[“„]([^”“]+)[”“]", text)) <= facts.quoted | facts.stages
        assert {account.contact, account.owner} <= facts.people
        assert account.conversations.total == len(facts.talks)
        assert set(account.conversations.people) <= facts.people
        assert account.won_count == facts.won_count
        todo = [row for row in facts.activities if row["completed_at"] is None and row["type"] != "note"]
        assert account.open_activities.count == len(todo)
        assert account.activity_count == sum(row["deal_id"] == account.deal_id for row in facts.activities)


def test_the_same_on_every_run(database: Database, database_settings: Settings) -> None:
    """The tenant made again under its name has other ids, and the same accounts with the same stories."""
    tracks: list[Any] = []
    for _ in range(2):
        made(database, database_settings)
        heroes = heroes_of(database, database_settings)
        tracks.append([(one.kind, one.name, talk_track(one)[1:2]) for one in heroes.accounts])
        delete_tenant(database, database_settings, "acme")
        assert scalar(database, "select count(*) from demo.hero_accounts") == 0
    assert len(tracks[0]) == len(tracks[1]) == 3


def test_later_months_and_patches_leave_them(database: Database, database_settings: Settings) -> None:
    """Months that are loaded one by one fill what is missing, and a whole exact fit stays for good."""
    make_tenant(database, database_settings)
    former: dict[HeroKind, HeroAccount] = {}
    first = Month.parse("2025-01")
    for month in first.until(first + 5):
        materialise(database, database_settings, "acme", month, month)
        found = {one.kind: one for one in heroes_of(database, database_settings).accounts}
        for kind, account in former.items():
            if account.is_exact_fit:
                assert found[kind].deal_id == account.deal_id
                assert found[kind].chosen_at == account.chosen_at
        former = found
    assert len(former) == 3
    before = heroes_of(database, database_settings)
    assert all(one.is_exact_fit for one in before.accounts)
    apply_patch(database, database_settings, "acme", MORE)
    assert deals_of(heroes_of(database, database_settings)) == deals_of(before)


def test_an_undone_patch_takes_its_accounts_along(database: Database, database_settings: Settings) -> None:
    """A hero account of the patch's own rows is replaced in the undo itself; the digest is as before."""
    made(database, database_settings)
    before = digest(database, database_settings, "acme")
    execute(database, "delete from demo.hero_accounts")
    # So that only the patch's deals can be selected.
    execute(database, "update crm.deals set demo_generated = false")
    changed = digest(database, database_settings, "acme")
    patch = apply_patch(database, database_settings, "acme", MORE)
    own = {row["id"] for row in rows_of(database, "deals") if row["demo_job_id"] == patch.job_id}
    heroes = heroes_of(database, database_settings)
    assert heroes.accounts
    assert set(deals_of(heroes).values()) <= own
    execute(database, "update crm.deals set demo_generated = true")
    undo_job(database, database_settings, patch.job_id)
    after = heroes_of(database, database_settings)
    assert [one.kind for one in after.accounts] == list(HeroKind)
    assert not set(deals_of(after).values()) & own
    assert digest(database, database_settings, "acme") == before == changed
    assert verify(database, database_settings, "acme")[0].is_as_expected


@pytest.mark.risk("P1", partial=True)
def test_a_job_that_fails_selects_nothing(
    database: Database, database_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All or nothing: a job that is rolled back after the selection leaves no mark."""
    make_tenant(database, database_settings)

    def fail(*_: object) -> None:
        assert scalar(database, "select count(*) from demo.hero_accounts") == 0
        raise VerificationError("after the selection")

    monkeypatch.setattr(transaction, "_finish", fail)
    with pytest.raises(VerificationError):
        materialise(database, database_settings, "acme")
    assert scalar(database, "select count(*) from demo.hero_accounts") == 0


def test_a_small_tenant_has_fewer(database: Database, database_settings: Settings, tenant: str) -> None:
    """Kinds without an account are named; a tenant without months has none."""
    heroes = heroes_of(database, database_settings, tenant)
    assert {*heroes.missing, *deals_of(heroes)} == set(HeroKind)
    make_tenant(database, database_settings, {**BLUEPRINT, "name": "Empty Hall"}, "empty")
    assert heroes_of(database, database_settings, "empty").missing == tuple(HeroKind)


@pytest.mark.risk("G7", partial=True)
def test_the_tenant_sees_nothing_of_it(database: Database, database_settings: Settings) -> None:
    """No view of the reader has a trace: what it reads is byte for byte the same without hero accounts."""
    made(database, database_settings)
    before = digest(database, database_settings, "acme")
    execute(database, "delete from demo.hero_accounts")
    assert digest(database, database_settings, "acme") == before
    with database.admin() as conn, conn.transaction(force_rollback=True):
        conn.execute("set local role crm_reader")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute("select * from demo.whole_hero_accounts")
