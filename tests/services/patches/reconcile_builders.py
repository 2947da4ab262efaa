"""Plans that reconcile, in one line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from demo_pipeline.domain.patch_plan.plan import PatchPlan, PlanMode
from tests.services.patches.builders import plan


def reconcile_plan(
    months: Mapping[str, Mapping[str, int | str]], fingerprint: str | None = None
) -> PatchPlan:
    """A plan that reconciles, from month → metric → target; money as a string."""
    return replace(plan(months, targets=True), mode=PlanMode.RECONCILE, fingerprint=fingerprint)
