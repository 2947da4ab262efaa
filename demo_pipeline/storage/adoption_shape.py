"""What an adoption makes of schema ``crm``, and what a database has there, in the same words.

The first is read from the revisions' own frozen SQL: the tables of the first revision without the constraints
that a later one drops. It is run on temporary tables and rolled back, so that the server spells both alike.
Comparing the two is ``adoption_reading``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final

from psycopg import Connection

from demo_pipeline.storage.migration_plan import MIGRATIONS

TABLES: Final = (
    "tenants", "users", "pipeline_stages", "tags", "companies", "contacts", "contact_tags", "deals",
    "activities",
)  # fmt: skip
_FIRST: Final = MIGRATIONS / "sql" / "0001_crm.sql"
_DROPPED: Final = MIGRATIONS / "sql" / "0006_constraints.sql"
#: What a later revision makes itself, and rows must not break: table → unique indexes, and their bodies.
LATER_KEYS: Final = {
    "contact_tags": {
        "contact_tags_living_key": "btree (tenant_id, contact_id, tag_id) WHERE (deleted_at IS NULL)"
    }
}
#: The only reference out of the schema; temporary tables cannot have it.
_JOB_REFERENCE: Final = re.compile(
    r",\s+constraint (\w+) foreign key \(tenant_id, demo_job_id\)"
    r"\s+references demo\.job_ledger \(tenant_id, id\)"
)

_COLUMNS: Final = """
SELECT c.relname, a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull,
    pg_catalog.pg_get_expr(d.adbin, d.adrelid), a.attgenerated <> '' OR a.attidentity <> ''
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE c.relnamespace = %(schema)s AND c.relname = ANY (%(tables)s) AND c.relkind = 'r' AND a.attnum > 0
    AND NOT a.attisdropped
ORDER BY c.relname, a.attnum
"""
_CONSTRAINTS: Final = """
SELECT c.relname, k.conname, k.contype::text, pg_catalog.pg_get_constraintdef(k.oid), k.convalidated,
    pg_catalog.pg_get_expr(k.conbin, k.conrelid)
FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
WHERE c.relnamespace = %(schema)s AND c.relname = ANY (%(tables)s) AND k.contype IN ('p', 'u', 'f', 'c')
ORDER BY k.contype DESC, c.relname, k.conname
"""
_INDEXES: Final = """
SELECT c.relname, i.relname, pg_catalog.pg_get_indexdef(i.oid), x.indisvalid,
    k.oid IS NOT NULL
FROM pg_catalog.pg_index x
JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid
JOIN pg_catalog.pg_class c ON c.oid = x.indrelid
LEFT JOIN pg_catalog.pg_constraint k ON k.conindid = i.oid AND k.conrelid = c.oid
WHERE c.relnamespace = %(schema)s AND c.relname = ANY (%(tables)s)
ORDER BY c.relname, i.relname
"""


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column, its type as the server spells it."""

    type: str
    is_required: bool
    default: str | None
    is_generated: bool


@dataclass(frozen=True, kw_only=True)
class Constraint:
    """A primary key (p), unique constraint (u), reference (f) or check (c)."""

    kind: str
    #: as in ALTER TABLE ... ADD, without NOT VALID
    definition: str
    is_valid: bool
    #: of a check
    expression: str | None = None


@dataclass(frozen=True, kw_only=True)
class Index:
    """An index; ``body`` is what follows the table's name."""

    is_unique: bool
    body: str
    is_valid: bool
    #: whether a constraint is made of it
    is_of_constraint: bool


@dataclass(frozen=True, kw_only=True)
class TableShape:
    """A table, by names."""

    columns: dict[str, Column] = field(default_factory=dict[str, Column])
    constraints: dict[str, Constraint] = field(default_factory=dict[str, Constraint])
    indexes: dict[str, Index] = field(default_factory=dict[str, Index])


def wanted_shape(conn: Connection[Any]) -> dict[str, TableShape]:
    """The tables as an adoption makes them; leaves nothing behind."""
    script = _FIRST.read_text(encoding="utf-8")
    references = {name.removesuffix("_job_fkey"): name for name in _JOB_REFERENCE.findall(script)}
    script = _JOB_REFERENCE.sub("", script).replace("crm.", "pg_temp.")
    with conn.transaction(force_rollback=True):
        conn.execute("SET LOCAL client_min_messages = 'warning'")
        conn.execute(script.encode())
        conn.execute(_DROPPED.read_text(encoding="utf-8").replace("crm.", "pg_temp.").encode())
        shape = _read(conn, "pg_catalog.pg_my_temp_schema()")
    for table, name in references.items():
        shape[table].constraints[name] = Constraint(
            kind="f",
            definition="FOREIGN KEY (tenant_id, demo_job_id) REFERENCES demo.job_ledger(tenant_id, id)",
            is_valid=True,
        )
    return shape


def found_shape(conn: Connection[Any]) -> dict[str, TableShape]:
    """The tables of that name that schema ``crm`` has."""
    with conn.transaction():
        return _read(conn, "'crm'::pg_catalog.regnamespace")


def _read(conn: Connection[Any], schema: str) -> dict[str, TableShape]:
    conn.execute("SET LOCAL search_path = pg_catalog")
    oid = conn.execute(f"SELECT {schema}::oid".encode()).fetchone()
    assert oid is not None
    asked = {"schema": oid[0], "tables": list(TABLES)}
    shape: dict[str, TableShape] = {}
    for table, name, kind, is_required, default, is_generated in conn.execute(_COLUMNS, asked):
        shape.setdefault(table, TableShape()).columns[name] = Column(
            type=kind, is_required=is_required, default=default, is_generated=is_generated
        )
    for table, name, kind, definition, is_valid, expression in conn.execute(_CONSTRAINTS, asked):
        shape[table].constraints[name] = Constraint(
            kind=kind, definition=_spelled(definition), is_valid=is_valid, expression=expression
        )
    for table, name, definition, is_valid, is_of_constraint in conn.execute(_INDEXES, asked):
        shape[table].indexes[name] = Index(
            is_unique=definition.startswith("CREATE UNIQUE"),
            body=definition.partition(" USING ")[2],
            is_valid=is_valid,
            is_of_constraint=is_of_constraint,
        )
    return shape


def _spelled(definition: str) -> str:
    """A definition without what says that it is not validated, and with the schema of what it references."""
    definition = definition.removesuffix(" NOT VALID")
    return re.sub(r"REFERENCES (?:pg_temp(?:_\d+)?\.)?(\w+)\(", r"REFERENCES crm.\1(", definition)
