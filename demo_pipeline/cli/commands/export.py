"""``export``: the rows of one tenant as files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from demo_pipeline.cli.kit.console import command_line, note, say, shell_path, write_document, write_table
from demo_pipeline.cli.kit.parameters import (
    TENANT_PANEL,
    Commands,
    Json,
    Slug,
    argument,
    example,
    flag,
    option,
)
from demo_pipeline.cli.kit.session import notice_if_slow, open_session
from demo_pipeline.domain.core.wording import counted

app = Commands(position=7, panel=TENANT_PANEL)


@app.command(
    epilog=example("export larkmoor larkmoor-files", "export larkmoor larkmoor-seeds --format csv --replace")
)
def export(
    slug: Slug,
    folder: Annotated[Path, argument("DIR", "Where the files go: a new or an empty folder.")],
    *,
    file_format: Annotated[
        str, option("--format", "FORMAT", "parquet (the default), csv or xlsx.")
    ] = "parquet",
    replace: Annotated[bool, flag("--replace", "Replace an earlier export of the tenant there.")] = False,
    json: Json = False,
) -> None:
    """Write all that the tenant sees into a folder of files.

    Parquet and CSV have a file a table; beside CSV lies a schema.yml with types and tests for dbt seeds.
    xlsx is one workbook with a sheet a table; its times are in UTC, to the millisecond. manifest.json has the
    figures by month and whether each is released, row counts, checksums, the digest, the certificate, and
    the licences of what names and places were made from.

    Months that are not released are exported, too, and named. The folder appears whole or not at all.
    """
    session = open_session()
    from demo_pipeline.rendering.export_columns import export_document, export_table
    from demo_pipeline.services.tenants.export import export as write

    with notice_if_slow("writing every row ..."):
        written = write(session.database, session.settings, slug, folder, file_format, is_replacing=replace)
    if json:
        write_document(export_document(written))
    else:
        write_table(export_table(written))
        say(f"wrote {slug} to {shell_path(folder)}; manifest.json says what is in it")
    if months := written.unreleased:
        span = f"{months[0]} to {months[-1]}" if len(months) > 1 else str(months[0])
        text = f"{counted(len(months), 'month')} of it not released ({span})"
        note(f"{slug}: {text}; {command_line(f'release {slug}')} releases what passes its checks")
    if not written.certificate.holds:
        note(f"{slug}: some contact values are not reserved; {command_line(f'certify {slug}')} names them")
