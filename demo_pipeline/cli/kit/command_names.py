"""Which command was probably meant by words that are none: found from the commands themselves.

Imported only where a command line could not be read.
"""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any, Final

#: what other programs call it → the last word of a command here
_SYNONYMS: Final = {
    "add": "provision",
    "build": "generate",
    "create": "provision",
    "destroy": "delete",
    "dump": "backup",
    "history": "list",
    "ls": "list",
    "make": "provision",
    "materialise": "generate",
    "materialize": "generate",
    "migrate": "upgrade",
    "new": "provision",
    "remove": "delete",
    "revert": "undo",
    "rm": "delete",
    "rollback": "undo",
    "start": "serve",
    "status": "list",
    "ui": "serve",
    "update": "apply",
    "validate": "verify",
}
#: group → the group in which its commands are looked for next
_RELATED: Final = {"patch": "plan", "plan": "patch"}
#: proposals for one word
_MOST: Final = 4


def proposals(root: Any, group: str, word: str) -> list[str]:
    """Commands of ``root`` that ``word`` may mean, whole; those of ``group`` if there are any.

    They end with that word or with what it is called here, or else are spelled like it.
    """
    paths = list(_paths(root))
    here = [path for path in paths if path[0] == group]
    related = [path for path in paths if path[0] == _RELATED.get(group)]
    wanted = word.lower()
    for word_meant in (wanted, _SYNONYMS.get(wanted)):
        found = [path for path in paths if path[-1] == word_meant]
        for some in (here, related, paths):
            if near := [" ".join(path) for path in found if path in some]:
                return near[:_MOST]
    for some in (here, paths):
        names = {path[-1] for path in some} | {path[0] for path in some}
        for name in get_close_matches(wanted, names, n=1):
            ends = [" ".join(path) for path in some if path[-1] == name]
            return ends[:_MOST] or [name]
    return []


def _paths(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    below: dict[str, Any] = getattr(command, "commands", {})
    if not below and path:
        yield path
    for name, child in below.items():
        if not child.hidden:
            yield from _paths(child, (*path, name))
