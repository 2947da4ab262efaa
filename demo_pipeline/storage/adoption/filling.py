"""Which columns a demo row fills, and which columns the CRM's own INSERTs must fill after an adoption.

Both are derived: from the model (``domain.model``) and from the columns that the CRM has. Nothing is listed
by hand, and nothing is read from the database here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from demo_pipeline.domain.model import MODEL, Filled
from demo_pipeline.storage.adoption.shape import TableShape

#: columns of demo tenants on the tables that are counted; rows of customers leave them to their defaults
PROVENANCE: Final = ("demo_generated", "demo_job_id", "demo_source_month")


@dataclass(frozen=True, kw_only=True)
class Filling:
    """The columns of one table, by who fills them."""

    #: that every demo row leaves null
    always_null: tuple[str, ...]
    #: that some demo rows leave null
    sometimes_null: tuple[str, ...]
    #: that demo rows leave to a default, identity or expression
    by_default: tuple[str, ...]
    #: that an INSERT of the application must name: not null and without a default
    must_fill: tuple[str, ...]
    #: of these, those that it could leave out before
    newly: tuple[str, ...]


def filled_by_demo_rows(table: str) -> frozenset[str]:
    """The columns that an INSERT of demo rows names."""
    return frozenset(column.name for column in MODEL[table].columns if column.filled is not Filled.DEFAULT)


def null_in_demo_rows(table: str) -> frozenset[str]:
    """The columns of the INSERT that are null in some rows."""
    return frozenset(column.name for column in MODEL[table].generated if column.may_be_empty)


def filling_of(table: str, want: TableShape, have: TableShape) -> Filling:
    """The columns of a table that fits, as they are after the adoption."""
    columns = {**want.columns, **have.columns}
    filled = filled_by_demo_rows(table)
    rest = [name for name in columns if name not in filled]
    by_default = tuple(
        name
        for name in rest
        if columns[name].fills_itself or (name in want.columns and want.columns[name].default is not None)
    )
    must_fill = tuple(
        name
        for name, column in columns.items()
        if (column.refuses_null or (name in want.columns and want.columns[name].is_required))
        and not column.fills_itself
        and (name not in want.columns or want.columns[name].default is None)
    )
    return Filling(
        always_null=tuple(name for name in rest if name not in by_default),
        sometimes_null=tuple(name for name in columns if name in null_in_demo_rows(table)),
        by_default=by_default,
        must_fill=must_fill,
        newly=tuple(
            name for name in must_fill if name not in have.columns or not have.columns[name].refuses_null
        ),
    )
