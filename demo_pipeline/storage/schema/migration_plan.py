"""What an upgrade would execute, statement by statement, without executing it.

Alembic's offline mode with a recorder in the place of the connection: the revisions give their frozen SQL to
the driver's cursor, which offline mode does not have. Holds for any number of revisions, as long as these run
SQL and ask nothing. Running a plan does not belong here, nor does printing it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config

MIGRATIONS: Final = Path(__file__).resolve().parent / "migrations"
BOOTSTRAP: Final = MIGRATIONS / "sql" / "bootstrap.sql"
_OUTSIDE: Final = "-- outside a transaction: when it is broken off, the revision begins again from its start"


@dataclass(frozen=True, kw_only=True)
class Step:
    """SQL that is executed at once."""

    #: one statement, or a script of several
    sql: str
    #: False: each statement stands alone, as CREATE INDEX CONCURRENTLY must
    in_transaction: bool = True
    #: steps outside of a transaction with the same number are done again together
    block: int = 0


@dataclass(frozen=True, kw_only=True)
class RevisionPlan:
    """One revision: its steps in order, the last one writes the version."""

    revision: str
    #: as Alembic says it: ``0001 -> 0002``
    title: str
    steps: tuple[Step, ...]

    def batches(self) -> Iterator[tuple[Step, ...]]:
        """Steps of one transaction together, and those outside of any that are done again together."""
        for _, steps in groupby(self.steps, lambda step: (step.in_transaction, step.block)):
            yield tuple(steps)


@dataclass(frozen=True, kw_only=True)
class UpgradePlan:
    """What leads from one revision to another; no revisions: nothing to do."""

    #: None: before the first
    current: str | None
    target: str
    revisions: tuple[RevisionPlan, ...]

    def script(self) -> str:
        """A script for psql that does what the upgrade does; comments only when there is nothing to do."""
        if not self.revisions:
            return f"-- the schema is at {self.target}: there is nothing to do"
        roles = Step(sql=BOOTSTRAP.read_text(encoding="utf-8"))
        parts = [
            "\\set ON_ERROR_STOP on",
            "set client_min_messages = warning;",
            f"-- Roles and version table, from {self.current or 'nothing'} to {self.target}",
            _transaction((roles,)),
        ]
        for plan in self.revisions:
            parts.append(f"-- Revision {plan.title}")
            parts.extend(_transaction(batch) for batch in plan.batches())
        return "\n\n".join([*parts, "reset role;\nreset client_min_messages;"])


def _transaction(batch: tuple[Step, ...]) -> str:
    if not batch[0].in_transaction:
        return "\n".join([_OUTSIDE, *(step.sql for step in batch)])
    return "\n\n".join(["BEGIN;", *(step.sql.strip() for step in batch), "COMMIT;"])


def configuration() -> Config:
    """Alembic's, without a file."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


@cache
def plan_upgrade(current: str | None, target: str) -> UpgradePlan:
    """The plan from ``current`` (None: before the first revision) to ``target``; touches no database."""
    if current == target:
        return UpgradePlan(current=current, target=target, revisions=())
    recorder = _Recorder()
    config = configuration()
    config.attributes["recorder"] = recorder
    command.upgrade(config, f"{current or 'base'}:{target}", sql=True)
    return UpgradePlan(current=current, target=target, revisions=tuple(recorder.revisions()))


@dataclass
class _Recorder:
    """Stands for Alembic's output, for SQLAlchemy's connection, for the driver's connection and cursor."""

    _is_inside: bool = False
    #: how many transactions have ended
    _block: int = 0
    _plans: list[tuple[str, list[Step]]] = field(default_factory=list[tuple[str, list[Step]]])

    # -- as output

    def write(self, text: str) -> None:
        statement = text.strip()
        if statement in {"BEGIN;", "COMMIT;"}:
            self._is_inside = statement == "BEGIN;"
            self._block += not self._is_inside
        elif statement.startswith("-- Running upgrade"):
            self._plans.append((" ".join(statement.split()[3:]), []))
        elif statement and self._plans:
            # Before the first revision's title only the version table is made, which the bootstrap does.
            self._plans[-1][1].append(self._step(statement))

    def _step(self, statement: str) -> Step:
        if self._is_inside:
            return Step(sql=statement)
        return Step(sql=statement, in_transaction=False, block=self._block)

    def flush(self) -> None:
        """Nothing is held back."""

    # -- as connections and cursor

    @property
    def connection(self) -> _Recorder:
        return self

    def cursor(self) -> _Recorder:
        return self

    def execute(self, statement: str) -> None:
        self.write(statement)

    def close(self) -> None:
        """There is nothing to close."""

    def revisions(self) -> Iterator[RevisionPlan]:
        """What was recorded."""
        for title, steps in self._plans:
            found = re.search(r"-> (\w+)", title)
            assert found is not None  # Alembic's own words
            yield RevisionPlan(revision=found[1], title=title, steps=tuple(steps))
