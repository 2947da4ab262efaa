"""Homes and servers of these tests' own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from demo_pipeline.storage.embedded.server import Endpoint, ensure_running
from tests.fixtures.embedded_server import forget, new_folder


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every account can pass through."""
    with new_folder() as path:
        yield path


@pytest.fixture(scope="module")
def shared() -> Iterator[tuple[Path, Endpoint]]:
    """A home and its server, for tests that leave it as it is."""
    with new_folder() as path:
        yield path / "home", ensure_running(path / "home")
        forget(path / "home")


@pytest.fixture
def home(folder: Path) -> Iterator[Path]:
    """A home that does not exist yet; its server ends with the test."""
    path = folder / "home"
    yield path
    forget(path)


@pytest.fixture
def endpoint(home: Path) -> Endpoint:
    """A server with one table in it."""
    endpoint = ensure_running(home)
    with psycopg.connect(endpoint.admin_url, autocommit=True) as conn:
        conn.execute("CREATE TABLE public.kept AS SELECT 42 AS value")
    return endpoint
