"""The page of what happens by itself names every sensor and schedule, with its default."""

from __future__ import annotations

import re

import dagster as dg

from demo_pipeline.definitions import defs
from tests.paths import PROJECT


def test_every_sensor_and_schedule_is_on_the_page() -> None:
    """Each definition has a row, each row a definition, and the default is the definition's."""
    page = (PROJECT / "docs" / "automation.md").read_text(encoding="utf-8")
    section = page.partition("## Sensors and schedules")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \|.*\| (on|off)\b[^|]*\|[^|]*\|$", section, re.MULTILINE)
    repository = defs().get_repository_def()
    running = {dg.DefaultSensorStatus.RUNNING, dg.DefaultScheduleStatus.RUNNING}
    assert dict(rows) == {
        one.name: "on" if one.default_status in running else "off"
        for one in (*repository.sensor_defs, *repository.schedule_defs)
    }
