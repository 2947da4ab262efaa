"""Templates: slots fit the grammar, rendering keeps the order of rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from demo_pipeline.domain.reference.countries import CURRENCIES, load_locale
from demo_pipeline.domain.reference.industries import INDUSTRIES
from demo_pipeline.domain.reference.languages import LANGUAGES, Template
from demo_pipeline.domain.reference.texts import (
    Layout,
    People,
    SlotChoice,
    given_slots,
    load_texts,
    render,
    usable,
)

#: language → a country that speaks it, and three people: a woman, a man, and somebody unknown
PEOPLE = {
    "en": ("US", ["Mary", "John", "Kim"], ["Smith", "Brown", "Lee"]),
    "de": ("DE", ["Anna", "Jens", "Kim"], ["Weber", "Kranz", "Roth"]),
    "fr": ("FR", ["Claire", "Luc", "Kim"], ["Martin", "Le Goff", "Roux"]),
}
GENDERS = np.array([1, 0, 2])
compute: Any = pc
BOTH = [(language, industry) for language in LANGUAGES for industry in INDUSTRIES]


def people(language: str) -> dict[str, Any]:
    """A woman, a man, and somebody of whom nothing is known."""
    country, first, last = PEOPLE[language]
    about = load_texts(language, "saas").language
    everybody = People(
        about,
        pa.array(first),
        pa.array(last),
        np.arange(3),
        np.arange(3),
        GENDERS,
        load_locale(country).honorifics,
    )

    def slots(name: str, rows: Any) -> SlotChoice:
        choice = everybody.slot(name, rows)
        assert choice is not None, name
        return choice

    return {
        slot: render(
            Layout.of([about.spelt_out(Template.parse(f"{{{slot}}}"))]), np.zeros(3, np.int64), slots
        )
        for slot in ("first", "last", "person", *about.salutation_slots, *about.pronoun_slots)
    }


def test_german_forms_of_address_are_declined() -> None:
    """Herr becomes Herrn where the case asks for it, Frau stays, an unknown person keeps the full name."""
    slots = {slot: values.to_pylist() for slot, values in people("de").items()}
    assert slots["salutation_nom"] == ["Frau Weber", "Herr Kranz", "Kim Roth"]
    assert slots["salutation_dat"] == ["Frau Weber", "Herrn Kranz", "Kim Roth"]
    assert slots["salutation_acc"] == ["Frau Weber", "Herrn Kranz", "Kim Roth"]


def test_english_pronouns_follow_the_person() -> None:
    """She, he, or they."""
    slots = {slot: values.to_pylist() for slot, values in people("en").items()}
    assert slots["pronoun_title"] == ["She", "He", "They"]
    assert slots["possessive"] == ["her", "his", "their"]
    assert slots["salutation"] == ["Ms. Smith", "Mr. Brown", "Kim Lee"]


def test_french_people_are_madame_or_monsieur() -> None:
    """Mme and M., and an unknown person keeps the full name; there are no pronouns to get wrong."""
    slots = {slot: values.to_pylist() for slot, values in people("fr").items()}
    assert slots["salutation"] == ["Mme Martin", "M. Le Goff", "Kim Roux"]
    assert set(slots) == {"first", "last", "person", "salutation"}


def test_french_amounts_and_days_keep_together() -> None:
    """Blanks within an amount do not break; a day of this week has no article, one of the next has a word."""
    language = load_texts("fr", "saas").language
    amount = language.amount(2_937_650, CURRENCIES["EUR"])
    assert amount == "29\u202f376,50\u00a0€"
    assert language.days.ahead[:4] == ("dans la journée", "cet après-midi", "demain", "lundi")
    assert language.days.ahead[-1] == "dimanche prochain"
    assert language.days.dates_of("FR")[31 + 13] == "le 14 février"


@pytest.mark.parametrize(("language", "industry"), BOTH)
def test_titles_name_a_company_only_where_there_is_one(language: str, industry: str) -> None:
    """Without a company no title asks for one; what is bought is in all of them."""
    texts = load_texts(language, industry)
    titles = usable(texts.deal_titles, with_company=False)
    assert titles
    assert not any("company" in title.slots for title in titles)
    assert any("company" in title.slots for title in texts.deal_titles)
    for title in (*texts.deal_titles, *texts.titles_first, *texts.titles_again):
        assert "product" in title.slots


def test_templates_of_a_row_follow_each_other() -> None:
    """Several templates a row, with none where there is -1."""
    layout = Layout.of([Template.parse(text) for text in ("{a}", " and ", "{b}.")])
    which = np.array([[0, 1, 2], [0, -1, -1], [-1, -1, -1]])
    slots = {"a": pa.array(["x", "y", "z"]), "b": pa.array(["1", "2", "3"])}
    assert render(layout, which, given_slots(slots)).to_pylist() == ["x and 1.", "y", ""]


def test_rendering_keeps_the_order_of_rows() -> None:
    """Row i is template which[i] with the slots of row i, whether columns are plain or choices."""
    layout = Layout.of([Template.parse(text) for text in ("{a} and {b}", "only {b}.", "never {c}")])
    which = np.array([1, 0, 1, 0, 0])
    plain = {"a": pa.array(list("vwxyz")), "b": pa.array(["1", "2", "3", "4", "5"])}
    expected = ["only 1.", "w and 2", "only 3.", "y and 4", "z and 5"]
    assert render(layout, which, given_slots(plain)).to_pylist() == expected
    chosen = {
        name: SlotChoice(values.take(pa.array(range(4, -1, -1))), np.arange(5)[::-1])
        for name, values in plain.items()
    }
    assert render(layout, which, given_slots(chosen)).to_pylist() == expected


def test_nothing_is_rendered_to_nothing() -> None:
    """No rows, no texts; an empty template is an empty text."""
    assert (
        render(Layout.of([Template.parse("{a}")]), np.array([], np.int64), given_slots({})).to_pylist() == []
    )
    assert render(Layout.of([Template.parse("")]), np.zeros(2, np.int64), given_slots({})).to_pylist() == [
        "",
        "",
    ]


def test_a_slot_may_come_twice() -> None:
    """Each place has the same text, next to the other or not."""
    layout = Layout.of([Template.parse("{a}{a} {b}{a}")])
    slots = {"a": pa.array(["x", "y"]), "b": pa.array(["1", "2"])}
    assert render(layout, np.zeros(2, np.int64), given_slots(slots)).to_pylist() == ["xx 1x", "yy 2y"]


def test_rendering_says_which_slot_is_missing() -> None:
    """A drawn template that needs a slot that nobody gave is an error, one that is not drawn is none."""
    layout = Layout.of([Template.parse("{a}!"), Template.parse("{b}!")])
    assert render(layout, np.array([0]), given_slots({"a": pa.array(["x"])})).to_pylist() == ["x!"]
    with pytest.raises(KeyError, match="b"):
        render(layout, np.array([1]), given_slots({"a": pa.array(["x"])}))


def test_a_null_stays_where_it_is() -> None:
    """A null in a slot makes the text of that row null, and of no other row."""
    layout, which = Layout.of([Template.parse("{a}!")]), np.zeros(3, np.int64)
    expected = ["x!", None, "y!"]
    assert render(layout, which, given_slots({"a": pa.array(["x", None, "y"])})).to_pylist() == expected
    chosen = SlotChoice(pa.array(["y", "x"]), np.array([1, -1, 0]))
    assert render(layout, which, given_slots({"a": chosen})).to_pylist() == expected


def test_a_template_survives_parsing() -> None:
    """Parsing and printing are inverse."""
    for text in ("{a}", "x {a}{b} y", "plain", "{a} x"):
        assert str(Template.parse(text)) == text
