"""Amounts: minor units and what people and documents write."""

from __future__ import annotations

from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo_pipeline.domain.core.currency import Currency
from demo_pipeline.domain.reference.countries import CURRENCIES
from tests.builders.currencies import EUR, JPY


@given(currency=st.sampled_from(list(CURRENCIES.values())), minor=st.integers(-(10**18), 10**18))
def test_major_and_minor_units_are_inverse(currency: Currency, minor: int) -> None:
    """An amount is the same in both, exactly, and its text has all of the currency's decimals."""
    assert currency.minor(currency.major(minor)) == minor
    text = currency.plain(minor)
    assert currency.minor(Decimal(text)) == minor
    assert len(text.partition(".")[2]) == currency.minor_digits
    assert currency.shown(minor).replace(",", "") == text


def test_how_amounts_are_written() -> None:
    """Documents have plain digits, people see groups of three; as text, a currency is its code."""
    assert (EUR.plain(2_500_000), EUR.shown(-2_500_000), EUR.plain(5)) == ("25000.00", "-25,000.00", "0.05")
    assert (JPY.plain(2500), JPY.shown(2500), str(JPY)) == ("2500", "2,500", "JPY")


def test_a_fraction_of_a_minor_unit_needs_a_rounding() -> None:
    """It is refused where none is named."""
    amount = Decimal("7.509")
    with pytest.raises(ValueError, match="has more than 2 decimals"):
        EUR.minor(amount)
    assert (EUR.minor(amount, ROUND_DOWN), EUR.minor(amount, ROUND_HALF_UP)) == (750, 751)
    assert JPY.minor(Decimal("7.00")) == 7
