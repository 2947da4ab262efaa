"""The SQL that makes a CRM fit, as one script that runs as printed.

A misfit is a problem with the statements that remove it. The statements of all misfits are put in an order
in which they run: what depends on a column or key is dropped first and made again last. A misfit without
statements needs a decision or a migration that no script can make. What does not fit is found elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

from psycopg import Connection
from sqlalchemy.dialects import postgresql

from demo_pipeline.domain.core.errors import Problem

_PREPARER: Final = postgresql.dialect().identifier_preparer
#: Queries of this module need ``search_path = pg_catalog``, so that the server qualifies all names.
_REFERENCES_OF_COLUMN: Final = """
SELECT k.conrelid::regclass::text, quote_ident(k.conname), pg_get_constraintdef(k.oid)
FROM pg_constraint k JOIN pg_attribute a ON a.attrelid = to_regclass(%(table)s) AND a.attname = %(column)s
WHERE k.contype = 'f' AND k.conparentid = 0
    AND (k.conrelid = a.attrelid AND a.attnum = ANY (k.conkey)
        OR k.confrelid = a.attrelid AND a.attnum = ANY (k.confkey))
ORDER BY 1, 2
"""
#: Columns of other tables that reference the column: they need the same type.
_REFERRERS: Final = """
SELECT DISTINCT k.conrelid::regclass::text, quote_ident(o.attname)
FROM pg_constraint k
JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attname = %(column)s
CROSS JOIN LATERAL unnest(k.conkey, k.confkey) pair (own, other)
JOIN pg_attribute o ON o.attrelid = k.conrelid AND o.attnum = pair.own
JOIN pg_class c ON c.oid = k.conrelid
WHERE k.contype = 'f' AND k.conparentid = 0 AND k.confrelid = to_regclass(%(table)s)
    AND pair.other = a.attnum AND o.atttypid = a.atttypid
    AND NOT (c.relnamespace = 'crm'::regnamespace AND c.relname = ANY (%(tables)s))
ORDER BY 1, 2
"""
_REFERENCES_OF_KEY: Final = """
SELECT f.conrelid::regclass::text, quote_ident(f.conname), pg_get_constraintdef(f.oid)
FROM pg_constraint k JOIN pg_constraint f ON f.contype = 'f' AND f.conindid = k.conindid
WHERE k.contype = 'p' AND k.conrelid = to_regclass(%(table)s) AND f.conparentid = 0
ORDER BY 1, 2
"""
_VIEWS: Final = """
WITH RECURSIVE used AS (
    SELECT r.ev_class AS view, 1 AS depth
    FROM pg_attribute a
    JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = a.attrelid
        AND d.refobjsubid = a.attnum AND d.classid = 'pg_rewrite'::regclass
    JOIN pg_rewrite r ON r.oid = d.objid
    WHERE a.attrelid = to_regclass(%(table)s) AND a.attname = %(column)s AND r.ev_class <> a.attrelid
    UNION
    SELECT r.ev_class, u.depth + 1
    FROM used u
    JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = u.view
        AND d.classid = 'pg_rewrite'::regclass
    JOIN pg_rewrite r ON r.oid = d.objid
    WHERE r.ev_class <> u.view
)
SELECT max(u.depth), c.oid::regclass::text, c.relkind = 'm', pg_get_viewdef(c.oid),
    array_to_string(c.reloptions, ', '), c.relowner::regrole::text,
    (SELECT array_agg(format('GRANT %%s ON %%s TO %%s%%s', x.privilege_type, c.oid::regclass,
            coalesce(nullif(x.grantee, 0)::regrole::text, 'PUBLIC'),
            CASE WHEN x.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END))
        FROM aclexplode(c.relacl) x WHERE x.grantee <> c.relowner),
    (SELECT array_agg(pg_get_indexdef(x.indexrelid)) FROM pg_index x WHERE x.indrelid = c.oid)
FROM used u JOIN pg_class c ON c.oid = u.view
GROUP BY c.oid
"""
_POLICIES: Final = """
SELECT quote_ident(p.polname), CASE WHEN p.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
    CASE p.polcmd WHEN '*' THEN 'ALL' WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE'
        ELSE 'DELETE' END,
    (SELECT string_agg(CASE WHEN role = 0 THEN 'PUBLIC' ELSE role::regrole::text END, ', ')
        FROM unnest(p.polroles) role),
    pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid)
FROM pg_policy p JOIN pg_attribute a ON a.attrelid = p.polrelid AND a.attname = %(column)s
WHERE p.polrelid = to_regclass(%(table)s) AND EXISTS (
    SELECT FROM pg_depend d WHERE d.classid = 'pg_policy'::regclass AND d.objid = p.oid
        AND d.refclassid = 'pg_class'::regclass AND d.refobjid = a.attrelid AND d.refobjsubid = a.attnum)
"""
_TRIGGERS: Final = """
SELECT quote_ident(t.tgname), pg_get_triggerdef(t.oid)
FROM pg_trigger t JOIN pg_attribute a ON a.attrelid = t.tgrelid AND a.attname = %(column)s
WHERE t.tgrelid = to_regclass(%(table)s) AND NOT t.tgisinternal AND EXISTS (
    SELECT FROM pg_depend d WHERE d.classid = 'pg_trigger'::regclass AND d.objid = t.oid
        AND d.refclassid = 'pg_class'::regclass AND d.refobjid = a.attrelid AND d.refobjsubid = a.attnum)
"""
#: Checks and indexes whose expressions name the column's old type.
_CHECKS: Final = """
SELECT quote_ident(k.conname), pg_get_constraintdef(k.oid)
FROM pg_constraint k JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attname = %(column)s
WHERE k.contype = 'c' AND k.conrelid = to_regclass(%(table)s) AND a.attnum = ANY (k.conkey)
"""
_INDEXES: Final = """
SELECT x.indexrelid::regclass::text, pg_get_indexdef(x.indexrelid)
FROM pg_index x
WHERE x.indrelid = to_regclass(%(table)s) AND (x.indpred IS NOT NULL OR x.indexprs IS NOT NULL)
    AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = x.indexrelid)
"""


#: Stored columns that are computed from the column, with what their removal takes along.
_GENERATED: Final = """
SELECT g.attname, format_type(g.atttypid, g.atttypmod), pg_get_expr(e.adbin, e.adrelid), g.attnotnull,
    ARRAY(SELECT format('ALTER TABLE %%s ADD CONSTRAINT %%I %%s', k.conrelid::regclass, k.conname,
            pg_get_constraintdef(k.oid))
        FROM pg_constraint k
        WHERE k.conrelid = g.attrelid AND k.contype IN ('c', 'u', 'x') AND g.attnum = ANY (k.conkey)
        ORDER BY k.conname),
    ARRAY(SELECT DISTINCT pg_get_indexdef(x.indexrelid)
        FROM pg_index x JOIN pg_depend i ON i.classid = 'pg_class'::regclass AND i.objid = x.indexrelid
        WHERE x.indrelid = g.attrelid AND i.refobjid = g.attrelid AND i.refobjsubid = g.attnum
            AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = x.indexrelid))
FROM pg_attribute a
JOIN pg_depend d ON d.classid = 'pg_attrdef'::regclass AND d.refclassid = 'pg_class'::regclass
    AND d.refobjid = a.attrelid AND d.refobjsubid = a.attnum
JOIN pg_attrdef e ON e.oid = d.objid
JOIN pg_attribute g ON g.attrelid = e.adrelid AND g.attnum = e.adnum AND g.attgenerated = 's'
WHERE a.attrelid = to_regclass(%(table)s) AND a.attname = %(column)s AND g.attnum <> a.attnum
ORDER BY 1
"""


class Phase(IntEnum):
    """The order of a script."""

    RIGHTS = 0
    NAMES = 1
    DROP = 2
    DROP_KEYS = 3
    COLUMNS = 4
    NULLS = 5
    ROWS = 6
    KEYS = 7
    RESTORE = 8
    ACCESS = 9


@dataclass(frozen=True)
class Statement:
    """One statement of a script, without its semicolon."""

    phase: Phase
    sql: str
    #: within a phase, from low to high
    depth: int = 0


@dataclass(frozen=True, kw_only=True)
class Misfit:
    """Something that does not fit, and the statements that change it; none: no script can."""

    problem: Problem
    statements: tuple[Statement, ...] = ()


#: a depth beyond that of any view
_LAST: Final = 1_000


def misfit(code: str, place: str, message: str, *statements: Statement) -> Misfit:
    """A misfit at ``place``, as people read it."""
    return Misfit(problem=Problem(code=code, field=place, message=message), statements=statements)


def quoted(name: str) -> str:
    """A name of the catalogue as an identifier, in quotes where it needs them."""
    return str(_PREPARER.quote(name))


def free_name(name: str, used_names: Iterable[str]) -> str:
    """A name like ``name`` that is not used."""
    used = set(used_names)
    number = 1
    while f"{name[:58]}_old{number}" in used:
        number += 1
    return f"{name[:58]}_old{number}"


def script(misfits: Sequence[Misfit]) -> str | None:
    """All statements in one transaction, for psql; None where there are none."""
    order: dict[str, tuple[int, int]] = {}
    for item in misfits:
        for statement in item.statements:
            place = (statement.phase, statement.depth)
            order[statement.sql] = max(place, order.get(statement.sql, place))
    if not order:
        return None
    # sorted() keeps what is equal in the order in which it was found.
    statements = sorted(order, key=lambda text: order[text])
    opening = ["BEGIN", "SET LOCAL search_path = pg_catalog", "SET CONSTRAINTS ALL IMMEDIATE"]
    return "".join(f"{statement};\n" for statement in [*opening, *statements, "COMMIT"])


# -- what depends on a column or key ---------------------------------------------------------------------


def change_type(
    conn: Connection[Any],
    table: str,
    column: str,
    *,
    old: str,
    new: str,
    default: str | None,
    own_tables: Sequence[str],
) -> Iterator[Statement]:
    """Change a column's type; what depends on the column is dropped before and made again after."""
    place = f"crm.{quoted(table)}"
    asked = {"table": place, "column": column, "tables": list(own_tables)}
    yield from _around_column(conn, asked, old, new)
    using = _conversion(quoted(column), old, new)
    changes = [f"ALTER COLUMN {quoted(column)} TYPE {new} USING {using}"]
    if default is not None:
        changes = [
            f"ALTER COLUMN {quoted(column)} DROP DEFAULT",
            *changes,
            f"ALTER COLUMN {quoted(column)} SET DEFAULT CAST({default} AS {new})",
        ]
    yield Statement(Phase.COLUMNS, f"ALTER TABLE {place} {', '.join(changes)}")
    for other, name in conn.execute(_REFERRERS, asked).fetchall():
        using = _conversion(name, old, new)
        yield Statement(Phase.COLUMNS, f"ALTER TABLE {other} ALTER COLUMN {name} TYPE {new} USING {using}")


def _conversion(column: str, old: str, new: str) -> str:
    if old == "timestamp without time zone" and new == "timestamp with time zone":
        return f"{column} AT TIME ZONE 'UTC'"
    return f"CAST({column} AS {new})"


def _around_column(conn: Connection[Any], asked: dict[str, Any], old: str, new: str) -> Iterator[Statement]:
    table = asked["table"]

    def renewed(definition: str) -> str:
        # A literal of the old type cannot be compared with the new one.
        return re.sub(rf"::{re.escape(old)}(?![\w(])", f"::{new}", definition)

    yield from _references(conn.execute(_REFERENCES_OF_COLUMN, asked).fetchall())
    for depth, view, is_stored, definition, options, owner, grants, indexes in conn.execute(_VIEWS, asked):
        kind = "MATERIALIZED VIEW" if is_stored else "VIEW"
        yield Statement(Phase.DROP, f"DROP {kind} {view}", -depth)
        made = f"WITH ({options}) " if options else ""
        text = f"CREATE {kind} {view} {made}AS {renewed(definition).strip().removesuffix(';')}"
        for statement in (
            text,
            *(indexes or ()),
            f"ALTER {kind} {view} OWNER TO {owner}",
            *(grants or ()),
        ):
            yield Statement(Phase.RESTORE, statement, depth)
    for name, mode, command, roles, using, check in conn.execute(_POLICIES, asked):
        yield Statement(Phase.DROP, f"DROP POLICY {name} ON {table}")
        made = f"CREATE POLICY {name} ON {table} AS {mode} FOR {command} TO {roles}"
        made += f" USING ({renewed(using)})" if using else ""
        made += f" WITH CHECK ({renewed(check)})" if check else ""
        yield Statement(Phase.RESTORE, made)
    for name, definition in conn.execute(_TRIGGERS, asked):
        yield Statement(Phase.DROP, f"DROP TRIGGER {name} ON {table}")
        yield Statement(Phase.RESTORE, renewed(definition))
    yield from _generated_columns(conn, asked, old, new)
    for name, definition in conn.execute(_CHECKS, asked):
        if renewed(definition) != definition:
            yield Statement(Phase.DROP, f"ALTER TABLE {table} DROP CONSTRAINT {name}")
            yield Statement(Phase.RESTORE, f"ALTER TABLE {table} ADD CONSTRAINT {name} {renewed(definition)}")
    for name, definition in conn.execute(_INDEXES, asked):
        if renewed(definition) != definition:
            yield Statement(Phase.DROP, f"DROP INDEX {name}")
            yield Statement(Phase.RESTORE, renewed(definition))


def _generated_columns(
    conn: Connection[Any], asked: dict[str, Any], old: str, new: str
) -> Iterator[Statement]:
    """Stored columns that are computed from a column: dropped last, and made again before all else."""
    table = asked["table"]
    for name, kind, expression, is_required, constraints, indexes in conn.execute(
        _GENERATED, asked
    ).fetchall():
        yield from _around_column(conn, {**asked, "column": name}, old, new)
        column = quoted(name)
        yield Statement(Phase.DROP, f"ALTER TABLE {table} DROP COLUMN {column}", _LAST)
        made = f"ADD COLUMN {column} {kind} GENERATED ALWAYS AS ({expression}) STORED"
        made += " NOT NULL" if is_required else ""
        yield Statement(Phase.RESTORE, f"ALTER TABLE {table} {made}", -_LAST)
        for statement in (*constraints, *indexes):
            yield Statement(Phase.RESTORE, statement, 1 - _LAST)


def _references(found: Iterable[tuple[str, str, str]]) -> Iterator[Statement]:
    for table, name, definition in found:
        yield Statement(Phase.DROP, f"ALTER TABLE {table} DROP CONSTRAINT {name}")
        yield Statement(Phase.RESTORE, f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}", -1)


def change_key(
    conn: Connection[Any], table: str, old: tuple[str, str] | None, key: str
) -> Iterator[Statement]:
    """Replace a primary key. ``old``: its name and definition, kept as a unique constraint if referenced."""
    place = f"crm.{quoted(table)}"
    references = conn.execute(_REFERENCES_OF_KEY, {"table": place}).fetchall()
    yield from _references(references)
    if old is not None:
        name, definition = old
        yield Statement(Phase.DROP_KEYS, f"ALTER TABLE {place} DROP CONSTRAINT {quoted(name)}")
        if references:
            kept = definition.replace("PRIMARY KEY", "UNIQUE")
            yield Statement(Phase.KEYS, f"ALTER TABLE {place} ADD {kept}")
    yield Statement(Phase.KEYS, f"ALTER TABLE {place} ADD {key}")
