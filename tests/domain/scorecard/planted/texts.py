"""Planted faults of texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from demo_pipeline.domain.model import ACTIVITY_TYPES
from demo_pipeline.domain.scorecard.columns import DAY_US, WON, Activities, Contacts, Deals, TenantColumns
from tests.builders.scorecard_rows import instant, rows, tenant
from tests.domain.scorecard.planted.cases import Case, Cases, both, lot

CASES: Final = Cases()
EMAIL, NOTE = ACTIVITY_TYPES.index("email"), ACTIVITY_TYPES.index("note")
ROWS: Final = 1200


def words(count: int, of: int, key: int = 0) -> list[str]:
    """Words of a made language, of as many as ``of``."""
    return [f"w{(number * 7919 + key * 104_729) % of}" for number in lot(count, count, key)]


def sentence(place: int, of: int = 5000, length: int = 12) -> str:
    return " ".join(words(length, of, place)) + "."


def told(texts: Sequence[str], **more: Any) -> TenantColumns:
    """Activities with these texts, each with another contact."""
    count = more.pop("count", len(texts))
    lengths = [len(text) for text in texts]
    contacts = rows(Contacts, count, first_name="Denise", last_name="Ortega")
    activities = rows(
        Activities,
        count,
        description=texts,
        description_length=lengths,
        contact=range(count),
        author=0,
        **more,
    )
    return tenant(contacts=contacts, activities=activities)


@CASES.add
def commonest_sentence() -> Case:
    stamp = ["Next contact is planned for early next week."] * 12 + [""] * (ROWS - 12)
    sound = [sentence(place) for place in range(ROWS)]
    stamped = [f"{one} {two}" for one, two in zip(sound, stamp, strict=True)]
    return told(sound), told(stamped)


@CASES.add
def shared_phrases() -> Case:
    sound = [sentence(place) for place in range(ROWS)]
    phrase = " ".join(words(9, 50))
    return told(sound), told([f"{phrase} {one}" if place % 2 else one for place, one in enumerate(sound)])


@CASES.add
def distinct_trigrams() -> Case:
    return told([sentence(place) for place in range(ROWS)]), told(
        [sentence(place, 5) for place in range(ROWS)]
    )


@CASES.add
def lengths_vary() -> Case:
    return told(["ok", "x" * 90, "y" * 40] * 100), told(["x" * 90, "y" * 80] * 150)


@CASES.add
def jotted_notes() -> Case:
    short, long = "lv msg, trying again", sentence(1)
    return told([short, long, long] * 100, type=NOTE), told([long] * 300, type=NOTE)


@CASES.add
def signed_emails() -> Case:
    return (
        told(["Hi Denise,\n\nhere it is.\n\nNora", "Hi Nora,\n\nthanks.\nDenise"] * 100, type=EMAIL),
        told(["Hi Denise,\n\nhere it is."] * 200, type=EMAIL),
    )


def said(text: str, hours: Sequence[float]) -> TenantColumns:
    """The text at these hours of Wednesday, 8 January 2025."""
    return told([text], count=60, created_us=[instant(0, 8, hour) for hour in hours])


@CASES.add
def late_good_mornings() -> Case:
    return both(lambda hours: said("Good morning Denise,", hours), [8, 10.5], [8, 10.5, 11.5])


@CASES.add
def late_this_afternoons() -> Case:
    return both(lambda hours: said("Trying again this afternoon.", hours), [9, 14], [9, 16])


@CASES.add
def days_named_on_themselves() -> Case:
    return said("The offer goes out on Thursday.", [9]), said("The offer goes out on Wednesday.", [9])


@CASES.add
def untimely_seasons() -> Case:
    sound = [sentence(place) for place in range(200)]
    return told(sound), told([*sound[:190], *["Let us talk after the holidays."] * 10])


@CASES.add
def invoices_without_purchase() -> Case:
    def invoiced(outcome: int) -> TenantColumns:
        close = instant(2)
        return tenant(
            contacts=rows(Contacts, 1),
            deals=rows(Deals, 1, contact=0, closed_us=close, outcome=outcome),
            activities=rows(
                Activities, 30, contact=0, subject="Invoice for 34 seats", created_us=close + DAY_US
            ),
        )

    return invoiced(WON), invoiced(0)
