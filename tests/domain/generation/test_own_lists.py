"""Tenants with lists of their own: rows are made of them as declared, and nothing else changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import pytest

from demo_pipeline.domain.generation.generator import Generator
from demo_pipeline.domain.reference.countries import load_locale
from demo_pipeline.domain.reference.industries import load_industry
from tests.assertions.generated_rows import Row, batches_of, figures_of, fingerprint, rows_of
from tests.builders.blueprints import NOW, resolved
from tests.builders.own_lists import french_names

BLUEPRINT: Final[dict[str, Any]] = {
    "name": "Kranz Logistik",
    "country": "DE",
    "industry": "saas",
    "start_month": "2025-01",
    "end_month": "2025-06",
    "seed": "29",
    "totals": {
        "leads_created": 120,
        "contacts_created": 300,
        "companies_created": 60,
        "deals_created": 160,
        "closed_won_count": 50,
        "activities_created": 700,
    },
}
PRICES: Final = [
    {"name": "Routenplaner", "price": "49.50"},
    {"name": "Routenplaner Plus", "price": 390},
    {"name": "Leitstand", "price": "1799.95"},
]
BASKET_PRICES: Final = [
    {"name": "Wandhaken", "price": "9.90"},
    {"name": "Regalbrett", "price": 39},
    {"name": "Werkbank", "price": "179.95"},
]
RANGES: Final[list[dict[str, Any]]] = [
    {"name": "Beratung", "price": 500, "price_to": 8_000},
    {"name": "Umbau", "price": 8_000, "price_to": 90_000},
]
STAGES: Final = [
    {"name": "Anfrage"},
    {"name": "Ortstermin", "probability": 40},
    {"name": "Beauftragt", "outcome": "won"},
    {"name": "Abgesagt", "outcome": "lost"},
]


def made(lists: Mapping[str, Any], **changes: Any) -> tuple[Any, dict[str, list[Row]]]:
    """The tenant with these lists, and its rows."""
    spec, _ = resolved({**BLUEPRINT, **changes, "lists": lists})
    return spec, rows_of(batches_of(spec, NOW))


def test_the_same_lists_make_the_same_rows() -> None:
    """And other lists, or another order, make others."""
    lists = {**french_names(), "products": PRICES, "stages": STAGES}
    first, again = (
        fingerprint(batches_of(resolved({**BLUEPRINT, "lists": lists})[0], NOW)) for _ in range(2)
    )
    assert first == again
    lists["products"] = PRICES[::-1]
    assert fingerprint(batches_of(resolved({**BLUEPRINT, "lists": lists})[0], NOW)) != first


def test_a_list_changes_nothing_but_its_own_columns() -> None:
    """Stages of the same number are renamed and nothing else; packs read afterwards are as before."""
    plain, _ = resolved(BLUEPRINT)
    before = rows_of(batches_of(plain, NOW))
    stages = [
        {
            "name": f"Stufe {stage.position}",
            "outcome": "won" if stage.is_won else "lost" if stage.is_lost else "open",
            "probability": stage.probability,
            "weight": stage.weight,
        }
        for stage in load_industry("saas").stages
    ]
    _, after = made({"stages": stages})
    assert [row["name"] for row in after["pipeline_stages"]] == [one["name"] for one in stages]
    for row, old in zip(after["pipeline_stages"], before["pipeline_stages"], strict=True):
        assert {**row, "name": old["name"]} == old
    assert {**after, "pipeline_stages": []} == {**before, "pipeline_stages": []}
    assert rows_of(batches_of(plain, NOW)) == before


def test_figures_are_exact_with_all_lists() -> None:
    """Counts and values of every month are those of the blueprint."""
    companies = ["Almquell Spedition GmbH", "Torhaus AG"]
    lists = {**french_names(), "products": PRICES, "stages": STAGES, "companies": companies}
    spec, rows = made(lists)
    found = figures_of(rows, spec.currency)
    assert {month: found[month] for month in spec.months} == dict(spec.by_month)


def test_people_have_the_names_of_the_lists() -> None:
    """Contacts and the team; the list of a given name decides the form of address."""
    lists = french_names()
    known = {name: {row["name"] for row in rows} for name, rows in lists.items()}
    _, rows = made(lists)
    for table in ("contacts", "users"):
        assert {row["last_name"] for row in rows[table]} <= known["surnames"]
        assert {row["first_name"] for row in rows[table]} <= known["female"] | known["male"]
    counts = Counter(row["last_name"] for row in rows["contacts"])
    heavy, light = (
        sum(counts[row["name"]] for row in part)
        for part in (lists["surnames"][:100], lists["surnames"][300:])
    )
    assert heavy > 3 * light, "weights count"
    names = {row["id"]: row for row in rows["contacts"]}
    greeted = [
        (names[row["contact_id"]], row["description"].partition("\n")[0])
        for row in rows["activities"]
        if row["type"] == "email" and row["description"]
    ]
    women = [contact["first_name"] for contact, line in greeted if f"Frau {contact['last_name']}," in line]
    men = [contact["first_name"] for contact, line in greeted if f"Herr {contact['last_name']}," in line]
    assert min(len(women), len(men)) > 20
    assert set(women) <= known["female"]
    assert set(men) <= known["male"]


def test_one_list_of_names_leaves_the_others() -> None:
    """Surnames alone: given names are the country's."""
    lists = {"surnames": french_names()["surnames"]}
    _, rows = made(lists)
    locale = load_locale("DE")
    assert all(locale.is_female(row["first_name"]) is not None for row in rows["contacts"])


def test_no_pair_is_a_known_person() -> None:
    """Also of names that a tenant brings: the next surname serves instead."""
    names = french_names()
    lists = {
        "female": [{"name": "Angela", "weight": 500_000}, *names["female"]],
        "male": [{"name": "Olaf", "weight": 500_000}, *names["male"]],
        "surnames": [
            {"name": "Merkel", "weight": 500_000},
            {"name": "Scholz", "weight": 500_000},
            *names["surnames"],
        ],
    }
    _, rows = made(lists)
    pairs = Counter((row["first_name"], row["last_name"]) for row in rows["contacts"])
    assert pairs["Angela", "Scholz"] > 20
    assert pairs["Angela", "Merkel"] == pairs["Olaf", "Scholz"] == 0


def test_companies_are_spread_over_the_span_in_their_order() -> None:
    """Domains, sizes and industries follow from the names, and no name is there twice."""
    names = [
        f"{one}{two} Spedition GmbH"
        for one in ("Alm", "Tor", "Quell")
        for two in ("hof", "werk", "stadt", "berg")
    ]
    rows_of_list: list[Any] = [*names, {"name": "Brunnkamp Holz e.K.", "industry": "Forst"}]
    _, rows = made({"companies": rows_of_list})
    in_order = sorted(rows["companies"], key=lambda row: row["created_at"])
    found = [row for row in in_order if row["name"] in {*names, "Brunnkamp Holz e.K."}]
    assert [row["name"] for row in found] == [*names, "Brunnkamp Holz e.K."]
    assert len({row["_month"] for row in found}) == 6
    assert found[0]["domain"] == "almhof-spedition.example"
    assert {row["industry"] for row in found[:-1]} == {"Logistik"}
    assert found[-1]["industry"] == "Forst"
    assert (
        len({row["name"] for row in rows["companies"]})
        == len({row["domain"] for row in rows["companies"]})
        == 60
    )


def test_titles_call_an_own_company_without_its_legal_form() -> None:
    """As people do; the row has the name in full."""
    names = [f"Torhof{one}werk GmbH" for one in "abcdefghijklmnopqrstuvwxyz"]
    _, rows = made({"companies": names})
    titles = " ".join(row["title"] for row in rows["deals"])
    assert sum(name.removesuffix(" GmbH") in titles for name in names) > 5
    assert not any(name in titles for name in names)


def test_the_legal_form_of_an_own_company_fits_its_size() -> None:
    """A sole trader has few people, and a declared size is kept."""
    letters = "abcdefghijklmnopqrst"
    traders = [f"Brunn{one}kamp e.K." for one in letters]
    sized = [{"name": f"Moor{one}kamp e.K.", "size": "201-500"} for one in letters]
    _, rows = made({"companies": [*traders, *sized]})
    sizes = {row["name"]: row["size"] for row in rows["companies"]}
    assert {sizes[name] for name in traders} <= {"1-10", "11-50"}
    assert {sizes[str(one["name"])] for one in sized} == {"201-500"}


def test_texts_know_the_legal_form_of_an_own_company() -> None:
    """What may be said of a firm follows from the form in its name; a name without one has none."""
    names = ["Almkamp e.K.", "Torkamp AG", "Moorkamp"]
    spec, _ = resolved({**BLUEPRINT, "lists": {"companies": names}})
    generator = Generator(spec, NOW)
    rows = [row for month in spec.months for row in generator.month(month) if row.table == "companies"]
    made_names = [row["name"] for batch in rows for row in batch.rows.to_pylist()]
    forms = (*load_locale("DE").companies.legal_forms.names, "")
    known = dict(zip(made_names, vars(generator)["_index"].companies.legal_form.tolist(), strict=True))
    assert [forms[known[name]] for name in names] == ["e.K.", "AG", ""]


def test_made_companies_do_not_repeat_own_names() -> None:
    """A name that the country could make is left to the one that has it, domain included."""
    spec, _ = resolved(BLUEPRINT)
    made_before = [row["name"] for row in rows_of(batches_of(spec, NOW))["companies"]]
    _, rows = made({"companies": made_before[:30]})
    domains = Counter(row["domain"] for row in rows["companies"])
    assert max(domains.values()) == 1
    assert set(made_before[:30]) <= {row["name"] for row in rows["companies"]}


@pytest.mark.parametrize("industry", ["saas", "ecommerce", "finserv", "realestate"])
def test_prices_explain_the_values(industry: str) -> None:
    """A value that is no odd amount is so many pieces, less a discount of the trade or with its shipping."""
    is_basket = industry == "ecommerce"
    prices = BASKET_PRICES if is_basket else PRICES
    spec, rows = made({"products": prices}, industry=industry)
    minor = [one.price_minor for one in spec.lists.products]
    discounts = {0, *(one for one, _ in load_industry(industry).pricing.discounts)}
    values = [int(row["value"] * 100) for row in rows["deals"] if row["value"]]
    explained = sum(is_explained(value, minor, discounts, is_basket=is_basket) for value in values)
    assert explained >= 0.75 * len(values)
    named = [row for row in rows["deals"] if any(one["name"] in row["title"] for one in prices)]
    assert len(named) == len(rows["deals"])


def is_explained(value: int, prices: Sequence[int], discounts: set[int], *, is_basket: bool) -> bool:
    """Pieces of one product at a discount; of a basket up to three pieces, with a shipping cost below 15."""
    for price in prices:
        for discount in discounts:
            unit = price * (1000 - discount) // 1000
            if value % unit == 0:
                return True
    if not is_basket:
        return False
    sums = {*prices, *(a + b for a in prices for b in prices)}
    sums |= {a + b for a in sums for b in prices}
    return any(0 <= value - whole < 1500 for whole in sums)


def test_products_with_a_range_have_amounts_within_it() -> None:
    """Whatever the trade; the range is kept in every city."""
    for industry in ("saas", "realestate"):
        _, rows = made({"products": RANGES}, industry=industry)
        inside = outside = 0
        for row in rows["deals"]:
            if not row["value"]:
                continue
            # A name may be part of another one.
            product = max(
                (one for one in RANGES if one["name"] in row["title"]), key=lambda one: len(one["name"])
            )
            # Rounded as people write amounts; beyond all ranges the nearest product serves.
            is_beyond = row["value"] > 85_000 or row["value"] < 550
            fits = product["price"] * Decimal("0.95") <= row["value"] <= product["price_to"] * Decimal("1.05")
            inside, outside = inside + (fits or is_beyond), outside + (not fits and not is_beyond)
        assert outside <= 0.12 * (inside + outside), "odd amounts may leave it"


def test_own_lines_and_topics_are_said() -> None:
    """All tasks of some steps are own lines, whose topics are drawn from the own list."""
    places = [f"Halle {first}{second}" for first in "ABCDE" for second in "klmno"]
    lines = [
        "{first} nach {ort} fragen",
        "{ort} mit {last} planen",
        "{person}: {ort}",
        "{ort}, {last}",
        "{ort}?",
    ]
    steps = ("qualification", "need", "offer", "waiting", "nurture")
    lists = {
        "beats": [
            {"beat": step, "form": "task", "text": f"{text} ({step})"} for step in steps for text in lines
        ],
        "topics": [{"topic": "ort", "text": place} for place in places],
    }
    _, rows = made(lists)
    said = [row["description"] or "" for row in rows["activities"] if row["type"] == "task"]
    own = [text for text in said if text.endswith(tuple(f"({step})" for step in steps))]
    assert len(own) >= 20
    assert all(any(place in text for place in places) for text in own)
    assert len({place for place in places for text in own if place in text}) >= 10
    assert not any("{" in (row["description"] or "") for row in rows["activities"])


def test_months_after_the_span_go_on_with_the_lists() -> None:
    """A living tenant: names from the lists, further companies from the country."""
    changes = {"end_month": None, "start_month": "2026-06"}
    names = [f"Torhof{one}werk GmbH" for one in "abcdefghij"]
    lists: dict[str, Any] = {**french_names(), "companies": names}
    spec, _ = resolved({**BLUEPRINT, **changes, "lists": lists})
    generator = Generator(spec, NOW)
    rows = rows_of(
        batch for month in spec.start_month.until(spec.end_month + 2) for batch in generator.month(month)
    )
    surnames = {row["name"] for row in lists["surnames"]}
    assert {row["last_name"] for row in rows["contacts"]} <= surnames
    assert sum(row["name"] in names for row in rows["companies"]) == len(names)
    assert len({row["domain"] for row in rows["companies"]}) == len(rows["companies"])
