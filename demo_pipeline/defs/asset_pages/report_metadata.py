"""A tenant's report on its page: sentences, hero accounts, pictures, what is open, checks.

Markdown of less than 1,000 characters is shown at once; the pictures are behind one click. What they show is
in ``rendering``.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import dagster as dg

from demo_pipeline.domain.core.figures import METRICS, figure_amount
from demo_pipeline.domain.heroes.talk_track import missing_text
from demo_pipeline.rendering.hero_columns import hero_sections
from demo_pipeline.rendering.report_page import check_lines, open_tables
from demo_pipeline.rendering.report_plots import tenant_plots
from demo_pipeline.rendering.report_story import story
from demo_pipeline.rendering.table import escaped, markdown
from demo_pipeline.services.tenants.report import TenantReport


def report_metadata(report: TenantReport) -> dict[str, Any]:
    """The metadata of a materialised report; the totals of the KPIs are numbers, which Dagster plots."""
    totals = {name: figure_amount(name, report.months.total[name], report.currency) for name in METRICS}
    slug = report.spec.slug
    return {
        "story": dg.MetadataValue.md("\n\n".join(map(escaped, story(report)))),
        "hero_accounts": dg.MetadataValue.md("\n\n".join(_heroes(report))),
        "checks": dg.MetadataValue.md("\n".join(_checks(report))),
        "pictures": dg.MetadataValue.md("\n\n".join(_pictures(report)) or "There is nothing to draw yet."),
        **{
            table.title.lower().replace(" ", "_"): dg.MetadataValue.md(markdown(table))
            for table in open_tables(report)
        },
        **{name: total if isinstance(total, int) else float(total) for name, total in totals.items()},
        "read_at": dg.MetadataValue.timestamp(report.as_of),
        "as_a_page": f"demo-pipeline report {slug} -o {slug}.html",
    }


def _heroes(report: TenantReport) -> Iterator[str]:
    for section in hero_sections(report.heroes):
        lines = "\n".join(
            f"{number}. {escaped(text)}" for number, text in enumerate(section.sentences, start=1)
        )
        yield f"**{escaped(section.heading)}**\n\n{lines}"
    if text := missing_text(report.heroes):
        yield escaped(text)


def _checks(report: TenantReport) -> Iterator[str]:
    for check in check_lines(report.verdict):
        yield f"- {'✗' if check.messages else '✓'} {escaped(check.sentence)}"
        yield from (f"    - {escaped(message)}" for message in check.messages)


def _pictures(report: TenantReport) -> Iterator[str]:
    for plot in tenant_plots(report):
        picture = base64.b64encode(plot.svg[plot.svg.index("<svg") :].encode()).decode()
        yield f"![{escaped(plot.title)}](data:image/svg+xml;base64,{picture})\n\n{escaped(plot.caption)}"
