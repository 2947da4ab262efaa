"""Numbers as people and spreadsheets write them: ``25,000.00``, ``1.250,00 €``, ``$25k``, ``1 250``.

Reads one cell by its form alone and says what it cannot know: a single mark before exactly three digits
(``1.250``) may group thousands or begin decimals. It is never guessed. The other cells of the same file may
settle it (``decimal_mark_of``). What counts as evidence of a decimal mark is a form that has one reading:

- both marks, ``1,250.00`` or ``1.250,00``: the last is the decimal mark;
- a mark that is repeated in groups of three, ``1.250.000`` (or ``12,50,000`` as in India): it groups, so the
  other one is the decimal mark;
- a mark before other than three digits or after other than one to three, ``12,5`` or ``2500.000``, or after
  a leading zero, ``0.250``: it is the decimal mark;
- a mark after groups by blanks or apostrophes, ``1 250,000``: it is the decimal mark.

What separates the columns of a CSV is no evidence, nor is the currency: spreadsheets differ. Where cells of
a file contradict each other, none of it is evidence and the contradiction is a problem.

No value passes through a float, and no exponent is ever expanded. What a figure may be (whole, not
negative, its bounds) is in ``patch_plan.assemble``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from demo_pipeline.domain.parsing.scalars import may_be_grouped, quoted, wrong
from demo_pipeline.domain.reference.countries import CURRENCIES

#: Signs that stand before or after an amount, and the currencies that each may mean.
SIGNS: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "$": frozenset(
            "ARS AUD BBD BMD BND BSD BZD CAD CLP COP CUP DOP FJD GYD HKD JMD KYD LRD MXN NAD NZD SBD SGD SRD "  # noqa: SIM905
            "TTD TWD USD UYU XCD".split()
        ),
        "€": frozenset({"EUR"}),
        "£": frozenset({"GBP"}),
        "¥": frozenset({"JPY", "CNY"}),
        "₹": frozenset({"INR"}),
        "kr": frozenset({"SEK", "NOK", "DKK", "ISK"}),
        "US$": frozenset({"USD"}),
        "A$": frozenset({"AUD"}),
        "C$": frozenset({"CAD"}),
        "CA$": frozenset({"CAD"}),
        "R$": frozenset({"BRL"}),
    }
)
_MULTIPLIERS: Final = MappingProxyType({"k": 3, "m": 6})

MOST_CHARACTERS: Final = 60

_BLANKS: Final = "\u00a0\u2007\u2009\u202f"
_TO_PLAIN: Final = str.maketrans(
    {
        **dict.fromkeys(_BLANKS, " "),
        "\u2019": "'",
        "\u2212": "-",
        "\uffe5": "¥",
        "\u200e": None,
        "\u200f": None,
    }
)
_SPREADSHEET_ERROR: Final = re.compile(r"#(?:REF!|N/A|DIV/0!|VALUE!|NAME\?|NUM!|NULL!|ERROR!)", re.IGNORECASE)
_LITERAL: Final = re.compile(r"(-?)([0-9]+(?:\.[0-9]+)?)(?:[eE]([+-]?)0*([0-9]+))?")
#: What programs write where there is no value.
_NO_VALUES: Final = frozenset({"nan", "null", "none", "nil", "na", "n/a", "nat", "<na>"})
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ].*)?")
_SCIENTIFIC: Final = re.compile(r"[+-]?[0-9]+(?:[.,][0-9]+)?[eE][+-]?[0-9]+")
_MONEY: Final = r"[A-Za-z]{0,3}[$€£¥₹]|[A-Za-z]{2,3}(?![A-Za-z])"
_CELL: Final = re.compile(
    rf"(?P<before>{_MONEY})?\ ?(?P<sign>[+-]?)\ ?(?P<between>{_MONEY})?\ ?"
    rf"(?P<core>[0-9.,][0-9.,' ]*?)\ ?(?P<multiplier>[kKmM](?![A-Za-z]))?\ ?(?P<after>{_MONEY})?(?P<minus>-?)"
)
_WHOLE: Final = re.compile(r"[0-9]+")
_BLANK_GROUPS: Final = re.compile(r"[1-9][0-9]{0,2}(?:(?: [0-9]{3})+|(?:'[0-9]{3})+)(?:([.,])[0-9]+)?")
_ONE_MARK: Final = re.compile(r"([0-9]*)([.,])([0-9]+)")
_GROUPS: Final = MappingProxyType(
    {
        ",": re.compile(r"[1-9][0-9]{0,2}(?:,[0-9]{3})+|[1-9][0-9]?(?:,[0-9]{2})+,[0-9]{3}"),
        ".": re.compile(r"[1-9][0-9]{0,2}(?:\.[0-9]{3})+"),
    }
)
_OTHER: Final = MappingProxyType({".": ",", ",": "."})


@dataclass(frozen=True, kw_only=True)
class WrittenNumber:
    """What one cell says."""

    #: with the open mark, if there is one, as the decimal mark
    amount: Decimal
    #: the mark that may group thousands or begin decimals
    open_mark: str | None = None
    #: what the cell says if the open mark groups thousands
    grouped: Decimal | None = None
    #: the decimal mark that the form proves
    decimal_mark: str | None = None
    #: an ISO code, or a sign of ``SIGNS`` that may mean several
    currency: str | None = None

    def settled(self, decimal_mark: str | None) -> Decimal | None:
        """The number, in a file with this decimal mark; none if it may be two."""
        if self.open_mark is None:
            return self.amount
        if decimal_mark is None:
            return None
        return self.amount if self.open_mark == decimal_mark else self.grouped


def read_literal(text: str) -> WrittenNumber:
    """A number of JSON, where a point is the decimal point and an exponent is exact."""
    if len(text) > MOST_CHARACTERS:
        raise wrong("too_long", f"{quoted(text)} is too long for a number; write plain digits")
    found = _LITERAL.fullmatch(text)
    if not found:
        _refuse_no_value(text)
        raise wrong("not_a_number", f"{quoted(text)} is not a number; write plain digits, like 25000.00")
    sign, digits, exponent_sign, exponent = found.groups()
    number = Decimal(sign + digits)
    if not exponent or not number:
        return WrittenNumber(amount=number)
    if len(exponent) > 2:
        raise wrong("out_of_range", f"{quoted(text)} is out of range; write the number in plain digits")
    return WrittenNumber(amount=_shifted(number, int(exponent_sign + exponent)))


def read_cell(text: str) -> WrittenNumber:
    """A number as a person or a spreadsheet writes it. Raises pydantic errors with our codes."""
    plain = text.strip().translate(_TO_PLAIN).strip()
    if len(plain) > MOST_CHARACTERS:
        raise wrong("too_long", f"{quoted(text)} is too long for a number; write plain digits")
    if _SPREADSHEET_ERROR.fullmatch(plain):
        raise wrong("spreadsheet_error", f"{quoted(text)} is an error of the spreadsheet; mend its formula")
    if plain.startswith("="):
        raise wrong("formula", f"{quoted(text)} is a formula; export values, not formulas")
    _refuse_no_value(text)
    if _DATE.fullmatch(plain):
        raise wrong(
            "date_not_number",
            f"{quoted(text)} is a date; format the cell as a number, and write the number again",
        )
    if plain in {"-", "–", "—"}:
        raise wrong(
            "unclear_dash", f"{quoted(text)} may be 0 or nothing; write 0, or leave the cell empty", "0"
        )
    if _SCIENTIFIC.fullmatch(plain):
        raise wrong(
            "rounded_number",
            f"{quoted(text)} is a number that the spreadsheet has rounded; format the column as plain digits",
        )
    is_bracketed = plain.startswith("(") and plain.endswith(")")
    found = _CELL.fullmatch(plain[1:-1].strip() if is_bracketed else plain)
    if not found:
        raise wrong("not_a_number", f"{quoted(text)} is not a number; write plain digits, like 25000")
    signs = [found["sign"], found["minus"], "-" if is_bracketed else ""]
    monies = [money for money in (found["before"], found["between"], found["after"]) if money]
    number = _core(text, found["core"].strip())
    if sum(map(bool, signs)) > 1 or len(monies) > 1:
        raise wrong("not_a_number", f"{quoted(text)} is not one number; write plain digits, like 25000")
    places = _MULTIPLIERS.get((found["multiplier"] or "").lower(), 0)
    is_negative = "-" in signs
    return WrittenNumber(
        amount=_shifted(number.amount, places, is_negative=is_negative),
        open_mark=number.open_mark,
        grouped=None if number.grouped is None else _shifted(number.grouped, places, is_negative=is_negative),
        decimal_mark=number.decimal_mark,
        currency=currency_of(monies[0]) if monies else None,
    )


def _refuse_no_value(text: str) -> None:
    if text.strip().lower() in _NO_VALUES:
        raise wrong(
            "no_value", f"{quoted(text)} is not a number; leave the cell empty (JSON: null) for no change"
        )


def currency_of(written: str) -> str:
    """An ISO code or a sign, as it is kept; anything else is an error."""
    for known in (written, written.upper(), written.lower()):
        if known in SIGNS:
            meant = SIGNS[known]
            return next(iter(meant)) if len(meant) == 1 else known
        if known in CURRENCIES:
            return known
    raise wrong(
        "unknown_currency",
        f"{quoted(written)} is no currency; write an ISO code like EUR, or the number alone",
    )


def other_currencies(seen: Iterable[str], currency: str) -> tuple[str, ...]:
    """What was seen beside amounts and cannot mean ``currency`` (ISO code), in order."""
    return tuple(sorted(name for name in seen if currency not in SIGNS.get(name, {name})))


def decimal_mark_of(numbers: Iterable[WrittenNumber]) -> str | None:
    """The decimal mark that the cells of one file prove; none if they prove none, or two."""
    marks = {number.decimal_mark for number in numbers if number.decimal_mark is not None}
    return marks.pop() if len(marks) == 1 else None


def _core(text: str, core: str) -> WrittenNumber:
    """Digits with their marks."""
    if _WHOLE.fullmatch(core):
        return WrittenNumber(amount=Decimal(core))
    if found := _BLANK_GROUPS.fullmatch(core):
        return _read(re.sub(r"[ ']", "", core), found[1])
    marks = [character for character in core if character in ".,"]
    last = marks[-1] if marks else ""
    if len(marks) == 1 and (found := _ONE_MARK.fullmatch(core)):
        left, mark, right = found.groups()
        number = _read(core, mark)
        if not may_be_grouped(core.replace(mark, ".")):
            return number
        return WrittenNumber(amount=number.amount, open_mark=mark, grouped=Decimal(left + right))
    if len(set(marks)) == 1 and _GROUPS[last].fullmatch(core):
        return WrittenNumber(amount=Decimal(core.replace(last, "")), decimal_mark=_OTHER[last])
    if len(set(marks)) == 2 and marks.count(last) == 1:
        whole, _, decimals = core.rpartition(last)
        if _GROUPS[_OTHER[last]].fullmatch(whole) and _WHOLE.fullmatch(decimals):
            return _read(core.replace(_OTHER[last], ""), last)
    raise wrong("not_a_number", f"{quoted(text)} is not a number; write plain digits, like 25000.00")


def _read(digits: str, mark: str | None) -> WrittenNumber:
    return WrittenNumber(amount=Decimal(digits.replace(mark or ".", ".")), decimal_mark=mark)


def _shifted(number: Decimal, places: int, *, is_negative: bool = False) -> Decimal:
    """Exact, whatever precision the program around it has set."""
    sign, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int), "not finite"
    return Decimal((int(bool(sign) or is_negative), digits, exponent + places))
