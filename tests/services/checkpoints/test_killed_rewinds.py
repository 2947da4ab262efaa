"""A checkpoint, a rewind and the undo of one are killed: all of it or nothing, and again is the same."""

from __future__ import annotations

from typing import Any

import pytest

from demo_pipeline.services.checkpoints.checkpoint import list_checkpoints, take_checkpoint
from demo_pipeline.services.checkpoints.rewind import rewind_tenant
from demo_pipeline.services.patches.undo import undo_job
from demo_pipeline.services.tenants.queries import digest, list_jobs
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from tests.long_tests import part
from tests.seeded_random import SeededRandom
from tests.services.builders import made
from tests.services.checkpoints.test_rewind import people_work, stored_rows
from tests.services.patches.builders import SMALL, execute, fingerprint_of_others
from tests.services.patches.processes import run_and_kill


class Killed:
    """A tenant that people worked in since its checkpoint, and processes that are killed on it."""

    def __init__(self, database: Database, settings: Settings, environment: dict[str, str]) -> None:
        self.database, self.environment = database, environment
        self.settings = settings.model_copy(update={"rate_per_tenant": 100_000, "rate_total": 100_000})
        made(database, settings, SMALL, slug="other")
        self.others = fingerprint_of_others(database, "acme")
        take_checkpoint(database, self.settings, "acme", "start")
        self.start = self._digest()
        people_work(database)
        self.worked = self._digest()

    def _digest(self) -> str:
        return digest(self.database, self.settings, "acme")

    def _completed(self) -> int:
        jobs = list_jobs(self.database, self.settings, "acme")
        return sum(job.status == "completed" for job in jobs)

    def kill(self, name: str, job: Any = "", *, at: str = "", seconds: float = 0) -> bool:
        """Whether it was done all the same."""
        before = self._completed()
        variables = {"DEMO_RATE_PER_TENANT": "100000", "DEMO_RATE_TOTAL": "100000"}
        run_and_kill(self.database, {**self.environment, **variables}, name, str(job), at, seconds)
        return self._completed() > before

    def checkpoint(self, **moment: Any) -> None:
        """Either stored whole or not at all."""
        rows = stored_rows(self.database)
        is_done = self.kill("checkpoint", **moment)
        there = {one.name for one in list_checkpoints(self.database, self.settings, "acme")}
        assert ("second" in there) == is_done
        assert is_done or stored_rows(self.database) == rows
        take_checkpoint(self.database, self.settings, "acme", "second", replaces=True)
        execute(self.database, "delete from demo.checkpoints where name = 'second'")

    def rewind(self, **moment: Any) -> None:
        """There and back, each killed: before it or after it, nothing between."""
        if not self.kill("rewind", **moment):
            assert self._digest() == self.worked
            rewind_tenant(self.database, self.settings, "acme", "start")
        assert self._digest() == self.start

    def undo(self, **moment: Any) -> None:
        """The undo of the rewind that was made last, which is not undone."""
        rewound = next(
            job
            for job in list_jobs(self.database, self.settings, "acme")
            if job.kind == "rewind" and job.status == "completed" and job.undone_by is None
        )
        if not self.kill("undo", rewound.id, **moment):
            assert self._digest() == self.start
            undo_job(self.database, self.settings, rewound.id)
        assert self._digest() == self.worked

    def everything(self, **moment: Any) -> None:
        """All three."""
        self.checkpoint(**moment)
        self.rewind(**moment)
        self.undo(**moment)
        assert fingerprint_of_others(self.database, "acme") == self.others


@pytest.fixture
def killed(
    database: Database, database_settings: Settings, database_env: dict[str, str], tenant: str
) -> Killed:
    """``tenant`` with a checkpoint called start."""
    assert tenant == "acme"
    return Killed(database, database_settings, database_env)


@pytest.mark.risk("P1", partial=True)
@pytest.mark.parametrize("at", ["verifying", "committed"])
def test_p01_it_is_killed_at_its_end(killed: Killed, at: str) -> None:
    """SIGKILL just before the commit leaves nothing, SIGKILL just after it everything."""
    killed.everything(at=at)


@pytest.mark.long(divides=True)
@pytest.mark.timeout(1800)
@pytest.mark.risk("P1", partial=True)
def test_p01_it_is_killed_at_random_moments(killed: Killed) -> None:
    """SIGKILL at a hundred moments of half a second, of a rewind and of its undo in turn."""
    draws = SeededRandom(7)
    for _ in range(part(50)):
        killed.rewind(seconds=draws.below(500) / 1000)
        killed.undo(seconds=draws.below(500) / 1000)
    for _ in range(part(10)):
        killed.checkpoint(seconds=draws.below(300) / 1000)
    assert fingerprint_of_others(killed.database, "acme") == killed.others
