"""Each measure of the scorecard is green on rows that hold, and red on rows with a planted fault."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import pytest

from demo_pipeline.domain.scorecard.catalogue import MEASURES, scorecard
from demo_pipeline.domain.scorecard.columns import WON, Contacts, Deals
from demo_pipeline.domain.scorecard.measure import Figure, Measure, Range, Score, Unit, Verdict, take
from tests.builders.scorecard_rows import instant, rows, tenant
from tests.domain.scorecard.planted import closings, contacts, money, names, seams, texts, work

CASES: Final = {
    name: case
    for module in (closings, work, texts, money, contacts, names, seams)
    for name, case in module.CASES.items()
}


@pytest.mark.parametrize("measure", MEASURES, ids=lambda one: one.name)
def test_a_planted_fault_is_red(measure: Measure) -> None:
    """A measure without a case fails here, and so does one that sees no fault, or a fault in sound rows."""
    good, bad = CASES[measure.name]()
    sound, faulty = take(measure, good), take(measure, bad)
    assert sound is not None, "the measure does not apply to its own case"
    assert faulty is not None, "the measure does not apply to its own case"
    assert sound.verdict is Verdict.GREEN, f"{sound.figure}, expected {sound.expected}"
    assert faulty.verdict is Verdict.RED, f"{faulty.figure}, expected {faulty.expected}"


@pytest.mark.parametrize(
    ("name", "feature"),
    [
        ("seam_of_patches_contacts", "source"),
        ("seam_between_months_deals", "value"),
        ("seam_of_patches_activities", "length of the description"),
    ],
)
def test_a_seam_names_what_shows_it(name: str, feature: str) -> None:
    """The detail of a red line says which feature separates the samples most."""
    [measure] = [one for one in MEASURES if one.name == name]
    _, bad = CASES[name]()
    score = take(measure, bad)
    assert score is not None
    assert score.figure is not None
    assert score.figure.detail.endswith(f"most by {feature}")


def test_words_beside_a_product_are_no_product() -> None:
    """An "Online order" is for any of twenty chairs, at any price; each chair has one price."""
    products = [(f"Chair {chr(65 + place)}", 20_00 + 10_00 * place) for place in range(20)]
    forms = ("{} (Ann Lee)", "Online order – {} (Lee)", "{}, repeat order Lee")
    titles = [form.format(name) for name, _ in products for form in forms for _ in range(4)]
    values = [price for _, price in products for _ in range(12)]
    contacts = rows(Contacts, 1, first_name="Ann", last_name="Lee")
    deals = rows(Deals, 240, title=titles, value=values, contact=0)
    [measure] = [one for one in MEASURES if one.name == "price_spread"]
    score = take(measure, tenant(contacts=contacts, deals=deals, industry="ecommerce"))
    assert score is not None
    assert score.figure is not None
    assert (score.figure.value, score.size) == (1.0, 240)


def test_every_case_has_a_measure() -> None:
    """No case is left of a measure that is gone, and no two measures share a name."""
    assert sorted(CASES) == sorted(measure.name for measure in MEASURES)


def test_an_empty_tenant_is_not_measured() -> None:
    """Without rows every line says so; none is green for want of rows, and none fails."""
    for industry in ("saas", "ecommerce", "realestate", "trading", "igaming", "finserv"):
        for country in ("US", "GB", "DE", "JP"):
            scores = scorecard(tenant(industry=industry, country=country))
            assert {score.verdict for score in scores} == {Verdict.NOT_MEASURED}


@pytest.mark.parametrize("measure", MEASURES, ids=lambda one: one.name)
def test_a_small_sample_is_neither_green_nor_red(measure: Measure) -> None:
    """With one row too few the figure is withheld, and its size is still said."""
    good, _ = CASES[measure.name]()
    score = take(measure, good)
    assert score is not None
    stricter = take(replace(measure, least=score.size + 1), good)
    assert stricter is not None
    assert (stricter.verdict, stricter.size) == (Verdict.NOT_MEASURED, score.size)


def test_a_measure_says_what_it_is() -> None:
    """Every line has words for what is measured, on what, and where its range comes from."""
    for measure in MEASURES:
        assert measure.title
        assert measure.population
        assert measure.source
        assert measure.expected.text(measure.unit)
        assert measure.least > 0


def _share_of(count: int, size: int, expected: Range) -> Score:
    measure = replace(MEASURES[0], unit=Unit.SHARE, is_drawn=True)
    return Score(measure=measure, expected=expected, figure=Figure(count / size, size, "seen"), size=size)


@pytest.mark.parametrize(
    ("count", "size", "expected", "verdict", "detail"),
    [
        # Of 100 rows two standard errors at 15 % are 7 points, of 10,000 rows 0.7.
        (15, 100, Range(low=0.15), Verdict.GREEN, "seen"),
        (8, 100, Range(low=0.15), Verdict.GREEN, "seen, within chance"),
        (7, 100, Range(low=0.15), Verdict.RED, "seen"),
        (1420, 10_000, Range(low=0.15), Verdict.RED, "seen"),
        (36, 100, Range(high=0.30), Verdict.GREEN, "seen, within chance"),
        (40, 100, Range(high=0.30), Verdict.RED, "seen"),
        # What is to be none, or all, is so.
        (1, 10_000, Range(high=0.0), Verdict.RED, "seen"),
        (9_999, 10_000, Range(low=1.0), Verdict.RED, "seen"),
    ],
)
def test_a_share_may_miss_its_bound_by_chance(
    count: int, size: int, expected: Range, verdict: Verdict, detail: str
) -> None:
    """Two standard errors of the sample, where rows are drawn one by one, and the line says so."""
    score = _share_of(count, size, expected)
    assert (score.verdict, score.detail) == (verdict, detail)


SHARES: Final = [measure for measure in MEASURES if measure.is_drawn]


@pytest.mark.parametrize("measure", SHARES, ids=lambda one: one.name)
def test_the_least_sample_can_miss_each_bound(measure: Measure) -> None:
    """A share's sample is never so small that chance explains any figure."""
    for expected in {measure.expected.default, *measure.expected.industries.values()} - {None}:
        assert expected is not None
        for bound, extreme in ((expected.low, 0), (expected.high, measure.least)):
            if bound is not None and bound != extreme / measure.least:
                score = _share_of(extreme, measure.least, expected)
                assert score.verdict is Verdict.RED, f"{measure.name}: {bound}"


def test_other_figures_than_drawn_shares_hold_as_they_are() -> None:
    """What is a rule, a distance or no share at all has no margin."""
    measure = replace(MEASURES[0], unit=Unit.SHARE, is_drawn=False)
    score = Score(measure=measure, expected=Range(low=0.5), figure=Figure(0.49, 100), size=100)
    assert score.verdict is Verdict.RED
    assert {one.unit for one in MEASURES if one.is_drawn} == {Unit.SHARE}


def test_ranges_in_words() -> None:
    """A range reads as a person would say it."""
    assert Range(0.2, 0.35).text(Unit.SHARE) == "20 % to 35 %"
    assert Range(high=0.0).text(Unit.SHARE) == "none"
    assert Range(high=0.025).text(Unit.SHARE) == "at most 2.5 %"
    assert Range(high=3).text(Unit.COUNT) == "at most 3"
    assert Range(low=0.5).text(Unit.NUMBER) == "at least 0.50"


def test_a_span_that_is_not_over_is_not_judged_by_its_end() -> None:
    """A living tenant in its last month has no last month's rise yet."""
    wins = rows(
        Deals,
        60,
        created_us=[instant(place % 12) for place in range(60)],
        closed_us=[instant(place % 12, 20) for place in range(60)],
        outcome=WON,
    )
    [score] = [
        one
        for one in scorecard(tenant(deals=wins, as_of_us=instant(11, 21)))
        if one.measure.name == "last_month_rise"
    ]
    assert score.verdict is Verdict.NOT_MEASURED
