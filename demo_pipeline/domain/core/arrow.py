"""Arrow arrays with the types that they have: the few operations that generation needs.

pyarrow's published types are wrong where NumPy and Arrow meet and for many compute functions, so these
are called here and nowhere else. What a table's columns are called and mean does not belong here.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from decimal import Decimal
from importlib.abc import MetaPathFinder
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

_arrow: Final[Any] = pa
_compute: Final[Any] = pc


class _HiddenPandas(MetaPathFinder):
    """Lets nobody find pandas."""

    def find_spec(self, fullname: str, path: object, target: object = None) -> None:  # noqa: ARG002 - Python's way to ask
        if fullname == "pandas":
            raise ModuleNotFoundError(name=fullname)


def _spare_pandas() -> None:
    """Have pyarrow make its first array without pandas.

    With that one it imports pandas where it is installed, to know its objects: a fifth of the time of a short
    job, and no array here is made from one. ``to_pandas`` looks for it again, and works.
    """
    if "pandas" in sys.modules:
        return
    hidden = _HiddenPandas()
    sys.meta_path.insert(0, hidden)
    try:
        _arrow.array([""])
    finally:
        sys.meta_path.remove(hidden)


_spare_pandas()


def strings(values: Sequence[str | None]) -> pa.StringArray:
    """Texts as a column; ``None`` is null."""
    return _arrow.array(values, pa.string())


def constant(text: str, count: int) -> pa.StringArray:
    """The same text ``count`` times."""
    return _arrow.repeat(text, count)


def texts(values: Sequence[str], picks: I64) -> pa.StringArray:
    """``values[picks]`` as a column."""
    return take(strings(values), picks)


def take(values: AnyColumn, picks: I64) -> AnyColumn:
    """``values[picks]``; every pick is a place in ``values``."""
    return _compute.take(values, _arrow.array(picks))


def lookup(values: Column, picks: I64) -> Column:
    """``values[picks]``, null below 0, as a dictionary array: a value is looked up where it is used."""
    if len(values) == 0:
        return _arrow.nulls(len(picks), values.type)
    missing = picks < 0
    places = _arrow.array(np.where(missing, 0, picks).astype(np.int32), mask=missing)
    return _arrow.DictionaryArray.from_arrays(places, values)


def chain(first: AnyColumn, *more: AnyColumn) -> AnyColumn:
    """``first`` followed by the others."""
    return _arrow.concat_arrays([first, *more])


def column(rows: pa.RecordBatch, name: str) -> Column:
    """A column by its name; ``KeyError`` where there is none."""
    return _arrow.RecordBatch.column(rows, name)


def keep(rows: Rows, mask: Mask) -> Rows:
    """The values or rows where ``mask`` is true."""
    return _compute.filter(rows, _arrow.array(mask))


def join(*pieces: pa.StringArray | str, separator: str = "") -> pa.StringArray:
    """Row by row the pieces with ``separator`` between them, at least one of them a column."""
    return _compute.binary_join_element_wise(*pieces, separator)


def choose(
    mask: Mask, if_true: pa.StringArray | str | None, if_false: pa.StringArray | str
) -> pa.StringArray:
    """Row by row one text or the other; ``None`` is null."""
    return _compute.if_else(_arrow.array(mask), if_true, if_false)


def replace(values: pa.StringArray, mask: Mask, replacements: Sequence[str]) -> pa.StringArray:
    """``values`` with ``replacements``, in their order, where ``mask`` is true."""
    return _compute.replace_with_mask(values, _arrow.array(mask), strings(replacements))


def initials(values: pa.StringArray) -> pa.StringArray:
    """The first letter of each text."""
    return _compute.utf8_slice_codeunits(values, 0, 1)


def codes(values: Column) -> I64:
    """A number for each row, the same for equal values (null is one), from 0, shape (n,)."""
    return _compute.dictionary_encode(values, null_encoding="encode").indices.to_numpy().astype(np.int64)


def is_in(values: Column, among: Column) -> Mask:
    """Whether each value is one of ``among``."""
    return to_mask(_compute.is_in(values, value_set=among))


def is_null(values: Column) -> Mask:
    """Where there is no value."""
    return to_mask(_compute.is_null(values))


def is_by(instants: Column, limit_us: int, *, missing: bool) -> Mask:
    """Whether each instant is ``limit_us`` (us since 1970 UTC) or earlier; ``missing`` where it is null."""
    limit = _arrow.scalar(limit_us, pa.int64()).cast(instants.type)
    return to_mask(_compute.fill_null(_compute.less_equal(instants, limit), missing))


def to_mask(flags: Column) -> Mask:
    """A boolean column without nulls as a mask."""
    return flags.to_numpy(zero_copy_only=False)


def total(values: Column) -> Decimal:
    """The sum of a decimal column, 0 of none."""
    return _compute.sum(values).as_py() or Decimal()


def buffer(values: NDArray[Any]) -> pa.Buffer:
    """The bytes of an array, for a column that is made of them."""
    return _arrow.py_buffer(np.ascontiguousarray(values))
