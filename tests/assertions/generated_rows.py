"""Rows of a blueprint as plain Python values, and what must be true of them, computed apart from SQL."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, cast
from zoneinfo import ZoneInfo

import pyarrow as pa
import yaml

from demo_pipeline.domain.blueprint.tenant_spec import TenantSpec
from demo_pipeline.domain.core.currency import Currency
from demo_pipeline.domain.core.figures import Figures
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.core.timezones import load_timezone
from demo_pipeline.domain.generation.generator import Batch, Generator
from demo_pipeline.domain.model import ARRIVAL_SOURCES
from demo_pipeline.domain.reference.countries import load_locale
from tests.builders.blueprints import spec_of_file

Row = dict[str, Any]
FACTS = ("created_at", "updated_at", "closed_at", "completed_at")


def spec_of(folder: Path, blueprint: Mapping[str, Any], now: datetime, slug: str = "acme") -> TenantSpec:
    """The spec of a blueprint tree, through a file as everybody's."""
    return spec_of_file(write_blueprint(folder, blueprint, slug), now, "a made seed")[0]


def write_blueprint(folder: Path, blueprint: Mapping[str, Any], slug: str = "acme") -> Path:
    """The tree as ``<slug>.yaml``."""
    path = folder / f"{slug}.yaml"
    path.write_text(yaml.safe_dump(_plain(dict(blueprint)), allow_unicode=True), encoding="utf-8")
    return path


def _plain(value: Any) -> Any:
    match value:
        case dict():
            items = cast("dict[str, Any]", value).items()
            return {key: _plain(item) for key, item in items}
        case list() | tuple():
            return [_plain(item) for item in cast("list[Any]", value)]
        case Decimal() | Month():
            return str(value)
        case _:
            return value


def batches_of(spec: TenantSpec, provisioned_at: datetime, last: Month | None = None) -> list[Batch]:
    """Team and all rows up to ``last`` (default: the span)."""
    generator = Generator(spec, provisioned_at)
    team = [Batch(table, spec.start_month, rows) for table, rows in generator.team.batches().items()]
    months = spec.start_month.until(last or spec.end_month)
    return [*team, *(batch for month in months for batch in generator.month(month))]


def rows_of(batches: Iterable[Batch]) -> dict[str, list[Row]]:
    """Table → rows, each with its month as ``_month``."""
    rows: dict[str, list[Row]] = defaultdict(list)
    for batch in batches:
        rows[batch.table] += [{**row, "_month": batch.month} for row in batch.rows.to_pylist()]
    return rows


def fingerprint(batches: Iterable[Batch]) -> str:
    """SHA-256 of the rows' bytes in the order in which they are made."""
    digest = hashlib.sha256()
    for batch in batches:
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, batch.rows.schema) as writer:
            writer.write_batch(pa.RecordBatch.from_pylist(batch.rows.to_pylist(), batch.rows.schema))
        digest.update(batch.table.encode() + str(batch.month).encode() + sink.getvalue().to_pybytes())
    return digest.hexdigest()


def figures_of(rows: Mapping[str, list[Row]], currency: Currency) -> dict[Month, Figures]:
    """The eight KPIs by month, from the definition in words; months without rows are absent."""
    stages = {row["id"]: row for row in rows["pipeline_stages"]}
    found: dict[Month, Figures] = defaultdict(Figures)
    for row in rows["companies"]:
        found[_utc_month(row)] += Figures(companies_created=1)
    for row in rows["contacts"]:
        found[_utc_month(row)] += Figures(contacts_created=1, leads_created=int(row["status"] == "lead"))
    for row in rows["activities"]:
        found[_utc_month(row)] += Figures(activities_created=1)
    for row in rows["deals"]:
        stage, minor = stages[row["stage_id"]], currency.minor(row["value"])
        found[_utc_month(row)] += Figures(
            deals_created=1,
            closed_won_count=int(stage["is_won"]),
            closed_won_value=minor if stage["is_won"] else 0,
            pipeline_added_value=0 if stage["is_lost"] else minor,
        )
    return dict(found)


def complaints(spec: TenantSpec, rows: Mapping[str, list[Row]], limit: datetime) -> list[str]:
    """Every row whose life is impossible: order, time, references, stage. Empty for sound rows."""
    by_id = {table: {row["id"]: row for row in rows[table]} for table in rows}
    zone, locale = load_timezone(spec.timezone), load_locale(spec.country)
    found: list[str] = []
    users_at = max(row["created_at"] for row in rows["users"])
    for table in ("companies", "contacts", "deals", "activities"):
        for row in rows[table]:
            say = [
                *_time_complaints(table, row, zone, locale.holidays, max(limit, row["_month"].end)),
                *_order_complaints(table, row, by_id),
            ]
            if row["created_at"] < users_at:
                say.append("before the users")
            found += [f"{table} {row['id'].hex()}: {words}" for words in say]
    for row in rows["deals"]:
        stage = by_id["pipeline_stages"][row["stage_id"]]
        if (stage["is_won"] or stage["is_lost"]) != (row["closed_at"] is not None):
            found.append(f"deal {row['id'].hex()}: closed and stage disagree")
        if row["probability"] != stage["probability"] or row["value"] <= 0:
            found.append(f"deal {row['id'].hex()}: probability or value")
    return found


def _time_complaints(
    table: str, row: Row, zone: ZoneInfo, holidays: frozenset[date], limit: datetime
) -> list[str]:
    local = row["created_at"].astimezone(zone)
    say: list[str] = []
    if _utc_month(row) != row["_month"] or row["demo_source_month"] != str(row["_month"]):
        say.append("outside its UTC month")
    arrives_by_itself = table == "contacts" and row["source"] in ARRIVAL_SOURCES
    is_at_work = 7 <= local.hour <= 20 and local.weekday() < 5 and local.date() not in holidays
    if not (is_at_work or arrives_by_itself):
        say.append(f"made at {local}")
    say += [
        f"{fact} {at} is before its creation or after {limit}"
        for fact in FACTS
        if (at := row.get(fact)) is not None and not row["created_at"] <= at <= limit
    ]
    return say


def _order_complaints(table: str, row: Row, by_id: Mapping[str, Mapping[bytes, Row]]) -> list[str]:
    say: list[str] = []
    for column, parents in (("company_id", "companies"), ("contact_id", "contacts"), ("deal_id", "deals")):
        key = row.get(column)
        if key is None:
            continue
        parent = by_id[parents].get(key)
        if parent is None:
            say.append(f"{column} refers to nothing")
        elif parent["created_at"] > row["created_at"]:
            say.append(f"older than its {column}")
    if table in ("deals", "activities"):
        contact = by_id["contacts"].get(row["contact_id"])
        if contact is None or contact["company_id"] != row["company_id"]:
            say.append("its company is not its contact's")
    if table == "activities" and row["deal_id"] is not None:
        deal = by_id["deals"].get(row["deal_id"])
        if deal is not None and not _is_about(row, deal):
            say.append("its contact is neither its deal's nor a colleague")
    return say


def _is_about(row: Row, deal: Row) -> bool:
    """An activity is with the contact of its deal, or with another contact of the deal's company."""
    is_colleague = deal["company_id"] is not None and deal["company_id"] == row["company_id"]
    return is_colleague or deal["contact_id"] == row["contact_id"]


def _utc_month(row: Row) -> Month:
    return Month.containing(row["created_at"].astimezone(UTC))
