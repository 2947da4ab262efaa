"""A plan as text, in the form in which people keep it: CSV, JSON or YAML.

What is written reads back as the same plan. A CSV holds months and figures alone: its plan type and seed are
given beside it when it is read, and tolerances have no place in it. A month of which nothing is asked has
an empty row there.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

from demo_pipeline.domain.core.errors import InputError, Problem
from demo_pipeline.domain.core.figures import METRICS
from demo_pipeline.domain.parsing.yaml_text import one_line
from demo_pipeline.domain.patch_plan.plan import PatchPlan, Tolerances


def write_plan(plan: PatchPlan, kind: Literal["csv", "json", "yaml"]) -> str:
    """The plan as text with Unix line ends. Raises ``InputError`` for tolerances in a CSV."""
    match kind:
        case "csv":
            return _csv(plan)
        case "json":
            return json.dumps(_document(plan), ensure_ascii=False, indent=2) + "\n"
        case "yaml":
            return "\n".join(_yaml(_document(plan))) + "\n"


def suggestion_text(suggestion: Mapping[str, Any], problems: Iterable[Problem]) -> str:
    """What a suggested plan is, without a full stop; months that no plan can have are named."""
    kept = {month["month"] for month in suggestion["months"]}
    left_out = sorted({one.month for one in problems if one.month is not None} - kept)
    without = f" (left out: {', '.join(left_out)})" if left_out else ""
    return f"The nearest plan that works{without}, as JSON"


def _document(plan: PatchPlan) -> dict[str, Any]:
    """With seed and fingerprint, which the canonical document leaves out, before the months."""
    document = plan.to_json()
    months = document.pop("months")
    beside = {"seed": plan.seed, "fingerprint": plan.fingerprint}
    given = {name: text for name, text in beside.items() if text is not None}
    return {**document, **given, "months": months}


def check_is_table(plan: PatchPlan) -> None:
    """Whether a table, which has months and figures only, can hold a plan. Raises ``InputError``."""
    if plan.is_reconcile:
        message = "a plan that reconciles cannot be written in a CSV or a workbook; write JSON or YAML"
        problem = Problem(code="not_in_csv", field="mode", message=message)
        raise InputError(str(problem), [problem])
    if plan.tolerances != Tolerances():
        message = "tolerances cannot be written in a CSV or a workbook; write JSON or YAML"
        problem = Problem(code="not_in_csv", field="tolerances", message=message)
        raise InputError(str(problem), [problem])


def _csv(plan: PatchPlan) -> str:
    check_is_table(plan)
    entries = plan.to_json()["months"]
    asked = [metric for metric in METRICS if any(metric in entry["metrics"] for entry in entries)]
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["month", *asked])
    writer.writerows(
        [entry["month"], *(entry["metrics"].get(metric, "") for metric in asked)] for entry in entries
    )
    return text.getvalue()


def _yaml(document: dict[str, Any]) -> Iterator[str]:
    months = document.pop("months")
    yield from (f"{key}: {one_line(value)}" for key, value in document.items())
    yield "months:"
    for entry in months:
        yield f"  - month: {entry['month']}"
        yield f"    metrics: {one_line(entry['metrics'])}"
