"""Months as spreadsheets make them: read where they say one month, asked back where they may say two."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.parsing.written_months import read_month
from tests.builders.plans import MONTH_SPELLINGS


@pytest.mark.parametrize("text", [spell(Month.parse("2025-03")) for spell in MONTH_SPELLINGS])
def test_one_month_has_many_spellings(text: str) -> None:
    """All of them are March 2025."""
    assert str(read_month(text)) == "2025-03"


@pytest.mark.parametrize(
    ("text", "month"),
    [
        ("2025-1", "2025-01"),
        (" 2025-01 ", "2025-01"),
        ("2025-01-01T00:00:00Z", "2025-01"),
        ("01/01/2025", "2025-01"),
        ("01.01.2025", "2025-01"),
        ("Januar 2025", "2025-01"),
        ("Mär. 2025", "2025-03"),
        ("2025 Okt", "2025-10"),
        ("SEPT-2025", "2025-09"),
        ("Okt 25", "2025-10"),
        ("Mrz-25", "2025-03"),
        ("Jan '25", "2025-01"),
        ("Jan 32", "2032-01"),
        ("01.10.2025", "2025-10"),
        ("2025.10", "2025-10"),
        ("2025.01", "2025-01"),
        ("2025.2", "2025-02"),
        ("Ma\u0308rz 2025", "2025-03"),
    ],
)
def test_what_is_left_of_a_month_in_a_spreadsheet_is_read(text: str, month: str) -> None:
    """Its first day, or its name in English or German."""
    assert str(read_month(text)) == month


@pytest.mark.parametrize(
    ("text", "code", "suggestion"),
    [
        ("2025-13", "bad_month", None),
        ("2025-00", "bad_month", None),
        ("", "bad_month", None),
        ("202501", "bad_month", None),
        ("\u0662\u0660\u0662\u0665-\u0660\u0661", "bad_month", None),
        ("13/2025", "bad_month", None),
        ("Foo 2025", "bad_month", None),
        ("2025-01'; DROP TABLE crm.deals; --", "bad_month", None),
        ("x" * 5000, "bad_month", None),
        ("2025-01-15", "day_not_month", "2025-01"),
        ("01/02/2025", "ambiguous_month", "2025-02 or 2025-01"),
        ("02.01.2025", "day_not_month", "2025-01"),
        ("31.01.2025", "day_not_month", "2025-01"),
        ("15/01/2025", "day_not_month", "2025-01"),
        ("05/06/2025", "ambiguous_month", "2025-06 or 2025-05"),
        ("2025.1", "ambiguous_month", "2025-01 or 2025-10"),
        ("2025,1", "ambiguous_month", "2025-01 or 2025-10"),
        ("1735689600000", "number_for_day", "2025-01"),
        ("Jan-25", "ambiguous_month", "2025-01"),
        ("25. Jan", "ambiguous_month", "2025-01"),
        ("45658", "spreadsheet_day", "2025-01"),
        ("99999", "bad_month", None),
        ("2019-12", "month_out_of_range", None),
        ("9999-12", "month_out_of_range", None),
        ("0000-01", "month_out_of_range", None),
        ("Total", "summary_row", None),
        ("Grand total:", "summary_row", None),
        ("Summe", "summary_row", None),
        ("Total 2025", "summary_row", None),
        ("Summe 2025:", "summary_row", None),
        ("Total Q1", "summary_row", None),
    ],
)
def test_what_is_not_one_month_is_asked_back(text: str, code: str, suggestion: str | None) -> None:
    """With a code, and with the month that is likely meant."""
    with pytest.raises(PydanticCustomError) as caught:
        read_month(text)
    assert (caught.value.type, (caught.value.context or {}).get("suggestion")) == (code, suggestion)
    assert len(caught.value.message()) < 200


@given(st.text("0123456789-/. JanFebTZ:", max_size=24))
def test_any_text_is_a_month_or_refused(text: str) -> None:
    """Nothing but our own refusal comes out."""
    try:
        month = read_month(text)
    except PydanticCustomError:
        return
    assert str(month.year) in text
