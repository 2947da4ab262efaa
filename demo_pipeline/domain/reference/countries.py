"""What differs from country to country: names, places, phones, calendars, currencies.

Everything here is frozen: the lists are files of this package, written by ``scripts/build_lists.py`` and
versioned as a whole (``versions.LISTS_VERSION``), so that an upgrade of a library never changes a tenant.
Weighted lists carry running sums of integer weights, made for
:func:`demo_pipeline.domain.core.random_streams.pick`.

All phone numbers lie in ranges that the regulators keep free for fiction; no list has a word that would
give a tenant away. Sentences are in ``texts``, pipelines in ``industries``; how rows draw from the lists is
not decided here.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cached_property, lru_cache
from importlib.resources import files
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from demo_pipeline.domain.core.currency import MOST_MINOR_DIGITS, Currency

# For types alone: commands that only read know a tenant's country and make no arrays, and are a quarter of
# their time quicker without.
if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

#: Countries with lists of their own, the fallback first.
COUNTRIES: Final = ("US", "GB", "DE")
FALLBACK_COUNTRY: Final = "US"

_TRANSLITERATION: Final = str.maketrans(
    {
        "ä": "ae",
        "ö": "oe",
        "ü": "ue",
        "ß": "ss",
        "æ": "ae",
        "ø": "o",
        "å": "a",
        "ł": "l",
        "đ": "d",
        "ð": "d",
        "þ": "th",
        "ı": "i",
        "œ": "oe",
    }
)


@dataclass(frozen=True, eq=False)
class NameList:
    """Strings with weights, in a frozen order."""

    names: tuple[str, ...]
    #: running sums of positive integer weights, shape (len(names),)
    cumulative: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def ascii(self) -> tuple[str, ...]:
        """Each name as :func:`ascii_label`, for e-mail local parts and domain labels."""
        return tuple(ascii_label(name) for name in self.names)

    @cached_property
    def arrow(self) -> pa.StringArray:
        """The names as a plain Arrow string array, to ``take`` from."""
        import pyarrow as pa

        return pa.array(self.names, pa.string())

    @cached_property
    def arrow_ascii(self) -> pa.StringArray:
        """:attr:`ascii` as a plain Arrow string array."""
        import pyarrow as pa

        return pa.array(self.ascii, pa.string())

    @cached_property
    def index(self) -> Mapping[str, int]:
        """Place of each name."""
        return MappingProxyType({name: place for place, name in enumerate(self.names)})


@dataclass(frozen=True)
class PhoneRange:
    """Numbers that nobody has: ``prefix`` and a number of ``digits`` digits from ``first`` to ``last``.

    ``prefix`` is in international form and ends where the number goes on, separator included
    (``"+49 30 23125 "``, ``"+1 212-555-"``).
    """

    prefix: str
    first: int
    last: int
    digits: int

    def __len__(self) -> int:
        return self.last - self.first + 1

    def number(self, place: int) -> str:
        """The number at ``place``, 0 ≤ place < len."""
        return f"{self.prefix}{self.first + place:0{self.digits}d}"


@dataclass(frozen=True)
class City:
    """A real city; state, postal codes and phone numbers are its own (or mobile, for DE)."""

    name: str
    #: as it is written in an address: ``"TX"``, ``"Greater Manchester"``, ``"Bayern"``
    state: str
    postal_codes: tuple[str, ...]
    #: places in :attr:`Locale.phone_ranges`
    phone_ranges: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Places:
    """The cities of a country in columns. ``*_start`` and ``*_count`` cut the flat lists by city."""

    cities: tuple[City, ...]
    #: running sums of weights (roughly inhabitants), shape (cities,)
    cumulative: NDArray[np.int64]
    city_names: pa.StringArray
    states: pa.StringArray
    #: flat, grouped by city
    postal_codes: pa.StringArray
    postal_start: NDArray[np.int64]
    postal_count: NDArray[np.int64]
    #: flat, grouped by phone range (shared by cities); a city's are contiguous
    phones: pa.StringArray
    phone_start: NDArray[np.int64]
    phone_count: NDArray[np.int64]
    #: whether the city's numbers have its own area code (the others share a few nationwide mobile numbers)
    has_area_range: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class CompanyNames:
    """Parts of the names of customer companies: ``f"{stem} {descriptor} {legal_form}"``.

    The domain label is ``f"{stems.ascii[i]}-{descriptors.ascii[j]}"``; different (stem, descriptor) give
    different names and different labels, so a permutation of the pairs needs no check for doubles.
    """

    stems: NameList
    descriptors: NameList
    #: for each descriptor the place of its industry in ``industries``, shape (len(descriptors),)
    descriptor_industry: NDArray[np.int64]
    #: labels of ``companies.industry``; weights are those of their descriptors
    industries: NameList
    legal_forms: NameList
    #: ``companies.size``, from small to large, weighted P(size > s) ∝ s^-1.06 (Axtell, Science 2001)
    sizes: NameList


@dataclass(frozen=True, eq=False)
class Locale:
    """Everything that depends on a tenant's country."""

    country: str
    #: of the texts: ``en`` or ``de``
    language: str
    currency: Currency
    #: IANA name of the default time zone
    timezone: str
    #: days off as ``date.weekday()``, Saturday is 5
    weekend: tuple[int, ...]
    #: nationwide public holidays from 2019-12 to 2032-12 (GB: England; US: federal, as observed)
    holidays: frozenset[date]
    #: disjoint from ``male``: a generated first name tells which form of address fits
    female: NameList
    male: NameList
    surnames: NameList
    honorific_female: str
    honorific_male: str
    places: Places
    streets: NameList
    #: as written: ``"12"``, ``"12a"``, ``"4210"``
    house_numbers: NameList
    #: ``12 High Street`` rather than ``Hauptstraße 12``
    number_before_street: bool
    phone_ranges: tuple[PhoneRange, ...]
    companies: CompanyNames

    @cached_property
    def given(self) -> pa.StringArray:
        """Given names, women's first."""
        import pyarrow as pa

        return pa.concat_arrays([self.female.arrow, self.male.arrow])

    @cached_property
    def given_ascii(self) -> pa.StringArray:
        """:attr:`given` for e-mail addresses."""
        import pyarrow as pa

        return pa.concat_arrays([self.female.arrow_ascii, self.male.arrow_ascii])

    def is_female(self, first_name: str) -> bool | None:
        """Which list a first name is from; ``None`` if it is in neither (a person typed it)."""
        if first_name in self.female.index:
            return True
        return False if first_name in self.male.index else None


def resolve_country(country: str) -> str:
    """The country whose lists serve ``country``: itself, or the fallback (the caller warns)."""
    return country if country in COUNTRIES else FALLBACK_COUNTRY


@lru_cache(maxsize=len(COUNTRIES))
def load_locale(country: str) -> Locale:
    """The lists of a country, read once a process. ``KeyError`` if it is not one of ``COUNTRIES``."""
    if country not in COUNTRIES:
        raise KeyError(country)
    import numpy as np

    raw = read_list(country.lower())
    companies = raw["companies"]
    ranges = tuple(PhoneRange(*row) for row in raw["phone_ranges"])
    return Locale(
        country=country,
        language=raw["language"],
        currency=CURRENCIES[raw["currency"]],
        timezone=raw["timezone"],
        weekend=tuple(raw["weekend"]),
        holidays=frozenset(date.fromisoformat(day) for day in raw["holidays"]),
        female=_name_list(raw["female"]),
        male=_name_list(raw["male"]),
        surnames=_name_list(raw["surnames"]),
        honorific_female=raw["honorifics"]["female"],
        honorific_male=raw["honorifics"]["male"],
        places=_places(raw["cities"], ranges),
        streets=_name_list(raw["streets"]),
        house_numbers=_name_list(raw["house_numbers"]),
        number_before_street=raw["number_before_street"],
        phone_ranges=ranges,
        companies=CompanyNames(
            stems=_name_list(companies["stems"]),
            descriptors=_name_list(companies["descriptors"]),
            descriptor_industry=np.array(companies["descriptor_industry"], np.int64),
            industries=_name_list(companies["industries"]),
            legal_forms=_name_list(companies["legal_forms"]),
            sizes=_name_list(companies["sizes"]),
        ),
    )


def units_per_usd(currency: Currency) -> Decimal:
    """Roughly how many units of a currency one US dollar is worth, to scale deal sizes.

    Not an exchange rate: rounded to the order and first digit or two, and frozen. ``KeyError`` for one
    that is not in ``CURRENCIES``.
    """
    return _UNITS_PER_USD[currency.code]


@lru_cache(maxsize=16_384)
def ascii_label(text: str) -> str:
    """A name in lower-case letters and digits only: ``"Müller-Lüders"`` → ``"muellerlueders"``."""
    lowered = text.lower().translate(_TRANSLITERATION)
    decomposed = unicodedata.normalize("NFKD", lowered)
    return "".join(char for char in decomposed if char.isascii() and char.isalnum())


def read_list(name: str) -> dict[str, Any]:
    """One packaged list file, ``data/<name>.json``, as it is."""
    return json.loads(files("demo_pipeline.domain.reference").joinpath("data", f"{name}.json").read_bytes())


def _name_list(raw: dict[str, Any]) -> NameList:
    import numpy as np

    names = tuple(raw["names"])
    weights = raw.get("weights")
    cumulative = (
        np.arange(1, len(names) + 1, dtype=np.int64)
        if weights is None
        else np.cumsum(np.array(weights, np.int64))
    )
    return NameList(names, cumulative)


def _places(raw: list[dict[str, Any]], ranges: tuple[PhoneRange, ...]) -> Places:
    import numpy as np
    import pyarrow as pa

    cities = tuple(
        City(row["name"], row["state"], tuple(row["postal_codes"]), tuple(row["phone_ranges"])) for row in raw
    )
    postal_count = np.array([len(city.postal_codes) for city in cities], np.int64)
    sizes = np.array([len(one) for one in ranges], np.int64)
    range_start = np.cumsum(sizes) - sizes
    return Places(
        cities=cities,
        cumulative=np.cumsum(np.array([row["weight"] for row in raw], np.int64)),
        city_names=pa.array([city.name for city in cities], pa.string()),
        states=pa.array([city.state for city in cities], pa.string()),
        postal_codes=pa.array([code for city in cities for code in city.postal_codes], pa.string()),
        postal_start=np.cumsum(postal_count) - postal_count,
        postal_count=postal_count,
        phones=pa.array([one.number(place) for one in ranges for place in range(len(one))], pa.string()),
        phone_start=np.array([range_start[city.phone_ranges[0]] for city in cities], np.int64),
        phone_count=np.array(
            [sum(int(sizes[place]) for place in city.phone_ranges) for city in cities], np.int64
        ),
        has_area_range=np.array([row["has_area_range"] for row in raw], np.bool_),
    )


_CURRENCIES: Final = read_list("currencies")
#: ISO 4217 code → digits of the minor unit
ISO_DIGITS: Final[Mapping[str, int]] = MappingProxyType(
    {code: digits for code, (digits, _) in _CURRENCIES["currencies"].items()}
)
#: ISO 4217 code → the currency as amounts are kept in it
CURRENCIES: Final[Mapping[str, Currency]] = MappingProxyType(
    {code: Currency(code, min(digits, MOST_MINOR_DIGITS)) for code, digits in ISO_DIGITS.items()}
)
_UNITS_PER_USD: Final = {code: Decimal(units) for code, (_, units) in _CURRENCIES["currencies"].items()}
#: Every ISO 3166-1 alpha-2 code.
KNOWN_COUNTRY_CODES: Final[frozenset[str]] = frozenset(_CURRENCIES["countries"])
