# ruff: noqa: S608 - the names in queries are those of our own tables and of the frozen SQL
"""Rows of a CRM that break what its tables are to have: null values, dangling references, checks, copies.

Each is counted, shown by a query, and changed by a statement that runs as printed. A statement uses a
placeholder where only the CRM's owner knows the value, and says so. Nothing is changed here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from psycopg import Connection, errors

from demo_pipeline.storage.adoption.remedies import Misfit, Phase, Statement, misfit
from demo_pipeline.storage.adoption.shape import PROVENANCE, Column, Constraint, TableGap, TableShape

_REFERENCE: Final = re.compile(r"FOREIGN KEY \(([^)]+)\) REFERENCES ([\w.]+)\(([^)]+)\)")
#: for rows whose tenant is not known
_NO_TENANT: Final = "'00000000-0000-4000-8000-000000000000'"


def row_misfits(
    conn: Connection[Any],
    gap: TableGap,
    want: TableShape,
    found: dict[str, TableShape],
    created: frozenset[str],
) -> tuple[list[Misfit], int]:
    """What rows of a table break; and how many checks could not be made, because columns do not fit."""
    rows = _Rows(conn, gap.table, want, found, created)
    if rows.are_hidden():
        return [
            misfit(
                "rows_hidden",
                f"crm.{gap.table}",
                "row security is forced on the owner, so the rows cannot be checked: end that; the adoption "
                "forces it again",
                Statement(Phase.RIGHTS, f"ALTER TABLE crm.{gap.table} NO FORCE ROW LEVEL SECURITY"),
            )
        ], 1
    misfits = [
        *rows.of_provenance(),
        *rows.nulls(gap.required),
        *rows.key_copies(),
        *(
            item
            for name, constraint in [*gap.constraints.items(), *gap.unproven.items()]
            for item in rows.breaking(name, constraint)
        ),
    ]
    unique = {name: item.body for name, item in gap.indexes.items() if item.is_unique}
    unique |= {name: item.definition.replace("UNIQUE", "btree") for name, item in gap.unique.items()}
    misfits.extend(item for name, body in unique.items() for item in rows.copies(name, body))
    return misfits, rows.unread


def fill_nulls(table: str, name: str, column: Column) -> Iterator[Statement]:
    """Give rows without a value one: the model's default, else a placeholder."""
    place = f"crm.{table}"
    if column.default is not None:
        value = column.default
    elif name == "tenant_id":
        value = _NO_TENANT
        yield Statement(
            Phase.ROWS,
            f"INSERT INTO crm.tenants (id, slug, name) VALUES ({_NO_TENANT}, 'without-tenant', "
            "'Rows without a tenant') ON CONFLICT DO NOTHING",
            -2,
        )
    elif column.type == "text":
        value = "id::text"
    else:
        yield Statement(Phase.ROWS, f"DELETE FROM {place} WHERE {name} IS NULL", -1)
        return
    yield Statement(Phase.ROWS, f"UPDATE {place} SET {name} = {value} WHERE {name} IS NULL", -1)


def _rows(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"


def _values(count: int) -> str:
    return f"{count:,} value{' is' if count == 1 else 's are'} there"


class _Rows:
    """The rows of one table."""

    def __init__(
        self,
        conn: Connection[Any],
        table: str,
        want: TableShape,
        found: dict[str, TableShape],
        created: frozenset[str],
    ) -> None:
        self._conn = conn
        self._table = table
        self._want = want
        self._found = found
        self._created = created
        self._place = f"crm.{table}"
        #: checks that could not be made
        self.unread = 0

    def are_hidden(self) -> bool:
        row = self._conn.execute("SELECT pg_catalog.row_security_active(%s)", [self._place]).fetchone()
        return row == (True,)

    def of_provenance(self) -> Iterator[Misfit]:
        """Rows that a column of the CRM's own marks as generated; no row is, before an adoption."""
        there = [
            name
            for name in PROVENANCE
            if name in self._found[self._table].columns and name in self._want.columns
        ]
        if not there:
            return
        empty = {name: "false" if self._want.columns[name].is_required else "NULL" for name in there}
        wrong = " OR ".join(f"r.{name} IS DISTINCT FROM {value}" for name, value in empty.items())
        if count := self._count(f"SELECT count(*) FROM {self._place} r WHERE {wrong}"):
            changes = ", ".join(f"{name} = {value}" for name, value in empty.items())
            yield misfit(
                "rows_do_not_fit",
                f"{self._place}.{there[0]}",
                f"{_rows(count)} with values in {', '.join(there)}, which mark rows of demo tenants: empty "
                f"them, or rename the columns; SELECT * FROM {self._place} r WHERE {wrong} lists them",
                Statement(Phase.ROWS, f"UPDATE {self._place} r SET {changes} WHERE {wrong}"),
            )

    def nulls(self, required: tuple[str, ...]) -> Iterator[Misfit]:
        for name in required:
            if name in PROVENANCE:
                continue
            if count := self._count(f"SELECT count(*) FROM {self._place} WHERE {name} IS NULL"):
                yield misfit(
                    "null_values",
                    f"{self._place}.{name}",
                    f"{_rows(count)} without a value, and every row must have one: give them one; the "
                    "script's is a default or a placeholder; "
                    f"SELECT * FROM {self._place} WHERE {name} IS NULL lists them",
                    *fill_nulls(self._table, name, self._want.columns[name]),
                )

    def key_copies(self) -> Iterator[Misfit]:
        """Rows with the same key, where a key is missing."""
        keys = [item.definition for item in self._want.constraints.values() if item.kind == "p"]
        if keys[0] in {item.definition for item in self._found[self._table].constraints.values()}:
            return
        columns = keys[0].removeprefix("PRIMARY KEY (").removesuffix(")")
        query = f"SELECT {columns} FROM {self._place} GROUP BY {columns} HAVING count(*) > 1"
        if count := self._count(f"SELECT count(*) FROM ({query}) AS twice"):
            same = " AND ".join(f"o.{column} = r.{column}" for column in columns.split(", "))
            yield misfit(
                "duplicates",
                self._place,
                f"({columns}) must be the key, and {_values(count)} more than once: give the "
                f"copies other ids; {query} lists them",
                Statement(
                    Phase.ROWS,
                    f"UPDATE {self._place} r SET id = gen_random_uuid() WHERE EXISTS "
                    f"(SELECT FROM {self._place} o WHERE {same} AND o.ctid < r.ctid)",
                ),
            )

    def breaking(self, name: str, constraint: Constraint) -> Iterator[Misfit]:
        """Rows that break a reference or check."""
        if "demo_" in constraint.definition:
            return
        if constraint.kind == "c":
            wrong = broken = f"NOT ({constraint.expression})"
            repair = [self._corrected(constraint, wrong)]
        else:
            parsed = _REFERENCE.match(constraint.definition)
            assert parsed is not None  # as the server spells it
            own, target, keys = parsed[1].split(", "), parsed[2], parsed[3].split(", ")
            is_created = target.removeprefix("crm.") in self._created
            if target.removeprefix("crm.") not in self._found and not is_created:
                self.unread += 1
                return
            same = " AND ".join(f"p.{key} = r.{column}" for key, column in zip(keys, own, strict=True))
            filled = " AND ".join(f"r.{column} IS NOT NULL" for column in own)
            wrong = f"{filled} AND NOT EXISTS (SELECT FROM {target} p WHERE {same})"
            repair = [self._pointed(own[-1], wrong)]
            broken = filled if is_created else wrong
        if count := self._count(f"SELECT count(*) FROM {self._place} r WHERE {broken}"):
            yield misfit(
                "rows_do_not_fit",
                f"{self._place}.{name}",
                f"{_rows(count)} against {constraint.definition}: correct them; the script shows one way; "
                f"SELECT * FROM {self._place} r WHERE {broken} lists them",
                *repair,
            )

    def _corrected(self, check: Constraint, wrong: str) -> Statement:
        expression = check.expression or ""
        name = [column for column in self._want.columns if re.search(rf"\b{column}\b", expression)][-1]
        literals = re.findall(r"'([^']*)'::text", expression)
        default = self._want.columns[name].default
        value = default if default is not None else f"'{literals[-1]}'" if literals else "0"
        return Statement(Phase.ROWS, f"UPDATE {self._place} r SET {name} = {value} WHERE {wrong}")

    def _pointed(self, column: str, wrong: str) -> Statement:
        if column == "tenant_id":
            # A row of no tenant gets one, so that none is lost.
            return Statement(
                Phase.ROWS,
                "INSERT INTO crm.tenants (id, slug, name) SELECT DISTINCT r.tenant_id, r.tenant_id::text, "
                f"r.tenant_id::text FROM {self._place} r WHERE {wrong} ON CONFLICT DO NOTHING",
            )
        if self._want.columns[column].is_required:
            return Statement(Phase.ROWS, f"DELETE FROM {self._place} r WHERE {wrong}", 1)
        return Statement(Phase.ROWS, f"UPDATE {self._place} r SET {column} = NULL WHERE {wrong}", 1)

    def copies(self, name: str, body: str) -> Iterator[Misfit]:
        """Rows that a unique index allows once."""
        columns, _, condition = body.removeprefix("btree (").partition(")")
        condition = condition.strip()
        query = f"SELECT {columns} FROM {self._place} {condition} GROUP BY {columns} HAVING count(*) > 1"
        if count := self._count(f"SELECT count(*) FROM ({query}) AS twice"):
            last = columns.split(", ")[-1]
            same = " AND ".join(f"o.{column} = r.{column}" for column in columns.split(", "))
            if condition:
                # The only condition that the model has.
                same, living = f"{same} AND o.deleted_at IS NULL", "r.deleted_at IS NULL AND "
            else:
                living = ""
            wrong = f"{living}EXISTS (SELECT FROM {self._place} o WHERE {same} AND o.id < r.id)"
            if self._want.columns[last].type == "text":
                statement = f"UPDATE {self._place} r SET {last} = {last} || '-' || id WHERE {wrong}"
            elif condition:
                statement = f"UPDATE {self._place} r SET deleted_at = now() WHERE {wrong}"
            else:
                statement = f"DELETE FROM {self._place} r WHERE {wrong}"
            yield misfit(
                "duplicates",
                f"{self._place}.{name}",
                f"({columns}) must be unique, and {_values(count)} more than once: correct them; the "
                f"script shows one way; {query} lists them",
                Statement(Phase.ROWS, statement, 2),
            )

    def _count(self, query: str) -> int:
        """0 also where a column is missing or is of another type, which is a misfit of its own."""
        try:
            with self._conn.transaction():
                row = self._conn.execute(query.encode()).fetchone()
        except (errors.UndefinedColumn, errors.UndefinedFunction, errors.DatatypeMismatch, errors.DataError,
                errors.InsufficientPrivilege, errors.UndefinedTable, errors.WrongObjectType):  # fmt: skip
            self.unread += 1
            return 0
        assert row is not None
        return int(row[0])
