"""Random plans on random tenants that people live in: exact to the cent, or refused with one that works.

Amid plans that are taken back and brought back, and what people took being made up for.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, note
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from tests.fixtures.ledger_steps import real_tenant
from tests.fixtures.postgres import PostgresServer, new_database
from tests.services.builders import BLUEPRINT, made
from tests.services.patches.long_simulation import LongLife

#: Of one life; a plan is applied, or refused and its suggestion applied, or taken back, or all is healed.
STEPS = 12
_EVERY_EXAMPLE = (HealthCheck.too_slow, HealthCheck.function_scoped_fixture)
#: A life is one number: a smaller one is another life, not a simpler one.
_PHASES = (Phase.explicit, Phase.reuse, Phase.generate)


@pytest.fixture(scope="module")
def shared(postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A database for all lives of this module, with a real customer and another demo in it."""
    with new_database(postgres_server) as database:
        settings = Settings(home=tmp_path_factory.mktemp("bystanders")).model_copy(update={"now": None})
        made(database, settings, BLUEPRINT, slug="bystander")
        with database.admin() as conn:
            real_tenant(conn)
        yield database


@pytest.fixture
def base(tmp_path: Path) -> Settings:
    """Settings for every life; the instant is its own."""
    return Settings(home=tmp_path / "home").model_copy(update={"now": None, "database_url": None})


def _live(shared: Database, base: Settings, number: int) -> None:
    life = LongLife(shared, base, number)
    try:
        for _ in range(STEPS):
            life.step()
    except Exception:
        note("\n".join(life.story))
        raise


@hypothesis_settings(max_examples=2, phases=_PHASES, suppress_health_check=_EVERY_EXAMPLE)
@given(number=st.integers(0, 2**32))
def test_every_plan_is_exact_or_refused(shared: Database, base: Settings, number: int) -> None:
    """All eight figures of all months move by what was asked, and nothing else anywhere; 24 steps."""
    _live(shared, base, number)


@pytest.mark.long
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("half", range(2))
@hypothesis_settings(max_examples=45, phases=_PHASES, suppress_health_check=_EVERY_EXAMPLE)
@given(number=st.integers(0, 2**31))
def test_a_thousand_plans_are_exact_or_refused(
    shared: Database, base: Settings, half: int, number: int
) -> None:
    """The same for a thousand steps on ninety tenants; in halves, so that two workers share them."""
    _live(shared, base, 2 * number + half)
