"""Commands that only look at one tenant: ``kpis``, ``verify``, ``digest``; read-only and quick."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from demo_pipeline.cli.kit.console import (
    command_line,
    note,
    say,
    write_answer,
    write_document,
    write_table,
    write_text,
)
from demo_pipeline.cli.kit.parameters import (
    TENANT_PANEL,
    Commands,
    FromMonth,
    Json,
    OptionalSlug,
    Slug,
    ToMonth,
    example,
    flag,
    option,
)
from demo_pipeline.cli.kit.session import open_session
from demo_pipeline.domain.core.figures import METRICS, figure_amount
from demo_pipeline.domain.core.wording import counted
from demo_pipeline.rendering.kpi_columns import kpi_columns, kpi_table
from demo_pipeline.rendering.table import Column, Table, csv_text, programs, record, records

if TYPE_CHECKING:
    from demo_pipeline.services.tenants.queries import KpiTable
    from demo_pipeline.services.tenants.verify import Verdict
    from demo_pipeline.settings import Settings

#: exit code of findings
DRIFTED: Final = 4

app = Commands(position=5, panel=TENANT_PANEL)


@app.command(epilog=example("kpis larkmoor --from 2025-01", "kpis larkmoor --xlsx larkmoor.xlsx"))
def kpis(
    slug: Slug,
    first: FromMonth = None,
    last: ToMonth = None,
    *,
    csv: Annotated[bool, flag("--csv", "Print comma-separated values with a header.")] = False,
    xlsx: Annotated[Path | None, option("--xlsx", "FILE", "Write an Excel workbook.")] = None,
    parquet: Annotated[Path | None, option("--parquet", "FILE", "Write a Parquet file.")] = None,
    json: Json = False,
) -> None:
    """Show the eight KPIs of every month.

    Every month of the blueprint's span, zeros included, and any other month that has rows. With both --from
    and --to exactly these months. In a workbook and in Parquet a month is its first day.
    """
    if sum((csv, json, xlsx is not None, parquet is not None)) > 1:
        raise typer.BadParameter("--csv, --xlsx, --parquet and --json exclude each other; choose one")
    session = open_session()
    from demo_pipeline.services.tenants import queries

    table = queries.kpis(session.database, session.settings, slug, first, last)
    if json:
        write_document(kpi_document(table))
    elif file := xlsx or parquet:
        _save(table, file, ".xlsx" if xlsx else ".parquet")
        say(f"wrote {counted(len(table.months), 'month')} of {slug} to {file}")
    elif csv:
        write_text(csv_text(kpi_columns(table.currency), table.months.items()))
    else:
        write_table(kpi_table(f"{slug}, values in {table.currency}", table.months, table.currency))
    for text in table.notes:
        note(f"{slug}: {text}")


def kpi_document(table: KpiTable) -> dict[str, Any]:
    """The KPIs as ``kpis --json`` prints them."""
    return {"tenant": table.tenant, "months": table.months.to_rows(table.currency)}


def _save(table: KpiTable, file: Path, suffix: str) -> None:
    from demo_pipeline.services.files.figure_files import save_figures

    rows = {
        month: {metric: figure_amount(metric, figures[metric], table.currency) for metric in METRICS}
        for month, figures in table.months.items()
    }
    save_figures(file, rows, table.currency.minor_digits, title=table.tenant[:31], suffix=suffix)


@app.command(epilog=example("verify", "verify larkmoor --json"))
def verify(slug: OptionalSlug = None, *, json: Json = False) -> None:
    """Check everything that is in the database.

    Figures as expected, life cycles sound, the ledger honest. Figures that people changed count as findings;
    that people edited rows is a note. Exit code 4 if there are findings.
    """
    session = open_session()
    from demo_pipeline.services.tenants import verify as verification

    slugs = [] if slug is None else [slug]
    verdicts = verification.verify(session.database, session.settings, *slugs)
    if json:
        passed = all(verdict.is_as_expected for verdict in verdicts)
        write_document({"passed": passed, "tenants": [verdict_document(verdict) for verdict in verdicts]})
    elif verdicts:
        write_verdicts(verdicts)
    else:
        say(no_tenants(session.settings))
    if not all(verdict.is_as_expected for verdict in verdicts):
        raise typer.Exit(DRIFTED)


def verdict_document(verdict: Verdict) -> dict[str, Any]:
    """What ``verify --json`` prints of one tenant."""
    return record(_VERDICT_COLUMNS, verdict)


def write_verdicts(verdicts: Sequence[Verdict]) -> None:
    """One line per tenant, then every finding."""
    write_table(
        Table(_VERDICT_COLUMNS, verdicts, colour=lambda verdict: None if verdict.is_as_expected else "red")
    )
    for verdict in verdicts:
        for finding in verdict.findings:
            write_text(f"{verdict.tenant}: {finding.check.value}: {finding.message}")
        for text in verdict.notes:
            write_text(f"{verdict.tenant}: note: {text}")


def findings_text(count: int, sound: str) -> str:
    """The number of findings; ``sound`` if there is none."""
    return counted(count, "finding") if count else sound


def no_tenants(settings: Settings) -> str:
    """The answer where there is no tenant at all."""
    remedy = f"{command_line('tenant provision FILE')} makes one"
    return f"there is no demo tenant yet{settings.place}; {remedy}"


def _pending(verdict: Verdict) -> str:
    if not verdict.pending:
        return ""
    first, last = verdict.pending[0], verdict.pending[-1]
    return f"{len(verdict.pending)} of {first} to {last}" if first != last else str(first)


_VERDICT_COLUMNS: Final[tuple[Column[Verdict], ...]] = (
    Column("tenant", "tenant"),
    Column("is_as_expected", "verdict", text=lambda one: findings_text(len(one.findings), "as expected")),
    Column("findings", None, lambda one: records(programs("check month metric message"), one.findings)),
    Column("pending", "not loaded yet", text=_pending),
    *programs("notes"),
)


@app.command(epilog=example("digest larkmoor"))
def digest(slug: Slug, *, json: Json = False) -> None:
    """Print a SHA-256 of all that the tenant can see.

    Independent of row order, physical layout, server version and time zone: two tenants with the same digest
    hold the same rows.
    """
    session = open_session()
    from demo_pipeline.services.tenants import queries

    value = queries.digest(session.database, session.settings, slug)
    write_answer({"tenant": slug, "digest": value}, value, json=json)
