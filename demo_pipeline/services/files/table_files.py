"""Tables as files for other systems: Parquet, CSV with a ``schema.yml`` for dbt, or one Excel workbook.

All are made from one CSV stream a table (``storage.rows.exported_rows``), piece by piece: memory does not
grow with the rows. Which tables there are and where files come to lie does not belong here.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Self

import pyarrow as pa
import pyarrow.parquet as pq
from psycopg.abc import Buffer
from pyarrow import csv
from ruamel.yaml import YAML

from demo_pipeline.domain.core.errors import InputError, Problem
from demo_pipeline.domain.model import Column, Kind, Table
from demo_pipeline.domain.parsing.scalars import quoted
from demo_pipeline.storage.rows.exported_rows import exported_columns

Pieces = Iterable[Buffer]


class ExportFormat(StrEnum):
    """How tables are written."""

    PARQUET = "parquet"
    CSV = "csv"
    XLSX = "xlsx"


def read_format(text: str) -> ExportFormat:
    """The format of that name. Raises ``InputError``."""
    try:
        return ExportFormat(text.strip().lower())
    except ValueError:
        message = f"{quoted(text)} is no format; write {', '.join(ExportFormat)}"
        problem = Problem(code="unknown_format", field="--format", value=text, message=message)
        raise InputError(message, [problem]) from None


@dataclass(frozen=True, kw_only=True)
class WrittenTable:
    """A table in its file."""

    table: Table
    file: str
    row_count: int


_TYPES: Final[Mapping[Kind, pa.DataType]] = {
    Kind.UUID: pa.string(),
    Kind.TEXT: pa.string(),
    Kind.MONTH: pa.string(),
    Kind.INTEGER: pa.int32(),
    Kind.BOOLEAN: pa.bool_(),
    Kind.DATE: pa.date32(),
    Kind.INSTANT: pa.timestamp("us", "UTC"),
    Kind.MONEY: pa.decimal128(15, 2),
}
#: bytes of CSV that are parsed at once
_BLOCK: Final = 4 << 20
WORKBOOK: Final = "tenant.xlsx"
SCHEMA_FILE: Final = "schema.yml"
#: of a sheet, its header included
_MOST_SHEET_ROWS: Final = 1_048_576
#: characters that no cell of a workbook may have
_NOT_IN_CELLS: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_MOST_CELL_CHARACTERS: Final = 32_767
# pyarrow publishes no types of its reader.
_csv: Final[Any] = csv


class TableWriter:
    """Writes tables into a folder, each once, parents first. A context; ``finish`` when all are written."""

    def __init__(self, folder: Path, file_format: ExportFormat) -> None:
        self._folder, self._format = folder, file_format
        self._book: Any = None
        if file_format is ExportFormat.XLSX:
            from openpyxl import Workbook

            self._book = Workbook(write_only=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # A sheet that is left open makes openpyxl print an exception when the process ends.
        if self._book is not None:
            for sheet in self._book.worksheets:
                sheet.close()

    def write(self, table: Table, pieces: Pieces) -> WrittenTable:
        """Write a table. Raises ``InputError`` if it has too many rows for the format."""
        file = WORKBOOK if self._format is ExportFormat.XLSX else f"{table.name}.{self._format}"
        write = {
            ExportFormat.PARQUET: self._write_parquet,
            ExportFormat.CSV: self._write_csv,
            ExportFormat.XLSX: self._write_sheet,
        }[self._format]
        return WrittenTable(table=table, file=file, row_count=write(table, pieces, self._folder / file))

    def finish(self, tables: Sequence[Table]) -> None:
        """Write what belongs to all ``tables`` together."""
        if self._book is not None:
            self._book.save(self._folder / WORKBOOK)
            self._book = None
        elif self._format is ExportFormat.CSV:
            yaml: Any = YAML()
            yaml.width = 120
            yaml.dump(_dbt_schema(tables), self._folder / SCHEMA_FILE)

    @staticmethod
    def _write_parquet(table: Table, pieces: Pieces, path: Path) -> int:
        count = 0
        batches, schema = _batches(table, pieces)
        with pq.ParquetWriter(path, schema, compression="zstd") as writer:
            for batch in batches:
                writer.write_batch(batch)
                count += batch.num_rows
        return count

    @staticmethod
    def _write_csv(table: Table, pieces: Pieces, path: Path) -> int:
        def written() -> Iterator[Buffer]:
            with path.open("wb") as file:
                for piece in pieces:
                    file.write(piece)
                    yield piece

        # Parsed to be counted: a text may have line ends.
        return sum(batch.num_rows for batch in _batches(table, written())[0])

    def _write_sheet(self, table: Table, pieces: Pieces, _: Path) -> int:
        from openpyxl.cell import WriteOnlyCell
        from openpyxl.styles import Font

        sheet: Any = self._book.create_sheet(table.name)
        sheet.freeze_panes = "A2"
        columns, header = exported_columns(table), []
        for column in columns:
            cell: Any = WriteOnlyCell(sheet, column.name)
            cell.font = Font(bold=True)
            header.append(cell)
        sheet.append(header)
        count = 0
        for batch in _batches(table, pieces)[0]:
            count += batch.num_rows
            if count >= _MOST_SHEET_ROWS:
                message = (
                    f"{table.name} has more than the {_MOST_SHEET_ROWS - 1:,} rows that a sheet can hold; "
                    "write --format parquet or csv"
                )
                raise InputError(message, [Problem(code="too_many_rows", field="--format", message=message)])
            read: Any = batch
            for row in zip(*(column.to_pylist() for column in read.columns), strict=True):
                sheet.append([_cell(sheet, value) for value in row])
        return count


def _batches(table: Table, pieces: Pieces) -> tuple[Iterator[pa.RecordBatch], pa.Schema]:
    reader = _csv.open_csv(
        # A block is filled: of each piece of its own a Parquet file would have a group.
        io.BufferedReader(_Stream(pieces), _BLOCK),
        read_options=_csv.ReadOptions(block_size=_BLOCK),
        parse_options=_csv.ParseOptions(newlines_in_values=True),
        convert_options=_csv.ConvertOptions(
            column_types={column.name: _TYPES[column.kind] for column in exported_columns(table)},
            # An empty text is quoted, a null is not.
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            null_values=[""],
            true_values=["true"],
            false_values=["false"],
        ),
    )
    schema = pa.schema(
        [
            pa.field(
                column.name,
                _TYPES[column.kind],
                nullable=column.is_nullable,
                metadata=None if column.references is None else {"references": f"{column.references}.id"},
            )
            for column in exported_columns(table)
        ]
    )
    return (pa.RecordBatch.from_arrays(batch.columns, schema=schema) for batch in reader), schema


class _Stream(io.RawIOBase):
    """Pieces of bytes as a file to read from."""

    def __init__(self, pieces: Pieces) -> None:
        super().__init__()
        self._pieces, self._rest = iter(pieces), memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = memoryview(piece)
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size


def _cell(sheet: Any, value: Any) -> Any:
    """A value as a cell: instants without a time zone, to the millisecond; no text is a formula."""
    from openpyxl.cell import WriteOnlyCell

    match value:
        case str():
            cell: Any = WriteOnlyCell(sheet, _NOT_IN_CELLS.sub("\ufffd", value)[:_MOST_CELL_CHARACTERS])
            # A text that begins with = would be calculated.
            cell.data_type = "s"
            return cell
        case datetime():
            return value.replace(tzinfo=None, microsecond=value.microsecond // 1000 * 1000)
        case date():
            return value
        case _:
            return value


# -- dbt -------------------------------------------------------------------------------------------------


_DBT_TYPES: Final[Mapping[Kind, str]] = {
    Kind.UUID: "varchar(36)",
    Kind.TEXT: "text",
    Kind.MONTH: "varchar(7)",
    Kind.INTEGER: "integer",
    Kind.BOOLEAN: "boolean",
    Kind.DATE: "date",
    Kind.INSTANT: "timestamptz",
    Kind.MONEY: "numeric(15, 2)",
}


def _dbt_schema(tables: Sequence[Table]) -> dict[str, Any]:
    """Seeds of dbt with the types of their columns, and its tests: keys, references, values."""
    return {"version": 2, "seeds": [_dbt_seed(table) for table in tables]}


def _dbt_seed(table: Table) -> dict[str, Any]:
    columns = exported_columns(table)
    return {
        "name": table.name,
        "config": {"column_types": {column.name: _DBT_TYPES[column.kind] for column in columns}},
        "columns": [_dbt_column(column) for column in columns],
    }


def _dbt_column(column: Column) -> dict[str, Any]:
    tests: list[Any] = []
    if column.name == "id":
        tests.append("unique")
    if not column.is_nullable:
        tests.append("not_null")
    if column.values:
        tests.append({"accepted_values": {"arguments": {"values": list(column.values)}}})
    if column.references is not None:
        to = f"ref('{column.references}')"
        tests.append({"relationships": {"arguments": {"to": to, "field": "id"}}})
    return {"name": column.name, **({"data_tests": tests} if tests else {})}
