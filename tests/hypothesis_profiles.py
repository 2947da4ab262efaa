"""How many examples property tests try: few in ``make test``, all in ``make test-long``.

``HYPOTHESIS_PROFILE=thorough`` asks for all of them. A test that names a number names it by ``examples``, so
that the quick run tries a part of it; a test that is marked ``long`` names its number itself.
"""

from __future__ import annotations

import os
from typing import Final

from hypothesis import HealthCheck, settings

from tests.fixtures.machine import is_ci

PROFILE: Final = os.environ.get("HYPOTHESIS_PROFILE", "ci" if is_ci() else "quick")
#: Of a hundred examples in the thorough run, so many in the quick one.
QUICK_PERCENT: Final = 25


def load_profile() -> None:
    """Declare the profiles and load that of this run."""
    settings.register_profile(
        "thorough", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
    )
    settings.register_profile("quick", settings.get_profile("thorough"), max_examples=examples(100))
    settings.register_profile("ci", settings.get_profile("quick"), derandomize=True)
    settings.load_profile(PROFILE)


def examples(count: int) -> int:
    """``count`` in the thorough run, a quarter of it otherwise."""
    return count if PROFILE == "thorough" else count * QUICK_PERCENT // 100
