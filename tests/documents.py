"""Documents as a reader types them: commands with what they print, and files that they show."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

BLOCK: Final = re.compile(r"```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
#: A file that a document shows: its name in the sentence before.
FILE: Final = re.compile(
    r"`([\w-]+\.\w+)`[^\n`]*\n\n```(?:csv|yaml|json|python)\n(.*?)^```", re.DOTALL | re.MULTILINE
)
#: What says where packages come from, besides pip's files.
HANDED_ON: Final = re.compile(
    r"(?i)PIP_.*|UV_.*|(https?|no|all)_proxy|SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE"
)


@dataclass
class Line:
    """One command of README: its words, and what README shows of what it prints."""

    text: str
    shown: list[str] = field(default_factory=list[str])


def lines_of(document: str) -> list[Line]:
    """The commands of the console blocks in order; with ``$`` the other lines are what they print."""
    found: list[Line] = []
    for language, block in BLOCK.findall(document):
        if language != "console":
            continue
        has_prompt = block.startswith("$ ")
        for line in block.splitlines():
            if line.startswith("$ ") or not has_prompt:
                found.append(Line(line.removeprefix("$ ").partition("  #")[0].strip()))
            else:
                found[-1].shown.append(line)
    return found


def comparable(line: str) -> str:
    """A line without what differs from run to run: seconds, and spaces at the end."""
    return re.sub(r"\d+(\.\d+)? s\b", "# s", line).rstrip()


def missing(shown: list[str], printed: list[str]) -> str | None:
    """The first line that is shown and was not printed there; ``...`` stands for any lines."""
    position, may_skip = 0, True
    for line in map(comparable, shown):
        if line == "...":
            may_skip = True
            continue
        here = [index for index in range(position, len(printed)) if comparable(printed[index]) == line]
        if not here or (here[0] != position and not may_skip):
            return line
        position, may_skip = here[0] + 1, False
    return None
