"""Lists of a blueprint: the example of docs/lists.md as files, and names that no pack of the tenant has."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

from demo_pipeline.domain.reference.countries import load_locale
from tests.paths import PROJECT

_BLOCK: Final = re.compile(r"^```\w+ (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def example_files() -> dict[str, str]:
    """Name → text of the files of the example."""
    return dict(_BLOCK.findall((PROJECT / "docs" / "lists.md").read_text("utf-8")))


def write_example(folder: Path) -> Path:
    """The example in a folder; its blueprint."""
    for name, text in example_files().items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder / "alderway.yaml"


def french_names() -> dict[str, list[dict[str, Any]]]:
    """Names of France for a tenant elsewhere."""
    locale = load_locale("FR")
    return {
        "female": _named(locale.female.names[:60]),
        "male": _named(locale.male.names[:60]),
        "surnames": _named(locale.surnames.names[:400]),
    }


def _named(names: tuple[str, ...]) -> list[dict[str, Any]]:
    return [{"name": name, "weight": len(names) - place} for place, name in enumerate(names)]
