"""The shape that the tables of schema ``crm`` must have and the one that they have, in the same words.

Both are read from the catalogue, so that the server spells them alike: the declared model's
(``schema.tables``), which is created as temporary tables and rolled back, and the database's. A gap is what
a table lacks, and who fills its columns. What does not fit is ``misfits``, ``rows`` and ``rights``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final

from psycopg import Connection
from psycopg.rows import dict_row
from sqlalchemy import ForeignKeyConstraint
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from demo_pipeline.domain.model import MODEL, Filled
from demo_pipeline.storage.schema.declared_tables import METADATA

TABLES: Final = tuple(table.name for table in MODEL)
#: columns of demo tenants on the tables that are counted; rows of customers leave them to their defaults
PROVENANCE: Final = ("demo_generated", "demo_job_id", "demo_source_month")
#: triggers that the baseline makes on tables with provenance
_OUR_TRIGGERS: Final = ("{table}_keep_provenance", "{table}_record_edit")
_COLUMNS: Final = """
SELECT c.relname, a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod) AS type,
    a.attnotnull AS is_required, pg_catalog.pg_get_expr(d.adbin, d.adrelid) AS "default",
    a.attgenerated::text AS generated, a.attidentity::text AS identity,
    CASE WHEN t.typtype = 'd' AND t.typnotnull THEN pg_catalog.format_type(t.typbasetype, t.typtypmod) END
        AS required_domain_of,
    t.typdefault IS NOT NULL AS has_domain_default
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE c.relnamespace = %(schema)s AND c.relname = ANY (%(tables)s) AND c.relkind = 'r' AND a.attnum > 0
    AND NOT a.attisdropped
ORDER BY c.relname, a.attnum
"""
#: primary keys, unique constraints, references and checks
_OUR_KINDS: Final = "pufc"
_CONSTRAINTS: Final = """
SELECT c.relname, k.conname, k.contype::text, pg_catalog.pg_get_constraintdef(k.oid), k.convalidated,
    pg_catalog.pg_get_expr(k.conbin, k.conrelid)
FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
WHERE c.relnamespace = %(schema)s AND c.relname = ANY (%(tables)s) AND k.contype = ANY (%(kinds)s)
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
_RELATIONS: Final = """
SELECT c.relname, c.relkind::text AS kind, c.relpersistence = 'u' AS is_unlogged,
    c.relispartition AS is_partition,
    ARRAY(SELECT i.inhparent::regclass::text FROM pg_inherits i WHERE i.inhrelid = c.oid ORDER BY i.inhseqno)
        AS parents,
    ARRAY(SELECT i.inhrelid::regclass::text FROM pg_inherits i WHERE i.inhparent = c.oid ORDER BY 1)
        AS children,
    ARRAY(SELECT r.rulename::text FROM pg_rewrite r WHERE r.ev_class = c.oid AND r.ev_type <> '1' ORDER BY 1)
        AS rules,
    (SELECT k.conrelid::regclass::text FROM pg_constraint k
        WHERE k.conindid = c.oid AND k.contype IN ('p', 'u', 'x') LIMIT 1) AS constraint
FROM pg_class c WHERE c.relnamespace = 'crm'::regnamespace
"""
_KINDS: Final = {
    "r": "table", "p": "partitioned table", "v": "view", "m": "materialized view", "f": "foreign table",
    "S": "sequence", "i": "index", "I": "partitioned index", "c": "composite type", "t": "TOAST table",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Relation:
    """What has a name in schema ``crm``: a table, view, index, sequence or composite type."""

    #: as in pg_class
    kind: str
    is_unlogged: bool
    is_partition: bool
    #: qualified and quoted
    parents: list[str]
    children: list[str]
    #: that rewrite INSERT, UPDATE or DELETE
    rules: list[str]
    #: the table whose constraint the index belongs to
    constraint: str | None

    @property
    def kind_name(self) -> str:
        """In words."""
        return _KINDS.get(self.kind, "relation")


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column, its type as the server spells it."""

    type: str
    #: NOT NULL, by the column itself
    is_required: bool
    #: of the column; generated columns have their expression here
    default: str | None
    #: as in pg_attribute: s (stored), v (virtual) or empty
    generated: str
    #: as in pg_attribute: a (always), d (by default) or empty
    identity: str
    #: the type below, where the column's type is a domain that forbids null
    required_domain_of: str | None
    has_domain_default: bool

    @property
    def definition(self) -> str:
        """Type, NOT NULL and default, as in ADD COLUMN."""
        required, default = " NOT NULL" * self.is_required, f" DEFAULT {self.default}" if self.default else ""
        return f"{self.type}{required}{default}"

    @property
    def fills_itself(self) -> bool:
        """Whether an INSERT that leaves the column out gets a value for it."""
        return bool(self.default or self.generated or self.identity or self.has_domain_default)

    @property
    def refuses_null(self) -> bool:
        """NOT NULL, by the column or by its domain."""
        return self.is_required or self.required_domain_of is not None


@dataclass(frozen=True, kw_only=True)
class Constraint:
    """A primary key (p), unique constraint (u), reference (f) or check (c); the CRM may have others."""

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
    """The shape of the declared tables; leaves nothing behind."""
    dialect = postgresql.dialect()
    statements: list[str] = []
    job_references: dict[str, str] = {}
    for name in TABLES:
        table = METADATA.tables[f"crm.{name}"]
        inside: list[ForeignKeyConstraint] = []
        for reference in table.foreign_key_constraints:
            if reference.elements[0].target_fullname.startswith("crm."):
                inside.append(reference)
            else:
                # The only reference out of the schema; temporary tables cannot have it.
                job_references[name] = str(reference.name)
        created = CreateTable(table, include_foreign_key_constraints=inside)
        statements.append(str(created.compile(dialect=dialect)))
        statements.extend(str(CreateIndex(index).compile(dialect=dialect)) for index in table.indexes)
    with conn.transaction(force_rollback=True):
        conn.execute("SET LOCAL client_min_messages = 'warning'")
        conn.execute(";\n".join(statements).replace("crm.", "pg_temp.").encode())
        shape = _read(conn, "pg_catalog.pg_my_temp_schema()", _OUR_KINDS)
    for table, name in job_references.items():
        shape[table].constraints[name] = Constraint(
            kind="f",
            definition="FOREIGN KEY (tenant_id, demo_job_id) REFERENCES demo.job_ledger(tenant_id, id)",
            is_valid=True,
        )
    return {table: shape[table] for table in TABLES}


def found_shape(conn: Connection[Any]) -> dict[str, TableShape]:
    """The tables of that name that schema ``crm`` has."""
    with conn.transaction():
        return _read(conn, "'crm'::pg_catalog.regnamespace", _OUR_KINDS + "nxt")


def found_relations(conn: Connection[Any]) -> dict[str, Relation]:
    """Everything that has a name in schema ``crm``. Needs ``search_path = pg_catalog``."""
    cursor = conn.cursor(row_factory=dict_row).execute(_RELATIONS)
    return {row.pop("relname"): Relation(**row) for row in cursor}


def _read(conn: Connection[Any], schema: str, kinds: str) -> dict[str, TableShape]:
    conn.execute("SET LOCAL search_path = pg_catalog")
    oid = conn.execute(f"SELECT {schema}::oid".encode()).fetchone()
    assert oid is not None
    asked = {"schema": oid[0], "tables": list(TABLES), "kinds": list(kinds)}
    shape: dict[str, TableShape] = {}
    for row in conn.cursor(row_factory=dict_row).execute(_COLUMNS, asked):
        table, name = row.pop("relname"), row.pop("attname")
        shape.setdefault(table, TableShape()).columns[name] = Column(**row)
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


# -- comparing --------------------------------------------------------------------------------------------


def differs(index: Index, other: Index) -> bool:
    """Whether two indexes are not the same but for their names."""
    return (index.is_unique, index.body) != (other.is_unique, other.body)


def is_met_by(wanted: Constraint, there: Constraint) -> bool:
    """Whether the one is as good as the other; what a reference does on delete is its own affair."""
    if wanted.kind != there.kind:
        return False
    if wanted.kind == "f":
        return (
            re.split(r" (?:ON|MATCH FULL|DEFERRABLE|INITIALLY) ?", there.definition)[0] == wanted.definition
        )
    return there.definition == wanted.definition


def proves(index: Index, unique: Constraint) -> bool:
    """Whether the index keeps what the unique constraint demands."""
    return index.is_unique and index.body == unique.definition.replace("UNIQUE", "btree")


# -- who fills the columns -------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class ColumnUse:
    """The columns of one table after the adoption, by who fills them."""

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


def _column_use(table: str, want: TableShape, have: TableShape) -> ColumnUse:
    columns = {**want.columns, **have.columns}
    has_default = {name for name, column in want.columns.items() if column.default is not None}
    has_default |= {name for name, column in columns.items() if column.fills_itself}
    filled = filled_by_demo_rows(table)
    rest = [name for name in columns if name not in filled]
    must_fill = tuple(
        name
        for name, column in columns.items()
        if name not in has_default
        and (column.refuses_null or (name in want.columns and want.columns[name].is_required))
    )
    return ColumnUse(
        always_null=tuple(name for name in rest if name not in has_default),
        sometimes_null=tuple(name for name in columns if name in null_in_demo_rows(table)),
        by_default=tuple(name for name in rest if name in has_default),
        must_fill=must_fill,
        newly=tuple(
            name for name in must_fill if name not in have.columns or not have.columns[name].refuses_null
        ),
    )


# -- what is missing -------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class TableGap:
    """What one table lacks."""

    table: str
    #: the planner's estimate
    row_count: int
    size_bytes: int
    column_use: ColumnUse
    #: name → type and default, of new columns
    columns: dict[str, str]
    #: column → default
    defaults: dict[str, str]
    #: columns that are to become NOT NULL
    required: tuple[str, ...]
    #: references and checks that are to be added
    constraints: dict[str, Constraint]
    #: that are there and not validated
    unproven: dict[str, Constraint]
    #: unique constraints that are to be added
    unique: dict[str, Constraint]
    indexes: dict[str, Index]
    #: triggers of the CRM's own, which will fire for demo rows as well
    triggers: tuple[str, ...]
    #: checks of the CRM's own, which demo rows must fulfil as well
    checks: tuple[str, ...]


def table_gap(conn: Connection[Any], table: str, want: TableShape, have: TableShape) -> TableGap:
    """Compare a table that is there with the declared one. Needs ``search_path = pg_catalog``."""
    size = conn.execute(
        "SELECT greatest(reltuples, 0)::bigint, pg_table_size(oid) FROM pg_class WHERE oid = to_regclass(%s)",
        [f"crm.{table}"],
    ).fetchone()
    assert size is not None
    triggers = conn.execute(
        "SELECT tgname FROM pg_catalog.pg_trigger WHERE tgrelid = pg_catalog.to_regclass(%s)"
        " AND NOT tgisinternal AND tgname <> ALL (%s) ORDER BY 1",
        [f"crm.{table}", [trigger.format(table=table) for trigger in _OUR_TRIGGERS]],
    ).fetchall()
    known = [
        (name, column, have.columns[name]) for name, column in want.columns.items() if name in have.columns
    ]
    missing = {
        name: item
        for name, item in want.constraints.items()
        if item.kind != "p" and not any(is_met_by(item, other) for other in have.constraints.values())
    }
    valid = [index for index in have.indexes.values() if index.is_valid]
    return TableGap(
        table=table,
        row_count=size[0],
        size_bytes=size[1],
        column_use=_column_use(table, want, have),
        columns={
            name: column.definition for name, column in want.columns.items() if name not in have.columns
        },
        defaults={
            name: column.default
            for name, column, there in known
            if column.default is not None and there.default is None and not there.identity
        },
        required=tuple(name for name, column, there in known if column.is_required and not there.is_required),
        constraints={name: item for name, item in missing.items() if item.kind in {"f", "c"}},
        unproven={
            name: there
            for name, there in have.constraints.items()
            if not there.is_valid and any(is_met_by(item, there) for item in want.constraints.values())
        },
        unique={
            name: item
            for name, item in missing.items()
            if item.kind == "u"
            # An index of that name without its constraint is what an interrupted adoption left.
            and (name in have.indexes or not any(proves(index, item) for index in valid))
        },
        indexes={
            name: index
            for name, index in want.indexes.items()
            if not index.is_of_constraint and all(differs(other, index) for other in valid)
        },
        triggers=tuple(name for (name,) in triggers),
        checks=tuple(
            f"{name} {item.definition}"
            for name, item in have.constraints.items()
            if item.kind == "c" and not any(is_met_by(other, item) for other in want.constraints.values())
        ),
    )
