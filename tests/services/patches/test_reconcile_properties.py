"""Random plans that lower and raise figures while people work: exact, or refused with one that is exact.

The steps are the rules of a state machine, so that a failure shrinks to the fewest steps that show it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, note
from hypothesis import settings as hypothesis_settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from tests.fixtures.postgres import PostgresServer, new_database
from tests.long_tests import part
from tests.seeded_random import SeededRandom
from tests.services.patches.reconcile_simulation import ReconcileSimulation
from tests.services.patches.test_patch_properties import SEEDS

#: of one tenant; two thirds of them apply or refuse a plan that reconciles
STEPS: int = 12
#: plans of the long version
PLANS: int = 1_000
_FEWEST_TENANTS: int = 5


class ReconcileMachine(RuleBasedStateMachine):
    """One tenant; each rule is one step of its simulation, which checks everything that must hold then."""

    #: for all tenants; set before the machine is run
    database: ClassVar[Database]
    base: ClassVar[Settings]
    simulation: ReconcileSimulation
    steps: int = 0

    @initialize(seed=SEEDS)
    def provision(self, seed: int) -> None:
        self.simulation = ReconcileSimulation(self.database, self.base, seed)
        self.simulation.make_whole()

    def _step(self, seed: int) -> ReconcileSimulation:
        # Two steps of one seed would insert rows of people with the same ids.
        self.steps += 1
        self.simulation.draws = SeededRandom(seed * 1_000 + self.steps)
        return self.simulation

    @rule(seed=SEEDS)
    def reconcile(self, seed: int) -> None:
        self._step(seed).reconcile()

    @rule(seed=SEEDS)
    def reconcile_after_people_acted(self, seed: int) -> None:
        simulation = self._step(seed)
        simulation.let_people_act()
        simulation.reconcile()

    @rule(seed=SEEDS)
    def reconcile_after_a_while(self, seed: int) -> None:
        simulation = self._step(seed)
        simulation.pass_time()
        simulation.let_people_act()
        simulation.reconcile()

    @rule(seed=SEEDS)
    def add(self, seed: int) -> None:
        self._step(seed).add()

    @rule(seed=SEEDS)
    def make_whole(self, seed: int) -> None:
        self._step(seed).make_whole()

    @precondition(lambda self: self.simulation.jobs)
    @rule(seed=SEEDS)
    def undo(self, seed: int) -> None:
        self._step(seed).undo_some()

    def teardown(self) -> None:
        if hasattr(self, "simulation"):
            note("\n".join(self.simulation.log))


@pytest.fixture(scope="module")
def shared(postgres_server: PostgresServer) -> Iterator[Database]:
    """A database for all tenants of this module."""
    with new_database(postgres_server) as database:
        yield database


@pytest.fixture
def base(tmp_path: Path) -> Settings:
    """Settings for every tenant; the simulation sets the instant."""
    return Settings(home=tmp_path / "home").model_copy(update={"now": None, "database_url": None})


def _simulate(database: Database, settings: Settings, tenants: int, steps: int) -> None:
    ReconcileMachine.database, ReconcileMachine.base = database, settings
    run_state_machine_as_test(
        ReconcileMachine,
        settings=hypothesis_settings(
            max_examples=tenants,
            stateful_step_count=steps,
            suppress_health_check=(HealthCheck.too_slow, HealthCheck.filter_too_much),
        ),
    )


@pytest.mark.risk("P10", partial=True)
@pytest.mark.timeout(900)
def test_p10_random_plans_are_exact_or_refused(shared: Database, base: Settings) -> None:
    """All eight figures of all months; people's rows stay; undo and its undo return every row; one tenant."""
    _simulate(shared, base, 1, 5)


@pytest.mark.long(divides=True)
@pytest.mark.risk("P10", partial=True)
@pytest.mark.timeout(7200)
def test_p10_a_thousand_random_plans_are_exact_or_refused(shared: Database, base: Settings) -> None:
    """The same until a thousand plans were applied or refused."""
    ReconcileSimulation.ends.clear()
    while (left := part(PLANS) - sum(ReconcileSimulation.ends.values())) > 0:
        # The first examples are the simplest ones, of a step or two.
        _simulate(shared, base, max(-(-left // STEPS), _FEWEST_TENANTS), STEPS)
    assert sum(ReconcileSimulation.ends.values()) >= part(PLANS)
