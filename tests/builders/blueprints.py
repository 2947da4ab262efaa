"""Random blueprints, as a person would declare them (JSON-ready trees), small enough to be loaded quickly.

``feasible_blueprints`` and ``infeasible_blueprints`` for everything that takes a blueprint; at most about
600 rows each. All spans end before ``NOW``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from hypothesis import strategies as st

from demo_pipeline.domain.blueprint.checks import blueprint_from_tree
from demo_pipeline.domain.blueprint.growth import CURVES
from demo_pipeline.domain.blueprint.resolve import resolve
from demo_pipeline.domain.blueprint.tenant_spec import TenantSpec
from demo_pipeline.domain.core.currency import Currency
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.feasibility import DEFAULT_CAPS, Caps
from demo_pipeline.domain.reference.countries import COUNTRIES, CURRENCIES
from demo_pipeline.domain.reference.industries import INDUSTRIES
from demo_pipeline.services.files.blueprint_files import read_blueprint

#: The instant that random blueprints are provisioned at.
NOW: Final = datetime(2026, 11, 21, 12, tzinfo=UTC)

#: Industries with a currency in which values that follow the deals stay below the cap.
_MONEY: Final = (
    *(
        (currency, industry)
        for currency in (None, "CHF", "KWD")
        for industry in INDUSTRIES
        if industry != "realestate"
    ),
    ("JPY", "ecommerce"),
)
_NAMES: Final = ("Larkmoor Nord", "Brügmann & Söhne", "O'Hara Wholesale", "Quay 17")
_CHANNELS: Final = ("seo", "meta", "google", "affiliates", "referrals", "direct")


def resolved(
    tree: Mapping[str, Any],
    slug: str = "larkmoor",
    now: datetime = NOW,
    seed_source: Callable[[], str] = lambda: "made",
    caps: Caps = DEFAULT_CAPS,
) -> tuple[TenantSpec, tuple[str, ...]]:
    """The tenant that a tree declares, and the warnings. Raises ``InputError``."""
    return resolve(blueprint_from_tree(tree, slug, Month.containing(now), caps), seed_source)


def spec_of_file(path: Path, now: datetime = NOW, seed: str = "made") -> tuple[TenantSpec, tuple[str, ...]]:
    """The tenant that a file declares, and the warnings; ``seed`` is used where it has none."""
    declared = read_blueprint(path, now, seed_source=lambda: seed)
    return declared.spec, declared.warnings


@st.composite
def feasible_blueprints(draw: st.DrawFn) -> dict[str, Any]:
    """A blueprint that must be accepted, with totals or months, absent counts and values included."""
    blueprint, currency, months = draw(_frames())
    if draw(st.booleans()):
        totals = draw(_figures(currency, has_contact=False, scale=len(months)))
        if draw(st.booleans()):
            blueprint["growth"] = {
                "curve": draw(st.sampled_from(CURVES)),
                "monthly_rate": str(draw(st.decimals("-0.5", 2, places=3))),
                "seasonality": draw(st.booleans()),
            }
        return {**blueprint, "totals": totals}
    listed = draw(st.lists(st.sampled_from(months), min_size=1, unique=True))
    entries: list[dict[str, Any]] = []
    has_contact = False
    for month in sorted(listed):
        figures = draw(_figures(currency, has_contact=has_contact, scale=1))
        has_contact = has_contact or figures.get("contacts_created", 0) > 0
        entries.append({"month": str(month), **figures})
    return {**blueprint, "months": draw(st.permutations(entries))}


@st.composite
def infeasible_blueprints(draw: st.DrawFn) -> dict[str, Any]:
    """A blueprint whose figures break at least one rule, well formed otherwise."""
    blueprint, currency, months = draw(_frames())
    figures = draw(_figures(currency, has_contact=False, scale=1))
    spoiled = {**figures, **draw(_spoilers(currency))}
    if draw(st.booleans()):
        return {**blueprint, "totals": spoiled}
    at = draw(st.integers(0, len(months) - 1))
    # What is after the spoiled month cannot mend it: contacts have to exist by then.
    later = [
        {"month": str(month), **draw(_figures(currency, has_contact=False, scale=1))}
        for month in months[at + 1 :]
    ]
    return {**blueprint, "months": [{"month": str(months[at]), **spoiled}, *later]}


@st.composite
def _frames(draw: st.DrawFn) -> tuple[dict[str, Any], Currency, list[Month]]:
    """Everything but the figures; the currency; the months of the span."""
    start = Month.parse("2024-01") + draw(st.integers(0, 20))
    end = start + draw(st.integers(0, 13))
    currency, industry = draw(st.sampled_from(_MONEY))
    blueprint: dict[str, Any] = {
        "name": draw(st.sampled_from(_NAMES)),
        "country": draw(st.sampled_from(COUNTRIES)),
        "industry": industry,
        "start_month": str(start),
        "end_month": str(end),
        "seed": draw(st.text("abc0123ü", min_size=1, max_size=8)),
        "team_size": draw(st.integers(2, 12)),
    }
    if currency is not None:
        blueprint["currency"] = currency
    if draw(st.booleans()):
        cuts = sorted(draw(st.lists(st.integers(0, 100), min_size=5, max_size=5)))
        parts = [right - left for left, right in zip([0, *cuts], [*cuts, 100], strict=True)]
        blueprint["channel_mix"] = {
            name: str(Decimal(part) / 100) for name, part in zip(_CHANNELS, parts, strict=True)
        }
        blueprint["realism"] = {
            "drop_off_rate": str(draw(st.decimals(0, 1, places=2))),
            "whale_ratio": str(draw(st.decimals(0, "0.1", places=2))),
            "response_sla_hours": str(draw(st.decimals("0.25", 72, places=2))),
        }
    return blueprint, CURRENCIES[currency or "USD"], list(start.until(end))


@st.composite
def _figures(draw: st.DrawFn, currency: Currency, *, has_contact: bool, scale: int) -> dict[str, Any]:
    """Feasible figures of one month, or of a span of ``scale`` months."""
    leads, others = draw(st.integers(0, 12 * scale)), draw(st.integers(0, 6 * scale))
    figures: dict[str, Any] = {
        "leads_created": leads,
        "contacts_created": leads + others,
        "companies_created": draw(st.integers(0, 3 * scale)),
    }
    if has_contact or leads + others:
        won, rest = draw(st.integers(0, 3 * scale)), draw(st.integers(0, 4 * scale))
        won_value = won + draw(st.integers(0, 5_000_000)) if won else 0
        open_value = draw(st.integers(0, 9_000_000)) if rest else 0
        figures |= {
            "deals_created": won + rest,
            "closed_won_count": won,
            "closed_won_value": currency.plain(won_value),
            "pipeline_added_value": currency.plain(won_value + open_value),
            "activities_created": draw(st.integers(0, 20 * scale)),
        }
        # A value left out is feasible: it follows the deals. The pipeline alone must hold them still.
        for absent in draw(st.sampled_from([(), ("closed_won_value",), ("pipeline_added_value",)])):
            del figures[absent]
        if draw(st.booleans()):
            del figures["activities_created"]
    return {metric: value for metric, value in figures.items() if value or draw(st.booleans())}


@st.composite
def _spoilers(draw: st.DrawFn, currency: Currency) -> dict[str, Any]:
    """Figures that break a rule, whatever the rest says."""
    few, more = draw(st.integers(0, 9)), draw(st.integers(1, 9))
    match draw(st.integers(0, 7)):
        case 0:
            return {"contacts_created": few, "leads_created": few + more}
        case 1:
            return {"deals_created": few, "closed_won_count": few + more}
        case 2:
            return {"closed_won_count": 0, "closed_won_value": currency.plain(more)}
        case 3:
            return {
                "deals_created": few + more,
                "closed_won_count": few + more,
                "closed_won_value": currency.plain(few),
            }
        case 4:
            return {
                "deals_created": 20,
                "closed_won_count": 9,
                "closed_won_value": currency.plain(100 + more),
                "pipeline_added_value": currency.plain(100),
            }
        case 5:
            return {
                "deals_created": more,
                "closed_won_count": more,
                "closed_won_value": currency.plain(100),
                "pipeline_added_value": currency.plain(100 + more),
            }
        case 6:
            return {"contacts_created": 0, "leads_created": 0, "deals_created": more}
        case _:
            return {"contacts_created": 0, "leads_created": 0, "activities_created": more}
