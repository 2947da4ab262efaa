"""Names of people and firms: frequency, origin, patterns, regions, legal forms, spelling."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np

from demo_pipeline.domain.model import COMPANY_SIZES
from demo_pipeline.domain.scorecard.columns import MISSING, Companies, TenantColumns
from demo_pipeline.domain.scorecard.measure import ASSUMPTION, Expected, Figure, Measure, Range, Unit
from demo_pipeline.domain.scorecard.wordlists import (
    AMERICAN_SURNAMES,
    COINED,
    FOREIGN_ENGLISH,
    FREQUENT_SURNAMES,
    KNOWN_COMPANIES,
    KNOWN_PEOPLE,
    LARGE_FORM,
    LEGAL_FORM,
    ORIGINS,
    REGIONS,
    SMALL_FORM,
)

#: upper ends of ``COMPANY_SIZES``, employees; the last one is open
_SIZE_ENDS: Final = (10, 50, 200, 500, 1000)
_WORD: Final = re.compile(r"[^\W\d_]{2,}")


def _surnames(tenant: TenantColumns) -> list[str]:
    return [str(one).lower() for one in tenant.contacts.last_name if one]


def frequent_surnames(tenant: TenantColumns) -> Figure | None:
    """Contacts with one of the twenty most frequent surnames of the country."""
    names, frequent = _surnames(tenant), FREQUENT_SURNAMES.get(tenant.facts.country)
    if not names or frequent is None:
        return None
    return Figure(sum(one in frequent for one in names) / len(names), len(names))


def american_surnames(tenant: TenantColumns) -> Figure | None:
    """British contacts with a surname that is common in America only."""
    names = _surnames(tenant)
    found = [one for one in names if one in AMERICAN_SURNAMES]
    return Figure(len(found) / len(names), len(names), found[0] if found else "") if names else None


def names_of_one_origin(tenant: TenantColumns) -> Figure | None:
    """People with a surname of one origin whose given name is of that origin."""
    lists = ORIGINS.get(tenant.facts.country)
    if lists is None:
        return None
    surnames, given = lists
    contacts = tenant.contacts
    chosen = [
        str(first or "").lower().split("-")[0] in given
        for first, last in zip(contacts.first_name, contacts.last_name, strict=True)
        if last and str(last).lower() in surnames
    ]
    return Figure(sum(chosen) / len(chosen), len(chosen)) if chosen else None


def _of_country(names: Mapping[str, frozenset[str]], tenant: TenantColumns) -> frozenset[str]:
    """The names of all countries, and those of the tenant's own."""
    return names[""] | names.get(tenant.facts.country, frozenset())


def known_people(tenant: TenantColumns) -> Figure | None:
    """Contacts with the name of a well-known person."""
    contacts, known = tenant.contacts, _of_country(KNOWN_PEOPLE, tenant)
    names = [
        f"{first} {last}"
        for first, last in zip(contacts.first_name, contacts.last_name, strict=True)
        if first and last
    ]
    found = [one for one in names if one.lower() in known]
    return Figure(len(found) / len(names), len(names), found[0] if found else "") if names else None


def known_companies(tenant: TenantColumns) -> Figure | None:
    """Firms whose name, without its legal form, is that of a brand."""
    known = _of_country(KNOWN_COMPANIES, tenant)
    names = [_bare(str(one)) for one in tenant.companies.name if one]
    found = [one for one in names if "".join(filter(str.isalnum, one.lower())) in known]
    return Figure(len(found) / len(names), len(names), found[0] if found else "") if names else None


def _made(tenant: TenantColumns) -> Companies:
    """The companies whose names are made: a tenant's own are as it wants them."""
    own, companies = tenant.facts.own_companies, tenant.companies
    if not own:
        return companies
    chosen = np.array([name not in own for name in companies.name], bool)
    return Companies(**{name: column[chosen] for name, column in vars(companies).items()})


def _bare(name: str) -> str:
    """A name without its legal form."""
    return LEGAL_FORM.sub("", name)


def _pattern(name: str, city: str, surnames: frozenset[str]) -> str:
    """The pattern of a name: what its words are."""
    bare = _bare(name)
    words = bare.split()
    if city and city.lower() in bare.lower():
        return "place"
    if any(len(word) <= 4 and word.isupper() and word.isalpha() for word in words):
        return "acronym"
    if re.search(r"[&+]| und | and ", bare):
        owners = [one for one in re.split(r"[&+]| und | and |,", bare) if one.split()]
        return "two founders" if all(one.split()[-1].lower() in surnames for one in owners) else "pair"
    if any(word.lower().strip(",'’s") in surnames for word in words):
        return "founder" if len(words) == 1 else f"founder, {min(len(words), 3)} words"
    return f"{min(len(words), 3)} words"


def name_patterns(tenant: TenantColumns) -> Figure | None:
    """How many patterns the names of firms have, by their entropy."""
    surnames, companies = frozenset(_surnames(tenant)), _made(tenant)
    patterns = Counter(
        _pattern(str(name), str(city or ""), surnames)
        for name, city in zip(companies.name, companies.city, strict=True)
    )
    total = sum(patterns.values())
    if not total:
        return None
    entropy = -sum(count / total * math.log(count / total) for count in patterns.values())
    commonest, count = patterns.most_common(1)[0]
    return Figure(math.exp(entropy), total, f"{commonest}: {count / total:.0%}")


def uneven_words(tenant: TenantColumns) -> Figure | None:
    """How uneven the words of the names of firms are: the share of the commonest twentieth of words."""
    companies = _made(tenant)
    counts = Counter(word.lower() for name in companies.name for word in _WORD.findall(_bare(str(name))))
    if not counts:
        return None
    ordered = sorted(counts.values(), reverse=True)
    top = ordered[: max(1, len(ordered) // 20)]
    return Figure(sum(top) / sum(ordered), len(companies), counts.most_common(1)[0][0])


def coined_names(tenant: TenantColumns) -> Figure | None:
    """Names of firms that only a program would coin."""
    names = [_bare(str(one)) for one in _made(tenant).name]
    found = [one for one in names if COINED.search(one)]
    return Figure(len(found) / len(names), len(names), found[0] if found else "") if names else None


def wrong_region(tenant: TenantColumns) -> Figure | None:
    """Firms named after a river or a region that lies elsewhere."""
    regions = REGIONS.get(tenant.facts.country, {})
    # Hudson is a founder, too.
    surnames = set(_surnames(tenant))
    judged, wrong = 0, list[str]()
    companies = _made(tenant)
    for name, city, state in zip(companies.name, companies.city, companies.state, strict=True):
        for word in set(str(name).lower().split()) - surnames if state else ():
            for beginning, states in regions.items():
                if word.startswith(beginning):
                    judged += 1
                    if state not in states:
                        wrong.append(f"{name} in {city}")
    return Figure(len(wrong) / judged, judged, wrong[0] if wrong else "") if judged else None


def form_against_size(tenant: TenantColumns) -> Figure | None:
    """Firms with the legal form of a large one and ten people, or of a sole trader and more than fifty."""
    companies = _made(tenant)
    judged, wrong = 0, list[str]()
    for name, size in zip(companies.name, companies.size, strict=True):
        if size == MISSING:
            continue
        is_large, is_small = bool(LARGE_FORM.search(str(name))), bool(SMALL_FORM.search(str(name)))
        judged += is_large or is_small
        if (is_large and size == 0) or (is_small and size > 1):
            wrong.append(f"{name}, {COMPANY_SIZES[size]}")
    return Figure(len(wrong) / judged, judged, wrong[0] if wrong else "") if judged else None


def size_exponent(tenant: TenantColumns) -> Figure | None:
    """The exponent of the law of company sizes above ten people, most likely for the bands."""
    # A tenant's own firms have the sizes that it gives them.
    size = _made(tenant).size
    bands = np.bincount(size[size > 0], minlength=len(COMPANY_SIZES))[1:].astype(np.float64)
    if not bands.sum():
        return None
    candidates = np.arange(0.3, 2.5, 0.01)
    # The probability to be above each end, given more than ten people.
    above = np.array(_SIZE_ENDS)[None, :] ** -candidates[:, None] * 10 ** candidates[:, None]
    chance = np.concatenate([above[:, :-1] - above[:, 1:], above[:, -1:]], axis=1)
    likelihood = np.log(chance) @ bands
    return Figure(float(candidates[likelihood.argmax()]), int(bands.sum()))


def _visible_texts(tenant: TenantColumns) -> Iterator[str]:
    """Texts that are made, and not the tenant's own."""
    own, companies = tenant.facts.own_lists, _made(tenant)
    yield from tenant.stages if "stages" not in own else ()
    titles = [tenant.deals.title] if "products" not in own else []
    for column in (companies.name, companies.industry, companies.address, *titles):
        yield from (str(one) for one in column if one)


def foreign_english(tenant: TenantColumns) -> Figure | None:
    """Names, trades, addresses, titles and stages in the other English."""
    pattern = FOREIGN_ENGLISH.get(tenant.facts.country)
    if pattern is None:
        return None
    texts = list(_visible_texts(tenant))
    found = [one for one in texts if pattern.search(one)]
    return Figure(len(found) / len(texts), len(texts), found[0] if found else "") if texts else None


MEASURES: Final = (
    Measure(
        name="frequent_surnames",
        title="contacts with one of the country's twenty most frequent surnames",
        population="contacts",
        least=400,
        expected=Expected(
            declared=lambda facts: {
                "US": Range(0.05, 0.11),
                "GB": Range(0.05, 0.13),
                "DE": Range(0.03, 0.10),
            }.get(facts.country),
            words="5 % to 11 % (US), 5 % to 13 % (GB), 3 % to 10 % (DE)",
        ),
        unit=Unit.SHARE,
        source="Census 2010 for US: the top 25 have 8.7 %; others: assumption",
        function=frequent_surnames,
        of_lists=frozenset({"surnames"}),
        is_drawn=True,
    ),
    Measure(
        name="american_surnames",
        title="contacts with a surname that is common in America only",
        population="contacts",
        least=200,
        expected=Expected(Range(high=0.02), countries=("GB",)),
        unit=Unit.SHARE,
        source=ASSUMPTION,
        function=american_surnames,
        of_lists=frozenset({"surnames"}),
    ),
    Measure(
        name="names_of_one_origin",
        title="people with a surname of one origin whose given name is of that origin",
        population="people with such a surname (US: Spanish, GB: South Asian, DE: Turkish)",
        least=80,
        expected=Expected(Range(0.20, 0.95), countries=("US", "GB", "DE")),
        unit=Unit.SHARE,
        source=ASSUMPTION,
        function=names_of_one_origin,
        of_lists=frozenset({"female", "male", "surnames"}),
        is_drawn=True,
    ),
    Measure(
        name="known_people",
        title="contacts with the name of a known person",
        population="contacts",
        least=10,
        expected=Expected(Range(high=0.0)),
        unit=Unit.SHARE,
        source=ASSUMPTION,
        function=known_people,
    ),
    Measure(
        name="known_companies",
        title="firms with the name of a known firm or brand",
        population="companies",
        least=10,
        expected=Expected(Range(high=0.0)),
        unit=Unit.SHARE,
        source=ASSUMPTION,
        function=known_companies,
    ),
    Measure(
        name="name_patterns",
        title="patterns of the names of firms (effective number)",
        population="companies",
        least=300,
        expected=Expected(Range(low=4.0)),
        unit=Unit.NUMBER,
        source=ASSUMPTION,
        function=name_patterns,
    ),
    Measure(
        name="uneven_words",
        title="words of the names of firms: share of the commonest twentieth",
        population="companies",
        least=100,
        expected=Expected(Range(0.18, 0.60)),
        unit=Unit.SHARE,
        source=ASSUMPTION,
        function=uneven_words,
        is_drawn=True,
    ),
    Measure(
        name="coined_names",
        title="firms with a name that only a program would coin",
        population="companies",
        least=100,
        expected=Expected(Range(high=0.01)),
        unit=Unit.SHARE,
        source=ASSUMPTION,
        function=coined_names,
        is_drawn=True,
    ),
    Measure(
        name="wrong_region",
        title="firms named after a river or region that lies elsewhere",
        population="firms named after a river or region",
        least=8,
        expected=Expected(Range(high=0.10), countries=("DE", "GB", "US")),
        unit=Unit.SHARE,
        source=ASSUMPTION,
        function=wrong_region,
    ),
    Measure(
        name="form_against_size",
        title="firms whose legal form does not fit their size",
        population="firms with the form of a large company or of a sole trader",
        least=8,
        expected=Expected(Range(high=0.10), countries=("DE", "GB")),
        unit=Unit.SHARE,
        source=ASSUMPTION,
        function=form_against_size,
    ),
    Measure(
        name="size_exponent",
        title="exponent of the law of company sizes, above ten people",
        population="companies with more than ten people",
        least=60,
        expected=Expected(Range(0.75, 1.50)),
        unit=Unit.NUMBER,
        source="Axtell, Science 2001: 1.06",
        function=size_exponent,
    ),
    Measure(
        name="foreign_english",
        title="texts in the other English (American in Britain, British in America)",
        population="names, trades, addresses, titles and stages",
        least=100,
        expected=Expected(Range(high=0.002), countries=("GB", "US")),
        unit=Unit.SHARE,
        source=ASSUMPTION,
        function=foreign_english,
    ),
)
