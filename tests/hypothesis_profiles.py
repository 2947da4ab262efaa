"""How many examples property tests try: few in ``make test``, all in ``make test-long``.

``HYPOTHESIS_PROFILE=thorough`` asks for all of them, or for the part of ``long_tests``. A test that names a
number names it by ``examples``, so that a run tries a part of it.
"""

from __future__ import annotations

import os
from typing import Final

from hypothesis import HealthCheck, settings

from tests.fixtures.machine import is_ci
from tests.long_tests import part

PROFILE: Final = os.environ.get("HYPOTHESIS_PROFILE", "ci" if is_ci() else "quick")
#: Of a hundred examples in the thorough run, so many in the quick one.
QUICK_PERCENT: Final = 25


def load_profile() -> None:
    """Declare the profiles and load that of this run."""
    settings.register_profile(
        "thorough",
        deadline=None,
        print_blob=True,
        suppress_health_check=[HealthCheck.too_slow],
        max_examples=examples(100),
    )
    settings.register_profile("quick", settings.get_profile("thorough"))
    settings.register_profile("ci", settings.get_profile("quick"), derandomize=True)
    settings.load_profile(PROFILE)


def examples(count: int) -> int:
    """``count`` or its part in the thorough run, a quarter of it otherwise."""
    return part(count) if PROFILE == "thorough" else count * QUICK_PERCENT // 100
