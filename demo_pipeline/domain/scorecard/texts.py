"""What activities say: sentences as stamps, phrases of many, words that the clock or calendar denies.

A word is what letters make, also with an apostrophe or a hyphen; a sentence ends with a stop or a line.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

import numpy as np

from demo_pipeline.domain.model import ACTIVITY_TYPES
from demo_pipeline.domain.scorecard.columns import (
    DAY_US,
    HOUR_US,
    TenantColumns,
    Texts,
    local_us,
    weekday_of,
)
from demo_pipeline.domain.scorecard.measure import ASSUMPTION, Expected, Figure, Measure, Range, Unit
from demo_pipeline.domain.scorecard.statistics import Ints
from demo_pipeline.domain.scorecard.wordlists import CLOCK_WORDS, ClockWords

_CALL, _EMAIL, _NOTE = (ACTIVITY_TYPES.index(kind) for kind in ("call", "email", "note"))
#: descriptions of which trigrams are compared, and rows of which phrases are
_TRIGRAM_ROWS: Final = 1_000
_MOST_ROWS: Final = 100_000
#: a phrase that gives texts away: so many words, with so many people
_PHRASE_WORDS: Final = 8
_PHRASE_PEOPLE: Final = 10
#: a sentence of fewer words is one of everybody's
_SENTENCE_WORDS: Final = 4
_SHORT_WORDS: Final = 8
_SIGNATURE_LINES: Final = 3
#: hours: until when it is morning, and until when the afternoon is still to come
_MORNING_ENDS: Final = 11
_AFTERNOON_ENDS: Final = 15

_WORD: Final = re.compile(r"\w[\w’'-]*")
#: Not after the "Inc." of a name.
_SENTENCE_END: Final = re.compile(r"(?<=[.!?])\s+(?![a-zäöüàéè])|\n+")


def _described(tenant: TenantColumns) -> list[str]:
    """The descriptions of the activities, as far as they are compared."""
    return [str(text or "") for text in tenant.activities.description[:_MOST_ROWS]]


def commonest_sentence(tenant: TenantColumns) -> Figure | None:
    """Rows with the commonest sentence."""
    texts = _described(tenant)
    rows: Counter[str] = Counter()
    for text in texts:
        # What ends with a comma is a greeting.
        parts = (one for one in _SENTENCE_END.split(text) if not one.endswith(","))
        rows.update({one for one in parts if len(_WORD.findall(one)) >= _SENTENCE_WORDS})
    if not rows:
        return None
    [(sentence, count)] = rows.most_common(1)
    return Figure(count / len(texts), len(texts), sentence)


def shared_phrases(tenant: TenantColumns) -> Figure | None:
    """Descriptions with a phrase of eight words that ten people or more have."""
    words = [_WORD.findall(text) for text in _described(tenant)]
    if not words:
        return None
    people = tenant.activities.contact[: len(words)].tolist()
    codes: dict[str, int] = {}
    phrases: list[Ints] = []
    for row in words:
        numbers = np.array([codes.setdefault(word, len(codes)) for word in row], np.uint64)
        phrases.append(_hashes(numbers))
    lengths = np.array(list(map(len, phrases)))
    every = np.concatenate(phrases)
    pairs = np.unique(np.stack([every, np.repeat(np.array(people), lengths)], axis=1), axis=0)
    phrase, count = np.unique(pairs[:, 0], return_counts=True)
    is_shared = np.isin(every, phrase[count >= _PHRASE_PEOPLE])
    row = np.repeat(np.arange(len(words)), lengths)
    return Figure(len(np.unique(row[is_shared])) / len(words), len(words))


def _hashes(words: np.ndarray[tuple[int], np.dtype[np.uint64]]) -> Ints:
    """A number for each phrase of some words."""
    count = max(len(words) - _PHRASE_WORDS + 1, 0)
    hashed = np.zeros(count, np.uint64)
    for place in range(_PHRASE_WORDS):
        hashed = hashed * np.uint64(0x9E3779B97F4A7C15) + words[place : place + count] + np.uint64(1)
    return hashed.view(np.int64)


def distinct_trigrams(tenant: TenantColumns) -> Figure | None:
    """Different runs of three words among all of a thousand descriptions, spread over the tenant."""
    texts = tenant.activities.description
    chosen = texts[np.linspace(0, len(texts) - 1, min(_TRIGRAM_ROWS, len(texts))).astype(int)]
    runs: list[tuple[str, ...]] = []
    for text in chosen:
        words = _WORD.findall(str(text or "").lower())
        runs += zip(words, words[1:], words[2:], strict=False)
    return Figure(len(set(runs)) / len(runs), len(chosen)) if runs else None


def lengths_vary(tenant: TenantColumns) -> Figure | None:
    """The coefficient of variation of the lengths of descriptions."""
    lengths = tenant.activities.description_length.astype(float)
    if not len(lengths) or not lengths.mean():
        return None
    return Figure(float(lengths.std() / lengths.mean()), len(lengths))


def jotted_notes(tenant: TenantColumns) -> Figure | None:
    """Notes and calls of a few words."""
    activities = tenant.activities
    texts = activities.description[np.isin(activities.type, (_CALL, _NOTE))]
    if not len(texts):
        return None
    short = sum(len(str(text or "").split()) <= _SHORT_WORDS for text in texts)
    return Figure(short / len(texts), len(texts))


def signed_emails(tenant: TenantColumns) -> Figure | None:
    """E-mails that end with the name of their writer or of the contact."""
    activities, first_names = tenant.activities, tenant.contacts.first_name
    emails = np.flatnonzero((activities.type == _EMAIL) & (activities.contact >= 0))
    if not len(emails):
        return None
    signed = 0
    for row in emails.tolist():
        contact = activities.contact[row]
        names = {str(first_names[contact]), str(tenant.contacts.last_name[contact])}
        if activities.author[row] >= 0:
            names.add(str(tenant.users.first_name[activities.author[row]]))
        # Below the last blank line; a job title and a company may be below the name.
        ending = str(activities.description[row] or "").rsplit("\n\n", 1)[-1].split("\n")
        lines = ending[-_SIGNATURE_LINES:]
        signed += any(line.startswith(name) or line.endswith(name) for line in lines for name in names)
    return Figure(signed / len(emails), len(emails))


def _words_of(tenant: TenantColumns) -> ClockWords | None:
    return CLOCK_WORDS.get(tenant.facts.country)


def _wrong_hours(tenant: TenantColumns, pattern: re.Pattern[str], from_hour: int) -> Figure | None:
    """Rows with a word, of those that have it, that were written at this hour or later."""
    texts, hour = tenant.activities.description, _hours(tenant)
    has = np.array([bool(pattern.search(str(text or ""))) for text in texts], bool)
    if not has.any():
        return None
    return Figure(float((hour[has] >= from_hour).mean()), int(has.sum()))


def _hours(tenant: TenantColumns) -> Ints:
    return local_us(tenant.activities.created_us, tenant.facts.timezone) % DAY_US // HOUR_US


def late_good_mornings(tenant: TenantColumns) -> Figure | None:
    """Of texts that say good morning, those that were written later."""
    words = _words_of(tenant)
    return None if words is None else _wrong_hours(tenant, words.good_morning, _MORNING_ENDS)


def late_this_afternoons(tenant: TenantColumns) -> Figure | None:
    """Of texts that announce something for the afternoon, those that were written when it was over."""
    words = _words_of(tenant)
    return None if words is None else _wrong_hours(tenant, words.this_afternoon, _AFTERNOON_ENDS)


def days_named_on_themselves(tenant: TenantColumns) -> Figure | None:
    """Of texts that name a weekday ("on Thursday"), those that were written on it."""
    words = _words_of(tenant)
    if words is None:
        return None
    weekday = weekday_of(local_us(tenant.activities.created_us, tenant.facts.timezone) // DAY_US)
    named, same = _named_days(tenant.activities.description, weekday, words.weekdays)
    return Figure(same / named, named) if named else None


def _named_days(texts: Texts, weekday: Ints, patterns: Sequence[re.Pattern[str]]) -> tuple[int, int]:
    named = same = 0
    for text, today in zip(texts, weekday.tolist(), strict=True):
        found = [day for day, pattern in enumerate(patterns) if pattern.search(str(text or ""))]
        named += bool(found)
        same += today in found
    return named, same


def untimely_seasons(tenant: TenantColumns) -> Figure | None:
    """Texts that speak of holidays or a season, which no row knows."""
    words = _words_of(tenant)
    texts = _described(tenant)
    if words is None or not texts:
        return None
    return Figure(sum(bool(words.season.search(text)) for text in texts) / len(texts), len(texts))


def invoices_without_purchase(tenant: TenantColumns) -> Figure | None:
    """Activities whose subject is an invoice, with people who, and whose company, had not bought before."""
    words, activities, deals = _words_of(tenant), tenant.activities, tenant.deals
    if words is None:
        return None
    chosen = np.array([bool(words.invoice.search(str(one or ""))) for one in activities.subject], bool)
    chosen &= activities.contact >= 0
    if not chosen.any():
        return None
    never = np.iinfo(np.int64).max
    won = deals.is_won & deals.is_closed & (deals.contact >= 0)
    contacts = tenant.contacts
    person = np.full(len(contacts), never)
    np.minimum.at(person, deals.contact[won], deals.closed_us[won])
    company = np.full(len(tenant.companies) + 1, never)
    np.minimum.at(company, contacts.company, person)
    company[-1] = never
    since = np.minimum(person, company[contacts.company])[activities.contact[chosen]]
    return Figure(float((since > activities.created_us[chosen]).mean()), int(chosen.sum()))


def _at_most(share: float) -> Expected:
    return Expected(Range(high=share))


MEASURES: Final = (
    Measure(
        name="commonest_sentence",
        title="activities with the sentence that is said most often (of four words or more)",
        population="activities",
        least=1000,
        expected=_at_most(0.003),
        unit=Unit.SHARE,
        source=ASSUMPTION,
        function=commonest_sentence,
        is_drawn=True,
    ),
    Measure(
        name="shared_phrases",
        title="descriptions with a phrase of eight words that ten people or more have",
        population="activities",
        least=1000,
        expected=_at_most(0.35),
        unit=Unit.SHARE,
        source=ASSUMPTION,
        function=shared_phrases,
    ),
    Measure(
        name="distinct_trigrams",
        title="different runs of three words, of all in a thousand descriptions",
        population="descriptions",
        least=1000,
        expected=Expected(Range(low=0.5)),
        unit=Unit.SHARE,
        source=ASSUMPTION,
        function=distinct_trigrams,
    ),
    Measure(
        name="lengths_vary",
        title="variation of the lengths of descriptions",
        population="activities",
        least=100,
        expected=Expected(Range(low=0.3)),
        unit=Unit.NUMBER,
        source=ASSUMPTION,
        function=lengths_vary,
    ),
    Measure(
        name="jotted_notes",
        title="notes and calls of eight words or fewer",
        population="notes and calls",
        least=100,
        expected=Expected(Range(0.25, 0.45)),
        unit=Unit.SHARE,
        source=ASSUMPTION,
        function=jotted_notes,
        is_drawn=True,
    ),
    Measure(
        name="signed_emails",
        title="e-mails that end with the name of one of the two",
        population="e-mails",
        least=100,
        expected=Expected(Range(low=0.85)),
        unit=Unit.SHARE,
        source=ASSUMPTION,
        function=signed_emails,
        is_drawn=True,
    ),
    Measure(
        name="late_good_mornings",
        title="texts that say good morning after eleven",
        population="texts that say good morning",
        least=20,
        expected=_at_most(0),
        unit=Unit.SHARE,
        source=ASSUMPTION,
        function=late_good_mornings,
    ),
    Measure(
        name="late_this_afternoons",
        title='texts that say "this afternoon" after three',
        population="texts that say it",
        least=20,
        expected=_at_most(0),
        unit=Unit.SHARE,
        source=ASSUMPTION,
        function=late_this_afternoons,
    ),
    Measure(
        name="days_named_on_themselves",
        title="texts that name the weekday on which they were written as another day",
        population="texts that name a weekday",
        least=20,
        expected=_at_most(0.01),
        unit=Unit.SHARE,
        source=ASSUMPTION,
        function=days_named_on_themselves,
    ),
    Measure(
        name="untimely_seasons",
        title="texts that speak of holidays or a season",
        population="activities",
        least=100,
        expected=_at_most(0.005),
        unit=Unit.SHARE,
        source=ASSUMPTION,
        function=untimely_seasons,
    ),
    Measure(
        name="invoices_without_purchase",
        title="invoices to people who had bought nothing",
        population="activities whose subject is an invoice",
        least=5,
        expected=_at_most(0),
        unit=Unit.SHARE,
        source=ASSUMPTION,
        function=invoices_without_purchase,
    ),
)
