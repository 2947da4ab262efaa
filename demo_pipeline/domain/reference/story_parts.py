"""What lines of stories are sorted by and filled with: beats, forms, needs, numbers.

The lines are in ``stories``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

#: The beats of a deal in their order, then those between them, then those with a contact alone.
BEATS: Final = (
    "first_contact", "qualification", "need", "trial", "offer", "objection", "revision", "decision", "loss",
    "signature", "onboarding", "invoice",
    "waiting", "follow_up", "aftercare",
    "inquiry", "introduction", "nurture", "service", "complaint", "upsell", "winback",
)  # fmt: skip
#: What lines are for.
FORMS: Final = (
    "talk", "detail", "line", "mail", "reply", "task", "agenda", "subject", "title", "ahead", "promise",
)  # fmt: skip
#: What a line may need, each one bit: the slots that need it.
NEEDS: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "company": frozenset(
            {"company", "company_stop", "company_full", "company_full_stop", "role", "job_title"}
        ),
        "goods": frozenset({"product", "city"}),
        "amount": frozenset({"amount"}),
        "pieces": frozenset({"pieces"}),
        "next": frozenset({"next_day", "next_day_plain"}),
        "last": frozenset({"last_day", "last_day_plain"}),
        "writer": frozenset({"writer", "writer_name", "colleague"}),
        # A row that is no meeting; by what a line says (``Language.apart``), not by a slot.
        "apart": frozenset(),
    }
)
#: Numbers that texts speak of, by slot: each text, or thread of e-mails, has its own.
NUMBERS: Final[Mapping[str, Sequence[int]]] = MappingProxyType(
    {
        "few": range(2, 10),
        # As people say them.
        "some": (12, 14, 15, 16, 18, 20, 22, 24, 25, 28, 30, 32, 35, 36, 40, 45, 48),
        "percent": range(5, 36, 5),
        "minutes": range(10, 51, 5),
        "weeks": range(2, 9),
    }
)
#: ``beat`` of a line that is a value of a list of facts; its form is the name of the list.
FACT: Final = "fact"


def beat(name: str) -> int:
    """The number of a beat."""
    return BEATS.index(name)
