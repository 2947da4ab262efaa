"""What must hold within and between the lists of a blueprint, all problems at once.

Works on the rows that could be read: what is wrong with a single value is said by its model (``lists``). A
problem is of ``lists.<name>``, of a row ``lists.<name>.<place>`` or of a value of it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, cast

from pydantic import ValidationError

from demo_pipeline.domain.blueprint.lists import (
    LIST_NAMES,
    MOST_CHARACTERS,
    ROW_MODELS,
    ListName,
    ListRow,
    Lists,
    ProductRow,
    StageRow,
    TopicRow,
    own_lists,
    probabilities,
)
from demo_pipeline.domain.core.currency import Currency
from demo_pipeline.domain.core.errors import Problem
from demo_pipeline.domain.parsing.scalars import TELL_TALE, nearest, quoted
from demo_pipeline.domain.reference.blocked_words import blocked_word
from demo_pipeline.domain.reference.company_names import domain_label
from demo_pipeline.domain.reference.countries import Locale, load_locale
from demo_pipeline.domain.reference.known_names import (
    COMPANIES_FILE,
    PEOPLE_FILE,
    known_names,
    name_labels,
    shared_names,
)
from demo_pipeline.domain.reference.names import ascii_label
from demo_pipeline.domain.reference.story_parts import FACT

#: Fewer names come back too often.
FEWEST_GIVEN: Final = 20
FEWEST_SURNAMES: Final = 100
#: Full names that must be possible, for each contact.
_PAIRS_A_CONTACT: Final = 2
#: characters of the label of a domain
_LONGEST_LABEL: Final = 60

_OTHER: Final = "choose another, or leave it out"


@dataclass(frozen=True, kw_only=True)
class ListContext:
    """What lists are held against, as far as it could be read; None: unknown, and its rules are left out."""

    #: whose pack serves the tenant
    country: str | None
    industry: str | None
    currency: Currency | None
    #: over the span
    contact_count: int


def list_problems(declared: object, context: ListContext) -> Iterator[Problem]:
    """Everything that is wrong with the value of ``lists``, but for what the models say of single values."""
    if not isinstance(declared, dict):
        return
    lists: dict[ListName, _Rows] = {}
    for name in LIST_NAMES:
        rows = cast("Mapping[str, object]", declared).get(name)
        if isinstance(rows, list):
            lists[name] = _Rows.of(name, cast("list[object]", rows))
    yield from _Checker(lists, context).problems()


@dataclass(frozen=True, eq=False)
class _Rows:
    """The rows of a list that can be read, with their places; and whether these are all."""

    name: ListName
    rows: Sequence[tuple[int, Any]]
    is_whole: bool

    @classmethod
    def of(cls, name: ListName, rows: Sequence[object]) -> _Rows:
        read: list[tuple[int, ListRow]] = []
        for place, row in enumerate(rows):
            try:
                read.append((place, ROW_MODELS[name].model_validate(row)))
            except ValidationError:
                continue
        # An empty list is one that could not be read, or is refused as it is.
        return cls(name, read, len(read) == len(rows) > 0)

    def problem(
        self, place: int | None, code: str, message: str, key: str | None = None, value: str | None = None
    ) -> Problem:
        parts = (None if place is None else str(place), key)
        where = ".".join(filter(None, ("lists", self.name, *parts)))
        return Problem(code=code, field=where, message=message, value=value)


@dataclass(frozen=True, eq=False)
class _Checker:
    lists: Mapping[ListName, _Rows]
    context: ListContext

    @cached_property
    def locale(self) -> Locale | None:
        return None if self.context.country is None else load_locale(self.context.country)

    @cached_property
    def known_companies(self) -> frozenset[str]:
        """Labels of known firms and brands: of all countries, and of the tenant's."""
        names = shared_names(COMPANIES_FILE)
        return name_labels(names if self.locale is None else known_names(self.locale.folder, COMPANIES_FILE))

    @cached_property
    def known_people(self) -> frozenset[str]:
        names = shared_names(PEOPLE_FILE)
        return name_labels(names if self.locale is None else known_names(self.locale.folder, PEOPLE_FILE))

    @cached_property
    def taken_slots(self) -> frozenset[str]:
        """Slots of the tenant's language that no topic can be called after."""
        if self.locale is None:
            return frozenset()
        # Imported here: a language has templates made of arrays, which few commands need.
        from demo_pipeline.domain.reference.languages import load_language
        from demo_pipeline.domain.reference.story_rules import reserved_slots

        return reserved_slots(load_language(self.locale.language)) | {FACT}

    def problems(self) -> Iterator[Problem]:
        yield from self._size()
        for name in ("female", "male", "surnames"):
            if name in self.lists:
                yield from self._names(self.lists[name])
        yield from self._pairs()
        yield from self._sexes()
        if "companies" in self.lists:
            yield from self._companies(self.lists["companies"])
        if "products" in self.lists:
            yield from self._products(self.lists["products"])
        if "stages" in self.lists:
            yield from self._stages(self.lists["stages"])
        for name in ("beats", "topics"):
            if name in self.lists:
                yield from self._words(self.lists[name], "text", are_sentences=True)
        if "topics" in self.lists:
            yield from self._topics(self.lists["topics"])
        yield from self._stories()

    def _size(self) -> Iterator[Problem]:
        count = sum(
            len(str(value))
            for one in self.lists.values()
            for _, row in one.rows
            for _, value in row
            if value is not None
        )
        if count > MOST_CHARACTERS:
            message = (
                f"the lists have {count:,} characters; {MOST_CHARACTERS:,} are the most, since they are "
                "stored "
                "with the tenant: leave rows out"
            )
            yield Problem(code="lists_too_large", field="lists", message=message)

    # -- words -----------------------------------------------------------------------------------------

    def _words(self, rows: _Rows, key: str, *, are_sentences: bool = False) -> Iterator[Problem]:
        """Texts with a blocked word or a telltale word, and names of known persons and firms."""
        for place, row in rows.rows:
            text: str | None = getattr(row, key)
            if text is None:
                continue
            if found := TELL_TALE.search(text):
                message = (
                    f"{quoted(text)} has a word that begins with {found[0]!r}: who sees it knows what the "
                    f"tenant is; {_OTHER}"
                )
                yield rows.problem(place, "tell_tale_word", message, key, text)
            elif word := blocked_word(text, is_sentence=are_sentences):
                message = (
                    f"{quoted(text)} has the word {quoted(word)}, which reads badly in an office; {_OTHER}"
                )
                yield rows.problem(place, "blocked_word", message, key, text)
            elif ascii_label(text) in self.known_people:
                message = f"{quoted(text)} is the name of a known person; {_OTHER}"
                yield rows.problem(place, "known_person", message, key, text)
            elif rows.name not in {"female", "male", "surnames", "stages"} and (
                ascii_label(text) in self.known_companies
            ):
                message = f"{quoted(text)} is the name of a known firm or brand; {_OTHER}"
                yield rows.problem(place, "known_company", message, key, text)

    def _doubles(self, rows: _Rows, key: str, label: Callable[[str], str]) -> Iterator[Problem]:
        first: dict[str, int] = {}
        for place, row in rows.rows:
            text = str(getattr(row, key))
            # A name without a letter that labels have is refused for that.
            if (before := first.setdefault(label(text) or text, place)) != place:
                message = (
                    f"{quoted(text)} is there twice: row {before + 1} of the list has it, too (case, "
                    "accents and "
                    "blanks make no difference); leave one out"
                )
                yield rows.problem(place, "listed_twice", message, key, text)

    # -- names of people -------------------------------------------------------------------------------

    def _names(self, rows: _Rows) -> Iterator[Problem]:
        yield from self._words(rows, "name")
        yield from self._doubles(rows, "name", ascii_label)
        for place, row in rows.rows:
            if not ascii_label(row.name):
                message = (
                    f"{quoted(row.name)} has no letter that an e-mail address can have; write it in "
                    "Latin letters"
                )
                yield rows.problem(place, "no_letters", message, "name", row.name)
        fewest = FEWEST_SURNAMES if rows.name == "surnames" else FEWEST_GIVEN
        if rows.is_whole and len(rows.rows) < fewest:
            message = (
                f"has {len(rows.rows)} names; give {fewest} or more, or leave the list out: fewer come "
                "back too "
                "often"
            )
            yield rows.problem(None, "too_few_names", message)

    def _count(self, name: ListName) -> int | None:
        """How many names there are of a kind, own or the country's; None: unknown."""
        rows = self.lists.get(name)
        if rows is not None:
            return len(rows.rows) if rows.is_whole else None
        return None if self.locale is None else len(getattr(self.locale, name))

    def _pairs(self) -> Iterator[Problem]:
        """There are pairs enough for the contacts of the span."""
        own = [name for name in ("female", "male", "surnames") if name in self.lists]
        counts = [self._count(name) for name in ("female", "male", "surnames")] if own else []
        if not own or None in counts:
            return
        female, male, surnames = (count or 0 for count in counts)
        needed = self.context.contact_count * _PAIRS_A_CONTACT
        if (pairs := (female + male) * surnames) < needed:
            message = (
                f"{female} and {male} given names and {surnames:,} surnames are {pairs:,} full names for "
                f"{self.context.contact_count:,} contacts; give names enough for {needed:,}, so that few "
                "share one"
            )
            yield Problem(code="too_few_pairs", field=f"lists.{own[-1]}", message=message)

    def _sexes(self) -> Iterator[Problem]:
        """No given name is of women and of men: the list decides the form of address."""
        pairs: tuple[tuple[ListName, ListName, str], ...] = (
            ("male", "female", "women"),
            ("female", "male", "men"),
        )
        for name, other, people in pairs:
            rows, others = self.lists.get(name), self.lists.get(other)
            if rows is None or (others is not None and name == "female"):
                continue
            if others is not None:
                known = {row.name for _, row in others.rows}
                where = "the other list"
            elif self.locale is not None:
                known = set(getattr(self.locale, other).names)
                where = f"the country's list of {people}"
            else:
                continue
            for place, row in rows.rows:
                if row.name in known:
                    message = (
                        f"{quoted(row.name)} is in {where}, too, and the list decides the form of "
                        "address; keep it in "
                        f"one of them (lists.{other} replaces the country's)"
                    )
                    yield rows.problem(place, "name_of_both", message, "name", row.name)

    # -- companies, products, stages -------------------------------------------------------------------

    def _companies(self, rows: _Rows) -> Iterator[Problem]:
        yield from self._words(rows, "name")
        yield from self._words(rows, "industry")

        def short(name: str) -> str:
            return name if self.locale is None else self.locale.companies.without_legal_form(name)

        def label(name: str) -> str:
            return ascii_label(short(name))

        yield from self._doubles(rows, "name", label)
        for place, row in rows.rows:
            bare = label(row.name)
            first = ascii_label(row.name.split()[0])
            if not bare or len(domain_label(short(row.name))) > _LONGEST_LABEL:
                message = (
                    f"{quoted(row.name)} makes no domain: without its legal form it needs 1 to "
                    f"{_LONGEST_LABEL} "
                    "letters or digits; write it in Latin letters, or shorter"
                )
                yield rows.problem(place, "no_letters", message, "name", row.name)
            elif bare != ascii_label(row.name) and bare in self.known_people:
                message = f"{quoted(row.name)} is the name of a known person; {_OTHER}"
                yield rows.problem(place, "known_person", message, "name", row.name)
            elif ascii_label(row.name) not in self.known_companies and (
                bare in self.known_companies or first in self._best_known
            ):
                message = (
                    f"{quoted(row.name)} is the name of a known firm or brand, or begins with one; {_OTHER}"
                )
                yield rows.problem(place, "known_company", message, "name", row.name)

    @cached_property
    def _best_known(self) -> frozenset[str]:
        return name_labels(shared_names(COMPANIES_FILE))

    def _products(self, rows: _Rows) -> Iterator[Problem]:
        yield from self._words(rows, "name")
        yield from self._doubles(rows, "name", ascii_label)
        products: Sequence[tuple[int, ProductRow]] = rows.rows
        currency = self.context.currency
        for place, row in products:
            if "{" in row.name or "}" in row.name:
                yield rows.problem(
                    place, "has_braces", f"{quoted(row.name)} has braces; leave them out", "name", row.name
                )
            for key in ("price", "price_to"):
                amount = getattr(row, key)
                if (
                    amount is not None
                    and currency is not None
                    and amount != round(amount, currency.minor_digits)
                ):
                    message = (
                        f"{amount} has more than the {currency.minor_digits} decimals that amounts in "
                        f"{currency} are "
                        f"kept with; write {round(amount, currency.minor_digits)}"
                    )
                    yield rows.problem(place, "too_many_decimals", message, key, str(amount))
            if row.price_to is not None and row.price_to <= row.price:
                message = f"{row.price} to {row.price_to} is no range; write the smaller amount as price"
                yield rows.problem(place, "no_range", message, "price_to", str(row.price_to))
        ranged = [place for place, row in products if row.price_to is not None]
        if ranged and len(ranged) < len(products):
            place = next(place for place, row in products if row.price_to is None)
            message = (
                "has no price_to, and other products have one; give all products a range, or none: then "
                "each has a "
                "list price"
            )
            yield rows.problem(place, "mixed_prices", message, "price_to")

    def _stages(self, rows: _Rows) -> Iterator[Problem]:
        yield from self._words(rows, "name")
        yield from self._doubles(rows, "name", ascii_label)
        stages: Sequence[tuple[int, StageRow]] = rows.rows
        outcomes = Counter(row.outcome for _, row in stages)
        for outcome, why in (
            ("open", "deals begin in one"),
            ("won", "won deals are in one"),
            ("lost", "lost deals are in one"),
        ):
            if rows.is_whole and not outcomes[outcome]:
                message = f"has no stage whose outcome is {outcome}; add one: {why}"
                yield rows.problem(None, f"no_{outcome}_stage", message)
        highest = 0
        for (place, row), probability in zip(stages, probabilities([row for _, row in stages]), strict=True):
            fixed = {"won": 100, "lost": 0}.get(row.outcome)
            if fixed is not None:
                if probability != fixed:
                    message = (
                        f"{probability} is not the probability of a stage that is {row.outcome}; write "
                        f"{fixed}"
                    )
                    yield rows.problem(place, "bad_probability", message, "probability", str(probability))
            elif not 0 < probability < 100:
                message = f"{probability} is not the probability of an open stage; write 1 to 99"
                yield rows.problem(place, "bad_probability", message, "probability", str(probability))
            elif probability < highest:
                message = (
                    f"{probability} is less than the {highest} of an open stage before it; open stages "
                    "come in the "
                    "order of their probabilities"
                )
                yield rows.problem(place, "bad_probability", message, "probability", str(probability))
            else:
                highest = probability

    # -- stories ---------------------------------------------------------------------------------------

    def _topics(self, rows: _Rows) -> Iterator[Problem]:
        """Topics have names that mean nothing else, and values that differ."""
        topics: Sequence[tuple[int, TopicRow]] = rows.rows
        first: dict[tuple[str, str], int] = {}
        with_forms = {row.topic.partition("_")[0] for _, row in topics if "_" in row.topic}
        for place, row in topics:
            if row.topic in self.taken_slots:
                message = f"{quoted(row.topic)} is a slot with another meaning; choose another name"
                yield rows.problem(place, "slot_is_taken", message, "topic", row.topic)
            if (before := first.setdefault((row.topic, row.text), place)) != place:
                message = (
                    f"{quoted(row.text)} is there twice in {row.topic}: row {before + 1} of the list has "
                    "it, too; "
                    "leave one out"
                )
                # Forms of a word may be alike; of a list that stands alone each value is another one.
                if "_" not in row.topic and row.topic not in with_forms:
                    yield rows.problem(place, "listed_twice", message, "text", row.text)

    def _stories(self) -> Iterator[Problem]:
        """The lines of the industry with those of the blueprint are complete, and fit their beats."""
        beats, topics = self.lists.get("beats"), self.lists.get("topics")
        given = [rows for rows in (beats, topics) if rows is not None]
        if not given or not all(rows.is_whole for rows in given):
            return
        if self.locale is None or self.context.industry is None or self.context.currency is None:
            return
        # Imported here: texts are made of arrays, which few commands need.
        from demo_pipeline.domain.reference.languages import Template, load_language
        from demo_pipeline.domain.reference.stories import fact_group, story_rows
        from demo_pipeline.domain.reference.story_rules import story_findings

        language = load_language(self.locale.language)
        # Rows are valid each; that there are too many is said elsewhere.
        lists = Lists.model_construct(
            beats=tuple(row for _, row in beats.rows) if beats else None,
            topics=tuple(row for _, row in topics.rows) if topics else None,
        )
        own = own_lists(lists, self.context.currency)
        table, of_pack = story_rows(language, self.context.industry, own)
        pack, _ = story_rows(language, self.context.industry, own_lists(None, self.context.currency))
        topic_rows = topics.rows if topics else ()
        first_beat = of_pack + len(topic_rows)
        for found in story_findings(table, language):
            message = f"{found.message}; {found.remedy}"
            code = "bad_line" if found.row is not None else "bad_lines"
            if found.row is not None and found.row >= first_beat and beats:
                yield beats.problem(found.row - first_beat, code, message, "text", table["text"][found.row])
            elif found.row is not None and found.row >= of_pack and topics:
                yield topics.problem(found.row - of_pack, code, message, "text", table["text"][found.row])
            else:
                # Of all lines of a beat and form, of a list, or of a line of the pack that is repeated.
                is_topic = " " not in found.place and found.row is None
                rows = topics if is_topic and topics else given[0]
                place = f"{found.place}: " if found.place else ""
                yield rows.problem(None, code, f"{place}{message}")
        if topics is None:
            return
        yield from _incomplete_groups(topics, pack, fact_group)
        used = {slot for text in table["text"] for slot in Template.parse(text).slots}
        known = sorted({form for beat, form in zip(pack["beat"], pack["form"], strict=True) if beat == FACT})
        for topic, place in {row.topic: place for place, row in reversed(topics.rows)}.items():
            if topic not in used and topic not in known:
                meant = nearest(topic, known)
                hint = f"; did you mean {meant}?" if meant else ""
                message = (
                    f"no line draws from {quoted(topic)}{hint}; lists of this industry are "
                    f"{', '.join(sorted(set(map(fact_group, known))))}, and own lines (lists.beats) may have "
                    f"{{{topic}}}"
                )
                yield topics.problem(place, "unused_topic", message, "topic", topic)


def _incomplete_groups(
    topics: _Rows, pack: Mapping[str, Sequence[str]], group_of: Callable[[str], str]
) -> Iterator[Problem]:
    """Lists of the pack that belong together line by line are replaced together."""
    of_pack: dict[str, set[str]] = defaultdict(set)
    for beat, form in zip(pack["beat"], pack["form"], strict=True):
        if beat == FACT:
            of_pack[group_of(form)].add(form)
    own = {row.topic for _, row in topics.rows}
    for group in sorted({group_of(one) for one in own}):
        if missing := sorted(of_pack[group] - own):
            message = (
                f"{', '.join(sorted(own & of_pack[group] or own))} belongs line by line with "
                f"{', '.join(missing)}; "
                "give these lists too, or choose another name"
            )
            yield topics.problem(None, "incomplete_topics", message)
