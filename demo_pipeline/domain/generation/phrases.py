"""Which words an activity gets: its subject and its description.

A description is a line of the row's beat, often with a second one, and with what comes next where the month
knows it: what is announced takes place, on that day. E-mails have a greeting and are signed. The lines of a
story go through a permutation keyed by the deal, or the contact: one seldom comes twice before all were used.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import gcd
from typing import Final
from zlib import crc32

import numpy as np
import pyarrow as pa

from demo_pipeline.domain.core.arrow import Mask, chain, kept_strings, strings, with_stop
from demo_pipeline.domain.core.random_streams import I64, U64, scale
from demo_pipeline.domain.core.row_ids import Uuids
from demo_pipeline.domain.generation.beats import StoryRows
from demo_pipeline.domain.generation.calendar import DAY_US, MINUTE_US
from demo_pipeline.domain.generation.companies import names, short_names
from demo_pipeline.domain.generation.context import Draws, MonthContext, blocks
from demo_pipeline.domain.generation.deal_titles import numerals, people_of
from demo_pipeline.domain.generation.fitting_facts import fitting_lines
from demo_pipeline.domain.model import ACTIVITY_TYPES
from demo_pipeline.domain.reference.languages import FRAMES, WRITER
from demo_pipeline.domain.reference.stories import Stories, fact_group
from demo_pipeline.domain.reference.story_parts import FORMS, NEEDS, NUMBERS, beat
from demo_pipeline.domain.reference.texts import (
    People,
    SlotChoice,
    render,
)

#: Activities of one deal in one block of a month, at most; what is more goes to the contact alone.
MOST_A_MONTH: Final = 16

_CALL, _EMAIL, _MEETING, _NOTE, _TASK = (
    ACTIVITY_TYPES.index(kind) for kind in ("call", "email", "meeting", "note", "task")
)
_JOTTED: Final = np.array([_CALL, _NOTE])
#: Kinds of activities that take place when they are entered.
_AT_ONCE: Final = np.array([_CALL, _EMAIL, _NOTE])
_TALK, _DETAIL, _LINE, _MAIL, _REPLY, _TO_DO, _AGENDA, _SUBJECT, _TITLE, _AHEAD, _PROMISE = range(len(FORMS))
#: Beats whose e-mails are never the customer's.
_BY_US: Final = np.array([beat(name) for name in ("inquiry", "introduction", "invoice")])
(
    _GREETING_MORNING, _GREETING_AFTERNOON, _GREETING_EVENING, _GREETING, _CLOSING, _REPLY_GREETING,
    _REPLY_CLOSING, _REPLY_CLOSING_COMPANY, _, _,
) = range(len(FRAMES))  # fmt: skip
#: What a customer says of a deal, whatever was asked.
_LAST_WORDS: Final = np.array([beat(name) for name in ("decision", "loss")])
#: The first hour that is no longer morning, and the first hours of the afternoon and of the evening.
_NOT_MORNING: Final = 11
_AFTER_NOON: Final = 13
_EVENING: Final = 18
#: Assumptions, in 2**64ths of a draw: e-mails of ours that the customer's answer follows, where an e-mail
#: follows; notes of a few words; those with a second sentence; e-mails that go on with a customer's answer.
_REPLIES: Final = np.uint64(2**64 * 75 // 100)
_SHORT: Final = np.uint64(2**64 * 36 // 100)
_SECOND: Final = np.uint64(2**64 * 55 // 100)
_ANSWERS: Final = np.uint64(2**64 * 70 // 100)
#: Rows of one month that show the same beat of one story, usually at most.
_NUMBERS_A_MONTH: Final = 3
_MOST_DAYS: Final = 31
#: Subjects that are tried for one that names nothing else than its text.
_MOST_SUBJECTS: Final = 4
#: Of a month: who plans for the next one then means the one after it.
_LAST_DAYS_US: Final = 7 * DAY_US
#: More than a part has lines.
_MOST_LINES: Final = 4096
_ODD: Final = np.uint64(0x9E3779B97F4A7C15)


def activity_texts(
    context: MonthContext, draws: Draws, story: StoryRows, activities: Activities
) -> tuple[pa.StringArray, pa.StringArray]:
    """Subjects and descriptions, shape (n,) each. In blocks, so that their pieces take little memory."""
    slots = _Slots(context, story, activities)
    lines = _Lines(context, slots.has(), slots.key, story.rank, activities.place)
    chance = draws("description")
    threads = _Threads.of(story, activities, slots.has_writer, chance, draws("subject"))
    slots.thread_key = slots.key ^ (chance[threads.first] << np.uint64(8))
    subjects, descriptions = [strings(())], [strings(())]
    for start, stop in blocks(len(chance)):
        subject, description = _templates(
            lines, slots, story, activities, chance, threads, np.arange(start, stop)
        )
        count = stop - start
        # In one go: many slots are asked for by both.
        both = np.full((2 * count, description.shape[1]), -1)
        both[:count, : subject.shape[1]], both[count:] = subject, description

        def of_block(name: str, rows: I64, start: int = start, count: int = count) -> SlotChoice:
            return slots(name, rows % count + start)

        rendered = render(context.stories.layout, both, of_block)
        subjects.append(rendered[:count])
        descriptions.append(rendered[count:])
    return chain(*subjects), chain(*descriptions)


def _templates(
    lines: _Lines,
    slots: _Slots,
    story: StoryRows,
    activities: Activities,
    chance: U64,
    threads: _Threads,
    rows: I64,
) -> tuple[I64, I64]:
    """The templates of the subjects and descriptions of some rows, several a row; -1: none."""
    stories = lines.stories
    text = _Sentences.of(lines, slots, story, activities, chance, threads, rows)
    signs = np.where(slots.has_writer[rows], text.form, -1)
    has_company = slots.company[rows] >= 0
    greeting, closing = _around(
        stories, slots.local_us[rows], signs, has_company, chance[rows] << np.uint64(16)
    )
    space = stories.frames["space"][0]
    description = [greeting, text.body]
    for part in (text.second, text.announcement):
        description += [np.where(part >= 0, space, -1), part]
    # An answer has the subject of the first e-mail of its thread.
    first = threads.first[rows]
    is_answer = first != rows
    said = text.facts(stories)
    answered = first[is_answer]
    said[is_answer] = _Sentences.of(lines, slots, story, activities, chance, threads, answered).facts(stories)
    about = _subjects(lines, first, story.beat[first], np.where(text.is_email, _TITLE, _SUBJECT), said)
    subject = [np.where(is_answer, stories.frames["reply_title"][0], -1), about]
    return np.stack(subject, axis=1), np.stack([*description, closing], axis=1)


def _subjects(lines: _Lines, rows: I64, beats: I64, form: I64, said: U64) -> I64:
    """A subject for each row: the first of some that names nothing but what the row's text is about."""
    about = lines.of(rows, beats, form)
    for tries in range(1, _MOST_SUBJECTS):
        unfit = np.flatnonzero(lines.stories.fact_bits[about] & ~said)
        about[unfit] = lines.of(rows[unfit], beats[unfit], form[unfit], skip=tries)
    return about


@dataclass(frozen=True, eq=False)
class _Sentences:
    """The templates of some rows' own words, each a column of the same length; -1: none."""

    form: I64
    is_email: Mask
    body: I64
    second: I64
    announcement: I64

    @classmethod
    def of(
        cls,
        lines: _Lines,
        slots: _Slots,
        story: StoryRows,
        activities: Activities,
        chance: U64,
        threads: _Threads,
        rows: I64,
    ) -> _Sentences:
        stories, kind, beats, draws = lines.stories, activities.kind[rows], story.beat[rows], chance[rows]
        next_row = story.next_row[rows]
        is_email = kind == _EMAIL
        form = np.select(
            [
                threads.is_reply[rows],
                is_email,
                kind == _TASK,
                (kind == _MEETING) & activities.is_ahead[rows],
                np.isin(kind, _JOTTED) & (draws < _SHORT),
            ],
            [_REPLY, _MAIL, _TO_DO, _AGENDA, _LINE],
            _TALK,
        )
        has_second = (form == _TALK) & (draws << np.uint64(8) < _SECOND)
        # What comes next with the same person is announced where it is another step; an e-mail promises it.
        coming = np.where(slots.is_followed[rows], story.beat[next_row], beats)
        is_announced = (coming != beats) & ((form == _TALK) | (form == _MAIL))
        is_announced &= (form != _MAIL) | (activities.author[rows] == activities.author[next_row])
        # A customer answers what was written, but for the last word.
        answered = story.last_row[rows]
        is_answering = threads.is_reply[rows] & ~np.isin(beats, _LAST_WORDS)
        about = np.where(is_answering, story.beat[answered], beats)
        body = lines.of(rows, about, form, like=np.where(is_answering, answered, rows))
        second = lines.of(rows, beats, np.full_like(form, _DETAIL))
        # Nobody names the same thing, or day, in two sentences running.
        said = stories.fact_bits[body]
        second = np.where(has_second & (said & stories.fact_bits[second] == 0), second, -1)
        announcement = lines.of(rows, coming, np.where(form == _MAIL, _PROMISE, _AHEAD))
        is_announced &= said & stories.fact_bits[announcement] == 0
        return cls(form, is_email, body, second, np.where(is_announced, announcement, -1))

    def facts(self, stories: Stories) -> U64:
        """What the sentences are about, bit by bit as ``Stories.fact_bits``."""
        bits = stories.fact_bits
        return bits[self.body] | bits[self.second] | bits[self.announcement]


def _around(stories: Stories, local_us: I64, form: I64, has_company: Mask, draws: U64) -> tuple[I64, I64]:
    """The greeting and the closing of each e-mail, -1 of other rows."""
    hour = local_us % DAY_US // (60 * MINUTE_US)
    ours = np.select(
        [hour < _NOT_MORNING, hour >= _EVENING, hour >= _AFTER_NOON],
        [_GREETING_MORNING, _GREETING_EVENING, _GREETING_AFTERNOON],
        _GREETING,
    )
    theirs = np.where(has_company, _REPLY_CLOSING_COMPANY, _REPLY_CLOSING)
    greeting = np.select([form == _MAIL, form == _REPLY], [ours, np.full_like(ours, _REPLY_GREETING)], -1)
    closing = np.select([form == _MAIL, form == _REPLY], [np.full_like(ours, _CLOSING), theirs], -1)
    return _frames(stories, draws, greeting), _frames(stories, draws << np.uint64(16), closing)


def _frames(stories: Stories, draws: U64, kind: I64) -> I64:
    """A template of each row's kind of frame, a place in ``FRAMES``; -1 where that is -1."""
    start, count = np.array([stories.frames[name] for name in FRAMES]).T
    return np.where(kind >= 0, start[kind] + scale(draws, count[kind]), -1)


@dataclass(frozen=True, eq=False)
class Activities:
    """What the texts of some activities depend on, by creation; columns of the same length."""

    #: a place in ``ACTIVITY_TYPES``
    kind: I64
    #: not completed
    is_ahead: Mask
    created_us: I64
    #: -1 where it is not scheduled
    scheduled_us: I64
    #: places in the index, of the author in the team; -1: there is none
    contact: I64
    deal: I64
    author: I64
    #: among those of its deal in the month, those of earlier patches included
    place: I64


@dataclass(frozen=True, eq=False)
class _Threads:
    """Which e-mails answer others; columns of the same length.

    The customer answers an e-mail of ours, the same colleague answers the customer: of e-mails that follow
    each other in a story.
    """

    #: written by the customer
    is_reply: Mask
    #: the row with the first e-mail of the thread, the row itself where there is none
    first: I64

    @classmethod
    def of(
        cls, story: StoryRows, activities: Activities, has_writer: Mask, replies: U64, answers: U64
    ) -> _Threads:
        last, contact, author = story.last_row, activities.contact, activities.author
        follows = (activities.kind == _EMAIL) & (last >= 0) & (activities.kind[last] == _EMAIL)
        follows &= (contact[last] == contact) & (author[last] == author) & has_writer
        may_reply = follows & (replies < _REPLIES) & ~np.isin(story.beat, _BY_US)
        may_reply &= ~np.isin(story.beat[last], _BY_US)
        is_reply = may_reply & ~may_reply[last]
        # What goes on under the same subject is about the same step.
        is_answer = follows & ~is_reply & is_reply[last] & (answers < _ANSWERS)
        is_answer &= story.beat[last[last]] == story.beat
        first = np.where(is_reply | is_answer, last, np.arange(len(last)))
        # From each e-mail to the one that it answers, in ever longer steps.
        while not np.array_equal(further := first[first], first):
            first = further
        return cls(is_reply, first)


@dataclass(frozen=True, eq=False)
class _Lines:
    """Draws lines for rows: those of a story that show the same take one after the other."""

    context: MonthContext
    #: what each row has, bit by bit as ``NEEDS``
    has: I64
    #: of its story
    key: U64
    #: among the rows of its story in the block that show the same, and of its deal with earlier patches
    rank: I64
    place: I64

    @property
    def stories(self) -> Stories:
        return self.context.stories

    def of(self, rows: I64, beat: I64, form: I64, *, skip: int = 0, like: I64 | None = None) -> I64:
        """A template for each row's beat and form, -1 where there is none; shape (rows,).

        ``skip``: so many places after the one that is the row's. ``like``: other rows of the same stories,
        whose turns these take.
        """
        has, key = self.has[rows], self.key[rows]
        count = self.stories.count[has, beat, form]
        many = np.maximum(count, 1)
        number = self._numbers(rows if like is None else like, many)
        drawn = scale(key << (form * 3).astype(np.uint64), many)
        place = (drawn + skip + number * _steps()[many]) % many
        first = self.stories.start[has, beat, form]
        template = self.stories.templates[np.minimum(first + place, len(self.stories.templates) - 1)]
        return np.where(count > 0, template, -1)

    def _numbers(self, rows: I64, many: I64) -> I64:
        """A number for each row, of patches from the other end.

        A month knows no other month's rows: each has some numbers of its own, a step that leads to every one
        of ``many`` lines.
        """
        a_month = np.where(many % _NUMBERS_A_MONTH == 0, _NUMBERS_A_MONTH + 1, _NUMBERS_A_MONTH)
        before = (self.context.month - self.context.spec.start_month) * a_month
        if self.context.is_patch:
            return -1 - before - np.maximum(self.rank[rows], self.place[rows])
        return before + self.rank[rows]


class _Slots:
    """What the slots of some activities are filled with, each for the rows that need it."""

    def __init__(self, context: MonthContext, story: StoryRows, activities: Activities) -> None:
        self.context, self._story, self._activities = context, story, activities
        deals, contacts = context.index.deals, context.index.contacts
        self.company = contacts.company[activities.contact].astype(np.int64)
        self._role_key = _keys(contacts.ids[activities.contact])
        self.key = self._role_key.copy()
        about = np.flatnonzero(activities.deal >= 0)
        self.key[about] = _keys(deals.ids[activities.deal[about]])
        self._account_key = self._role_key.copy()
        at_work = np.flatnonzero(self.company >= 0)
        self._account_key[at_work] = _keys(context.index.companies.ids[self.company[at_work]])
        #: another one for each row, the same in a thread; for numbers
        self.thread_key = self.key
        self.local_us = context.timeline.local_us(activities.created_us)
        self._people = people_of(context, activities.contact)
        next_row, last_row = story.next_row, story.last_row
        kind, contact = activities.kind, activities.contact
        #: whether the next row of the story, or the last one, takes place at once and with the same person
        self.is_followed = (
            (next_row >= 0) & np.isin(kind[next_row], _AT_ONCE) & (contact[next_row] == contact)
        )
        self._follows = (last_row >= 0) & np.isin(kind[last_row], _AT_ONCE) & (contact[last_row] == contact)
        # Nobody says of the same day how long ago it is.
        self._follows &= self.local_us[last_row] // DAY_US < self.local_us // DAY_US
        team = context.team
        both = list(zip(team.first_names.to_pylist(), team.last_names.to_pylist(), strict=True))
        is_named = np.array([bool(first and last) for first, last in both] + [False])
        self.has_writer = is_named[activities.author]
        self._are_all_named = all(first and last for first, last in both)
        self._writers = strings([f"{first} {last}" for first, last in both])
        sexes = [context.locale.is_female(str(first)) for first, _ in both]
        gender = np.array([2 if sex is None else int(sex) for sex in sexes] + [2])
        self._colleagues = People(
            language=context.texts.language,
            given=team.first_names,
            surnames=team.last_names,
            first=activities.author,
            last=activities.author,
            gender=gender[activities.author],
            honorifics=context.locale.honorifics,
        )

    def has(self) -> I64:
        """What each row has, bit by bit as ``NEEDS``."""
        deals, deal = self.context.index.deals, self._activities.deal
        goods = (deal >= 0) & (np.append(np.minimum(deals.product, deals.city), -1)[deal] >= 0)
        flags = {
            "company": self.company >= 0,
            "goods": goods,
            "amount": (deal >= 0) & (np.append(deals.value_minor, -1)[deal] >= 0),
            "pieces": goods & (np.append(deals.pieces, 0)[deal] > 1),
            "next": self.is_followed,
            "last": self._follows,
            "writer": self.has_writer,
            "apart": self._activities.kind != _MEETING,
        }
        has = np.zeros(len(deal), np.int64)
        for place, name in enumerate(NEEDS):
            has |= flags[name].astype(np.int64) << place
        return has

    def __call__(self, slot: str, rows: I64) -> SlotChoice:
        if choice := self._people.slot(slot, rows):
            return choice
        if slot.startswith(WRITER) and (choice := self._colleagues.slot(slot.removeprefix(WRITER), rows)):
            return choice
        if numbers := NUMBERS.get(slot):
            place = _scattered(self.thread_key[rows], slot, len(numbers))
            return SlotChoice(kept_strings(tuple(map(str, numbers))), place)
        facts = self.context.stories.facts
        if slot in facts:
            is_of_account = fact_group(slot) in self.context.stories.of_accounts
            keys = self._account_key if is_of_account else self.key
            return SlotChoice(facts[slot], self._fact(slot, keys[rows], rows))
        return getattr(self, f"_{slot}")(rows)

    def _fact(self, name: str, keys: U64, rows: I64) -> I64:
        """A place in a list of facts by key, the same for names that agree up to ``_``: one that fits."""
        stories, index = self.context.stories, self.context.index
        fitting = fitting_lines(stories, self.context.locale.companies, fact_group(name))
        if fitting is None:
            return _scattered(keys, name, len(stories.facts[name]))
        company = self.company[rows]
        size = np.append(index.companies.size, -1)[company].astype(np.int64)
        form = np.append(index.companies.legal_form, -1)[company].astype(np.int64)
        return fitting.order[size, form, _scattered(keys, name, fitting.count[size, form])]

    def _company(self, rows: I64) -> SlotChoice:
        return short_names(self.context, self.company[rows])

    def _company_stop(self, rows: I64) -> SlotChoice:
        return _with_stop(self._company(rows))

    def _company_full(self, rows: I64) -> SlotChoice:
        return names(self.context, self.company[rows])

    def _company_full_stop(self, rows: I64) -> SlotChoice:
        return _with_stop(self._company_full(rows))

    def _role(self, rows: I64) -> SlotChoice:
        return self._job("role", rows)

    def _job_title(self, rows: I64) -> SlotChoice:
        """The role as it is written below a name."""
        return self._job("role_title", rows)

    def _job(self, name: str, rows: I64) -> SlotChoice:
        """What a contact does in the company: the same in all texts, whatever they are about."""
        women, men = (self.context.stories.facts[f"{name}_{sex}"] for sex in ("f", "m"))
        is_female = self.context.index.contacts.is_female[self._activities.contact[rows]] == 1
        place = self._fact(f"{name}_m", self._role_key[rows], rows)
        return SlotChoice(chain(men, women), np.where(is_female, place + len(men), place))

    def _writer(self, rows: I64) -> SlotChoice:
        return SlotChoice(self.context.team.first_names, self._activities.author[rows])

    def _writer_name(self, rows: I64) -> SlotChoice:
        return SlotChoice(self._writers, self._activities.author[rows])

    def _colleague(self, rows: I64) -> SlotChoice:
        """Another user of the team, the same one in all texts of a story; the writer in a team of one."""
        author = self._activities.author[rows].astype(np.int64)
        if not self._are_all_named:
            return SlotChoice(self._writers, author)
        created = self._activities.created_us[rows]
        there = np.searchsorted(self.context.team.joined_us, created, side="right").astype(np.int64)
        others = np.maximum(there - 1, 1)
        other = (author + 1 + self.key[rows].astype(np.int64) % others) % np.maximum(there, 1)
        return SlotChoice(self._writers, np.where((there > 1) & (author < there), other, author))

    def _product(self, rows: I64) -> SlotChoice:
        return SlotChoice(self.context.texts.products, self._of_deal("product", rows))

    def _city(self, rows: I64) -> SlotChoice:
        return SlotChoice(self.context.locale.places.city_names, self._of_deal("city", rows))

    def _pieces(self, rows: I64) -> SlotChoice:
        return numerals(self._of_deal("pieces", rows))

    def _amount(self, rows: I64) -> SlotChoice:
        each, place = np.unique(self._of_deal("value_minor", rows), return_inverse=True)
        language, currency = self.context.texts.language, self.context.spec.currency
        return SlotChoice(strings([language.amount(value, currency) for value in each.tolist()]), place)

    def _of_deal(self, column: str, rows: I64) -> I64:
        return getattr(self.context.index.deals, column)[self._activities.deal[rows]].astype(np.int64)

    def _next_day(self, rows: I64, *, is_plain: bool = False) -> SlotChoice:
        there, days = self.local_us[self._story.next_row[rows]], self.context.texts.language.days
        return self._day(_ahead(self.local_us[rows], there), there, days.ahead, is_plain=is_plain)

    def _next_day_plain(self, rows: I64) -> SlotChoice:
        return self._next_day(rows, is_plain=True)

    def _last_day(self, rows: I64, *, is_plain: bool = False) -> SlotChoice:
        there, days = self.local_us[self._story.last_row[rows]], self.context.texts.language.days
        return self._day(_before(self.local_us[rows], there), there, days.before, is_plain=is_plain)

    def _last_day_plain(self, rows: I64) -> SlotChoice:
        return self._last_day(rows, is_plain=True)

    def _due(self, rows: I64) -> SlotChoice:
        scheduled, created = self._activities.scheduled_us[rows], self._activities.created_us[rows]
        there = self.context.timeline.local_us(np.maximum(scheduled, created))
        return self._day(_ahead(self.local_us[rows], there), there, self.context.texts.language.days.ahead)

    def _day(self, word: I64, there_us: I64, words: tuple[str, ...], *, is_plain: bool = False) -> SlotChoice:
        """A word for a day, or, where that is -1, its date; plain after another preposition."""
        month, day = _months_and_days(there_us)
        days = self.context.texts.language.days
        dates = days.dates_of(self.context.spec.country)
        if is_plain:
            words, dates = days.plain(words), days.plain(dates)
        date = len(words) + month * _MOST_DAYS + day - 1
        return SlotChoice(kept_strings((*words, *dates)), np.where(word >= 0, word, date))

    def _next_month(self, rows: I64) -> SlotChoice:
        """The month after this one; in a month's last days, when that is tomorrow, the one after it."""
        months = self.context.texts.language.days.months
        this = _months_and_days(self.local_us[rows] + _LAST_DAYS_US)[0]
        return SlotChoice(kept_strings(months), (this + 1) % len(months))


def _with_stop(choice: SlotChoice) -> SlotChoice:
    return SlotChoice(with_stop(choice.values), choice.places)


def _months_and_days(local_us: I64) -> tuple[I64, I64]:
    """Months from 0 and days from 1."""
    days = (local_us // DAY_US).astype("datetime64[D]")
    months = days.astype("datetime64[M]")
    return months.astype(np.int64) % 12, (days - months.astype("datetime64[D]")).astype(np.int64) + 1


def _ahead(now_us: I64, then_us: I64) -> I64:
    """A place among ``Days.ahead``, -1 for what is further away."""
    today, day = now_us // DAY_US, then_us // DAY_US
    gap, weekday = day - today, (day + 3) % 7
    is_next_week = (day + 3) // 7 - (today + 3) // 7 == 1
    noon = DAY_US // 2
    is_later_half = (now_us % DAY_US < noon) & (then_us % DAY_US >= noon)
    words = [is_later_half.astype(np.int64), np.full_like(gap, 2), 3 + weekday, 10 + weekday]
    return np.select([gap <= 0, gap == 1, gap < 7, is_next_week], words, -1)


def _before(now_us: I64, then_us: I64) -> I64:
    """A place among ``Days.before``, -1 for what is longer ago."""
    today, day = now_us // DAY_US, then_us // DAY_US
    gap = today - day
    words = [np.zeros_like(gap), np.ones_like(gap), 2 + (day + 3) % 7]
    return np.select([gap <= 0, gap == 1, gap < 7], words, -1)


def _scattered(keys: U64, name: str, count: int | I64) -> I64:
    """Places below ``count``, another for each name up to its ``_``."""
    turn = crc32(fact_group(name).encode())
    return scale((keys ^ np.uint64(turn)) * _ODD * np.uint64(2 * turn + 1), count)


@cache
def _steps() -> I64:
    """For each number of lines a step that visits every one of them once."""
    return np.array([_step(max(count, 1)) for count in range(_MOST_LINES)])


def _keys(ids: Uuids) -> U64:
    """64 bits of each id: its low half."""
    low = np.ascontiguousarray(ids[:, 8:]).view(">u8").reshape(len(ids))
    # The two highest bits are the same in every id.
    return low.astype(np.uint64) << np.uint64(2)


def _step(space: int) -> int:
    """A step about 0.618 of the space, without a common divisor: it visits every place once."""
    step = max(space * 618 // 1000, 1)
    while gcd(step, space) != 1:
        step += 1
    return step
