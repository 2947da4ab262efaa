"""The single values of a blueprint or plan: what each may be, and the remedy where it is not.

A value arrives as it was written (text), or from a program as the proper type. No value passes through a
float. Each parser raises a pydantic error with a stable code and a whole sentence. Rules between several
values do not belong here (``blueprint.checks``, ``feasibility``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from typing import Annotated, Any, Final, LiteralString, cast

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from demo_pipeline.domain.core.errors import Problem
from demo_pipeline.domain.core.months import MOST_MONTHS, Month
from demo_pipeline.domain.reference.countries import COUNTRIES, CURRENCIES, KNOWN_COUNTRY_CODES
from demo_pipeline.domain.reference.industries import INDUSTRIES

#: Words that would tell a tenant what it is: none may begin with one of these.
TELL_TALE_STEMS: Final = ("demo", "test", "fake", "lorem", "sample", "generated", "dummy")
TELL_TALE: Final = re.compile(rf"(?<![^\W_])(?:{'|'.join(TELL_TALE_STEMS)})", re.IGNORECASE)

#: Where people have their private mail. An operator owns none of them.
PUBLIC_MAIL_PROVIDERS: Final = frozenset(
    "aol.com bigpond.com bk.ru bluewin.ch btinternet.com comcast.net fastmail.com free.fr freenet.de "  # noqa: SIM905
    "gmail.com gmx.at gmx.ch gmx.com gmx.de gmx.net googlemail.com hey.com hotmail.co.uk hotmail.com "
    "hotmail.de hotmail.fr icloud.com inbox.ru laposte.net libero.it live.co.uk live.com mac.com "
    "mail.com mail.ru me.com msn.com naver.com orange.fr outlook.com outlook.de pm.me posteo.de "
    "proton.me protonmail.com qq.com rediffmail.com rocketmail.com sky.com t-online.de tuta.com "
    "tutanota.com verizon.net virgilio.it wanadoo.fr web.de yahoo.co.jp yahoo.co.uk yahoo.com "
    "yahoo.de yahoo.fr yandex.ru ymail.com 163.com 126.com ziggo.nl att.net cox.net zoho.com "
    "hushmail.com virginmedia.com".split()
)

#: Counts and amounts beyond any cap; keeps arithmetic and messages short.
_MOST_DIGITS: Final = 13
_LONGEST_NUMBER: Final = 60
#: characters of a word that are compared with known words
_LONGEST_WORD: Final = 80
#: characters of a name in a list
_LONGEST_NAME: Final = 80
#: characters of a value in a message
_MOST_SHOWN: Final = 40
_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST: Final = re.compile(rf"(?:{_LABEL}\.)+(?=[a-z])[a-z0-9-]{{1,62}}[a-z0-9]")
_COUNT: Final = re.compile(r"[0-9]+")
_DECIMAL: Final = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?")
#: a point before exactly three digits, which it may group
_GROUPED: Final = re.compile(r"[1-9][0-9]{0,2}\.[0-9]{3}")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufeff]")


def wrong(code: str, message: str, suggestion: object = None) -> PydanticCustomError:
    """A problem of one value. ``suggestion`` is what to write instead."""
    # The whole sentence is a parameter: a template would read braces in the user's value.
    return PydanticCustomError(
        cast("LiteralString", code), "{message}", {"message": message, "suggestion": suggestion}
    )


def shortened(text: str) -> str:
    """At most 40 characters of a value, with nothing in them that a terminal or a log would obey."""
    escaped = "".join(
        character if character.isprintable() else repr(character)[1:-1]
        for character in text[: _MOST_SHOWN + 1]
    )
    return escaped if len(escaped) <= _MOST_SHOWN else f"{escaped[: _MOST_SHOWN - 3]}..."


def quoted(value: object) -> str:
    """The same, quoted for a message."""
    return f"'{shortened(str(value))}'"


def _unknown(code: str, word: str, what: str, suggestion: str | None, more: str = "") -> PydanticCustomError:
    """The error for a word that is not known, with the one that may be meant."""
    hint = f"; did you mean {suggestion}?" if suggestion else ""
    return wrong(code, f"{quoted(word)} is not {what}{hint}{more}", suggestion)


def may_be_grouped(text: str) -> bool:
    """Whether plain digits with one point may group thousands with it: ``1.250`` may be 1250."""
    return bool(_GROUPED.fullmatch(text))


def plain_decimal(text: str) -> Decimal | None:
    """A number in digits with at most one point; None for other text, and for a point that may group."""
    if not _DECIMAL.fullmatch(text) or may_be_grouped(text.lstrip("+-")):
        return None
    return Decimal(text)


def refuse_grouped(text: str) -> None:
    """Ask which number is meant by ``1.250``. Raises a pydantic error with our code."""
    if may_be_grouped(text):
        whole, decimal = text.replace(".", ""), f"{Decimal(text).normalize():f}"
        raise wrong(
            "ambiguous_number",
            f"{quoted(text)} may be {whole} or {decimal}; write the one that is meant",
            whole,
        )


def nearest(word: str, known: Sequence[str], *, likeness: float = 0.6) -> str | None:
    """The known word that a person may have meant; ``likeness`` from 0 to 1, the same word."""
    return next(iter(get_close_matches(word[:_LONGEST_WORD], known, n=1, cutoff=likeness)), None)


def text_of(value: object) -> str:
    """Text as it was written; a whole number from a program is taken as its digits."""
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise wrong("not_text", f"{quoted(value)} is not text; write one value")


def whole_number(least: int, most: int | None = None) -> Callable[[object], int]:
    """A parser for whole numbers from ``least`` to ``most``, in digits."""
    limits = f"from {least} to {most}" if most is not None else f"of at least {least}"

    def parse(value: object) -> int:
        if isinstance(value, int) and not isinstance(value, bool):
            number = value
        elif isinstance(value, str) and _COUNT.fullmatch(value.removeprefix("+")):
            if len(value.lstrip("+0")) > _MOST_DIGITS:
                raise wrong("too_large", f"{quoted(value)} is too large; {_MOST_DIGITS} digits are the most")
            number = int(value)
        else:
            code = "negative" if isinstance(value, str) and value.startswith("-") else "not_a_whole_number"
            raise wrong(
                code,
                f"{quoted(value)} is not a whole number {limits}; write digits only, like {max(least, 8)}",
            )
        if number < least or (most is not None and number > most):
            code = "negative" if number < 0 else "out_of_range"
            raise wrong(code, f"{number} is out of range; write a whole number {limits}")
        if number >= 10**_MOST_DIGITS:
            raise wrong("too_large", f"{quoted(number)} is too large; {_MOST_DIGITS} digits are the most")
        return number

    return parse


def decimal_number(
    least: Decimal, most: Decimal, *, places: int, is_least_allowed: bool = True
) -> Callable[[object], Decimal]:
    """A parser for plain decimals from ``least`` to ``most`` with at most ``places`` decimals."""
    lower = f"{least}" if is_least_allowed else f"more than {least}"
    limits = f"from {lower} to {most}"

    def parse(value: object) -> Decimal:
        number = _decimal_of(value)
        if number is None:
            raise wrong(
                "not_a_number", f"{quoted(value)} is not a number {limits}; write plain digits, like 0.25"
            )
        if (
            not number.is_finite()
            or not (least <= number <= most)
            or (number == least and not is_least_allowed)
        ):
            code = "negative" if number.is_finite() and number < 0 and least == 0 else "out_of_range"
            raise wrong(code, f"{quoted(value)} is out of range; write a number {limits}")
        if number != round(number, places):
            raise wrong("too_many_decimals", f"{quoted(value)} has more than {places} decimals")
        return number

    return parse


def _decimal_of(value: object) -> Decimal | None:
    match value:
        case Decimal():
            return value
        case bool():
            return None
        case int():
            return Decimal(value)
        case str() if len(value) <= _LONGEST_NUMBER and _DECIMAL.fullmatch(value):
            return Decimal(value)
        case _:
            return None


_AMOUNT_MOST: Final = Decimal(10**_MOST_DIGITS - 1)
_amount = decimal_number(Decimal(0), _AMOUNT_MOST, places=6)


def parse_amount(value: object) -> Decimal:
    """Money in major units: finite, not negative, in plain digits. The currency's decimals come later."""
    if isinstance(value, str):
        refuse_grouped(value)
    try:
        return _amount(value)
    except PydanticCustomError as error:
        if error.type != "not_a_number":
            raise
    except InvalidOperation:
        pass
    raise wrong("not_an_amount", f"{quoted(value)} is not an amount; write plain digits, like 150000.00")


def parse_price(value: object) -> Decimal:
    """Money in major units above 0, in plain digits."""
    try:
        price = parse_amount(value)
    except PydanticCustomError as error:
        if error.type != "negative":
            raise
        price = Decimal(0)
    if not price:
        raise wrong("not_positive", f"{quoted(value)} is no price; write an amount above 0")
    return price


def parse_month(value: object) -> Month:
    """``YYYY-MM``."""
    if isinstance(value, Month):
        return value
    text = text_of(value)
    try:
        # Other scripts have digits too, which the calendar would read and the database would not.
        return Month.parse(text if text.isascii() else "")
    except ValueError:
        raise wrong("bad_month", f"{quoted(value)} is not a month; write YYYY-MM, like 2025-01") from None


def parse_flag(value: object) -> bool:
    """YAML 1.2's ``true`` and ``false``, nothing else."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in {"true", "false"}:
        return value.lower() == "true"
    raise wrong("not_a_flag", f"{quoted(value)} is neither true nor false")


def parse_name(value: object) -> str:
    """What the tenant sees: 3 to 100 characters that do not give it away."""
    name = text_of(value).strip()
    if _CONTROL.search(name):
        raise wrong("control_character", f"{quoted(name)} has a character that cannot be seen; leave it out")
    if not 3 <= len(name) <= 100:
        raise wrong("bad_length", f"{quoted(name)} has {len(name)} characters; 3 to 100 are allowed")
    if found := TELL_TALE.search(name):
        raise wrong(
            "tell_tale_word",
            f"{quoted(name)} has a word that begins with {found[0]!r}: the tenant would see what it is; "
            "choose another name",
        )
    return name


def line_of_text(most: int, *, pattern: str = "", what: str = "") -> Callable[[object], str]:
    """A parser for a text in one line of 1 to ``most`` characters; ``what`` says what ``pattern`` allows."""
    compiled = re.compile(pattern) if pattern else None

    def parse(value: object) -> str:
        text = text_of(value).strip()
        if _CONTROL.search(text):
            raise wrong(
                "control_character", f"{quoted(text)} has a character that cannot be seen; leave it out"
            )
        if not 1 <= len(text) <= most:
            raise wrong("bad_length", f"{quoted(text)} has {len(text)} characters; 1 to {most} are allowed")
        if compiled is not None and not compiled.fullmatch(text):
            raise wrong("bad_name", f"{quoted(text)} has other characters than {what}; choose another name")
        return text

    return parse


def parse_country(value: object) -> str:
    """An ISO 3166-1 alpha-2 code, with lists of its own or not."""
    code = text_of(value)
    if code in KNOWN_COUNTRY_CODES:
        return code
    upper = {"UK": "GB", "EL": "GR"}.get(code.upper(), code.upper())
    suggestion = upper if upper in KNOWN_COUNTRY_CODES else None
    what = "a country code (ISO 3166-1, two capital letters)"
    raise _unknown(
        "unknown_country", code, what, suggestion, f"; with lists of their own: {', '.join(COUNTRIES)}"
    )


def one_of(what: str, known: Sequence[str]) -> Callable[[object], str]:
    """A parser for one of some words, that names them all."""

    def parse(value: object) -> str:
        word = text_of(value)
        if word in known:
            return word
        close = nearest(word.lower(), known)
        raise _unknown(f"unknown_{what}", word, f"one of {', '.join(known)}", close)

    return parse


def word_of(what: str, known: Sequence[str]) -> Callable[[str], str]:
    """The same in any case."""
    read = one_of(what, known)
    return lambda text: read(text.strip().casefold())


def read_each(
    field: str, written: Iterable[str], read: Callable[[str], str]
) -> tuple[tuple[str, ...], list[Problem]]:
    """What ``read`` makes of each text, and a problem of ``field`` for each that it refuses."""
    found: list[str] = []
    problems: list[Problem] = []
    for text in written:
        try:
            found.append(read(text.strip()))
        except PydanticCustomError as error:
            suggestion = (error.context or {}).get("suggestion")
            problems.append(
                Problem(
                    code=error.type, field=field, value=text, message=error.message(), suggestion=suggestion
                )
            )
    return tuple(found), problems


def parse_seed(value: object) -> str:
    """Any text as it was written: 007 is not 7."""
    seed = text_of(value)
    if not 1 <= len(seed) <= 200:
        raise wrong("bad_length", f"{quoted(seed)} has {len(seed)} characters; 1 to 200 are allowed")
    try:
        seed.encode()
    except UnicodeEncodeError:
        raise wrong("control_character", f"{quoted(seed)} is not text") from None
    if "\0" in seed:
        raise wrong(
            "control_character", f"{quoted(seed)} has a NUL character, which the database cannot keep"
        )
    return seed


@cache
def known_timezones() -> frozenset[str]:
    """The IANA names of the pinned tzdata package, not of the system."""
    names = files("tzdata").joinpath("zones").read_text("utf-8").split()
    return frozenset(name for name in names if name != "Factory")


def parse_timezone(value: object) -> str:
    """An IANA name."""
    name = text_of(value)
    if name in known_timezones():
        return name
    close = nearest(name, sorted(known_timezones()))
    raise _unknown("unknown_timezone", name, "an IANA time zone, like Europe/Berlin", close)


def parse_currency(value: object) -> str:
    """An ISO 4217 code."""
    code = text_of(value)
    if code in CURRENCIES:
        return code
    suggestion = code.upper() if code.upper() in CURRENCIES else None
    what = "a currency code (ISO 4217, three capital letters, like EUR)"
    raise _unknown("unknown_currency", code, what, suggestion)


def parse_mail_domain(value: object) -> str:
    """A host name that one operator can own, in lower case."""
    host = text_of(value).lower().removesuffix(".")
    # 100 leaves room for a company's own label in front and a mailbox before that.
    if len(host) > 100 or not _HOST.fullmatch(host):
        raise wrong(
            "bad_mail_domain",
            f"{quoted(value)} is not a host name; write a domain that you own, like crm.kranz-gruppe.de",
        )
    labels = host.split(".")
    if any(".".join(labels[index:]) in PUBLIC_MAIL_PROVIDERS for index in range(len(labels))):
        raise wrong(
            "public_mail_domain",
            f"{quoted(host)} belongs to a public mail provider: messages would reach real people; "
            "write a domain that you own, or leave mail_domain out",
        )
    return host


def _scalar(parse: Callable[[object], Any], **schema: Any) -> Any:
    return PlainValidator(parse), WithJsonSchema(schema)


#: For the defaults in the published schema, which are numbers there; nothing is planned from it.
_SHOWN = PlainSerializer(float, return_type=float, when_used="json")


Count = Annotated[int, *_scalar(whole_number(0), type="integer", minimum=0)]
Amount = Annotated[Decimal, *_scalar(parse_amount, type="number", minimum=0), _SHOWN]
Price = Annotated[Decimal, *_scalar(parse_price, type="number", exclusiveMinimum=0), _SHOWN]
Share = Annotated[
    Decimal,
    *_scalar(decimal_number(Decimal(0), Decimal(1), places=6), type="number", minimum=0, maximum=1),
    _SHOWN,
]
MonthlyRate = Annotated[
    Decimal,
    *_scalar(
        decimal_number(Decimal(-1), Decimal(10), places=6, is_least_allowed=False),
        type="number",
        exclusiveMinimum=-1,
        maximum=10,
    ),
    _SHOWN,
]
LostRatio = Annotated[
    Decimal,
    *_scalar(
        decimal_number(Decimal(0), Decimal(10), places=6, is_least_allowed=False),
        type="number",
        exclusiveMinimum=0,
        maximum=10,
    ),
    _SHOWN,
]
SlaHours = Annotated[
    Decimal,
    *_scalar(
        decimal_number(Decimal(0), Decimal(720), places=2, is_least_allowed=False),
        type="number",
        exclusiveMinimum=0,
        maximum=720,
    ),
    _SHOWN,
]
TeamSize = Annotated[int, *_scalar(whole_number(2, 50), type="integer", minimum=2, maximum=50)]
SpanLength = Annotated[
    int, *_scalar(whole_number(1, MOST_MONTHS), type="integer", minimum=1, maximum=MOST_MONTHS)
]
Flag = Annotated[bool, *_scalar(parse_flag, type="boolean")]
YearMonth = Annotated[
    Month,
    *_scalar(parse_month, type="string", pattern="^[0-9]{4}-(0[1-9]|1[0-2])$"),
    PlainSerializer(str, return_type=str),
]
TenantName = Annotated[str, *_scalar(parse_name, type="string", minLength=3, maxLength=100)]
ShortText = Annotated[
    str, *_scalar(line_of_text(_LONGEST_NAME), type="string", minLength=1, maxLength=_LONGEST_NAME)
]
Country = Annotated[
    str, *_scalar(parse_country, type="string", pattern="^[A-Z]{2}$", examples=list(COUNTRIES))
]
IndustryKey = Annotated[str, *_scalar(one_of("industry", INDUSTRIES), enum=list(INDUSTRIES))]
Seed = Annotated[str, *_scalar(parse_seed, type=["string", "number"])]
TimezoneName = Annotated[str, *_scalar(parse_timezone, type="string", examples=["Europe/Berlin"])]
CurrencyCode = Annotated[str, *_scalar(parse_currency, type="string", pattern="^[A-Z]{3}$")]
MailDomain = Annotated[str, *_scalar(parse_mail_domain, type="string", format="hostname")]
