"""The risk table, read from the test run itself.

A test shows a risk by ``@pytest.mark.risk("G5")`` and a name that begins with ``test_g05_``;
``risk("G1", partial=True)`` shows a part of one and may have any name. ``--risk-table`` prints, after the
run, what each of the twenty risks of ``risks.toml`` came to, ``--risk-json FILE`` writes it for programs.
What a risk means belongs to ``risks.toml``, how it is shown to the tests.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Generator, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import pytest

Verdict = Literal["pass", "partial", "fail", "left out", "missing"]

RISKS_FILE: Final = Path(__file__).with_name("risks.toml")
#: A report crosses from a test worker to the main process with its user properties.
PROPERTY: Final = "demo_risk"
NAMED_AFTER: Final = re.compile(r"^test_([gp])(\d\d)_")


class MisplacedMarkError(Exception):
    """The marker ``risk`` of a test does not fit; the message says what to write."""


@dataclass(frozen=True)
class Risk:
    """One of the twenty."""

    id: str
    title: str
    #: what must hold
    holds: str


@dataclass
class Evidence:
    """What the tests of one risk came to, by test id."""

    passed: set[str] = field(default_factory=set[str])
    passed_in_part: set[str] = field(default_factory=set[str])
    failed: set[str] = field(default_factory=set[str])
    left_out: set[str] = field(default_factory=set[str])

    def verdict(self) -> Verdict:
        """One word for all tests: a failure outweighs everything, what was not run is not shown."""
        if self.failed:
            return "fail"
        if self.passed and not self.left_out:
            return "pass"
        if self.passed or self.passed_in_part:
            return "partial"
        return "left out" if self.left_out else "missing"


def load_risks(path: Path = RISKS_FILE) -> dict[str, Risk]:
    """All risks by id, in the order of the file."""
    with path.open("rb") as file:
        return {key: Risk(id=key, **entry) for key, entry in tomllib.load(file).items()}


def risk_of_name(test_name: str) -> str | None:
    """The risk that a test is named after: ``test_g05_same_seed`` is ``G5``."""
    found = NAMED_AFTER.match(test_name)
    return f"{found[1].upper()}{int(found[2])}" if found else None


def claims_of(item: pytest.Item, risks: dict[str, Risk]) -> list[tuple[str, bool]]:
    """What a test says to show: pairs of risk id and whether only in part.

    Raises:
        MisplacedMarkError: unknown id, bad argument, or a name and a marker that do not fit.

    """
    claims: list[tuple[str, bool]] = []
    named_after = risk_of_name(item.name)
    for mark in item.iter_markers("risk"):
        unknown = [key for key in mark.args if key not in risks]
        if not mark.args or unknown or set(mark.kwargs) - {"partial"}:
            raise MisplacedMarkError('write risk("G5") or risk("G5", partial=True), with an id of risks.toml')
        is_partial = bool(mark.kwargs.get("partial", False))
        claims.extend((str(key), is_partial) for key in mark.args)
    whole = {key for key, is_partial in claims if not is_partial}
    if whole and named_after not in whole:
        key = min(whole)
        raise MisplacedMarkError(
            f"what shows a risk is named after it: test_{key[0].lower()}{int(key[1:]):02}_...; "
            f'what shows a part of it says risk("{key}", partial=True)'
        )
    if named_after and named_after not in {key for key, _ in claims}:
        raise MisplacedMarkError(f'named after {named_after}, so it needs the marker risk("{named_after}")')
    return claims


class RiskTable:
    """Collects outcomes in the main process and shows them at the end."""

    def __init__(self, risks: dict[str, Risk]) -> None:
        self.risks = risks
        self.evidence = {key: Evidence() for key in risks}

    def add(self, report: pytest.TestReport) -> None:
        """Count one phase of one test."""
        claims = [json.loads(str(value)) for name, value in report.user_properties if name == PROPERTY]
        for key, is_partial in claims:
            found = self.evidence[key]
            if report.failed or hasattr(report, "wasxfail"):
                found.failed.add(report.nodeid)
            elif report.skipped:
                found.left_out.add(report.nodeid)
            elif report.when == "call":
                (found.passed_in_part if is_partial else found.passed).add(report.nodeid)

    def lines(self) -> Iterable[str]:
        """The table for a terminal."""
        yield f"{'id':<4}{'shown':<10}{'tests':>5}  risk: what must hold"
        for key, risk in self.risks.items():
            found = self.evidence[key]
            count = len(found.passed | found.passed_in_part | found.failed | found.left_out)
            yield f"{key:<4}{found.verdict():<10}{count:>5}  {risk.title}: {risk.holds}"
        verdicts = [found.verdict() for found in self.evidence.values()]
        counts = {verdict: verdicts.count(verdict) for verdict in dict.fromkeys(verdicts)}
        yield ", ".join(f"{count} {verdict}" for verdict, count in counts.items())

    def to_json(self) -> list[dict[str, Any]]:
        """The table for programs."""
        return [
            {
                "id": key,
                "title": risk.title,
                "verdict": self.evidence[key].verdict(),
                "passed": sorted(self.evidence[key].passed),
                "passed_in_part": sorted(self.evidence[key].passed_in_part),
                "failed": sorted(self.evidence[key].failed),
                "left_out": sorted(self.evidence[key].left_out),
            }
            for key, risk in self.risks.items()
        ]


TABLE: Final = pytest.StashKey[RiskTable]()
MISPLACED: Final = pytest.StashKey[str]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the two options."""
    group = parser.getgroup("risks")
    group.addoption(
        "--risk-table", action="store_true", help="print the table of the twenty risks at the end"
    )
    group.addoption("--risk-json", type=Path, default=None, help="write the table of the risks to this file")


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker and start an empty table."""
    config.addinivalue_line(
        "markers", 'risk(id, ..., partial=False): shows that a risk of risks.toml is closed, "G5"'
    )
    config.stash[TABLE] = RiskTable(load_risks())


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Attach to each test what it shows."""
    for item in items:
        try:
            claims = claims_of(item, config.stash[TABLE].risks)
        except MisplacedMarkError as error:
            item.stash[MISPLACED] = str(error)
        else:
            item.user_properties.extend((PROPERTY, json.dumps(claim)) for claim in claims)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Fail a test whose marker does not fit: raised while collecting, it would take all tests down."""
    if message := item.stash.get(MISPLACED, None):
        pytest.fail(message, pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_report_teststatus(
    report: pytest.CollectReport | pytest.TestReport, config: pytest.Config
) -> Generator[None, Any, Any]:
    """Count each report where it is shown: once, in the main process."""
    if isinstance(report, pytest.TestReport) and not hasattr(config, "workerinput"):
        config.stash[TABLE].add(report)
    return (yield)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print and write the table."""
    table = config.stash[TABLE]
    if config.getoption("risk_table"):
        terminalreporter.section("the twenty risks")
        for line in table.lines():
            terminalreporter.write_line(line)
    target: Path | None = config.getoption("risk_json")
    if target is not None:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(table.to_json(), indent=1) + "\n", encoding="utf-8")
