"""Which numbers and domains reach nobody: those of the packs do, and one digit beside a range does not."""

from __future__ import annotations

import pytest

from demo_pipeline.domain.certificate.reserved import PHONE_RULES, domain_of, domain_rule, phone_rule
from demo_pipeline.domain.reference.countries import COUNTRIES, load_locale


@pytest.mark.parametrize("country", COUNTRIES)
def test_every_number_of_a_pack_is_covered(country: str) -> None:
    """Each number that can be drawn lies in a range that is published for fiction."""
    uncovered = [
        number for number in load_locale(country).places.phones.to_pylist() if phone_rule(str(number)) is None
    ]
    assert uncovered == []


@pytest.mark.parametrize(
    "number",
    [
        *("+1 212-555-0200", "+1 212-556-0100", "+1 112-555-0100", "+44 20 7946 1000", "+44 20 7947 0000"),
        *("+44 161 496 1000", "+44 191 496 0000", "+44 7700 901000", "+49 30 23126 000", "+49 171 39201 00"),
        *(
            "+49 176 040691 00",
            "+33 1 99 01 00 00",
            "+61 2 5551 0000",
            "+46 8 465 005 00",
            "+46 70 174 06 04",
        ),
        *("020 7946 0000", "212-555-0100", "+", "", "+44 20 7946 00000"),
    ],
)
def test_a_number_beside_a_range_is_not_covered(number: str) -> None:
    """A digit more, less or other is another number; without the country's code it may be any."""
    assert phone_rule(number) is None


@pytest.mark.parametrize(
    ("number", "source"),
    [
        ("+1 416-555-0199", "NANPA, 555-0100 to 555-0199"),
        ("+44 29 2018 0123", "Ofcom, numbers for drama"),
        ("+49 176 040690 99", "BNetzA 148/2021"),
        ("+33 1 99 00 12 34", "ARCEP 2018-0881"),
        ("+61 7 7010 1234", "ACMA, numbers for fiction"),
        ("+46 8 465 004 99", "PTS"),
        ("+46 70 174 06 05", "PTS"),
    ],
)
def test_a_reserved_number_names_its_source(number: str, source: str) -> None:
    """The rule says who reserved it."""
    rule = phone_rule(number)
    assert rule is not None
    assert rule.source == source


def test_domains() -> None:
    """Reserved names and the operator's own, with anything below them; nothing that only looks like them."""
    for reserved in ("kranz.example", "example", "a.b.test", "mail.example.com", "KRANZ.Example."):
        assert domain_rule(reserved, None) is not None, reserved
    for real in ("kranz.com", "example.de", "notexample.com", "kranz.example.co", "", "example.kranz.com"):
        assert domain_rule(real, None) is None, real
    assert domain_rule("kranz.demos.io", "demos.io") is not None
    assert domain_rule("kranzdemos.io", "demos.io") is None


def test_the_domain_of_a_value() -> None:
    """Of an e-mail address what is behind the last @, of a website the host."""
    assert domain_of("a@b@kranz.example") == "kranz.example"
    assert domain_of("https://www.kranz.example/team?x=1") == "www.kranz.example"
    assert domain_of("www.kranz.example") == "www.kranz.example"
    assert domain_of("http://kranz.example:8080") == "kranz.example"


def test_rules_do_not_overlap() -> None:
    """Each has a name of its own, so that counts by rule add up."""
    names = [rule.name for rule in PHONE_RULES]
    assert len(set(names)) == len(names)
