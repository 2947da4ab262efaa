"""Where Dagster keeps runs and events: the class that ``dagster.yaml`` names.

A file of settings cannot say "the embedded server, wherever it listens today", and an environment variable
in it must be set or nothing loads. So the address is found when it is needed, and ``dg check defs`` or
``dagster dev`` work without any preparation.
"""

from __future__ import annotations

from typing import Any

from dagster_postgres import DagsterPostgresStorage

from demo_pipeline.defs.shared.asset_history import AssetHistoryStorage
from demo_pipeline.services.platform.instance import storage_url
from demo_pipeline.storage.connection.dagster_session import set_dagster_sessions


class ProjectStorage(DagsterPostgresStorage):
    """PostgreSQL in Dagster's own database."""

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """Nothing: the environment says it all."""
        return {}

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Any) -> ProjectStorage:  # noqa: ARG003
        """Find the database and make what is missing in it. Raises ``DatabaseError``."""
        url = storage_url()
        set_dagster_sessions()
        storage = cls(postgres_url=url, should_autocreate_tables=True, inst_data=inst_data)
        storage._event_log_storage = AssetHistoryStorage(url)
        return storage
