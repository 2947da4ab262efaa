"""Bad input: every problem at once, with line, field, value and remedy; the exit code; nothing written."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest

from demo_pipeline.settings import BUNDLED_BLUEPRINTS
from tests.fixtures.cli import SMALL, RunCommand, table_counts


@dataclass(frozen=True)
class Bad:
    """A change that makes the small blueprint bad, and what must be said of it."""

    #: pattern → replacement
    change: dict[str, str]
    #: all must be on stderr
    says: list[str]
    code: int = 2
    name: str = "kranz.yaml"
    environment: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def text(self) -> str:
        """The file."""
        text = SMALL
        for pattern, replacement in self.change.items():
            text, count = re.subn(pattern, replacement, text)
            assert count, pattern
        return text


BAD = {
    "unknown key": Bad({"seed:": "sead:"}, ["kranz.yaml:6", "sead", "seed"]),
    "bad month": Bad({"2025-01": "2025-13"}, ["kranz.yaml:4", "start_month", "2025-13", "YYYY-MM"]),
    "25 months": Bad({"2025-03": "2027-01", "2025-01": "2024-12"}, ["end_month", "24"]),
    "future month": Bad({"2025-01": "2090-01", "2025-03": "2090-02"}, ["start_month", "2090-01"]),
    "leads > contacts": Bad({"leads_created: 30": "leads_created: 50"}, ["kranz.yaml:8", "50", "contacts"]),
    "won > deals": Bad({"count: 5": "count: 16"}, ["kranz.yaml:12", "closed_won_count", "16"]),
    "value without won deals": Bad({"count: 5": "count: 0"}, ["closed_won_value", "25000.50"]),
    "pipeline < won value": Bad({"61000.00": "25000.00"}, ["kranz.yaml:14", "pipeline", "25000.50"]),
    "no country code": Bad({"DE": "Germany"}, ["kranz.yaml:2", "country", "Germany"]),
    "unknown industry": Bad({"saas": "mining"}, ["kranz.yaml:3", "industry", "mining", "trading"]),
    "slug with a bar": Bad({}, ["a|b"], name="a|b.yaml"),
    "not YAML": Bad({"totals:": "totals: ]"}, ["kranz.yaml:7"]),
    "empty": Bad({"(?s).+": ""}, ["empty"]),
    "several": Bad(
        {"saas": "mining", "2025-01": "January", "leads_created: 30": "leads_created: many"},
        ["3 problems", "kranz.yaml:3", "mining", "kranz.yaml:4", "January", "kranz.yaml:8", "many"],
    ),
    "beyond a cap": Bad(
        {"contacts_created: 48": "contacts_created: 60000", "leads_created: 30": "leads_created: 50001"},
        ["kranz.yaml", "leads", "50000"],
        code=3,
    ),
    "beyond a cap of value": Bad({"61000.00": "100000000.01"}, ["pipeline", "100000000"], code=3),
    "beyond a cap that was set": Bad({}, ["companies", "8"], code=3, environment={"DEMO_CAP_COMPANIES": "8"}),
}


@pytest.mark.parametrize("case", BAD.values(), ids=BAD)
def test_a_bad_blueprint_is_refused_whole(
    case: Bad, quick_command: RunCommand, tmp_path: Path, admin_conn: psycopg.Connection
) -> None:
    """Everything that is wrong is named with its place, and no table has a row more."""
    path = tmp_path / case.name
    path.write_text(case.text, encoding="utf-8")
    before = table_counts(admin_conn)
    done = quick_command("tenant", "provision", path, environment=case.environment)
    assert done.code == case.code, done.err
    assert not done.out
    plain = done.err.replace(",", "").replace("_", " ")
    for part in case.says:
        assert part.replace("_", " ") in plain, done.err
    assert table_counts(admin_conn) == before


def test_infeasible_figures_come_with_figures_that_work(quick_command: RunCommand, tmp_path: Path) -> None:
    """The suggestion, pasted over what was there, is accepted."""
    path = tmp_path / "kranz.yaml"
    path.write_text(Bad({"leads_created: 30": "leads_created: 50", "count: 5": "count: 16"}, []).text)
    refused = quick_command("tenant", "provision", path)
    assert refused.code == 2
    _, _, suggestion = refused.err.partition("This would work")
    pasted = "\n".join(line[2:] for line in suggestion.splitlines()[1:])
    path.write_text(SMALL.partition("totals:")[0] + pasted, encoding="utf-8")
    assert "totals:" in pasted
    assert quick_command("tenant", "provision", path).code == 0


def test_a_bad_blueprint_for_a_program(quick_command: RunCommand, tmp_path: Path) -> None:
    """With --json the same is one document on stdout."""
    path = tmp_path / "kranz.yaml"
    path.write_text(Bad({"leads_created: 30": "leads_created: 50", "saas": "mining"}, []).text)
    error = quick_command("tenant", "provision", path, "--json").error
    assert error["code"] == "invalid_input"
    assert [(item["line"], item["field"], item["value"]) for item in error["details"]["errors"]] == [
        (3, "industry", "mining"),
        (8, "totals.leads_created", "50"),
    ]


def test_one_bad_file_of_several_stops_all(
    quick_command: RunCommand, tmp_path: Path, blueprint: Path, admin_conn: psycopg.Connection
) -> None:
    """``run`` reads every file first, and names each problem with its file."""
    bad, missing = tmp_path / "bad.yaml", tmp_path / "missing.yaml"
    bad.write_text(BAD["several"].text, encoding="utf-8")
    before = table_counts(admin_conn)
    done = quick_command("run", blueprint, bad, missing)
    assert done.code == 2
    for part in ("bad.yaml:3", "bad.yaml:4", "bad.yaml:8", "missing.yaml"):
        assert part in done.err
    assert table_counts(admin_conn) == before


def test_a_mistyped_bundled_blueprint_is_proposed(quick_command: RunCommand, tmp_path: Path) -> None:
    """``run larkmor``: the nearest blueprint, and which there are; other missing files have no proposal."""
    done = quick_command("run", "larkmor", tmp_path / "zzz.yaml")
    assert done.code == 2
    assert done.err.count("did you mean larkmoor?") == 1
    assert "the bundled blueprints are larkmoor, " in " ".join(done.err.split())
    assert str(BUNDLED_BLUEPRINTS) not in done.err
    [first, second] = quick_command("run", "larkmor", "zzz.yaml", "--json").error["details"]["errors"]
    assert (first["suggestion"], second["suggestion"]) == ("larkmoor", None)
    own = tmp_path / "own"
    own.mkdir()
    blueprint = {"DEMO_BLUEPRINTS": str(own)}
    message = quick_command("run", "larkmoor", "--json", environment=blueprint).error["message"]
    assert f"there are no blueprints in {own}; in {BUNDLED_BLUEPRINTS} there are " in message
    (own / "mine.yaml").write_text(BAD["several"].text, encoding="utf-8")
    message = quick_command("run", "larkmoor", "--json", environment=blueprint).error["message"]
    assert f"in {own} there are mine; in {BUNDLED_BLUEPRINTS} there are " in message
    assert "larkmoor" in message.partition(str(BUNDLED_BLUEPRINTS))[2]


def test_an_unknown_country_is_a_warning(quick_command: RunCommand, tmp_path: Path) -> None:
    """A country without lists of its own falls back to US, which is said, in the document too."""
    path = tmp_path / "kranz.yaml"
    path.write_text(Bad({"DE": "AQ"}, []).text, encoding="utf-8")
    done = quick_command("tenant", "provision", path, "--json")
    assert done.code == 0
    assert "warning:" in done.err
    assert "AQ" in done.err
    assert "US" in done.document["warnings"][0]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["kpis", "nobody"], "nobody"),
        (["digest", "a|b"], "a|b"),
        (["tenant", "show", "nobody"], "nobody"),
        (["verify", "nobody"], "nobody"),
        (["generate", "nobody"], "nobody"),
        (["job", "list", "nobody"], "nobody"),
        (["job", "show", "0f1c2f3e-5d1c-5b7a-9a51-3a6f5a2b7c11"], "0f1c2f3e-5d1c-5b7a-9a51-3a6f5a2b7c11"),
        (["job", "show", "seven"], "seven"),
        (["kpis", "nobody", "--from", "2025-1"], "2025-1"),
        (["run", "no-such-blueprint"], "no-such-blueprint"),
        (["tenant", "provision", "."], "."),
        (["db", "downgrade", "nowhere"], "nowhere"),
    ],
    ids=" ".join,
)
def test_what_is_not_there_is_wrong_input(quick_command: RunCommand, arguments: list[str], says: str) -> None:
    """Exit 2 with a line that names it."""
    done = quick_command(*arguments)
    assert done.code == 2, done.err
    assert says in done.err
    assert not done.out


@pytest.mark.parametrize(
    ("variable", "value"),
    [("DEMO_NOW", "2990-01-01T00:00:00Z"), ("DEMO_WAIT_SECONDS", "soon"), ("DEMO_CAP_DEALS", "x")],
)
def test_a_wrong_environment_is_wrong_input(quick_command: RunCommand, variable: str, value: str) -> None:
    """Every command refuses, and names the variable."""
    done = quick_command("tenant", "list", "--json", environment={variable: value})
    assert done.code == 2
    assert variable in done.error["message"]
