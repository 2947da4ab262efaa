"""The resource of all ops. Nothing connects before an op asks for it."""

from __future__ import annotations

from contextlib import ExitStack

import dagster as dg
from pydantic import PrivateAttr

from demo_pipeline.services.platform.ready_database import ready_database
from demo_pipeline.settings import Settings, load_settings
from demo_pipeline.storage.connection.database import Database


class DemoTenants(dg.ConfigurableResource[None]):
    """The CRM database, as the environment of the process names it (``DEMO_*``)."""

    _settings: Settings | None = PrivateAttr(default=None)
    _database: Database | None = PrivateAttr(default=None)
    _connections: ExitStack = PrivateAttr(default_factory=ExitStack)

    @property
    def settings(self) -> Settings:
        """The environment, read once a run."""
        if self._settings is None:
            self._settings = load_settings()
        return self._settings

    @property
    def database(self) -> Database:
        """There, reachable and migrated; made so once a run, and its connections kept until the run's end.

        Raises ``DatabaseError``.
        """
        if self._database is None:
            self._database = self._connections.enter_context(ready_database(self.settings).pooled())
        return self._database

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        """Close the connections."""
        del context
        self._database = None
        self._connections.close()
