"""What people do in a tenant between jobs, at random and repeatably.

Each step is one statement that a CRM's user could cause. Ids and instants are drawn from the random choices
that the caller passes, so that the same seed makes the same tenant.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import psycopg

from demo_pipeline.domain.core.months import Month
from demo_pipeline.storage.connection.database import Database
from tests.seeded_random import SeededRandom

Connection = psycopg.Connection[Any]

#: nothing hangs on a row: a table and its reference
_FREE: Final = "NOT EXISTS (SELECT FROM crm.{} c WHERE c.tenant_id = r.tenant_id AND c.{} = r.id)"
_STATUSES: Final = ("lead", "prospect", "customer", "churned", "other", None)


class People:
    """The users of one tenant."""

    def __init__(self, database: Database, slug: str, first: Month) -> None:
        self._database, self._first = database, first
        self._draws = SeededRandom(0)
        with database.admin(readonly=True) as conn:
            found = conn.execute("SELECT id FROM crm.tenants WHERE slug = %s", (slug,)).fetchall()
        self._tenant: UUID = found[0][0]

    def act(self, draws: SeededRandom, now: datetime, count: int) -> list[str]:
        """Take ``count`` random steps until ``now``; their names, for the reader of a failure."""
        self._draws = draws
        steps = (
            self._contact, self._contact, self._company, self._deal, self._deal, self._note,
            self._hide, self._hide, self._delete, self._move_deal, self._new_stage, self._turn_stage,
            self._leave, self._rename, self._move_contact, self._regret, self._back_date, self._stamp,
        )  # fmt: skip
        done: list[str] = []
        with self._database.admin() as conn:
            for _ in range(count):
                step = self._draws.one_of(steps)
                step(conn, now)
                done.append(step.__name__.removeprefix("_"))
        return done

    def hide_of(self, draws: SeededRandom, job: UUID, count: int) -> None:
        """Hide ``count`` random rows of one job, or all that are left."""
        self._draws = draws
        with self._database.admin() as conn:
            for _ in range(count):
                table = self._draws.one_of(("companies", "contacts", "deals", "activities"))
                row = self._any(conn, table, f"deleted_at IS NULL AND demo_job_id = '{job}'")
                self._update(conn, table, row, "deleted_at = greatest(clock_timestamp(), created_at)")

    def _instant(self, now: datetime) -> datetime:
        """Some instant, often an awkward one: before the span, the last minute of a month, a night."""
        months = list((self._first + -2).until(Month.containing(now)))
        month = self._draws.one_of(months)
        if self._draws.chance(40):
            instant = month.end - timedelta(seconds=self._draws.one_of((1, 30, 59, 3600)))
        else:
            instant = month.start + timedelta(seconds=self._draws.below(28 * 86_400))
        return min(instant, now - timedelta(seconds=self._draws.between(1, 59)))

    def _id(self) -> UUID:
        return UUID(int=self._draws.bits(128))

    def _any(self, conn: Connection, table: str, condition: str = "deleted_at IS NULL") -> UUID | None:
        query = f"SELECT id FROM crm.{table} r WHERE tenant_id = %s AND {condition} ORDER BY id"
        found = conn.execute(query.encode(), (self._tenant,)).fetchall()
        return self._draws.one_of(found)[0] if found else None

    def _insert(self, conn: Connection, table: str, now: datetime, **values: object) -> None:
        at = self._instant(now)
        row = {"tenant_id": self._tenant, "id": self._id(), "created_at": at, "updated_at": at, **values}
        marks = ", ".join(["%s"] * len(row))
        conn.execute(f"INSERT INTO crm.{table} ({', '.join(row)}) VALUES ({marks})".encode(), [*row.values()])

    def _update(self, conn: Connection, table: str, row: UUID | None, change: str, *values: object) -> None:
        if row is not None:
            statement = f"UPDATE crm.{table} SET {change} WHERE tenant_id = %s AND id = %s"
            conn.execute(statement.encode(), (*values, self._tenant, row))

    def _contact(self, conn: Connection, now: datetime) -> None:
        company = self._any(conn, "companies") if self._draws.chance(40) else None
        name = self._draws.one_of(("Ann", "Bó", None))
        status = self._draws.one_of(_STATUSES)
        self._insert(conn, "contacts", now, first_name=name, company_id=company, status=status)

    def _company(self, conn: Connection, now: datetime) -> None:
        self._insert(conn, "companies", now, name=self._draws.one_of(("Bäckerei Nord", "O'Hara", "株式会社")))

    def _deal(self, conn: Connection, now: datetime) -> None:
        draws = self._draws
        self._insert(
            conn,
            "deals",
            now,
            value=draws.one_of((None, 0, 100, 12_345)),
            stage_id=self._any(conn, "pipeline_stages") if draws.chance(60) else None,
            contact_id=self._any(conn, "contacts") if draws.chance(60) else None,
            title=draws.one_of((None, "Renewal")),
        )

    def _note(self, conn: Connection, now: datetime) -> None:
        self._insert(conn, "activities", now, subject=self._draws.one_of((None, "Called back")))

    def _hide(self, conn: Connection, now: datetime) -> None:
        del now
        table = self._draws.one_of(("companies", "contacts", "deals", "activities", "tags", "contact_tags"))
        hidden = "deleted_at = greatest(clock_timestamp(), created_at)"
        self._update(conn, table, self._any(conn, table), hidden)

    def _regret(self, conn: Connection, now: datetime) -> None:
        del now
        table = self._draws.one_of(("companies", "contacts", "deals", "activities"))
        theirs = "deleted_at IS NOT NULL AND NOT demo_generated"
        self._update(conn, table, self._any(conn, table, theirs), "deleted_at = NULL")

    def _delete(self, conn: Connection, now: datetime) -> None:
        del now
        table, free = self._draws.one_of(
            (
                ("activities", "true"),
                ("contact_tags", "true"),
                ("deals", _FREE.format("activities", "deal_id")),
                ("pipeline_stages", _FREE.format("deals", "stage_id")),
            )
        )  # fmt: skip
        row = self._any(conn, table, free)
        conn.execute(
            f"DELETE FROM crm.{table} WHERE tenant_id = %s AND id = %s".encode(), (self._tenant, row)
        )

    def _move_deal(self, conn: Connection, now: datetime) -> None:
        del now
        stage = self._any(conn, "pipeline_stages")
        self._update(conn, "deals", self._any(conn, "deals"), "stage_id = %s, updated_at = now()", stage)

    def _new_stage(self, conn: Connection, now: datetime) -> None:
        kind = self._draws.one_of(("is_won", "is_lost", None))
        flags = {} if kind is None else {kind: True}
        self._insert(conn, "pipeline_stages", now, name="Later", position=9, **flags)

    def _turn_stage(self, conn: Connection, now: datetime) -> None:
        del now
        is_won, is_lost = self._draws.one_of(((True, False), (False, True), (False, False)))
        stage = self._any(conn, "pipeline_stages")
        if self._draws.chance(30):
            self._update(conn, "pipeline_stages", stage, "deleted_at = now()")
        else:
            self._update(conn, "pipeline_stages", stage, "is_won = %s, is_lost = %s", is_won, is_lost)

    def _leave(self, conn: Connection, now: datetime) -> None:
        del now
        self._update(conn, "users", self._any(conn, "users"), "deleted_at = greatest(now(), created_at)")

    def _rename(self, conn: Connection, now: datetime) -> None:
        del now
        name = self._draws.one_of(("Zoë", "李", None))
        self._update(
            conn, "contacts", self._any(conn, "contacts"), "first_name = %s, updated_at = now()", name
        )

    def _back_date(self, conn: Connection, now: datetime) -> None:
        table = self._draws.one_of(("companies", "contacts", "deals", "activities"))
        self._update(conn, table, self._any(conn, table), "created_at = %s", self._instant(now))

    def _stamp(self, conn: Connection, now: datetime) -> None:
        table, column = self._draws.one_of(
            (("deals", "closed_at"), ("activities", "completed_at"), ("contacts", "updated_at"))
        )
        self._update(conn, table, self._any(conn, table), f"{column} = %s", self._instant(now))

    def _move_contact(self, conn: Connection, now: datetime) -> None:
        del now
        company = self._any(conn, "companies")
        self._update(conn, "contacts", self._any(conn, "contacts"), "company_id = %s", company)
