"""Which metrics each place of the product knows: with the table of metrics as it is, or with one more.

``python -m tests.project.metric_places [NAME]`` prints place → metrics as JSON. ``NAME`` is a metric that is
added to a copy of ``figures.py``, with a part of its own, in this process only; nothing else is changed.
"""

from __future__ import annotations

import json
import re
import sys
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

_FIGURES = "demo_pipeline.domain.core.figures"
#: places of its text
_FIRST_METHOD = "    def __add__(self, other: Figures)"
_AFTER_PARTS = "\n\n\n#: name → part\n"


def add_metric(name: str) -> None:
    """Make the table of metrics end with one more: some of the activities, a part of their own."""
    spec = find_spec(_FIGURES)
    assert spec is not None
    assert spec.origin is not None
    copy = Path(spec.origin).read_text(encoding="utf-8")
    metric = (
        'Metric(table="activities", short_label="new", long_label="New", noun=("new", "new"), '
        'whole="activities_created", meaning="New", example=1)'
    )
    part = f'Part(table="activities", cap="activities", spread="{name}")'
    for before, after in (
        (_FIRST_METHOD, f"    {name}: Annotated[int, {metric}] = 0\n\n{_FIRST_METHOD}"),
        (
            _AFTER_PARTS,
            f"\n    {name}: Annotated[_T_co, {part}]{_AFTER_PARTS}",
        ),
        (
            "activities=self.activities_created,",
            f"activities=self.activities_created - self.{name}, {name}=self.{name},",
        ),
        (
            "activities_created=parts.activities,",
            f"activities_created=parts.activities + parts.{name}, {name}=parts.{name},",
        ),
    ):
        assert copy.count(before) == 1, before
        copy = copy.replace(before, after)
    module = sys.modules[_FIGURES] = module_from_spec(spec)
    exec(compile(copy, spec.origin, "exec"), module.__dict__)


def derived_places() -> dict[str, list[str]]:
    """Places that are derived from the table, each with its metrics."""
    from demo_pipeline.defs.asset_pages.events import KPIS_OF_TABLE
    from demo_pipeline.defs.asset_pages.kpi_tables import KpiMonth, change_markdown
    from demo_pipeline.defs.patches.patch_job import InlinePlan
    from demo_pipeline.domain.blueprint.schema import MonthEntry, Totals
    from demo_pipeline.domain.core.figures import METRICS, Figures
    from demo_pipeline.domain.core.job_kinds import JobKind
    from demo_pipeline.domain.core.months import Month
    from demo_pipeline.domain.documents import stored
    from demo_pipeline.domain.feasibility import Caps, nearest_feasible, shortfall, within_caps
    from demo_pipeline.domain.patch_plan import table_plan
    from demo_pipeline.domain.patch_plan.plan import MonthRequest
    from demo_pipeline.rendering.kpi_columns import kpi_columns
    from demo_pipeline.rendering.report_page import tenant_page
    from demo_pipeline.storage.ledger import tenants
    from demo_pipeline.storage.schema.declared_tables import METADATA
    from tests.builders.currencies import EUR
    from tests.builders.reports import empty_report

    def named(text: str) -> list[str]:
        return [metric for metric in METRICS if re.search(rf"\b{metric}\b", text)]

    report = tenant_page(empty_report())
    nothing = Figures()
    page = change_markdown(KpiMonth(currency=EUR, expected=nothing, before=nothing, after=nothing))
    # Where less is missing, every figure that is missing is listed.
    blueprint = dict.fromkeys(("slug", "name", "country", "industry", "seed", "timezone", "currency"), "aa")
    wrong = {"2025-01": {"after": dict.fromkeys(METRICS, "not a figure, and no amount")}}
    job = stored.job_problems(
        JobKind.MATERIALISE, "failed", seed=None, plan=None, metrics=None, diff_report=wrong
    )
    whole = Figures(**dict.fromkeys(METRICS, 5))
    bounded = within_caps([whole], Caps(), currency=EUR, has_value=[True])
    lacking = shortfall(whole, Figures(), has_contact=True, has_won_stage=True)
    asked = MonthRequest(Month.of(2025, 1), dict.fromkeys(METRICS, 1))
    return {
        "totals of a blueprint": list(Totals.model_fields),
        "months of a blueprint": [name for name in MonthEntry.model_fields if name != "month"],
        "months of a plan": list(asked.given),
        "parts of a month": [name for name in METRICS if Figures.of_parts(whole.parts)[name] == 5],
        "spread totals": [name for name in METRICS if _spec().total[name]],
        "figures within the caps": [name for name in METRICS if bounded[0][name] == 5],
        "nearest figures": [name for name in METRICS if nearest_feasible([whole])[0][name] == 5],
        "what is short": [name for name in METRICS if lacking[name] == 5],
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
        "report of a tenant": [
            name for name, metric in METRICS.items() if f'<div class="label">{metric.long_label}' in report
        ],
        "Dagster: change of a month": [
            name for name, metric in METRICS.items() if f"| {metric.long_label} |" in page
        ],
        "ledger: months with changes": named(tenants.HAS_FIGURES.as_string(None)),
        "ledger: loaded months": named(" ".join(METADATA.tables["demo.tenant_months"].columns.keys())),
        "ledger: months of jobs": named(" ".join(METADATA.tables["demo.job_months"].columns.keys())),
    }


def written_places() -> dict[str, list[str]]:
    """Places where each metric is written by hand, each with its metrics."""
    from demo_pipeline.storage.rows.kpis import KPI_SQL

    return {
        "SQL": re.findall(r"^    \w.* as (\w+),?$", KPI_SQL.partition("from (")[0], re.MULTILINE)[1:],
        "rows, generated and counted": _counted(),
    }


def _spec() -> Any:
    """A tenant with two months whose totals have something of each metric."""
    from demo_pipeline.domain.core.figures import METRICS
    from tests.builders.blueprints import resolved

    tree = {"name": "Larkmoor", "country": "DE", "industry": "saas", "seed": "1"}
    return resolved(
        {**tree, "start_month": "2025-01", "end_month": "2025-02", "totals": dict.fromkeys(METRICS, 40)}
    )[0]


def _counted() -> list[str]:
    """Metrics of which the rows that the generator makes of a tenant have as many as were asked for."""
    from demo_pipeline.domain.core.arrow import column, keep, to_mask
    from demo_pipeline.domain.core.figures import METRICS, Figures
    from demo_pipeline.domain.generation.generator import Generator
    from demo_pipeline.domain.generation.partial_month import figures_of_rows
    from tests.builders.blueprints import NOW

    spec = _spec()
    generator = Generator(spec, NOW)
    stages = generator.team.stages
    won, lost = (keep(column(stages, "id"), to_mask(column(stages, flag))) for flag in ("is_won", "is_lost"))
    made = Figures()
    for month in spec.months:
        for batch in generator.month(month):
            made += figures_of_rows(batch, (won, lost), spec.currency)
    return [name for name in METRICS if made[name] == spec.total[name] != 0]


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
