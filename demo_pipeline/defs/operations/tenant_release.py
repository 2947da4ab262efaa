"""The asset ``tenant_release``: the record that a tenant's month may be shown.

Automation requests it when every check of the month of severity ERROR has passed, and again when a job has
changed the month. A check that does not pass keeps it back. A person can release a month all the same: with a
reason, in the launchpad, which the audit log keeps. What a release is, is in ``services.tenants.release``.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final

import dagster as dg
from pydantic import Field

from demo_pipeline.defs.asset_pages import specs
from demo_pipeline.defs.asset_pages.incarnations import begin_in_run
from demo_pipeline.defs.shared.partitions import (
    EXAMPLE_TENANT,
    TENANT,
    TENANT_MONTHS,
    months_by_tenant,
    partition_key,
)
from demo_pipeline.defs.shared.resources import DemoTenants
from demo_pipeline.defs.shared.run_failures import error_json, refusal_failure
from demo_pipeline.defs.shared.run_tags import KIND_TAG, REQUESTER_TAG, TENANT_TAG
from demo_pipeline.domain.core.errors import DemoError, InputError, Problem
from demo_pipeline.domain.core.months import Month
from demo_pipeline.rendering.table import Column, Table, markdown
from demo_pipeline.services.tenants.release import Releases, months_between, release
from demo_pipeline.storage.ledger.releases import ReleasedMonth

_KIND = "release"
_HAVE_PASSED = dg.AutomationCondition.all_deps_blocking_checks_passed()
#: Its checks pass and it has no release, or it is materialised again. The checks come first: few months
#: of all have passed any, and what follows looks at these alone.
_IS_NEW = (
    _HAVE_PASSED & dg.AutomationCondition.missing()
).newly_true() | dg.AutomationCondition.any_deps_match(dg.AutomationCondition.newly_updated())
#: Also at the tick after its request, which would count as the end of what came with it.
_IS_REQUESTED = _IS_NEW | _IS_NEW.since(dg.AutomationCondition.newly_requested())
#: Every ten minutes also what was requested and not released: its run failed, as a database was away.
_IS_OVERDUE = _IS_NEW.since(dg.AutomationCondition.newly_updated()) & dg.AutomationCondition.cron_tick_passed(
    "*/10 * * * *"
)
_MAY_BE_RELEASED = (
    ~dg.AutomationCondition.any_deps_missing()
    & _HAVE_PASSED
    & ~dg.AutomationCondition.any_deps_in_progress()
    & ~dg.AutomationCondition.in_progress()
)


class ReleaseConfig(dg.Config):
    """Why months are released although a check did not pass."""

    reason: str | None = Field(
        default=None,
        description="Releases the months whatever their checks say. The audit log keeps it. Without a reason "
        "only months are released whose checks of severity ERROR pass.",
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
    automation_condition=((_IS_REQUESTED | _IS_OVERDUE) & _MAY_BE_RELEASED).with_label("checks passed"),
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
    requester = context.run_tags.get(REQUESTER_TAG, "dagster")
    errors: list[dict[str, Any]] = []
    for slug, asked in months.items():
        try:
            done = release(
                demo.database, demo.settings, slug, asked, requested_by=requester, reason=config.reason
            )
        except DemoError as error:
            errors.append(error_json(error, slug))
            continue
        yield from _released(done, asked)
        if done.kept_back:
            errors.append(error_json(done.error, slug))
    if errors:
        raise dg.Failure(
            "; ".join(f"{one['tenant']}: {one['message']}" for one in errors),
            metadata={"errors": dg.MetadataValue.json(errors)},
            allow_retries=False,
        )


class ReleaseTenantConfig(ReleaseConfig):
    """Which months of which tenant to release, and why."""

    tenant: str = Field(description="The demo tenant, by its slug.")
    from_month: str | None = Field(
        default=None, description="The first month to release, as 2025-01. Without: the first loaded one."
    )
    to_month: str | None = Field(
        default=None, description="The last month to release. Without: the last loaded one."
    )


@dg.op(
    out=dg.Out(dg.Nothing),
    description="Release the months whose checks pass, or all of them for a reason, and show them on "
    "`tenant_release`.",
)
def release_each(
    context: dg.OpExecutionContext, config: ReleaseTenantConfig, demo: DemoTenants
) -> Iterator[Any]:
    """The loaded months of one tenant; the run fails if one is kept back."""
    slug = config.tenant
    context.instance.add_run_tags(context.run_id, {TENANT_TAG: slug})
    try:
        first, last = _month("from_month", config.from_month), _month("to_month", config.to_month)
        asked = months_between(demo.database, demo.settings, slug, first, last)
        done = release(
            demo.database,
            demo.settings,
            slug,
            asked,
            requested_by=context.run_tags.get(REQUESTER_TAG, "dagster"),
            reason=config.reason,
        )
    except DemoError as error:
        raise refusal_failure(error, slug) from None
    context.instance.add_dynamic_partitions(TENANT, [slug])
    begin_in_run(context, demo, [slug])
    yield from _released(done, asked)
    if done.kept_back:
        raise refusal_failure(done.error, slug)
    table = markdown(Table(_COLUMNS, [(month, done.months[month]) for month in asked]))
    yield dg.Output(None, metadata={"released": len(done.released), "months": dg.MetadataValue.md(table)})


@dg.job(
    name="release_tenant",
    tags={KIND_TAG: _KIND},
    config={"ops": {"release_each": {"config": {"tenant": EXAMPLE_TENANT}}}},
    description="Release months of a demo tenant: the record that they may be shown. Without `from_month` "
    "and `to_month` all loaded months.\n\nA month that is released and not changed since is left alone. A "
    "month whose checks do not pass is kept back, and the run fails, unless a `reason` is given.",
)
def release_tenant_job() -> None:
    """From loaded months to released ones."""
    release_each()


def _month(field: str, text: str | None) -> Month | None:
    """The month in a field of the form. Raises ``InputError``."""
    try:
        return None if text is None else Month.parse(text)
    except ValueError as error:
        message = f"{field}: {error}"
        raise InputError(message, [Problem(code="bad_month", field=field, message=message)]) from None


def _released(done: Releases, asked: Iterable[Month]) -> Iterator[dg.AssetMaterialization]:
    """The materialisation of each month that was asked for and is released."""
    for month in asked:
        if month in done.months and month not in done.kept_back:
            yield dg.AssetMaterialization(
                specs.TENANT_RELEASE,
                partition=partition_key(done.tenant, month),
                metadata=_metadata(done, month),
            )


def _metadata(done: Releases, month: Month) -> dict[str, Any]:
    record = done.months[month]
    return {
        "released_at": dg.MetadataValue.timestamp(record.released_at),
        "released_by": record.released_by,
        **({"reason": record.reason} if record.reason is not None else {}),
    }


_COLUMNS: Final[tuple[Column[tuple[Month, ReleasedMonth]], ...]] = (
    Column("month", "month", lambda row: str(row[0])),
    Column("released_at", "released", lambda row: f"{row[1].released_at:%Y-%m-%d %H:%M} UTC"),
    Column("released_by", "by", lambda row: row[1].released_by),
    Column("reason", "reason", lambda row: row[1].reason or ""),
)

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
