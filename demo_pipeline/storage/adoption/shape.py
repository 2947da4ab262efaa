"""The shape that the tables of schema ``crm`` must have and the one that they have, in the same words.

Three shapes are read from the catalogue, so that the server spells all of them alike: the first revision's
(its frozen SQL), the declared model's (``schema.tables``) and the database's. The first two are made as
temporary tables and rolled back. An adoption makes what the first revision and the model have in common; the
later revisions make the rest. So what a later revision removes is neither required nor made here. Comparing
the shapes is ``adoption.reading``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final

from psycopg import Connection
from sqlalchemy import ForeignKeyConstraint
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from demo_pipeline.storage.schema.migration_plan import MIGRATIONS, plan_upgrade
from demo_pipeline.storage.schema.revision import known_revisions
from demo_pipeline.storage.schema.tables import METADATA

TABLES: Final = (
    "tenants", "users", "pipeline_stages", "tags", "companies", "contacts", "contact_tags", "deals",
    "activities",
)  # fmt: skip
_FIRST: Final = MIGRATIONS / "sql" / "0001_crm.sql"
#: The name of an index in the SQL of a revision.
_INDEX_NAME: Final = re.compile(
    r"\b(?:create|drop) (?:unique )?index (?:concurrently )?(?:if (?:not )?exists )?(?:crm\.)?(\w+)",
    re.IGNORECASE,
)
#: The only reference out of the schema; temporary tables cannot have it.
_JOB_REFERENCE: Final = re.compile(
    r",\s+constraint (\w+) foreign key \(tenant_id, demo_job_id\)"
    r"\s+references demo\.job_ledger \(tenant_id, id\)"
)

_COLUMNS: Final = """
SELECT c.relname, a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull,
    pg_catalog.pg_get_expr(d.adbin, d.adrelid), a.attgenerated::text, a.attidentity::text,
    CASE WHEN t.typtype = 'd' AND t.typnotnull THEN pg_catalog.format_type(t.typbasetype, t.typtypmod) END,
    t.typdefault IS NOT NULL
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
SELECT c.relname, c.relkind::text, c.relpersistence = 'u', c.relispartition,
    ARRAY(SELECT i.inhparent::regclass::text FROM pg_inherits i WHERE i.inhrelid = c.oid ORDER BY i.inhseqno),
    ARRAY(SELECT i.inhrelid::regclass::text FROM pg_inherits i WHERE i.inhparent = c.oid ORDER BY 1),
    ARRAY(SELECT r.rulename::text FROM pg_rewrite r WHERE r.ev_class = c.oid AND r.ev_type <> '1' ORDER BY 1),
    (SELECT k.conrelid::regclass::text FROM pg_constraint k
        WHERE k.conindid = c.oid AND k.contype IN ('p', 'u', 'x') LIMIT 1)
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
    parents: tuple[str, ...]
    children: tuple[str, ...]
    #: that rewrite INSERT, UPDATE or DELETE
    rules: tuple[str, ...]
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


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What tables must have in the end."""

    #: what an adoption makes: what the first revision and the model have in common
    now: dict[str, TableShape]
    #: constraints and indexes that later revisions make
    later: dict[str, TableShape]
    #: constraints and indexes of the first revision that later revisions drop by their names
    dropped: dict[str, TableShape]
    #: names of indexes that revisions after the first make and drop again
    passing: frozenset[str]


def wanted_shape(conn: Connection[Any]) -> Wanted:
    """The shape of the first revision, split by what the model still has; leaves nothing behind."""
    first, model = _first_shape(conn), _model_shape(conn)
    shapes = (*first.values(), *model.values())
    known = {name for shape in shapes for name in (*shape.indexes, *shape.constraints)}
    return Wanted(
        now={
            table: TableShape(
                columns=first[table].columns,
                constraints={
                    name: item
                    for name, item in first[table].constraints.items()
                    if model[table].constraints.get(name) == item
                },
                indexes={
                    name: item
                    for name, item in first[table].indexes.items()
                    if model[table].indexes.get(name) == item
                },
            )
            for table in TABLES
        },
        later={
            table: TableShape(
                constraints={
                    name: item
                    for name, item in model[table].constraints.items()
                    if first[table].constraints.get(name) != item
                },
                indexes={
                    name: item
                    for name, item in model[table].indexes.items()
                    if first[table].indexes.get(name) != item
                },
            )
            for table in TABLES
        },
        dropped={
            table: TableShape(
                constraints={
                    name: item
                    for name, item in first[table].constraints.items()
                    if name not in model[table].constraints
                },
                indexes={
                    name: item
                    for name, item in first[table].indexes.items()
                    if name not in model[table].indexes
                },
            )
            for table in TABLES
        },
        passing=_index_names() - known,
    )


def _index_names() -> frozenset[str]:
    """Names of all indexes that any revision makes or drops."""
    script = plan_upgrade(None, known_revisions()[-1]).script()
    return frozenset(_INDEX_NAME.findall(script))


def _first_shape(conn: Connection[Any]) -> dict[str, TableShape]:
    script = _FIRST.read_text(encoding="utf-8")
    references = {name.removesuffix("_job_fkey"): name for name in _JOB_REFERENCE.findall(script)}
    return _shape_of(conn, _JOB_REFERENCE.sub("", script), references)


def _model_shape(conn: Connection[Any]) -> dict[str, TableShape]:
    dialect = postgresql.dialect()
    statements: list[str] = []
    references: dict[str, str] = {}
    for name in TABLES:
        table = METADATA.tables[f"crm.{name}"]
        inside: list[ForeignKeyConstraint] = []
        for reference in table.foreign_key_constraints:
            if reference.elements[0].target_fullname.startswith("crm."):
                inside.append(reference)
            else:
                references[name] = str(reference.name)
        made = CreateTable(table, include_foreign_key_constraints=inside)
        statements.append(str(made.compile(dialect=dialect)))
        statements.extend(str(CreateIndex(index).compile(dialect=dialect)) for index in table.indexes)
    return _shape_of(conn, ";\n".join(statements), references)


def _shape_of(conn: Connection[Any], script: str, job_references: dict[str, str]) -> dict[str, TableShape]:
    """The shape of the tables that ``script`` makes in ``crm``, without making them there."""
    with conn.transaction(force_rollback=True):
        conn.execute("SET LOCAL client_min_messages = 'warning'")
        conn.execute(script.replace("crm.", "pg_temp.").encode())
        shape = _read(conn, "pg_catalog.pg_my_temp_schema()", _OUR_KINDS)
    for table, name in job_references.items():
        shape[table].constraints[name] = Constraint(
            kind="f",
            definition="FOREIGN KEY (tenant_id, demo_job_id) REFERENCES demo.job_ledger(tenant_id, id)",
            is_valid=True,
        )
    return shape


def found_shape(conn: Connection[Any]) -> dict[str, TableShape]:
    """The tables of that name that schema ``crm`` has."""
    with conn.transaction():
        return _read(conn, "'crm'::pg_catalog.regnamespace", _OUR_KINDS + "nxt")


def found_relations(conn: Connection[Any]) -> dict[str, Relation]:
    """Everything that has a name in schema ``crm``. Needs ``search_path = pg_catalog``."""
    return {
        name: Relation(
            kind=kind,
            is_unlogged=is_unlogged,
            is_partition=is_partition,
            parents=tuple(parents),
            children=tuple(children),
            rules=tuple(rules),
            constraint=constraint,
        )
        for name, kind, is_unlogged, is_partition, parents, children, rules, constraint in conn.execute(
            _RELATIONS
        )
    }


def _read(conn: Connection[Any], schema: str, kinds: str) -> dict[str, TableShape]:
    conn.execute("SET LOCAL search_path = pg_catalog")
    oid = conn.execute(f"SELECT {schema}::oid".encode()).fetchone()
    assert oid is not None
    asked = {"schema": oid[0], "tables": list(TABLES), "kinds": list(kinds)}
    shape: dict[str, TableShape] = {}
    for table, name, kind, is_required, default, generated, identity, base, is_default in conn.execute(
        _COLUMNS, asked
    ):
        shape.setdefault(table, TableShape()).columns[name] = Column(
            type=kind,
            is_required=is_required,
            default=default,
            generated=generated,
            identity=identity,
            required_domain_of=base,
            has_domain_default=is_default,
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
