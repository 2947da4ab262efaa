"""Verification without materialising: the job ``verify_tenants``, its schedule, checks of all tenants.

The job judges each month of each tenant anew, as it is before anything heals it. The checks ``<name>_now`` do
the same for all tenants at once, and their button works: Dagster cannot execute a check of single partitions.
They belong to an asset of their own, ``tenants``, which nothing materialises. A check that belongs to a
materialised asset is planned with each of its runs, and would show as skipped there.

What is examined is in ``services.tenants.verify``.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import dagster as dg

from demo_pipeline.defs.asset_pages.checks import CHECKS, check_events, severity_of, targets, what_to_do
from demo_pipeline.defs.asset_pages.specs import CODE_VERSION
from demo_pipeline.defs.shared.bulk_event_log import write_pending_events
from demo_pipeline.defs.shared.partitions import TENANT
from demo_pipeline.defs.shared.resources import DemoTenants
from demo_pipeline.defs.shared.run_failures import error_json
from demo_pipeline.defs.shared.run_tags import KIND_TAG
from demo_pipeline.defs.shared.tenant_selection import TenantSelection, selected_slugs
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.core.wording import counted
from demo_pipeline.rendering.table import Column, Table, markdown
from demo_pipeline.services.tenants.verify import (
    PAGE_CHECKS,
    Check,
    Finding,
    Inspection,
    UnreadableTenant,
    inspect_each,
)

TENANTS_ASSET: Final = "tenants"
#: checks that read the tables of all tenants, and so have no verdict on single months
_OF_ALL_TENANTS: Final[Mapping[Check, str]] = {
    Check.PLACES: "No row of a demo tenant's job lies in another tenant, a customer's included."
}
#: rows of a table that a page shows
_MOST_SHOWN: Final = 100
#: months that a verdict names in its description, which is read first
_MOST_NAMED: Final = 3

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


def _name(check: Check) -> str:
    """The name of the check of all tenants."""
    return f"{check.value}_now"


@dg.op(
    out=dg.Out(dg.Nothing),
    description="Read each tenant in one snapshot, judge each of its months by every check, and show the "
    "verdicts on `kpi_snapshot`. Changes nothing in the CRM's database.",
)
def verify_each(context: dg.OpExecutionContext, config: TenantSelection, demo: DemoTenants) -> Iterator[Any]:
    """One tenant after the other; the step fails at its end if a check of severity ERROR did not pass."""
    slugs = selected_slugs(demo, config.tenants)
    context.instance.add_dynamic_partitions(TENANT, slugs)
    inspected, unreadable = list[Inspection](), list[UnreadableTenant]()
    for now in inspect_each(demo.database, demo.settings, slugs, PAGE_CHECKS | _OF_ALL_TENANTS.keys()):
        if isinstance(now, UnreadableTenant):
            unreadable.append(now)
            continue
        inspected.append(now)
        months = sorted(now.expected)
        judged = targets(context.instance, now.tenant, months)
        yield from check_events(now, months, judged, fails_the_step=True)
        # A process that is killed has shown all tenants before this one.
        write_pending_events(context.instance)
        context.log.info("%s: %s", now.tenant, _verdict(now))
    # With some tenants selected it is not known of the others.
    for check in () if config.tenants else _OF_ALL_TENANTS:
        verdict = _verdict_now(check, [*inspected, *unreadable])
        yield dg.AssetCheckEvaluation(dg.AssetKey(TENANTS_ASSET), _name(check), blocking=True, **verdict)
    overview = markdown(Table(_COLUMNS, inspected[:_MOST_SHOWN]))
    yield dg.AssetObservation(TENANTS_ASSET, metadata={"tenants": dg.MetadataValue.md(overview)})
    if unreadable:
        raise dg.Failure(
            "; ".join(one.error.message for one in unreadable),
            metadata={
                "errors": dg.MetadataValue.json([error_json(one.error, one.tenant) for one in unreadable])
            },
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
    description="Verifies all tenants every morning, before the working day.",
)
def verify_every_morning() -> dg.RunRequest:
    """One run for all tenants."""
    return dg.RunRequest()


@dg.multi_asset_check(
    name="verify_all_tenants",
    specs=[
        dg.AssetCheckSpec(
            _name(check),
            asset=TENANTS_ASSET,
            description=f"Of all tenants, now: {description[0].lower()}{description[1:]}",
        )
        for check, description in {**CHECKS, **_OF_ALL_TENANTS}.items()
    ],
    can_subset=True,
    description="Examine all demo tenants now, by the selected checks.",
)
def all_tenants_now(
    context: dg.AssetCheckExecutionContext, demo: DemoTenants
) -> Iterator[dg.AssetCheckResult]:
    """One verdict of each selected check, with the months that it did not pass for."""
    names = {key.name for key in context.selected_asset_check_keys}
    selected = [check for check in (*CHECKS, *_OF_ALL_TENANTS) if _name(check) in names]
    examined = list(inspect_each(demo.database, demo.settings, None, selected))
    for check in selected:
        yield dg.AssetCheckResult(check_name=_name(check), **_verdict_now(check, examined))


def _verdict_now(check: Check, examined: Sequence[Inspection | UnreadableTenant]) -> dict[str, Any]:
    """The verdict of a check on tenants: the arguments that Dagster's results and evaluations share."""
    bad = [one for now in examined for one in _bad_months(now, check)]
    return {
        "passed": not bad,
        "severity": severity_of(check),
        "description": _summary(bad, len(examined)),
        "metadata": {
            "bad": len(bad),
            "tenants": len(examined),
            "months": sum(len(now.expected) for now in examined if isinstance(now, Inspection)),
            **(_bad_metadata(bad) if bad else {}),
        },
    }


@dataclass(frozen=True)
class _BadMonth:
    """A month of a tenant that a check did not pass for; None: it concerns no single month."""

    tenant: str
    month: Month | None
    findings: Sequence[Finding]

    @property
    def message(self) -> str:
        return "; ".join(one.message for one in self.findings)


def _verdict(now: Inspection) -> str:
    bad = {check.value for check in CHECKS for month in now.expected if now.found_in(month, check)}
    return f"not passed: {', '.join(sorted(bad))}" if bad else "every check passed"


def _bad_months(now: Inspection | UnreadableTenant, check: Check) -> Iterator[_BadMonth]:
    if isinstance(now, UnreadableTenant):
        yield _BadMonth(now.tenant, None, now.verdict.findings)
    elif check in _OF_ALL_TENANTS:
        for one in now.verdict.findings:
            if one.check is check:
                yield _BadMonth(now.tenant, None, [one])
    else:
        for month in sorted(now.expected):
            if found := now.found_in(month, check):
                yield _BadMonth(now.tenant, month, found)


def _summary(bad: Sequence[_BadMonth], tenant_count: int) -> str:
    if not bad:
        return f"{counted(tenant_count, 'tenant')} examined"
    of = counted(len({one.tenant for one in bad}), "tenant")
    months = [one for one in bad if one.month is not None]
    count = f"{counted(len(months), 'month')} of {of}" if months else of
    named = [f"{one.tenant}: {one.message}" for one in bad[:_MOST_NAMED]]
    more = ["..."] if len(bad) > _MOST_NAMED else []
    return "; ".join([count, *named, *more])


def _bad_metadata(bad: Sequence[_BadMonth]) -> dict[str, Any]:
    findings: dict[str, list[Finding]] = {}
    for one in bad:
        findings.setdefault(one.tenant, []).extend(one.findings)
    return {
        "bad_months": dg.MetadataValue.md(markdown(Table(_BAD_COLUMNS, bad[:_MOST_SHOWN]))),
        "what_to_do": dg.MetadataValue.md(
            "\n".join(what_to_do(slug, findings[slug]) for slug in sorted(findings)[:_MOST_SHOWN])
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
