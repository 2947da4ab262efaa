"""``report``: a page about one tenant, or about all, to be handed out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from demo_pipeline.cli.kit.console import command_line, note, say, shell_path, write_document, write_text
from demo_pipeline.cli.kit.parameters import (
    TENANT_PANEL,
    Commands,
    Json,
    argument,
    example,
    flag,
    option,
    slug_text,
)
from demo_pipeline.cli.kit.session import notice_if_slow, open_session
from demo_pipeline.domain.core.wording import counted

if TYPE_CHECKING:
    from demo_pipeline.services.tenants.report import Overview, TenantReport
    from demo_pipeline.services.tenants.verify import Verdict

_STANDARD_OUTPUT: Final = "-"
_SUFFIX: Final = ".html"

app = Commands(position=7, panel=TENANT_PANEL)


@app.command(epilog=example("report larkmoor -o larkmoor.html", "report --all -o tenants.html"))
def report(
    slug: Annotated[str | None, argument("SLUG", "The tenant, as tenant list shows it.", slug_text)] = None,
    *,
    every: Annotated[bool, flag("--all", "Write an overview of all tenants instead.")] = False,
    output: Annotated[
        str,
        option("--output -o", "FILE", "An .html file; one that is there is replaced. - is standard output."),
    ],
    json: Json = False,
) -> None:
    """Write a page about a tenant: its story in words, KPIs, pictures, what is open, checks.

    One HTML file that needs nothing else, neither network nor script: it can be sent, printed, and read by a
    screen reader. Everything on it, the checks of verify included, is read in one snapshot of the database.
    Findings are on the page, and the exit code is 0. --json prints what was written, with the figures.
    """
    if (slug is None) != every:
        raise typer.BadParameter("give a tenant, or --all for an overview of all tenants")
    if json and output == _STANDARD_OUTPUT:
        raise typer.BadParameter("--json and -o - both write to standard output; choose one")
    from demo_pipeline.services.files.whole_files import check_place, write_whole

    file = None if output == _STANDARD_OUTPUT else Path(output)
    if file is not None:
        check_place(file, _SUFFIX)
    session = open_session()
    from demo_pipeline.rendering import report_page
    from demo_pipeline.services.tenants.report import read_overview, read_report

    with notice_if_slow("reading, checking and drawing ..."):
        if slug is None:
            overview = read_overview(session.database, session.settings)
            page = report_page.overview_page(overview, _links(overview, file))
            document, verdicts = _overview_document(overview), [one.verdict for one in overview.tenants]
        else:
            found = read_report(session.database, session.settings, slug, with_scorecard=True)
            page, document, verdicts = report_page.tenant_page(found), _document(found), [found.verdict]
    if file is None:
        write_text(page.rstrip("\n"))
    else:
        size = write_whole(file, page.encode())
        if json:
            write_document({"file": str(file), "bytes": size, **document})
        else:
            what = slug or counted(len(verdicts), "tenant")
            say(f"wrote a page about {what} to {shell_path(file)} ({size:,} bytes)")
    for verdict in verdicts:
        if not verdict.is_as_expected:
            count, command = counted(len(verdict.findings), "finding"), f"verify {verdict.tenant}"
            note(f"{verdict.tenant}: the page shows {count}, as {command_line(command)} does")


def _links(overview: Overview, file: Path | None) -> dict[str, str]:
    """The tenants whose own page lies beside the file, under the tenant's name."""
    if file is None:
        return {}
    pages = {one.slug: file.with_name(f"{one.slug}{_SUFFIX}") for one in overview.tenants}
    return {slug: page.name for slug, page in pages.items() if page != file and page.is_file()}


def _state(verdict: Verdict) -> dict[str, Any]:
    return {
        "as_expected": verdict.is_as_expected,
        "findings": [finding.message for finding in verdict.findings],
        "pending": list(verdict.pending),
    }


def _scorecard_document(report: TenantReport) -> dict[str, Any] | None:
    if report.scorecard is None:
        return None
    from demo_pipeline.rendering.score_columns import score_counts

    return score_counts(report.scorecard)


def _document(report: TenantReport) -> dict[str, Any]:
    """The figures of a tenant's page; money as a string in major units."""
    from demo_pipeline.rendering.hero_columns import hero_documents

    currency = report.currency
    return {
        "tenant": report.spec.slug,
        "as_of": report.as_of,
        "freshness": report.freshness,
        **_state(report.verdict),
        "months": report.months.to_rows(currency),
        "funnel": vars(report.funnel),
        "closings": [
            {
                "month": month,
                "won_count": one.won_count,
                "lost_count": one.lost_count,
                "won_value": currency.plain(one.won_value),
                "lost_value": currency.plain(one.lost_value),
            }
            for month, one in report.closings.items()
        ],
        "open": [
            {
                "stage": one.stage,
                "count": one.count,
                "value": currency.plain(one.value),
                "weighted_value": currency.plain(one.weighted_value),
            }
            for one in report.open_stages
        ],
        "heroes": hero_documents(report.heroes),
        "scorecard": _scorecard_document(report),
    }


def _overview_document(overview: Overview) -> dict[str, Any]:
    return {
        "as_of": overview.as_of,
        "tenants": [
            {
                "tenant": one.slug,
                "freshness": one.freshness,
                **_state(one.verdict),
                "months": [] if one.spec is None else one.months.to_rows(one.spec.currency),
            }
            for one in overview.tenants
        ],
    }
