"""Planted faults of names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from demo_pipeline.domain.scorecard.columns import (
    Companies,
    Contacts,
    TenantColumns,
)
from tests.builders.scorecard_rows import firms, rows, tenant
from tests.domain.scorecard.planted.cases import Case, Cases, both

CASES: Final = Cases()


def contacts(**columns: Any) -> TenantColumns:
    """Contacts and nothing else."""
    return tenant(contacts=rows(Contacts, 600, **columns))


@CASES.add
def frequent_surnames() -> Case:
    rare = [f"Rare{place}" for place in range(18)]
    return contacts(last_name=["Smith", "Jones", *rare]), contacts(last_name=rare)


@CASES.add
def american_surnames() -> Case:
    return contacts(last_name=["Pritchard", "Hughes"]), contacts(last_name=["Pritchard", "Rodriguez"])


@CASES.add
def names_of_one_origin() -> Case:
    return (
        contacts(first_name=["Imran", "Ayesha", "James"], last_name=["Khan", "Patel", "Ali"]),
        contacts(first_name=["Gareth", "Susan", "James"], last_name=["Khan", "Patel", "Ali"]),
    )


@CASES.add
def known_people() -> Case:
    surnames = ["Hughes"] * 599
    return (
        contacts(first_name="Mary", last_name=[*surnames, "Whitcombe"]),
        contacts(first_name="Mary", last_name=[*surnames, "Robinson"]),
    )


@CASES.add
def known_companies() -> Case:
    names = ["Northgate Foods Ltd"] * 99
    return firms(name=[*names, "Ford Mills Ltd"]), firms(name=[*names, "FORD MOTORS Ltd"])


@CASES.add
def name_patterns() -> Case:
    mixed = ["Hughes Ltd", "Northgate Foods Ltd", "BTK Ltd", "Leeds Glass Ltd", "Oak & Iron Ltd", "Penna Ltd"]

    def named(names: Sequence[str]) -> TenantColumns:
        contacts = rows(Contacts, 1, last_name="Hughes")
        return tenant(contacts=contacts, companies=rows(Companies, 300, name=names, city="Leeds"))

    return both(named, mixed, ["Northgate Foods Ltd", "Westbrook Metals Ltd"])


@CASES.add
def uneven_words() -> Case:
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = [f"{one}{two}stone" for one in letters for two in letters[:8]]
    return (
        firms(name=[f"{word} {'Foods' if place % 2 else 'Glass'} Ltd" for place, word in enumerate(words)]),
        firms(name=[f"{word} Ltd" for word in words]),
    )


@CASES.add
def coined_names() -> Case:
    return firms(name=["Northgate Ltd", "Hughes Ltd"]), firms(name=["Northgate Ltd", "Xerionex Ltd"])


@CASES.add
def wrong_region() -> Case:
    def named(state: str) -> TenantColumns:
        return firms(country="DE", name="Moseltal Weine GmbH", city="Ort", state=state)

    return both(named, "Rheinland-Pfalz", "Berlin")


@CASES.add
def form_against_size() -> Case:
    return firms(name="Kranz AG", size=3, country="DE"), firms(name="Kranz AG", size=0, country="DE")


@CASES.add
def size_exponent() -> Case:
    law = [4] * 7 + [3] * 23 + [2] * 140 + [1] * 820
    return firms(1000, size=law), firms(1000, size=[1, 2, 3, 4, 5])


@CASES.add
def foreign_english() -> Case:
    return firms(name="Harbour Theatre Ltd"), firms(name=["Harbor Couriers LLC", "Northgate Ltd"])
