"""What tests of several services begin with."""

from __future__ import annotations

import pytest

from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from tests.fixtures.postgres import TENANTS
from tests.services.builders import made
from tests.services.patches.builders import SMALL


@pytest.fixture
def tenant(database: Database, database_settings: Settings) -> str:
    """The slug of a tenant of three months whose rows are all there."""
    assert database.admin_url == database_settings.database_url
    return "acme"


def _make_tenant(database: Database, settings: Settings) -> None:
    made(database, settings, SMALL)


TENANTS["tenant"] = _make_tenant
