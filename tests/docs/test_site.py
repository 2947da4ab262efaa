"""The documentation site: its navigation is the list of pages. That it builds is a step of ``make check``."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from scripts import check
from tests.paths import PROJECT

CONFIGURATION: Final[dict[str, Any]] = runpy.run_path(str(PROJECT / "docs" / "conf.py"))


def pages_of(name: str) -> list[str]:
    """The pages that the navigation gets from the lists on one page, in order."""
    source = [(PROJECT / f"{name}.md").read_text(encoding="utf-8")]
    add: Callable[[Any, str, list[str]], None] = CONFIGURATION["add_contents"]
    add(None, name, source)
    return [line.removeprefix("/") for line in source[0].splitlines() if line.startswith("/")]


def test_the_navigation_has_every_page() -> None:
    """Each page of ``docs`` is in a list of its front page, and each decision in the list of decisions."""
    listed = {*pages_of("README"), *pages_of("docs/adr/README")}
    there = {path.relative_to(PROJECT).with_suffix("") for path in (PROJECT / "docs").rglob("*.md")}
    assert listed >= {page.as_posix() for page in there}
    assert all((PROJECT / f"{page}.md").is_file() for page in listed)


def test_the_navigation_follows_the_list() -> None:
    """Pages are in the order of their links, each once; anchors and other files are left out."""
    contents: Callable[[Path, str, str], str] = CONFIGURATION["contents"]
    text = "[b](b.md#x) [a](a.md) [b again](b.md) [web](https://example.com/c.md) [code](../x.py)"
    lines = contents(PROJECT / "docs", text, "How-to").splitlines()
    assert [line for line in lines if line.startswith("/")] == ["/docs/b", "/docs/a"]
    assert ":caption: How-to" in lines


def test_make_check_builds_the_site_and_a_warning_is_an_error() -> None:
    """The step is there, strict, and with the configuration of ``make site``."""
    (step,) = (step for step in check.steps("scratch") if "sphinx" in step.name)
    assert {"--fail-on-warning", "--conf-dir"} <= set(step.command)
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    assert " ".join(check.SITE_OPTIONS) in makefile
