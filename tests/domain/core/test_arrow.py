"""Columns made from buffers hold the values that pyarrow's own conversions hold, without importing pandas."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo_pipeline.domain.core.arrow import codes, flags, integers, is_by, strings, text_scalar, to_mask
from tests.paths import PROJECT

arrow: Any = pa
instants = pa.timestamp("us", tz="UTC")


@given(st.lists(st.none() | st.text()))
def test_texts_are_kept(values: list[str | None]) -> None:
    """Any text, the empty one and null included, is read back; equal ones have equal codes."""
    column = strings(values)
    assert column.to_pylist() == values
    column.validate(full=True)
    found = codes(column).tolist()
    assert [found.index(code) for code in found] == [values.index(value) for value in values]


@given(st.lists(st.none() | st.booleans()), st.integers(0, 9))
def test_truths_are_kept(values: list[bool | None], start: int) -> None:
    """Truths and nulls are read back; a slice of a column without nulls is the slice of its mask."""
    missing = np.array([value is None for value in values], bool)
    assert flags([bool(value) for value in values], missing).to_pylist() == values
    mask = np.array([bool(value) for value in values], bool)
    assert to_mask(flags(mask)[start:]).tolist() == mask[start:].tolist()


@pytest.mark.parametrize("kind", [pa.int32(), pa.int64(), pa.date32(), instants], ids=str)
def test_integers_are_kept(kind: pa.DataType) -> None:
    """Whole numbers, dates and instants are those that pyarrow makes of them; a null stays where it is."""
    values = [0, 7, 20_000, -3]
    missing = np.array([False, True, False, False])
    expected = arrow.array(values, pa.int64(), mask=missing)
    made: Any = integers(values, kind, missing)
    assert made.equals(expected.cast(pa.int32()).cast(kind) if kind == pa.date32() else expected.cast(kind))


def test_instants_are_compared_with_a_limit() -> None:
    """An instant at the limit counts, a later one does not, and a null counts as asked."""
    column = integers([4, 5, 6, 0], instants, np.array([False, False, False, True]))
    assert is_by(column, 5, missing=True).tolist() == [True, True, False, True]
    assert is_by(column, 5, missing=False).tolist() == [True, True, False, False]
    assert text_scalar(None).as_py() is None


def test_generation_does_not_import_pandas() -> None:
    """A process that makes all rows of a bundled tenant has not imported pandas at the end."""
    code = (
        "import sys; from tests.domain.generation.print_fingerprints import fingerprint;"
        "from tests.paths import BUNDLED; fingerprint(BUNDLED[0]); sys.exit('pandas' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=PROJECT, check=False).returncode == 0
