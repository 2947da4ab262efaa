"""Values that a person may give several times, each read by itself: what was read, and what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from pydantic_core import PydanticCustomError

from demo_pipeline.domain.core.errors import Problem
from demo_pipeline.domain.parsing.scalars import one_of


def word_of(what: str, known: Sequence[str]) -> Callable[[str], str]:
    """A reader of one of some words, in any case; raises ``PydanticCustomError`` that names them."""
    read = one_of(what, known)
    return lambda text: read(text.strip().casefold())


def read_each(
    field: str, written: Iterable[str], read: Callable[[str], str]
) -> tuple[tuple[str, ...], list[Problem]]:
    """What ``read`` makes of each text, and a problem of ``field`` for each that it refuses."""
    found: list[str] = []
    problems: list[Problem] = []
    for text in written:
        try:
            found.append(read(text.strip()))
        except PydanticCustomError as error:
            suggestion = (error.context or {}).get("suggestion")
            problems.append(
                Problem(
                    code=error.type, field=field, value=text, message=error.message(), suggestion=suggestion
                )
            )
    return tuple(found), problems
