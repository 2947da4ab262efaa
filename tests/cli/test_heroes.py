"""Hero accounts on the command line: a table, five sentences each, and the same for programs."""

from __future__ import annotations

from pathlib import Path

from tests.fixtures.cli import RunCommand


def test_tenant_show_has_the_hero_accounts(quick_command: RunCommand, kranz: str, tmp_path: Path) -> None:
    """People read the sentences; ``--json`` has them with ids, and ``report`` has the same."""
    shown = quick_command("tenant", "show", kranz, "--json").document["heroes"]
    assert shown
    text = " ".join(quick_command("tenant", "show", kranz).out.split())
    for hero in shown:
        assert hero["kind"] in {"comeback", "at_risk", "upsell"}
        assert hero["contact_id"]
        assert hero["deal"]["id"]
        assert len(hero["talk_track"]) == 5
        for number, sentence in enumerate(hero["talk_track"], start=1):
            assert f"{number}. {' '.join(sentence.split())}" in text
    reported = quick_command("report", kranz, "-o", tmp_path / "kranz.html", "--json").document["heroes"]
    assert reported == shown


def test_a_tenant_without_rows_says_why_it_has_none(quick_command: RunCommand, blueprint: Path) -> None:
    """Nothing is selected before the first job."""
    slug = quick_command("tenant", "provision", blueprint, "--json").document["tenant"]
    assert quick_command("tenant", "show", slug, "--json").document["heroes"] == []
    text = " ".join(quick_command("tenant", "show", slug).out.split())
    assert "No account for comeback, big win at risk and upsell: " in text
