"""Dagster's own pages, served for one test."""

from __future__ import annotations

import os

import pytest

from tests.fixtures.dagster_instance import DagsterHome
from tests.fixtures.dagster_web import StartDagsterWeb, WebServer


@pytest.fixture
def web(dagster_home: DagsterHome, start_dagster_web: StartDagsterWeb) -> WebServer:
    """Dagster's pages over the test's instance."""
    home = dagster_home.settings.dagster_home
    return start_dagster_web(
        home, ["-m", "demo_pipeline.definitions"], environment={**os.environ, **dagster_home.environment}
    )
