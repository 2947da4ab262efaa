"""Follows one figure through the product: which of our functions are called with it.

A figure is recognised by its value, in whatever form it travels: text, ``Decimal``, minor units, or within a
mapping, a sequence or an object of ours.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from types import FrameType
from typing import Any, TypeVar, cast

_PACKAGE = "demo_pipeline."
#: how deep values are looked into
_DEPTH = 5

_T = TypeVar("_T")


class FigureTrace:
    """The calls of our functions while ``follow`` runs, in their order."""

    def __init__(self, amount: str) -> None:
        self._text = amount
        self._amount = Decimal(amount)
        self._minor = int(self._amount * 100)
        #: caller's module, module, function of each call between modules that passes the figure on
        self.passed: list[tuple[str, str, str]] = []
        #: module and function of every call, each once, in the order of first calls
        self.called: dict[tuple[str, str], None] = {}

    def follow(self, function: Callable[..., _T], *arguments: Any, **options: Any) -> _T:
        """Run a function, in this thread and those that it starts."""
        threading.setprofile(self._profile)
        sys.setprofile(self._profile)
        try:
            return function(*arguments, **options)
        finally:
            sys.setprofile(None)
            threading.setprofile(None)

    def _profile(self, frame: FrameType, event: str, _: object) -> None:
        module = _module(frame)
        if event != "call" or module is None:
            return
        code = frame.f_code
        self.called.setdefault((module, code.co_name))
        caller = next((one for one in map(_module, _callers(frame)) if one is not None), "")
        count = code.co_argcount + code.co_kwonlyargcount
        if caller != module and any(self._has(frame.f_locals.get(name)) for name in code.co_varnames[:count]):
            self.passed.append((caller, module, code.co_name))

    def _has(self, value: Any, depth: int = _DEPTH) -> bool:
        match value:
            case bool() | None:
                return False
            case str():
                return self._text in value
            case bytes():
                return self._text.encode() in value
            case int():
                return value == self._minor
            case Decimal():
                return value == self._amount
            case dict():
                inner = list(cast("dict[Any, Any]", value).values())
            case list() | tuple():
                inner = list(cast("list[Any]", value))
            case _ if type(value).__module__.startswith(_PACKAGE):
                inner = list(cast("dict[str, Any]", getattr(value, "__dict__", {})).values())
            case _:
                return False
        return depth > 0 and any(self._has(one, depth - 1) for one in inner)


def _module(frame: FrameType) -> str | None:
    """``domain/blueprint/checks.py``; None: not of ours."""
    name = str(frame.f_globals.get("__name__", ""))
    return name.removeprefix(_PACKAGE).replace(".", "/") + ".py" if name.startswith(_PACKAGE) else None


def _callers(frame: FrameType) -> Iterator[FrameType]:
    caller = frame.f_back
    while caller is not None:
        yield caller
        caller = caller.f_back
