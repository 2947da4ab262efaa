"""Which metrics each place of the product knows: with the table of metrics as it is, or with one more.

``python -m tests.project.metric_places [NAME]`` prints place → metrics as JSON. ``NAME`` is a metric that is
added to a copy of the table, in this process only; nothing else is changed.
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import fields
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

_FIGURES = "demo_pipeline.domain.core.figures"


def add_metric(name: str) -> None:
    """Make the table of metrics end with one more: a count of activities."""
    spec = find_spec(_FIGURES)
    assert spec is not None
    assert spec.origin is not None
    source = Path(spec.origin).read_text(encoding="utf-8")
    field = f'    {name}: Annotated[int, Metric("activities", "new", "New", ("new", "new"))] = 0\n\n'
    copy = source.replace("    def __add__", f"{field}    def __add__", 1)
    assert copy != source
    module = sys.modules[_FIGURES] = module_from_spec(spec)
    exec(compile(copy, spec.origin, "exec"), module.__dict__)


def derived_places() -> dict[str, list[str]]:
    """Places that are derived from the table, each with its metrics."""
    from demo_pipeline.defs.asset_pages.events import KPIS_OF_TABLE
    from demo_pipeline.defs.asset_pages.kpi_tables import KpiMonth, change_markdown
    from demo_pipeline.defs.patches.patch_job import InlinePlan
    from demo_pipeline.domain.core.figures import METRICS, Figures
    from demo_pipeline.domain.core.job_kinds import JobKind
    from demo_pipeline.domain.documents import stored
    from demo_pipeline.domain.patch_plan import table_plan
    from demo_pipeline.rendering.kpi_columns import kpi_columns
    from demo_pipeline.storage.ledger import tenants
    from demo_pipeline.storage.schema.declared_tables import METADATA
    from tests.builders.currencies import EUR

    def named(text: str) -> list[str]:
        return [metric for metric in METRICS if re.search(rf"\b{metric}\b", text)]

    nothing = Figures()
    page = change_markdown(KpiMonth(currency=EUR, expected=nothing, before=nothing, after=nothing))
    # Where less is missing, every figure that is missing is listed.
    blueprint = dict.fromkeys(("slug", "name", "country", "industry", "seed", "timezone", "currency"), "aa")
    wrong = {"2025-01": {"after": dict.fromkeys(METRICS, "not a figure, and no amount")}}
    job = stored.job_problems(
        JobKind.MATERIALISE, "failed", seed=None, plan=None, metrics=None, diff_report=wrong
    )
    return {
        "stored blueprint": named("; ".join(stored.plan_problems({**blueprint, "figures": [{}]}))),
        "stored job": named("; ".join(job)),
        "columns of plan files": list(table_plan.COLUMNS[1:]),
        "columns of tables and CSV": [column.name for column in kpi_columns(EUR)[1:]],
        "columns of Excel": _workbook_columns(),
        "columns of Parquet": _parquet_columns(),
        "Dagster: form of a plan": named(str(InlinePlan.model_fields["months"].description)),
        "Dagster: tables": sorted(
            (metric for metrics in KPIS_OF_TABLE.values() for metric in metrics), key=list(METRICS).index
        ),
        "Dagster: change of a month": [
            name for name, metric in METRICS.items() if f"| {metric.long_label} |" in page
        ],
        "ledger: months with changes": named(tenants.HAS_FIGURES.as_string(None)),
        "ledger: loaded months": named(" ".join(METADATA.tables["demo.tenant_months"].columns.keys())),
        "ledger: months of jobs": named(" ".join(METADATA.tables["demo.job_months"].columns.keys())),
    }


def written_places() -> dict[str, list[str]]:
    """Places where each metric is written by hand, each with its metrics."""
    from demo_pipeline.domain.blueprint.schema import MonthEntry, Totals
    from demo_pipeline.domain.core.figures import METRICS, Figures
    from demo_pipeline.domain.feasibility import shortfall
    from demo_pipeline.domain.patch_plan.plan import MonthRequest
    from demo_pipeline.storage.rows.kpis import KPI_SQL

    whole = Figures(**dict.fromkeys(METRICS, 5))
    parts = Figures.of_parts(whole.parts)
    lacking = shortfall(whole, Figures(), has_contact=True, has_won_stage=True)
    return {
        "totals of a blueprint": list(Totals.model_fields),
        "months of a blueprint": [name for name in MonthEntry.model_fields if name != "month"],
        "months of a plan": [field.name for field in fields(MonthRequest) if field.name != "month"],
        "what is short": [name for name in METRICS if lacking[name]],
        "parts of a month": [name for name in METRICS if parts[name]],
        "SQL": re.findall(r"^    \w.* as (\w+),?$", KPI_SQL.partition("from (")[0], re.MULTILINE)[1:],
    }


def _months() -> dict[Any, dict[str, int]]:
    from demo_pipeline.domain.core.figures import METRICS
    from demo_pipeline.domain.core.months import Month

    return {Month.of(2025, 1): dict.fromkeys(METRICS, 1)}


def _workbook_columns() -> list[str]:
    from openpyxl import load_workbook

    from demo_pipeline.services.files.figure_files import save_figures

    with TemporaryDirectory() as folder:
        path = Path(folder, "figures.xlsx")
        save_figures(path, _months(), 2, title="figures", suffix=".xlsx")
        return [str(cell.value) for cell in next(iter(load_workbook(path).worksheets[0].rows))][1:]


def _parquet_columns() -> list[str]:
    from pyarrow import parquet

    from demo_pipeline.services.files.figure_files import save_figures

    with TemporaryDirectory() as folder:
        path = Path(folder, "figures.parquet")
        save_figures(path, _months(), 2, title="figures", suffix=".parquet")
        return list(parquet.read_schema(path).names)[1:]


if __name__ == "__main__":
    for added in sys.argv[1:]:
        add_metric(added)
    sys.stdout.write(json.dumps({"derived": derived_places(), "written": written_places()}))
