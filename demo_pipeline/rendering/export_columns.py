"""What an export holds, as a table and as a document for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from demo_pipeline.domain.core.wording import counted
from demo_pipeline.rendering.table import Column, Table, records

if TYPE_CHECKING:
    from demo_pipeline.services.files.table_files import WrittenTable
    from demo_pipeline.services.tenants.export import Export

_COLUMNS: Final[tuple[Column[WrittenTable], ...]] = (
    Column("table", "table", lambda one: one.table.name),
    Column("file", "file"),
    Column("row_count", "rows", is_number=True),
)


def export_table(written: Export) -> Table[Any]:
    """The tables and their rows."""
    title = f"{written.kpis.tenant}: {counted(written.row_count, 'row')}"
    return Table(_COLUMNS, written.tables, title=title)


def export_document(written: Export) -> dict[str, Any]:
    """What ``export --json`` prints."""
    return {
        "tenant": written.kpis.tenant,
        "folder": str(written.folder),
        "format": written.file_format.value,
        "as_of": written.as_of.isoformat(timespec="seconds"),
        "digest": written.digest,
        "tables": records(_COLUMNS, written.tables),
        "unreleased": list(map(str, written.unreleased)),
        "certificate_holds": written.certificate.holds,
    }
