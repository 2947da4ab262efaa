"""The data model: what follows from it by itself, and what it must agree with."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final
from uuid import UUID

import pyarrow as pa
import pytest
from sqlalchemy import MetaData
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateColumn

from demo_pipeline.domain.generation.row_schemas import SCHEMAS, arrow_schema, row_batch
from demo_pipeline.domain.model import MODEL, Column, Kind, Model, Table
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.rows.digest import copy_statement
from demo_pipeline.storage.rows.load import insert_statement, staging_statement
from demo_pipeline.storage.schema.declared_tables import declare_crm

#: a column that no table has
LINKEDIN: Final = Column("linkedin", is_sparse=True, description="address of the profile")
#: a reference that no table has
REFERRER: Final = Column("referred_by_id", Kind.UUID, references="contacts", is_indexed=True)


def extended(name: str, *columns: Column) -> Model:
    """A copy of the model whose table ``name`` has more columns."""
    return Model(
        tuple(replace(table, own=(*table.own, *columns)) if table.name == name else table for table in MODEL)
    )


@pytest.fixture
def contacts() -> Table:
    """Contacts of a model with a new column."""
    return extended("contacts", LINKEDIN)["contacts"]


def ddl(column: Column) -> str:
    """The definition of a new column of contacts."""
    declaration = declared(extended("contacts", column), "contacts").columns[column.name]
    return str(CreateColumn(declaration).compile(dialect=postgresql.dialect()))


def declared(model: Model, table: str) -> Any:
    """The table of a model as SQLAlchemy has it."""
    metadata = MetaData()
    declare_crm(model, metadata)
    return metadata.tables[f"crm.{table}"]


def tag_columns(values: list[None]) -> dict[str, Any]:
    """The columns of ``tags``, each with these values."""
    schema: Any = SCHEMAS["tags"]
    return {field.name: pa.array(values, field.type) for field in schema}


def test_a_new_column_is_generated_and_loaded(contacts: Table) -> None:
    """Arrow schema, staging table and INSERT have it, by its name."""
    schema: Any = arrow_schema(contacts)
    assert schema.field("linkedin").type == pa.string()
    assert "linkedin text" in staging_statement(contacts)
    names, values = insert_statement(contacts).split(" SELECT ")
    assert "linkedin" in names
    assert "linkedin" in values
    assert names.split("(")[1].count(",") == values.split(" FROM ")[0].count(",")


def test_a_new_column_is_part_of_the_digest_and_of_what_a_tenant_sees(contacts: Table) -> None:
    """A change of its values changes the digest; the columns stay sorted by name."""
    statement = copy_statement(contacts, UUID(int=1)).as_string()
    assert "last_name, linkedin, owner_id" in statement
    hidden = extended("contacts", replace(LINKEDIN, is_visible=False))["contacts"]
    assert "linkedin" not in copy_statement(hidden, UUID(int=1)).as_string()


def test_a_new_column_is_declared_for_the_database(contacts: Table) -> None:
    """The declaration that a migrated database is compared with has it, with type and nullability."""
    assert ddl(LINKEDIN) == "linkedin TEXT"
    assert ddl(replace(LINKEDIN, default="''")) == "linkedin TEXT DEFAULT '' NOT NULL"
    table = declared(extended("contacts", LINKEDIN), "contacts")
    assert [one.name for one in contacts.columns] == list(table.columns.keys())


def test_a_new_reference_is_checked_indexed_and_followed() -> None:
    """Dependents, orphan checks, foreign key and index know a new reference."""
    model = extended("deals", REFERRER)
    reference = model["deals"].references[-1]
    assert (reference.child, reference.column, reference.parent) == ("deals", "referred_by_id", "contacts")
    assert reference in model.references
    assert reference in model.counted_references
    table = declared(model, "deals")
    assert "deals_referred_by_fkey" in {one.name for one in table.foreign_key_constraints}
    assert "deals_referred_by_ref_idx" in {one.name for one in table.indexes}
    assert model["deals"].columns[-7].may_be_empty


def test_a_row_without_a_column_of_the_model_is_an_error() -> None:
    """The generator cannot forget a column, nor fill one that the model does not have."""
    columns = tag_columns([])
    assert row_batch("tags", columns).num_rows == 0
    with pytest.raises(ValueError, match=r"columns of tags .*\['color'\]"):
        row_batch("tags", {name: values for name, values in columns.items() if name != "color"})
    with pytest.raises(ValueError, match=r"columns of tags .*\['shape'\]"):
        row_batch("tags", {**columns, "shape": columns["name"]})


def test_rows_are_bound_by_name() -> None:
    """The order in which a generator names its columns does not matter."""
    columns = tag_columns([None]) | {"name": pa.array(["hot"]), "color": pa.array(["red"])}
    row = row_batch("tags", dict(reversed(columns.items()))).to_pylist()[0]
    assert (row["name"], row["color"]) == ("hot", "red")


def test_parents_come_before_children() -> None:
    """Tables are in the order of loading, and one pass over the references finds all dependents."""
    order = [table.name for table in MODEL]
    assert all(order.index(one.parent) < order.index(one.child) for one in MODEL.references)
    assert set(MODEL.team) | set(MODEL.monthly) == set(order) - {"tenants"}


def test_names_need_no_quotes(database: Database) -> None:
    """SQL may contain the names of the model as they are."""
    names = {table.name for table in MODEL} | {one.name for table in MODEL for one in table.columns}
    with database.admin(readonly=True) as conn:
        reserved = conn.execute("select word from pg_get_keywords() where catcode in ('R', 'T')").fetchall()
    assert names.isdisjoint(word for (word,) in reserved)
    assert all(name.isascii() and name.isidentifier() and name.islower() for name in names)


def test_views_show_what_the_model_says(database: Database) -> None:
    """The views of the application have the model's columns but for provenance, in the same order."""
    with database.admin(readonly=True) as conn:
        found = conn.execute(
            "select c.relname, array_agg(a.attname::text order by a.attnum)"
            " from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0"
            " where c.relnamespace = 'crm_app'::regnamespace and c.relkind = 'v' group by c.relname"
        ).fetchall()
    assert dict(found) == {
        table.name: [one.name for one in table.columns if one.is_visible or one.name == "deleted_at"]
        for table in MODEL
    }
