"""The job that clears failed partitions: months that are good, or that their tenant can never have.

Dagster shows a partition as failed while the run of its latest attempt failed, whatever is in the database. A
month that is good by now is materialised anew by ``materialise_tenants``; but a month that its tenant cannot
have is never materialised, and a good one need not be. This job clears both. A month that is not good stays
failed. Nothing is written to the CRM's database.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import dagster as dg

from demo_pipeline.defs.asset_pages.specs import ASSETS, TENANT_RELEASE
from demo_pipeline.defs.shared.instance_storage import AssetHistoryStorage
from demo_pipeline.defs.shared.partitions import months_by_tenant, partition_key
from demo_pipeline.defs.shared.resources import DemoTenants
from demo_pipeline.defs.shared.run_failures import refusal_failure
from demo_pipeline.defs.shared.run_tags import KIND_TAG
from demo_pipeline.defs.shared.tenant_selection import TenantSelection, selected_slugs
from demo_pipeline.domain.core.errors import DemoError, InputError
from demo_pipeline.domain.core.months import Month
from demo_pipeline.rendering.table import Column, Table, markdown
from demo_pipeline.services.months.month_range import impossible_months
from demo_pipeline.services.tenants.verify import inspect

_ASSETS: Final = tuple(map(dg.AssetKey, (*ASSETS, TENANT_RELEASE)))
_FAILED: Final = (dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)
#: rows of a table that a page shows
_MOST_SHOWN: Final = 100


@dataclass(frozen=True, kw_only=True)
class _Decision:
    """Whether a failed month is cleared, and why."""

    tenant: str
    month: Month
    is_cleared: bool
    reason: str


@dg.op(
    out=dg.Out(dg.Nothing),
    description="Find the failed partitions, examine their months, and clear those that are good or "
    "impossible.",
)
def clear_failed(
    context: dg.OpExecutionContext, config: TenantSelection, demo: DemoTenants
) -> dg.Output[None]:
    """One decision for each failed month."""
    storage = context.instance.event_log_storage
    if not isinstance(storage, AssetHistoryStorage):
        message = "Dagster's instance has another storage class; name ProjectStorage in its dagster.yaml"
        raise refusal_failure(InputError(message), None)
    failed = {asset: _failed_attempts(context.instance, asset) for asset in _ASSETS}
    keys = {key for attempts in failed.values() for key in attempts}
    selected = selected_slugs(demo, config.tenants)
    decisions = [
        decision
        for slug, months in months_by_tenant(keys).items()
        # A deleted tenant has no partitions.
        if slug in selected
        for decision in _decide(demo, slug, months)
    ]
    cleared = {str(partition_key(one.tenant, one.month)) for one in decisions if one.is_cleared}
    for asset, attempts in failed.items():
        if own := cleared & attempts.keys():
            storage.forget_attempts(asset, sorted(own), max(attempts[key] for key in own))
    for one in decisions:
        context.log.info("%s, %s: %s, since %s", one.tenant, one.month, _verdict(one), one.reason)
    table = markdown(Table(_COLUMNS, decisions[:_MOST_SHOWN]))
    return dg.Output(
        None,
        metadata={
            "cleared": len(cleared),
            "still_failed": len(decisions) - len(cleared),
            "months": dg.MetadataValue.md(table if decisions else "no month is failed"),
        },
    )


@dg.job(
    tags={KIND_TAG: "clear"},
    config={"ops": {"clear_failed": {"config": {"tenants": []}}}},
    description="Clear failed partitions: months whose checks pass by now, and months that their tenant can "
    "never have, are no longer red. A month that is not good stays failed; materialise it. No tenants: all "
    "of them. Nothing in the CRM is changed.",
)
def clear_failed_partitions() -> None:
    """From red months to those that are bad."""
    clear_failed()


def _failed_attempts(instance: dg.DagsterInstance, asset: dg.AssetKey) -> Mapping[str, int]:
    """Partition → the event of its latest attempt, for each partition whose latest attempt failed."""
    storage = instance.event_log_storage
    attempts = storage.get_latest_asset_partition_materialization_attempts_without_materializations(asset)
    runs = {run_id for run_id, _ in attempts.values()}
    if not runs:
        return {}
    failed = {
        run.run_id for run in instance.get_runs(dg.RunsFilter(run_ids=sorted(runs), statuses=list(_FAILED)))
    }
    return {key: event for key, (run_id, event) in attempts.items() if run_id in failed}


def _decide(demo: DemoTenants, slug: str, months: Sequence[Month]) -> Iterable[_Decision]:
    """What becomes of the failed months of a tenant."""
    try:
        impossible = impossible_months(demo.database, demo.settings, slug, months)
        now = inspect(demo.database, demo.settings, slug)
    except DemoError as error:
        # A tenant that cannot be read is not known to be good.
        return [
            _Decision(tenant=slug, month=month, is_cleared=False, reason=error.message) for month in months
        ]
    decisions: list[_Decision] = []
    for month in months:
        if month in impossible:
            is_cleared, reason = True, f"it is {impossible[month]}"
        elif month not in now.expected:
            is_cleared, reason = False, "nothing is loaded of it"
        elif found := now.errors_in(month):
            checks = dict.fromkeys(one.check.value for one in found)
            is_cleared, reason = False, f"{', '.join(checks)} did not pass"
        else:
            is_cleared, reason = True, "every check passes"
        decisions.append(_Decision(tenant=slug, month=month, is_cleared=is_cleared, reason=reason))
    return decisions


def _verdict(one: _Decision) -> str:
    return "cleared" if one.is_cleared else "still failed"


_COLUMNS: Final[tuple[Column[_Decision], ...]] = (
    Column("tenant", "tenant"),
    Column("month", "month", lambda one: str(one.month)),
    Column("result", "result", _verdict),
    Column("reason", "reason"),
)
