"""Exports: KPIs computed from the files are those of the database, and every reference leads to a row."""

from __future__ import annotations

import errno
import json
import os
import subprocess
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import duckdb
import pytest
from openpyxl import load_workbook

from demo_pipeline.domain.core.errors import InputError
from demo_pipeline.domain.model import MODEL
from demo_pipeline.services.files.table_files import SCHEMA_FILE, WORKBOOK
from demo_pipeline.services.tenants import queries
from demo_pipeline.services.tenants.export import MANIFEST, export
from demo_pipeline.services.tenants.release import release
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.rows.exported_rows import exported_columns
from tests.paths import PROJECT
from tests.services.builders import make_tenant

FORMATS: Final = ("parquet", "csv", "xlsx")
#: Texts that formats may damage, and a company, a contact and a tag that people deleted and rows refer to.
PEOPLE: Final = """
update crm.activities set subject = '=1+1', description = E'two\\nlines, "quoted", \\u00e9\\u20ac'
where id = (
    select id from crm.activities order by id limit 1);
update crm.activities set subject = '', description = E'bell \\x07' where id = (
    select id from crm.activities order by id offset 1 limit 1);
update crm.companies set postal_code = '01067' where id = (select id from crm.companies order by id limit 1);
update crm.companies set deleted_at = now() where id = (
    select company_id from crm.deals where company_id is not null order by id limit 1);
update crm.contacts set deleted_at = now() where id = (
    select contact_id from crm.contact_tags order by id limit 1);
"""
#: the eight KPIs by month, of tables with the names of the model
KPIS: Final = """
with facts as (
    select strftime(created_at, '%Y-%m') as month, 1 as contacts, (status = 'lead')::int as leads,
        0 as companies, 0 as deals, 0 as won, 0::decimal(18, 2) as won_value,
        0::decimal(18, 2) as pipeline, 0 as activities
    from contacts
    union all select strftime(created_at, '%Y-%m'), 0, 0, 1, 0, 0, 0, 0, 0 from companies
    union all select strftime(d.created_at, '%Y-%m'), 0, 0, 0, 1, coalesce(s.is_won, false)::int,
        case when s.is_won then d.value else 0 end,
        case when coalesce(s.is_lost, false) then 0 else d.value end, 0
    from deals d left join pipeline_stages s on s.id = d.stage_id
    union all select strftime(created_at, '%Y-%m'), 0, 0, 0, 0, 0, 0, 0, 1 from activities)
select month, sum(leads), sum(contacts), sum(companies), sum(deals), sum(won), sum(won_value), sum(pipeline),
    sum(activities)
from facts group by month order by month
"""
METRICS: Final = (
    "leads_created",
    "contacts_created",
    "companies_created",
    "deals_created",
    "closed_won_count",
    "closed_won_value",
    "pipeline_added_value",
    "activities_created",
)


@pytest.fixture
def slug(database: Database, tenant: str) -> str:
    """A tenant in which people have worked."""
    with database.admin() as conn:
        conn.execute(PEOPLE.encode())
    return tenant


def read_back(folder: Path, file_format: str) -> duckdb.DuckDBPyConnection:
    """The files of an export as tables, read by programs that know nothing of us."""
    conn = duckdb.connect()
    conn.execute("SET TimeZone = 'UTC'")
    for table in MODEL:
        if file_format == "xlsx":
            _read_sheet(conn, folder / WORKBOOK, table.name)
        else:
            options = ", header = true, all_varchar = false" if file_format == "csv" else ""
            path = folder / f"{table.name}.{file_format}"
            conn.execute(f"create table {table.name} as from read_{file_format}('{path}'{options})")
    return conn


def _read_sheet(conn: duckdb.DuckDBPyConnection, path: Path, table: str) -> None:
    sheet: Any = load_workbook(path, read_only=True)[table]
    rows: Iterator[tuple[Any, ...]] = sheet.values
    header = next(rows)
    kinds = {column.name: column.kind.value for column in exported_columns(MODEL[table])}
    kinds |= {name: "timestamp" for name, kind in kinds.items() if kind == "timestamptz"}
    columns = ", ".join(f'"{name}" {kinds[name]}' for name in header)
    conn.execute(f"create table {table} ({columns})")
    marks = ", ".join("?" * len(header))
    conn.executemany(f"insert into {table} values ({marks})", [_plain(row) for row in rows])


def _plain(row: tuple[Any, ...]) -> list[Any]:
    return [Decimal(str(one)) if isinstance(one, float) else one for one in row]


@pytest.mark.parametrize("file_format", FORMATS)
def test_figures_computed_from_the_files_are_exact(
    database: Database, database_settings: Settings, slug: str, tmp_path: Path, file_format: str
) -> None:
    """Every KPI of every month to the cent, as ``kpis`` says; row counts as in the manifest."""
    written = export(database, database_settings, slug, tmp_path / "out", file_format)
    conn = read_back(tmp_path / "out", file_format)
    table = queries.kpis(database, database_settings, slug)
    expected = {
        row["month"]: [Decimal(str(row[name])) for name in METRICS]
        for row in table.months.to_rows(table.currency)
    }
    found = {
        month: [Decimal(str(one)) for one in figures] for month, *figures in conn.execute(KPIS).fetchall()
    }
    assert found == {month: figures for month, figures in expected.items() if any(figures)}
    assert sum(figures[5] for figures in found.values()) > 0
    manifest = json.loads((tmp_path / "out" / MANIFEST).read_text())
    assert written.digest == manifest["digest"] == queries.digest(database, database_settings, slug)
    for entry in manifest["tables"]:
        assert conn.execute(f"select count(*) from {entry['name']}").fetchone() == (entry["rows"],)
    assert {
        row["month"]: [Decimal(str(row[name])) for name in METRICS] for row in manifest["months"]
    } == expected


@pytest.mark.parametrize("file_format", FORMATS)
def test_texts_and_references_survive(
    database: Database, database_settings: Settings, slug: str, tmp_path: Path, file_format: str
) -> None:
    """Line ends, quotes, formulas and leading zeros are as they were; no reference leads nowhere."""
    export(database, database_settings, slug, tmp_path / "out", file_format)
    conn = read_back(tmp_path / "out", file_format)
    texts = conn.execute("select subject, description from activities order by id limit 2").fetchall()
    assert texts[0] == ("=1+1", 'two\nlines, "quoted", é€')
    bell = "bell \ufffd" if file_format == "xlsx" else "bell \x07"
    assert texts[1] in {("", bell), (None, bell)}
    if file_format != "csv":
        # CSV has no types: who reads it must say that a postal code is text, as schema.yml does.
        assert ("01067",) in conn.execute("select postal_code from companies").fetchall()
    for reference in MODEL.references:
        column = f"c.{reference.column}"
        [(lost,)] = conn.execute(
            f"select count(*) from {reference.child} c left join {reference.parent} p on p.id = {column}"
            f" where {column} is not null and p.id is null"
        ).fetchall()
        assert lost == 0, reference
    [(without,)] = conn.execute("select count(*) from deals where company_id is null").fetchall()
    assert without > 0


def test_columns_are_what_the_tenant_sees(
    database: Database, database_settings: Settings, slug: str, tmp_path: Path
) -> None:
    """No provenance and no word of it, neither in names nor in what Parquet keeps beside them."""
    export(database, database_settings, slug, tmp_path / "out", "parquet")
    conn = read_back(tmp_path / "out", "parquet")
    for table in MODEL:
        names = [name for name, *_ in conn.execute(f"describe {table.name}").fetchall()]
        assert set(names) == set(table.visible)
        assert b"demo" not in (tmp_path / "out" / f"{table.name}.parquet").read_bytes().lower()
    types = dict(
        conn.execute(
            "select column_name, data_type from duckdb_columns() where table_name = 'deals'"
        ).fetchall()
    )
    assert types["value"] == "DECIMAL(15,2)"
    assert types["closed_at"] == "TIMESTAMP WITH TIME ZONE"
    assert types["expected_close_date"] == "DATE"


def test_the_manifest_says_what_is_in_the_folder(
    database: Database, database_settings: Settings, slug: str, tmp_path: Path
) -> None:
    """Checksums of all files, release of each month, the certificate, and the licences of the lists."""
    folder = tmp_path / "out"
    with database.admin() as conn:
        conn.execute("update crm.companies set deleted_at = null; update crm.contacts set deleted_at = null")
    release(database, database_settings, slug, requested_by="test", reason="shown in a test")
    written = export(database, database_settings, slug, folder, "CSV")
    manifest = json.loads((folder / MANIFEST).read_text())
    files = {one["file"]: one for one in manifest["files"]}
    assert {*files, MANIFEST} == {path.name for path in folder.iterdir()}
    for name, one in files.items():
        content = (folder / name).read_bytes()
        assert (one["bytes"], one["sha256"]) == (len(content), sha256(content).hexdigest())
    assert {month["release"] for month in manifest["months"]} == {"released"}
    assert not written.unreleased
    assert manifest["certificate"]["holds"] is True
    assert manifest["certificate"]["certified"]
    assert [one["licence"] for one in manifest["sources"]] == [one.licence for one in written.sources]
    assert all(one["lists"] and one["source"] and one["licence"] for one in manifest["sources"])
    assert datetime.fromisoformat(manifest["as_of"]).tzinfo is not None
    [value] = [
        column
        for table in manifest["tables"]
        if table["name"] == "deals"
        for column in table["columns"]
        if column["name"] == "company_id"
    ]
    assert value == {"name": "company_id", "type": "uuid", "nullable": True, "references": "companies.id"}


def test_a_folder_that_is_used_is_refused(
    database: Database, database_settings: Settings, slug: str, tmp_path: Path
) -> None:
    """Files of others stay; an earlier export of the same tenant is replaced on demand, as a whole."""
    taken, folder = tmp_path / "taken", tmp_path / "out"
    taken.mkdir()
    (taken / "letter.txt").write_text("keep")
    cases = [
        (taken, "csv", "not empty"),
        (tmp_path / "no" / "out", "csv", "No such file"),
        (folder, "json", "no format"),
    ]
    for place, file_format, said in cases:
        with pytest.raises(InputError, match=said):
            export(database, database_settings, slug, place, file_format, is_replacing=True)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    export(database, database_settings, slug, folder, "csv")
    with pytest.raises(InputError, match="--replace"):
        export(database, database_settings, slug, folder, "csv")
    export(database, database_settings, slug, folder, "parquet", is_replacing=True)
    assert not list(folder.glob("*.csv"))
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="no export"):
        export(database, database_settings, slug, folder, "csv", is_replacing=True)
    assert (folder / "notes.txt").read_text() == "mine"
    make_tenant(database, database_settings, slug="bravo")
    (folder / "notes.txt").unlink()
    with pytest.raises(InputError, match="export of acme"):
        export(database, database_settings, "bravo", folder, "csv", is_replacing=True)


def test_an_export_that_cannot_be_put_in_place_leaves_the_earlier_one(
    database: Database,
    database_settings: Settings,
    slug: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The earlier export is where it was, and nothing else is left."""
    folder = tmp_path / "out"
    export(database, database_settings, slug, folder, "csv")
    earlier = (folder / MANIFEST).read_bytes()
    replace = Path.replace

    def refuse(self: Path, target: Path) -> Path:
        if target == folder and (self / "deals.parquet").exists():
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(InputError, match="Input/output error"):
        export(database, database_settings, slug, folder, "parquet", is_replacing=True)
    assert (folder / MANIFEST).read_bytes() == earlier
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith(".out")] == []


@pytest.mark.long
def test_dbt_accepts_the_seeds(
    database: Database, database_settings: Settings, slug: str, tmp_path: Path
) -> None:
    """It loads the CSV files, and every test of schema.yml passes: keys, references, values."""
    seeds = tmp_path / "project" / "seeds"
    seeds.parent.mkdir()
    export(database, database_settings, slug, seeds, "csv")
    assert (seeds / SCHEMA_FILE).exists()
    (seeds.parent / "dbt_project.yml").write_text("name: tenant\nversion: '1.0'\nprofile: tenant\n")
    (seeds.parent / "profiles.yml").write_text(
        "tenant:\n  target: files\n  outputs:\n    files: {type: duckdb, path: tenant.duckdb}\n"
    )
    environment = {**os.environ, "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"}
    done = subprocess.run(
        [
            PROJECT / ".venv" / "bin" / "dbt",
            "build",
            "--profiles-dir",
            ".",
            "--no-use-colors",
            "--no-version-check",
        ],
        cwd=seeds.parent,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "WARN=0 ERROR=0 SKIP=0" in done.stdout
    with duckdb.connect(str(seeds.parent / "tenant.duckdb")) as conn:
        assert ("01067",) in conn.execute("select postal_code from companies").fetchall()
