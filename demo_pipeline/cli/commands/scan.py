"""``scan``: whether a tenant could see that it is a demo."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import typer

from demo_pipeline.cli.commands.inspection import findings_text, no_tenants
from demo_pipeline.cli.kit.console import (
    say,
    write_document,
    write_table,
    write_text,
)
from demo_pipeline.cli.kit.parameters import TENANT_PANEL, Commands, Json, OptionalSlug, example
from demo_pipeline.cli.kit.session import notice_if_slow, open_session
from demo_pipeline.rendering.table import Column, Table, programs, records

if TYPE_CHECKING:
    from demo_pipeline.services.tenants.scan import Scan
    from demo_pipeline.storage.rows.disclosure_scan import Disclosure

#: exit code if something was found
FOUND: Final = 4

app = Commands(position=6, panel=TENANT_PANEL)


@app.command(epilog=example("scan", "scan larkmoor --json"))
def scan(slug: OptionalSlug = None, *, json: Json = False) -> None:
    """Look for whatever shows a tenant that it is a demo.

    Every name and value in the views of the CRM's reader, distributions that only a program leaves (no
    telephone number is missing, no row was ever changed, all were made within a second), and what the
    reader may read beside the views. What docs/security.md leaves open on purpose is not looked for. Exit
    code 4 if something was found.
    """
    session = open_session()
    from demo_pipeline.services.tenants import scan as service

    with notice_if_slow("reading every row; a million take about ten seconds ..."):
        scans = service.scan(session.database, session.settings, slug)
    is_clean = all(one.is_clean for one in scans)
    if json:
        write_document({"clean": is_clean, "tenants": records(_COLUMNS, scans)})
    elif scans:
        _write(scans)
    else:
        say(no_tenants(session.settings))
    if not is_clean:
        raise typer.Exit(FOUND)


def _write(scans: Sequence[Scan]) -> None:
    """One line a tenant, then every finding; those of the reader once."""
    write_table(Table(_COLUMNS, scans, colour=lambda one: None if one.is_clean else "red"))
    for one in scans:
        for finding in one.findings:
            write_text(f"{one.tenant}: {_sentence(finding)}")
    for finding in dict.fromkeys(finding for one in scans for finding in one.reader_findings):
        write_text(f"every tenant: {_sentence(finding)}")


def _sentence(finding: Disclosure) -> str:
    times = f" ({finding.count:,} times)" if finding.count > 1 else ""
    like = ": " + " | ".join(finding.examples) if finding.examples else ""
    return f"{finding.check.value}: {finding.place}: {finding.word}{times}{like}"


_COLUMNS: Final[tuple[Column[Scan], ...]] = (
    Column("tenant", "tenant"),
    Column(
        "clean",
        "verdict",
        lambda one: one.is_clean,
        text=lambda one: findings_text(len(one.findings) + len(one.reader_findings), "clean"),
    ),
    Column("columns", "columns", is_number=True),
    Column("values", "values", is_number=True),
    Column(
        "findings",
        None,
        lambda one: records(
            programs("check place word count examples"), (*one.findings, *one.reader_findings)
        ),
    ),
)
