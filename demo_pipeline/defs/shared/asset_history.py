"""What Dagster has recorded of a tenant's partitions, and how it is forgotten when the tenant is deleted.

Dagster's PostgreSQL storage has no such operation: ``wipe_asset_partitions`` is not implemented there, and
the whole asset, which ``wipe_assets`` forgets, belongs to all tenants. Without it the months of a deleted
tenant reappear, green, as those of the next tenant of its slug.

The statements are about tables of Dagster, so they stand here alone, and a test runs them on tables that the
installed version of Dagster made. The events stay where they are: the page of a run shows them as before,
they only belong to no asset any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import dagster as dg
from dagster_postgres import PostgresEventLogStorage

#: Key in Dagster's key-value table under which the present tenant of a slug stands: a tenant id, or
#: ``DELETED``.
_MARK: Final = "demo_pipeline/tenant/"
_DELETED: Final = "deleted"
#: Serialises the processes that find a new incarnation at the same moment: the second must not forget what
#: the first has recorded since.
_LOCK: Final = "select pg_advisory_xact_lock(hashtextextended(%(mark)s, 0))"
_READ_MARK: Final = "select value from kvs where key = %(mark)s"
_WRITE_MARK: Final = """
insert into kvs (key, value) values (%(mark)s, %(value)s)
on conflict (key) do update set value = excluded.value
"""
_FORGET: Final = (
    """
    delete from asset_event_tags where event_id in (
        select id from event_logs where asset_key = %(asset)s and partition = any (%(partitions)s)
            and (%(before)s::timestamp is null or timestamp <= %(before)s::timestamp))
    """,
    """
    update event_logs set asset_key = null where asset_key = %(asset)s and partition = any (%(partitions)s)
        and (%(before)s::timestamp is null or timestamp <= %(before)s::timestamp)
    """,
    """
    delete from asset_check_executions where asset_key = %(asset)s and partition = any (%(partitions)s)
        and (%(before)s::timestamp is null
            or coalesce(evaluation_event_timestamp, create_timestamp) <= %(before)s::timestamp)
    """,
    # What is derived from the events is derived again by the next reader. ``last_materialization`` is such a
    # copy too: without it Dagster looks for the latest event.
    """
    update asset_keys set cached_status_data = null, last_materialization = null
    where asset_key = %(asset)s
    """,
)


class AssetHistoryStorage(PostgresEventLogStorage):
    """Dagster's event log, with single partitions that can be forgotten."""

    def wipe_asset_partitions(self, asset_key: dg.AssetKey, partition_keys: Sequence[str]) -> None:
        """Forget what was recorded of the partitions of an asset."""
        with self.index_transaction() as connection:
            _forget(connection, [asset_key], partition_keys, None)

    def end_tenant(self, slug: str, assets: Iterable[dg.AssetKey], partition_keys: Sequence[str]) -> None:
        """Forget the partitions of a tenant that is deleted, and note that."""
        mark = {"mark": f"{_MARK}{slug}"}
        with self.index_transaction() as connection:
            connection.exec_driver_sql(_LOCK, mark)
            _forget(connection, assets, partition_keys, None)
            connection.exec_driver_sql(_WRITE_MARK, {**mark, "value": _DELETED})

    def begin_tenant(
        self,
        slug: str,
        tenant_id: UUID,
        assets: Iterable[dg.AssetKey],
        partition_keys: Sequence[str],
        *,
        predecessor_deleted_at: datetime,
    ) -> bool:
        """Forget what belongs to earlier tenants of the slug, unless that is done; whether it was not.

        ``predecessor_deleted_at`` counts where no note of the slug exists: then there may be events of the
        present tenant, and what is later is its own.
        """
        mark = {"mark": f"{_MARK}{slug}"}
        with self.index_transaction() as connection:
            if connection.exec_driver_sql(_READ_MARK, mark).scalar() == str(tenant_id):
                return False
            connection.exec_driver_sql(_LOCK, mark)
            noted = connection.exec_driver_sql(_READ_MARK, mark).scalar()
            if noted == str(tenant_id):
                return False
            before = predecessor_deleted_at.astimezone(UTC).replace(tzinfo=None) if noted is None else None
            _forget(connection, assets, partition_keys, before)
            connection.exec_driver_sql(_WRITE_MARK, {**mark, "value": str(tenant_id)})
        return True


def _forget(
    connection: Any, assets: Iterable[dg.AssetKey], partition_keys: Sequence[str], before: datetime | None
) -> None:
    """Run the statements for each asset; ``before``: a UTC time, as Dagster's tables have it."""
    for asset in assets:
        parameters = {"asset": asset.to_string(), "partitions": list(partition_keys), "before": before}
        for statement in _FORGET:
            connection.exec_driver_sql(statement, parameters)
