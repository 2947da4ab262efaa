# ruff: noqa: S608 - the names in queries are those of our own tables and of the frozen SQL
"""What about the tables of a CRM does not fit: tables, columns, keys and names that are in the way.

Reads the catalogue and changes nothing. Rows are ``adoption.rows``, roles and rights ``adoption.rights``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from psycopg import Connection, Error, errors

from demo_pipeline.storage.adoption.remedies import (
    Misfit,
    Phase,
    Statement,
    change_key,
    change_type,
    free_name,
    misfit,
    quoted,
)
from demo_pipeline.storage.adoption.rights import Roles
from demo_pipeline.storage.adoption.rows import fill_nulls
from demo_pipeline.storage.adoption.shape import (
    PROVENANCE,
    TABLES,
    Column,
    Constraint,
    Relation,
    TableShape,
    differs,
    filled_by_demo_rows,
    found_relations,
    is_met_by,
    null_in_demo_rows,
)

# -- tables ----------------------------------------------------------------------------------------------


def shape_misfits(
    conn: Connection[Any], wanted: dict[str, TableShape], found: dict[str, TableShape], roles: Roles
) -> Iterator[Misfit]:
    """Everything about the tables; needs ``search_path = pg_catalog``."""
    relations = found_relations(conn)
    for table in TABLES:
        want, relation = wanted[table], relations.get(table)
        if table not in found or relation is None:
            yield _missing_table(table, want, relations, roles)
            continue
        have = found[table]
        yield from _kind_misfits(table, relation)
        yield from _column_misfits(conn, table, want, have)
        yield from _key_misfits(conn, table, want, have)
        yield from _constraint_names(table, want, have)
        yield from _rule_misfits(table, relation)
    yield from _relation_names(wanted, found, relations)


def _missing_table(table: str, want: TableShape, relations: dict[str, Relation], roles: Roles) -> Misfit:
    place = f"crm.{table}"
    there = relations.get(table)
    if there is not None:
        return misfit(
            "unsupported_table",
            place,
            f"it is a {there.kind_name}; only ordinary tables can be adopted: replace it by one, with a "
            "migration of your own",
        )
    others = [name for name, item in relations.items() if name.lower() == table and item.kind == "r"]
    if others:
        return misfit(
            "missing_table",
            place,
            f"the table is called {quoted(others[0])}: rename it; its columns are checked afterwards",
            Statement(Phase.NAMES, f"ALTER TABLE crm.{quoted(others[0])} RENAME TO {table}"),
        )
    columns = [
        f"{name} {column.definition}" for name, column in want.columns.items() if name not in PROVENANCE
    ]
    (key,) = (item.definition for item in want.constraints.values() if item.kind == "p")
    return misfit(
        "missing_table",
        place,
        "the table is missing: make it",
        Statement(Phase.COLUMNS, f"CREATE TABLE {place} ({', '.join([*columns, key])})"),
        Statement(Phase.COLUMNS, f"ALTER TABLE {place} OWNER TO {quoted(roles.usual_owner)}"),
    )


def _kind_misfits(table: str, relation: Relation) -> Iterator[Misfit]:
    place = f"crm.{table}"
    if relation.is_partition:
        yield misfit(
            "inheritance",
            place,
            f"it is a partition of {relation.parents[0]}, whose changes would reach it: detach it",
            Statement(Phase.NAMES, f"ALTER TABLE {relation.parents[0]} DETACH PARTITION {place}"),
        )
    else:
        for parent in relation.parents:
            yield misfit(
                "inheritance",
                place,
                f"it inherits from {parent}, whose changes would reach it: end the inheritance",
                Statement(Phase.NAMES, f"ALTER TABLE {place} NO INHERIT {parent}"),
            )
    for child in relation.children:
        yield misfit(
            "inheritance",
            place,
            f"{child} inherits from it, and keys and references do not reach rows of {child}: end the "
            "inheritance",
            Statement(Phase.NAMES, f"ALTER TABLE {child} NO INHERIT {place}"),
        )
    if relation.is_unlogged:
        yield misfit(
            "unlogged_table",
            place,
            "it is unlogged, and logged tables cannot reference it: make it logged",
            Statement(Phase.COLUMNS, f"ALTER TABLE {place} SET LOGGED", -1),
        )


def _rule_misfits(table: str, relation: Relation) -> Iterator[Misfit]:
    for rule in relation.rules:
        yield misfit(
            "rule",
            f"crm.{table}.{rule}",
            "demo rows cannot be inserted where a rule rewrites the statement: drop the rule",
            Statement(Phase.DROP, f"DROP RULE {quoted(rule)} ON crm.{table}"),
        )


# -- columns ---------------------------------------------------------------------------------------------


def _column_misfits(
    conn: Connection[Any], table: str, want: TableShape, have: TableShape
) -> Iterator[Misfit]:
    known: set[str] = set()
    for name, column in want.columns.items():
        other = next(
            (item for item in have.columns if item.lower() == name and item not in want.columns), None
        )
        if name in have.columns:
            known.add(name)
            yield from _known_column(conn, table, name, column, have.columns[name])
        elif other is not None:
            known.add(other)
            yield misfit(
                "missing_column",
                f"crm.{table}.{name}",
                f"the column is called {quoted(other)}: rename it; it is checked afterwards",
                Statement(Phase.NAMES, f"ALTER TABLE crm.{table} RENAME COLUMN {quoted(other)} TO {name}"),
            )
        elif name not in PROVENANCE:
            yield _missing_column(table, name, column)
    for name, column in have.columns.items():
        if name in known or not column.refuses_null or column.fills_itself:
            continue
        yield misfit(
            "required_column",
            f"crm.{table}.{name}",
            "demo rows do not have this column, and it may not be null and has no default: allow null, or "
            "give it a default",
            *_allow_null(conn, table, name, column),
        )


def _allow_null(conn: Connection[Any], table: str, name: str, column: Column) -> Iterator[Statement]:
    if column.required_domain_of is not None:
        yield from change_type(
            conn,
            table,
            name,
            old=column.type,
            new=column.required_domain_of,
            default=column.default,
            own_tables=TABLES,
        )
    if column.is_required:
        yield Statement(Phase.NULLS, f"ALTER TABLE crm.{table} ALTER COLUMN {quoted(name)} DROP NOT NULL")


def _missing_column(table: str, name: str, column: Column) -> Misfit:
    place = f"crm.{table}"
    default = f" DEFAULT {column.default}" if column.default else ""
    statements = [Statement(Phase.COLUMNS, f"ALTER TABLE {place} ADD COLUMN {name} {column.type}{default}")]
    message = "the column is missing: add it"
    if column.is_required and not column.default:
        message += ", and give every row a value; the script's is a placeholder"
        statements.extend(fill_nulls(table, name, column))
    return misfit("missing_column", f"{place}.{name}", message, *statements)


def _known_column(
    conn: Connection[Any], table: str, name: str, column: Column, there: Column
) -> Iterator[Misfit]:
    place, altered = f"crm.{table}.{name}", f"ALTER TABLE crm.{table} ALTER COLUMN {name}"
    may_be_null = not column.is_required and (
        name in PROVENANCE or name in null_in_demo_rows(table) or name not in filled_by_demo_rows(table)
    )
    is_other_type = there.type != column.type
    is_null_refused = there.is_required and may_be_null
    if there.identity and (there.identity == "a" or is_other_type or is_null_refused):
        yield misfit(
            "generated_column",
            place,
            "the server makes the value itself: make it an ordinary column",
            Statement(Phase.COLUMNS, f"{altered} DROP IDENTITY", -1),
        )
    elif there.generated == "s":
        yield misfit(
            "generated_column",
            place,
            "the server makes the value itself: make it an ordinary column, which keeps its values",
            Statement(Phase.COLUMNS, f"{altered} DROP EXPRESSION", -1),
        )
    elif there.generated:
        # A virtual column has no values that it could keep.
        yield misfit(
            "generated_column",
            place,
            "the server makes the value itself: replace it by an ordinary column with the same values",
            Statement(Phase.COLUMNS, f"ALTER TABLE crm.{table} ADD COLUMN {name}_stored {there.type}", -1),
            Statement(Phase.COLUMNS, f"UPDATE crm.{table} SET {name}_stored = {name}", -1),
            Statement(Phase.COLUMNS, f"ALTER TABLE crm.{table} DROP COLUMN {name}", -1),
            Statement(Phase.COLUMNS, f"ALTER TABLE crm.{table} RENAME COLUMN {name}_stored TO {name}", -1),
        )
    if is_other_type:
        yield _other_type(conn, table, name, column, there)
    if is_null_refused:
        reason = (
            "rows of customers leave it null"
            if name in PROVENANCE
            else "demo rows leave it null"
            if name not in filled_by_demo_rows(table)
            else "some demo rows leave it null"
        )
        yield misfit(
            "required_column",
            place,
            f"it may not be null, and {reason}: allow null",
            Statement(Phase.NULLS, f"{altered} DROP NOT NULL"),
        )


def _other_type(conn: Connection[Any], table: str, name: str, column: Column, there: Column) -> Misfit:
    place = f"crm.{table}.{name}"
    message = f"the type is {there.type}, and {column.type} is needed"
    if not _has_cast(conn, there.type, column.type):
        return misfit(
            "other_type",
            place,
            f"{message}; there is no conversion, so the column and what references it need a migration of "
            "your own",
        )
    wrong = _count_unconvertible(conn, table, name, column.type)
    if wrong:
        return misfit(
            "other_type",
            place,
            f"{message}, and {wrong} values cannot be converted: correct them first; SELECT * FROM "
            f"crm.{table} WHERE NOT pg_input_is_valid({name}::text, '{column.type}') lists them",
        )
    keeps_default = there.default is not None and not there.generated and not there.identity
    statements = change_type(
        conn,
        table,
        name,
        old=there.type,
        new=column.type,
        default=there.default if keeps_default else None,
        own_tables=TABLES,
    )
    return misfit(
        "other_type",
        place,
        f"{message}: convert it",
        *statements,
    )


def _has_cast(conn: Connection[Any], old: str, new: str) -> bool:
    try:
        with conn.transaction():
            conn.execute(f"SELECT CAST(CAST(NULL AS {old}) AS {new})".encode())
    except (errors.CannotCoerce, errors.NotNullViolation, errors.CheckViolation) as error:
        return not isinstance(error, errors.CannotCoerce)
    return True


def _count_unconvertible(conn: Connection[Any], table: str, column: str, kind: str) -> int:
    if conn.info.server_version < 160_000:
        return 0
    try:
        with conn.transaction():
            row = conn.execute(
                f"SELECT count(*) FROM crm.{table} WHERE {quoted(column)} IS NOT NULL"
                f" AND NOT pg_catalog.pg_input_is_valid({quoted(column)}::text, '{kind}')".encode()
            ).fetchone()
    except Error:
        return 0
    return int(row[0]) if row else 0


# -- keys and names --------------------------------------------------------------------------------------


def _key_misfits(conn: Connection[Any], table: str, want: TableShape, have: TableShape) -> Iterator[Misfit]:
    (key,) = (item.definition for item in want.constraints.values() if item.kind == "p")
    keys = [(name, item.definition) for name, item in have.constraints.items() if item.kind == "p"]
    if [definition for _, definition in keys] == [key]:
        return
    old = keys[0] if keys else None
    found = f"it is {old[1]}" if old else "there is none"
    yield misfit(
        "other_key",
        f"crm.{table}",
        f"the key must be {key}, and {found}: replace it; references to the old key stay",
        *change_key(conn, table, old, key),
    )


def _constraint_names(table: str, want: TableShape, have: TableShape) -> Iterator[Misfit]:
    names = {name: [item] for name, item in want.constraints.items() if item.kind != "p"}
    for column in want.columns:
        # Made for a moment, to set NOT NULL without reading the table under a lock.
        names[check_name(table, column)] = [
            Constraint(kind="c", definition=f"CHECK (({column} IS NOT NULL))", is_valid=True),
            Constraint(kind="n", definition=f"NOT NULL {column}", is_valid=True),
        ]
    for name, items in names.items():
        there = have.constraints.get(name)
        if there is not None and not any(is_met_by(item, there) for item in items):
            yield misfit(
                "name_taken",
                f"crm.{table}.{name}",
                f"the name is needed, and another constraint has it ({there.definition}): rename that one",
                Statement(
                    Phase.NAMES,
                    f"ALTER TABLE crm.{table} RENAME CONSTRAINT {quoted(name)} TO "
                    f"{quoted(free_name(name, have.constraints))}",
                ),
            )


def check_name(table: str, column: str) -> str:
    """The check that is there while a column becomes NOT NULL."""
    return f"{table}_{column}_is_there"


def _relation_names(
    wanted: dict[str, TableShape], found: dict[str, TableShape], relations: dict[str, Relation]
) -> Iterator[Misfit]:
    """Names of indexes are names of relations: one for the whole schema."""
    for table, want in wanted.items():
        own = found.get(table, TableShape())
        for name, index in want.indexes.items():
            if name not in relations or (name in own.indexes and not differs(own.indexes[name], index)):
                continue
            constraint = want.constraints.get(name)
            if constraint is not None and (constraint.kind == "p" or name in own.constraints):
                # A problem of the key, or of the constraint, whose index takes its name along.
                continue
            relation = relations[name]
            kind = "TYPE" if relation.kind == "c" else "INDEX" if relation.kind in "iI" else "TABLE"
            renamed = f"ALTER {kind} crm.{quoted(name)} RENAME TO"
            if relation.constraint is not None:
                renamed = f"ALTER TABLE {relation.constraint} RENAME CONSTRAINT {quoted(name)} TO"
            yield misfit(
                "name_taken",
                f"crm.{name}",
                f"an index of crm.{table} needs the name, and another {relation.kind_name} has it: rename "
                "that one",
                Statement(Phase.NAMES, f"{renamed} {quoted(free_name(name, relations))}"),
            )
