"""``generate``: bring the months of one tenant to what its blueprint says."""

from __future__ import annotations

from demo_pipeline.cli.kit.console import note, warn, write_document, write_table
from demo_pipeline.cli.kit.job_views import drift_lines, report_document, report_table
from demo_pipeline.cli.kit.parameters import TENANT_PANEL, Commands, FromMonth, Json, Slug, ToMonth, example
from demo_pipeline.cli.kit.session import open_session

app = Commands(position=4, panel=TENANT_PANEL)


@app.command(epilog=example("generate larkmoor", "generate larkmoor --to 2025-03 --json"))
def generate(slug: Slug, first: FromMonth = None, last: ToMonth = None, *, json: Json = False) -> None:
    """Make the months of a tenant what its blueprint says, through Dagster.

    Without --from and --to all months that the tenant has, up to the running one. What is missing of the
    months before is made as well, and the rows of all jobs of the request are counted. A month that is as
    expected already is left alone. All or nothing: rows are committed only once every figure is exact.
    """
    session = open_session()
    from demo_pipeline.cli.kit.dagster_runs import materialise_tenants
    from demo_pipeline.services.months.month_range import stored_partial_month_notes

    reports = materialise_tenants(session, [slug], first, last)
    if json:
        write_document({"jobs": [report_document(report) for report in reports]})
    for report in reports if not json else ():
        write_table(report_table(report))
        for line in drift_lines(report):
            warn(f"{report.tenant} {line}, changed by people and left alone")
    for report in reports:
        months = [result.month for result in report.months]
        for text in stored_partial_month_notes(session.database, session.settings, report.tenant, months):
            note(f"{report.tenant}: {text}")
