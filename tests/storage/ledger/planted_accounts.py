"""A demo tenant whose accounts and deals are planted one by one, by the jobs that a loader can run."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid5

from psycopg import Connection, sql

from demo_pipeline.storage.ledger.hero_accounts import hero_marks, select_hero_accounts
from tests.fixtures.ledger_steps import begun, finish, provisioned, under_claim

Conn = Connection[Any]

#: stage → probability, is won, is lost
STAGES: Final = {
    "lead": (10, False, False),
    "offer": (60, False, False),
    "won": (100, True, False),
    "lost": (0, False, True),
}
_FIRST: Final = datetime.fromisoformat("2025-01-01T08:00Z")
_SPACE: Final = UUID(int=7)


def row_id(name: str) -> UUID:
    """The id of a planted row: the same in every database."""
    return uuid5(_SPACE, name)


class PlantedTenant:
    """Rows are planted, then a job inserts them and selects hero accounts. Days count from 1 January 2025."""

    def __init__(self, loader: Conn, admin: Conn, slug: str = "acme") -> None:
        self.loader, self.admin = loader, admin
        self.tenant_id = provisioned(loader, slug)
        self._names = dict[UUID, str]()
        self._rows = list[tuple[str, dict[str, Any]]]()
        for name, (probability, is_won, is_lost) in STAGES.items():
            outcome = {"probability": probability, "is_won": is_won, "is_lost": is_lost}
            self._plant("pipeline_stages", name, name=name, **outcome)

    def account(self, name: str, *, is_private: bool = False) -> None:
        """A company with one contact, or a private person."""
        company = None if is_private else row_id(f"company {name}")
        if company is not None:
            self._plant_made("companies", f"company {name}", 0, name=name)
        self._plant_made("contacts", f"contact {name}", 0, first_name=name, company_id=company)

    def deal(
        self,
        account: str,
        name: str,
        stage: str,
        value: int,
        days: tuple[int, int | None],
        *,
        is_private: bool = False,
        expected: str | None = None,
    ) -> None:
        """A deal of an account; ``days``: opened and closed."""
        opened, closed = days
        self._plant_made(
            "deals",
            name,
            opened,
            title=name,
            value=value,
            stage_id=row_id(stage),
            contact_id=row_id(f"contact {account}"),
            company_id=None if is_private else row_id(f"company {account}"),
            closed_at=None if closed is None else _FIRST + timedelta(days=closed),
            expected_close_date=expected,
        )

    def activity(self, deal: str, day: int) -> None:
        """A note on a deal."""
        self._plant_made("activities", f"note {deal} {day}", day, subject="Note", deal_id=row_id(deal))

    def run_job(self) -> dict[str, str]:
        """Insert what was planted and select; kind → name of the deal that its story is about."""
        job_id, rows = begun(self.loader, self.tenant_id), self._rows
        self._rows = []

        def insert() -> None:
            for table, values in rows:
                job = {"demo_job_id": job_id} if "demo_generated" in values else {}
                self._insert(table, values | job)

        under_claim(
            self.loader,
            self.tenant_id,
            job_id,
            insert,
            lambda: select_hero_accounts(self.loader, job_id),
            lambda: finish(self.loader, job_id),
        )
        return self.heroes()

    def heroes(self) -> dict[str, str]:
        """Kind → name of the deal, of the accounts whose rows are whole."""
        return {mark.kind: self._names[mark.deal_id] for mark in hero_marks(self.admin, self.tenant_id)}

    def change(self, table: str, name: str, assignment: str) -> None:
        """An edit by a person."""
        statement = f"update crm.{table} set {assignment} where tenant_id = %s and id = %s"
        assert self.admin.execute(statement.encode(), [self.tenant_id, row_id(name)]).rowcount == 1

    def _plant_made(self, table: str, name: str, day: int, /, **columns: Any) -> None:
        at = _FIRST + timedelta(days=day)
        made = {
            "created_at": at,
            "updated_at": at,
            "demo_generated": True,
            "demo_source_month": f"{at:%Y-%m}",
        }
        self._plant(table, name, **made, **columns)

    def _plant(self, table: str, name: str, /, **columns: Any) -> None:
        self._names[row_id(name)] = name
        self._rows.append((table, {"tenant_id": self.tenant_id, "id": row_id(name), **columns}))

    def _insert(self, table: str, values: dict[str, Any]) -> None:
        self.loader.execute(
            sql.SQL("insert into crm.{} ({}) values ({})").format(
                sql.Identifier(table),
                sql.SQL(", ").join(map(sql.Identifier, values)),
                sql.SQL(", ").join([sql.Placeholder()] * len(values)),
            ),
            list(values.values()),
        )
