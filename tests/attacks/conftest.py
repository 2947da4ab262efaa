"""One field a module, one session an attack, and after each attack the look at everything it must leave."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.attacks.field import Attacker, Field, new_field
from tests.fixtures.postgres import PostgresServer


@pytest.fixture(scope="module")
def field(postgres_server: PostgresServer) -> Iterator[Field]:
    """Victims and the attacker's tenant."""
    with new_field(postgres_server) as made:
        yield made


@pytest.fixture(scope="module")
def original(field: Field) -> list[tuple[Any, ...]]:
    """The victims and the catalogue before the first attack."""
    found = field.state()
    assert len(found) > 500
    return found


@pytest.fixture
def attacker(field: Field, original: list[tuple[Any, ...]]) -> Iterator[Attacker]:
    """A session of the loader; at its end the victims and the guard are byte for byte as they were."""
    with Attacker(field) as one:
        yield one
    after = field.state()
    assert set(after) ^ set(original) == set()
    assert len(after) == len(original)
