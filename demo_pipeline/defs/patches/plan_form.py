"""A plan as a field of a launchpad form, and the plan that the forms begin with."""

from typing import Any, Final

import dagster as dg
from pydantic import Field

from demo_pipeline.domain.core.figures import METRICS
from demo_pipeline.services.files.plan_files import PlanFile, plan_from_document

#: a plan that can be applied to ``EXAMPLE_TENANT`` as it is
EXAMPLE_PLAN: Final[dict[str, Any]] = {
    "plan_type": "deltas",
    "months": [
        {
            "month": "2025-09",
            "metrics": {
                "contacts_created": 12,
                "leads_created": 8,
                "deals_created": 4,
                "closed_won_count": 1,
                "closed_won_value": "12500.00",
            },
        },
        {"month": "2025-10", "metrics": {"activities_created": 60}},
    ],
}


class InlinePlan(dg.PermissiveConfig):
    """A plan as its JSON document."""

    mode: str | None = Field(
        default=None,
        description="`additive` (the default): rows are made. `reconcile`: generated rows are hidden, too, "
        "where a target is below what is there; needs `plan_type: targets`, and the `fingerprint` of its "
        "preview.",
    )
    plan_type: str | None = Field(
        default=None,
        description="`deltas` (the default): figures to add. `targets`: figures to reach.",
    )
    fingerprint: str | None = Field(
        default=None,
        description="Of a plan with `mode: reconcile`: what a run of `preview_patch` shows as `fingerprint`. "
        "It confirms that preview, and nothing that changed since.",
    )
    tolerances: dict[str, Any] | None = Field(
        default=None,
        description="How far a figure may be from its target for a plan of targets that was applied before "
        "to count as still reached: `count` in units, `value` as a share. What is made is exact. "
        "Zero without.",
    )
    months: list[dict[str, Any]] = Field(
        default_factory=list[dict[str, Any]],
        description="1 to 24 months, each once: `{month: 2025-01, metrics: {contacts_created: 40, ...}}`. "
        f"Metrics: {', '.join(METRICS)}. An absent count stays as it is, an absent value follows the deals "
        "that are made.",
    )


def plan_of_form(form: InlinePlan, *, plan_type: str | None, seed: str | None) -> PlanFile:
    """The plan of a form; ``plan_type`` and ``seed`` count before what it says. Raises ``InputError``."""
    document = {key: value for key, value in form.model_dump().items() if value is not None}
    return plan_from_document(document, plan_type=plan_type, seed=seed)
