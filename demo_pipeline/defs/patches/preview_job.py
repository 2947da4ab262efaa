"""The job that previews a patch plan, and changes nothing. See ``services.patches.preview``."""

from typing import Any, Final, cast

import dagster as dg
from pydantic import Field

from demo_pipeline.defs.patches.plan_form import EXAMPLE_PLAN, InlinePlan, plan_of_form
from demo_pipeline.defs.shared.partitions import EXAMPLE_TENANT
from demo_pipeline.defs.shared.resources import DemoTenants
from demo_pipeline.defs.shared.run_failures import refusal_failure
from demo_pipeline.defs.shared.run_tags import KIND_TAG, TENANT_TAG
from demo_pipeline.domain.core.errors import DemoError, InputError
from demo_pipeline.rendering.preview_tables import closing_lines, figure_table, row_tables
from demo_pipeline.rendering.table import markdown
from demo_pipeline.services.patches.preview import Preview
from demo_pipeline.services.patches.preview import preview as preview_plan

JOB: Final = "preview_patch"


class PreviewConfig(dg.Config):
    """The plan to preview, and its tenant."""

    tenant: str = Field(description="The demo tenant, by its slug.")
    plan: InlinePlan = Field(description="The plan, as in a JSON plan file.")
    plan_type: str | None = Field(
        default=None, description="`deltas` or `targets`; counts before what the plan itself says."
    )
    seed: str | None = Field(default=None, description="Any text; counts before the plan's own seed.")


@dg.op(
    out=dg.Out(dg.Nothing),
    description="Read the tenant in one snapshot, and resolve the plan on it. Changes nothing.",
)
def preview(context: dg.OpExecutionContext, config: PreviewConfig, demo: DemoTenants) -> dg.Output[None]:
    """The figures before and after, the rows to make; the run fails for a plan that cannot be applied."""
    context.instance.add_run_tags(context.run_id, {TENANT_TAG: config.tenant})
    try:
        plan = plan_of_form(cast("InlinePlan", config.plan), plan_type=config.plan_type, seed=config.seed)
        seen = preview_plan(demo.database, demo.settings, config.tenant, plan)
        _refuse_infeasible(seen)
    except DemoError as error:
        raise refusal_failure(error, config.tenant) from None
    for warning in seen.warnings:
        context.log.warning("%s", warning)
    return dg.Output(None, metadata=_metadata(seen))


@dg.job(
    name=JOB,
    tags={KIND_TAG: "preview"},
    config={"ops": {"preview": {"config": {"tenant": EXAMPLE_TENANT, "plan": EXAMPLE_PLAN}}}},
    description="Preview a patch plan: the figures of its months as they are and as they would be, the rows "
    "to make, an estimate of the time. Nothing is written.\n\nThe run fails for a plan that cannot be "
    "applied, with every reason and the nearest plan that can. `apply_patch` takes the same `tenant` and "
    "`plan`.",
)
def preview_patch_job() -> None:
    """From a plan to what it would do."""
    preview()


def _refuse_infeasible(seen: Preview) -> None:
    if seen.feasible:
        return
    message = f"the plan cannot be applied to {seen.tenant}: {'; '.join(map(str, seen.problems))}"
    raise InputError(message, seen.problems, suggestion=seen.suggestion)


def _metadata(seen: Preview) -> dict[str, Any]:
    remarks = "\n".join(f"- {line}" for line in (*closing_lines(seen), *seen.warnings))
    return {
        "figures": dg.MetadataValue.md(markdown(figure_table(seen))),
        "rows": dg.MetadataValue.md("\n\n".join(markdown(table) for table in row_tables(seen))),
        **({} if seen.reconcile is None else {"fingerprint": seen.reconcile.fingerprint}),
        "remarks": dg.MetadataValue.md(remarks),
        "estimated_seconds": seen.estimated_seconds,
        **({} if seen.already_applied is None else {"already_applied_by": str(seen.already_applied)}),
    }
