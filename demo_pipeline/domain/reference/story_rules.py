"""What lines of stories must be: complete, with slots that are filled, without words that the clock decides.

They hold for a pack, ``industries/<name>/stories.<language>.tsv``, and for a pack with the lines of a
blueprint; docs/packs.md describes both.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, NamedTuple, Protocol

from demo_pipeline.domain.reference.story_parts import BEATS, FACT, FORMS, NEEDS, NUMBERS

#: Beats that the activity before them may announce.
ANNOUNCED: Final = (
    "qualification", "need", "trial", "offer", "revision", "signature", "onboarding", "nurture", "upsell",
)  # fmt: skip
#: Forms that every beat has, with how many lines at least; then those of announced beats.
_FEWEST: Final = {
    "talk": 12, "detail": 8, "line": 7, "mail": 10, "reply": 6, "task": 5, "agenda": 4, "subject": 7,
    "title": 7,
}  # fmt: skip
_FEWEST_ANNOUNCEMENTS: Final = 4
#: Of these, lines that go with every row.
_FEWEST_FREE: Final = {"": 4, "ahead": 3, "promise": 3}
#: Of these, those that meetings may have (``apart`` of the language).
_FEWEST_OF_MEETINGS: Final = 2
FEWEST_FACTS: Final = 25
#: Words without a slot in a row, at most: a run that many people share gives texts away.
_LONGEST_RUN: Final = 11
_LONGEST_LINE: Final = 7
#: Beats that half of all activities tell: there a sentence of so many words needs a slot.
_OFTEN: Final = frozenset({"nurture", "inquiry", "waiting", "service", "upsell", "follow_up", "need", "loss"})
_SAID: Final = frozenset({"talk", "detail", "line", "mail", "reply"})
_STAMP_WORDS: Final = 4
_LONGEST_SUBJECT: Final = 9
_PEOPLE: Final = frozenset({"first", "last", "person"})
_THINGS: Final = frozenset({"company", "company_full", "amount", "pieces"})
_OTHERS: Final = frozenset({"writer", "due", "next_month"})
#: Beats that know of no deal, and those before there is a price.
_WITHOUT_DEAL: Final = BEATS[BEATS.index("inquiry") :]
_BEFORE_OFFER: Final = (*BEATS[: BEATS.index("offer")], "waiting", *_WITHOUT_DEAL)
#: Where a story may look back or ahead besides announcements: beats, and forms.
_LOOKS_BACK: Final = frozenset({"waiting", "follow_up"})
_LOOKS_AHEAD: Final = frozenset({"waiting", "follow_up", "aftercare", "nurture"})
_AHEAD_FORMS: Final = frozenset({"line", "talk", "mail"})

_SLOT: Final = re.compile(r"\{(.*?)\}")
_WORD: Final = re.compile(r"\w[\w’'-]*")
_FIGURE: Final = re.compile(r"[€$£]|\d")


#: A list of facts that the generator itself draws from, too.
FACT_OF_PEOPLE: Final = "role"


class Finding(NamedTuple):
    """What is wrong, where and what to do."""

    #: place of the row, from 0; None: it is about all rows of ``place``
    row: int | None
    #: beat and form, or the name of a list of facts
    place: str
    message: str
    remedy: str


class Speech(Protocol):
    """What rules need of a language."""

    @property
    def salutation_slots(self) -> Sequence[str]: ...
    @property
    def pronoun_slots(self) -> Mapping[str, object]: ...
    @property
    def time_words(self) -> Sequence[str]: ...
    @property
    def apart(self) -> Sequence[str]: ...


def reserved_slots(language: Speech) -> frozenset[str]:
    """Slots with a meaning of their own in a language, which no list of facts can be called after."""
    given = {*language.salutation_slots, *language.pronoun_slots, *NUMBERS}
    return frozenset(given).union(_PEOPLE, _OTHERS, *NEEDS.values()) - {FACT_OF_PEOPLE}


@dataclass
class _File:
    language: Speech
    facts: dict[str, list[tuple[int, str]]] = field(default_factory=lambda: defaultdict(list))
    lines: dict[tuple[str, str], list[tuple[int, str]]] = field(default_factory=lambda: defaultdict(list))

    @cached_property
    def slots(self) -> frozenset[str]:
        """All that a line may have; known once all facts are read."""
        return reserved_slots(self.language).union({FACT_OF_PEOPLE}, self.facts)


def story_findings(table: Mapping[str, Sequence[str]], language: Speech) -> Iterator[Finding]:
    """Everything that is wrong with the columns ``beat``, ``form`` and ``text``."""
    file = _File(language)
    rows = zip(table["beat"], table["form"], table["text"], strict=True)
    for number, (beat, form, text) in enumerate(rows):
        if beat == FACT:
            file.facts[form].append((number, text))
        elif beat not in BEATS:
            yield Finding(number, "", f"the beat {beat!r} does not exist", f"use {', '.join(BEATS)}")
        elif form not in FORMS:
            yield Finding(number, "", f"the form {form!r} does not exist", f"use {', '.join(FORMS)}")
        else:
            file.lines[beat, form].append((number, text))
    yield from _facts(file)
    yield from _counts(file)
    clock = re.compile(rf"\b({'|'.join(language.time_words)})\b", re.IGNORECASE)
    for (beat, form), lines in file.lines.items():
        for number, text in lines:
            for message, remedy in _wrong(file, clock, beat, form, text):
                yield Finding(number, f"{beat} {form}", message, remedy)


def _facts(file: _File) -> Iterator[Finding]:
    lengths = defaultdict[str, set[int]](set)
    for name, values in file.facts.items():
        lengths[name.partition("_")[0]].add(len(values))
        if len(values) < FEWEST_FACTS:
            yield Finding(None, name, f"has {len(values)} values", f"give {FEWEST_FACTS} or more")
        for number, text in values:
            if _SLOT.search(text):
                yield Finding(number, name, "a fact has a slot", "write it out")
    for name, found in lengths.items():
        if len(found) > 1:
            yield Finding(None, name, "its lists differ in length", "give each value in every list")
    if not ({"role"} <= set(file.facts) or {"role_f", "role_m"} <= set(file.facts)):
        yield Finding(None, "role", "is missing", "list what contacts do")


def _counts(file: _File) -> Iterator[Finding]:
    # Nearly every row has an author.
    hard = frozenset[str]().union(*NEEDS.values()) - NEEDS["writer"]
    apart = re.compile("|".join(file.language.apart) or "(?!)", re.IGNORECASE)
    for beat in BEATS:
        announcements = dict.fromkeys(("ahead", "promise"), _FEWEST_ANNOUNCEMENTS if beat in ANNOUNCED else 0)
        for form, fewest in (_FEWEST | announcements).items():
            lines = [text for _, text in file.lines[beat, form]]
            free = [text for text in lines if not (hard - _time_slots(form)) & set(_SLOT.findall(text))]
            least_free = min(_FEWEST_FREE.get(form, _FEWEST_FREE[""]), fewest)
            if (
                form in ("talk", "detail")
                and sum(not apart.search(text) for text in free) < _FEWEST_OF_MEETINGS
            ):
                remedy = f"give {_FEWEST_OF_MEETINGS} that speak of no call and no e-mail"
                yield Finding(None, f"{beat} {form}", "has too few lines for meetings", remedy)
            if len(lines) < fewest:
                yield Finding(None, f"{beat} {form}", f"has {len(lines)} lines", f"give {fewest} or more")
            elif len(free) < least_free:
                message = f"has {len(free)} lines that go with every row"
                remedy = f"give {least_free} without {', '.join(sorted(hard))}"
                yield Finding(None, f"{beat} {form}", message, remedy)
    counts = Counter(text for lines in file.lines.values() for _, text in lines)
    last = {text: number for lines in file.lines.values() for number, text in lines}
    for text, count in counts.items():
        if count > 1:
            yield Finding(last[text], "", f"{text!r} is there {count} times", "keep one")


def _time_slots(form: str) -> frozenset[str]:
    return NEEDS["next"] if form in ("ahead", "promise") else frozenset[str]()


def _wrong(file: _File, clock: re.Pattern[str], beat: str, form: str, text: str) -> Iterator[tuple[str, str]]:
    """What is wrong with one line, each with what to do."""
    used, bare = set(_SLOT.findall(text)), _SLOT.sub("", text)
    is_announcement = form in ("ahead", "promise")
    if unknown := sorted(used - file.slots):
        # Other forms of a word, tool_an beside tool, are left out.
        plain = sorted(one for one in file.slots if one.partition("_")[0] not in file.slots - {one})
        yield f"unknown slot {unknown[0]}", f"use {', '.join(plain)}"
    used = {slot.removesuffix("_plain") for slot in used}
    if ("product" in used and beat in _WITHOUT_DEAL) or ("amount" in used and beat in _BEFORE_OFFER):
        yield "product or amount, where there is none", "leave it out"
    if is_announcement and "next_day" not in used:
        yield "announces something for no day", "add {next_day}"
    if "next_day" in used and not (is_announcement or (beat in _LOOKS_AHEAD and form in _AHEAD_FORMS)):
        yield "{next_day} is not of this form", "leave it out"
    if "last_day" in used and beat not in _LOOKS_BACK:
        yield "{last_day} is not of this beat", "leave it out"
    if "due" in used and form not in ("task", "agenda"):
        yield "{due} is of tasks and agendas", "leave it out"
    if found := clock.search(bare):
        yield f"{found[0]!r} depends on the clock", "use a slot, or leave it out"
    if _FIGURE.search(bare):
        yield "an amount or a number", "use a slot, or leave it out"
    run = max(len(_WORD.findall(piece)) for piece in re.split(r"\{.*?\}", text))
    if run > _LONGEST_RUN:
        yield f"{run} words without a slot", f"at most {_LONGEST_RUN}"
    if beat in _OFTEN and form in _SAID:
        sentences = re.split(r"(?<=[.!?]) ", text)
        for one in sentences:
            if "{" not in one and len(_WORD.findall(one)) >= _STAMP_WORDS:
                yield f"{one!r} comes back too often", "put a slot into it"
    if form == "line" and len(text.split()) > _LONGEST_LINE:
        yield f"{len(text.split())} words", f"at most {_LONGEST_LINE}"
    if form in ("subject", "title"):
        own = {*_PEOPLE, *file.language.salutation_slots, *file.facts, *_THINGS}
        if not own & used:
            yield "could be that of anybody", "name a person, a company, an amount or a fact"
        if len(text.split()) > _LONGEST_SUBJECT:
            yield f"{len(text.split())} words", f"at most {_LONGEST_SUBJECT}"
