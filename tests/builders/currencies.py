"""Currencies of the tests: with two decimals, and with none."""

from __future__ import annotations

from typing import Final

from demo_pipeline.domain.reference.countries import CURRENCIES

EUR: Final = CURRENCIES["EUR"]
USD: Final = CURRENCIES["USD"]
JPY: Final = CURRENCIES["JPY"]
