"""Hero accounts as a table, as sections with their talk tracks, and as documents for programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from demo_pipeline.domain.heroes.model import HERO_LABELS, HeroAccount, HeroAccounts, HeroDeal
from demo_pipeline.domain.heroes.talk_track import talk_track
from demo_pipeline.rendering.table import Table, text_columns


@dataclass(frozen=True, kw_only=True)
class HeroSection:
    """One account under its heading."""

    heading: str
    sentences: Sequence[str]


def hero_table(heroes: HeroAccounts) -> Table[Any]:
    """The accounts, a line each."""
    titles = ("hero account", "account", "contact", "deal", "value", "fit", "since")
    return Table(
        text_columns(*titles, numbers={"value"}),
        [
            (
                HERO_LABELS[one.kind],
                one.name,
                one.contact,
                one.deal.title,
                _value_text(one.deal),
                fit_text(one),
                f"{one.chosen_at:%Y-%m-%d}",
            )
            for one in heroes.accounts
        ],
    )


def _value_text(deal: HeroDeal) -> str:
    return "" if deal.value is None else f"{deal.currency.shown(deal.value)} {deal.currency}"


def fit_text(account: HeroAccount) -> str:
    """Whether the account fits its kind exactly."""
    return "exact" if account.is_exact_fit else "nearest"


def hero_sections(heroes: HeroAccounts) -> list[HeroSection]:
    """The accounts with their talk tracks."""
    return [
        HeroSection(heading=f"{_capital(HERO_LABELS[one.kind])}: {one.name}", sentences=talk_track(one))
        for one in heroes.accounts
    ]


def hero_documents(heroes: HeroAccounts) -> list[dict[str, Any]]:
    """The accounts for programs; money as a string in major units."""
    return [
        {
            "kind": one.kind,
            "is_exact_fit": one.is_exact_fit,
            "chosen_at": one.chosen_at,
            "account": one.name,
            "contact": one.contact,
            "contact_id": one.contact_id,
            "company": one.company,
            "company_id": one.company_id,
            "deal": _deal_document(one.deal) | {"id": one.deal_id},
            "earlier_deal": None
            if one.earlier is None
            else _deal_document(one.earlier) | {"id": one.earlier_deal_id},
            "talk_track": list(talk_track(one)),
        }
        for one in heroes.accounts
    ]


def _deal_document(deal: HeroDeal) -> dict[str, Any]:
    return {
        "title": deal.title,
        "value": None if deal.value is None else deal.currency.plain(deal.value),
        "currency": deal.currency.code,
        "stage": deal.stage,
    }


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
