"""Write what a tenant sees into a folder of files, for a warehouse, another CRM or a spreadsheet.

One snapshot of the database: tables, KPIs, digest and certificate agree. The folder appears whole or not at
all. ``manifest.json`` says what is in it and whether it may be shown: a month that is not released is
exported as well, and named as such.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from hashlib import file_digest
from pathlib import Path
from typing import Any, Final

from demo_pipeline.domain.core.errors import InputError, Problem
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.model import MODEL
from demo_pipeline.domain.reference.countries import Source, load_locale
from demo_pipeline.services.certificate.certify import Certificate, certificate_of
from demo_pipeline.services.files.table_files import ExportFormat, TableWriter, WrittenTable, read_format
from demo_pipeline.services.jobs.tenant_context import TenantContext, open_snapshot
from demo_pipeline.services.tenants.queries import KpiTable, kpi_months
from demo_pipeline.services.tenants.release import Releases, releases_of
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.rows.digest import digest_within
from demo_pipeline.storage.rows.exported_rows import exported_columns, exported_csv
from demo_pipeline.storage.rows.kpis import all_figures

MANIFEST: Final = "manifest.json"
#: of the manifest: raised when what it says changes
_MANIFEST_VERSION: Final = 1


@dataclass(frozen=True, kw_only=True)
class Export:
    """What was written."""

    folder: Path
    file_format: ExportFormat
    as_of: datetime
    digest: str
    tables: tuple[WrittenTable, ...]
    kpis: KpiTable
    releases: Releases
    certificate: Certificate
    sources: tuple[Source, ...]

    @property
    def row_count(self) -> int:
        """Rows of all tables."""
        return sum(table.row_count for table in self.tables)

    @property
    def unreleased(self) -> list[Month]:
        """Months with rows that are not released as they are now."""
        shown = self.kpis.months.nonzero()
        return [month for month in shown if not self.releases.state(month).may_be_shown]


def export(
    database: Database,
    settings: Settings,
    slug: str,
    folder: Path,
    file_format: str,
    *,
    is_replacing: bool = False,
) -> Export:
    """Write all that a tenant sees into ``folder``, which must be empty or not be there.

    ``file_format``: parquet, csv or xlsx. ``is_replacing``: an earlier
    export of the same tenant there is replaced. Raises ``InputError`` for an unknown format, a
    folder that holds anything else or cannot be written, ``NotFoundError``, ``NotADemoTenantError``,
    ``UnreadableTenantError``.
    """
    folder, chosen = folder.absolute(), read_format(file_format)
    _check_folder(folder, slug, is_replacing=is_replacing)
    with (
        _whole_folder(folder) as draft,
        open_snapshot(database, settings, slug, "export") as (conn, context, as_of),
    ):
        tenant_id = context.state.tenant.tenant_id
        tables = list[WrittenTable]()
        with TableWriter(draft, chosen) as writer:
            for table in MODEL:
                with exported_csv(conn, table, tenant_id) as pieces:
                    tables.append(writer.write(table, pieces))
            writer.finish([*MODEL])
        figures = all_figures(conn, tenant_id, context.spec.currency)
        written = Export(
            folder=folder,
            file_format=chosen,
            as_of=as_of,
            digest=digest_within(conn, tenant_id),
            tables=tuple(tables),
            kpis=KpiTable(
                tenant=slug,
                currency=context.spec.currency,
                months=figures.over(kpi_months(context, figures)),
            ),
            releases=releases_of(conn, context),
            certificate=certificate_of(conn, context, as_of),
            sources=load_locale(context.spec.country).sources,
        )
        manifest = json.dumps(_manifest(written, context, draft), indent=2, ensure_ascii=False)
        (draft / MANIFEST).write_text(manifest + "\n", "utf-8")
    return written


def _manifest(written: Export, context: TenantContext, draft: Path) -> dict[str, Any]:
    spec, certificate = context.spec, written.certificate
    rows = written.kpis.months.to_rows(spec.currency)
    return {
        "manifest_version": _MANIFEST_VERSION,
        "tenant": {
            "slug": spec.slug,
            "name": spec.name,
            "country": spec.country,
            "industry": spec.industry,
            "timezone": spec.timezone,
            "currency": spec.currency.code,
        },
        "as_of": written.as_of.isoformat(timespec="seconds"),
        "format": written.file_format.value,
        "digest": written.digest,
        "months": [
            {**row, "release": written.releases.state(month).value}
            for row, month in zip(rows, written.kpis.months, strict=True)
        ],
        "tables": [_table_entry(table) for table in written.tables],
        "files": [_file_entry(path) for path in sorted(draft.iterdir())],
        "certificate": {
            "holds": certificate.holds,
            "certified": [
                {
                    "column": one.place,
                    "rule": one.rule,
                    "source": one.source,
                    "values": one.value_count,
                    "rows": one.row_count,
                }
                for one in certificate.certified
            ],
            "uncovered": len(certificate.uncovered),
        },
        "sources": [vars(one) for one in written.sources],
    }


def _table_entry(written: WrittenTable) -> dict[str, Any]:
    return {
        "name": written.table.name,
        "file": written.file,
        "rows": written.row_count,
        "columns": [
            {
                "name": column.name,
                "type": column.kind.value,
                "nullable": column.is_nullable,
                "references": None if column.references is None else f"{column.references}.id",
            }
            for column in exported_columns(written.table)
        ],
    }


def _file_entry(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return {
            "file": path.name,
            "bytes": path.stat().st_size,
            "sha256": file_digest(file, "sha256").hexdigest(),
        }


# -- the folder ------------------------------------------------------------------------------------------


def _check_folder(folder: Path, slug: str, *, is_replacing: bool) -> None:
    try:
        entries = [one.name for one in folder.iterdir()]
    except FileNotFoundError:
        return
    except OSError as error:
        raise _refused(folder, f"cannot be used: {os.strerror(error.errno or 0)}; name a folder") from None
    if not entries:
        return
    owner = _exported_tenant(folder)
    if owner == slug and is_replacing:
        return
    if owner is None:
        reason = "is not empty, and holds no export; choose another folder"
    elif owner != slug:
        reason = f"holds an export of {owner}; choose another folder, or delete it"
    else:
        reason = f"holds an export of {slug} already; choose another folder, or give --replace"
    raise _refused(folder, reason)


def _exported_tenant(folder: Path) -> str | None:
    """The slug in the manifest of a folder that holds an export and nothing else."""
    try:
        manifest: Mapping[str, Any] = json.loads((folder / MANIFEST).read_text("utf-8"))
        files: Sequence[Mapping[str, Any]] = manifest["files"]
        known = {MANIFEST, *(str(one["file"]) for one in files)}
        slug = str(manifest["tenant"]["slug"])
        return slug if {path.name for path in folder.iterdir()} <= known else None
    except (OSError, ValueError, LookupError, TypeError):
        return None


@contextmanager
def _whole_folder(folder: Path) -> Generator[Path]:
    """A folder to write into, which takes the place of ``folder`` at the end; after an error it is gone."""
    draft: Path | None = None
    try:
        draft = Path(tempfile.mkdtemp(prefix=f".{folder.name[:60]}.", dir=folder.parent))
        yield draft
        mask = os.umask(0)
        os.umask(mask)
        draft.chmod(0o777 & ~mask)
        if folder.exists():
            earlier = Path(tempfile.mkdtemp(prefix=f".{folder.name[:60]}.", dir=folder.parent))
            folder.replace(earlier)
            try:
                draft.replace(folder)
            except OSError:
                earlier.replace(folder)
                raise
            shutil.rmtree(earlier, ignore_errors=True)
        else:
            draft.replace(folder)
    except OSError as error:
        raise _refused(folder, f"cannot be written: {os.strerror(error.errno or 0)}") from None
    finally:
        if draft is not None:
            shutil.rmtree(draft, ignore_errors=True)


def _refused(folder: Path, message: str) -> InputError:
    problem = Problem(code="unusable_folder", field="DIR", value=str(folder), message=message)
    return InputError(f"{folder}: {message}", [problem])
