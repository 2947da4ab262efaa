"""The frozen lists: harmless, secret, close to the population, and made by the script that is kept."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest

from demo_pipeline.domain.core.arrow import strings, without_matches
from demo_pipeline.domain.core.random_streams import Stream
from demo_pipeline.domain.feasibility import Caps
from demo_pipeline.domain.generation.company_names import CompanyNaming
from demo_pipeline.domain.reference import countries
from demo_pipeline.domain.reference.countries import COUNTRIES, load_locale
from demo_pipeline.domain.reference.industries import INDUSTRIES
from demo_pipeline.domain.reference.languages import LANGUAGES
from demo_pipeline.domain.reference.names import NameList, ascii_label
from demo_pipeline.domain.reference.pack_files import PACKAGED, read_table
from demo_pipeline.domain.reference.texts import load_texts

PACKS = Path(str(PACKAGED))
TELLTALE = ("demo", "test", "fake", "lorem", "sample", "generated", "dummy")
#: Places of crimes, which no name and no company with its descriptor may spell.
CRIME_PLACES = re.compile(
    "auschwitz|belsen|birkenau|buchenwald|dachau|flossenbuerg|majdanek|neuengamme|ravensbrueck"
    "|sachsenhausen|sobibor|treblinka"
)
#: Notorious or crude: whole words, or beginnings.
NOTORIOUS = re.compile(
    "(?:boner|bundy|butts|cosby|dahmer|dicks?|eichmann|epstein|gaylord|goebbels|goering|heydrich|himmler"
    "|hitler|hoare|manson|mengele|rommel|speer|streicher|wanker|weinstein"
    "|barbie|bites|connard|couilles|darnand|encule|merde|petain|putain|pute|salaud|salope|touvier)$"
    "|cock|cunt|fuck|nigg|rape|shit|slut"
)


def all_names(country: str) -> Iterator[str]:
    """Every string of a country that a tenant may see, and the forms that addresses are made of."""
    locale = load_locale(country)
    companies = locale.companies
    lists = (
        locale.female,
        locale.male,
        locale.surnames,
        locale.streets,
        locale.house_numbers,
        companies.stems,
        companies.descriptors,
        companies.industries,
        companies.legal_forms,
        companies.sizes,
    )
    for names in lists:
        yield from names.names
        yield from names.ascii
    for city in locale.places.cities:
        yield from (city.name, city.state, *city.postal_codes)


def share(names: NameList, count: int) -> float:
    """Weight of the first ``count`` names."""
    return float(names.cumulative[count - 1] / names.cumulative[-1])


def weights(names: NameList) -> np.ndarray:
    """Shares, shape (len(names),)."""
    return np.diff(names.cumulative, prepend=0) / names.cumulative[-1]


def telltales(texts: Iterator[str] | list[str]) -> list[str]:
    """Texts with a word that gives a tenant away."""
    return [
        text
        for text in texts
        if any(word.lower().startswith(TELLTALE) for word in re.findall(r"[^\W\d_]+", text))
    ]


@pytest.mark.parametrize("country", COUNTRIES)
def test_no_name_begins_with_a_telltale(country: str) -> None:
    """No name, street, city or part of a company, nor its ASCII form, begins with a telltale word."""
    assert telltales(all_names(country)) == []


def notorious(texts: Iterable[str], *, are_names: bool = True) -> list[str]:
    """Texts with a word that is notorious or crude; of names also those that spell a place of crimes."""
    return [
        text
        for text in texts
        if (are_names and CRIME_PLACES.search(ascii_label(text)))
        or any(NOTORIOUS.match(ascii_label(word)) for word in re.findall(r"[^\W\d_]+", text))
    ]


def all_sentences(language: str, industry: str) -> list[str]:
    """Every line and title without its slots, every fact, product, stage and tag."""
    texts = load_texts(language, industry)
    lines = read_table(PACKAGED / "industries" / industry / f"stories.{language}.tsv")["text"]
    titles = map(str, (*texts.deal_titles, *texts.titles_first, *texts.titles_again))
    return [
        *(re.sub(r"\{\w+\}", " ", text) for text in (*lines, *titles)),
        *map(str, texts.products.to_pylist()),
        *texts.stages,
        *(tag.name for tag in texts.tags),
    ]


@pytest.mark.parametrize("industry", INDUSTRIES)
@pytest.mark.parametrize("language", LANGUAGES)
def test_no_sentence_is_telling_or_notorious(language: str, industry: str) -> None:
    """No line, title, product, stage or tag has a telltale, a notorious or a crude word."""
    written = all_sentences(language, industry)
    assert telltales(written) == []
    assert notorious(written, are_names=False) == []


def test_no_closing_is_about_the_day() -> None:
    """E-mails are written at any hour: below a good evening nobody wishes a good day."""
    packs = Path(str(PACKAGED))
    files = [*packs.glob("languages/*/language.json"), *packs.glob("industries/*/words.*.json")]
    closings: list[str] = []
    for path in files:
        frames: dict[str, list[str]] = json.loads(path.read_text(encoding="utf-8")).get("frames", {})
        closings += [text for kind, texts in frames.items() if "closing" in kind for text in texts]
    assert len(closings) > 50
    of_the_day = re.compile(r"journée|soirée|matin|\b(day|morning|evening|Tag|Abend|Morgen)\b")
    assert not [one for one in closings if of_the_day.search(one)]


@pytest.mark.parametrize("country", COUNTRIES)
def test_no_name_is_notorious(country: str) -> None:
    """No name, street, city or company recalls crimes or is crude, nor does a stem with a descriptor."""
    companies = load_locale(country).companies
    assert notorious(all_names(country)) == []
    joined = {
        first + second for first in companies.stems.ascii for second in ("", *companies.descriptors.ascii)
    }
    assert not [label for label in joined if CRIME_PLACES.search(label)]


@pytest.mark.parametrize("country", COUNTRIES)
def test_no_stem_says_the_same_twice(country: str) -> None:
    """No stem is a word twice, with or without a linking syllable (Waldwald, Brückenbrück)."""
    stems = load_locale(country).companies.stems.ascii
    assert not [stem for stem in stems if re.fullmatch(r"(\w{3,})(?:en|n|s)?\1", stem)]


def test_american_surnames_are_as_frequent_as_in_the_census() -> None:
    """Smith has 0.83 %, the first 25 have 8.7 %, about 240 names a quarter of the people."""
    surnames = load_locale("US").surnames
    assert surnames.names[0] == "Smith"
    assert share(surnames, 1) == pytest.approx(0.0083, abs=0.0001)
    assert share(surnames, 25) == pytest.approx(0.087, abs=0.002)
    assert share(surnames, 239) == pytest.approx(0.25, abs=0.02)


@pytest.mark.parametrize(
    ("country", "surnames", "first", "first_share"),
    [
        ("US", 1500, "Smith", 0.0083),
        ("GB", 800, "Smith", 0.0115),
        ("DE", 1000, "Müller", 0.0095),
        ("FR", 5000, "Martin", 0.0030),
    ],
)
def test_names_are_many_and_weighted(country: str, surnames: int, first: str, first_share: float) -> None:
    """Enough names, the commonest first, and two people share a full name as rarely as in life."""
    locale = load_locale(country)
    assert len(locale.surnames) >= surnames
    assert locale.surnames.names[0] == first
    assert share(locale.surnames, 1) == pytest.approx(first_share, abs=0.0002)
    assert min(len(locale.female), len(locale.male)) >= 300
    for names in (locale.female, locale.male, locale.surnames):
        assert len(set(names.names)) == len(names.names)
        assert (np.diff(names.cumulative, prepend=0) > 0).all()
    # Chance that two women have the same full name: between 1 and 8 in a million.
    chance = (weights(locale.surnames) ** 2).sum() * (weights(locale.female) ** 2).sum()
    assert 1e-6 < chance < 8e-6


@pytest.mark.parametrize("country", COUNTRIES)
def test_a_first_name_tells_the_form_of_address(country: str) -> None:
    """No first name is in both lists, and an unknown one is told as such."""
    locale = load_locale(country)
    assert not set(locale.female.names) & set(locale.male.names)
    assert locale.is_female(locale.female.names[0]) is True
    assert locale.is_female(locale.male.names[0]) is False
    assert locale.is_female("Xyzzy") is None


@pytest.mark.parametrize("country", COUNTRIES)
def test_company_names_and_domains_are_unique_by_parts(country: str) -> None:
    """All numbers of companies give different names and labels; there are enough for any tenant."""
    companies = load_locale(country).companies
    naming = CompanyNaming(companies, Stream(("a seed", "a-tenant")))
    space = naming.space
    assert space > 4 * Caps().companies
    assert sum(pattern.weight for pattern in companies.patterns) == 100
    named = naming.named(np.arange(space))
    for column in (named.names, named.labels):
        assert len(set(column.to_pylist())) == space
    mailboxes = set(load_locale(country).mailboxes.ascii)
    assert not mailboxes & set(named.labels.to_pylist())
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", str(label)) for label in named.labels.to_pylist())
    assert len(companies.descriptors) >= 60
    for parts in (companies.stems, companies.descriptors):
        assert len({name.lower() for name in parts.names}) == len(parts)
        assert len(set(parts.ascii)) == len(parts)
        assert all(re.fullmatch(r"[a-z0-9]{2,40}", label) for label in parts.ascii)
    assert len(companies.descriptor_industry) == len(companies.descriptors)
    assert set(companies.descriptor_industry.tolist()) == set(range(len(companies.industries)))


@pytest.mark.parametrize(
    ("country", "name", "short"),
    [
        ("DE", "Falk Holzbau GmbH & Co. KG", "Falk Holzbau"),
        ("DE", "WLA Verlag UG (haftungsbeschränkt)", "WLA Verlag"),
        ("FR", "Drouin & Fils SAS", "Drouin & Fils"),
        ("US", "Hale, Reed & Associates, Inc.", "Hale, Reed & Associates"),
        ("US", "Lincoln", "Lincoln"),
        ("GB", "Salt", "Salt"),
    ],
)
def test_a_company_has_a_short_name(country: str, name: str, short: str) -> None:
    """The legal form at the end is left out; nothing else is."""
    pattern = load_locale(country).companies.legal_form_pattern
    assert without_matches(strings([name]), pattern).to_pylist() == [short]


@pytest.mark.parametrize("country", COUNTRIES)
def test_company_sizes_fall_off_as_a_power(country: str) -> None:
    """P(size > s) falls by the power 1.06 from band to band."""
    sizes = load_locale(country).companies.sizes
    above = 1 - np.cumsum(weights(sizes))
    slope = np.log(above[0] / above[4]) / np.log(1000.5 / 10.5)
    assert slope == pytest.approx(1.06, abs=0.01)


def test_lists_stay_small() -> None:
    """All files together are below 8 MB: most are stories, of which a tenant reads one file."""
    assert sum(path.stat().st_size for path in PACKS.rglob("*") if path.is_file()) < 8_000_000


def test_the_script_writes_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``scripts/build_lists.py`` reproduces byte for byte the files that are derived, of every pack."""
    monkeypatch.syspath_prepend(str(Path(countries.__file__).parents[3]))
    importlib.import_module("scripts.build_lists").build(tmp_path)
    written = {
        path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()
    }
    assert written == {path: (PACKS / path).read_bytes() for path in written}
    derived = {"holidays.txt", "female.tsv", "male.tsv", "surnames.tsv", "cities.tsv", "quantiles.json"}
    derived |= {f"topics.{language}.tsv" for language in LANGUAGES}
    derived |= {"company_stems.tsv", "company_patterns.json"}
    assert {path.relative_to(PACKS) for path in PACKS.rglob("*") if path.name in derived} == set(written)
