"""What tests of interrupted patches compare with."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fixtures.postgres import PostgresServer
from tests.services.patches.cut_off import undisturbed_run


@pytest.fixture(scope="module")
def undisturbed(
    postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, float]]:
    """The digest of the tenant after a patch that nothing disturbs, and how many seconds that takes."""
    with undisturbed_run(postgres_server, tmp_path_factory.mktemp("undisturbed")) as found:
        yield found
