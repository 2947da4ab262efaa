"""One test of the domain answers within a second: what its process imports is held here, not its seconds."""

from __future__ import annotations

import subprocess
import sys
from typing import Final

from tests.fixtures.cli import clean_environment
from tests.paths import PROJECT

#: Runs one module of tests and prints everything that is imported then, as the last line.
LISTED: Final = """
import sys, pytest
code = pytest.main(["-q", "-n", "0", "tests/domain/core/test_apportion.py"])
print(*sys.modules)
sys.exit(code)
"""
#: Libraries and plug-ins of which a test of the domain has no use.
UNUSED: Final = {
    *(
        "alembic",
        "anyio",
        "dagster",
        "dagster_shared",
        "faker",
        "openpyxl",
        "pandas",
        "playwright",
        "psycopg",
    ),
    *("pyarrow", "pydantic", "rich", "ruamel", "sqlalchemy", "typer"),
    *("demo_pipeline.cli", "demo_pipeline.defs", "demo_pipeline.services", "demo_pipeline.storage"),
}


def test_a_test_of_the_domain_imports_nothing_of_other_layers() -> None:
    """What databases, Dagster and browsers need is imported where it is used."""
    done = subprocess.run(
        [sys.executable, "-c", LISTED],
        cwd=PROJECT,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    imported = set(done.stdout.splitlines()[-1].split())
    assert "demo_pipeline.domain.core.apportion" in imported
    assert not imported & UNUSED
