"""Lists of one's own in a blueprint: what each says, and every way in which one is wrong."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo_pipeline.domain.blueprint.list_checks import FEWEST_SURNAMES
from demo_pipeline.domain.blueprint.schema import Blueprint, complete_declaration
from demo_pipeline.domain.core.errors import InputError
from demo_pipeline.domain.documents.stored import plan_problems, read_spec
from demo_pipeline.domain.reference.own_lists import NO_LISTS, OwnProduct, OwnStage
from tests.builders.blueprints import resolved
from tests.builders.own_lists import french_names

TREE: Final[dict[str, Any]] = {
    "name": "Kranz Logistik",
    "country": "DE",
    "industry": "saas",
    "start_month": "2025-01",
    "end_month": "2025-03",
    "seed": "1",
    "totals": {"contacts_created": 60, "companies_created": 8, "deals_created": 20, "closed_won_count": 5},
}
SYLLABLES: Final = [
    one + two for one in "bdfgklmnprst" for two in ("auer", "egner", "inger", "older", "ucher")
]
SURNAMES: Final = [first + last for first in ("Al", "Hol", "Ster") for last in SYLLABLES]
STAGES: Final = [
    {"name": "Anfrage"},
    {"name": "Ortstermin"},
    {"name": "Beauftragt", "outcome": "won"},
    {"name": "Abgesagt", "outcome": "lost"},
]


def refused(**lists: Any) -> list[str]:
    """What is said about lists, problem by problem."""
    with pytest.raises(InputError) as caught:
        resolved({**TREE, "lists": lists})
    return list(map(str, caught.value.problems))


def test_without_lists_nothing_is_stored_of_them() -> None:
    """The stored plan of a tenant without lists is what it was before there were any."""
    spec, _ = resolved(TREE)
    assert spec.lists == NO_LISTS
    assert "lists" not in spec.to_json()


def test_a_stored_blueprint_of_before_equals_one_without_lists() -> None:
    """A key that is younger than a stored document has its default there."""
    document = Blueprint.model_validate(TREE).model_dump(mode="json")
    older = {key: value for key, value in document.items() if key != "lists"}
    assert complete_declaration(older) == document


def test_lists_are_stored_and_read_again() -> None:
    """Prices in minor units, probabilities in full; a row may be a text."""
    lists = {
        "surnames": SURNAMES,
        "products": [{"name": "Routenplaner", "price": "49.90"}, {"name": "Leitstand", "price": 1200}],
        "stages": STAGES,
        "companies": ["Almquell Spedition GmbH", {"name": "Torhaus AG", "size": "51-200"}],
    }
    spec, _ = resolved({**TREE, "lists": lists})
    assert spec.lists.products == (
        OwnProduct("Routenplaner", 4990, None),
        OwnProduct("Leitstand", 120_000, None),
    )
    assert [stage.probability for stage in spec.lists.stages] == [33, 66, 100, 0]
    assert spec.lists.stages[0] == OwnStage("Anfrage", "open", 33, 1)
    document = json.loads(json.dumps(spec.to_json()))
    assert plan_problems(document) == []
    assert read_spec(spec.slug, document) == spec


@pytest.mark.parametrize(
    ("place", "value", "problem"),
    [
        (("products", 0, 1), 0, "plan.lists.products[0][1]"),
        (("stages", 0, 1), "closed", "plan.lists.stages[0][1]"),
        (("stages", 0), ["Anfrage"], "plan.lists.stages[0]"),
        (("colors",), [], "plan.lists.colors"),
    ],
)
def test_damaged_lists_of_a_stored_plan_are_named(
    place: tuple[str | int, ...], value: Any, problem: str
) -> None:
    """Before anything is computed with them."""
    lists = {"products": [{"name": "Routenplaner", "price": 49}], "stages": STAGES}
    document = json.loads(json.dumps(resolved({**TREE, "lists": lists})[0].to_json()))
    *path, last = place
    within = document["lists"]
    for step in path:
        within = within[step]
    within[last] = value
    assert any(line.startswith(problem) for line in plan_problems(document))


@pytest.mark.parametrize(
    ("lists", "expected"),
    [
        ({"surnames": SURNAMES[:20]}, "lists.surnames: has 20 names; give 100 or more"),
        ({"female": ["Ada"]}, "lists.female: has 1 names; give 20 or more"),
        ({"surnames": [*SURNAMES, "Al-bauer"]}, "lists.surnames.180.name: 'Al-bauer' is there twice: row 1 "),
        ({"surnames": [*SURNAMES, "Hitler"]}, "lists.surnames.180.name: 'Hitler' has the word 'Hitler'"),
        ({"surnames": [*SURNAMES, "Slaughter"]}, "lists.surnames.180.name: 'Slaughter' has the word"),
        (
            {"surnames": [*SURNAMES, "Dummy"]},
            "lists.surnames.180.name: 'Dummy' has a word that begins with 'Dummy'",
        ),
        ({"surnames": [*SURNAMES, "北"]}, "lists.surnames.180.name: '北' has no letter"),
        (
            {"surnames": [*SURNAMES, "Angela Merkel"]},
            "lists.surnames.180.name: 'Angela Merkel' is the name of a known",
        ),
        ({"female": ["Thomas"]}, "lists.female.0.name: 'Thomas' is in the country's list of men, too"),
        ({"female": ["Ada"], "male": ["Ada"]}, "lists.male.0.name: 'Ada' is in the other list, too"),
        ({"companies": ["Siemens AG"]}, "lists.companies.0.name: 'Siemens AG' is the name of a known firm"),
        (
            {"companies": ["BMW Südring GmbH"]},
            "lists.companies.0.name: 'BMW Südring GmbH' is the name of a known firm",
        ),
        (
            {"companies": ["Angela Merkel GmbH"]},
            "lists.companies.0.name: 'Angela Merkel GmbH' is the name of a known p",
        ),
        (
            {"companies": ["Torhaus AG", "Torhaus GmbH"]},
            "lists.companies.1.name: 'Torhaus GmbH' is there twice: row 1",
        ),
        ({"companies": ["東京 GmbH"]}, "lists.companies.0.name: '東京 GmbH' makes no domain"),
        (
            {"companies": [{"name": "Torhaus", "size": "12"}]},
            "lists.companies.0.size: '12' is not one of 1-10, ",
        ),
        (
            {"products": [{"name": "A", "price": 0}]},
            "lists.products.0.price: '0' is no price; write an amount above 0",
        ),
        ({"products": [{"name": "A", "price": "-5"}]}, "lists.products.0.price: '-5' is no price"),
        (
            {"products": [{"name": "A", "price": "1.005"}]},
            "lists.products.0.price: '1.005' may be 1005 or 1.005",
        ),
        (
            {"products": [{"name": "A", "price": "10.0051"}]},
            "lists.products.0.price: 10.0051 has more than the 2 decim",
        ),
        ({"products": [{"name": "A"}]}, "lists.products.0.price: is missing"),
        (
            {"products": [{"name": "Volkswagen", "price": 1}]},
            "lists.products.0.name: 'Volkswagen' is the name of a known",
        ),
        (
            {"products": [{"name": "A", "price": 5, "price_to": 5}]},
            "lists.products.0.price_to: 5 to 5 is no range",
        ),
        (
            {"products": [{"name": "A", "price": 5, "price_to": 9}, {"name": "B", "price": 5}]},
            "lists.products.1.price_to: has no price_to, and other products have one",
        ),
        ({"products": [{"name": "A {city}", "price": 5}]}, "lists.products.0.name: 'A {city}' has braces"),
        ({"stages": STAGES[:2]}, "lists.stages: has no stage whose outcome is won; add one"),
        ({"stages": STAGES[1:3]}, "lists.stages: has no stage whose outcome is lost; add one"),
        ({"stages": STAGES[2:]}, "lists.stages: has no stage whose outcome is open; add one"),
        (
            {"stages": [{"name": "A", "probability": 100}]},
            "lists.stages.0.probability: 100 is not the probability of an",
        ),
        (
            {"stages": [{"name": "A", "outcome": "won", "probability": 90}]},
            "lists.stages.0.probability: 90 is not the probability of a stage that is won; write 100",
        ),
        (
            {"stages": [{"name": "A", "probability": 60}, {"name": "B", "probability": 40}]},
            "lists.stages.1.probability: 40 is less than the 60 of an open stage before it",
        ),
        (
            {"beats": [{"beat": "ofer", "form": "talk", "text": "x"}]},
            "lists.beats.0.beat: 'ofer' is not one of ",
        ),
        (
            {"beats": [{"beat": "fact", "form": "tool", "text": "x"}]},
            "lists.beats.0.beat: 'fact' is no beat; write the",
        ),
        (
            {"beats": [{"beat": "offer", "form": "agenda", "text": "x"}]},
            "lists.beats: offer agenda: has 1 lines; give 4",
        ),
        (
            {"beats": [{"beat": "offer", "form": "agenda", "text": "Angebot {produkt}"}]},
            "lists.beats.0.text: unknown slot produkt; use ",
        ),
        (
            {"beats": [{"beat": "nurture", "form": "agenda", "text": "Preis von {product}"}]},
            "lists.beats.0.text: product or amount, where there is none",
        ),
        (
            {"beats": [{"beat": "offer", "form": "agenda", "text": "Heute mit {person}"}]},
            "lists.beats.0.text: 'Heute' depends on the clock",
        ),
        (
            {"topics": [{"topic": "toool", "text": "x"}]},
            "lists.topics.0.topic: no line draws from 'toool'; did you mean",
        ),
        (
            {"topics": [{"topic": "tool", "text": "x"}]},
            "lists.topics: tool belongs line by line with tool_an, tool_bei",
        ),
        ({"topics": [{"topic": "doc", "text": "x"}]}, "lists.topics: doc: has 1 values; give 25 or more"),
        (
            {"topics": [{"topic": "amount", "text": "x"}]},
            "lists.topics.0.topic: 'amount' is a slot with another meaning",
        ),
        (
            {"topics": [{"topic": "doc", "text": "Salesforce"}]},
            "lists.topics.0.text: 'Salesforce' is the name of a known",
        ),
        ({"surname": SURNAMES}, "lists.surname: 'surname' is an unknown key; did you mean surnames?"),
        ({"surnames": [{"nam": "A"}]}, "lists.surnames.0.nam: 'nam' is an unknown key; did you mean name?"),
        ({"surnames": []}, "lists.surnames: lists nothing; give rows, or leave the list out"),
        ({"surnames": 5}, "lists.surnames: is neither a list of rows nor a table of them"),
        ({"surnames": ["x" * 81]}, "lists.surnames.0.name: "),
        ({"surnames": [f"Na{'m' * 50}{place}" for place in range(10_000)]}, "lists: the lists have 5"),
        ({"surnames": ["A"] * 10_001}, "lists.surnames: has more than 10,000 rows; leave some out"),
        (
            {"topics": [{"topic": "doc", "text": "x"}] * 10_001},
            "lists.topics: has more than 10,000 rows; leave some out",
        ),
        (
            {"products": [{"name": f"Product {place}", "price": 10} for place in range(101)]},
            "lists.products: has more than 100 rows; leave some out",
        ),
        (
            {"topics": [{"topic": "writer_name", "text": f"x{place}"} for place in range(25)]},
            "lists.topics.0.topic: 'writer_name' is a slot with another meaning; choose another name",
        ),
    ],
)
def test_each_mistake_is_named_with_its_row(lists: dict[str, Any], expected: str) -> None:
    """What, where, why and what to do."""
    said = refused(**lists)
    assert any(line.startswith(expected) for line in said), said[:5]


def test_all_mistakes_of_all_lists_are_said_at_once() -> None:
    """Values that cannot be read hide none of the others."""
    said = refused(
        surnames=[*SURNAMES, {"name": "X", "weight": "0"}, "Hitler"],
        products=[{"name": "A", "price": "none"}, {"name": "Volkswagen", "price": 1}],
        stages=[{"name": "A", "outcome": "open"}],
    )
    fields = {line.partition(":")[0] for line in said}
    assert fields == {
        "lists.surnames.180.weight",
        "lists.surnames.181.name",
        "lists.products.0.price",
        "lists.products.1.name",
        "lists.stages",
    }


def test_names_suffice_for_the_contacts() -> None:
    """Few names are refused where many people would share them."""
    names = {name: rows[:25] if name != "surnames" else rows[:100] for name, rows in french_names().items()}
    resolved({**TREE, "lists": names})
    with pytest.raises(InputError, match="are 5,000 full names for 2,501 contacts"):
        resolved({**TREE, "totals": {"contacts_created": 2_501}, "lists": names})


def test_what_will_not_be_seen_is_a_warning() -> None:
    """More companies than the blueprint asks for, and prices that no deal of its figures can have."""
    tree = {**TREE, "totals": {**TREE["totals"], "closed_won_value": 500, "pipeline_added_value": 900}}
    companies = [f"{one.capitalize()} GmbH" for one in SURNAMES[:10]]
    products = [{"name": "Leitstand", "price": 4000}]
    _, warnings = resolved({**tree, "lists": {"companies": companies, "products": products}})
    assert any("the last 2 are not used" in one for one in warnings)
    assert any("nothing below 4,000.00 EUR, and a won deal is worth 100.00" in one for one in warnings)


WRONG_ROWS: Final[dict[str, Any]] = {
    "blocked_word": {"name": "Himmler"},
    "tell_tale_word": {"name": "Testmann"},
    "out_of_range": {"name": "Albrunner", "weight": "0"},
    "missing": {"weight": "3"},
    "no_letters": {"name": "東"},
}


@given(
    st.lists(st.sampled_from(sorted(WRONG_ROWS)), min_size=1, max_size=5),
    st.randoms(use_true_random=False),
)
def test_every_wrong_row_is_found_where_it_is(codes: list[str], random: Any) -> None:
    """However many there are, and wherever they stand among good ones."""
    rows: list[tuple[str, Any]] = [("", {"name": name}) for name in SURNAMES[:FEWEST_SURNAMES]]
    for place, code in enumerate(codes):
        row = dict(WRONG_ROWS[code])
        if "name" in row:
            # Different rows: doubles are another mistake.
            row["name"] = (
                f"{row['name']} {'abcde'[place] * 2}" if code != "no_letters" else "東" * (place + 1)
            )
        rows.insert(random.randint(0, len(rows)), (code, row))
    expected = {(code, place) for place, (code, _) in enumerate(rows) if code}
    with pytest.raises(InputError) as caught:
        resolved({**TREE, "lists": {"surnames": [row for _, row in rows]}})
    found = {(one.code, int(str(one.field).split(".")[2])) for one in caught.value.problems}
    assert found == expected
