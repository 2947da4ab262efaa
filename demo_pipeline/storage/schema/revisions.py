"""The revisions of the schema: those of this program, that of a database, and the way from one to another.

A revision is a folder of ``migrations``. Its files ``*.sql`` are executed in the order of their names, all in
one transaction. The statements of a file ``*.concurrent.sql`` run one by one outside of a transaction, as
``CREATE INDEX CONCURRENTLY`` must. Two files are not part of the way up: ``down.sql`` leads back to the
revision before, and ``losses.sql`` counts what that would delete. A released file never changes.

Every command asks for the revision, so nothing here is slow to import. Executing SQL belongs to ``migrate``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from psycopg import Connection

from demo_pipeline.domain.core.errors import DatabaseError, InputError

MIGRATIONS: Final = Path(__file__).resolve().parent / "migrations"
#: roles and version table; executed before every migration
BOOTSTRAP: Final = MIGRATIONS / "bootstrap.sql"
#: names of the same schemas in programs that were never released
_FORMER_NAMES: Final = {"0007": "0001_baseline", "0008": "0002_tenant_ends"}
#: schemas of such programs that the baseline replaced
_UNSUPPORTED: Final = frozenset({"0001", "0002", "0003", "0004", "0005", "0006"})
_NOT_UP: Final = frozenset({"down.sql", "losses.sql"})
_OUTSIDE: Final = "-- outside a transaction: when it is broken off, the revision begins again from its start"


@dataclass(frozen=True, kw_only=True)
class Step:
    """SQL that is executed together, and again together after a failure."""

    #: single statements, or scripts of several
    statements: tuple[str, ...]
    #: True: one transaction; False: each statement stands alone
    in_transaction: bool = True


@dataclass(frozen=True, kw_only=True)
class RevisionPlan:
    """The way up to one revision: its steps in order, one of which writes the version."""

    revision: str
    #: None: before the first revision
    previous: str | None
    steps: tuple[Step, ...]

    @property
    def title(self) -> str:
        return f"{self.previous} -> {self.revision}" if self.previous else self.revision


@dataclass(frozen=True, kw_only=True)
class UpgradePlan:
    """What leads from one revision to another; no revisions: there is nothing to do."""

    #: None: before the first revision
    current: str | None
    target: str
    revisions: tuple[RevisionPlan, ...]

    def script(self) -> str:
        """A script for psql that does what the upgrade does; comments only when there is nothing to do."""
        if not self.revisions:
            return f"-- the schema is at {self.target}: there is nothing to do"
        parts = [
            "\\set ON_ERROR_STOP on",
            "set client_min_messages = warning;",
            f"-- Roles and version table, from {self.current or 'nothing'} to {self.target}",
            _for_psql(Step(statements=(BOOTSTRAP.read_text(encoding="utf-8"),))),
        ]
        for plan in self.revisions:
            parts.append(f"-- Revision {plan.title}")
            parts.extend(map(_for_psql, plan.steps))
        return "\n\n".join([*parts, "reset role;\nreset client_min_messages;"])


def _for_psql(step: Step) -> str:
    if not step.in_transaction:
        return "\n".join([_OUTSIDE, *step.statements])
    return "\n\n".join(["BEGIN;", *(text.strip() for text in step.statements), "COMMIT;"])


# -- the revisions of this program -----------------------------------------------------------------------


@cache
def known_revisions(folder: Path = MIGRATIONS) -> tuple[str, ...]:
    """All revisions of this program, the first one first."""
    found = tuple(sorted(path.name for path in folder.glob("[0-9]*") if path.is_dir()))
    if not found:
        raise DatabaseError("no migrations are installed: run 'make install'")
    return found


def find_revision(name: str) -> str:
    """The revision of that name or number (``0001`` is ``0001_baseline``). Raises ``InputError``."""
    known = known_revisions()
    found = [one for one in known if name in {one, one.partition("_")[0]}]
    if not found:
        listed = ", ".join(["base", *known])
        raise InputError(f"there is no revision {name!r}; there are {listed}")
    return found[0]


def sql_files(revision: str, folder: Path = MIGRATIONS) -> tuple[Path, ...]:
    """The files of the way up to a revision, in order."""
    paths = sorted((folder / revision).glob("*.sql"))
    return tuple(path for path in paths if path.name not in _NOT_UP)


def write_version(revision: str | None) -> str:
    """The statement that stores the revision of a database; None: before the first."""
    statement = "DELETE FROM demo.alembic_version;"
    return f"{statement}\nINSERT INTO demo.alembic_version VALUES ('{revision}');" if revision else statement


def plan_upgrade(current: str | None, target: str, folder: Path = MIGRATIONS) -> UpgradePlan:
    """The plan from ``current`` (None: before the first revision) to ``target``; reads no database."""
    line: tuple[str | None, ...] = (None, *known_revisions(folder))
    wanted = line[line.index(current) + 1 : line.index(target) + 1]
    plans = [
        RevisionPlan(
            revision=revision,
            previous=line[line.index(revision) - 1],
            steps=tuple(_steps(sql_files(revision, folder), write_version(revision))),
        )
        for revision in wanted
        if revision is not None
    ]
    return UpgradePlan(current=current, target=target, revisions=tuple(plans))


def _steps(paths: tuple[Path, ...], version: str) -> Iterator[Step]:
    """Consecutive files of one transaction together, and the version in the last transaction."""
    scripts = [
        (path.name if path.name.endswith(".concurrent.sql") else "", path.read_text(encoding="utf-8"))
        for path in paths
    ]
    for outside, group in groupby([*scripts, ("", version)], lambda script: script[0]):
        texts = tuple(text for _, text in group)
        if outside:
            # A statement ends with the semicolon at the end of a line.
            statements = (f"{part.strip().removesuffix(';')};" for part in texts[0].split(";\n"))
            yield Step(statements=tuple(part for part in statements if part != ";"), in_transaction=False)
        else:
            yield Step(statements=texts)


# -- the revision of a database --------------------------------------------------------------------------


def current_revision(conn: Connection[Any]) -> str | None:
    """The database's revision, None before the first; for an administrator or the loader.

    It may be one that this program does not know: see :func:`check_is_known`.
    """
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
    return None if found is None or found[0] is None else _FORMER_NAMES.get(found[0], found[0])


def check_is_known(current: str | None) -> None:
    """Raise ``DatabaseError`` with the remedy for a schema that this program cannot work with or upgrade."""
    if current is None or current in known_revisions():
        return
    details = {"current": current, "needed": known_revisions()[-1]}
    if current in _UNSUPPORTED:
        raise DatabaseError(
            f"the database's schema {current} is older than this program can upgrade: bring it to 0008 with "
            "'demo-pipeline db upgrade' of the program that made it, then run this program again",
            details,
        )
    raise DatabaseError(
        f"the database's schema {current} is newer than this program's {details['needed']}: "
        "install the newer program",
        details,
    )


def require_current(conn: Connection[Any]) -> None:
    """Raise ``DatabaseError`` with the remedy unless the schema is the one that this program needs."""
    current, needed = current_revision(conn), known_revisions()[-1]
    if current == needed:
        return
    check_is_known(current)
    state = "has no schema yet" if current is None else f"has schema {current}, this program needs {needed}"
    raise DatabaseError(
        f"the database {state}: run 'demo-pipeline db upgrade'", {"current": current, "needed": needed}
    )
