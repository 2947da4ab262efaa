"""Tenants whose scorecard is read: every industry of all countries, at any size, with usual figures.

A year of flat growth. The figures of an industry are those of a usual firm in it: how many contacts a deal
needs, how many deals are won, what one is worth.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

COUNTRIES: Final = {"US": "USD", "GB": "GBP", "DE": "EUR", "FR": "EUR"}
#: activities, of a hundred rows
_ACTIVITIES_PERCENT: Final = 62
#: rows that one more colleague keeps
_ROWS_OF_A_COLLEAGUE: Final = 5_000


@dataclass(frozen=True)
class Usual:
    """What a thousand rows of an industry hold, and what its deals are worth."""

    contacts: int
    companies: int
    deals: int
    #: of a hundred deals
    won: int
    #: of a won deal, in major units
    value: Decimal
    #: pipeline value, as a multiple of the won value
    pipeline: Decimal


USUAL: Final = {
    "saas": Usual(180, 40, 60, 25, Decimal(14800), Decimal("2.5")),
    "trading": Usual(200, 30, 70, 32, Decimal(9200), Decimal("2.2")),
    "finserv": Usual(180, 40, 60, 28, Decimal(38500), Decimal("2.3")),
    "realestate": Usual(200, 20, 50, 24, Decimal(412000), Decimal("2.6")),
    "igaming": Usual(260, 6, 110, 45, Decimal(310), Decimal("1.7")),
    "ecommerce": Usual(230, 20, 130, 56, Decimal(118), Decimal("1.4")),
}


def believable(country: str, industry: str, rows: int) -> dict[str, Any]:
    """A blueprint of about ``rows`` rows, without its name as a file."""
    usual = USUAL[industry]
    contacts, companies, deals = (
        rows * each // 1000 for each in (usual.contacts, usual.companies, usual.deals)
    )
    won = deals * usual.won // 100
    value = won * usual.value + Decimal("0.37")
    return {
        "name": "Larkmoor Works",
        "country": country,
        "industry": industry,
        "start_month": "2025-01",
        "end_month": "2025-12",
        "seed": f"{country} {industry} {rows}",
        "team_size": 12 + rows // _ROWS_OF_A_COLLEAGUE,
        "totals": {
            "leads_created": contacts * 6 // 10,
            "contacts_created": contacts,
            "companies_created": companies,
            "deals_created": deals,
            "closed_won_count": won,
            "closed_won_value": str(value),
            "pipeline_added_value": str((value * usual.pipeline).quantize(Decimal("0.01"))),
            "activities_created": rows * _ACTIVITIES_PERCENT // 100,
        },
    }
