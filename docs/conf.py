"""Configuration of the documentation site: ``make site`` builds it with Sphinx, without network.

The source folder is the project, so that links between pages, README and the changelog are the same on the
site and in the repository. The navigation is the list of pages in ``docs/README.md``.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pygments.lexers.special import TextLexer
from pygments.lexers.sql import PostgresLexer

ROOT = Path(__file__).resolve().parent.parent
#: files of the project that belong to the site, besides the folder ``docs``
PAPERS = ("README", "AGENTS", "CHANGELOG", "CONTRIBUTING", "SECURITY")

project = "demo_pipeline"
author = "the demo_pipeline authors"
extensions = ["myst_parser"]
include_patterns = ["docs/**", *(f"{name}.md" for name in PAPERS)]
root_doc = "README"
source_suffix = {".md": "markdown"}
# Anchors of headings, as the repository's pages have them.
myst_heading_anchors = 4
html_theme = "furo"
html_title = "demo_pipeline"
html_show_sphinx = False
html_copy_source = False
# The page of the folder's address leads to README.
html_additional_pages = {"index": "index.html"}
templates_path = ["site"]


def contents(folder: Path, text: str, caption: str = "") -> str:
    """A hidden table of contents: the pages that ``text`` links to, in order."""
    links = dict.fromkeys(re.findall(r"\]\(([\w./-]+)\.md(?:#[\w-]+)?\)", text))
    pages = [(folder / link).resolve().relative_to(ROOT) for link in links]
    title = f":caption: {caption}\n" if caption else ""
    return "\n".join(["", "```{toctree}", f":hidden:\n{title}", *(f"/{page}" for page in pages), "```", ""])


def add_contents(_app: Any, page: str, source: list[str]) -> None:
    """Put every page into the navigation, by the lists that the repository has anyway."""
    docs = ROOT / "docs"
    if page == root_doc:
        listed = (docs / "README.md").read_text(encoding="utf-8")
        source[0] += contents(docs, "[Documentation](README.md)")
        for section in listed.split("\n## ")[1:]:
            caption, _, text = section.partition("\n")
            source[0] += contents(docs, text, caption)
    elif page == "docs/adr/README":
        source[0] += contents(docs / "adr", source[0])


def setup(app: Any) -> None:
    """Register what reads the lists, and languages of blocks that Pygments lacks or reads as others do."""
    app.connect("source-read", add_contents)
    for language in ("csv", "tsv"):
        app.add_lexer(language, TextLexer)
    app.add_lexer("sql", PostgresLexer)
