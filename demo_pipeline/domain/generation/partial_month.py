"""The part of a month up to an instant: rows whose facts lie at or before it and whose parents do too."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from demo_pipeline.domain.core.arrow import Column, column, is_by, is_in, keep, strings, total
from demo_pipeline.domain.core.currency import Currency
from demo_pipeline.domain.core.figures import Figures
from demo_pipeline.domain.generation.generator import Batch
from demo_pipeline.domain.model import MODEL


def up_to(batches: Iterable[Batch], as_of_us: int) -> Iterator[Batch]:
    """Batches without the rows that lie later than ``as_of_us`` (us since 1970).

    Parents come before children, as ``Generator.month`` makes them.
    """
    absent: dict[str, list[Column]] = {}
    for batch in batches:
        rows, table = batch.rows, MODEL[batch.table]
        mask = is_by(column(rows, "created_at"), as_of_us, missing=False)
        for fact in table.facts:
            mask &= is_by(column(rows, fact), as_of_us, missing=True)
        for reference in table.references:
            for ids in absent.get(reference.parent, ()):
                mask &= ~is_in(column(rows, reference.column), ids)
        missing = keep(column(rows, "id"), ~mask)
        if len(missing):
            absent.setdefault(batch.table, []).append(missing)
        yield Batch(batch.table, batch.month, keep(rows, mask))


def without(batch: Batch, ids: Column) -> Batch:
    """A batch without the rows of these ids."""
    if len(ids) == 0:
        return batch
    return Batch(batch.table, batch.month, keep(batch.rows, ~is_in(column(batch.rows, "id"), ids)))


def figures_of_rows(batch: Batch, outcomes: tuple[Column, Column], currency: Currency) -> Figures:
    """What the rows of one batch add to the KPIs of their month.

    ``outcomes`` are the ids of the won and of the lost stages. Counted in Arrow, not in SQL: the gate
    compares the two.
    """
    rows, count = batch.rows, batch.rows.num_rows
    if batch.table == "companies":
        return Figures(companies_created=count)
    if batch.table == "contacts":
        leads = is_in(column(rows, "status"), strings(["lead"]))
        return Figures(contacts_created=count, leads_created=int(leads.sum()))
    if batch.table == "activities":
        return Figures(activities_created=count)
    if batch.table != "deals":
        return Figures()
    won, lost = (is_in(column(rows, "stage_id"), stages) for stages in outcomes)
    values = column(rows, "value")
    return Figures(
        deals_created=count,
        closed_won_count=int(won.sum()),
        closed_won_value=_minor(keep(values, won), currency),
        pipeline_added_value=_minor(keep(values, ~lost), currency),
    )


def _minor(values: Column, currency: Currency) -> int:
    return currency.minor(total(values))
