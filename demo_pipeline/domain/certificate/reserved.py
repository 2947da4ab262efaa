"""Numbers and domains that are reserved: they are not assigned to anyone and never will be.

The patterns are of whole values, and Python and PostgreSQL read them alike: without regard to case, letters,
digits and blanks of ASCII only.

Written from what the regulators publish, apart from the packs that numbers are drawn from, so that a wrong
line in a pack is found here. Addresses do not belong here: no street is reserved, so any combination of
street, number and town may exist by chance.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Final, LiteralString

#: Tables and columns with values by which a person could be reached.
PHONES: Final[tuple[tuple[LiteralString, LiteralString], ...]] = (
    ("companies", "phone"),
    ("contacts", "phone"),
)
MAILS: Final[tuple[tuple[LiteralString, LiteralString], ...]] = (
    ("users", "email"),
    ("contacts", "email"),
)
SITES: Final[tuple[tuple[LiteralString, LiteralString], ...]] = (
    ("companies", "domain"),
    ("companies", "website"),
)
_FLAGS: Final = re.ASCII | re.IGNORECASE


@dataclass(frozen=True)
class Rule:
    """A kind of reserved values, and the source that reserves them."""

    name: str
    #: of the whole value: digits with the country code of a number, an e-mail address, a website
    pattern: re.Pattern[str]
    source: str


def _numbers(name: str, source: str, *patterns: str) -> Rule:
    return Rule(name, re.compile("|".join(patterns), _FLAGS), source)


#: Codes behind +1 that belong to no area: toll-free, personal, special and short numbers. 555-01xx may be in
#: use there.
_NO_AREA: Final = (
    r"8(?:00|22|33|44|55|66|77|8\d)|900|[2-9]11"
    r"|5(?:00|2[1-9]|33|44|66|77|88)|6(?:00|22|33|44|55|77|88)|7[01]0"
)
_OFCOM: Final = "Ofcom, numbers for drama"
_BNETZA: Final = "BNetzA 148/2021"
#: Reserved for fiction. The pattern is of the digits with the country code.
PHONE_RULES: Final = (
    _numbers(
        "US and CA: 555-0100 to 0199",
        "NANPA, 555-0100 to 555-0199",
        rf"1(?!{_NO_AREA})[2-9]\d{{2}}55501\d{{2}}",
    ),
    _numbers("GB: 020 7946 0xxx", _OFCOM, r"442079460\d{3}"),
    _numbers(
        "GB: other cities, 0xxx",
        _OFCOM,
        r"441(?:1[3-8]|[2-6]1)4960\d{3}",
        r"441914980\d{3}",
        r"442920180\d{3}",
    ),
    _numbers("GB: Northern Ireland, 028 9649 6xxx", _OFCOM, r"442896496\d{3}"),
    _numbers("GB: no area", _OFCOM, r"443069990\d{3}", r"441632960\d{3}", r"447700900\d{3}"),
    _numbers(
        "DE: Berlin, Frankfurt, Hamburg, Köln, München",
        _BNETZA,
        *(r"493023125\d{3}", r"496990009\d{3}", r"494066969\d{3}", r"492214710\d{3}", r"498999998\d{3}"),
    ),
    _numbers("DE: mobile", _BNETZA, r"4917139200\d{2}", r"49176040690\d{2}"),
    _numbers("FR: six ranges", "ARCEP 2018-0881", r"33(?:19900|26191|35301|46571|53649|63998)\d{4}"),
    _numbers("AU: 5550 and 7010", "ACMA, numbers for fiction", r"61[2378](?:5550|7010)\d{4}"),
    _numbers("SE: 08-465 004 00 to 99", "PTS", r"46846500[4]\d{2}", r"46701740(?:6(?:0[5-9]|[1-9]\d))"),
)
_BELOW: Final = r"(?:[a-z0-9-]+\.)*"
_RESERVED_DOMAIN: Final = rf"{_BELOW}(?:example|test|invalid|localhost|example\.(?:com|net|org))"


def phone_rule(phone: str) -> Rule | None:
    """The rule that reserves a number in international form; None if it may be assigned."""
    if not re.match(r"\s*\+", phone, _FLAGS):
        return None
    return _first(PHONE_RULES, re.sub(r"\D", "", phone, flags=_FLAGS))


def mail_rule(address: str, own_domain: str | None) -> Rule | None:
    """The rule that covers an e-mail address; ``own_domain`` is the operator's. None if no rule does."""
    return _first(_mail_rules(own_domain), address)


def site_rule(site: str, own_domain: str | None) -> Rule | None:
    """The rule that covers a website or a domain; None if no rule does."""
    return _first(_site_rules(own_domain), site)


def phone_pattern() -> str:
    """One pattern for the digits of all reserved numbers."""
    return _any(PHONE_RULES)


def mail_pattern(own_domain: str | None) -> str:
    """One pattern for e-mail addresses that a rule covers."""
    return _any(_mail_rules(own_domain))


def site_pattern(own_domain: str | None) -> str:
    """One pattern for websites and domains that a rule covers."""
    return _any(_site_rules(own_domain))


@cache
def _mail_rules(own_domain: str | None) -> tuple[Rule, ...]:
    """An address has one @; a separator would begin another one."""
    return _domain_rules(own_domain, r"\s*[^@\s,;<>]+@", r"\s*")


@cache
def _site_rules(own_domain: str | None) -> tuple[Rule, ...]:
    r"""Scheme and user before the host; port, path, query and fragment behind it.

    Browsers read ``\`` as ``/``. A blank would begin another website.
    """
    return _domain_rules(
        own_domain,
        r"\s*(?:[a-z][a-z0-9+.-]*://)?(?:[^@/?#\\\s,;<>]*@)?",
        r"(?::\d*)?(?:[/?#\\]\S*)?\s*",
    )


def _domain_rules(own_domain: str | None, before: str, behind: str) -> tuple[Rule, ...]:
    """The rules of domains, for values that have something before and behind the domain."""
    domains = [("reserved domain", _RESERVED_DOMAIN, "RFC 2606, RFC 6761")]
    if own_domain is not None:
        own = f"{_BELOW}{re.escape(own_domain)}"
        domains.append(("the operator's domain", own, "mail_domain of the blueprint"))
    return tuple(
        Rule(name, re.compile(rf"{before}(?:{domain})\.?{behind}", _FLAGS), source)
        for name, domain, source in domains
    )


def _first(rules: Iterable[Rule], value: str) -> Rule | None:
    return next((rule for rule in rules if rule.pattern.fullmatch(value)), None)


def _any(rules: Iterable[Rule]) -> str:
    return "|".join(rule.pattern.pattern for rule in rules)
