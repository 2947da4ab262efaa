"""Numbers as people write them: read where they say one thing, asked back where they may say two."""

from __future__ import annotations

import time
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from demo_pipeline.domain.parsing.scalars import quoted, shortened
from demo_pipeline.domain.parsing.written_numbers import (
    SIGNS,
    decimal_mark_of,
    read_cell,
    read_literal,
)
from demo_pipeline.domain.reference.countries import CURRENCIES


@pytest.mark.parametrize(
    ("text", "amount", "currency", "mark"),
    [
        ("25000", "25000", None, None),
        (" 25000 ", "25000", None, None),
        ("025", "25", None, None),
        ("40.0", "40", None, "."),
        ("40,0", "40", None, ","),
        ("25,000.00", "25000", None, "."),
        ("25.000,00", "25000", None, ","),
        ("1,250,000", "1250000", None, "."),
        ("1.250.000", "1250000", None, ","),
        ("12,34,567", "1234567", None, "."),
        ("12,34,567.89", "1234567.89", None, "."),
        ("1 250", "1250", None, None),
        ("1\u00a0250,5", "1250.5", None, ","),
        ("1\u202f250.000", "1250", None, "."),
        ("1'250.00", "1250", None, "."),
        ("1’250’000", "1250000", None, None),
        ("2500.000", "2500", None, "."),
        ("0.250", "0.25", None, "."),
        (".5", "0.5", None, "."),
        ("$25k", "25000", "$", None),
        ("25K", "25000", None, None),
        ("1.2m", "1200000", None, "."),
        ("1,2 M €", "1200000", "EUR", ","),
        ("1.250,00 €", "1250", "EUR", ","),
        ("EUR 1,250.00", "1250", "EUR", "."),
        ("eur1250", "1250", "EUR", None),
        ("£1,250.00", "1250", "GBP", "."),
        ("￥1250", "1250", "¥", None),
        ("R$ 1.250,00", "1250", "BRL", ","),
        ("US$5", "5", "USD", None),
        ("125 kr", "125", "kr", None),
        ("12 kr", "12", "kr", None),
        ("1250.50 CHF", "1250.5", "CHF", "."),
        ("+5", "5", None, None),
        ("-5", "-5", None, None),
        ("−5", "-5", None, None),
        ("5-", "-5", None, None),
        ("-$5", "-5", "$", None),
        ("$-5", "-5", "$", None),
        ("(1,250.00)", "-1250", None, "."),
        ("-0", "0", None, None),
    ],
)
def test_a_number_with_one_meaning_is_read(
    text: str, amount: str, currency: str | None, mark: str | None
) -> None:
    """Whatever the country of the spreadsheet; the currency is kept, and what the form proves."""
    number = read_cell(text)
    assert (number.amount, number.currency, number.decimal_mark) == (Decimal(amount), currency, mark)
    assert number.settled(None) == number.amount


@pytest.mark.parametrize(
    ("text", "with_point", "with_comma"),
    [
        ("1.250", "1.250", "1250"),
        ("1,250", "1250", "1.250"),
        ("25.000 €", "25", "25000"),
        ("$40,000", "40000", "40"),
        ("1.250k", "1250", "1250000"),
        ("-1,250", "-1250", "-1.25"),
    ],
)
def test_a_number_with_two_meanings_waits_for_evidence(text: str, with_point: str, with_comma: str) -> None:
    """One mark before three digits: what it is depends on the decimal mark of the file."""
    number = read_cell(text)
    assert number.settled(None) is None
    assert number.decimal_mark is None
    assert number.settled(".") == Decimal(with_point)
    assert number.settled(",") == Decimal(with_comma)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "not_a_number"),
        ("many", "not_a_number"),
        ("12 34", "not_a_number"),
        ("1,2,3", "not_a_number"),
        ("1,250.000.00", "not_a_number"),
        ("1.250,00,00", "not_a_number"),
        ("12.34.567,00", "not_a_number"),
        ("01,250.00", "not_a_number"),
        ("5.", "not_a_number"),
        (".", "not_a_number"),
        ("12%", "not_a_number"),
        ("0x1F", "not_a_number"),
        ("1_000", "not_a_number"),
        ("٣", "not_a_number"),
        ("NaN", "no_value"),
        ("Infinity", "not_a_number"),
        ("--5", "not_a_number"),
        ("(-5)", "not_a_number"),
        ("$5 EUR", "not_a_number"),
        ("5 XYZ", "unknown_currency"),
        ("5 mio", "unknown_currency"),
        ("1.25E+05", "rounded_number"),
        ("1e999999999", "rounded_number"),
        ("=A1*2", "formula"),
        ("#DIV/0!", "spreadsheet_error"),
        ("-", "unclear_dash"),
        ("9" * 61, "too_long"),
        ("1'250 000", "not_a_number"),
    ],
)
def test_what_is_no_number_is_refused_by_name(text: str, code: str) -> None:
    """With a code, a short sentence, and what to write instead."""
    with pytest.raises(PydanticCustomError) as caught:
        read_cell(text)
    assert caught.value.type == code
    assert len(caught.value.message()) < 200


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("1.250", "1.25"),
        ("-0", "0"),
        ("1e3", "1000"),
        ("25E-1", "2.5"),
        ("0e999999999", "0"),
        ("1e+02", "100"),
    ],
)
def test_in_json_a_point_is_the_decimal_point(text: str, amount: str) -> None:
    """Nothing is open there, and an exponent is exact."""
    assert read_literal(text).settled(None) == Decimal(amount)


@pytest.mark.parametrize(
    "text", ["1e999999999", "1e-999999999", "NaN", "-Infinity", "9" * 5000, "1,5", "1e", ""]
)
def test_a_literal_that_is_no_figure_costs_nothing(text: str) -> None:
    """No exponent is expanded, no long number converted."""
    started = time.process_time()
    with pytest.raises(PydanticCustomError):
        read_literal(text)
    assert time.process_time() - started < 1


def test_evidence_is_what_all_cells_agree_on() -> None:
    """No proof and two proofs settle nothing."""
    assert decimal_mark_of([read_cell("1.250"), read_cell("40")]) is None
    assert decimal_mark_of([read_cell("1.250"), read_cell("40,0")]) == ","
    assert decimal_mark_of([read_cell("40.0"), read_cell("40,0")]) is None


def test_every_sign_means_currencies_that_exist() -> None:
    """Signs are kept only where a tenant can have what they mean."""
    assert all(meant <= set(CURRENCIES) for meant in SIGNS.values())


@given(st.text(max_size=90))
def test_a_cell_in_a_message_is_short_and_harmless(text: str) -> None:
    """At most forty characters and the quotes, and nothing that a terminal would obey."""
    assert len(quoted(text)) <= 42
    assert shortened(text).isprintable()


@given(st.text("0123456789.,' -+()$€kMe\u00a0", max_size=20))
def test_any_cell_is_a_number_or_refused(text: str) -> None:
    """Nothing but our own refusal comes out, and what is read is finite."""
    try:
        number = read_cell(text)
    except PydanticCustomError:
        return
    assert number.amount.is_finite()
    assert (number.open_mark is None) == (number.grouped is None)
