"""The way of a figure, as the architecture page has it, against the modules that a figure really passes."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from demo_pipeline.services.files.blueprint_files import read_blueprint
from demo_pipeline.services.files.plan_files import read_plan
from demo_pipeline.services.months.materialise import materialise
from demo_pipeline.services.patches.patch import apply_patch
from demo_pipeline.services.tenants.provision import provision
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from tests.paths import PROJECT
from tests.services.patches.figure_trace import FigureTrace

AMOUNT = "7654321.09"
BLUEPRINT = f"""
name: Way
country: DE
industry: saas
seed: "1"
start_month: 2025-01
end_month: 2025-01
totals:
  contacts_created: 10
  deals_created: 3
  closed_won_count: 1
  closed_won_value: {AMOUNT}
  pipeline_added_value: 9000000
"""
PLAN = f"month,contacts_created,deals_created,closed_won_count,closed_won_value\n2025-01,3,2,1,{AMOUNT}\n"
NOW = datetime(2025, 6, 1, tzinfo=UTC)
#: types that carry figures and documents, and what everything stands on
CARRIERS = re.compile(r"domain/(core/.*|parsing/document|blueprint/tenant_spec)\.py")
#: the most modules that read a blueprint, and the most calls back into one that was left
MOST_ROOMS = MOST_RETURNS = 8


def steps(title: str, which: int = 0) -> list[tuple[str, str]]:
    """Module and function of each step: table ``which`` below a line of the page."""
    page = (PROJECT / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = page.partition(f"\n{title}")[2].split("|---|---|\n")[1 + which].partition("\n\n")[0]
    return [(found[1], found[2]) for found in re.finditer(r"^\| `(\S+\.py)` `(\w+)` \|", table, re.MULTILINE)]


def assert_listed(trace: FigureTrace, title: str) -> list[str]:
    """The figure is passed to no module but those of the table, which are all called; the modules."""
    listed = [module for module, _ in steps(title)]
    passed = {module for _, module, _ in trace.passed if not CARRIERS.fullmatch(module)}
    assert passed <= set(listed) <= {module for module, _ in trace.called}
    return listed


def returns(trace: FigureTrace) -> list[str]:
    """Calls with the figure into a module that had been entered and left before."""
    calls = [call for call in trace.passed if not any(CARRIERS.fullmatch(module) for module in call[:2])]
    entered: set[str] = set()
    found: list[str] = []
    for before, (caller, module, function) in pairwise([("", "", ""), *calls]):
        # Values of one mapping are read one after the other, in one go.
        if module in entered and before[1] != module:
            found.append(f"{caller} -> {module} {function}")
        entered.add(module)
    return found


def assert_in_order(trace: FigureTrace, expected: list[tuple[str, str]]) -> None:
    """The steps were called, each after the one before it."""
    assert expected
    assert [call for call in trace.called if call in expected] == expected


def test_a_blueprint_is_read_in_the_rooms_of_the_page(tmp_path: Path) -> None:
    """No other module is handed the figure, and few are entered twice."""
    path = tmp_path / "way.yaml"
    path.write_text(BLUEPRINT, encoding="utf-8")
    trace = FigureTrace(AMOUNT)
    trace.follow(read_blueprint, path, NOW)
    listed = assert_listed(trace, "A blueprint, read")
    assert len(listed) <= MOST_ROOMS
    assert len(returns(trace)) <= MOST_RETURNS, returns(trace)


def test_a_plan_is_read_in_the_rooms_of_the_page(tmp_path: Path) -> None:
    """No other module is handed the figure."""
    path = tmp_path / "way.csv"
    path.write_text(PLAN, encoding="utf-8")
    trace = FigureTrace(AMOUNT)
    trace.follow(read_plan, path)
    assert_listed(trace, "A plan, read")


def test_jobs_take_the_steps_of_the_page(
    database: Database, database_settings: Settings, tmp_path: Path
) -> None:
    """From the blueprint and from the plan to the verdict, in the order of the lists."""
    blueprint, plan = tmp_path / "way.yaml", tmp_path / "way.csv"
    blueprint.write_text(BLUEPRINT, encoding="utf-8")
    plan.write_text(PLAN, encoding="utf-8")
    first = FigureTrace(AMOUNT)
    first.follow(provision, database, database_settings, blueprint)
    first.follow(materialise, database, database_settings, "way")
    assert_in_order(first, steps("A blueprint, read", 1))
    patch = FigureTrace(AMOUNT)
    patch.follow(apply_patch, database, database_settings, "way", read_plan(plan))
    assert_in_order(patch, steps("A plan, read", 1))
