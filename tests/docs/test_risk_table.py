"""The table of the risks says what the tests came to, and takes only what is named after its risk."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.risks_plugin import PROPERTY, MisplacedMarkError, RiskTable, claims_of, load_risks


def item(name: str, *marks: pytest.MarkDecorator) -> pytest.Item:
    """A collected test with a name and markers, as far as the plugin looks at it."""

    def iter_markers(_name: str) -> list[pytest.Mark]:
        return [decorator.mark for decorator in marks]

    return cast("pytest.Item", SimpleNamespace(name=name, iter_markers=iter_markers))


def report(key: str, outcome: str, *, is_partial: bool = False, when: str = "call") -> pytest.TestReport:
    """One phase of one test that shows the risk ``key``."""
    return pytest.TestReport(
        nodeid=f"tests/test_x.py::test_{key}_{outcome}",
        location=("tests/test_x.py", 1, "test_x"),
        keywords={},
        outcome=cast("Any", outcome),
        longrepr=None,
        when=cast("Any", when),
        user_properties=[(PROPERTY, json.dumps((key, is_partial)))],
    )


def test_there_are_twenty_risks() -> None:
    """Ten of the generator, ten of the patching, each with a title and what must hold."""
    risks = load_risks()
    assert list(risks) == [f"{system}{number}" for system in "GP" for number in range(1, 11)]
    assert all(risk.title and risk.holds for risk in risks.values())


@pytest.mark.parametrize(
    ("reports", "verdict"),
    [
        ([], "missing"),
        ([report("G5", "passed")], "pass"),
        ([report("G5", "passed", is_partial=True)], "partial"),
        ([report("G5", "passed", when="setup")], "missing"),
        ([report("G5", "passed"), report("G5", "failed")], "fail"),
        ([report("G5", "failed", when="teardown")], "fail"),
        ([report("G5", "skipped", when="setup")], "left out"),
        ([report("G5", "passed"), report("G5", "skipped", when="setup")], "partial"),
        ([report("P5", "passed")], "missing"),
    ],
)
def test_verdict_of_a_risk(reports: list[pytest.TestReport], verdict: str) -> None:
    """One failure outweighs all; nothing that was left out counts as shown."""
    table = RiskTable(load_risks())
    for one in reports:
        table.add(one)
    assert table.evidence["G5"].verdict() == verdict


@pytest.mark.parametrize(
    "misplaced",
    [
        item("test_same_seed", pytest.mark.risk("G5")),
        item("test_g06_x", pytest.mark.risk("G5")),
        item("test_g05_x"),
        item("test_g05_x", pytest.mark.risk("G11")),
        item("test_g05_x", pytest.mark.risk()),
        item("test_g05_x", pytest.mark.risk("G5", part=True)),
    ],
)
def test_a_marker_that_does_not_fit_is_refused(misplaced: pytest.Item) -> None:
    """Name and marker tell the same risk, and the risk exists."""
    with pytest.raises(MisplacedMarkError):
        claims_of(misplaced, load_risks())


def test_a_marker_that_fits_is_read() -> None:
    """A test may show one risk whole, and parts of others under any name."""
    risks = load_risks()
    assert claims_of(item("test_p10_x[a]", pytest.mark.risk("P10")), risks) == [("P10", False)]
    assert claims_of(item("test_x", pytest.mark.risk("G1", "G2", partial=True)), risks) == [
        ("G1", True),
        ("G2", True),
    ]
    assert claims_of(item("test_x"), risks) == []
