"""What the live pages beside Dagster's have in common: one self-contained HTML document each.

No scripts, and no requests of their own. What a page says belongs to its own module.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from hashlib import sha256
from html import escape
from typing import Final

from demo_pipeline.domain.core.terminal_text import neutral

_STYLE: Final = """
:root { color-scheme: light dark; --line: #c9ced6; --soft: #5b6470; --bad: #b3400a; --good: #00735a; }
@media (prefers-color-scheme: dark) {
  :root { --line: #3c434d; --soft: #a4acb8; --bad: #ff9e66; --good: #5fd0b0; }
}
body { font: 16px/1.5 system-ui, sans-serif; max-width: 76rem; margin: 1.5rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin: 0; }
h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
.good { color: var(--good); } .bad { color: var(--bad); }
.soft { color: var(--soft); }
.scroll { overflow-x: auto; position: relative; }
table { border-collapse: collapse; width: 100%; }
th { font-weight: 600; text-align: left; color: var(--soft); white-space: nowrap; }
th, td { padding: .35rem .6rem .35rem 0; border-bottom: 1px solid var(--line); }
.number { text-align: right; font-variant-numeric: tabular-nums; }
.number + :not(.number) { padding-left: 1.25rem; }
td.instant { white-space: nowrap; }
article { border-left: .25rem solid var(--bad); padding: .1rem 0 .1rem 1rem; margin: 1rem 0; }
article h3 { font-size: 1rem; margin: 0; }
code { font-size: .9em; }
article p { margin: .25rem 0; overflow-wrap: anywhere; }
nav { margin-bottom: 1.5rem; }
nav a { margin-right: 1.25rem; color: var(--soft); }
nav a[aria-current] { color: inherit; font-weight: 600; text-decoration: none; }
th.mark, td.mark { text-align: center; }
td.mark { font-weight: 700; }
h2 .slug { font-weight: 400; font-size: .85em; }
.nowrap { white-space: nowrap; }
th .slug, td .slug { display: block; font-weight: 400; font-size: .85em; }
tbody th { color: inherit; }
.light { display: inline-block; min-width: 6.5rem; padding: .1rem .6rem; border: 2px solid;
  border-radius: 1rem; font-weight: 600; text-align: center; white-space: nowrap; }
.light.good { background: var(--good); border-color: var(--good); color: Canvas; }
.spoken { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%);
  white-space: nowrap; }
"""
_HASH: Final = base64.b64encode(sha256(_STYLE.encode()).digest()).decode()
#: the content security policy of the pages: their style, and nothing else
POLICY: Final = f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'"
_CURRENT: Final = ' aria-current="page"'
#: the pages, with what leads to them
_LINKS: Final = (("/demo-day", "Demo day"), ("/health", "Health"), ("/", "Dagster"))


def live_html(
    title: str, heading: str, lead: str, parts: Iterable[str], *, path: str, refresh_seconds: int
) -> str:
    """A page at ``path`` that a browser loads again.

    ``heading`` and ``parts`` are markup; ``title`` and ``lead``, which is below the heading, are text.
    """
    links = "".join(f'<a href="{link}"{_CURRENT if link == path else ""}>{name}</a>' for link, name in _LINKS)
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f'<meta http-equiv="refresh" content="{refresh_seconds}">',
            f"<title>{text(title)}</title><style>{_STYLE}</style></head><body>",
            f'<nav aria-label="Pages">{links}</nav>',
            f"<header><h1>{heading}</h1>",
            soft(lead),
            "</header><main>",
            *parts,
            "</main></body></html>",
            "",
        ]
    )


def soft(content: str, markup: str = "") -> str:
    """A paragraph of a text in the background, and markup after it."""
    return f'<p class="soft">{text(content)}{markup}</p>'


def advice(remedy: str, command: str | None) -> str:
    """What to do, with its command."""
    if command is None:
        return text(sentence(remedy))
    return f"{text(sentence(remedy).removesuffix('.'))}: <code>{text(command)}</code>"


def sentence(content: str) -> str:
    """With a capital letter and a full stop."""
    return content[:1].upper() + content[1:] + ("" if content.endswith(".") else ".")


def scrollable_table(head: str, rows: Iterable[str]) -> str:
    """A table of markup: the cells of its head, and its rows."""
    body = f"<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody>"
    return f'<div class="scroll"><table>{body}</table></div>'


def text(content: str) -> str:
    """A text that is no markup."""
    return escape(neutral(content))
