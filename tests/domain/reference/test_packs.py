"""Packs are data: a country is added by files alone, and the checker names what is wrong in them."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.core.random_streams import Stream
from demo_pipeline.domain.generation.company_names import CompanyNaming
from demo_pipeline.domain.generation.person_names import person_names
from demo_pipeline.domain.reference.countries import COUNTRIES, load_locale, resolve_country
from demo_pipeline.domain.reference.industries import INDUSTRIES, load_industry
from demo_pipeline.domain.reference.known_names import COMPANIES_FILE, PEOPLE_FILE
from demo_pipeline.domain.reference.languages import LANGUAGES
from demo_pipeline.domain.reference.pack_files import PACKAGED, packs_from
from demo_pipeline.domain.reference.texts import load_texts
from scripts.check_packs import problems
from tests.assertions.generated_rows import batches_of, complaints, figures_of, rows_of, spec_of
from tests.builders.blueprints import NOW
from tests.paths import PROJECT

BLUEPRINT: dict[str, Any] = {
    "name": "Donauhof Vertrieb",
    "country": "AT",
    "industry": "saas",
    "start_month": "2025-09",
    "end_month": "2025-11",
    "seed": "7",
    "months": [
        {
            "month": f"2025-{number:02}",
            "companies_created": 5,
            "contacts_created": 40,
            "leads_created": 25,
            "deals_created": 20,
            "closed_won_count": 6,
            "closed_won_value": "31250.75",
            "pipeline_added_value": "90000.10",
            "activities_created": 150,
        }
        for number in (9, 10, 11)
    ],
}


def write_example(packs: Path) -> Path:
    """The country of docs/packs.md as files, block by block; its folder."""
    folder = packs / "countries" / "at"
    folder.mkdir()
    text = (PROJECT / "docs" / "packs.md").read_text("utf-8")
    for kind, name, body in re.findall(
        r"^```(json|text|tsv)(?: (\w+))?\n(.*?)^```$", text, re.DOTALL | re.MULTILINE
    ):
        file = {"json": "country.json", "text": "holidays.txt"}.get(kind, f"{name}.tsv")
        (folder / file).write_text(body, "utf-8")
    return folder


@pytest.fixture
def packs(tmp_path: Path) -> Path:
    """A copy of the packaged packs with the country of docs/packs.md."""
    copy = tmp_path / "packs"
    shutil.copytree(str(PACKAGED), copy)
    write_example(copy)
    return copy


@pytest.fixture
def few_packs(tmp_path: Path) -> Path:
    """The country of docs/packs.md, another of its language, and one industry: quick to check."""
    packs = tmp_path / "packs"
    shutil.copytree(
        str(PACKAGED), packs, ignore=shutil.ignore_patterns("us", "gb", "fr", "en", "*.en.*", "*.fr.*")
    )
    for folder in (packs / "industries").iterdir():
        if folder.name != "saas":
            shutil.rmtree(folder)
    write_example(packs)
    return packs


def test_packaged_packs_have_no_problem() -> None:
    """Every file of every packaged pack is good."""
    assert [str(problem) for problem in problems(Path(str(PACKAGED)))] == []


def test_packs_are_found_by_their_folders() -> None:
    """Countries, languages and industries are the folders that exist; the fallback country comes first."""
    for kind, names in (("languages", LANGUAGES), ("industries", INDUSTRIES)):
        assert set(names) == {path.name for path in (Path(str(PACKAGED)) / kind).iterdir()}
    assert {code.lower() for code in COUNTRIES} == {
        path.name for path in (Path(str(PACKAGED)) / "countries").iterdir()
    }
    assert COUNTRIES[0] == resolve_country("ZZ")


def test_a_country_is_added_by_files_alone(packs: Path, tmp_path: Path) -> None:
    """The documented country is accepted, and a tenant of it has exact figures, its own places and texts."""
    assert [str(problem) for problem in problems(packs)] == []
    assert resolve_country("AT") == "US"
    with packs_from(packs):
        assert resolve_country("AT") == "AT"
        spec = spec_of(tmp_path, BLUEPRINT, NOW)
        rows = rows_of(batches_of(spec, NOW))
        assert complaints(spec, rows, NOW) == []
    assert (spec.country, spec.timezone, spec.currency.code) == ("AT", "Europe/Vienna", "EUR")
    assert figures_of(rows, spec.currency) == dict(zip(spec.months, spec.figures, strict=True))
    assert spec.figures_of(Month.parse("2025-10")).closed_won_value == 3_125_075
    companies, contacts = rows["companies"], rows["contacts"]
    assert {row["country"] for row in companies} == {"AT"}
    assert {row["city"] for row in companies} - {None} <= {"Wien", "Graz", "Linz"}
    phones = {row["phone"] for row in (*companies, *contacts)} - {None}
    assert phones
    assert all(phone.startswith("+43 1 000 ") for phone in phones)
    assert {row["last_name"] for row in contacts} <= {
        "Gruber", "Huber", "Steiner", "Pichler", "Moser", "Leitner",
    }  # fmt: skip
    assert {row["name"] for row in rows["pipeline_stages"]} == set(load_texts("de", "saas").stages)
    assert not any(row["created_at"].date().isoformat() == "2025-10-26" for row in rows["activities"])
    assert resolve_country("AT") == "US"


def test_names_that_must_not_appear_are_files_of_a_country(few_packs: Path) -> None:
    """Nobody and no company has them; what the files may not hold is named, and empty files are good."""
    folder = few_packs / "countries" / "at"
    for name in (PEOPLE_FILE, COMPANIES_FILE):
        (folder / name).write_text("", "utf-8")
    assert [str(problem) for problem in problems(few_packs)] == []
    people = [f"Florian {name}" for name in ("Gruber", "Huber", "Leitner", "Moser", "Pichler")]
    firms = ["Almtaler", "Innquell-Holzbau"]
    (folder / PEOPLE_FILE).write_text("\n".join(people), "utf-8")
    (folder / COMPANIES_FILE).write_text("\n".join(firms), "utf-8")
    assert [str(problem) for problem in problems(few_packs)] == []
    with packs_from(few_packs):
        locale = load_locale("AT")
        draws = (Stream(("people", "at")).raw(column, 2000) for column in ("first", "last", "origin"))
        first, last = person_names(locale, np.zeros(2000, bool), *draws)
        florian = len(locale.female) + locale.male.index["Florian"]
        assert {locale.surnames.names[one] for one in last[first == florian]} == {"Steiner"}
        naming = CompanyNaming(locale.companies, Stream(("seed", "at")))
        made = naming.named(np.arange(naming.space)).names.to_pylist()
    assert len(made) == len(set(made)) == 5 * 7 - 1
    assert not [name for name in made if str(name).startswith("Almtaler") or name == "Innquell Holzbau"]
    (folder / PEOPLE_FILE).write_text("Willi Wurm\nAdolf Hitler\nWurm\nWilli  Wurm\n", "utf-8")
    found = "\n".join(map(str, problems(few_packs)))
    for said in (
        "known_people.txt: is out of order; sort it",
        "line 2: Adolf Hitler is known already; remove it",
        "line 3: Wurm is one word; give given name and surname",
        "line 4: 'Willi  Wurm' is no name; write a name",
    ):
        assert said in found


def test_a_pack_that_does_not_exist_is_refused() -> None:
    """Country, industry and language without a folder, and names in other letters, are no packs."""
    for name in ("AT", "us", "../countries/us"):
        with pytest.raises(KeyError):
            load_locale(name)
    with pytest.raises(KeyError, match="astrology"):
        load_industry("astrology")
    with pytest.raises(KeyError, match="xx"):
        load_texts("xx", "saas")


#: file, what is written there, what is written instead, what the checker says of it
DAMAGES = (
    ("countries/at/country.json", '"EUR"', '"EURO"', "currency: 'EURO' is unknown; give an ISO 4217 code"),
    (
        "countries/at/country.json",
        "Vienna",
        "Wien",
        "timezone: 'Europe/Wien' is unknown; give an IANA time zone",
    ),
    ("countries/at/country.json", "_dat", "_gen", "salutation_acc; give salutation_nom, salutation_dat"),
    ("countries/at/holidays.txt", "2027-01-01 2027-10-26", "", "2027: has no holiday; give those of"),
    ("countries/at/male.tsv", "Florian", "Johanna", "Johanna: is in female.tsv, too; keep it in one"),
    ("countries/at/surnames.tsv", "Gruber\t60", "Gruber\tx", "line 2: weight 'x'; give a whole number"),
    ("countries/at/surnames.tsv", "Huber", "Testhuber", "line 3: 'Testhuber' has a word that must not"),
    ("countries/at/phones.tsv", "+43 1 000 ", "+43 1 588 58 ", "58 000 can be assigned; use a range that"),
    ("countries/at/cities.tsv", "\twien\t8010", "\tgraz\t8010", "line 3: phones graz is unknown; add it to"),
    ("countries/at/legal_forms.tsv", "name", "form", "line 1: names other columns; write with tabs"),
    (
        "countries/gb/country.json",
        '"timezone": "Europe/London",',
        "",
        "timezone: field required; give an IANA",
    ),
    ("countries/us/country.json", '"en"', '"at"', "language: 'at' has no pack; use de, en"),
    ("countries/de/country.json", "]\n}\n", "]\n", "is not JSON"),
    ("languages/de/language.json", '"closing":', '"ending":', "frames: has ending, greeting"),
    ("languages/de/talk_track.json", '"at_risk":', '"in_danger":', "phrases: at_risk is missing or unknown"),
    ("languages/fr/talk_track.json", "{count} appels", "appels", "counts.call: has no {count}; write"),
    (
        "languages/en/talk_track.json",
        "{title}{for_amount}",
        "{title}",
        "phrases.deal: has other slots",
    ),
    ("languages/de/company_structure.tsv", "\t11-50\t", "\t11-60\t", "unknown size 11-60; use any, 1-10"),
    ("languages/fr/company_structure.tsv", "SARL,SNC", "SARL,SNCF", "no country has SNCF; use names of"),
    ("languages/en/company_structure.tsv", "chief ", "chief (", "is no regular expression"),
    (
        "industries/saas/stories.de.tsv",
        "\nloss\ttalk\t",
        "\nlost\ttalk\t",
        "the beat 'lost' does not exist; use",
    ),
    (
        "industries/igaming/stories.de.tsv",
        "\noffer\tmail\t",
        "\noffer\tmail\t{oops} ",
        "unknown slot oops; use",
    ),
    (
        "industries/trading/stories.de.tsv",
        "\noffer\ttalk\t",
        "\noffer\ttalk\tAm Montag: ",
        "'Montag' depends on the clock",
    ),
    (
        "industries/finserv/stories.de.tsv",
        "\nneed\ttalk\t",
        "\nneed\ttalk\t{amount}: ",
        "product or amount, where there is none",
    ),
    (
        "industries/realestate/stories.de.tsv",
        "\nfact\trole_f\t",
        "\nfact\tjob\t",
        "job: has 1 values; give 25",
    ),
    ("languages/en/language.json", '"name"', '"case": 1, "name"', "case: extra inputs"),
    ("industries/saas/industry.json", "[30, 90]", "[90, 30]", "cycle_days: 90 to 30 is no range; put the"),
    ("industries/trading/industry.json", "5000,", "6000,", "is not that of industry.json; run python"),
    ("industries/saas/words.de.json", '"#16a34a"', '"green"', "tags.Fürsprecher: string should match"),
    (
        "industries/finserv/industry.json",
        '{"value_usd": [10000, 500000]}',
        '{"price_usd": 10.0}',
        "pricing.products.0: has ['price_usd']; give value_usd",
    ),
    (
        "industries/igaming/industry.json",
        "[20, 600]",
        "[600, 20]",
        "pricing.products.8: 600 to 20 is no range; put the smaller",
    ),
    (
        "industries/saas/words.en.json",
        '"{product}, {pieces} seats"',
        '"{product} seats"',
        "lines.pieces.0: has the slots ['product']; write {pieces}, {product}",
    ),
    ("industries/realestate/words.en.json", '"Penthouse",', "", "products: has 22 names; name 23 products"),
    ("industries/ecommerce/words.en.json", '"Pet Bed":', '"Cat Bed":', "spellings.gb: Cat Bed is no product"),
)


def test_all_problems_of_damaged_packs_are_said_at_once(packs: Path) -> None:
    """One run names every damage: the file, the key or line, and the remedy."""
    for file, old, new, _ in DAMAGES:
        text = (packs / file).read_text("utf-8")
        assert old in text
        (packs / file).write_text(text.replace(old, new, 1), "utf-8")
    found = [str(problem) for problem in problems(packs)]
    for file, _, _, said in DAMAGES:
        place = file if "is not that of" not in said else file.replace("industry.json", "quantiles.json")
        assert any(one.startswith(f"{place}: ") and said in one for one in found), (file, said, found)


def test_missing_and_unknown_files_are_named(packs: Path) -> None:
    """Missing files, unknown ones and wrong values of several packs are in one list."""
    (packs / "countries" / "at" / "streets.tsv").unlink()
    (packs / "industries" / "saas" / "notes.txt").write_text("x", "utf-8")
    (packs / "languages" / "de" / "language.json").write_text("{}", "utf-8")
    found = "\n".join(map(str, problems(packs)))
    assert "countries/at/streets.tsv: is missing; add it" in found
    assert "industries/saas/notes.txt: is not a file of a pack; remove it" in found
    for key in ("name", "salutation_slots", "pronoun_slots", "days", "time_words"):
        assert f"languages/de/language.json: {key}: field required" in found
