"""Which revision of the schema a database has, and which one this program needs.

Asked by every command, so Alembic and SQLAlchemy (half a second of imports) stay out; changing the revision
is ``storage.schema.migrate``.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import Any

from psycopg import Connection

from demo_pipeline.domain.core.errors import DatabaseError

_VERSIONS = Path(__file__).resolve().parent / "migrations" / "versions"


@cache
def known_revisions() -> tuple[str, ...]:
    """All revisions of this program, the first one first; they form one line."""
    next_of: dict[str | None, str] = {}
    for path in _VERSIONS.glob("[0-9]*.py"):
        names = {
            target.id: ast.literal_eval(node.value)
            for node in ast.parse(path.read_bytes()).body
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        next_of[names["down_revision"]] = names["revision"]
    line: list[str] = []
    while (following := next_of.get(line[-1] if line else None)) is not None:
        line.append(following)
    if not line:
        raise DatabaseError("no migrations are installed: run 'make install'")
    return tuple(line)


def current_revision(conn: Connection[Any]) -> str | None:
    """The database's revision, None before the first; asked by an administrator or by the loader."""
    row = conn.execute(
        """
        SELECT has_schema_privilege(n.oid, 'usage'),
               EXISTS (SELECT FROM pg_catalog.pg_proc p
                       WHERE p.pronamespace = n.oid AND p.proname = 'schema_revision')
        FROM pg_catalog.pg_namespace n WHERE n.nspname = 'demo'
        """
    ).fetchone()
    if row is None or not all(row):
        return None
    found = conn.execute("SELECT demo.schema_revision()").fetchone()
    return None if found is None else found[0]


def require_current(conn: Connection[Any]) -> None:
    """Raise ``DatabaseError`` with the remedy unless the schema is the one that this program needs."""
    current, needed = current_revision(conn), known_revisions()[-1]
    if current == needed:
        return
    details = {"current": current, "needed": needed}
    if current is not None and current not in known_revisions():
        raise DatabaseError(
            f"the database's schema {current} is newer than this program's {needed}: "
            "install the newer program",
            details,
        )
    state = "has no schema yet" if current is None else f"has schema {current}, this program needs {needed}"
    raise DatabaseError(f"the database {state}: run 'demo-pipeline db upgrade'", details)
