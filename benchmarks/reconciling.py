"""Plans that lower figures, measured in a process of their own; a task of ``benchmarks.work``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from benchmarks.process import timed
from benchmarks.tenants import LAST_MONTH
from demo_pipeline.domain.core.figures import Figures, figure_amount
from demo_pipeline.domain.patch_plan.plan import MonthRequest, PatchPlan, PlanMode, PlanType
from demo_pipeline.services.patches.patch import apply_patch
from demo_pipeline.services.patches.preview import preview
from demo_pipeline.services.patches.undo import undo_job
from demo_pipeline.services.tenants.queries import kpis
from demo_pipeline.settings import load_settings
from demo_pipeline.storage.connection.database import open_database

#: by how much the figures of a month fall; values by a tenth
_LOWERED: Final[Mapping[str, int]] = {
    "leads_created": 20,
    "contacts_created": 30,
    "companies_created": 5,
    "deals_created": 10,
    "closed_won_count": 3,
    "activities_created": 200,
}


def reconcile(*, slug: str, repeats: int) -> dict[str, Any]:
    """Preview a plan that lowers all figures of the newest month, apply it, take it back, again and again.

    The first round is not counted.
    """
    settings = load_settings()
    seconds: dict[str, list[float]] = {"preview": [], "job": [], "undo": []}
    rows: set[tuple[int, int]] = set()
    with open_database(settings).pooled() as database:
        shown = kpis(database, settings, slug)
        plan = _plan(shown.months[LAST_MONTH], shown.currency)
        for _ in range(repeats + 1):
            with timed() as clock:
                seen = preview(database, settings, slug, plan)
            seconds["preview"].append(clock.wall)
            if not seen.feasible:
                raise RuntimeError(f"{slug}: {seen.problems}")
            with timed() as clock:
                report = apply_patch(database, settings, slug, plan, again=True, is_confirmed=True)
            seconds["job"].append(clock.wall)
            if not report.is_passed:
                raise RuntimeError(f"{slug}: a KPI is off")
            rows.add((sum(report.hidden.values()), sum(report.created.values())))
            with timed() as clock:
                undo_job(database, settings, report.job_id)
            seconds["undo"].append(clock.wall)
    hidden, created = rows.pop()
    return {name: samples[1:] for name, samples in seconds.items()} | {"hidden": hidden, "created": created}


def _plan(now: Figures, currency: Any) -> PatchPlan:
    lowered = {metric: now[metric] - by for metric, by in _LOWERED.items()}
    lowered |= {metric: now[metric] * 9 // 10 for metric in ("closed_won_value", "pipeline_added_value")}
    given = {metric: figure_amount(metric, figure, currency) for metric, figure in lowered.items()}
    return PatchPlan(
        months=(MonthRequest(LAST_MONTH, given),), mode=PlanMode.RECONCILE, plan_type=PlanType.TARGETS
    )
