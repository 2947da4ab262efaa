"""What every test run has: plug-ins, markers, profiles, and the header that says what is tested on what.

Fixtures live in ``tests/fixtures``, one module per concern; ``by_folder`` imports them where they are used.
A test of the domain must answer within a second, so nothing heavy is imported here.
"""

from __future__ import annotations

import gc
import platform
import signal
from importlib.metadata import version
from pathlib import Path

import pytest

from tests import long_tests
from tests.hypothesis_profiles import load_profile

# Imports and collected tests are many objects that stay; the default of 700 is for programs that are small.
gc.set_threshold(20_000)

# A shell that starts the tests in the background has them ignore Ctrl-C, and their children with them;
# what a command does on Ctrl-C is to be tried there too.
signal.signal(signal.SIGINT, signal.default_int_handler)

pytest_plugins = ["tests.risks_plugin", "tests.fixtures.run_folder", "tests.fixtures.by_folder"]

load_profile()

TESTS = Path(__file__).resolve().parent
_SLOW_FIRST = {"browser": 0, "project": 1, "defs": 2, "cli": 3, "services": 4, "attacks": 5, "storage": 6}


def pytest_configure(config: pytest.Config) -> None:
    """Declare the markers (``risk`` is declared by its plug-in)."""
    config.addinivalue_line("markers", "long(divides=False): takes minutes; only 'make test-long' runs it")
    config.addinivalue_line("markers", "scorecard: whether tenants look real; only 'make scorecard' runs it")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the option that leaves out what would be the same on any server."""
    parser.addoption("--only-database", action="store_true", help="run only what uses the database server")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The slow folders first, so that the workers end together; without what this run leaves out.

    ``--only-database`` goes by fixtures: it cannot be forgotten. What needs a superuser runs on the embedded
    server; a given one has an owner who is none.
    """
    long_tests.select(config, items)
    items.sort(key=lambda item: _SLOW_FIRST.get(item.path.relative_to(TESTS).parts[0], len(_SLOW_FIRST)))
    if not config.getoption("--only-database"):
        return
    uses = [
        item
        for item in items
        if "postgres_server" in (names := getattr(item, "fixturenames", ())) and "superuser_url" not in names
    ]
    config.hook.pytest_deselected(items=[item for item in items if item not in uses])
    items[:] = uses


def pytest_collection_finish() -> None:
    """What is there now stays: the garbage collector need not look through it again and again."""
    gc.freeze()


def pytest_report_header() -> list[str]:
    """Interpreter and libraries whose version may change bytes; the part of the long tests."""
    versions = (
        f"Python {platform.python_version()}, numpy {version('numpy')}, pyarrow {version('pyarrow')}, "
        f"psycopg {version('psycopg')}, dagster {version('dagster')}"
    )
    return [line for line in (versions, long_tests.header()) if line]
