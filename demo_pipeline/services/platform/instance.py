"""Dagster's instance folder, made ready before Dagster starts, and the environment it must start in.

Dagster itself is not imported here: this is the part of its set-up that is files and variables.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from demo_pipeline.domain.core.errors import DemoError
from demo_pipeline.settings import BUNDLED_BLUEPRINTS, PROJECT_ROOT, Settings, load_settings
from demo_pipeline.storage.connection.database import Database, check_dagster_database, dagster_storage_url

INSTANCE_FILE: Final = "dagster.yaml"
#: the address of Dagster's database as SQLAlchemy wants it; saves every process from finding it again
STORAGE_VARIABLE: Final = "DEMO_DAGSTER_STORAGE_URL"
#: the first line of a file that is ours to refresh begins with it
_OURS: Final = b"# demo-pipeline:"


def prepare_instance(settings: Settings, database: Database) -> Mapping[str, str]:
    """Make ``$DAGSTER_HOME`` with our ``dagster.yaml``; the variables to set before Dagster starts.

    A ``dagster.yaml`` that is not ours is left as it is. Some milliseconds. Raises ``DatabaseError``, and
    ``DemoError`` where the folder cannot be written.
    """
    home = settings.dagster_home.expanduser().resolve()
    try:
        home.mkdir(parents=True, exist_ok=True)
        _refresh(home / INSTANCE_FILE)
    except OSError as error:
        raise DemoError(
            f"{home} cannot be used as Dagster's folder ({error.strerror}); name another in DAGSTER_HOME"
        ) from None
    blueprints = settings.blueprints.expanduser().resolve()
    return {
        "DAGSTER_HOME": str(home),
        # Dagster starts processes of its own, and they must find the same state from any folder.
        "DEMO_HOME": str(settings.home.expanduser().resolve()),
        **({} if blueprints == BUNDLED_BLUEPRINTS else {"DEMO_BLUEPRINTS": str(blueprints)}),
        **({} if settings.inbox is None else {"DEMO_INBOX": str(settings.inbox.expanduser().resolve())}),
        STORAGE_VARIABLE: database.dagster_url or dagster_storage_url(settings),
    }


def storage_url() -> str:
    """Dagster's database, for whoever starts Dagster by hand: prepared, or what the settings say.

    Raises ``DatabaseError``, and ``InputError`` for a pooler that gives sessions to others.
    """
    # Always read: that takes libpq's variables away from the embedded server.
    settings = load_settings()
    url = os.environ.get(STORAGE_VARIABLE) or dagster_storage_url(settings)
    if settings.dagster_url is not None:
        check_dagster_database(url)
    return url


def _refresh(path: Path) -> None:
    """Write our file unless it is there or a foreign one is."""
    ours = (PROJECT_ROOT / INSTANCE_FILE).read_bytes()
    present = path.read_bytes() if path.exists() else None
    if present == ours or (present is not None and not present.startswith(_OURS)):
        return
    # Whole or not at all: another process may be reading it.
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.write_bytes(ours)
    draft.replace(path)
