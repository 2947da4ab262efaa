"""What the catalogue says of a database, to compare two, or one at two times."""

from __future__ import annotations

from typing import Any, Final, LiteralString

from psycopg import Connection, sql

Conn = Connection[Any]

#: What two databases must agree in, and how it is asked.
CATALOGUE: Final[dict[str, LiteralString]] = {
    "columns": """
        select c.relname, row_number() over (partition by c.oid order by a.attnum), a.attname,
            format_type(a.atttypid, a.atttypmod), a.attnotnull,
            a.attidentity, a.attgenerated, pg_get_expr(d.adbin, d.adrelid)
        from pg_attribute a join pg_class c on c.oid = a.attrelid
        left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
        where c.relnamespace = any (%s::regnamespace[]) and c.relkind = 'r'
            and a.attnum > 0 and not a.attisdropped and c.relname <> 'alembic_version'
    """,
    "constraints": """
        select c.conrelid::regclass::text, c.conname, c.contype, pg_get_constraintdef(c.oid), c.convalidated,
            c.condeferrable
        from pg_constraint c
        where c.connamespace = any (%s::regnamespace[]) and c.conrelid <> 0 and c.contype not in ('n', 't')
            and c.conrelid::regclass::text <> 'demo.alembic_version'
    """,
    "indexes": """
        select tablename, indexname, indexdef from pg_indexes
        where schemaname = any (select n::text from unnest(%s::regnamespace[]) n)
            and tablename <> 'alembic_version'
    """,
}
#: What a migrated database has besides tables.
OBJECTS: Final[dict[str, LiteralString]] = {
    "functions": """
        select oid::regprocedure::text, pg_get_functiondef(oid), proowner::regrole::text, proacl::text
        from pg_proc where pronamespace = any (%s::regnamespace[])
    """,
    "views": """
        select oid::regclass::text, pg_get_viewdef(oid), relowner::regrole::text, relacl::text,
            reloptions::text
        from pg_class where relnamespace = any (%s::regnamespace[]) and relkind = 'v'
    """,
    "tables": """
        select oid::regclass::text, relowner::regrole::text, relacl::text, relrowsecurity,
            relforcerowsecurity
        from pg_class where relnamespace = any (%s::regnamespace[]) and relkind = 'r'
    """,
    "policies": """
        select schemaname, tablename, policyname, roles::text, cmd, qual, with_check from pg_policies
        where schemaname = any (select n::text from unnest(%s::regnamespace[]) n)
    """,
    "triggers": """
        select tgrelid::regclass::text, pg_get_triggerdef(t.oid) from pg_trigger t
        join pg_class c on c.oid = t.tgrelid
        where not tgisinternal and c.relnamespace = any (%s::regnamespace[])
    """,
}


def catalogue(conn: Conn, queries: dict[str, LiteralString], schemas: list[str]) -> dict[str, list[Any]]:
    """What the catalogue says, sorted."""
    # Without a search path, so that names come qualified wherever they are asked from.
    conn.execute("set search_path = pg_catalog")
    return {
        name: sorted(conn.execute(query, [schemas]).fetchall(), key=repr) for name, query in queries.items()
    }


def whole(conn: Conn) -> dict[str, list[Any]]:
    """Everything that a migration makes."""
    return catalogue(conn, CATALOGUE, ["crm", "demo"]) | catalogue(conn, OBJECTS, ["crm", "demo", "crm_app"])


def rows_of(conn: Conn, columns: dict[str, list[str]] | None = None) -> dict[str, list[Any]]:
    """All rows of ``crm`` and ``demo`` as text, by table, sorted; of some columns only, if told which."""
    asked = columns if columns is not None else columns_of(conn)
    conn.execute("set timezone = 'UTC'")
    return {
        table: sorted(
            conn.execute(
                sql.SQL("select {} from {}").format(
                    sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(name)) for name in names),
                    sql.Identifier(*table.split(".")),
                )
            ).fetchall(),
            key=repr,
        )
        for table, names in asked.items()
    }


def columns_of(conn: Conn) -> dict[str, list[str]]:
    """The columns of every table of ``crm`` and ``demo``, by name; not the version."""
    found: dict[str, list[str]] = {}
    for table, name in conn.execute(
        """
        select n.nspname || '.' || c.relname, a.attname
        from pg_attribute a join pg_class c on c.oid = a.attrelid
        join pg_namespace n on n.oid = c.relnamespace
        where n.nspname in ('crm', 'demo') and c.relkind = 'r' and a.attnum > 0 and not a.attisdropped
            and c.relname <> 'alembic_version'
        order by 1, 2
        """
    ):
        found.setdefault(table, []).append(name)
    return found
