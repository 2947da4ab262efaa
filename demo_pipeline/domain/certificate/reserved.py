"""Numbers and domains that are reserved: nobody has them, and nobody can get them.

Written from what the regulators publish, apart from the packs that numbers are drawn from, so that a wrong
line in a pack is found here. Addresses do not belong here: no street is reserved, so any combination of
street, number and town may exist by chance.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Rule:
    """Values that reach nobody, and who says so."""

    name: str
    #: of the whole value: digits with the country code of a number, a domain in lower case
    pattern: re.Pattern[str]
    source: str


def _numbers(name: str, source: str, *patterns: str) -> Rule:
    return Rule(name, re.compile("|".join(patterns)), source)


_OFCOM: Final = "Ofcom, numbers for drama"
_BNETZA: Final = "BNetzA 148/2021"
#: Reserved for fiction. The pattern is of the digits with the country code.
PHONE_RULES: Final = (
    _numbers("US and CA: 555-0100 to 0199", "NANPA, 555-0100 to 555-0199", r"1[2-9]\d{2}55501\d{2}"),
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
RESERVED_DOMAIN: Final = Rule(
    "reserved domain",
    re.compile(r"(?:[a-z0-9-]+\.)*(?:example|test|invalid|localhost|example\.(?:com|net|org))"),
    "RFC 2606, RFC 6761",
)


def phone_rule(phone: str) -> Rule | None:
    """The rule by which a number in international form reaches nobody; None: it may reach somebody."""
    if not phone.strip().startswith("+"):
        return None
    digits = re.sub(r"\D", "", phone)
    return next((rule for rule in PHONE_RULES if rule.pattern.fullmatch(digits)), None)


def domain_rule(domain: str, own_domain: str | None) -> Rule | None:
    """The rule by which a domain reaches nobody but the operator, whose domain is ``own_domain``."""
    domain = domain.strip().lower().rstrip(".")
    if RESERVED_DOMAIN.pattern.fullmatch(domain):
        return RESERVED_DOMAIN
    if own_domain is not None and (domain == own_domain.lower() or domain.endswith(f".{own_domain.lower()}")):
        return Rule(
            "the operator's domain", re.compile(re.escape(own_domain)), "mail_domain of the blueprint"
        )
    return None


def phone_pattern() -> str:
    """One pattern for the digits of all reserved numbers, as Python and PostgreSQL read it."""
    return "|".join(rule.pattern.pattern for rule in PHONE_RULES)


def domain_pattern(own_domain: str | None) -> str:
    """One pattern for domains that reach nobody but the operator, as Python and PostgreSQL read it."""
    if own_domain is None:
        return RESERVED_DOMAIN.pattern.pattern
    return f"{RESERVED_DOMAIN.pattern.pattern}|(?:[a-z0-9-]+\\.)*{re.escape(own_domain.lower())}"


def domain_of(value: str) -> str:
    """The domain of an e-mail address, of a website, or the value itself."""
    host = value.strip().rpartition("@")[2]
    host = re.sub(r"^[a-z][a-z0-9+.-]*://", "", host, flags=re.IGNORECASE)
    return re.split(r"[/:?#]", host, maxsplit=1)[0]
