"""``certify``: whether anybody can be reached through a tenant's contact data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from demo_pipeline.cli.kit.console import say, shell_path, write_document, write_table, write_text
from demo_pipeline.cli.kit.parameters import TENANT_PANEL, Commands, Json, Slug, example, option
from demo_pipeline.cli.kit.session import notice_if_slow, open_session
from demo_pipeline.domain.core.wording import counted
from demo_pipeline.rendering.table import Column, Table, programs, records

if TYPE_CHECKING:
    from demo_pipeline.services.certificate.certify import CertifiedValues

#: exit code if a value is covered by no rule
UNCOVERED: Final = 4
#: values that are printed; --json has all
_MOST_SHOWN: Final = 50

app = Commands(position=7, panel=TENANT_PANEL)


@app.command(epilog=example("certify larkmoor", "certify larkmoor --sql larkmoor.sql"))
def certify(
    slug: Slug,
    *,
    sql: Annotated[
        Path | None, option("--sql", "FILE", "Write a file that psql alone can check, instead.")
    ] = None,
    json: Json = False,
) -> None:
    """Show that no contact value belongs to a real person: each number and domain by rule and source.

    Telephone numbers, e-mail addresses, websites and domains of the tenant's living rows, those of people
    too. A number is covered by a range that a regulator keeps free for fiction, a domain by RFC 2606 and 6761
    or by the blueprint's mail_domain. Exit code 4 if a value is covered by no rule. Streets are not examined:
    none are reserved.

    With --sql the command writes one plain SQL file with what it finds, and with the KPIs that the ledger
    expects. Run by psql later, the file shows whether every value, key and figure is still the same.
    """
    if sql is not None:
        _write_file(slug, sql, json=json)
        return
    session = open_session()
    from demo_pipeline.services.certificate.certify import certify as examine

    with notice_if_slow("reading every number and address ..."):
        found = examine(session.database, session.settings, slug)
    if json:
        write_document(
            {
                "tenant": found.tenant,
                "as_of": found.as_of,
                "holds": found.holds,
                "certified": records(_COLUMNS, found.certified),
                "uncovered": records(programs("place value row_count"), found.uncovered),
            }
        )
    else:
        verdict = (
            "every contact value is reserved"
            if found.holds
            else f"{_values(len(found.uncovered))} without a rule"
        )
        write_table(Table(_COLUMNS, found.certified, title=f"{slug}: {verdict}"))
        for one in found.uncovered[:_MOST_SHOWN]:
            write_text(f"{slug}: no rule covers {one.place} {one.value} ({counted(one.row_count, 'row')})")
        if len(found.uncovered) > _MOST_SHOWN:
            write_text(f"{slug}: and {_values(len(found.uncovered) - _MOST_SHOWN)} more")
    if not found.holds:
        raise typer.Exit(UNCOVERED)


def _write_file(slug: str, path: Path, *, json: bool) -> None:
    from demo_pipeline.services.files.whole_files import check_place, write_whole

    check_place(path, ".sql")
    session = open_session()
    from demo_pipeline.services.certificate.certify import certificate_sql

    with notice_if_slow("reading every row ..."):
        found = certificate_sql(session.database, session.settings, slug)
    size = write_whole(path, found.text.encode())
    if json:
        write_document({"file": str(path), "bytes": size, "assertions": found.assertion_count})
    else:
        count = counted(found.assertion_count, "assertion")
        say(f"wrote {count} about {slug} to {shell_path(path)} ({size:,} bytes); psql -f runs them")


def _values(count: int) -> str:
    return counted(count, "value")


_COLUMNS: Final[tuple[Column[CertifiedValues], ...]] = (
    Column("place", "column"),
    Column("rule", "reserved by"),
    Column("value_count", "values", is_number=True),
    Column("row_count", "rows", is_number=True),
    Column("source", "source"),
)
