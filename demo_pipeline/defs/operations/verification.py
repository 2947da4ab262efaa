"""Verification without materialising: the job ``verify_tenants``, its schedule, checks of all tenants.

The job judges each month of each tenant anew, as it is before anything heals it. The checks ``<name>_now`` do
the same for all tenants at once, and their button works: Dagster cannot execute a check of single partitions.
They belong to an asset of their own, ``tenants``, which nothing materialises. A check that belongs to a
materialised asset is planned with each of its runs, and would show as skipped there.

What is examined is in ``services.tenants.verify``.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import dagster as dg
from pydantic import Field

from demo_pipeline.defs.asset_pages.checks import CHECKS, check_events, remedy, severity_of, targets
from demo_pipeline.defs.asset_pages.specs import CODE_VERSION
from demo_pipeline.defs.shared.bulk_event_log import write_pending_events
from demo_pipeline.defs.shared.partitions import TENANT
from demo_pipeline.defs.shared.resources import DemoTenants
from demo_pipeline.defs.shared.run_failures import error_json, refusal_failure
from demo_pipeline.defs.shared.run_tags import KIND_TAG
from demo_pipeline.domain.core.errors import DemoError, InputError
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.core.wording import counted
from demo_pipeline.rendering.table import Column, Table, markdown
from demo_pipeline.services.tenants.queries import list_tenants
from demo_pipeline.services.tenants.verify import Check, Inspection, inspect_each

TENANTS_ASSET: Final = "tenants"
#: rows of a table that a page shows
_MOST_SHOWN: Final = 100

tenants = dg.AssetSpec(
    TENANTS_ASSET,
    group_name="tenant_kpis",
    owners=["team:demo-data"],
    description="All demo tenants, as they are in the database now. Nothing materialises it: it carries the "
    "checks that look at all tenants at once. Open *Checks* and press *Execute all* to verify everything "
    "without changing anything. The job `verify_tenants` shows the same for each month on `kpi_snapshot`.",
    kinds={"postgres"},
    code_version=CODE_VERSION,
)


class VerifyConfig(dg.Config):
    """Which tenants to verify."""

    tenants: list[str] = Field(
        default_factory=list[str], description="Slugs of demo tenants. None: all of them."
    )


@dg.op(
    out=dg.Out(dg.Nothing),
    description="Read each tenant in one snapshot, judge each of its months by every check, and show the "
    "verdicts on `kpi_snapshot`. Changes nothing in the CRM's database.",
)
def verify_each(context: dg.OpExecutionContext, config: VerifyConfig, demo: DemoTenants) -> Iterator[Any]:
    """One tenant after the other; the step fails at its end if a check of severity ERROR did not pass."""
    slugs = _slugs(demo, config.tenants)
    context.instance.add_dynamic_partitions(TENANT, slugs)
    inspected, unreadable = list[Inspection](), list[dict[str, Any]]()
    for now in _inspect_each(demo, slugs, CHECKS.keys(), unreadable):
        inspected.append(now)
        months = sorted(now.expected)
        judged = targets(context.instance, now.tenant, months)
        yield from check_events(now, months, judged, fails_the_step=True)
        # A process that is killed has shown all tenants before this one.
        write_pending_events(context.instance)
        context.log.info("%s: %s", now.tenant, _verdict(now))
    overview = markdown(Table(_COLUMNS, inspected[:_MOST_SHOWN]))
    yield dg.AssetObservation(TENANTS_ASSET, metadata={"tenants": dg.MetadataValue.md(overview)})
    if unreadable:
        raise dg.Failure(
            "; ".join(one["message"] for one in unreadable),
            metadata={"errors": dg.MetadataValue.json(unreadable)},
            allow_retries=False,
        )
    yield dg.Output(None)


@dg.job(
    tags={KIND_TAG: "verify"},
    config={"ops": {"verify_each": {"config": {"tenants": []}}}},
    description="Verify demo tenants as they are, without materialising: every check on every month, shown "
    "on `kpi_snapshot`. The run fails if a check of severity ERROR does not pass. No tenants: all of them.",
)
def verify_tenants() -> None:
    """From rows to verdicts."""
    verify_each()


@dg.schedule(
    job=verify_tenants,
    cron_schedule="30 5 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.STOPPED,
    description="Verifies all tenants every morning, before anybody shows one.",
)
def verify_every_morning() -> dg.RunRequest:
    """One run for all tenants."""
    return dg.RunRequest()


@dg.multi_asset_check(
    name="verify_all_tenants",
    specs=[
        dg.AssetCheckSpec(
            f"{check.value}_now",
            asset=TENANTS_ASSET,
            description=f"Of all tenants, now: {description[0].lower()}{description[1:]}",
        )
        for check, description in CHECKS.items()
    ],
    can_subset=True,
    description="Examine all demo tenants now, by the selected checks.",
)
def all_tenants_now(
    context: dg.AssetCheckExecutionContext, demo: DemoTenants
) -> Iterator[dg.AssetCheckResult]:
    """One verdict of each selected check, with the months that it did not pass for."""
    names = {key.name for key in context.selected_asset_check_keys}
    selected = [check for check in CHECKS if f"{check.value}_now" in names]
    unreadable: list[dict[str, Any]] = []
    inspected = list(_inspect_each(demo, _slugs(demo, ()), selected, unreadable))
    for check in selected:
        bad = [
            _BadMonth(now.tenant, month, "; ".join(one.message for one in found))
            for now in inspected
            for month in sorted(now.expected)
            if (found := now.found_in(month, check))
        ]
        bad += [_BadMonth(one["tenant"], None, one["message"]) for one in unreadable]
        yield dg.AssetCheckResult(
            check_name=f"{check.value}_now",
            passed=not bad,
            severity=severity_of(check),
            description=_summary(bad, inspected),
            metadata={
                "bad": len(bad),
                "tenants": len(inspected) + len(unreadable),
                "months": sum(len(now.expected) for now in inspected),
                **(_bad_metadata(check, bad) if bad else {}),
            },
        )


@dataclass(frozen=True)
class _BadMonth:
    """A month of a tenant that a check did not pass for; None: the tenant cannot be read."""

    tenant: str
    month: Month | None
    message: str


def _slugs(demo: DemoTenants, asked: Sequence[str]) -> list[str]:
    """The slugs that were asked for, or all. Fails the run for one that is no demo tenant."""
    there = [tenant.slug for tenant in list_tenants(demo.database)]
    if unknown := sorted(set(asked) - set(there)):
        error = InputError(f"no demo tenants: {', '.join(unknown)}; there are: {', '.join(there) or 'none'}")
        raise refusal_failure(error, None)
    return sorted(set(asked)) or there


def _inspect_each(
    demo: DemoTenants, slugs: Sequence[str], checks: Collection[Check], unreadable: list[dict[str, Any]]
) -> Iterator[Inspection]:
    """Examine the tenants; those that cannot be read are added to ``unreadable``."""

    def on_unreadable(slug: str, error: DemoError) -> None:
        unreadable.append(error_json(error, slug))

    return inspect_each(demo.database, demo.settings, slugs, checks, on_unreadable=on_unreadable)


def _verdict(now: Inspection) -> str:
    bad = {check.value for check in CHECKS for month in now.expected if now.found_in(month, check)}
    return f"not passed: {', '.join(sorted(bad))}" if bad else "every check passed"


def _summary(bad: Sequence[_BadMonth], inspected: Sequence[Inspection]) -> str:
    if not bad:
        return f"{counted(len(inspected), 'tenant')} examined"
    tenants_count = len({one.tenant for one in bad})
    return f"{counted(len(bad), 'month')} of {counted(tenants_count, 'tenant')}"


def _bad_metadata(check: Check, bad: Sequence[_BadMonth]) -> dict[str, Any]:
    slugs = sorted({one.tenant for one in bad})
    return {
        "bad_months": dg.MetadataValue.md(markdown(Table(_BAD_COLUMNS, bad[:_MOST_SHOWN]))),
        "what_to_do": dg.MetadataValue.md(
            "\n".join(f"- {remedy(check, slug)}" for slug in slugs[:_MOST_SHOWN])
        ),
    }


_BAD_COLUMNS: Final[tuple[Column[_BadMonth], ...]] = (
    Column("tenant", "tenant", lambda one: one.tenant),
    Column("month", "month", lambda one: str(one.month or "all")),
    Column("message", "what is wrong", lambda one: one.message),
)
_COLUMNS: Final[tuple[Column[Inspection], ...]] = (
    Column("tenant", "tenant", lambda one: one.tenant),
    Column("months", "months", lambda one: len(one.expected), is_number=True),
    Column("verdict", "verdict", _verdict),
)
