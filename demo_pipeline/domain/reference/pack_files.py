"""Where packs are and how their files are read.

A pack is a folder of data files: ``packs/countries/<code>``, ``packs/languages/<code>``,
``packs/industries/<name>``. Which packs exist follows from the folders. Packs are frozen and versioned as a
whole (``versions.LISTS_VERSION``). ``scripts/check_packs.py`` checks every file and reports all problems;
reading trusts it. What the files mean is in ``countries``, ``industries`` and ``texts``; docs/packs.md shows
how to add a pack.
"""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Final

#: The packs of this package.
PACKAGED: Final = files("demo_pipeline.domain.reference") / "packs"

_roots: Final[list[Traversable]] = [PACKAGED]


def root() -> Traversable:
    """The folder that packs are read from: :data:`PACKAGED`, except within :func:`packs_from`."""
    return _roots[-1]


@contextmanager
def packs_from(folder: Path) -> Generator[None]:
    """Read countries, industries and texts from another folder within the block, to try packs out.

    For one thread. What was loaded before stays as it is.
    """
    _roots.append(folder)
    try:
        yield
    finally:
        _roots.pop()


@cache
def pack_names(kind: str, folder: Traversable) -> tuple[str, ...]:
    """The packs of a kind (``"countries"``, ``"languages"``, ``"industries"``) in ``folder``, sorted."""
    return tuple(sorted(pack.name for pack in (folder / kind).iterdir() if pack.is_dir()))


def read_json(file: Traversable) -> dict[str, Any]:
    """A JSON file with one object."""
    return json.loads(file.read_bytes())


def read_table(file: Traversable) -> dict[str, tuple[str, ...]]:
    """A file of tab-separated columns by their names, which its first line gives; at least one row."""
    head, *rows = file.read_text("utf-8").splitlines()
    columns = zip(*(row.split("\t") for row in rows), strict=True)
    return dict(zip(head.split("\t"), columns, strict=True))
