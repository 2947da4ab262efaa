"""The kinds of jobs, and what follows from the kind alone.

The values are stored in the ledger and shown to users. Code that treats kinds differently matches on all of
them and ends with ``assert_never``, so that a new kind is a type error until every place has decided. How a
job of a kind runs, is retried or is undone does not belong here.
"""

from __future__ import annotations

from enum import Enum, StrEnum, auto
from typing import assert_never


class JobKind(StrEnum):
    """What a job does to its tenant."""

    #: loads missing rows of the blueprint
    MATERIALISE = "materialise"
    #: adds rows that make up for rows which people deleted or changed
    HEAL = "heal"
    #: applies a patch plan
    PATCH = "patch"
    #: lets the blueprint of a closed tenant ask for more months
    EXTEND = "extend"
    #: takes back a patch, an extension or a rewind, or brings back what an undo or a repair deleted
    UNDO = "undo"
    #: fills in lost provenance
    BACKFILL = "backfill"
    #: soft-deletes all rows that should not exist
    REPAIR = "repair"
    #: soft-deletes duplicate rows
    DEDUPE = "dedupe"
    #: soft-deletes the rows of a job that was not completed
    CLEANUP = "cleanup"
    #: stores all rows under a name, or deletes what was stored
    CHECKPOINT = "checkpoint"
    #: makes all rows as they were at a checkpoint
    REWIND = "rewind"

    @property
    def is_repair(self) -> bool:
        """Whether it only soft-deletes rows that should not exist; what is expected does not change."""
        return self._role is _Role.REPAIR

    @property
    def is_change(self) -> bool:
        """Whether it is a person's change that can be undone; ``job undo --last`` steps through these."""
        return self._role in {_Role.REPAIR, _Role.PLAN}

    @property
    def reaches_expected(self) -> bool:
        """Whether it brings months to what is expected of them, whatever it changes itself."""
        return self._role is _Role.BLUEPRINT

    @property
    def deletes_rows(self) -> bool:
        """Whether it may soft-delete rows, all rows of one job at one instant (``hidden_at``)."""
        return self.is_repair or self in {JobKind.UNDO, JobKind.PATCH}

    @property
    def noun(self) -> str:
        """The kind with its article, for messages."""
        nouns = {JobKind.MATERIALISE: "materialisation", JobKind.HEAL: "healing job"}
        name = nouns.get(self, self.value)
        return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"

    @property
    def _role(self) -> _Role:
        match self:
            case JobKind.MATERIALISE | JobKind.HEAL:
                return _Role.BLUEPRINT
            case JobKind.PATCH | JobKind.EXTEND | JobKind.REWIND:
                return _Role.PLAN
            case JobKind.REPAIR | JobKind.DEDUPE | JobKind.CLEANUP:
                return _Role.REPAIR
            case JobKind.UNDO | JobKind.BACKFILL | JobKind.CHECKPOINT:
                return _Role.CORRECTION
            case _:
                assert_never(self)


class _Role(Enum):
    #: makes the rows that are expected
    BLUEPRINT = auto()
    #: changes what is expected
    PLAN = auto()
    #: soft-deletes rows that should not exist
    REPAIR = auto()
    #: none of these
    CORRECTION = auto()
