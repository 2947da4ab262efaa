"""Arrow arrays with the types that they have: the few operations that generation needs.

pyarrow's published types are wrong where NumPy and Arrow meet and for many compute functions, so these
are called here and nowhere else. What a table's columns are called and mean does not belong here.

Arrays are made from buffers and read from buffers. At its first conversion of a Python or NumPy value
(``pa.array``, ``pa.scalar``, ``to_numpy``, a literal handed to a compute function) and at its first instant
as a Python value pyarrow imports pandas where it is installed: half a second and 60 MB that a job does not
need.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from demo_pipeline.domain.core.random_streams import I64

if TYPE_CHECKING:
    Column: TypeAlias = pa.Array[Any]
else:
    Column = pa.Array

#: shape (n,), one truth a row
Mask = NDArray[np.bool_]

AnyColumn = TypeVar("AnyColumn", bound=Column)
Rows = TypeVar("Rows", bound="Column | pa.RecordBatch")

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_arrow: Final[Any] = pa
_compute: Final[Any] = pc
_CHECKED: Final = pc.TakeOptions(boundscheck=True)


def strings(values: Sequence[str | None]) -> pa.StringArray:
    """Texts as a column; ``None`` is null."""
    encoded = [value.encode() if value else b"" for value in values]
    offsets = np.zeros(len(encoded) + 1, np.int32)
    np.cumsum(np.fromiter(map(len, encoded), np.int32, len(encoded)), out=offsets[1:])
    missing = validity(np.array([value is None for value in values])) if None in values else None
    return _arrow.StringArray.from_buffers(
        len(encoded), buffer(offsets), _arrow.py_buffer(b"".join(encoded)), missing
    )


def integers(values: Sequence[int] | NDArray[Any], kind: pa.DataType, missing: Mask | None = None) -> Column:
    """Integers as a column of a type of 32 or 64 bits, also of dates and instants; null where ``missing``."""
    array = np.asarray(values, f"<i{kind.bit_width // 8}")
    nulls = None if missing is None else validity(missing)
    return _arrow.Array.from_buffers(kind, len(array), [nulls, buffer(array)])


def flags(values: Sequence[bool] | Mask, missing: Mask | None = None) -> Column:
    """Truths as a column; null where ``missing``."""
    bits = np.packbits(np.asarray(values, bool), bitorder="little")
    nulls = None if missing is None else validity(missing)
    return _arrow.Array.from_buffers(pa.bool_(), len(values), [nulls, buffer(bits)])


def validity(missing: Mask) -> pa.Buffer | None:
    """The bits of a column that say where values are; None where all are."""
    return buffer(np.packbits(~missing, bitorder="little")) if missing.any() else None


@lru_cache(1024)
def kept_strings(values: tuple[str, ...]) -> pa.StringArray:
    """Texts as a column that is made once; for those of the program or a pack."""
    return strings(values)


@cache
def text_scalar(value: str | None) -> pa.StringScalar:
    """A text, or null, for compute functions; for texts of the program, which are few."""
    return strings([value])[0]


def constant(value: str, count: int) -> pa.StringArray:
    """The same text ``count`` times."""
    return _arrow.repeat(text_scalar(value), count)


def texts(values: Sequence[str], picks: I64) -> pa.StringArray:
    """``values[picks]`` as a column; the values are kept, so that they should be of the program or a pack."""
    return take(kept_strings(tuple(values)), picks)


def take(values: AnyColumn, picks: I64) -> AnyColumn:
    """``values[picks]``; every pick is a place in ``values``."""
    # Without the wrapper, whose dispatch would be most of a short call.
    return _compute.call_function("array_take", [values, integers(picks, pa.int64())], _CHECKED)


def take_or_null(values: AnyColumn, picks: I64) -> AnyColumn:
    """``values[picks]``, null below 0."""
    if len(values) == 0:
        return _arrow.nulls(len(picks), values.type)
    places = integers(picks, pa.int64(), picks < 0)
    return _compute.call_function("array_take", [values, places], _CHECKED)


def chain(first: AnyColumn, *more: AnyColumn) -> AnyColumn:
    """``first`` followed by the others."""
    return _arrow.concat_arrays([first, *more])


def column(rows: pa.RecordBatch, name: str) -> Column:
    """A column by its name; ``KeyError`` where there is none."""
    return _arrow.RecordBatch.column(rows, name)


def records(rows: pa.RecordBatch, *names: str) -> list[dict[str, Any]]:
    """The named columns row by row as Python values; instants are read with :func:`instant_at`."""
    values = {name: column(rows, name).to_pylist() for name in names}
    return [dict(zip(names, row, strict=True)) for row in zip(*values.values(), strict=True)]


def instant_at(instants: Column, place: int) -> datetime:
    """One instant of a column in microseconds, as a time in UTC; the column has no null there."""
    microseconds: int = instants.view(pa.int64())[place].as_py()
    return _EPOCH + timedelta(microseconds=microseconds)


def keep(rows: Rows, mask: Mask) -> Rows:
    """The values or rows where ``mask`` is true."""
    return _compute.filter(rows, flags(mask))


def join(*pieces: pa.StringArray | str, separator: str = "") -> pa.StringArray:
    """Row by row the pieces with ``separator`` between them, at least one of them a column."""
    return _compute.binary_join_element_wise(*map(_as_text, pieces), text_scalar(separator))


def joined(values: pa.StringArray, picks: I64, lengths: I64) -> pa.StringArray:
    """Texts of several pieces: text *i* is the next ``lengths[i]`` of ``values[picks]`` in one.

    It is null where one of them is.
    """
    pieces = take(values, picks)
    buffers: list[Any] = pieces.buffers()
    _, offsets, data = buffers
    if len(picks) == 0 or offsets is None:
        return constant("", len(lengths))
    stops = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=stops[1:])
    missing = None
    if pieces.null_count:
        before = np.concatenate([[0], np.cumsum(is_null(pieces))])
        missing = validity(np.diff(before[stops]) > 0)
    # The pieces follow each other already: only where texts begin and end is another.
    bounds = np.frombuffer(offsets, np.int32)[stops + pieces.offset]
    return _arrow.StringArray.from_buffers(len(lengths), buffer(bounds), data, missing)


def choose(
    mask: Mask, if_true: pa.StringArray | str | None, if_false: pa.StringArray | str
) -> pa.StringArray:
    """Row by row one text or the other; ``None`` is null."""
    return _compute.if_else(flags(mask), _as_text(if_true), _as_text(if_false))


def replace(values: pa.StringArray, mask: Mask, replacements: Sequence[str]) -> pa.StringArray:
    """``values`` with ``replacements``, in their order, where ``mask`` is true."""
    return _compute.replace_with_mask(values, flags(mask), strings(replacements))


def initials(values: pa.StringArray) -> pa.StringArray:
    """The first letter of each text."""
    return _compute.utf8_slice_codeunits(values, 0, 1)


def distinct(values: Column) -> list[str]:
    """The different texts of a column, without null."""
    return [value for value in _compute.unique(values).to_pylist() if value is not None]


def with_stop(values: pa.StringArray) -> pa.StringArray:
    """The texts with a full stop at their end, which some have already."""
    return _compute.replace_substring_regex(values, pattern=r"\.?$", replacement=".")


def without_matches(values: AnyColumn, pattern: str) -> AnyColumn:
    """Texts without all that matches the pattern (RE2)."""
    return _compute.replace_substring_regex(values, pattern=pattern, replacement="")


def codes(values: Column) -> I64:
    """A number for each row, the same for equal values (null is one), from 0, shape (n,)."""
    indices = _compute.dictionary_encode(values, null_encoding="encode").indices
    if len(indices) == 0:
        return np.zeros(0, np.int64)
    return np.frombuffer(indices.buffers()[1], np.int32, len(indices), 4 * indices.offset).astype(np.int64)


def is_in(values: Column, among: Column) -> Mask:
    """Whether each value is one of ``among``."""
    return to_mask(_compute.is_in(values, value_set=among))


def is_null(values: Column) -> Mask:
    """Where there is no value."""
    return to_mask(_compute.is_null(values))


def is_by(instants: Column, limit_us: int, *, missing: bool) -> Mask:
    """Whether each instant is ``limit_us`` (us since 1970 UTC) or earlier; ``missing`` where it is null."""
    limit = integers([limit_us], instants.type)[0]
    return to_mask(_compute.fill_null(_compute.less_equal(instants, limit), flags([missing])[0]))


def to_mask(column: Column) -> Mask:
    """A boolean column without nulls as a mask."""
    if len(column) == 0:
        return np.zeros(0, bool)
    start, stop = column.offset, column.offset + len(column)
    data: Any = column.buffers()[1]
    return np.unpackbits(np.frombuffer(data, np.uint8), count=stop, bitorder="little")[start:].astype(bool)


def whole_numbers(values: Column, missing: int) -> I64:
    """Integers, truths or amounts without decimals as 64-bit integers, ``missing`` where there is none."""
    numbers = _compute.cast(values, pa.int64())
    return _int64s(_compute.fill_null(numbers, integers([missing], pa.int64())[0]))


def places(values: Column, among: Column) -> I64:
    """The place of each value in ``among``; -1 where it is not there, or null."""
    found = _compute.index_in(values, value_set=among)
    return _int64s(_compute.fill_null(_compute.cast(found, pa.int64()), integers([-1], pa.int64())[0]))


def _int64s(values: Column) -> I64:
    """A column of 64-bit integers without nulls as an array."""
    if len(values) == 0:
        return np.zeros(0, np.int64)
    data: Any = values.buffers()[1]
    return np.frombuffer(data, np.int64, len(values), 8 * values.offset)


def total(values: Column) -> Decimal:
    """The sum of a decimal column, 0 of none."""
    return _compute.sum(values).as_py() or Decimal()


def buffer(values: NDArray[Any]) -> pa.Buffer:
    """The bytes of an array, for a column that is made of them."""
    return _arrow.py_buffer(np.ascontiguousarray(values))


def _as_text(value: pa.StringArray | str | None) -> Any:
    return text_scalar(value) if value is None or isinstance(value, str) else value
