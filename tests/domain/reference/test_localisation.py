"""What differs from country to country, held against libraries that know nothing of the packs (risk G8).

Names: Faker's lists of a neighbour, since some lists of ours were made from Faker's own for the country.
Phones: libphonenumber. Postal codes and the order of an address: Faker. Language, currency, weekend and time
zone: CLDR, through Babel. Holidays: ``holidays``.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping, Sequence
from datetime import date
from functools import cache
from typing import Any, Final
from zoneinfo import ZoneInfo

import holidays
import numpy as np
import phonenumbers
import pytest
from babel import Locale as Cldr
from babel.core import get_global
from babel.languages import get_official_languages
from babel.numbers import get_currency_precision, get_territory_currencies
from faker import Faker

from demo_pipeline.domain.reference import blocked_words
from demo_pipeline.domain.reference.countries import (
    COUNTRIES,
    CURRENCIES,
    FALLBACK_COUNTRY,
    ISO_DIGITS,
    KNOWN_COUNTRY_CODES,
    load_locale,
    resolve_country,
    units_per_usd,
)
from demo_pipeline.domain.reference.languages import LANGUAGES
from demo_pipeline.domain.reference.names import NameList
from scripts.listbuild.words import Sieve
from tests.assertions.generated_rows import Row, batches_of, rows_of
from tests.builders.believable_tenants import believable
from tests.builders.blueprints import NOW, resolved
from tests.paths import PROJECT

#: Faker's locale of each country.
FAKER: Final = {"US": "en_US", "GB": "en_GB", "DE": "de_DE", "FR": "fr_FR"}
#: Faker's lists to compare with, of given names and of surnames: no pack is made from them. Then the least
#: share of people whose surname is in that list.
NEIGHBOURS: Final = {
    "US": ("en_NZ", "en_GB", 0.20),
    "GB": ("en_NZ", "en_IE", 0.30),
    "DE": ("de_CH", "de_AT", 0.15),
    "FR": ("fr_BE", "fr_FR", 0.10),
}
#: Subdivision whose holidays a country has.
SUBDIVISIONS: Final = {"GB": "ENG"}
#: By language: words that a native would not read in an office, then harmless ones that look like them.
CRUDE: Final = {
    "de": ("Arsch Hure Hitler Buchenwald Fotze", "Arschfahl Hurtig Hütler Buchenhain"),
    "en": ("Shit Cunt Slut Wanker Manson", "Shirt Count Slate Walker Mason"),
    "fr": ("Merde Connard Putain Salope Pétain Enculé", "Mer Conrad Pétanque Pique-nique Cul-de-sac"),
}


@cache
def tenant_rows(country: str) -> Mapping[str, Sequence[Row]]:
    """A software company's year of 1,500 rows."""
    return rows_of(batches_of(resolved(believable(country, "saas", 1_500), now=NOW)[0], NOW))


def faker_names(locale: str, kind: str) -> set[str]:
    """A list of Faker's provider of people: ``first_names_female``, ``first_names_male``, ``last_names``."""
    provider: Any = importlib.import_module(f"faker.providers.person.{locale}").Provider
    return set(getattr(provider, kind))


def share_of(names: NameList, known: set[str]) -> float:
    """How many people have a name that is known, as a share."""
    weights = np.diff(names.cumulative, prepend=0)
    return float(sum(weights[[name in known for name in names.names]]) / names.cumulative[-1])


def address_formats(country: str) -> Any:
    """Faker's provider of addresses."""
    return importlib.import_module(f"faker.providers.address.{FAKER[country]}").Provider


@pytest.mark.risk("G8")
@pytest.mark.parametrize("country", COUNTRIES)
def test_g08_given_names_are_of_their_sex(country: str) -> None:
    """Most women and men have a name that a neighbour knows for their sex, hardly any the other's."""
    locale = load_locale(country)
    neighbour = NEIGHBOURS[country][0]
    women, men = (faker_names(neighbour, f"first_names_{sex}") for sex in ("female", "male"))
    for names, own, other in ((locale.female, women, men), (locale.male, men, women)):
        assert share_of(names, own) > 0.7
        assert share_of(names, other - own) < 0.03


@pytest.mark.risk("G8")
@pytest.mark.parametrize("country", COUNTRIES)
def test_g08_surnames_are_those_of_the_country(country: str) -> None:
    """A known share of people has a surname of a neighbour's list, and few have a foreign one."""
    surnames = load_locale(country).surnames
    _, neighbour, least = NEIGHBOURS[country]
    assert share_of(surnames, faker_names(neighbour, "last_names")) > least
    for stranger in {"de_DE", "fr_FR", "it_IT"} - {FAKER[country]}:
        assert share_of(surnames, faker_names(stranger, "last_names")) < 0.07, stranger


POSTCODES = {
    "US": r"\d{5}",
    "GB": r"[A-Z]{1,2}\d[A-Z\d]? \d[ABD-HJLNP-UW-Z]{2}",
    "DE": r"\d{5}",
    "FR": r"(?:0[1-9]|[1-8]\d|9[0-5])\d{3}",
}

#: What the regulators keep free for fiction, national number without the country code.
FICTION = {
    "US": r"\d{3}55501\d{2}",
    "GB": r"2079460\d{3}|1(?:1[34678]|[23456]1)4960\d{3}|1914980\d{3}|2920180\d{3}|3069990\d{3}",
    "DE": r"3023125\d{3}|6990009\d{3}|4066969\d{3}|2214710\d{3}|8999998\d{3}|17139200\d{2}|176040690\d{2}",
    "FR": r"(?:19900|26191|35301|46571|53649)\d{4}",
}


@pytest.mark.risk("G8")
@pytest.mark.parametrize("country", COUNTRIES)
def test_g08_every_phone_is_valid_and_nobodys(country: str) -> None:
    """Every number that a city can give is valid for libphonenumber and lies in a range for fiction."""
    places = load_locale(country).places
    reachable = {
        place
        for start, count in zip(places.phone_start, places.phone_count, strict=True)
        for place in range(start, start + count)
    }
    numbers = [str(number) for number in places.phones.to_pylist()]
    assert reachable == set(range(len(numbers)))
    assert len(set(numbers)) == len(numbers)
    for number in numbers:
        assert re.fullmatch(FICTION[country], re.sub(r"\D", "", number.split(" ", 1)[1])), number
    for number in numbers[::17]:
        parsed = phonenumbers.parse(number)
        assert phonenumbers.is_valid_number(parsed), number
        assert phonenumbers.region_code_for_number(parsed) == country, number


@pytest.mark.risk("G8")
@pytest.mark.parametrize("country", ["US", "DE", "FR"])
def test_g08_a_city_has_its_own_area_code(country: str) -> None:
    """A known city's numbers have that city's area code."""
    locale = load_locale(country)
    expected = {
        "US": {"Seattle": {"206"}, "Boston": {"617", "857"}},
        "DE": {"Berlin": {"30"}, "Ulm": {"171", "176"}},
        "FR": {"Paris": {"1"}, "Rennes": {"2"}, "Strasbourg": {"3"}, "Nice": {"4"}, "Pau": {"5"}},
    }
    for name, codes in expected[country].items():
        city = next(city for city in locale.places.cities if city.name == name)
        found = {re.split(r"[ -]", numbers.prefix)[1] for numbers in city.phone_ranges}
        assert found == codes


@pytest.mark.risk("G8")
def test_g08_only_some_german_cities_have_an_area_code_of_their_own() -> None:
    """Where regulators keep no landline numbers free, a city has no range of its own; in the US all have."""
    germany = load_locale("DE")
    own = {
        city.name: bool(has)
        for city, has in zip(germany.places.cities, germany.places.has_area_range, strict=True)
    }
    assert own["Berlin"]
    assert not own["Ulm"]
    for city in germany.places.cities:
        mobile = {numbers.prefix[:6] for numbers in city.phone_ranges} & {"+49 17", "+49 15"}
        assert own[city.name] != bool(mobile), city.name
    assert load_locale("US").places.has_area_range.all()
    britain = load_locale("GB").places
    names = [city.name for city in britain.cities]
    assert britain.has_area_range[names.index("London")]
    assert not britain.has_area_range[names.index("Norwich")]


#: Zones of French numbers by department, as the regulator divides the mainland and Corsica.
FRENCH_ZONES: Final = {
    "1": "75 77 78 91 92 93 94 95",
    "2": "14 18 22 27 28 29 35 36 37 41 44 45 49 50 53 56 61 72 76 85",
    "3": "02 08 10 21 25 39 51 52 54 55 57 58 59 60 62 67 68 70 71 80 88 89 90",
    "4": "01 03 04 05 06 07 11 13 15 20 26 30 34 38 42 43 48 63 66 69 73 74 83 84",
    "5": "09 12 16 17 19 23 24 31 32 33 40 46 47 64 65 79 81 82 86 87",
}


@pytest.mark.risk("G8")
def test_g08_french_numbers_are_of_the_departments_zone_and_in_pairs() -> None:
    """The first digit fits the department of every postal code; digits are written in pairs, as in France."""
    for city in load_locale("FR").places.cities:
        zones = {numbers.prefix.split()[1] for numbers in city.phone_ranges}
        assert {
            zone
            for zone, departments in FRENCH_ZONES.items()
            for code in city.postal_codes
            if code[:2] in departments.split()
        } == zones, city.name
        for numbers in city.phone_ranges:
            assert re.fullmatch(r"\+33 \d(?: \d\d){4}", numbers.number(7)), city.name


@pytest.mark.risk("G8")
@pytest.mark.parametrize("country", COUNTRIES)
def test_g08_postal_codes_have_the_countrys_shape(country: str) -> None:
    """Every city has postal codes, in the shape of the country, and no city has another's."""
    cities = load_locale(country).places.cities
    assert len(cities) >= 60
    codes = [code for city in cities for code in city.postal_codes]
    assert all(city.postal_codes for city in cities)
    assert all(re.fullmatch(POSTCODES[country], code) for code in codes)
    assert len(set(codes)) == len(codes)


@pytest.mark.risk("G8")
@pytest.mark.parametrize("country", COUNTRIES)
def test_g08_holidays_are_those_of_the_library(country: str) -> None:
    """The frozen calendar equals the ``holidays`` library from 2019-12 to 2032-12."""
    known = holidays.country_holidays(country, subdiv=SUBDIVISIONS.get(country), years=range(2019, 2034))
    expected = {day for day in known if date(2019, 12, 1) <= day <= date(2032, 12, 31)}
    assert load_locale(country).holidays == expected


def shape(code: str) -> str:
    """A postal code with 9 for its digits and A for its letters."""
    return re.sub(r"[A-Z]", "A", re.sub(r"\d", "9", code))


@pytest.mark.risk("G8")
@pytest.mark.parametrize("country", COUNTRIES)
def test_g08_postal_codes_are_shaped_as_fakers(country: str) -> None:
    """Faker makes the same shapes; French codes begin with a department."""
    fake = Faker(FAKER[country])
    fake.seed_instance(1)
    shapes = {shape(fake.postcode()) for _ in range(1_000)}
    cities = load_locale(country).places.cities
    assert {shape(code) for city in cities for code in city.postal_codes} <= shapes
    if country == "FR":
        departments = {number for number, _ in address_formats(country).departments}
        assert {code[:2] for city in cities for code in city.postal_codes} <= departments | {"20"}


@pytest.mark.risk("G8")
@pytest.mark.parametrize("country", COUNTRIES)
def test_g08_the_house_number_stands_where_faker_writes_it(country: str) -> None:
    """Before the street or behind it, in the pack and in the addresses of rows."""
    [form, *_] = [
        form for form in address_formats(country).street_address_formats if "building_number" in form
    ]
    is_before = form.index("building_number") < form.index("street_name")
    locale = load_locale(country)
    assert locale.number_before_street == is_before
    streets = set(locale.streets.names)
    addresses = [row["address"] for row in tenant_rows(country)["companies"] if row["address"]]
    plain = [one for one in addresses if re.fullmatch(r"\d+\w? (?!bis |ter )[^\d,]+|[^\d,]+ \d+\w?", one)]
    assert len(plain) > len(addresses) / 4
    for one in plain:
        street = re.sub(r"^\d+\w? |,? \d+\w?$", "", one)
        assert street in streets, one
        assert one.endswith(street) == is_before, one


@pytest.mark.risk("G8")
def test_g08_currencies_and_countries_are_complete() -> None:
    """Every own country's currency is known with its minor digits; odd ones have theirs."""
    assert {code: ISO_DIGITS[code] for code in ("USD", "EUR", "GBP", "JPY", "KWD")} == {
        "USD": 2,
        "EUR": 2,
        "GBP": 2,
        "JPY": 0,
        "KWD": 3,
    }
    assert len(KNOWN_COUNTRY_CODES) == 249
    assert {"NO", "XK", "UK"} & KNOWN_COUNTRY_CODES == {"NO"}
    assert all(units_per_usd(one) > 0 for one in CURRENCIES.values())


@pytest.mark.risk("G8")
@pytest.mark.parametrize("country", COUNTRIES)
def test_g08_currency_weekend_and_time_zone_are_those_of_cldr(country: str) -> None:
    """The currency that is tender there, with its digits; the days off; a time zone of the country."""
    locale, cldr = load_locale(country), Cldr(load_locale(country).language, country)
    assert [locale.currency.code] == get_territory_currencies(country)
    assert locale.currency.minor_digits == get_currency_precision(locale.currency.code)
    assert locale.weekend == tuple(range(cldr.weekend_start, cldr.weekend_end + 1))
    assert get_global("zone_territories")[locale.timezone] == country
    assert get_official_languages(country, de_facto=True)[0] == locale.language


@pytest.mark.risk("G8")
@pytest.mark.parametrize("country", COUNTRIES)
def test_g08_nobody_works_on_a_day_off(country: str) -> None:
    """What the team writes in the CRM is written on no weekend and on no holiday, by the local clock."""
    zone = ZoneInfo(load_locale(country).timezone)
    free = holidays.country_holidays(country, subdiv=SUBDIVISIONS.get(country), years=2025)
    days = {row["created_at"].astimezone(zone).date() for row in tenant_rows(country)["activities"]}
    assert len(days) > 150
    assert not [day for day in days if day in free or day.weekday() in free.weekend]


@pytest.mark.risk("G8")
@pytest.mark.parametrize("country", COUNTRIES)
def test_g08_every_number_of_a_tenant_is_of_its_country(country: str) -> None:
    """Valid for libphonenumber, and of the country."""
    rows = tenant_rows(country)
    numbers = {row["phone"] for table in ("companies", "contacts") for row in rows[table]} - {None}
    assert len(numbers) > 100
    for number in numbers:
        parsed = phonenumbers.parse(number)
        assert phonenumbers.is_valid_number_for_region(parsed, country), number
        assert re.fullmatch(FICTION[country], str(parsed.national_number)), number


@pytest.mark.risk("G8")
@pytest.mark.parametrize("country", ["ES", "CH", "JP"])
def test_g08_a_country_without_a_pack_is_made_as_another_with_a_warning(country: str) -> None:
    """It has names, currency and time zone of the fallback, and the warning names both."""
    assert resolve_country(country) == FALLBACK_COUNTRY
    spec, warnings = resolved({**believable("US", "saas", 200), "country": country}, now=NOW)
    assert (spec.country, spec.currency.code) == (FALLBACK_COUNTRY, "USD")
    [warning] = warnings
    assert f"country {country} has no lists of its own" in warning
    assert FALLBACK_COUNTRY in warning


@pytest.mark.risk("G8")
@pytest.mark.parametrize("language", LANGUAGES)
def test_g08_crude_words_of_every_language_are_blocked(language: str) -> None:
    """Each language has a list; its words are kept out of names and sentences, harmless ones are not."""
    assert set(LANGUAGES) <= set(blocked_words.LANGUAGES)
    crude, harmless = (words.split() for words in CRUDE[language])
    sieve = Sieve()
    for word in crude:
        assert not sieve.passes(word, "a name"), word
        assert not sieve.passes(f"x {word.lower()}, y", "a sentence", is_sentence=True), word
    for word in harmless:
        assert sieve.passes(word, "a name"), word


@pytest.mark.risk("G8")
@pytest.mark.parametrize("country", COUNTRIES)
def test_g08_documents_name_the_countries_that_have_packs(country: str) -> None:
    """Limitations, the keys of a blueprint and the page of stories; what they do not name has no pack."""
    texts = {
        name: (PROJECT / name).read_text("utf-8")
        for name in ("docs/limitations.md", "docs/reference/blueprint.md", "docs/reference/stories.md")
    }
    [named] = re.findall(
        r"\*\*Some countries\*\* have .*?: (.*?)\.", " ".join(texts["docs/limitations.md"].split())
    )
    assert Cldr("en").territories[country] in named
    assert len(re.split(r", | and ", named)) == len(COUNTRIES)
    assert f"with lists: {', '.join(COUNTRIES)}." in texts["docs/reference/blueprint.md"]
    assert f"## {country}, " in texts["docs/reference/stories.md"]
