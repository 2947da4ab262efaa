"""Write the pages and files that come from the code; ``--check`` only says which of them are out of date.

    python -m scripts.build_docs

Each file has a module that renders it. A file below ``docs/reference`` or ``demo_pipeline/schemas`` that no
module renders any more is removed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from demo_pipeline.domain.blueprint.schema import schema_text
from scripts import build_cli_reference
from scripts.answers import schemas
from scripts.reference_pages import (
    answers_page,
    architecture_picture,
    blueprint_page,
    curves_page,
    industries_page,
    kpis_page,
    scorecard_block,
    settings_page,
    stories_page,
)

ROOT: Final = Path(__file__).resolve().parent.parent
REFERENCE: Final = Path("docs/reference")


def rendered() -> Mapping[Path, str]:
    """Every file that comes from the code, relative to the project, with its text."""
    pages = {
        "cli.md": build_cli_reference.render(build_cli_reference.load_root()),
        "answers.md": answers_page.render(),
        "blueprint.md": blueprint_page.render(),
        "kpis.md": kpis_page.render(),
        "settings.md": settings_page.render(),
        "stories.md": stories_page.render(),
        **architecture_picture.render(),
        **curves_page.render(),
        **industries_page.render(),
    }
    files = {REFERENCE / name: text for name, text in pages.items()}
    # Editors that know the schema complete and check a blueprint while it is typed.
    return {
        **files,
        **schemas.render(),
        **scorecard_block.render(ROOT),
        Path("blueprints/schema.json"): schema_text(),
    }


def differing(files: Mapping[Path, str], root: Path = ROOT) -> list[Path]:
    """The files that are missing, say something else, or are rendered no longer; relative to ``root``."""
    there = {
        path.relative_to(root)
        for folder in (REFERENCE, schemas.FOLDER)
        for path in (root / folder).rglob("*")
        if path.is_file()
    }
    stale = [
        path
        for path, text in files.items()
        if not (root / path).exists() or (root / path).read_text(encoding="utf-8") != text
    ]
    return sorted([*stale, *(there - set(files))])


def main() -> int:
    """Write what differs, or with ``--check`` end with 1 where something does."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; 1 if a file is out of date")
    arguments = parser.parse_args()
    files = rendered()
    different = differing(files)
    for path in different:
        if arguments.check:
            print(f"{path} is not what the code says; run: make docs")
        elif path in files:
            (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
            (ROOT / path).write_text(files[path], encoding="utf-8")
            print(f"wrote {path}")
        else:
            (ROOT / path).unlink()
            print(f"removed {path}")
    return bool(different) if arguments.check else 0


if __name__ == "__main__":
    sys.exit(main())
