"""The rows that a reconcile may soft-delete, with all that depends on them, and what holds each in place.

Reads only, within a transaction: an administrator's for a preview, the loader's within a job's claim. Which
rows go is the domain's (``patch_plan.row_choice``).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, LiteralString
from uuid import UUID

import psycopg
from psycopg.rows import class_row

from demo_pipeline.domain.core.currency import Currency
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.model import MODEL
from demo_pipeline.domain.patch_plan.row_choice import Held, LivingRow
from demo_pipeline.storage.ledger.hero_accounts import HeroMark
from demo_pipeline.storage.rows.existing_rows import id_array
from demo_pipeline.storage.rows.provenance import EDIT_RECORD

Connection = psycopg.Connection[Any]

#: bytes of an id that are its instant
_INSTANT_BYTES: Final = 6
_CREATED: Final[LiteralString] = "(extract(epoch FROM r.created_at) * 1000000)::bigint"
_MONTH: Final[LiteralString] = (
    "(extract(year FROM r.created_at AT TIME ZONE 'UTC') * 12"
    " + extract(month FROM r.created_at AT TIME ZONE 'UTC') - 1)::int"
)
#: a row ``r`` that people made, or edited; an edit from before edits were recorded shows by ``updated_at``
_HELD: Final[LiteralString] = (
    "CASE WHEN NOT r.demo_generated THEN 1 WHEN e.id IS NOT NULL OR r.updated_at > job.finished_at THEN 2"
    " ELSE 0 END"
)
_BY_PEOPLE: Final = (Held.FREE, Held.PEOPLE, Held.EDITED)
_JOINED: Final[LiteralString] = (
    f"{EDIT_RECORD}"
    " LEFT JOIN unnest(%(jobs)s::uuid[], %(finished)s::timestamptz[]) AS job (id, finished_at)"
    " ON job.id = r.demo_job_id"
)
#: table → what a row counts as, its value in minor units, and whether it is lost
_PARTS: Final[Mapping[str, LiteralString]] = {
    "companies": "'companies', 0, false",
    "contacts": "CASE WHEN r.status = 'lead' THEN 'leads' ELSE 'other_contacts' END, 0, false",
    "deals": "CASE WHEN s.is_won THEN 'won_deals' ELSE 'other_deals' END,"
    " CASE WHEN s.is_lost IS TRUE THEN 0 ELSE round(coalesce(r.value, 0) * %(minor)s)::bigint END,"
    " s.is_lost IS TRUE",
    "activities": "'activities', 0, false",
}
_STAGE: Final[LiteralString] = (
    "LEFT JOIN crm.pipeline_stages s ON s.tenant_id = r.tenant_id AND s.id = r.stage_id"
)


@dataclass(frozen=True, kw_only=True)
class Holds:
    """What holds rows in place besides their own provenance."""

    #: completed job → the instant that no time in its rows is later than
    finished: Mapping[UUID, datetime]
    heroes: Sequence[HeroMark]
    #: ids of rows that rows depend on which come first in the same job
    awaited: AbstractSet[bytes] = frozenset()


def read_rows(
    conn: Connection,
    tenant_id: UUID,
    tables: Mapping[str, Sequence[Month]],
    holds: Holds,
    currency: Currency,
) -> list[LivingRow]:
    """The living rows of some months, by table, and all living rows that depend on them."""
    # The statistics do not know fresh rows: a nested loop would be chosen, and run for minutes.
    conn.execute("SELECT set_config('enable_nestloop', 'off', true)")
    scope: dict[str, Any] = {
        "tenant": tenant_id,
        "jobs": list(holds.finished),
        "finished": list(holds.finished.values()),
        "minor": 10**currency.minor_digits,
    }
    found: dict[str, dict[bytes, LivingRow]] = {}
    months: dict[int, Month] = {}
    for table in MODEL.counted:
        rows: dict[bytes, LivingRow] = {}
        if spans := tables.get(table, ()):
            scope |= {"starts": [month.start for month in spans], "ends": [month.end for month in spans]}
            rows |= _rows(conn, table, _OF_MONTHS, scope, months)
        for one in MODEL.counted_references:
            if one.child == table and (above := found.get(one.parent)):
                scope["parents"] = id_array(above)
                rows |= _rows(conn, table, _of_parents(one.column), scope, months)
        found[table] = rows
    tagged = _tagged_by_people(conn, tenant_id, found["contacts"].values())
    heroes = _HeroRows(holds.heroes)

    def held(row: LivingRow) -> Held:
        if heroes.include(row):
            return Held.HERO
        if row.id in tagged:
            return Held.TAGGED
        return Held.AWAITED if row.id in holds.awaited else Held.FREE

    everything = [row for rows in found.values() for row in rows.values()]
    return [row if row.held or not (why := held(row)) else row._replace(held=why) for row in everything]


def first_contact_without(conn: Connection, tenant_id: UUID, without: Collection[bytes]) -> datetime | None:
    """When the oldest living contact but some was made; None: there is none."""
    row = conn.execute(
        "SELECT min(created_at) FROM crm.contacts WHERE tenant_id = %s AND deleted_at IS NULL"
        " AND id <> ALL(%s::uuid[])",
        [tenant_id, id_array(without)],
    ).fetchone()
    return None if row is None else row[0]


@dataclass(frozen=True, kw_only=True)
class NamedDeal:
    """A deal as people know it; the value in major units."""

    id: UUID
    title: str | None
    #: its company, or else its contact
    account: str | None
    value: Decimal | None
    created_at: datetime


def named_deals(conn: Connection, tenant_id: UUID, ids: Collection[bytes]) -> list[NamedDeal]:
    """Some deals by name, the largest first."""
    with conn.cursor(row_factory=class_row(NamedDeal)) as cursor:
        return cursor.execute(
            """
            SELECT d.id, d.title, d.value, d.created_at,
                coalesce(c.name, nullif(concat_ws(' ', p.first_name, p.last_name), '')) AS account
            FROM crm.deals d
            LEFT JOIN crm.contacts p ON p.tenant_id = d.tenant_id AND p.id = d.contact_id
            LEFT JOIN crm.companies c ON c.tenant_id = d.tenant_id AND c.id = d.company_id
            WHERE d.tenant_id = %s AND d.id = ANY(%s::uuid[])
            ORDER BY d.value DESC NULLS LAST, d.id
            """,
            [tenant_id, id_array(ids)],
        ).fetchall()


def companies_without_contact(
    conn: Connection, tenant_id: UUID, companies: Collection[bytes], without: Collection[bytes]
) -> list[str]:
    """The names of those companies that have no living contact but some, sorted."""
    rows = conn.execute(
        """
        SELECT c.name FROM crm.companies c
        WHERE c.tenant_id = %(tenant)s AND c.id = ANY(%(companies)s::uuid[]) AND c.deleted_at IS NULL
            AND NOT EXISTS (
                SELECT FROM crm.contacts p
                WHERE p.company_id = c.id AND p.tenant_id = c.tenant_id AND p.deleted_at IS NULL
                    AND p.id <> ALL(%(without)s::uuid[]))
        ORDER BY c.name, c.id
        """,
        {"tenant": tenant_id, "companies": id_array(companies), "without": id_array(without)},
    )
    return [name for (name,) in rows]


_OF_MONTHS: Final[LiteralString] = "r.created_at >= span.first AND r.created_at < span.last"


def _of_parents(column: LiteralString) -> LiteralString:
    return f"r.{column} = ANY(%(parents)s::uuid[])"


def _rows(
    conn: Connection,
    table: LiteralString,
    condition: LiteralString,
    scope: Mapping[str, Any],
    months: dict[int, Month],
) -> dict[bytes, LivingRow]:
    columns = {column.name for column in MODEL[table].own}
    references: LiteralString = ", ".join(
        f"uuid_send(r.{name})" if name in columns else "NULL::bytea"
        for name in ("company_id", "contact_id", "deal_id")
    )
    living: LiteralString = (
        f"crm.{table} r WHERE r.tenant_id = %(tenant)s AND r.deleted_at IS NULL AND {condition}"
    )
    rows: LiteralString = f"SELECT r.* FROM {living}"
    if condition is _OF_MONTHS:
        rows = (
            "SELECT r.* FROM unnest(%(starts)s::timestamptz[], %(ends)s::timestamptz[]) AS span (first, last)"
            f" CROSS JOIN LATERAL (SELECT r.* FROM {living} OFFSET 0) r"
        )
    query: LiteralString = f"""
        SELECT uuid_send(r.id), {_MONTH}, {_PARTS[table]}, {_CREATED}, {references}, {_HELD}
        FROM ({rows}) r {_STAGE if table == "deals" else ""} {_JOINED}
    """
    found: dict[bytes, LivingRow] = {}
    for id_, ordinal, part, value, is_lost, created_us, company, contact, deal, held in conn.execute(
        query, scope, binary=True
    ):
        month = months.get(ordinal) or months.setdefault(ordinal, Month(ordinal))
        found[id_] = LivingRow(
            id=id_,
            table=table,
            month=month,
            part=part,
            value=value,
            is_lost=is_lost,
            created_us=created_us,
            company_id=company,
            contact_id=contact,
            deal_id=deal,
            # A stage that is won and lost at once is people's, and counts for one value without the other.
            held=Held.EDITED if is_lost and part == "won_deals" else _BY_PEOPLE[held],
        )
    return found


def _tagged_by_people(conn: Connection, tenant_id: UUID, contacts: Iterable[LivingRow]) -> set[bytes]:
    """Generated contacts with a tag that a person has set: the id of ours is of its contact's instant."""
    ids = [row.id for row in contacts if not row.held]
    if not ids:
        return set()
    links = conn.execute(
        "SELECT uuid_send(id), uuid_send(contact_id) FROM crm.contact_tags"
        " WHERE tenant_id = %s AND contact_id = ANY(%s::uuid[]) AND deleted_at IS NULL",
        [tenant_id, id_array(ids)],
        binary=True,
    )
    return {contact for link, contact in links if link[:_INSTANT_BYTES] != contact[:_INSTANT_BYTES]}


class _HeroRows:
    """The rows of hero accounts: the contact and company, their deals, and what was done with them."""

    def __init__(self, marks: Sequence[HeroMark]) -> None:
        self._ids = frozenset(
            one.bytes
            for mark in marks
            for one in (mark.contact_id, mark.company_id, mark.deal_id, mark.earlier_deal_id)
            if one is not None
        )
        self._companies = frozenset(mark.company_id.bytes for mark in marks if mark.company_id is not None)
        self._contacts = frozenset(mark.contact_id.bytes for mark in marks)

    def include(self, row: LivingRow) -> bool:
        if row.id in self._ids:
            return True
        # A contact of the company is in the story once anything was done with it, which then holds it.
        return row.table in {"deals", "activities"} and (
            row.company_id in self._companies or row.contact_id in self._contacts
        )
