"""The part of a month that has happened: whose facts lie at or before *now* and whose parents are there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from demo_pipeline.domain.metrics import Figures
from demo_pipeline.domain.rows import INSTANT, Column
from demo_pipeline.domain.story import Batch

_FACTS: Final = ("created_at", "updated_at", "closed_at", "completed_at")
#: table → columns that refer to rows of the same month
_PARENTS: Final = {
    "contacts": {"company_id": "companies"},
    "contact_tags": {"contact_id": "contacts"},
    "deals": {"contact_id": "contacts", "company_id": "companies"},
    "activities": {"contact_id": "contacts", "company_id": "companies", "deal_id": "deals"},
}


def happened(batches: Iterable[Batch], as_of_us: int) -> Iterator[Batch]:
    """Batches without the rows that have not happened by ``as_of_us`` (us since 1970).

    Parents come before children, as ``Story.month`` makes them.
    """
    now = pa.scalar(as_of_us, pa.int64()).cast(INSTANT)
    absent: dict[str, list[Column]] = {}
    for batch in batches:
        rows = batch.rows
        mask = pc.fill_null(pc.less_equal(rows.column("created_at"), now), False)  # noqa: FBT003
        for fact in _FACTS[1:]:
            if fact in rows.schema.names:
                mask = pc.and_(mask, pc.fill_null(pc.less_equal(rows.column(fact), now), True))  # noqa: FBT003
        for column, parents in _PARENTS.get(batch.table, {}).items():
            for ids in absent.get(parents, ()):
                mask = pc.and_(mask, pc.invert(pc.is_in(rows.column(column), value_set=ids)))
        missing = rows.column("id").filter(pc.invert(mask))
        if len(missing):
            absent.setdefault(batch.table, []).append(missing)
        yield Batch(batch.table, batch.month, rows.filter(mask))


def without(batch: Batch, ids: Column) -> Batch:
    """A batch without the rows of these ids."""
    if len(ids) == 0:
        return batch
    kept = batch.rows.filter(pc.invert(pc.is_in(batch.rows.column("id"), value_set=ids)))
    return Batch(batch.table, batch.month, kept)


def figures_of_rows(batch: Batch, outcomes: tuple[Column, Column], minor_digits: int) -> Figures:
    """What the rows of one batch add to the KPIs of their month.

    ``outcomes`` are the ids of the won and of the lost stages. Counted in Arrow, not in SQL: the gate
    compares the two.
    """
    rows, count = batch.rows, batch.rows.num_rows
    if batch.table == "companies":
        return Figures(companies_created=count)
    if batch.table == "contacts":
        leads = pc.sum(pc.equal(rows.column("status"), "lead")).as_py() or 0
        return Figures(contacts_created=count, leads_created=leads)
    if batch.table == "activities":
        return Figures(activities_created=count)
    if batch.table != "deals":
        return Figures()
    won = pc.is_in(rows.column("stage_id"), value_set=outcomes[0])
    lost = pc.is_in(rows.column("stage_id"), value_set=outcomes[1])
    return Figures(
        deals_created=count,
        closed_won_count=pc.sum(won).as_py() or 0,
        closed_won_value=_minor(rows.column("value").filter(won), minor_digits),
        pipeline_added_value=_minor(rows.column("value").filter(pc.invert(lost)), minor_digits),
    )


def _minor(values: Column, minor_digits: int) -> int:
    total = pc.sum(values).as_py()
    return 0 if total is None else int(total.scaleb(minor_digits))
