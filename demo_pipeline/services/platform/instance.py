"""Prepares Dagster's instance folder and the environment variables that Dagster needs.

Dagster itself is not imported here.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from demo_pipeline.domain.core.errors import DatabaseError, DemoError
from demo_pipeline.settings import BUNDLED_BLUEPRINTS, BUNDLED_FILES, Settings, load_settings
from demo_pipeline.storage.connection.database import Database, check_dagster_database, dagster_storage_url

INSTANCE_FILE: Final = "dagster.yaml"
#: URL of Dagster's database for SQLAlchemy; child processes take it from the environment
STORAGE_VARIABLE: Final = "DEMO_DAGSTER_STORAGE_URL"
#: beginning of the first line of a file that the product may refresh
_OURS: Final = b"# demo-pipeline:"


def prepare_instance(settings: Settings, database: Database) -> Mapping[str, str]:
    """Make ``$DAGSTER_HOME`` with the project's ``dagster.yaml``; returns variables that Dagster needs.

    A foreign ``dagster.yaml`` is not changed. Takes milliseconds. Raises ``DatabaseError``, and ``DemoError``
    if the folder cannot be written.
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
        # Processes that Dagster starts must find the same state from any folder.
        "DEMO_HOME": str(settings.home.expanduser().resolve()),
        **({} if blueprints == BUNDLED_BLUEPRINTS else {"DEMO_BLUEPRINTS": str(blueprints)}),
        **({} if settings.inbox is None else {"DEMO_INBOX": str(settings.inbox.expanduser().resolve())}),
        STORAGE_VARIABLE: database.dagster_url or dagster_storage_url(settings),
    }


def storage_url() -> str:
    """The URL of Dagster's database, from the environment or from the settings; it may be away.

    Raises ``InputError`` for a pooler that shares sessions, ``DatabaseError`` where the embedded server does
    not start.
    """
    # Always read: this removes libpq's variables, which must not affect the embedded server.
    settings = load_settings()
    url = os.environ.get(STORAGE_VARIABLE) or dagster_storage_url(settings)
    if settings.dagster_url is not None:
        with suppress(DatabaseError):
            check_dagster_database(url)
    return url


def require_storage(settings: Settings) -> None:
    """Connect once to a Dagster database that was given, for an error that says what to do.

    Raises ``DatabaseError``, and ``InputError`` for a pooler that shares sessions.
    """
    if settings.dagster_url is not None:
        check_dagster_database(os.environ.get(STORAGE_VARIABLE) or dagster_storage_url(settings))


def keep_embedded_server(settings: Settings) -> None:
    """Start the embedded server again, where the settings use it and it was stopped or has crashed.

    Under a millisecond when it is up. The daemon cannot do it: without Dagster's database it does nothing.
    Raises ``DatabaseError``.
    """
    if settings.database_url is None or settings.dagster_url is None:
        dagster_storage_url(settings)


def _refresh(path: Path) -> None:
    """Write the project's file unless it is current or foreign."""
    ours = (BUNDLED_FILES / INSTANCE_FILE).read_bytes()
    present = path.read_bytes() if path.exists() else None
    if present == ours or (present is not None and not present.startswith(_OURS)):
        return
    # Replaced atomically: another process may be reading it.
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.write_bytes(ours)
    draft.replace(path)
