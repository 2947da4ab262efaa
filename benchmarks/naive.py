"""The usual script for demo data, for comparison: Faker for each row, SQLAlchemy inserts in batches of 500.

It hits no figure and tells no story; it goes into the same tables with the same constraints.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

from faker import Faker
from sqlalchemy import Engine, create_engine, insert

from demo_pipeline.storage.schema.declared_tables import METADATA

BATCH: Final = 500
_START: Final = datetime(2023, 1, 1, tzinfo=UTC)
_END: Final = datetime(2024, 12, 1, tzinfo=UTC)


class _Naive:
    def __init__(self, engine: Engine) -> None:
        self._engine, self._fake = engine, Faker("en_US")
        self._tenant = uuid4()
        self._known: dict[str, list[UUID]] = {}
        self.count = 0
        with engine.begin() as conn:
            tenants = METADATA.tables["crm.tenants"]
            conn.execute(insert(tenants), [{"id": self._tenant, "slug": "naive", "name": "Naive"}])

    def fill(self, name: str, count: int, row: Callable[[], dict[str, Any]]) -> None:
        """``count`` rows of a table, committed batch by batch."""
        ids = self._known.setdefault(name, [])
        for start in range(0, count, BATCH):
            batch = [
                {"tenant_id": self._tenant, "id": uuid4(), **row()} for _ in range(min(BATCH, count - start))
            ]
            with self._engine.begin() as conn:
                conn.execute(insert(METADATA.tables[f"crm.{name}"]), batch)
            ids += [item["id"] for item in batch]
            self.count += len(batch)

    def _times(self) -> dict[str, datetime]:
        created = self._fake.date_time_between(_START, _END, tzinfo=UTC)
        return {"created_at": created, "updated_at": created + timedelta(days=self._fake.random_int(0, 30))}

    def _one(self, table: str) -> UUID:
        return self._fake.random_element(self._known[table])

    def user(self) -> dict[str, Any]:
        fake = self._fake
        return {
            "email": fake.unique.email(),
            "first_name": fake.first_name(),
            "last_name": fake.last_name(),
            "role": "member",
            **self._times(),
        }

    def company(self) -> dict[str, Any]:
        fake = self._fake
        return {
            "name": fake.company(),
            "domain": fake.domain_name(),
            "industry": fake.bs(),
            "owner_id": self._one("users"),
            "address": fake.street_address(),
            "city": fake.city(),
            "state": fake.state_abbr(),
            "country": "US",
            "postal_code": fake.postcode(),
            "phone": fake.phone_number(),
            "website": fake.url(),
            **self._times(),
        }

    def contact(self) -> dict[str, Any]:
        fake = self._fake
        return {
            "first_name": fake.first_name(),
            "last_name": fake.last_name(),
            "email": fake.email(),
            "phone": fake.phone_number(),
            "company_id": self._one("companies"),
            "owner_id": self._one("users"),
            "status": fake.random_element(("lead", "prospect", "customer", "churned", "other")),
            "source": fake.random_element(("seo", "meta", "google", "direct")),
            **self._times(),
        }

    def deal(self) -> dict[str, Any]:
        fake = self._fake
        return {
            "title": fake.catch_phrase(),
            "value": fake.pydecimal(left_digits=5, right_digits=2, positive=True),
            "currency": "USD",
            "owner_id": self._one("users"),
            "contact_id": self._one("contacts"),
            "company_id": self._one("companies"),
            "probability": fake.random_int(0, 100),
            "expected_close_date": fake.date_between(_START, _END),
            **self._times(),
        }

    def activity(self) -> dict[str, Any]:
        fake = self._fake
        return {
            "type": fake.random_element(("note", "call", "email", "meeting", "task")),
            "subject": fake.sentence(nb_words=6),
            "description": fake.paragraph(nb_sentences=2),
            "contact_id": self._one("contacts"),
            "deal_id": self._one("deals"),
            "created_by_id": self._one("users"),
            "duration_minutes": fake.random_int(5, 120),
            **self._times(),
        }


def load_naively(url: str, rows: int) -> int:
    """About ``rows`` rows in the mix of the other measurements, tags left out; how many they were."""
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1))
    try:
        script = _Naive(engine)
        script.fill("users", 40, script.user)
        script.fill("companies", rows * 3 // 100, script.company)
        script.fill("contacts", rows * 14 // 100, script.contact)
        script.fill("deals", rows * 4 // 100, script.deal)
        script.fill("activities", rows - script.count, script.activity)
    finally:
        engine.dispose()
    return script.count
