"""What is printed: plain columns, no password, suggestions that our own reader takes."""

from __future__ import annotations

import io
import json
import unicodedata
from pathlib import Path

import pytest

from demo_pipeline.cli import main
from demo_pipeline.cli.kit import console
from demo_pipeline.cli.kit.failures import as_yaml
from demo_pipeline.cli.kit.job_progress import Bars
from demo_pipeline.domain.core.figures import Figures, FiguresByMonth
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.core.terminal_text import neutral, neutral_line
from demo_pipeline.rendering.kpi_columns import kpi_table
from demo_pipeline.rendering.table import Table, plain_text, text_columns
from demo_pipeline.services.files.nested_files import parse_yaml
from demo_pipeline.storage.connection.masking import masked, masked_tree
from tests.builders.currencies import EUR

#: Sets the title, clears the screen, moves the cursor, reverses the writing, hides itself.
HOSTILE = (
    "\x1b]0;owned\x07", "\x1b[2J", "\x9b2J", "\x08\x08", "\r", "\x00", "\x7f", "\u202e", "\u2066", "\u200b",
    "\u2028", "\ufeff", "\U000e0041", "\udcff",
)  # fmt: skip
ORDINARY = (
    "Kranz Söhne", "Ünïcödé e\u0301", "株式会社", "עברית", "عربي", "می\u200cخ", "👩\u200d💻 🇩🇪",
    "ﬁ € ½ \u00a0", "\\x1b and \\u001b",
)  # fmt: skip


class Terminal(io.StringIO):
    """A stream that says it is one."""

    def isatty(self) -> bool:
        return True


def obeyed(text: str) -> list[str]:
    """Characters that a terminal would obey or not show, but for the end of a line."""
    kinds = {"Cc", "Cs", "Zl", "Zp"}
    joiners = "\u200c\u200d"
    return [
        one
        for one in text
        if one != "\n"
        and (unicodedata.category(one) in kinds or (unicodedata.category(one) == "Cf" and one not in joiners))
    ]


@pytest.mark.parametrize("is_terminal", [False, True])
def test_no_text_is_obeyed_by_a_terminal(monkeypatch: pytest.MonkeyPatch, *, is_terminal: bool) -> None:
    """Tables, lines, messages and documents show control characters, and leave all other text as it is."""
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("COLUMNS", "400")
    for text in (*HOSTILE, *(f"a{one}b" for one in HOSTILE), "x\ny\tz", *ORDINARY):
        out, err = (Terminal(), Terminal()) if is_terminal else (io.StringIO(), io.StringIO())
        monkeypatch.setattr("sys.stdout", out)
        monkeypatch.setattr("sys.stderr", err)
        console.write_table(Table(text_columns("name"), [[text]], total=[text], title=text))
        table = out.getvalue()
        console.write_text(text.replace("\t", " "))
        console.say(text.replace("\t", " "))
        console.warn(text.replace("\t", " "))
        assert obeyed(table) == obeyed(out.getvalue()) == obeyed(err.getvalue()) == [], text
        assert neutral_line(text) in table, "a cell is on one line"
        out.seek(0)
        out.truncate()
        console.write_document({"text": text})
        assert obeyed(out.getvalue()) == []
        assert json.loads(out.getvalue()) == {"text": text}
    for text in ORDINARY:
        assert neutral(text) == neutral_line(text) == text


def test_what_a_job_says_of_itself_is_not_obeyed_by_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bars show a tenant and its step as text: no control characters, no markup."""
    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setenv("COLUMNS", "200")
    bars = Bars()
    bars.show("acme", 50, "loading\x1b]0;owned\x07[blink]x[/blink]")
    bars.close()
    assert "\x1b]0" not in screen.getvalue()
    assert "\x07" not in screen.getvalue()
    assert "loading\\u001b]0;owned\\u0007[blink]x[/blink]" in screen.getvalue()


def test_what_is_typed_is_not_obeyed_by_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Wrong options and commands are repeated as text."""
    for arguments in (["tenant", "\x1b]0;x\x07"], ["--\x1b[2J"], ["job", "list", "--limit\x9b2J"]):
        assert main.run(arguments) == 2
        said = capsys.readouterr()
        assert obeyed(said.out + said.err) == [], arguments


def test_a_table_without_a_terminal_is_plain_columns() -> None:
    """No rules, no colours, nothing cut off, numbers to the right, no blanks at the end."""
    table = Table(text_columns("tenant", "rows", numbers=("rows",)), [["a" * 90, "5"], ["b", "1,000"]])
    assert plain_text(table).splitlines() == [
        f"{'tenant':90}   rows",
        f"{'a' * 90}      5",
        f"{'b':90}  1,000",
    ]


def test_a_table_on_a_narrow_terminal_keeps_every_digit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Values are never shortened to fit."""
    screen = Terminal()
    monkeypatch.setattr("sys.stdout", screen)
    monkeypatch.setenv("COLUMNS", "40")
    figures = Figures(contacts_created=1234567, closed_won_value=-12345678901, pipeline_added_value=-5)
    console.write_table(kpi_table("t", FiguresByMonth({Month.of(2025, 1): figures}), EUR))
    for text in ("2025-01", "1,234,567", "-123,456,789.01", "-0.05", "total"):
        assert text in screen.getvalue()


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://ann:hunter22@db:5432/crm",
        "postgresql://ann:hunter22@with@at@db/crm",
        "could not connect: host=db password=hunter22 user=ann",
        "password = 'hunter22'",
        "postgresql://db/crm?user=ann&password=hunter22&x=1",
    ],
)
def test_passwords_are_masked(text: str) -> None:
    """No password of a URL or connection string passes; the rest stays."""
    assert "hunter22" not in masked(text)
    assert "***" in masked(text)
    assert masked("12:30 kpis of a@b.example") == "12:30 kpis of a@b.example"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ALTER ROLE x LOGIN PASSWORD 'it''s';", "ALTER ROLE x LOGIN PASSWORD ***;"),
        ("alter role x encrypted password E'a\\'b' valid", "alter role x encrypted password *** valid"),
        ("alter role x password $p$it's$p$;", "alter role x password ***;"),
        ("{'user': 'a', 'password': 'a b', 'host': 'b'}", "{'user': 'a', 'password': ***, 'host': 'b'}"),
        ("PGPASSWORD=a pg_dump", "PGPASSWORD=*** pg_dump"),
        ("sslpassword=a host=b", "sslpassword=*** host=b"),
        ("postgresql+psycopg2://ann:a@db/crm?sslmode=disable", "postgresql+psycopg2://ann:***@db/crm?sslmode=disable"),
        ("the password: correct it", "the password: correct it"),
        ("password authentication failed for user 'a'", "password authentication failed for user 'a'"),
        ("http://127.0.0.1:3000/a@b", "http://127.0.0.1:3000/a@b"),
    ],
)  # fmt: skip
def test_a_password_is_masked_where_it_stands(text: str, expected: str) -> None:
    """URLs, connection strings, SQL, mappings and variables; nothing else."""
    assert masked(text) == expected
    assert masked_tree({"a": [text, 1, None]}) == {"a": [expected, 1, None]}


@pytest.mark.parametrize("password", ["a", "x1", "demo", "tenant", "postgres", "larkmoor", "%61"])
def test_a_short_password_or_a_word_stays_in_other_words(
    monkeypatch: pytest.MonkeyPatch, password: str
) -> None:
    """A password that is a letter or a word is masked in its URL only: else the rest would spell it."""
    text = "a tenant of demo-pipeline at larkmoor cannot reach postgres x1 %61"
    for name in ("DEMO_DATABASE_URL", "DEMO_LOADER_URL", "DEMO_DAGSTER_URL"):
        monkeypatch.setenv(name, f"postgresql://ann:{password}@db/crm")
    assert masked(text) == text
    assert masked(text, [password]) == text
    assert masked(f"no {text} postgresql://ann:{password}@db/crm") == f"no {text} postgresql://ann:***@db/crm"


def test_a_password_of_the_environment_is_masked_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """A library may quote the password alone."""
    monkeypatch.setenv("DEMO_DATABASE_URL", "postgresql://ann:hunter22@db/crm")
    assert masked("bad token hunter22!") == "bad token ***!"
    assert masked("hunter221 and xhunter22 are others") == "hunter221 and xhunter22 are others"
    monkeypatch.setenv("DEMO_DATABASE_URL", "postgresql://ann:hunter%4022@db/crm")
    assert masked('bad token "hunter@22"') == 'bad token "***"'


def test_a_suggestion_can_be_pasted(tmp_path: Path) -> None:
    """It is YAML that our reader reads as the same values."""
    value = {
        "name": "Kranz: Söhne #1",
        "seed": "null",
        "timezone": "~",
        "end_month": "2025-11",
        "totals": {"leads_created": 5, "closed_won_value": "25000.00"},
        "months": [{"month": "2025-01", "closed_won_value": "1.50"}],
        "growth": {},
    }
    path = tmp_path / "kranz.yaml"
    path.write_text(as_yaml(value), encoding="utf-8")
    assert parse_yaml(path.read_text("utf-8"), "a.yaml").tree == {
        **value,
        "totals": {"leads_created": "5", "closed_won_value": "25000.00"},
    }
    assert "  closed_won_value: 25000.00" in path.read_text(encoding="utf-8").splitlines()
