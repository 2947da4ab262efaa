"""The asset ``tenant_release``: the record that a tenant's month may be shown.

Automation requests it when every check of the month of severity ERROR has passed, and again when a job has
changed the month. A check that does not pass keeps it back. A person can release a month all the same: with a
reason, in the launchpad, which the audit log keeps. What a release is, is in ``services.tenants.release``.
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg
from pydantic import Field

from demo_pipeline.defs.asset_pages import specs
from demo_pipeline.defs.asset_pages.incarnations import begin_in_run
from demo_pipeline.defs.shared.partitions import TENANT_MONTHS, months_by_tenant, partition_key
from demo_pipeline.defs.shared.resources import DemoTenants
from demo_pipeline.defs.shared.run_failures import error_json
from demo_pipeline.defs.shared.run_tags import KIND_TAG, REQUESTER_TAG
from demo_pipeline.domain.core.errors import DemoError
from demo_pipeline.domain.core.months import Month
from demo_pipeline.services.tenants.release import Releases, release

_KIND = "release"
#: its page appears, or its month is materialised again
_IS_NEW = dg.AutomationCondition.missing().newly_true() | dg.AutomationCondition.any_deps_match(
    dg.AutomationCondition.newly_updated()
)
#: Also at the tick after its request, which would count as the end of what came with it.
_IS_DUE = _IS_NEW | _IS_NEW.since(dg.AutomationCondition.newly_requested())
_MAY_BE_RELEASED = (
    ~dg.AutomationCondition.any_deps_missing()
    & dg.AutomationCondition.all_deps_blocking_checks_passed()
    & ~dg.AutomationCondition.any_deps_in_progress()
    & ~dg.AutomationCondition.in_progress()
)


class ReleaseConfig(dg.Config):
    """Why months are released although a check did not pass."""

    reason: str | None = Field(
        default=None,
        description="Releases the selected months whatever their checks say. The audit log keeps it. Without "
        "a reason only months are released whose checks of severity ERROR pass.",
    )


@dg.asset(
    name=specs.TENANT_RELEASE,
    partitions_def=TENANT_MONTHS,
    deps=[specs.KPI_SNAPSHOT],
    group_name=specs.GROUPS[specs.KPI_SNAPSHOT],
    description=specs.RELEASE_DESCRIPTION,
    tags=specs.TAGS,
    owners=list(specs.OWNERS),
    code_version=specs.CODE_VERSION,
    backfill_policy=dg.BackfillPolicy.single_run(),
    automation_condition=(_IS_DUE & _MAY_BE_RELEASED).with_label("checks passed"),
    # An output would mark every partition of the run.
    output_required=False,
)
def tenant_release(
    context: dg.AssetExecutionContext, config: ReleaseConfig, demo: DemoTenants
) -> Iterator[dg.AssetMaterialization]:
    """One materialisation a month that is released; the run fails if one is kept back."""
    context.instance.add_run_tags(context.run.run_id, {KIND_TAG: _KIND})
    months = months_by_tenant(context.partition_keys)
    begin_in_run(context.op_execution_context, demo, list(months))
    requester = context.run_tags.get(REQUESTER_TAG) or (
        "dagster" if config.reason is None else "dagster (a person's reason)"
    )
    errors: list[dict[str, Any]] = []
    for slug, asked in months.items():
        try:
            done = release(
                demo.database, demo.settings, slug, asked, requested_by=requester, reason=config.reason
            )
        except DemoError as error:
            errors.append(error_json(error, slug))
            continue
        for month in asked:
            if month in done.months and month not in done.kept_back:
                yield dg.AssetMaterialization(
                    specs.TENANT_RELEASE,
                    partition=partition_key(slug, month),
                    metadata=_metadata(done, month),
                )
        if done.kept_back:
            errors.append(error_json(done.error, slug))
    if errors:
        raise dg.Failure(
            "; ".join(f"{one['tenant']}: {one['message']}" for one in errors),
            metadata={"errors": dg.MetadataValue.json(errors)},
            allow_retries=False,
        )


def _metadata(done: Releases, month: Month) -> dict[str, Any]:
    record = done.months[month]
    return {
        "released_at": dg.MetadataValue.timestamp(record.released_at),
        "released_by": record.released_by,
        **({"reason": record.reason} if record.reason is not None else {}),
    }


release_months = dg.AutomationConditionSensorDefinition(
    "release_months",
    target=dg.AssetSelection.assets(specs.TENANT_RELEASE),
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=60,
    # One run for many months: a run costs more than the release of a thousand of them.
    emit_backfills=True,
    description="Releases a tenant's month once its checks of severity ERROR have passed, and again once a "
    "job has changed it and they have passed. It records that the month may be shown, no more.",
)
