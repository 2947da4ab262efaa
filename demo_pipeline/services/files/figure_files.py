"""Monthly figures as files for other programs: an Excel workbook or a Parquet file.

A row a month; ``month`` is its first day as a real date, counts are whole numbers, values exact decimals in
major units. A workbook that is read back by ``plan_files`` gives the same figures.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from demo_pipeline.domain.core.figures import METRICS, VALUE_METRICS
from demo_pipeline.domain.core.months import Month
from demo_pipeline.services.files.whole_files import check_place, write_whole

#: metric → figure in units or major units; absent: nothing is said
Row = Mapping[str, int | Decimal]

#: digits of a value, the decimals included
_VALUE_DIGITS: Final = 18
#: of a number in a spreadsheet; more are written as text
_MOST_DIGITS: Final = 15
_MONTH_FORMAT: Final = "yyyy-mm"


def save_figures(path: Path, months: Mapping[Month, Row], decimals: int, *, title: str, suffix: str) -> None:
    """Write ``.xlsx`` or ``.parquet`` (``suffix``), over a file that is there.

    ``decimals`` are those of values; ``title`` names the sheet. Raises ``InputError``.
    """
    check_place(path, suffix)
    asked = [metric for metric in METRICS if any(metric in row for row in months.values())]
    write_whole(path, (_parquet if suffix == ".parquet" else _workbook)(months, asked, decimals, title))


def _parquet(months: Mapping[Month, Row], metrics: Sequence[str], decimals: int, _: str) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns: dict[str, Any] = {"month": pa.array(map(_first_day, months), pa.date32())}
    for metric in metrics:
        kind = pa.decimal128(_VALUE_DIGITS, decimals) if metric in VALUE_METRICS else pa.int64()
        columns[metric] = pa.array([row.get(metric) for row in months.values()], kind)
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


def _workbook(months: Mapping[Month, Row], metrics: Sequence[str], decimals: int, title: str) -> bytes:
    """One sheet: header in bold and frozen, columns as wide as what is in them."""
    from openpyxl import Workbook
    from openpyxl.styles import Font
    from openpyxl.utils import get_column_letter

    book = Workbook()
    sheet: Any = book.active
    sheet.title, sheet.freeze_panes = title, "B2"
    columns: dict[str, list[Any]] = {"month": [_first_day(month) for month in months]}
    columns |= {metric: [row.get(metric) for row in months.values()] for metric in metrics}
    for index, (name, values) in enumerate(columns.items(), start=1):
        is_value = name in VALUE_METRICS
        number_format = "#,##0." + "0" * decimals if is_value and decimals else "#,##0"
        sheet.cell(1, index, name).font = Font(bold=True)
        for number, value in enumerate(values, start=2):
            amount = value if value is None or not is_value else _exact(value, decimals)
            cell = sheet.cell(number, index, amount)
            cell.number_format = _MONTH_FORMAT if name == "month" else number_format
        width = max(len(name), *(len(str(value or "")) + 4 for value in values))
        sheet.column_dimensions[get_column_letter(index)].width = width + 2
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def _exact(value: int | Decimal, decimals: int) -> Decimal | str:
    """An amount with so many decimals; as text where a spreadsheet would round it."""
    amount = Decimal(value).quantize(Decimal(1).scaleb(-decimals))
    return str(amount) if len(amount.as_tuple().digits) > _MOST_DIGITS else amount


def _first_day(month: Month) -> date:
    return date(month.year, month.number, 1)
