"""Sentences: no two pairs give the same text, gaps fit the grammar, rendering keeps the order of rows."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from demo_pipeline.domain.model import ACTIVITY_TYPES
from demo_pipeline.domain.reference.countries import load_locale
from demo_pipeline.domain.reference.industries import INDUSTRIES
from demo_pipeline.domain.reference.texts import (
    LANGUAGES,
    Layout,
    SlotChoice,
    Template,
    Texts,
    load_texts,
    person_slots,
    render,
    usable,
)

#: language → a country that speaks it, and three people: a woman, a man, and somebody unknown
PEOPLE = {
    "en": ("US", ["Mary", "John", "Kim"], ["Smith", "Brown", "Lee"]),
    "de": ("DE", ["Anna", "Jens", "Kim"], ["Weber", "Kranz", "Roth"]),
}
GENDERS = np.array([1, 0, 2])
compute: Any = pc
BOTH = [(language, industry) for language in LANGUAGES for industry in INDUSTRIES]


def people(language: str) -> dict[str, Any]:
    """A woman, a man, and somebody of whom nothing is known."""
    country, first, last = PEOPLE[language]
    about = load_texts(language, "saas").language
    slots = person_slots(about, pa.array(first), pa.array(last), GENDERS, load_locale(country).honorifics)
    return {
        slot: render(
            Layout.of([about.spelt_out(Template.parse(f"{{{slot}}}"))]), np.zeros(3, np.int64), slots
        )
        for slot in ("first", "last", "person", *about.salutation_slots, *about.pronoun_slots)
    }


def fill(
    texts: Texts, templates: tuple[Template, ...], *, steps: bool, person: int = 0, every: int = 1
) -> Any:
    """Every template with every topic (and every step) for the same person, company and deal.

    ``every`` leaves out all but each n-th text.
    """
    parts = texts.topic_count * (len(texts.steps) if steps else 1)
    place = np.arange(0, len(templates) * parts, every)
    which, part = place // parts, place % parts
    slots: dict[str, Any] = {
        slot: pa.repeat(values[person], len(place)) for slot, values in people(texts.language.code).items()
    }
    slots |= {
        "company": pa.repeat("Kranz Logistics", len(place)),
        "deal": pa.repeat("Kranz Logistics: Pilot", len(place)),
        "product": pa.repeat("Pilot", len(place)),
        **texts.topic_slots(part % texts.topic_count),
        "step": SlotChoice(texts.steps, part // texts.topic_count),
    }
    return render(Layout.of(templates), which, slots)


@pytest.mark.parametrize(("language", "industry"), BOTH)
def test_every_pair_of_template_and_topic_is_another_subject(language: str, industry: str) -> None:
    """At least 6,000 subjects a type without company or deal, all different, across types as well."""
    texts = load_texts(language, industry)
    subjects: list[str] = []
    for kind in ACTIVITY_TYPES:
        plain = usable(texts.subjects[kind], with_deal=False, with_company=False)
        assert len(plain) * texts.topic_count >= 6000
        subjects += fill(texts, texts.subjects[kind], steps=False).to_pylist()
    assert len(set(subjects)) == len(subjects)
    assert not [text for text in subjects if len(text) > 160]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_triple_is_another_description(language: str) -> None:
    """Template, topic and step tell a description apart from all others, across types as well."""
    texts = load_texts(language, "saas")
    everything = (
        *(template for kind in ACTIVITY_TYPES for template in texts.descriptions[kind]),
        *texts.planned["meeting"],
    )
    written = fill(texts, everything, steps=True)
    assert len(written.unique()) == len(written)
    lengths = compute.utf8_length(written).to_numpy()
    assert lengths.min() >= 60
    assert lengths.max() <= 320


@pytest.mark.parametrize(("language", "industry"), BOTH)
def test_templates_have_what_makes_them_distinct(language: str, industry: str) -> None:
    """Subjects have one topic, descriptions a topic and a step, and all templates and topics differ."""
    texts = load_texts(language, industry)
    for kind in ACTIVITY_TYPES:
        for template in (*texts.subjects[kind], *texts.descriptions[kind]):
            assert sum(slot.startswith("topic") for slot in template.slots) == 1, str(template)
        assert all(template.slots.count("step") == 1 for template in texts.descriptions[kind])
        assert not any("step" in template.slots for template in texts.subjects[kind])
    assert texts.topic_count >= 100
    assert len(texts.steps) >= 40
    for forms in texts.topics.values():
        assert len(set(forms.to_pylist())) == texts.topic_count
    assert len(texts.topic_cumulative) == texts.topic_count


@pytest.mark.parametrize(("language", "industry"), BOTH)
def test_what_is_not_there_is_not_spoken_of(language: str, industry: str) -> None:
    """Without a company or deal no template asks for one, and enough are left."""
    texts = load_texts(language, industry)
    for kind in ACTIVITY_TYPES:
        for templates in (texts.subjects[kind], texts.descriptions[kind]):
            plain = usable(templates, with_deal=False, with_company=False)
            assert len(plain) >= 20
            assert not any({"company", "deal"} & set(template.slots) for template in plain)
            assert usable(templates, with_deal=True, with_company=True) == templates
    titles = usable(texts.deal_titles, with_deal=True, with_company=False)
    assert titles
    assert not any("company" in title.slots for title in titles)
    assert any("company" in title.slots for title in texts.deal_titles)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("person", [0, 1, 2])
def test_texts_read_cleanly(language: str, person: int) -> None:
    """No gap stays open, no double blank or stop, a capital in front, nothing dangling at the end."""
    texts = load_texts(language, "ecommerce")
    for kind in ACTIVITY_TYPES:
        subjects = fill(texts, texts.subjects[kind], steps=False, person=person).to_pylist()
        described = fill(texts, texts.descriptions[kind], steps=True, person=person, every=97).to_pylist()
        for text in (*subjects, *described):
            assert not re.search(r"[{}]|  |\.\.|,\.| [.,;:]|^[a-zäöü]|[,;:–]$|^ | $", text), text
        assert all(re.search(r"[.a-zü]$", text) for text in described)


def test_german_forms_of_address_are_declined() -> None:
    """Herr becomes Herrn where the case asks for it, Frau stays, an unknown person keeps the full name."""
    slots = {slot: values.to_pylist() for slot, values in people("de").items()}
    assert slots["salutation_nom"] == ["Frau Weber", "Herr Kranz", "Kim Roth"]
    assert slots["salutation_dat"] == ["Frau Weber", "Herrn Kranz", "Kim Roth"]
    assert slots["salutation_acc"] == ["Frau Weber", "Herrn Kranz", "Kim Roth"]


def test_english_pronouns_follow_the_person() -> None:
    """She, he, or they; no template has a pronoun before a present tense."""
    slots = {slot: values.to_pylist() for slot, values in people("en").items()}
    assert slots["pronoun_title"] == ["She", "He", "They"]
    assert slots["possessive"] == ["her", "his", "their"]
    assert slots["salutation"] == ["Ms. Smith", "Mr. Brown", "Kim Lee"]
    for kind in ACTIVITY_TYPES:
        for template in load_texts("en", "saas").descriptions[kind]:
            after = re.findall(r"\{pronoun\w*\} (\w+)", str(template))
            assert not [word for word in after if word.endswith("s") or word in {"is", "was", "has"}], str(
                template
            )


@pytest.mark.parametrize("industry", INDUSTRIES)
def test_german_topics_agree_with_their_article(industry: str) -> None:
    """Accusative, dative, "zu" and "bei" have the articles of one gender; plurals end as datives do."""
    forms = {slot: values.to_pylist() for slot, values in load_texts("de", industry).topics.items()}
    agree = {
        ("die", "der", "zur", "bei der"),
        ("den", "dem", "zum", "beim"),
        ("das", "dem", "zum", "beim"),
        ("die", "den", "zu den", "bei den"),
    }
    for bare, accusative, dative, to, at in zip(
        *(forms[slot] for slot in ("topic", "topic_acc", "topic_dat", "topic_zu", "topic_bei")), strict=True
    ):
        name = bare.split(" und ")[0]
        articles = tuple(text[: text.index(name)].strip() for text in (accusative, dative, to, at))
        assert articles in agree, bare
        if articles[1] == "den":
            assert name.split(" ")[0][-1] in "ns", bare


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_coming_meeting_is_described_as_one(language: str) -> None:
    """Eight descriptions or more need neither deal nor company, and none tells of what has happened."""
    texts = load_texts(language, "saas")
    assert set(texts.planned) == {"meeting"}
    plain = usable(texts.planned["meeting"], with_deal=False, with_company=False)
    assert len(plain) >= 8
    past = r"\b(?:met|spoke|settled|discussed(?! with)|went|covered|was|were|had|war|hatte|ging|gesprochen)\b"
    for template in texts.planned["meeting"]:
        assert "step" in template.slots
        assert any(slot.startswith("topic") for slot in template.slots)
        assert not re.search(past, str(template), re.IGNORECASE), str(template)


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_text_states_a_length_or_an_outcome_that_another_denies(language: str) -> None:
    """Any subject goes with any description of its type: none says how long it was, or that it failed."""
    texts = load_texts(language, "saas")
    length = re.compile(
        r"minute|hour on|half an hour|\b(?:quick|brief|short|long)\b[- ](?:call|check|chat|question)"
        r"|halbe stunde|eine stunde|kurzes? (?:telefonat|nachfrage|frage|gespräch)|langes telefonat",
        re.IGNORECASE,
    )
    missed = re.compile(
        r"voicemail|mailbox|no answer|missed call|nicht erreicht|verpasst|\b(?:intro|closing|second|first)"
        r" (?:call|meeting)|\b(?:erstes|zweites|erster|zweiter) (?:telefonat|termin)",
        re.IGNORECASE,
    )
    written = [
        str(template)
        for groups in (texts.subjects, texts.descriptions)
        for kind in ("call", "meeting")
        for template in groups[kind]
    ]
    assert not [text for text in written if length.search(text) or missed.search(text)]


def test_no_english_verb_agrees_with_a_topic() -> None:
    """Behind a topic stands no verb that differs in the plural, and no "it" for what may be many."""
    texts = load_texts("en", "saas")
    groups = (*texts.subjects.values(), *texts.descriptions.values(), *texts.planned.values())
    agreeing = (
        r"(?:^|[.:,] |\b(?:after|before|if|once|only|that|when|whether) )\{topic\w*\}"
        r" (?:\w+ly )?(?:is|are|was|were|has|have|does|do|matters?|needs?)\b"
    )
    assert not [
        str(template)
        for group in groups
        for template in group
        if re.search(agreeing, str(template)) or re.search(r"\b(?:is|are) \{topic", str(template))
    ]


@pytest.mark.parametrize(
    ("industry", "topic", "bare"),
    [
        ("trading", "share dealing", "share dealing"),
        ("trading", "the margin requirements", "margin requirements"),
    ],
)
def test_english_mass_nouns_stand_without_an_article(industry: str, topic: str, bare: str) -> None:
    """What cannot be counted has no "the"; everything else has."""
    topics = load_texts("en", industry).topics
    place = topics["topic_bare"].to_pylist().index(bare)
    assert topics["topic"][place].as_py() == topic


@pytest.mark.parametrize(("language", "industry"), BOTH)
def test_every_template_is_filled_as_it_is_written(language: str, industry: str) -> None:
    """Every template comes to the text that ``str.format`` makes of it, whatever others are drawn with it."""
    texts = load_texts(language, industry)
    everything = (texts.subjects, texts.descriptions, texts.planned)
    for group in (texts.deal_titles, *(group for by_type in everything for group in by_type.values())):
        words = {slot: f"<{slot}>" for template in group for slot in template.slots}
        slots = {slot: pa.array([word] * len(group)) for slot, word in words.items()}
        written = render(Layout.of(group), np.arange(len(group)), slots)
        assert written.to_pylist() == [str(template).format(**words) for template in group]


def test_rendering_keeps_the_order_of_rows() -> None:
    """Row i is template which[i] with the slots of row i, whether columns are plain or choices."""
    layout = Layout.of([Template.parse(text) for text in ("{a} and {b}", "only {b}.", "never {c}")])
    which = np.array([1, 0, 1, 0, 0])
    plain = {"a": pa.array(list("vwxyz")), "b": pa.array(["1", "2", "3", "4", "5"])}
    expected = ["only 1.", "w and 2", "only 3.", "y and 4", "z and 5"]
    assert render(layout, which, plain).to_pylist() == expected
    chosen = {
        name: SlotChoice(values.take(pa.array(range(4, -1, -1))), np.arange(5)[::-1])
        for name, values in plain.items()
    }
    assert render(layout, which, chosen).to_pylist() == expected


def test_nothing_is_rendered_to_nothing() -> None:
    """No rows, no texts; an empty template is an empty text."""
    assert render(Layout.of([Template.parse("{a}")]), np.array([], np.int64), {}).to_pylist() == []
    assert render(Layout.of([Template.parse("")]), np.zeros(2, np.int64), {}).to_pylist() == ["", ""]


def test_a_slot_may_come_twice() -> None:
    """Each place has the same text, next to the other or not."""
    layout = Layout.of([Template.parse("{a}{a} {b}{a}")])
    slots = {"a": pa.array(["x", "y"]), "b": pa.array(["1", "2"])}
    assert render(layout, np.zeros(2, np.int64), slots).to_pylist() == ["xx 1x", "yy 2y"]


def test_rendering_says_which_slot_is_missing() -> None:
    """A drawn template that needs a slot that nobody gave is an error, one that is not drawn is none."""
    layout = Layout.of([Template.parse("{a}!"), Template.parse("{b}!")])
    assert render(layout, np.array([0]), {"a": pa.array(["x"])}).to_pylist() == ["x!"]
    with pytest.raises(KeyError, match="b"):
        render(layout, np.array([1]), {"a": pa.array(["x"])})


def test_a_null_stays_where_it_is() -> None:
    """A null in a slot makes the text of that row null, and of no other row."""
    layout, which = Layout.of([Template.parse("{a}!")]), np.zeros(3, np.int64)
    expected = ["x!", None, "y!"]
    assert render(layout, which, {"a": pa.array(["x", None, "y"])}).to_pylist() == expected
    chosen = SlotChoice(pa.array(["y", "x"]), np.array([1, -1, 0]))
    assert render(layout, which, {"a": chosen}).to_pylist() == expected


def test_a_template_survives_parsing() -> None:
    """Parsing and printing are inverse."""
    for text in ("{a}", "x {a}{b} y", "plain", "{a} x"):
        assert str(Template.parse(text)) == text
