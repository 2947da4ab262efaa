"""The resource of all ops, and how they are executed. Nothing connects before an op asks for it."""

from __future__ import annotations

import dagster as dg
from pydantic import PrivateAttr

from demo_pipeline.services.database import ready_database
from demo_pipeline.settings import Settings, load_settings
from demo_pipeline.storage.database import Database


class DemoTenants(dg.ConfigurableResource[None]):
    """The CRM database, as the environment of the process names it (``DEMO_*``)."""

    _settings: Settings | None = PrivateAttr(default=None)
    _database: Database | None = PrivateAttr(default=None)

    @property
    def settings(self) -> Settings:
        """The environment, read once a run."""
        if self._settings is None:
            self._settings = load_settings()
        return self._settings

    @property
    def database(self) -> Database:
        """There, reachable and migrated; made so once a run. Raises ``DatabaseError``."""
        if self._database is None:
            self._database = ready_database(self.settings)
        return self._database


@dg.definitions
def resources() -> dg.Definitions:
    """In one process: a step of its own process costs more than the work of most steps."""
    return dg.Definitions(resources={"demo": DemoTenants()}, executor=dg.in_process_executor)
