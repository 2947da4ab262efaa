"""What differs from country to country: names, places, phones, calendars, currencies.

A country is a pack (``packs``): ``country.json`` and one file a list. Its lists are read when they are
first used. Weighted lists carry running sums of integer weights, made for
:func:`demo_pipeline.domain.core.random_streams.pick`.

All phone numbers lie in ranges that the regulators keep free for fiction, or that cannot be assigned.
Sentences are in ``texts``, pipelines in ``industries``; how rows draw from the lists is not decided here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from functools import cached_property, lru_cache
from importlib.resources.abc import Traversable
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from demo_pipeline.domain.core.currency import MOST_MINOR_DIGITS, Currency
from demo_pipeline.domain.reference.company_names import CompanyNames, load_company_names, with_own_names
from demo_pipeline.domain.reference.known_names import PEOPLE_FILE, KnownPeople, known_names
from demo_pipeline.domain.reference.names import NameList, plain_strings
from demo_pipeline.domain.reference.own_lists import NO_LISTS, OwnLists
from demo_pipeline.domain.reference.pack_files import PACKAGED, pack_names, read_json, read_table, root

# For types alone: commands that only read need a tenant's currency and make no arrays.
if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

_COMMON: Final = read_json(PACKAGED / "common.json")
#: The country whose pack serves a country that has none.
FALLBACK_COUNTRY: Final[str] = _COMMON["fallback_country"]
#: Packaged countries, the fallback first.
COUNTRIES: Final = tuple(
    sorted(
        (name.upper() for name in pack_names("countries", PACKAGED)),
        key=lambda code: (code != FALLBACK_COUNTRY, code),
    )
)
#: ISO 4217 code → digits of the minor unit
ISO_DIGITS: Final[Mapping[str, int]] = MappingProxyType(
    {code: digits for code, (digits, _) in _COMMON["currencies"].items()}
)
#: ISO 4217 code → the currency as amounts are kept in it
CURRENCIES: Final[Mapping[str, Currency]] = MappingProxyType(
    {code: Currency(code, min(digits, MOST_MINOR_DIGITS)) for code, digits in ISO_DIGITS.items()}
)
_UNITS_PER_USD: Final = {code: Decimal(units) for code, (_, units) in _COMMON["currencies"].items()}
#: Every ISO 3166-1 alpha-2 code.
KNOWN_COUNTRY_CODES: Final[frozenset[str]] = frozenset(_COMMON["country_codes"].split())
#: Of a country; may be absent.
ORIGINS_FILE: Final = "origins.json"
#: Divisible by the usual numbers of units of an address.
_UNIT_WEIGHT: Final = 5040


@dataclass(frozen=True, kw_only=True)
class Source:
    """What some lists of a country were made from, for those who hand its rows on."""

    #: names of the lists, as people say them
    lists: str
    source: str
    licence: str


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
    #: the numbers belong to an area, not to the whole country
    is_area: bool

    def __len__(self) -> int:
        return self.last - self.first + 1

    def number(self, place: int) -> str:
        """The number at ``place``, 0 ≤ place < len."""
        return f"{self.prefix}{self.first + place:0{self.digits}d}"


@dataclass(frozen=True)
class City:
    """A real city; state, postal codes and phone numbers are its own (or nationwide)."""

    name: str
    #: as it is written in an address: ``"TX"``, ``"Greater Manchester"``, ``"Bayern"``
    state: str
    postal_codes: tuple[str, ...]
    phone_ranges: tuple[PhoneRange, ...]


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
    #: flat, grouped by what cities share
    phones: pa.StringArray
    phone_start: NDArray[np.int64]
    phone_count: NDArray[np.int64]
    #: whether the city's numbers have its own area code (the others share a few nationwide numbers)
    has_area_range: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class NamePart:
    """Some of the given names of a country."""

    #: among the given names, women's first
    places: NDArray[np.int64]
    #: running sums of their weights
    cumulative: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Origins:
    """Which names belong together; origin 0 is that of all names that no other origin has."""

    #: for each surname its origin, shape (len(surnames),)
    of_surname: NDArray[np.int64]
    #: people with a surname of the origin whose given name is of it, too, per cent
    same_percent: NDArray[np.int64]
    #: by origin
    female: tuple[NamePart, ...]
    male: tuple[NamePart, ...]


@dataclass(frozen=True, eq=False)
class AddressForms:
    """What addresses have beside street and number; columns of the same length, a row for each unit."""

    #: texts before and after
    before: pa.StringArray
    after: pa.StringArray
    #: the street stands without a house number
    is_without_number: NDArray[np.bool_]
    #: running sums of weights
    cumulative: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Locale:
    """Everything that depends on a tenant's country; lists are read when they are first used."""

    #: of the pack
    folder: Traversable
    #: ISO 3166-1 alpha-2
    country: str
    #: of the texts: a pack in ``languages``
    language: str
    currency: Currency
    #: IANA name of the default time zone
    timezone: str
    #: days off as ``date.weekday()``, Saturday is 5
    weekend: tuple[int, ...]
    #: ``12 High Street`` rather than ``Hauptstraße 12``
    number_before_street: bool
    #: slot of a template → (female, male): the words before a surname, in the case that the slot needs
    honorifics: Mapping[str, tuple[str, str]]
    #: labels of the domains at which private people have their mailboxes; nobody receives mail there
    mailboxes: NameList
    address_forms: AddressForms
    sources: tuple[Source, ...] = ()
    #: lists that a tenant has instead of the country's
    own: OwnLists = NO_LISTS

    @cached_property
    def holidays(self) -> frozenset[date]:
        """Nationwide public holidays (GB: England; US: federal, as observed)."""
        days = (self.folder / "holidays.txt").read_text("utf-8").split()
        return frozenset(map(date.fromisoformat, days))

    @cached_property
    def female(self) -> NameList:
        """Given names, disjoint from :attr:`male`: a generated one decides the form of address."""
        return self._own_or_list("female")

    @cached_property
    def male(self) -> NameList:
        """Given names."""
        return self._own_or_list("male")

    @cached_property
    def surnames(self) -> NameList:
        """Family names, the most frequent first."""
        return self._own_or_list("surnames")

    @cached_property
    def origins(self) -> Origins:
        """Which given names and surnames are of one origin."""
        return _origins(self)

    @cached_property
    def known_people(self) -> KnownPeople:
        """Pairs of names that are those of known people."""
        names, given = known_names(self.folder, PEOPLE_FILE), (*self.female.ascii, *self.male.ascii)
        return KnownPeople.of(names, given, self.surnames, self.origins.of_surname)

    @cached_property
    def streets(self) -> NameList:
        """Names of streets."""
        return self._list("streets")

    @cached_property
    def house_numbers(self) -> NameList:
        """As written: ``"12"``, ``"12a"``, ``"4210"``."""
        return self._list("house_numbers")

    @cached_property
    def places(self) -> Places:
        """Cities, their postal codes and their phone numbers."""
        return _places(self.folder)

    @cached_property
    def companies(self) -> CompanyNames:
        """Parts of the names of companies, and whole names of a tenant's own."""
        if self.own:
            # The country's founders, whatever the tenant's people are called.
            names = load_locale(self.country).companies
            return with_own_names(names, self.own.companies) if self.own.companies else names
        sizes: list[tuple[str, Any]] = _COMMON["company_sizes"]
        cities = [city.name for city in self.places.cities]
        return load_company_names(self.folder, self.surnames, cities, NameList.of(*zip(*sizes, strict=True)))

    @cached_property
    def given(self) -> pa.StringArray:
        """Given names, women's first."""
        return plain_strings((*self.female.names, *self.male.names))

    @cached_property
    def given_ascii(self) -> pa.StringArray:
        """:attr:`given` for e-mail addresses."""
        return plain_strings((*self.female.ascii, *self.male.ascii))

    def is_female(self, first_name: str) -> bool | None:
        """Which list a first name is from; ``None`` if it is in neither (a person typed it)."""
        if first_name in self.female.index:
            return True
        return False if first_name in self.male.index else None

    @property
    def has_own_people(self) -> bool:
        """Whether names of people are a tenant's own."""
        return bool(self.own.female or self.own.male or self.own.surnames)

    def _own_or_list(self, name: str) -> NameList:
        own = getattr(self.own, name)
        return NameList.of(*zip(*own, strict=True)) if own else self._list(name)

    def _list(self, name: str) -> NameList:
        table = read_table(self.folder / f"{name}.tsv")
        return NameList.of(table["name"], table["weight"])


def has_pack(country: str) -> bool:
    """Whether a country has lists of its own."""
    return country.isupper() and country.lower() in pack_names("countries", root())


def resolve_country(country: str) -> str:
    """The country whose lists serve ``country``: itself, or the fallback (the caller warns)."""
    return country if has_pack(country) else FALLBACK_COUNTRY


def language_of(country: str) -> str:
    """The language of a packaged country. ``KeyError`` if it has no pack."""
    if not has_pack(country):
        raise KeyError(country)
    return read_json(root() / "countries" / country.lower() / "country.json")["language"]


def load_locale(country: str, own: OwnLists = NO_LISTS) -> Locale:
    """The pack of a country with a tenant's own lists. ``KeyError`` if it has none.

    The pack is read once a process.
    """
    if not has_pack(country):
        raise KeyError(country)
    locale = _load(root() / "countries" / country.lower())
    return _with_own(locale, own) if own else locale


@lru_cache(8)
def _with_own(locale: Locale, own: OwnLists) -> Locale:
    return replace(locale, own=own)


@lru_cache
def _load(folder: Traversable) -> Locale:
    raw = read_json(folder / "country.json")
    mailboxes: dict[str, int] = raw.pop("mailboxes", {"post": 1})
    honorifics = {slot: (forms["female"], forms["male"]) for slot, forms in raw.pop("honorifics").items()}
    return Locale(
        folder,
        folder.name.upper(),
        currency=CURRENCIES[raw.pop("currency")],
        weekend=tuple(raw.pop("weekend")),
        honorifics=MappingProxyType(honorifics),
        address_forms=_address_forms(raw.pop("address_forms", [{"form": "{address}", "weight": 1}])),
        mailboxes=NameList.of(tuple(mailboxes), tuple(mailboxes.values())),
        sources=tuple(Source(**one) for one in raw.pop("sources", ())),
        **raw,
    )


def units_per_usd(currency: Currency) -> Decimal:
    """Roughly how many units of a currency one US dollar is worth, to scale deal sizes.

    Not an exchange rate: rounded to the order and first digit or two, and frozen. ``KeyError`` for one
    that is not in ``CURRENCIES``.
    """
    return _UNITS_PER_USD[currency.code]


def _origins(locale: Locale) -> Origins:
    import numpy as np

    file = locale.folder / ORIGINS_FILE
    # A tenant's own names belong together as they are.
    has_origins = file.is_file() and not locale.has_own_people
    declared: list[Mapping[str, Any]] = list(read_json(file).values()) if has_origins else []
    of_surname = np.zeros(len(locale.surnames), np.int64)
    for origin, one in enumerate(declared, 1):
        of_surname[[locale.surnames.index[name] for name in one["surnames"].split(", ")]] = origin

    def parts(names: NameList, sex: str, first: int) -> tuple[NamePart, ...]:
        groups = [{names.index[name] for name in one[sex].split()} for one in declared]
        own = set(range(len(names))).difference(*groups)
        weights = names.weights
        chosen = [np.array(sorted(group), np.int64) for group in (own, *groups)]
        return tuple(NamePart(first + places, np.cumsum(weights[places])) for places in chosen)

    return Origins(
        of_surname=of_surname,
        same_percent=np.array([100, *(one["same_percent"] for one in declared)], np.int64),
        female=parts(locale.female, "female", 0),
        male=parts(locale.male, "male", len(locale.female)),
    )


def _address_forms(rows: Sequence[Mapping[str, Any]]) -> AddressForms:
    """Forms with their units spelt out: the weight of a form is shared by its units."""
    import numpy as np

    before: list[str] = []
    after: list[str] = []
    is_without_number: list[bool] = []
    weights: list[int] = []
    for row in rows:
        first, last, step = row.get("units", (0, 0, 1))
        units = range(first, last + 1, step)
        for unit in units:
            slot = "{street}" if "{street}" in row["form"] else "{address}"
            left, _, right = row["form"].replace("{unit}", str(unit)).partition(slot)
            before.append(left)
            after.append(right)
            is_without_number.append(slot == "{street}")
            weights.append(row["weight"] * _UNIT_WEIGHT // len(units))
    return AddressForms(
        before=plain_strings(before),
        after=plain_strings(after),
        is_without_number=np.array(is_without_number, np.bool_),
        cumulative=np.cumsum(np.array(weights, np.int64)),
    )


def _places(folder: Traversable) -> Places:
    import numpy as np

    phones, table = read_table(folder / "phones.tsv"), read_table(folder / "cities.tsv")
    columns = [phones[name] for name in ("range", "prefix", "first", "last", "digits", "scope")]
    ranges = {
        name: PhoneRange(prefix, int(first), int(last), int(digits), scope == "area")
        for name, prefix, first, last, digits, scope in zip(*columns, strict=True)
    }
    cities = tuple(
        City(name, state, tuple(codes.split(",")), tuple(ranges[key] for key in keys.split(",")))
        for name, state, codes, keys in zip(
            table["name"], table["state"], table["postal_codes"], table["phones"], strict=True
        )
    )
    # Cities with the same ranges share one part of the flat list.
    starts: dict[tuple[PhoneRange, ...], int] = {}
    numbers: list[str] = []
    for city in cities:
        if city.phone_ranges not in starts:
            starts[city.phone_ranges] = len(numbers)
            numbers += [one.number(place) for one in city.phone_ranges for place in range(len(one))]
    postal_count = np.array([len(city.postal_codes) for city in cities], np.int64)
    return Places(
        cities=cities,
        cumulative=np.cumsum(np.array(table["weight"], np.int64)),
        city_names=plain_strings(table["name"]),
        states=plain_strings(table["state"]),
        postal_codes=plain_strings([code for city in cities for code in city.postal_codes]),
        postal_start=np.cumsum(postal_count) - postal_count,
        postal_count=postal_count,
        phones=plain_strings(numbers),
        phone_start=np.array([starts[city.phone_ranges] for city in cities], np.int64),
        phone_count=np.array([sum(map(len, city.phone_ranges)) for city in cities], np.int64),
        has_area_range=np.array([any(one.is_area for one in city.phone_ranges) for city in cities], np.bool_),
    )
