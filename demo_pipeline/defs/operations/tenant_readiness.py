"""The asset ``tenant_readiness``: whether a tenant can be shown, as an examination found it.

A schedule examines each tenant in the morning of its own time zone, by a plain op job: a run of an asset over
tenants that are no range of partitions is not possible. What is examined is in ``services.readiness``.
"""

from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Any, Final

import dagster as dg

from demo_pipeline.defs.asset_pages import specs
from demo_pipeline.defs.asset_pages.incarnations import begin_in_run
from demo_pipeline.defs.shared.partitions import TENANT, TENANTS
from demo_pipeline.defs.shared.resources import DemoTenants
from demo_pipeline.defs.shared.run_tags import KIND_TAG, REQUESTER_TAG
from demo_pipeline.defs.shared.tenant_selection import TenantSelection, selected_slugs
from demo_pipeline.domain.core.wording import counted
from demo_pipeline.rendering.ready_columns import REASON_COLUMNS, light_text, summary, without_checkpoint
from demo_pipeline.rendering.table import Table, escaped, markdown
from demo_pipeline.services.readiness.board import TenantReadiness
from demo_pipeline.services.readiness.examination import examine_each
from demo_pipeline.services.readiness.morning import tenants_due

_KIND: Final = "examine"
_NAME: Final = "examine_every_morning"
#: tenants that a skipped or launched tick names
_MOST_NAMED: Final = 10


@dg.asset(
    name=specs.TENANT_READINESS,
    partitions_def=TENANTS,
    deps=[
        dg.AssetDep(specs.TENANT_RELEASE, partition_mapping=dg.MultiToSingleDimensionPartitionMapping(TENANT))
    ],
    group_name=specs.GROUPS[specs.KPI_SNAPSHOT],
    description=specs.READINESS_DESCRIPTION,
    tags=specs.TAGS,
    owners=list(specs.OWNERS),
    code_version=specs.CODE_VERSION,
    backfill_policy=dg.BackfillPolicy.single_run(),
    # An output would mark every partition of the run.
    output_required=False,
)
def tenant_readiness(context: dg.AssetExecutionContext, demo: DemoTenants) -> Iterator[Any]:
    """One materialisation a tenant, ready or not."""
    context.instance.add_run_tags(context.run.run_id, {KIND_TAG: _KIND})
    yield from _examined(context.op_execution_context, demo, context.partition_keys)


@dg.op(
    out=dg.Out(dg.Nothing),
    description="Read every row of each tenant in one snapshot, record whether it can be shown, and show it "
    "on `tenant_readiness`. Changes nothing in the CRM's tables.",
)
def examine(context: dg.OpExecutionContext, config: TenantSelection, demo: DemoTenants) -> Iterator[Any]:
    """One tenant after the other. A tenant that is not ready is an answer, and no failure."""
    yield from _examined(context, demo, config.tenants)
    yield dg.Output(None)


@dg.job(
    name="examine_tenants",
    tags={KIND_TAG: _KIND},
    config={"ops": {"examine": {"config": {"tenants": []}}}},
    description="Examine demo tenants: whether each can be shown, and if not, which command cures it, shown "
    "on `tenant_readiness` and on the page `/demo-day`. No tenants: all of them.",
)
def examine_tenants() -> None:
    """From rows to the light of each tenant."""
    examine()


@dg.schedule(
    name=_NAME,
    job=examine_tenants,
    cron_schedule="*/15 * * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.STOPPED,
    description="Examines each tenant at six in the morning of its own time zone, or as soon after it as the "
    "daemon is there; tenants that were examined since are left alone. Looks every 15 minutes, and launches "
    "one run for all that are due.",
)
def examine_every_morning(
    context: dg.ScheduleEvaluationContext, demo: DemoTenants
) -> dg.RunRequest | dg.SkipReason:
    """One run for the tenants whose morning has come."""
    tick = context.scheduled_execution_time
    due = tenants_due(demo.database, tick)
    if not due:
        return dg.SkipReason("every tenant was examined since its last morning")
    named = ", ".join(due[:_MOST_NAMED]) + (" ..." if len(due) > _MOST_NAMED else "")
    context.log.info("%s: %s", counted(len(due), "tenant"), named)
    tenants = sha256(" ".join(due).encode()).hexdigest()
    return dg.RunRequest(
        # Once an hour: a run of the same tenants may still be in the queue.
        run_key=f"examine {tick:%Y-%m-%dT%H} {tenants}",
        run_config={"ops": {"examine": {"config": {"tenants": due}}}},
        tags={REQUESTER_TAG: f"schedule {_NAME}"},
    )


def _examined(context: dg.OpExecutionContext, demo: DemoTenants, asked: Sequence[str]) -> Iterator[Any]:
    """Examine the tenants that were asked for, none: all; the materialisation of each."""
    slugs = selected_slugs(demo, asked)
    context.instance.add_dynamic_partitions(TENANT, slugs)
    begin_in_run(context, demo, slugs)
    requester = context.run_tags.get(REQUESTER_TAG, "dagster")
    judged: list[TenantReadiness] = []
    for one in examine_each(demo.database, demo.settings, slugs, requested_by=requester):
        judged.append(one)
        context.log.info("%s: %s", one.tenant, light_text(one))
        yield dg.AssetMaterialization(
            specs.TENANT_READINESS, partition=one.tenant, description=light_text(one), metadata=_metadata(one)
        )
    context.log.info("%s", summary(judged))


def _metadata(one: TenantReadiness) -> dict[str, Any]:
    texts = [*one.notes, *filter(None, [without_checkpoint([one])])]
    notes = "\n".join(f"- {escaped(text)}" for text in texts)
    return {
        "light": light_text(one),
        # Numbers, which Dagster plots.
        "reasons": len(one.reasons),
        **(
            {"what_to_do": dg.MetadataValue.md(markdown(Table(REASON_COLUMNS, one.reasons)))}
            if one.reasons
            else {}
        ),
        **({"notes": dg.MetadataValue.md(notes)} if notes else {}),
    }
