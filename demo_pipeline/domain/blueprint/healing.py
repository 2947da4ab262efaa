"""The choice of a blueprint how its tenant is healed, and how it is read from what is stored.

Healing itself is in ``services.months``. The choice shapes no row, so it is no part of a tenant's plan.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, get_args

Heal = Literal["auto", "ask"]
HEAL_CHOICES: Final[tuple[str, ...]] = get_args(Heal)
DEFAULT_HEAL: Final[Heal] = "ask"

HEAL_TEXTS: Final[Mapping[Heal, str]] = {
    "auto": "the schedule heal_tenants makes missing rows by itself",
    "ask": "the schedule heal_tenants names the tenant and changes nothing",
}


def stored_heal(declared: Mapping[str, Any]) -> Heal:
    """The choice of a stored blueprint. Anything but ``auto`` is ``ask``, as if the key were absent."""
    return "auto" if declared.get("heal") == "auto" else DEFAULT_HEAL
