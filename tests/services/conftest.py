"""What tests of several services begin with."""

from __future__ import annotations

import pytest

from demo_pipeline.settings import Settings
from demo_pipeline.storage.database import Database
from tests.services.patch_scenes import SMALL
from tests.services.scenes import made


@pytest.fixture
def tenant(database: Database, database_settings: Settings) -> str:
    """The slug of a tenant of three months whose rows are all there."""
    made(database, database_settings, SMALL)
    return "acme"
