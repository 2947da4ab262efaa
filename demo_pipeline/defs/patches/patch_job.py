"""The job that applies a patch plan: from the launchpad, or a file of a tenant's inbox.

One op, since a job of ours is one transaction. What a plan may say and what becomes of it is the services';
what the pages show of it is in ``asset_pages.job_events``.
"""

from collections.abc import Iterator
from typing import Any, Final, cast

import dagster as dg
from pydantic import Field

from demo_pipeline.defs.asset_pages.events import refusal_events
from demo_pipeline.defs.asset_pages.job_ops import caller_of, job_events, job_metadata, retry_of
from demo_pipeline.defs.patches.plan_form import EXAMPLE_PLAN, InlinePlan, plan_of_form
from demo_pipeline.defs.shared.interrupts import interrupts_end_the_job
from demo_pipeline.defs.shared.partitions import EXAMPLE_TENANT
from demo_pipeline.defs.shared.resources import DemoTenants
from demo_pipeline.defs.shared.run_failures import refusal_failure
from demo_pipeline.defs.shared.run_tags import INBOX_TAG, KIND_TAG, STUCK_TAG, TenantTags
from demo_pipeline.defs.shared.tenant_loads import LoadRequest, Refused
from demo_pipeline.domain.core.errors import (
    DemoError,
    InputError,
    InterruptedJobError,
    NotFoundError,
    Problem,
    VerificationError,
)
from demo_pipeline.domain.core.job_kinds import JobKind
from demo_pipeline.domain.core.months import Month
from demo_pipeline.services.inbox.apply import HINDRANCE, Handled, apply_inbox_file
from demo_pipeline.services.inbox.folder import End
from demo_pipeline.services.patches.patch import apply_patch
from demo_pipeline.services.tenants import queries
from demo_pipeline.services.tenants.verify import inspect

JOB: Final = "apply_patch"


class PatchConfig(dg.Config):
    """What to apply, and to whom: `plan` or `inbox_file`, one of the two."""

    tenant: str = Field(description="The demo tenant, by its slug.")
    plan: InlinePlan | None = Field(
        default=None,
        description="The plan itself, as in a JSON plan file. Leave it out where inbox_file is given.",
    )
    inbox_file: str | None = Field(
        default=None,
        description="A file in the tenant's inbox ($DEMO_HOME/inbox/<tenant>), its name alone: .csv, .xlsx, "
        ".json or .yaml. It is moved to done/ or refused/ there, with a report. Leave it out where plan is "
        "given.",
    )
    plan_type: str | None = Field(
        default=None,
        description="`deltas` or `targets`; counts before what the plan itself says.",
    )
    seed: str | None = Field(
        default=None,
        description="Any text; counts before the plan's own seed. Without both the tenant's seed is taken.",
    )
    sheet: str | None = Field(
        default=None,
        description="The sheet of a workbook in inbox_file; the first visible one without it.",
    )
    again: bool = Field(
        default=False,
        description="Apply it once more although the same plan was applied before. Without it the second "
        "time changes nothing.",
    )


#: What the launchpad begins with: it can be launched as it is where the bundled tenants are.
EXAMPLE: Final[dict[str, Any]] = {
    "ops": {
        "patch": {
            "config": {
                "tenant": EXAMPLE_TENANT,
                "plan": EXAMPLE_PLAN,
                "again": False,
            }
        }
    }
}


@dg.op(
    out=dg.Out(dg.Nothing),
    description="Validate the plan, then in one transaction generate, load, verify and commit; then show the "
    "months that it touched.",
)
def patch(context: dg.OpExecutionContext, config: PatchConfig, demo: DemoTenants) -> Iterator[Any]:
    """One plan of one tenant."""
    tags = TenantTags(context, demo, [config.tenant])
    try:
        with interrupts_end_the_job():
            handled = _apply(context, config, demo, tags)
    except InterruptedJobError:
        raise
    except DemoError as error:
        if _has_gone(context, error):
            context.log.info("%s has been dealt with by another run", config.inbox_file)
            yield dg.Output(None)
            return
        if not isinstance(error, InputError):
            tags.add_open_job(config.tenant)
        if retry := retry_of(context, demo, error):
            raise retry from None
        if isinstance(error, VerificationError):
            yield from _verdicts(context, config.tenant, demo, error)
        if HINDRANCE in error.details:
            _mark_stuck(context, "refused")
        raise refusal_failure(error, config.tenant) from None
    report = handled.report
    tags.add_report(report)
    if report.already_applied:
        context.log.info("this plan was applied before, by job %s; nothing was changed", report.job_id)
    yield from job_events(context, demo, report)
    if handled.hindrance:
        _mark_stuck(context, "done")
        raise dg.Failure(
            f"job {report.job_id} is completed, but {handled.hindrance}",
            metadata={"job_id": str(report.job_id)},
            allow_retries=False,
        )
    yield dg.Output(
        None,
        metadata={**job_metadata(report), **({"file": handled.place} if handled.place else {})},
    )


@dg.job(
    name=JOB,
    tags={KIND_TAG: JobKind.PATCH.value},
    config=EXAMPLE,
    description="Apply a patch plan to a demo tenant: exactly, once, all of it or nothing.\n\n"
    "The launchpad begins with a plan for `larkmoor` that can be launched as it is; put your tenant, months "
    "and figures in its place, or name an `inbox_file`. A plan that cannot be is refused before anything is "
    "written, and the run says what is wrong with each figure and which plan would work. A plan that was "
    "applied before changes nothing, unless `again` is set.",
)
def apply_patch_job() -> None:
    """From a plan to committed rows."""
    patch()


def _apply(
    context: dg.OpExecutionContext, config: PatchConfig, demo: DemoTenants, tags: TenantTags
) -> Handled:
    caller = caller_of(context, tags, config.tenant)
    if (config.plan is None) == (config.inbox_file is None):
        given = "neither" if config.plan is None else "both"
        message = f"{given} of plan and inbox_file is given; give one of the two"
        raise InputError(message, [Problem(code="one_of_two", field="plan, inbox_file", message=message)])
    if config.inbox_file is not None:
        return apply_inbox_file(
            demo.database,
            demo.settings,
            config.tenant,
            config.inbox_file,
            again=config.again,
            plan_type=config.plan_type,
            seed=config.seed,
            sheet=config.sheet,
            caller=caller,
        )
    plan = plan_of_form(cast("InlinePlan", config.plan), plan_type=config.plan_type, seed=config.seed)
    report = apply_patch(demo.database, demo.settings, config.tenant, plan, again=config.again, caller=caller)
    return Handled(report=report, place=None)


def _mark_stuck(context: dg.OpExecutionContext, end: End) -> None:
    """The run's file has been dealt with, and stays where it is: no other run is to deal with it again."""
    context.instance.add_run_tags(context.run_id, {STUCK_TAG: end})


def _has_gone(context: dg.OpExecutionContext, error: DemoError) -> bool:
    """Whether the sensor's file is not there any more: two runs were asked for it, and one was earlier."""
    return (
        isinstance(error, NotFoundError) and "inbox_file" in error.details and INBOX_TAG in context.run_tags
    )


def _verdicts(
    context: dg.OpExecutionContext, tenant: str, demo: DemoTenants, error: VerificationError
) -> Iterator[dg.AssetCheckEvaluation]:
    """A failed verdict on each month that was not as it was to be, of a job that was rolled back."""
    months = sorted({Month.parse(one["month"]) for one in error.details.get("mismatches", ())})
    request = LoadRequest(tenant=tenant, months=tuple(months))
    kpis = queries.kpis(demo.database, demo.settings, tenant)
    now = inspect(demo.database, demo.settings, tenant)
    return refusal_events(context.instance, Refused(request=request, error=error), kpis, now)
