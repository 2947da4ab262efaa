"""The checks on a tenant's months: their specs, and their verdicts as events.

``kpis_match_plan`` is the gate: the job judges it inside its transaction. The others judge what is in the
database, at any time and without changing anything. What they look at is in ``services.tenants.verify``.

Each verdict names the materialisation that it judged. Without it Dagster takes the verdict for one of an
earlier materialisation, shows the check as missing, and never lets follow what waits for it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Final, TypeAlias

import dagster as dg

# Not public, though the event has a field for it.
from dagster._core.definitions.asset_checks.asset_check_evaluation import (  # noqa: TID251 - see above
    AssetCheckEvaluationTargetMaterializationData,
)

from demo_pipeline.defs.asset_pages.kpi_tables import drift_markdown
from demo_pipeline.defs.asset_pages.specs import KPI_SNAPSHOT
from demo_pipeline.defs.shared.bulk_event_log import write_pending_events
from demo_pipeline.defs.shared.partitions import TENANT_MONTHS, partition_key
from demo_pipeline.domain.core.months import Month
from demo_pipeline.rendering.table import Column, Table, escaped, markdown
from demo_pipeline.services.tenants.cures import Cure, cures
from demo_pipeline.services.tenants.verify import WARNINGS, Check, Finding, Inspection

KPI_KEY: Final = dg.AssetKey(KPI_SNAPSHOT)
KPIS_MATCH_PLAN: Final = "kpis_match_plan"
#: partition key → the materialisation that a verdict is about; absent: there is none
Targets: TypeAlias = Mapping[str, AssetCheckEvaluationTargetMaterializationData]
#: rows that are listed of each finding
_MOST_LISTED: Final = 5


#: check → what is true where it passes
CHECKS: Final[Mapping[Check, str]] = {
    Check.MISSING: (
        "The month has at least the rows that jobs recorded for it, and all that the blueprint made."
    ),
    Check.REFERENCES: ("Every reference of the tenant's rows leads to a row that exists."),
    Check.LIFE_CYCLES: (
        "Company before contact before deal before activity; closed deals and only those have a closing "
        "date; nothing lies in the future. What people changed is not judged."
    ),
    Check.DUPLICATES: "No generated row equals another one in everything but its id.",
    Check.PROVENANCE: (
        "Every generated row names its month and a completed job, so that the job can be undone."
    ),
    Check.DISCLOSURE: (
        "Nothing that the CRM's reader can see shows that the tenant is a demo: no word, no distribution, no "
        "name in the catalogue. Judged for the whole tenant."
    ),
    Check.DRIFT: (
        "All eight KPIs are as expected. People may add and change rows of their own: then they differ, "
        "which is a warning and never a failure."
    ),
    Check.FRESHNESS: (
        "Something has happened at the tenant of late: no more of its working time than three mean gaps "
        "between its activities, and than an hour, has passed since the last one. Judged for its last month; "
        "closed tenants are fresh."
    ),
}
_GATE: Final = (
    "Every KPI moved by exactly what the plan asked, seen from inside the transaction. Where it did not, all "
    "was rolled back and the partition stays unmaterialised."
)


def check_specs() -> list[dg.AssetCheckSpec]:
    """The gate and the checks; each is judged for each partition by itself."""
    gate = dg.AssetCheckSpec(
        KPIS_MATCH_PLAN, asset=KPI_SNAPSHOT, blocking=True, partitions_def=TENANT_MONTHS, description=_GATE
    )
    return [
        gate,
        *(
            dg.AssetCheckSpec(
                check.value,
                asset=KPI_SNAPSHOT,
                blocking=check not in WARNINGS,
                partitions_def=TENANT_MONTHS,
                description=description,
            )
            for check, description in CHECKS.items()
        ),
    ]


def severity_of(check: Check) -> dg.AssetCheckSeverity:
    """ERROR keeps back what follows, WARN does not."""
    return dg.AssetCheckSeverity.WARN if check in WARNINGS else dg.AssetCheckSeverity.ERROR


def targets(instance: dg.DagsterInstance, slug: str, months: Iterable[Month]) -> Targets:
    """The latest materialisation of each month's KPIs, including those that wait to be written."""
    keys = {str(partition_key(slug, month)) for month in months}
    write_pending_events(instance)
    latest = instance.get_latest_storage_id_by_partition(
        KPI_KEY, dg.DagsterEventType.ASSET_MATERIALIZATION, keys
    )
    if not latest:
        return {}
    found = instance.fetch_materializations(
        dg.AssetRecordsFilter(KPI_KEY, storage_ids=sorted(latest.values())), limit=len(latest)
    )
    return {
        str(record.partition_key): AssetCheckEvaluationTargetMaterializationData(
            storage_id=record.storage_id, run_id=record.run_id, timestamp=record.timestamp
        )
        for record in found.records
    }


def gate_passed(slug: str, months: Iterable[Month], of: Targets) -> Iterator[dg.AssetCheckEvaluation]:
    """The verdict of a job that was committed, on each of its months."""
    for month in months:
        yield _evaluation(
            KPIS_MATCH_PLAN,
            partition_key(slug, month),
            of,
            passed=True,
            is_blocking=True,
            description="all eight KPIs moved by exactly what the plan asked",
        )


def gate_failed(
    slug: str, month: Month, of: Targets, description: str, metadata: Mapping[str, Any]
) -> dg.AssetCheckEvaluation:
    """The verdict of a job that was rolled back, on one of its months."""
    return _evaluation(
        KPIS_MATCH_PLAN,
        partition_key(slug, month),
        of,
        passed=False,
        is_blocking=True,
        description=description,
        metadata=metadata,
    )


def check_events(
    now: Inspection,
    months: Iterable[Month],
    of: Targets,
    checks: Collection[Check] = CHECKS.keys(),
    *,
    fails_the_step: bool = False,
) -> Iterator[dg.AssetCheckEvaluation]:
    """The verdicts of the checks on each month, from what is in the database.

    ``fails_the_step``: the step that yields them fails if one of severity ERROR does not pass.
    """
    for month in months:
        for check in checks:
            found = now.found_in(month, check)
            yield _evaluation(
                check.value,
                partition_key(now.tenant, month),
                of,
                passed=not found,
                severity=severity_of(check),
                is_blocking=fails_the_step and check not in WARNINGS,
                description="; ".join(one.message for one in found) or None,
                metadata=_shown(now, month, check, found) if found else {},
            )


def what_to_do(slug: str, findings: Iterable[Finding]) -> str:
    """What to do about findings of a tenant, in Markdown: a line each, in the order in which it is done."""
    return "\n".join(f"- {_cure_text(cure, is_markdown=True)}" for cure in cures(slug, findings))


def _cure_text(cure: Cure, *, is_markdown: bool) -> str:
    tick = "`" if is_markdown else ""
    text = escaped(cure.remedy) if is_markdown else cure.remedy
    if cure.command is not None:
        text += f": {tick}{cure.command}{tick}"
        if cure.command.endswith(" --yes"):
            text += f", which shows the rows and does nothing without {tick}--yes{tick}"
    return text


def _evaluation(
    name: str,
    key: str,
    of: Targets,
    *,
    passed: bool,
    is_blocking: bool,
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR,
    description: str | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> dg.AssetCheckEvaluation:
    return dg.AssetCheckEvaluation(
        KPI_KEY,
        name,
        passed=passed,
        severity=severity,
        blocking=is_blocking,
        partition=key,
        target_materialization_data=of.get(str(key)),
        description=description,
        metadata=metadata or {},
    )


def _shown(now: Inspection, month: Month, check: Check, found: Collection[Finding]) -> dict[str, Any]:
    """Expected and found, some of the rows, and what to do."""
    messages = [one.message for one in found]
    cure, *others = cures(now.tenant, found)
    # What is one line is plain text: the page shows it at once, and Markdown behind a link.
    shown: dict[str, Any] = {
        "expected": CHECKS[check],
        "found": messages[0]
        if len(messages) == 1
        else dg.MetadataValue.md("\n".join(f"- {message}" for message in messages)),
        "what_to_do": dg.MetadataValue.md(what_to_do(now.tenant, found))
        if others
        else _cure_text(cure, is_markdown=False),
    }
    if check is Check.DRIFT:
        shown["kpis"] = dg.MetadataValue.md(
            drift_markdown(now.currency, str(month), now.expected.at(month), now.figures.at(month))
        )
    rows = [(one.table or "", row) for one in found for row in one.ids[:_MOST_LISTED]]
    if rows:
        shown["row_count"] = sum(len(one.ids) for one in found)
        shown["rows"] = dg.MetadataValue.md(markdown(Table(_ROW_COLUMNS, rows)))
    return shown


_ROW_COLUMNS: Final[tuple[Column[tuple[str, Any]], ...]] = (
    Column("table", "table", lambda row: row[0]),
    Column("id", "id", lambda row: str(row[1])),
)
