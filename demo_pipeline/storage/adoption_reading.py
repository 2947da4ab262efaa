# ruff: noqa: S608 - the names in queries are those of our own tables and of the frozen SQL
"""What stands between a CRM's own tables and demo tenants: what is missing, and what does not fit.

Reads catalogue and rows and changes nothing. All that does not fit is said together, each with its remedy.
Doing something about it is ``adoption``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from psycopg import Connection, errors

from demo_pipeline.domain.errors import Problem
from demo_pipeline.storage.adoption_roles import Roles, read_roles, role_problems
from demo_pipeline.storage.adoption_shape import (
    LATER_KEYS,
    TABLES,
    Constraint,
    Index,
    TableShape,
    found_shape,
    wanted_shape,
)

PROVENANCE: Final = ("demo_generated", "demo_job_id", "demo_source_month")
_REFERENCE: Final = re.compile(r"FOREIGN KEY \(([^)]+)\) REFERENCES ([\w.]+)\(([^)]+)\)")


@dataclass(frozen=True, kw_only=True)
class TableGap:
    """What one table lacks."""

    table: str
    #: the planner's estimate
    row_count: int
    size_bytes: int
    #: name → type and default, of new columns
    columns: dict[str, str] = field(default_factory=dict[str, str])
    #: column → default
    defaults: dict[str, str] = field(default_factory=dict[str, str])
    #: columns that are to become NOT NULL
    required: tuple[str, ...] = ()
    #: references and checks that are to be added
    constraints: dict[str, Constraint] = field(default_factory=dict[str, Constraint])
    #: that are there and not validated
    unproven: tuple[str, ...] = ()
    #: unique constraints, and their indexes' bodies
    unique: dict[str, Constraint] = field(default_factory=dict[str, Constraint])
    indexes: dict[str, Index] = field(default_factory=dict[str, Index])
    #: triggers of the CRM's own, which will fire for demo rows as well
    triggers: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Reading:
    """All tables, who uses them, and what is in the way."""

    gaps: tuple[TableGap, ...]
    roles: Roles
    problems: tuple[Problem, ...]


def read(conn: Connection[Any]) -> Reading:
    """Compare what is there with what is needed."""
    wanted, found = wanted_shape(conn), found_shape(conn)
    problems = list(_shape_problems(wanted, found))
    roles = read_roles(conn)
    problems.extend(role_problems(conn, roles))
    gaps = [_gap(conn, table, wanted[table], found[table]) for table in TABLES if table in found]
    for gap in gaps:
        problems.extend(_row_problems(conn, gap, frozenset(found)))
    return Reading(gaps=tuple(gaps), roles=roles, problems=tuple(problems))


def problem(code: str, place: str, message: str, remedy: str) -> Problem:
    """Something that does not fit, and what to do about it."""
    return Problem(code=code, field=place, message=f"{message}: {remedy}", suggestion=remedy)


# -- shape -----------------------------------------------------------------------------------------------


def _shape_problems(wanted: dict[str, TableShape], found: dict[str, TableShape]) -> Iterator[Problem]:
    taken = {name: (table, index) for table, shape in found.items() for name, index in shape.indexes.items()}
    for table in TABLES:
        place = f"crm.{table}"
        if table not in found:
            yield problem(
                "missing_table",
                place,
                "there is no ordinary table of that name",
                "make it, or a migration of yours",
            )
            continue
        want, have = wanted[table], found[table]
        for name, column in want.columns.items():
            there = have.columns.get(name)
            if there is None:
                if name not in PROVENANCE:
                    yield problem(
                        "missing_column",
                        f"{place}.{name}",
                        "the column is missing",
                        f"ALTER TABLE {place} ADD COLUMN {name} {column.type}",
                    )
            elif there.type != column.type:
                yield problem(
                    "other_type",
                    f"{place}.{name}",
                    f"the type is {there.type}, {column.type} is needed",
                    f"ALTER TABLE {place} ALTER COLUMN {name} TYPE {column.type}",
                )
            elif there.is_generated:
                yield problem(
                    "generated_column",
                    f"{place}.{name}",
                    "the server makes the value itself",
                    f"ALTER TABLE {place} ALTER COLUMN {name} DROP EXPRESSION (or DROP IDENTITY)",
                )
            elif there.is_required and not column.is_required:
                yield problem(
                    "required_column",
                    f"{place}.{name}",
                    "it may not be null, and demo rows leave it empty",
                    f"ALTER TABLE {place} ALTER COLUMN {name} DROP NOT NULL",
                )
        for name, column in have.columns.items():
            if (
                name not in want.columns
                and column.is_required
                and column.default is None
                and not column.is_generated
            ):
                yield problem(
                    "required_column",
                    f"{place}.{name}",
                    "demo rows do not know this column, which has no default and may not be null",
                    f"ALTER TABLE {place} ALTER COLUMN {name} SET DEFAULT ...",
                )
        yield from _key_problems(place, want, have)
        for name, constraint in want.constraints.items():
            there = have.constraints.get(name)
            if there is not None and not _is_met_by(constraint, there):
                yield problem(
                    "name_taken",
                    f"{place}.{name}",
                    f"the name is that of another constraint ({there.definition})",
                    f"ALTER TABLE {place} RENAME CONSTRAINT {name} TO ...",
                )
        for name, index in want.indexes.items():
            if (
                not index.is_of_constraint
                and name in taken
                and (taken[name][0] != table or _differs(taken[name][1], index))
            ):
                yield problem(
                    "name_taken",
                    f"{place}.{name}",
                    "the name is that of another index",
                    f"ALTER INDEX crm.{name} RENAME TO ...",
                )


def _key_problems(place: str, want: TableShape, have: TableShape) -> Iterator[Problem]:
    (key,) = (item.definition for item in want.constraints.values() if item.kind == "p")
    keys = [item.definition for item in have.constraints.values() if item.kind == "p"]
    if keys != [key]:
        said = keys[0] if keys else "there is none"
        yield problem(
            "other_key", place, f"the key must be {key}, and {said}",
            f"CREATE UNIQUE INDEX CONCURRENTLY, then ALTER TABLE {place} DROP CONSTRAINT ..., "
            "ADD PRIMARY KEY USING INDEX ...",
        )  # fmt: skip


def _differs(index: Index, other: Index) -> bool:
    return (index.is_unique, index.body) != (other.is_unique, other.body)


def _is_met_by(wanted: Constraint, there: Constraint) -> bool:
    """Whether the one is as good as the other; what a reference does on delete is its own affair."""
    if wanted.kind != there.kind:
        return False
    if wanted.kind == "f":
        return (
            there.definition.split(" ON ")[0].split(" DEFERRABLE")[0].split(" MATCH ")[0] == wanted.definition
        )
    return there.definition == wanted.definition


def _proves(index: Index, unique: Constraint) -> bool:
    return index.is_unique and index.body == unique.definition.replace("UNIQUE", "btree")


def _gap(conn: Connection[Any], table: str, want: TableShape, have: TableShape) -> TableGap:
    size = conn.execute(
        "SELECT greatest(reltuples, 0)::bigint, pg_catalog.pg_table_size(oid) FROM pg_catalog.pg_class"
        " WHERE oid = pg_catalog.to_regclass(%s)",
        [f"crm.{table}"],
    ).fetchone()
    assert size is not None
    triggers = conn.execute(
        "SELECT tgname FROM pg_catalog.pg_trigger WHERE tgrelid = pg_catalog.to_regclass(%s)"
        " AND NOT tgisinternal AND tgname <> ALL (%s) ORDER BY 1",
        [f"crm.{table}", [f"{table}_keep_provenance", f"{table}_record_edit"]],
    ).fetchall()
    columns = {
        name: " ".join(
            [
                column.type,
                *(["NOT NULL"] if column.is_required else []),
                *([f"DEFAULT {column.default}"] if column.default else []),
            ]
        )
        for name, column in want.columns.items()
        if name not in have.columns
    }
    known = [
        (name, column, have.columns[name]) for name, column in want.columns.items() if name in have.columns
    ]
    missing = {
        name: item
        for name, item in want.constraints.items()
        if item.kind != "p" and not any(_is_met_by(item, other) for other in have.constraints.values())
    }
    whole = [index for index in have.indexes.values() if index.is_valid]
    return TableGap(
        table=table,
        row_count=size[0],
        size_bytes=size[1],
        columns=columns,
        defaults={
            name: column.default
            for name, column, there in known
            if column.default is not None and there.default is None
        },
        required=tuple(name for name, column, there in known if column.is_required and not there.is_required),
        constraints={name: item for name, item in missing.items() if item.kind in {"f", "c"}},
        unproven=tuple(
            name
            for name, there in have.constraints.items()
            if not there.is_valid and any(_is_met_by(item, there) for item in want.constraints.values())
        ),
        unique={
            name: item
            for name, item in missing.items()
            if item.kind == "u"
            # An index of that name without its constraint is what an interrupted adoption left.
            and (name in have.indexes or not any(_proves(index, item) for index in whole))
        },
        indexes={
            name: index
            for name, index in want.indexes.items()
            if not index.is_of_constraint and all(_differs(other, index) for other in whole)
        },
        triggers=tuple(name for (name,) in triggers),
    )


# -- rows ------------------------------------------------------------------------------------------------


def _row_problems(conn: Connection[Any], gap: TableGap, there: frozenset[str]) -> Iterator[Problem]:
    place = f"crm.{gap.table}"
    for name in gap.required:
        if count := _count(conn, f"SELECT count(*) FROM {place} WHERE {name} IS NULL"):
            yield problem(
                "null_values",
                f"{place}.{name}",
                f"{count} rows have no value, and it must have one",
                f"UPDATE {place} SET {name} = ... WHERE {name} IS NULL",
            )
    for name, constraint in gap.constraints.items():
        if "demo_" in constraint.definition:
            continue
        if constraint.kind == "c":
            wrong = f"NOT ({constraint.expression})"
        elif (parsed := _REFERENCE.match(constraint.definition)) and parsed[2].removeprefix("crm.") in there:
            own, target, keys = (parsed[1].split(", "), parsed[2], parsed[3].split(", "))
            same = " AND ".join(f"p.{key} = r.{column}" for key, column in zip(keys, own, strict=True))
            filled = " AND ".join(f"r.{column} IS NOT NULL" for column in own)
            wrong = f"{filled} AND NOT EXISTS (SELECT FROM {target} p WHERE {same})"
        else:
            continue
        if count := _count(conn, f"SELECT count(*) FROM {place} r WHERE {wrong}"):
            yield problem(
                "rows_do_not_fit",
                f"{place}.{name}",
                f"{count} rows break {constraint.definition}",
                f"correct them; SELECT * FROM {place} r WHERE {wrong} lists them",
            )
    for name, index in gap.indexes.items():
        if index.is_unique:
            yield from _duplicates(conn, place, name, index.body)
    for name, body in LATER_KEYS.get(gap.table, {}).items():
        yield from _duplicates(conn, place, name, body)
    for name, constraint in gap.unique.items():
        yield from _duplicates(conn, place, name, constraint.definition.replace("UNIQUE", "btree"))


def _duplicates(conn: Connection[Any], place: str, name: str, body: str) -> Iterator[Problem]:
    columns, _, condition = body.removeprefix("btree (").partition(")")
    query = f"SELECT {columns} FROM {place} {condition} GROUP BY {columns} HAVING count(*) > 1"
    if count := _count(conn, f"SELECT count(*) FROM ({query}) AS twice"):
        yield problem(
            "duplicates",
            f"{place}.{name}",
            f"{count} values of ({columns}) are there more than once",
            f"correct them; {query} lists them",
        )


def _count(conn: Connection[Any], query: str) -> int:
    """0 also where a column is missing or is of another type, which is said as such."""
    try:
        with conn.transaction():
            row = conn.execute(query.encode()).fetchone()
    except (errors.UndefinedColumn, errors.UndefinedFunction, errors.DatatypeMismatch):
        return 0
    assert row is not None
    return int(row[0])
