"""What is printed: plain columns, no password, suggestions that our own reader takes."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from demo_pipeline.cli import console
from demo_pipeline.cli.console import Column, Table, kpi_table, masked, plain
from demo_pipeline.cli.suggestion import as_yaml
from demo_pipeline.domain.metrics import Figures
from demo_pipeline.domain.months import Month
from demo_pipeline.services.yaml_files import read_yaml


def test_a_table_without_a_terminal_is_plain_columns() -> None:
    """No rules, no colours, nothing cut off, numbers to the right, no blanks at the end."""
    table = Table((Column("tenant"), Column("rows", is_number=True)), [["a" * 90, "5"], ["b", "1,000"]])
    assert plain(table).splitlines() == [f"{'tenant':90}   rows", f"{'a' * 90}      5", f"{'b':90}  1,000"]


def test_a_table_on_a_narrow_terminal_keeps_every_digit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Values are never shortened to fit."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()
    monkeypatch.setattr("sys.stdout", screen)
    monkeypatch.setenv("COLUMNS", "40")
    figures = Figures(contacts_created=1234567, closed_won_value=-12345678901, pipeline_added_value=-5)
    console.write_table(kpi_table("t", {Month.of(2025, 1): figures}, 2))
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


def test_a_password_of_the_environment_is_masked_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """A library may quote the password alone."""
    monkeypatch.setenv("DEMO_DATABASE_URL", "postgresql://ann:hunter22@db/crm")
    assert masked("bad token hunter22!") == "bad token ***!"


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
    assert read_yaml(path).tree == {
        **value,
        "totals": {"leads_created": "5", "closed_won_value": "25000.00"},
    }
    assert "  closed_won_value: 25000.00" in path.read_text(encoding="utf-8").splitlines()
