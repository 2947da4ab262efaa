"""Connections are the subject of these tests: none is kept unless the test keeps it."""

from __future__ import annotations

import pytest

from demo_pipeline.storage.connection.database import Database
from tests.fixtures.postgres import unpooled


@pytest.fixture
def database(database: Database) -> Database:
    """A migrated database with nothing in it."""
    return unpooled(database)
