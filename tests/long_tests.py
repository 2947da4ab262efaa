"""How much of the long tests a run takes: all of them, or a part of each.

``LONG_PERCENT`` is the part. A test with ``@pytest.mark.long(divides=True)`` counts its examples or rows by
:func:`part`. Any other long test runs whole, or not at all: of one with ten or more parameters as many are
drawn, and of the others, taken together, as many. ``LONG_SEED``, which the header of the run prints, draws
the same ones again. How many examples other property tests try belongs to ``hypothesis_profiles``.
"""

from __future__ import annotations

import os
from collections import defaultdict
from random import Random, SystemRandom  # noqa: TID251 - drawn tests, and the header prints the seed
from typing import Final

import pytest

PERCENT: Final = int(os.environ.get("LONG_PERCENT", "100"))
#: Workers inherit it, so that they draw the same tests.
SEED: Final = os.environ.setdefault("LONG_SEED", str(SystemRandom().randrange(2**32)))
_FEWEST_PARAMETERS: Final = 10


def part(count: int) -> int:
    """So many of ``count`` in this run, at least one."""
    return max(1, count * PERCENT // 100)


def select(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect all but the part of the long tests that run whole or not at all."""
    if PERCENT == 100:
        return
    families: dict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        marker = item.get_closest_marker("long")
        if marker is not None and not marker.kwargs.get("divides"):
            families[item.nodeid.partition("[")[0]].append(item)
    pools: dict[str, list[pytest.Item]] = defaultdict(list)
    for name, family in families.items():
        pools[name if len(family) >= _FEWEST_PARAMETERS else ""] += family
    dropped: set[pytest.Item] = set()
    for name, pool in pools.items():
        drawn = Random(f"{SEED} {name}").sample(pool, part(len(pool)))
        dropped.update(set(pool).difference(drawn))
    if dropped:
        config.hook.pytest_deselected(items=[item for item in items if item in dropped])
        items[:] = [item for item in items if item not in dropped]


def header() -> str | None:
    """The part and its seed; nothing where the long tests run whole."""
    return None if PERCENT == 100 else f"long tests: {PERCENT} % of each, LONG_SEED={SEED}"
