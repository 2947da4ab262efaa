"""Which columns a demo row fills, and which columns the CRM's own INSERTs must fill after an adoption.

Both are derived: from the schemas of generated rows (``domain.generation.row_schemas``), from the model
(``schema.crm_tables``) and from the columns that the CRM has. Nothing is listed by hand, and nothing is read
from the database here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from demo_pipeline.domain.generation.row_schemas import COUNTED, OPTIONAL, SCHEMAS
from demo_pipeline.storage.adoption.shape import TableShape
from demo_pipeline.storage.schema.crm_tables import TENANTS

#: columns of demo tenants on the tables that are counted; rows of customers leave them to their defaults
PROVENANCE: Final = ("demo_generated", "demo_job_id", "demo_source_month")
#: Nobody inserts a deleted row.
_NEVER: Final = "deleted_at"


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
    if table == TENANTS.name:
        return frozenset(column.name for column in TENANTS.columns if column.name != _NEVER)
    provenance = {"demo_generated", "demo_job_id"} if table in COUNTED else set[str]()
    return frozenset({"tenant_id", *SCHEMAS[table].names, *provenance})


def null_in_demo_rows(table: str) -> frozenset[str]:
    """The columns of the INSERT that are null in some rows."""
    return OPTIONAL.get(table, frozenset())


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
