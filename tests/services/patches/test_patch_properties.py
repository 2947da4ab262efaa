"""Random plans on random tenants that people edit: exact to the cent, or refused with one that works.

Between them patches are undone and restored, and missing rows are made again. The steps are the rules of a
state machine, so that a failure shrinks to the fewest steps that show it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, note
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from tests.fixtures.ledger_steps import real_tenant
from tests.fixtures.postgres import PostgresServer, new_database
from tests.long_tests import part
from tests.seeded_random import SeededRandom
from tests.services.builders import BLUEPRINT, made
from tests.services.patches.undo_simulation import UndoSimulation

#: Of one tenant. A plan is applied or refused in about half of them.
STEPS = 16
#: Decides all choices within one step.
SEEDS = st.integers(0, 2**32)


class TenantMachine(RuleBasedStateMachine):
    """One tenant; each rule is one step of its simulation, which checks everything that must hold then."""

    #: for all tenants; set before the machine is run
    database: ClassVar[Database]
    base: ClassVar[Settings]
    simulation: UndoSimulation
    steps: int = 0

    @initialize(seed=SEEDS)
    def provision(self, seed: int) -> None:
        self.simulation = UndoSimulation(self.database, self.base, seed)

    def _step(self, seed: int) -> UndoSimulation:
        # Two steps of one seed would insert rows of people with the same ids.
        self.steps += 1
        self.simulation.draws = SeededRandom(seed * 1_000 + self.steps)
        return self.simulation

    @rule(seed=SEEDS)
    def apply_a_plan(self, seed: int) -> None:
        simulation = self._step(seed)
        simulation.apply(simulation.random_plan())

    @rule(seed=SEEDS)
    def apply_a_plan_after_a_while(self, seed: int) -> None:
        simulation = self._step(seed)
        simulation.pass_time()
        simulation.apply(simulation.random_plan())

    @rule(seed=SEEDS)
    def refuse_a_plan(self, seed: int) -> None:
        simulation = self._step(seed)
        simulation.refuse(simulation.spoiled(simulation.random_plan()))

    @rule(seed=SEEDS)
    def people_act(self, seed: int) -> None:
        self._step(seed).let_people_act()

    @rule(seed=SEEDS)
    def extend(self, seed: int) -> None:
        self._step(seed).extend()

    @rule(seed=SEEDS)
    def heal(self, seed: int) -> None:
        self._step(seed).heal()

    @precondition(lambda self: self.simulation.applied_patches)
    @rule(seed=SEEDS)
    def people_hide_rows_of_a_patch(self, seed: int) -> None:
        self._step(seed).hide_rows_of_a_patch()

    @precondition(lambda self: self.simulation.applied_patches)
    @rule(seed=SEEDS)
    def undo(self, seed: int) -> None:
        simulation = self._step(seed)
        simulation.undo(simulation.draws.one_of(simulation.applied_patches))

    @precondition(lambda self: self.simulation.undos)
    @rule(seed=SEEDS)
    def restore(self, seed: int) -> None:
        simulation = self._step(seed)
        simulation.restore(simulation.draws.one_of(simulation.undos))

    def teardown(self) -> None:
        if hasattr(self, "simulation"):
            note("\n".join(self.simulation.log))


@pytest.fixture(scope="module")
def shared(postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A database for all tenants of this module, with a real customer and another demo in it."""
    with new_database(postgres_server) as database:
        settings = Settings(home=tmp_path_factory.mktemp("bystanders")).model_copy(update={"now": None})
        made(database, settings, BLUEPRINT, slug="bystander")
        with database.admin() as conn:
            real_tenant(conn)
        yield database


@pytest.fixture
def base(tmp_path: Path) -> Settings:
    """Settings for every tenant; the simulation sets the instant."""
    return Settings(home=tmp_path / "home").model_copy(update={"now": None, "database_url": None})


def _simulate(database: Database, settings: Settings, tenants: int) -> None:
    TenantMachine.database, TenantMachine.base = database, settings
    run_state_machine_as_test(
        TenantMachine,
        settings=hypothesis_settings(
            max_examples=tenants,
            stateful_step_count=STEPS,
            suppress_health_check=(HealthCheck.too_slow, HealthCheck.filter_too_much),
        ),
    )


@pytest.mark.timeout(900)
def test_every_plan_is_exact_or_refused(shared: Database, base: Settings) -> None:
    """All eight figures of all months move by what was asked, and nothing else anywhere; two tenants."""
    _simulate(shared, base, 2)


@pytest.mark.long(divides=True)
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("half", range(2))
def test_a_thousand_plans_are_exact_or_refused(shared: Database, base: Settings, half: int) -> None:
    """The same on ninety tenants; in halves, so that two workers share them."""
    _simulate(shared, base, part(45))
