"""Monthly figures as files for other programs: an Excel workbook or a Parquet file.

A row a month; ``month`` is its first day as a real date, counts are whole numbers, values exact decimals in
major units. Read back by ``plan_files`` a workbook is the same figures. Files appear whole or not at all.
"""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from demo_pipeline.domain.core.errors import InputError, Problem
from demo_pipeline.domain.core.figures import METRICS, VALUE_METRICS
from demo_pipeline.domain.core.months import Month
from demo_pipeline.services.files.workbooks import write_sheet

if TYPE_CHECKING:
    import pyarrow as pa

#: metric → figure in units or major units; absent: nothing is said
Row = Mapping[str, int | Decimal]

#: digits of a value, the decimals included
_VALUE_DIGITS: Final = 18
_MONTH_FORMAT: Final = "yyyy-mm"


def save_figures(path: Path, months: Mapping[Month, Row], decimals: int, *, title: str, suffix: str) -> None:
    """Write ``.xlsx`` or ``.parquet`` (``suffix``), over a file that is there.

    ``decimals`` are those of values; ``title`` names the sheet. Raises ``InputError``.
    """
    if path.suffix.lower() != suffix:
        raise _refused("bad_suffix", path, f"the name does not end with {suffix}; rename it")
    asked = [metric for metric in METRICS if any(metric in row for row in months.values())]
    table = _table(months, asked, decimals)
    if suffix == ".parquet":
        content = _parquet(table)
    else:
        import pandas as pd

        frame = table.to_pandas(types_mapper=pd.ArrowDtype)
        content = write_sheet(frame, title, _formats(asked, decimals))
    _write(path, content)


def _table(months: Mapping[Month, Row], metrics: Sequence[str], decimals: int) -> pa.Table:
    import pyarrow as pa

    columns: dict[str, Any] = {
        "month": pa.array([date(month.year, month.number, 1) for month in months], pa.date32())
    }
    for metric in metrics:
        kind = pa.decimal128(_VALUE_DIGITS, decimals) if metric in VALUE_METRICS else pa.int64()
        columns[metric] = pa.array([row.get(metric) for row in months.values()], kind)
    return pa.table(columns)


def _formats(metrics: Sequence[str], decimals: int) -> dict[str, str]:
    value = "#,##0" + (f".{'0' * decimals}" if decimals else "")
    return {
        "month": _MONTH_FORMAT,
        **{metric: value if metric in VALUE_METRICS else "#,##0" for metric in metrics},
    }


def _parquet(table: pa.Table) -> bytes:
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


def _write(path: Path, content: bytes) -> None:
    part: str | None = None
    try:
        descriptor, part = tempfile.mkstemp(prefix=f".{path.name[:60]}.", dir=path.parent)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        # As any program that saves a file would have made it.
        mask = os.umask(0)
        os.umask(mask)
        Path(part).chmod(0o666 & ~mask)
        Path(part).replace(path)
    except (OSError, ValueError) as error:
        if part is not None:
            with suppress(OSError):
                Path(part).unlink()
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else "no such name"
        raise _refused("unwritable_file", path, f"cannot be written: {reason}") from None


def _refused(code: str, path: Path, message: str) -> InputError:
    return InputError(f"{path}: {message}", [Problem(code=code, value=str(path), message=message)])
