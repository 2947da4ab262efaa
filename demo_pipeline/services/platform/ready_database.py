"""A database that is ready to be used: it exists, is reachable and migrated.

Every use case begins here. The embedded database is created and upgraded automatically; a given server may be
in production and is migrated only by ``demo-pipeline db upgrade``.
"""

from __future__ import annotations

from demo_pipeline.domain.core.errors import DatabaseError
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.clock import instant_of
from demo_pipeline.storage.connection.database import Database, open_database
from demo_pipeline.storage.embedded.home import file_lock
from demo_pipeline.storage.schema.revisions import require_current

#: one migration of a full database may take long; the others wait for it
UPGRADE_WAIT_SECONDS = 600


def ready_database(settings: Settings) -> Database:
    """The database of the settings at the current schema revision; some milliseconds when it is.

    Raises ``DatabaseError``, and ``InputError`` for a ``DEMO_NOW`` that is in the server's future.
    """
    database = open_database(settings)
    if _is_current(database, settings):
        return database
    with file_lock(settings.home / "schema.lock", wait_seconds=UPGRADE_WAIT_SECONDS):
        if not _is_current(database, settings):
            from demo_pipeline.storage.schema import migrate

            migrate.upgrade(database.admin_url)
    return database


def _is_current(database: Database, settings: Settings) -> bool:
    """Whether the schema is current. On a given server an old one is an error, which says what to do."""
    with database.admin(readonly=True) as conn:
        if settings.now is not None:
            # Refused before anything is done, by every command.
            instant_of(conn, settings)
        try:
            require_current(conn)
        except DatabaseError:
            if not database.is_embedded:
                raise
            return False
    return True
