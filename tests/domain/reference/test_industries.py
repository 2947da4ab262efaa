"""Industries: pipelines that end, sizes and cycles in the field's ranges, tables fit for interpolation."""

from __future__ import annotations

import re

import numpy as np
import pytest

from demo_pipeline.domain.reference.industries import INDUSTRIES, load_industry
from demo_pipeline.domain.reference.languages import LANGUAGES
from demo_pipeline.domain.reference.texts import load_texts

#: Deal sizes in US dollars and cycles in days, 5 and 95 %.
RANGES = {
    "trading": (5_000, 50_000, 14, 45),
    "igaming": (100, 5_000, 7, 30),
    "saas": (500, 50_000, 30, 90),
    "ecommerce": (50, 500, 1, 7),
    "realestate": (50_000, 500_000, 60, 180),
    "finserv": (10_000, 100_000, 30, 90),
}


@pytest.mark.parametrize("key", INDUSTRIES)
def test_a_pipeline_has_an_end_of_either_kind(key: str) -> None:
    """Stages are numbered from 1, some are open, won and lost, and probability fits the kind."""
    industry = load_industry(key)
    assert [stage.position for stage in industry.stages] == list(range(1, len(industry.stages) + 1))
    assert {stage.probability for stage in industry.stages if stage.is_won} == {100}
    assert {stage.probability for stage in industry.stages if stage.is_lost} == {0}
    chances = [stage.probability for stage in industry.stages if not (stage.is_won or stage.is_lost)]
    assert chances == sorted(chances)
    assert chances[0] > 0
    assert chances[-1] < 100


@pytest.mark.parametrize("key", INDUSTRIES)
def test_sizes_and_cycles_are_the_fields(key: str) -> None:
    """5 and 95 % of deal sizes and cycles lie at the ends of the ranges; whales end at 20 × the upper."""
    low, high, first, last = RANGES[key]
    industry = load_industry(key)
    five, ninety_five = round(4096 * 0.05), round(4096 * 0.95)
    assert industry.deal_quantiles[five] / 100 == pytest.approx(low, rel=0.04)
    assert industry.deal_quantiles[ninety_five] / 100 == pytest.approx(high, rel=0.04)
    assert industry.cycle_quantiles[five] / 1440 == pytest.approx(first, rel=0.04)
    assert industry.cycle_quantiles[ninety_five] / 1440 == pytest.approx(last, rel=0.04)
    assert (industry.deal_usd, industry.largest_deal) == ((low, high), 20 * high * 100)
    assert industry.typical_deal_usd == pytest.approx(industry.deal_quantiles.mean() / 100, abs=1)


@pytest.mark.parametrize("key", INDUSTRIES)
def test_tables_serve_integer_interpolation(key: str) -> None:
    """Every table has 4097 knots, positive, never falling, below 2**40."""
    industry = load_industry(key)
    for knots in (industry.deal_quantiles, industry.cycle_quantiles):
        assert knots.shape == (4097,)
        assert knots.dtype == np.int64
        assert knots[0] > 0
        assert (np.diff(knots) >= 0).all()
        assert knots[-1] < 2**40


@pytest.mark.parametrize("key", INDUSTRIES)
def test_seasons_rates_and_tags_are_sound(key: str) -> None:
    """Twelve months with mean 100, a win rate of the field, six to ten tags a language in real colours."""
    industry = load_industry(key)
    assert len(industry.seasonality) == 12
    assert sum(industry.seasonality) == 1200
    assert 15 <= industry.win_rate_percent <= 30
    by_language = [load_texts(language, key).tags for language in LANGUAGES]
    for tags in by_language:
        assert 6 <= len(tags) <= 10
        assert len({tag.name for tag in tags}) == len(tags)
        assert all(re.fullmatch(r"#[0-9a-f]{6}", tag.color) for tag in tags)
    assert len(set(map(len, by_language))) == 1


def test_an_unknown_industry_is_refused() -> None:
    """There is no industry to fall back on."""
    with pytest.raises(KeyError, match="astrology"):
        load_industry("astrology")
