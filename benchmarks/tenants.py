"""The tenants that are measured: one mix of rows at any size, as a blueprint.

24 months, flat but for a slow growth; of 100 rows 3 are companies, 13 contacts, about 8 tags on contacts,
4 deals, the rest activities.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from demo_pipeline.domain.blueprint.checks import blueprint_from_tree
from demo_pipeline.domain.blueprint.resolve import resolve
from demo_pipeline.domain.blueprint.tenant_spec import TenantSpec
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.feasibility import Caps

FIRST_MONTH: Final = Month.of(2023, 1)
LAST_MONTH: Final = Month.of(2024, 12)
PROVISIONED_AT: Final = datetime(2025, 1, 15, tzinfo=UTC)
#: what the README of the benchmarks says of the mix
MIX: Final = "24 months; 3 % companies, 13 % contacts, 8 % tags on contacts, 4 % deals, 72 % activities"

_NO_LIMIT: Final = 10**12
#: rows of contact_tags, of a hundred contacts
_TAGS_PERCENT: Final = 65
_TEAM: Final = 40
#: Caps that stop nothing, as environment.
NO_CAPS: Final[Mapping[str, str]] = MappingProxyType(
    {
        f"DEMO_CAP_{name}": str(_NO_LIMIT)
        for name in ("LEADS", "OTHER_CONTACTS", "COMPANIES", "DEALS", "ACTIVITIES", "VALUE")
    }
)


#: what a patch of 500 rows asks of a month
PATCHED: Final[Mapping[str, int]] = MappingProxyType(
    {
        "leads_created": 60,
        "contacts_created": 90,
        "companies_created": 10,
        "deals_created": 50,
        "closed_won_count": 12,
        "activities_created": 350,
    }
)


@dataclass(frozen=True, kw_only=True)
class Sized:
    """A tenant of about ``rows`` rows over all of its tables."""

    slug: str
    rows: int
    country: str = "US"
    industry: str = "saas"

    def declared(self) -> dict[str, Any]:
        """The blueprint, as its file has it."""
        contacts, companies, deals = (self.rows * percent // 100 for percent in (13, 3, 4))
        won = deals * 3 // 10
        others = contacts + companies + deals + contacts * _TAGS_PERCENT // 100 + _TEAM
        return {
            "name": "Harbour Works",
            "country": self.country,
            "industry": self.industry,
            "start_month": str(FIRST_MONTH),
            "end_month": str(LAST_MONTH),
            "seed": "20250115",
            "team_size": _TEAM,
            "totals": {
                "leads_created": contacts * 6 // 10,
                "contacts_created": contacts,
                "companies_created": companies,
                "deals_created": deals,
                "closed_won_count": won,
                "closed_won_value": won * 9_000,
                "pipeline_added_value": won * 9_000 + deals // 2 * 8_000,
                "activities_created": self.rows - others,
            },
            "growth": {"curve": "linear", "monthly_rate": "0.03"},
        }

    def spec(self) -> TenantSpec:
        """The resolved tenant."""
        caps = Caps(
            leads=_NO_LIMIT,
            other_contacts=_NO_LIMIT,
            companies=_NO_LIMIT,
            deals=_NO_LIMIT,
            activities=_NO_LIMIT,
            value=_NO_LIMIT,
        )
        current = Month.containing(PROVISIONED_AT)
        return resolve(blueprint_from_tree(self.declared(), self.slug, current, caps), lambda: "")[0]

    def write(self, folder: Path) -> Path:
        """The blueprint file."""
        lines: list[str] = []
        for key, value in self.declared().items():
            if isinstance(value, dict):
                inner = ", ".join(f"{name}: {one}" for name, one in value.items())  # pyright: ignore[reportUnknownVariableType]
                lines.append(f"{key}: {{{inner}}}")
            else:
                lines.append(f"{key}: {value}")
        path = folder / f"{self.slug}.yaml"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path
