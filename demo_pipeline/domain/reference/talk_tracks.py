"""The words of talk tracks in the language of a tenant: phrases with slots, and what is counted.

They are in ``packs/languages/<code>/talk_track.json``; which phrase is said of which rows is in
``domain.heroes``. Nothing here makes arrays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from importlib.resources.abc import Traversable
from types import MappingProxyType
from typing import Final

from demo_pipeline.domain.reference.languages import Language, language_from
from demo_pipeline.domain.reference.pack_files import read_json, root

#: Phrases and the slots that each may have. Slots are filled with other phrases, or with nothing.
PHRASES: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        name: frozenset(slots.split())
        for name, slots in {
            # Parts of others. ``list_…`` is between parts, before the last part, between clauses.
            "title": "title",
            "untitled": "",
            "deal": "title for_amount",
            "for_amount": "amount",
            "on": "day",
            "ago": "days",
            "list_next": "",
            "list_last": "",
            "list_open": "",
            # 1. Who they are.
            "company": "company in_city contact since owner",
            "person": "contact since owner",
            "unnamed": "",
            "in_city": "city",
            "owner": "owner",
            # 2. What they bought, or want.
            "comeback": "earlier earlier_on deal on",
            "lost_and_won": "earlier earlier_on deal on",
            "won": "deal on opened_on",
            "at_risk": "deal states",
            "opened": "on",
            "in_stage": "stage",
            "was_expected": "on ago",
            "is_expected": "on",
            "won_twice": "earlier earlier_on deal on in_all",
            "won_once": "deal on",
            "won_more": "deal on in_all",
            "in_all": "won_deals total",
            # 3. The conversations.
            "no_conversation": "",
            "conversations": "conversations with_people kinds last",
            "with_people": "people",
            "last": "on",
            # 4. What is open; where the deal of the story is open itself, what else is.
            "open": "parts",
            "also_open": "parts",
            "nothing_open": "",
            "nothing_else_open": "",
            "open_deal": "deal at_stage",
            "open_deals": "deals deal at_stage",
            "at_stage": "stage",
            "to_do": "activities due",
            "due": "on subject",
            "next_due": "on subject",
            "last_due": "on subject",
            # 5. What to show next.
            "show_untouched": "title",
            "show_at_risk": "title activities on ago",
            "show_comeback": "name earlier title",
            "show_won": "title",
            "show_upsell": "name earlier title",
            "show_only": "title",
        }.items()
    }
)
#: What is counted.
COUNTED: Final = (
    "deal", "won_deal", "conversation", "call", "email", "meeting", "other_person", "activity", "day",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class TalkTrackWords:
    """How talk tracks are worded in a language."""

    language: Language
    #: by name, those of :data:`PHRASES`
    phrases: Mapping[str, str]
    #: of :data:`COUNTED`: one, and several with ``{count}``
    counts: Mapping[str, tuple[str, str]]
    #: by country, with ``{day}``, ``{month}`` and ``{year}``; that of "" is any other country's
    dates: Mapping[str, str]

    def say(self, phrase: str, /, **slots: str) -> str:
        """A phrase with its slots filled."""
        return self.phrases[phrase].format(**slots)

    def counted(self, count: int, name: str) -> str:
        """``1 deal``, ``2,000 deals``."""
        one, many = self.counts[name]
        return (one if count == 1 else many).format(count=f"{count:,}".replace(",", self.language.group))

    def day(self, day: date, country: str) -> str:
        """A day as a country writes it, with its year."""
        days = self.language.days
        form = self.dates.get(country.lower(), self.dates[""])
        number = days.first if day.day == 1 else f"{day.day}"
        return form.format(day=number, month=days.months[day.month - 1], year=day.year)

    def listed(self, parts: Sequence[str]) -> str:
        """``A, B and C``."""
        *before, last = parts
        if not before:
            return last
        return self.phrases["list_last"].join([self.phrases["list_next"].join(before), last])


def load_talk_track(language: str) -> TalkTrackWords:
    """The words of a packaged language, read once a process."""
    return _load(root() / "languages" / language)


@lru_cache
def _load(folder: Traversable) -> TalkTrackWords:
    raw = read_json(folder / "talk_track.json")
    return TalkTrackWords(
        language=language_from(folder),
        phrases=MappingProxyType(raw["phrases"]),
        counts=MappingProxyType({name: (one, many) for name, (one, many) in raw["counts"].items()}),
        dates=MappingProxyType(raw["dates"]),
    )
