"""The assets: four tables and their KPIs, one graph, since one transaction makes them all.

validate → snapshot → load → snapshot → verify. ``load`` is where a job begins and ends: it generates, loads,
takes the binding snapshots, verifies and commits, because a transaction cannot span ops. The ops around it
are for the pages. Logic is in ``services``; what an event looks like in ``asset_pages.events``.
"""

from collections.abc import Iterator
from typing import Any, Final

import dagster as dg

from demo_pipeline.defs.asset_pages import specs
from demo_pipeline.defs.asset_pages.checks import check_specs
from demo_pipeline.defs.asset_pages.events import (
    refusal_events,
    table_events,
    verdict_events,
)
from demo_pipeline.defs.asset_pages.incarnations import begin_in_run
from demo_pipeline.defs.shared.bulk_event_log import write_pending_events
from demo_pipeline.defs.shared.instance_storage import forget_planned
from demo_pipeline.defs.shared.interrupts import interrupts_end_the_job
from demo_pipeline.defs.shared.partitions import TENANT_MONTHS, months_by_tenant, partition_key
from demo_pipeline.defs.shared.resources import DemoTenants
from demo_pipeline.defs.shared.run_failures import failure_of
from demo_pipeline.defs.shared.run_tags import KIND_TAG, REQUESTER_TAG, TenantTags
from demo_pipeline.defs.shared.tenant_loads import Loaded, LoadRequest, Refused, load_each, split_months
from demo_pipeline.domain.core.errors import DemoError
from demo_pipeline.domain.core.job_kinds import JobKind
from demo_pipeline.services.jobs.report import JobReport
from demo_pipeline.services.jobs.steps import JobCaller
from demo_pipeline.services.months.materialise import materialise
from demo_pipeline.services.tenants import queries
from demo_pipeline.services.tenants.queries import KpiTable
from demo_pipeline.services.tenants.verify import Inspection, inspect

_MARK: Final = dg.Out(dg.Nothing, is_required=False)
_CHECKS: Final = tuple(check_specs())


@dg.op
def validate(context: dg.OpExecutionContext, demo: DemoTenants) -> list[LoadRequest]:
    """Group the run's partitions by tenant: each tenant is one job, whatever runs Dagster makes.

    A month that can have no rows of its tenant is left out, with the reason in the log. Pages do not show it.
    """
    context.instance.add_run_tags(context.run_id, {KIND_TAG: JobKind.MATERIALISE.value})
    requests = [
        LoadRequest(tenant=tenant, months=months)
        for tenant, months in months_by_tenant(context.partition_keys).items()
    ]
    possible, impossible = list[LoadRequest](), list[str]()
    for request in requests:
        months, left_out = split_months(demo.database, demo.settings, request)
        for month, reason in left_out.items():
            context.log.info("%s, %s: left out, since it is %s", request.tenant, month, reason)
            impossible.append(str(partition_key(request.tenant, month)))
        if months:
            possible.append(LoadRequest(tenant=request.tenant, months=months))
    if impossible:
        forget_planned(context.instance, map(dg.AssetKey, specs.ASSETS), impossible)
    context.log.info("asked for: %s", "; ".join(map(str, possible)) or "nothing")
    return possible


@dg.op
def snapshot_before(
    context: dg.OpExecutionContext, demo: DemoTenants, requests: list[LoadRequest]
) -> list[LoadRequest]:
    """Say what is there before; the snapshot that binds is taken inside the transaction."""
    for request in requests:
        now = _kpis_now(demo, request)
        if now is None:
            context.log.warning("%s: cannot be read", request)  # load says why, and audits it
            continue
        filled = sum(1 for month in request.months if now.months.get(month))
        context.log.info("%s: %s of %s months have rows", request, filled, len(request.months))
    return requests


@dg.op(out={**dict.fromkeys(specs.TABLES, _MARK), "loads": dg.Out(list[Loaded])})
def load(context: dg.OpExecutionContext, demo: DemoTenants, requests: list[LoadRequest]) -> Iterator[Any]:
    """One job and one transaction per tenant: generate, load, verify, commit."""
    loads, refusals = list[Loaded](), list[Refused]()
    tags = TenantTags(context, demo, [request.tenant for request in requests])
    with interrupts_end_the_job():
        for result in load_each(requests, lambda request: _load(context, demo, request, tags)):
            begin_in_run(context, demo, [result.request.tenant])
            if isinstance(result, Refused):
                tags.add_open_job(result.request.tenant)
                refusals.append(result)
                yield from refusal_events(
                    context.instance,
                    result,
                    _kpis_now(demo, result.request),
                    _inspected(demo, result.request),
                )
            else:
                tags.add_report(result.report)
                loads.append(result)
                now = queries.kpis(demo.database, demo.settings, result.request.tenant)
                yield from table_events(result, now.months)
            # The pages show a tenant as soon as it is committed, whatever becomes of those after it.
            write_pending_events(context.instance)
    if refusals:
        # No further op runs: those that are committed get their verdicts here.
        for loaded in loads:
            now = inspect(demo.database, demo.settings, loaded.request.tenant)
            yield from verdict_events(context.instance, loaded, now)
        raise failure_of(refusals)
    yield dg.Output(loads, "loads")


@dg.op
def snapshot_after(demo: DemoTenants, loads: list[Loaded]) -> list[Inspection]:
    """Read what is there now, after the commits."""
    return [inspect(demo.database, demo.settings, loaded.request.tenant) for loaded in loads]


@dg.op(out={specs.KPI_SNAPSHOT: _MARK, **{spec.get_python_identifier(): _MARK for spec in _CHECKS}})
def verify(
    context: dg.OpExecutionContext, loads: list[Loaded], inspections: list[Inspection]
) -> Iterator[Any]:
    """Compare what is there with what is expected, and show both."""
    for loaded, now in zip(loads, inspections, strict=True):
        yield from verdict_events(context.instance, loaded, now)
        write_pending_events(context.instance)


@dg.graph(
    out={name: dg.GraphOut() for name in (*specs.ASSETS, *(s.get_python_identifier() for s in _CHECKS))}
)
def tenant_months() -> dict[str, Any]:
    """From selected partitions to committed rows and verdicts on them."""
    tables = load(snapshot_before(validate()))
    verdicts = verify(tables.loads, snapshot_after(tables.loads))
    return {
        **{name: getattr(tables, name) for name in specs.TABLES},
        **{name: getattr(verdicts, name) for name in verdicts._fields},
    }


tenant_assets = dg.AssetsDefinition.from_graph(
    tenant_months,
    partitions_def=TENANT_MONTHS,
    internal_asset_deps={
        name: {dg.AssetKey(parent) for parent in parents} for name, parents in specs.DEPENDENCIES.items()
    },
    group_names_by_output_name=dict(specs.GROUPS),
    descriptions_by_output_name=specs.DESCRIPTIONS,
    metadata_by_output_name={name: specs.definition_metadata(name) for name in specs.ASSETS},
    tags_by_output_name=dict.fromkeys(specs.ASSETS, specs.TAGS),
    owners_by_output_name={name: list(specs.OWNERS) for name in specs.ASSETS},
    code_versions_by_output_name=dict.fromkeys(specs.ASSETS, specs.CODE_VERSION),
    check_specs=_CHECKS,
    # A run takes any set of partitions; a backfill may put all of them into one.
    backfill_policy=dg.BackfillPolicy.single_run(),
)

materialise_tenants = dg.define_asset_job(
    "materialise_tenants",
    selection=dg.AssetSelection.assets(*specs.ASSETS),
    tags={KIND_TAG: JobKind.MATERIALISE.value},
    description="Bring the selected months of the selected tenants to what their blueprints say. Any set of "
    "partitions will do: each tenant is one transaction, and a month that is right is left alone.",
)


def _load(
    context: dg.OpExecutionContext, demo: DemoTenants, request: LoadRequest, tags: TenantTags
) -> JobReport:
    context.log.info("%s: begins", request)

    def on_progress(percent: int, step: str) -> None:
        tags.add_open_job(request.tenant)
        context.log.debug("%s: %s %%, %s", request, percent, step)

    report = materialise(
        demo.database,
        demo.settings,
        request.tenant,
        request.first,
        request.last,
        with_gaps=True,
        caller=JobCaller(
            on_progress=on_progress,
            dagster_run_id=context.run_id,
            requested_by=context.run_tags.get(REQUESTER_TAG, "dagster"),
        ),
    )
    made = ", ".join(f"{count:,} {table}" for table, count in report.created.items() if count)
    context.log.info("%s: %s, %.2f s", request, made or "already as expected", report.seconds)
    return report


def _kpis_now(demo: DemoTenants, request: LoadRequest) -> KpiTable | None:
    """What is in the database now; None where the tenant is none of ours, or cannot be read."""
    try:
        return queries.kpis(demo.database, demo.settings, request.tenant, request.first, request.last)
    except DemoError:
        return None


def _inspected(demo: DemoTenants, request: LoadRequest) -> Inspection | None:
    try:
        return inspect(demo.database, demo.settings, request.tenant)
    except DemoError:
        return None
