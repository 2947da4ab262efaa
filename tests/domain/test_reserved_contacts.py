"""Which numbers and domains are reserved: those of the packs are, one digit beside a range is not."""

from __future__ import annotations

import pytest

from demo_pipeline.domain.certificate.reserved import PHONE_RULES, mail_rule, phone_rule, site_rule
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


@pytest.mark.parametrize(
    "area",
    [
        *("800", "833", "844", "855", "866", "877", "888", "822", "889", "900", "211", "411", "911"),
        *("500", "521", "533", "600", "622", "700", "710"),
    ],
)
def test_a_code_of_no_area_is_not_covered(area: str) -> None:
    """Behind toll-free and service codes the same digits may be somebody's number."""
    assert phone_rule(f"+1 {area}-555-0100") is None


def test_domains() -> None:
    """Reserved names and the operator's own, with anything below them; nothing that only looks like them."""
    for reserved in ("kranz.example", "example", "a.b.test", "mail.example.com", "KRANZ.Example."):
        assert site_rule(reserved, None) is not None, reserved
    for real in ("kranz.com", "example.de", "notexample.com", "kranz.example.co", "", "example.kranz.com"):
        assert site_rule(real, None) is None, real
    for rule in (site_rule("kranz.demos.io", "demos.io"), mail_rule("a@Kranz.Demos.io", "demos.io")):
        assert rule is not None
        assert rule.name == "the operator's domain"
    assert site_rule("kranzdemos.io", "demos.io") is None
    assert site_rule("kranz.demosXio", "demos.io") is None


@pytest.mark.parametrize(
    "value",
    [
        *("https://www.kranz.example/team?x=1", "http://kranz.example:8080", "nora:pw@kranz.example/@b"),
        *("kranz.example#a@b.com", "https://x.test?to=a@gmail.com", " HTTPS://Kranz.Example./ "),
    ],
)
def test_a_website_that_reaches_nobody(value: str) -> None:
    """The host counts: without scheme, path, query and fragment, then without user and port."""
    assert site_rule(value, None) is not None


@pytest.mark.parametrize(
    "value",
    [
        *("https://medium.com/@acme.example", "https://evil.com/?to=x@acme.example", "evil.com/@x.test"),
        *("evil.com#@x.test", "https://evil.com\\@x.test", "mailto:a@evil.com,b@x.test", "a@evil.com@x.test"),
        *("evil.com x.test", "//evil.com/x.test", "kranz.example:80@evil.com", "evil.com\n@x.test"),
    ],
)
def test_a_website_that_may_reach_somebody(value: str) -> None:
    """A reserved name in a path, a query, a fragment or a list of addresses is no host."""
    assert site_rule(value, None) is None


def test_addresses() -> None:
    """An e-mail address has one @ and no separator: more than one address is never covered."""
    for reserved in ("a@kranz.example", " A.B+c@mail.kranz.EXAMPLE. "):
        assert mail_rule(reserved, None) is not None, reserved
    for real in (
        *("a@b@kranz.example", "a@gmail.com, b@acme.example", "a@gmail.com b@acme.example", "kranz.example"),
        *("a@gmail.com;b@acme.example", "A <a@acme.example>", "a,b@acme.example", "a;b@acme.example"),
        *("a b@acme.example", "@acme.example", "a@acme.example/x", "a@gmail.com\nb@acme.example"),
    ):
        assert mail_rule(real, None) is None, real


def test_rules_do_not_overlap() -> None:
    """Each has a name of its own, so that counts by rule add up."""
    names = [rule.name for rule in PHONE_RULES]
    assert len(set(names)) == len(names)
