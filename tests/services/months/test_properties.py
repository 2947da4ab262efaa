"""Random blueprints through the whole line into PostgreSQL: exact, or refused with a plan that works."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from demo_pipeline.domain.blueprint.tenant_spec import TenantSpec
from demo_pipeline.domain.core.errors import InputError
from demo_pipeline.domain.core.figures import Figures
from demo_pipeline.services.months.materialise import materialise
from demo_pipeline.services.tenants.queries import kpis
from demo_pipeline.services.tenants.verify import verify
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.ledger import tenants
from tests.builders.blueprints import NOW, feasible_blueprints, infeasible_blueprints
from tests.fixtures.postgres import PostgresServer, new_database
from tests.hypothesis_profiles import examples
from tests.services.builders import figures_in, make_tenant, row_counts

_slugs = count(1)
_EVERY_EXAMPLE = (HealthCheck.too_slow, HealthCheck.function_scoped_fixture)


@pytest.fixture(scope="module")
def shared(postgres_server: PostgresServer) -> Iterator[Database]:
    """One database for all examples of this module, each a tenant of its own."""
    with new_database(postgres_server) as database:
        yield database


@pytest.fixture
def as_of(tmp_path: Path) -> Settings:
    """Settings at the instant that the strategies are made for."""
    return Settings(home=tmp_path / "home").model_copy(update={"now": NOW, "database_url": None})


def _exact(shared: Database, as_of: Settings, blueprint: dict[str, Any]) -> None:
    slug = make_tenant(shared, as_of, blueprint, slug=f"tenant-{next(_slugs)}")
    materialise(shared, as_of, slug)
    with shared.admin(readonly=True) as conn:
        spec = TenantSpec.from_json(tenants.get_tenant(conn, slug).plan)
    expected = dict(zip(spec.months, spec.figures, strict=True))
    found = figures_in(shared, slug, spec.currency)
    assert {month: found.get(month, Figures()) for month in expected} == expected
    assert set(found) <= set(expected)
    assert kpis(shared, as_of, slug).months == expected
    assert verify(shared, as_of, slug)[0].findings == ()
    if "totals" in blueprint:
        for metric, asked in blueprint["totals"].items():
            if asked is not None and not metric.endswith("_value"):
                assert spec.total[metric] == int(asked)


def _refused(shared: Database, as_of: Settings, blueprint: dict[str, Any]) -> None:
    before = row_counts(shared)
    with pytest.raises(InputError) as caught:
        make_tenant(shared, as_of, blueprint, slug=f"tenant-{next(_slugs)}")
    assert row_counts(shared) == before
    assert caught.value.suggestion is not None
    _exact(shared, as_of, blueprint | caught.value.suggestion)


@pytest.mark.risk("G2", partial=True)
@hypothesis_settings(max_examples=12, suppress_health_check=_EVERY_EXAMPLE)
@given(blueprint=feasible_blueprints())
def test_g02_feasible_is_exact_and_sound(
    shared: Database, as_of: Settings, blueprint: dict[str, Any]
) -> None:
    """Every KPI of every month is the plan's, to the minor unit, and no check finds anything."""
    _exact(shared, as_of, blueprint)


@hypothesis_settings(max_examples=10, suppress_health_check=_EVERY_EXAMPLE)
@given(blueprint=infeasible_blueprints())
def test_infeasible_is_refused_with_a_plan_that_works(
    shared: Database, as_of: Settings, blueprint: dict[str, Any]
) -> None:
    """Nothing is written, and the suggestion applies cleanly and exactly."""
    _refused(shared, as_of, blueprint)


@pytest.mark.long(divides=True)
@pytest.mark.timeout(1500)
@pytest.mark.risk("G2", partial=True)
@hypothesis_settings(max_examples=examples(500), suppress_health_check=_EVERY_EXAMPLE)
@given(blueprint=feasible_blueprints())
def test_g02_five_hundred_feasible_are_exact(
    shared: Database, as_of: Settings, blueprint: dict[str, Any]
) -> None:
    """The same for five hundred."""
    _exact(shared, as_of, blueprint)


@pytest.mark.long(divides=True)
@pytest.mark.timeout(1500)
@hypothesis_settings(max_examples=examples(500), suppress_health_check=_EVERY_EXAMPLE)
@given(blueprint=infeasible_blueprints(), draws=st.randoms())
def test_five_hundred_infeasible_are_refused(
    shared: Database, as_of: Settings, blueprint: dict[str, Any], draws: Any
) -> None:
    """The same for five hundred; what is suggested is applied for one in five."""
    if draws.random() < 0.2:
        _refused(shared, as_of, blueprint)
        return
    before = row_counts(shared)
    with pytest.raises(InputError):
        make_tenant(shared, as_of, blueprint, slug=f"tenant-{next(_slugs)}")
    assert row_counts(shared) == before
