"""Who the rows speak of: customers with deals to show, private people, and what a native reader looks at.

Each test measures rows of one country against the figure that real CRM data have, and says its own.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.core.random_streams import Stream
from demo_pipeline.domain.core.timezones import load_timezone
from demo_pipeline.domain.documents.stored import read_spec
from demo_pipeline.domain.generation.calendar import instant_us
from demo_pipeline.domain.generation.company_names import CompanyNaming
from demo_pipeline.domain.generation.generator import Generator
from demo_pipeline.domain.generation.partial_month import up_to
from demo_pipeline.domain.generation.person_names import person_names
from demo_pipeline.domain.generation.phones import PhoneNumbers
from demo_pipeline.domain.reference.countries import COUNTRIES, load_locale
from demo_pipeline.domain.reference.known_names import (
    COMPANIES_FILE,
    PEOPLE_FILE,
    known_names,
    shared_names,
)
from demo_pipeline.domain.reference.names import ascii_label
from demo_pipeline.domain.scorecard.wordlists import KNOWN_COMPANIES, KNOWN_PEOPLE
from tests.assertions.generated_rows import Row, batches_of, complaints, rows_of, spec_of
from tests.builders.blueprints import NOW
from tests.builders.known_names import MORE_COMPANIES, MORE_PEOPLE

BLUEPRINT: Final[dict[str, Any]] = {
    "name": "Brightwater Supplies",
    "start_month": "2025-01",
    "end_month": "2025-06",
    "seed": "29",
    "team_size": 9,
    "totals": {
        "leads_created": 900,
        "contacts_created": 1500,
        "companies_created": 240,
        "deals_created": 400,
        "closed_won_count": 130,
        "activities_created": 400,
    },
}
#: One industry with private customers and one without.
INDUSTRIES: Final = ("ecommerce", "saas")

Rows = Mapping[str, Sequence[Row]]
RowsOf = Callable[[str, str], Rows]


@pytest.fixture(scope="module")
def rows_in(tmp_path_factory: pytest.TempPathFactory) -> RowsOf:
    """Rows of a country and an industry, made once a module."""
    made: dict[tuple[str, str], Rows] = {}

    def look_up(country: str, industry: str) -> Rows:
        if (country, industry) not in made:
            declared = BLUEPRINT | {"country": country, "industry": industry}
            spec = spec_of(tmp_path_factory.mktemp("people"), declared, NOW)
            rows = rows_of(batches_of(spec, NOW))
            assert complaints(spec, rows, NOW) == []
            made[country, industry] = rows
        return made[country, industry]

    return look_up


def won_deals(rows: Rows) -> list[Row]:
    """The deals that were won."""
    won = {stage["id"] for stage in rows["pipeline_stages"] if stage["is_won"]}
    return [deal for deal in rows["deals"] if deal["stage_id"] in won]


@pytest.mark.parametrize("industry", INDUSTRIES)
@pytest.mark.parametrize("country", COUNTRIES)
def test_people_arrive_by_themselves_at_any_hour(rows_in: RowsOf, country: str, industry: str) -> None:
    """Private customers mostly in the evening and at weekends, firms in office hours, few of either at night.

    That everybody else comes in working hours is held for all rows, by ``complaints``.
    """
    rows, zone = rows_in(country, industry), load_timezone(load_locale(country).timezone)
    arrived = [one for one in rows["contacts"] if one["source"] != "referrals"]
    private = [one["created_at"].astimezone(zone) for one in arrived if one["company_id"] is None]
    of_firms = [one["created_at"].astimezone(zone) for one in arrived if one["company_id"] is not None]
    if industry == "ecommerce":
        at_leisure = sum(at.hour >= 17 or at.weekday() >= 5 for at in private)
        assert 0.55 < at_leisure / len(private) < 0.8
    else:
        outside = sum(not 7 <= at.hour <= 20 or at.weekday() >= 5 for at in of_firms)
        assert 0.08 < outside / len(of_firms) < 0.3
    at_night = sum(at.hour < 5 for at in private + of_firms)
    assert 0.004 < at_night / len(arrived) < 0.1


def test_who_arrives_at_a_weekend_is_there_at_once(tmp_path: Path) -> None:
    """A running month is loaded by what has happened: no change on Monday keeps Saturday's people back."""
    declared = {key: value for key, value in BLUEPRINT.items() if key != "end_month"}
    declared |= {"country": "DE", "industry": "ecommerce", "start_month": "2026-09"}
    provisioned = datetime(2026, 10, 10, tzinfo=UTC)
    spec = spec_of(tmp_path, declared, provisioned)
    generator = Generator(spec, provisioned)
    generator.skip_to(Month.of(2026, 11))
    batches = list(generator.month(Month.of(2026, 11)))
    # Sunday evening
    seen = datetime(2026, 11, 15, 20, tzinfo=UTC)
    people, there = (
        [
            row["created_at"]
            for row in rows_of(some)["contacts"]
            if datetime(2026, 11, 14, tzinfo=UTC) < row["created_at"] < seen
        ]
        for some in (batches, up_to(batches, instant_us(seen)))
    )
    assert len(people) > 40
    assert len(there) == len(people)


@pytest.mark.parametrize("table", ["companies", "contacts"])
def test_numbers_that_do_not_suffice_are_missing_in_every_month_alike(tmp_path: Path, table: str) -> None:
    """Germany has few numbers that reach nobody: the last month has as many of them as the first."""
    totals = BLUEPRINT["totals"] | {"contacts_created": 15_000, "companies_created": 5_000}
    declared = BLUEPRINT | {"country": "DE", "industry": "saas", "totals": totals}
    declared |= {"growth": {"curve": "linear", "monthly_rate": 0}}
    rows = rows_of(batches_of(spec_of(tmp_path, declared, NOW), NOW))[table]
    first, last = (
        [row["phone"] is not None for row in rows if row["_month"] == month]
        for month in (rows[0]["_month"], rows[-1]["_month"])
    )
    assert sum(last) / len(last) == pytest.approx(sum(first) / len(first), abs=0.05)
    assert 0.1 < sum(last) / len(last) < 0.6


@pytest.mark.parametrize("industry", INDUSTRIES)
@pytest.mark.parametrize("country", COUNTRIES)
def test_customers_have_won_deals(rows_in: RowsOf, country: str, industry: str) -> None:
    """Under 5 % of customers and 10 % of churned ones have no won deal, of theirs or of their company."""
    rows = rows_in(country, industry)
    won = won_deals(rows)
    people = {deal["contact_id"] for deal in won}
    companies = {deal["company_id"] for deal in won} - {None}
    for status, most in (("customer", 0.05), ("churned", 0.10)):
        these = [row for row in rows["contacts"] if row["status"] == status]
        idle = [row for row in these if row["id"] not in people and row["company_id"] not in companies]
        assert len(these) > 5
        assert len(idle) / len(these) < most, f"{len(idle)} of {len(these)} {status}"


@pytest.mark.parametrize("industry", INDUSTRIES)
@pytest.mark.parametrize("country", COUNTRIES)
def test_wins_are_with_customers(rows_in: RowsOf, country: str, industry: str) -> None:
    """No won deal is with a lead, and hardly any with somebody who is no customer and never was one."""
    rows = rows_in(country, industry)
    status = {row["id"]: row["status"] for row in rows["contacts"]}
    partners = [status[deal["contact_id"]] for deal in won_deals(rows)]
    strangers = sum(one not in {"customer", "churned"} for one in partners)
    assert "lead" not in partners
    assert strangers / len(partners) < 0.03, f"{strangers} of {len(partners)}"


@pytest.mark.parametrize("country", COUNTRIES)
def test_private_customers_have_no_employer(rows_in: RowsOf, country: str) -> None:
    """75 to 90 % where private customers are usual; elsewhere hardly any, before the first company came."""
    for industry, least, most in (("ecommerce", 0.75, 0.90), ("saas", 0, 0.02)):
        contacts = rows_in(country, industry)["contacts"]
        share = sum(row["company_id"] is None for row in contacts) / len(contacts)
        assert least <= share <= most, f"{industry}: {share:.3f}"


@pytest.mark.parametrize("country", COUNTRIES)
def test_private_customers_have_mailboxes_that_nobody_receives(rows_in: RowsOf, country: str) -> None:
    """At several domains of the country's list under .example, none of which is a company's; all unique."""
    rows = rows_in(country, "ecommerce")
    addresses = [row["email"] for row in rows["contacts"] if row["email"]]
    assert len(set(addresses)) == len(addresses)
    private = [row for row in rows["contacts"] if row["email"] and row["company_id"] is None]
    domains = {row["email"].split("@")[1] for row in private}
    assert domains == {f"{name}.example" for name in load_locale(country).mailboxes.names}
    assert not domains & {row["domain"] for row in rows["companies"]}


def test_a_blueprint_says_how_many_contacts_are_private(tmp_path: Path) -> None:
    """``private_share`` counts, whatever is usual in the industry; a declared 0 is not the default."""
    for industry, declared in (("saas", 0.5), ("ecommerce", 0)):
        blueprint = BLUEPRINT | {"country": "US", "industry": industry, "private_share": declared}
        contacts = rows_of(batches_of(spec_of(tmp_path, blueprint, NOW), NOW))["contacts"]
        share = sum(row["company_id"] is None for row in contacts) / len(contacts)
        assert abs(share - declared) < 0.05, f"{industry}: {share:.3f}"


def test_a_tenant_of_before_private_customers_reads_as_it_was(tmp_path: Path) -> None:
    """A stored plan without the share is one of the time when 8 % of all contacts had no company."""
    spec = spec_of(tmp_path, BLUEPRINT | {"country": "US", "industry": "ecommerce"}, NOW)
    document = spec.to_json()
    assert read_spec(spec.slug, document) == spec
    assert spec.private_ppm == 800_000
    del document["private_ppm"]
    assert read_spec(spec.slug, document).private_ppm == 80_000


@pytest.mark.parametrize("industry", INDUSTRIES)
@pytest.mark.parametrize("country", COUNTRIES)
def test_a_number_is_in_three_rows_at_most(rows_in: RowsOf, country: str, industry: str) -> None:
    """Two companies never share a switchboard, and a company's number is of its city's area."""
    rows = rows_in(country, industry)
    numbers = Counter(row["phone"] for table in ("companies", "contacts") for row in rows[table])
    del numbers[None]
    assert max(numbers.values()) <= 3, numbers.most_common(1)
    known = [row for row in rows["companies"] if row["phone"]]
    assert len({row["phone"] for row in known}) == len(known)
    ranges = {(city.name, city.state): city.phone_ranges for city in load_locale(country).places.cities}
    for row in known:
        if row["city"]:
            assert row["phone"].startswith(tuple(one.prefix for one in ranges[row["city"], row["state"]]))


@pytest.mark.parametrize("country", COUNTRIES)
def test_a_patch_gives_a_number_once_at_most(country: str) -> None:
    """However many contacts it makes: who comes later has none."""
    locale = load_locale(country)
    city = np.zeros(4 * locale.places.phone_count[0], np.int64)
    given = PhoneNumbers(job_number=3).assign(
        locale, Stream(("29", "acme")), "contacts", city, np.ones(len(city), bool)
    )
    numbers = Counter(number for number in given.to_pylist() if number is not None)
    assert len(numbers) == locale.places.phone_count[0]
    assert max(numbers.values()) == 1


@pytest.mark.parametrize("country", COUNTRIES)
def test_people_leave_gaps_in_companies(rows_in: RowsOf, country: str) -> None:
    """15 to 30 % of companies have no phone, no website or no address, small ones more often."""
    companies = rows_in(country, "saas")["companies"]
    for column in ("phone", "website", "address"):
        missing = sum(row[column] is None for row in companies) / len(companies)
        assert 0.13 < missing < 0.32, f"{column}: {missing:.3f}"


def test_british_firms_are_all_over_the_country(rows_in: RowsOf) -> None:
    """About a quarter is in London, the others in many counties of all nations."""
    rows = [row for industry in INDUSTRIES for row in rows_in("GB", industry)["companies"] if row["city"]]
    london = sum(row["state"] == "Greater London" for row in rows) / len(rows)
    assert 0.18 < london < 0.32, f"{london:.3f}"
    counties = {row["state"] for row in rows}
    assert len(counties) > 35
    assert {"South Glamorgan", "County Antrim", "Lanarkshire"} <= counties


def test_british_postcodes_are_varied_and_possible(rows_in: RowsOf) -> None:
    """Every inward code is a digit and two letters that Royal Mail uses; no pair of letters is usual."""
    cities = load_locale("GB").places.cities
    inward = [code.split(" ")[1] for city in cities for code in city.postal_codes]
    assert all(re.fullmatch(r"[1-9][ABD-HJLNP-UW-Z]{2}", code) for code in inward)
    assert len(set(inward)) > 2000
    assert Counter(code[1:] for code in inward).most_common(1)[0][1] / len(inward) < 0.01
    used = [row["postal_code"] for row in rows_in("GB", "saas")["companies"] if row["postal_code"]]
    assert len(set(used)) / len(used) > 0.9


@pytest.mark.parametrize(("country", "least"), [("US", 0.2), ("GB", 0.25), ("DE", 0.05), ("FR", 0.05)])
def test_addresses_have_suites_units_and_parks(rows_in: RowsOf, country: str, least: float) -> None:
    """Some addresses say more than street and number, in the way of the country."""
    addresses = [row["address"] for row in rows_in(country, "saas")["companies"] if row["address"]]
    more = sum(bool(re.search(r", |^(?:Unit|The|First) ", address)) for address in addresses)
    assert least < more / len(addresses) < 0.5, f"{more} of {len(addresses)}"


@pytest.mark.parametrize("country", COUNTRIES)
def test_given_name_and_surname_come_from_one_origin(country: str) -> None:
    """As often as the country's pack says; who has a usual surname has a usual given name."""
    locale, count = load_locale(country), 60_000
    origins, stream = locale.origins, Stream(("names", country))
    is_female = (stream.raw("sex", count) >> np.uint64(63)).astype(bool)
    draws = (stream.raw(column, count) for column in ("first", "last", "origin"))
    first, last = person_names(locale, is_female, *draws)
    assert ((first < len(locale.female)) == is_female).all()
    parts = zip(origins.female, origins.male, strict=True)
    given = [np.concatenate([female.places, male.places]) for female, male in parts]
    assert len(given) > 1
    for origin, places in enumerate(given):
        these = first[origins.of_surname[last] == origin]
        same = np.isin(these, places).mean()
        deviation = 4 * (0.25 / len(these)) ** 0.5 if origin else 0
        assert abs(same * 100 - origins.same_percent[origin]) <= deviation * 100, f"{origin}: {same:.3f}"


def known_labels(country: str, file: str) -> frozenset[str]:
    """The names of a country's file, as letters and digits."""
    return frozenset(map(ascii_label, known_names(load_locale(country).folder, file)))


@pytest.mark.parametrize("country", COUNTRIES)
def test_nobody_is_called_like_a_known_person(country: str) -> None:
    """Of 300,000 people none, and a name that is replaced keeps its given name and its surname's origin."""
    locale, count, stream = load_locale(country), 300_000, Stream(("known", country))
    is_female = (stream.raw("sex", count) >> np.uint64(63)).astype(bool)
    draws = (stream.raw(column, count) for column in ("first", "last", "origin"))
    first, last = person_names(locale, is_female, *draws)
    people, surnames = known_labels(country, PEOPLE_FILE), locale.surnames.ascii
    given = (*locale.female.ascii, *locale.male.ascii)
    pairs: list[int] = np.unique(first * len(surnames) + last).tolist()
    names = {given[pair // len(surnames)] + surnames[pair % len(surnames)] for pair in pairs}
    assert sorted(people & names) == []
    assert (
        sorted(
            names.intersection(map(ascii_label, KNOWN_PEOPLE[""] | {**KNOWN_PEOPLE, **MORE_PEOPLE}[country]))
        )
        == []
    )
    guard = locale.known_people
    assert len(guard.pairs) > 300
    instead = guard.replaced(guard.pairs // len(surnames), guard.pairs % len(surnames))
    assert not np.isin(guard.pairs // len(surnames) * len(surnames) + instead, guard.pairs).any()
    of_surname = locale.origins.of_surname
    assert (of_surname[instead] == of_surname[guard.pairs % len(surnames)]).all()


@pytest.mark.parametrize("country", COUNTRIES)
def test_no_company_is_called_like_a_known_one(country: str) -> None:
    """No name of all that a tenant can have is one, and none begins with a brand that all countries know."""
    naming = CompanyNaming(load_locale(country).companies, Stream(("known", country)))
    names = list(map(str, naming.named(np.arange(naming.space)).names.to_pylist()))
    assert len(set(names)) == len(names) > 40_000
    known = known_labels(country, COMPANIES_FILE)
    assert [name for name in names if ascii_label(name) in known] == []
    best_known = KNOWN_COMPANIES[""] | {**KNOWN_COMPANIES, **MORE_COMPANIES}[country]
    assert not set(map(ascii_label, names)) & set(map(ascii_label, best_known))
    brands = frozenset(map(ascii_label, shared_names(COMPANIES_FILE)))
    assert [name for name in names if ascii_label(name.split()[0]) in brands] == []


def test_british_surnames_are_british() -> None:
    """The tail of the list is that of Great Britain and Ireland; that of the US census is gone."""
    names = load_locale("GB").surnames
    assert len(names) > 4000
    assert {"Ormerod", "Waterworth", "Pritchard", "Greatorex", "McGarry", "O'Callaghan"} <= set(names.names)
    assert not {"Creekmore", "Pinkston", "Amundson", "Crowell", "Kaur", "Begum"} & set(names.names)
    american = set(load_locale("US").surnames.names) - set(names.names)
    assert {"Kuhlman", "Steinke"} <= american


@pytest.mark.parametrize("country", COUNTRIES)
def test_names_of_companies_follow_many_patterns(country: str) -> None:
    """No pattern is half of all, eight and more are in the first hundred, and patches have the same ones."""
    companies = load_locale(country).companies
    assert len(companies.patterns) >= 8
    assert max(pattern.weight for pattern in companies.patterns) < 50
    naming = CompanyNaming(companies, Stream(("seed", country)))
    for numbers in (np.arange(100), np.arange(naming.space - 100, naming.space)):
        named = naming.named(numbers)
        words = Counter(len(str(name).split()) for name in named.names.to_pylist())
        assert len(words) >= 3, words
        assert (named.place("city") >= 0).sum() == next(
            pattern.weight for pattern in companies.patterns if "city" in pattern.slots
        )


@pytest.mark.parametrize("country", COUNTRIES)
def test_a_place_in_a_name_is_the_companys_own(rows_in: RowsOf, country: str) -> None:
    """A company that is called after a city is there; no name speaks of another region's river."""
    locale = load_locale(country)
    cities = sorted({city.name for city in locale.places.cities}, key=len, reverse=True)
    trades = sorted(locale.companies.descriptors.names, key=len, reverse=True)
    either = "|".join(map(re.escape, cities)), "|".join(map(re.escape, trades))
    called = re.compile(rf"(?:({either[0]}) (?:{either[1]})|(?:{either[1]}) ({either[0]})) ")
    found = [
        (row, match)
        for row in rows_in(country, "saas")["companies"]
        if row["city"] and (match := called.match(row["name"]))
    ]
    assert len(found) > 5
    for row, match in found:
        assert row["city"] in match.groups(), row["name"]
    rivers = ("Rhein", "Mosel", "Isar", "Elb", "Weser", "Neckar", "Havel", "Spree", "Donau", "Alster")
    assert not [name for name in locale.companies.stems.names if name.startswith(rivers)]


@pytest.mark.parametrize(
    ("country", "form", "smallest"),
    [("GB", "plc", 3), ("DE", "AG", 2), ("US", "Corp.", 2), ("FR", "SA", 2)],
)
def test_the_legal_form_fits_the_size(rows_in: RowsOf, country: str, form: str, smallest: int) -> None:
    """Forms of large companies are not those of the smallest, nor the reverse."""
    sizes = load_locale(country).companies.sizes.index
    rows = [row for industry in INDUSTRIES for row in rows_in(country, industry)["companies"]]
    large = [sizes[row["size"]] for row in rows if row["name"].endswith(f" {form}")]
    assert all(size >= smallest for size in large), form
    small = [row for row in rows if row["name"].endswith((" e.K.", " UG (haftungsbeschränkt)", " EURL"))]
    assert all(sizes[row["size"]] <= 1 for row in small)


def test_books_of_accounts_differ(rows_in: RowsOf) -> None:
    """Every seller has companies; the largest book is three times the smallest at least, in no ramp."""
    rows = rows_in("US", "saas")
    users = [row["id"] for row in rows["users"] if row["role"] != "readonly"]
    books = Counter(row["owner_id"] for row in rows["companies"])
    counts = [books[user] for user in users]
    assert min(counts) > 0
    assert max(counts) >= 3 * min(counts), counts
    steps = np.sign(np.diff(counts))
    assert {-1, 1} <= set(steps.tolist()), counts


def test_a_new_colleague_owns_nothing_of_before(tmp_path: Path) -> None:
    """Who joined later owns rows made after it, and nobody else's are handed over; others own the rest."""
    spec = spec_of(tmp_path, BLUEPRINT | {"country": "US", "industry": "saas"}, NOW)
    team = Generator(spec, NOW).team
    joined = team.joined_us.copy()
    joined[-3] = instant_us(spec.start_month.end)
    later = replace(team, joined_us=np.sort(joined), seller_weights=np.arange(1, len(joined) + 1))
    count = 5_000
    draws = Stream(("sellers",)).raw("owner", count)
    before = later.sellers(draws, np.full(count, int(joined[-3]) - 1))
    after = later.sellers(draws, np.full(count, int(joined[-3])))
    newest = len(joined) - 1
    assert newest not in set(before.tolist())
    assert len(set(before.tolist())) == newest
    assert (later.present(after, draws, np.full(count, int(joined[-3]) - 1)) < newest).all()
    assert newest in set(after.tolist())
