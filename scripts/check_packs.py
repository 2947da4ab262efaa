"""Checks packs: every file of every country, language and industry, all problems at once.

    python -m scripts.check_packs [FOLDER]

FOLDER has ``countries``, ``languages`` and ``industries``; by default it is the packaged one. A problem names
the file, the key or line in it, and what to do. docs/packs.md describes the files. A native
reader judges whether sentences read well.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Final, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import phonenumbers
from pydantic import ValidationError

from demo_pipeline.domain.model import ACTIVITY_TYPES, COMPANY_SIZES
from demo_pipeline.domain.reference.blocked_words import BRANDS, PLACES
from demo_pipeline.domain.reference.company_names import PATTERNS_FILE
from demo_pipeline.domain.reference.countries import CURRENCIES, KNOWN_COUNTRY_CODES, ORIGINS_FILE
from demo_pipeline.domain.reference.known_names import COMPANIES_FILE, PEOPLE_FILE, shared_names
from demo_pipeline.domain.reference.languages import FRAMES
from demo_pipeline.domain.reference.names import ascii_label
from demo_pipeline.domain.reference.pack_files import PACKAGED
from demo_pipeline.domain.reference.stories import ANY, STRUCTURE_FILE
from demo_pipeline.domain.reference.story_rules import story_findings
from demo_pipeline.domain.reference.talk_tracks import COUNTED, PHRASES
from scripts.listbuild.quantiles import quantiles
from scripts.listbuild.words import Sieve
from scripts.pack_schema import (
    COUNTRY_TABLES,
    FEWEST_DESCRIPTORS,
    NOBODY,
    YEARS,
    CountryFile,
    IndustryFile,
    LanguageFile,
    OriginsFile,
    PackFile,
    PatternsFile,
    TalkTrackFile,
    WordsFile,
)

#: Slots of every language.
_PERSON: Final = frozenset({"first", "last", "person"})
_REST: Final = frozenset({"company", "product"})
#: Kind of pricing → kinds of lines that it makes → slots that each has, besides what it may have.
_LINES: Final[dict[str, dict[str, set[str]]]] = {
    "pieces": {"plain": set(), "pieces": {"pieces"}, "odd": set()},
    "baskets": {"plain": set(), "pieces": {"pieces"}, "basket": {"more"}, "odd": set()},
    "written": {"plain": set(), "odd": set()},
    "stepped": {"plain": set(), "odd": set()},
}
_SLOT: Final = re.compile(r"\{(.*?)\}")

Model = TypeVar("Model", bound=PackFile)
Table = dict[str, list[str]]


@dataclass(frozen=True)
class Problem:
    """What is wrong in a file, and what to do about it."""

    file: str
    #: a key of a JSON file; a line or column of another file; empty: the whole file
    key: str
    message: str
    remedy: str

    def __str__(self) -> str:
        place = f"{self.file}: {self.key}" if self.key else self.file
        return f"{place}: {self.message}; {self.remedy}"


@dataclass
class _Checker:
    root: Path
    problems: list[Problem] = field(default_factory=list[Problem])
    sieve: Sieve = field(default_factory=Sieve)

    def add(self, file: Path, key: str, message: str, remedy: str) -> None:
        self.problems.append(Problem(str(file.relative_to(self.root)), key, message, remedy))

    def names(self, kind: str) -> list[str]:
        """The packs of a kind."""
        return sorted(path.name for path in (self.root / kind).glob("*") if path.is_dir())

    def files(self, folder: Path, expected: Iterable[str]) -> None:
        """A pack has these files and no others."""
        found, wanted = {path.name for path in folder.iterdir()}, set(expected)
        for name in sorted(wanted - found):
            self.add(folder / name, "", "is missing", "add it (docs/packs.md)")
        for name in sorted(found - wanted):
            self.add(folder / name, "", "is not a file of a pack", f"remove it; known: {', '.join(wanted)}")

    def json(self, file: Path, model: type[Model]) -> Model | None:
        """A JSON file as its model; None where it is missing or wrong."""
        if not file.exists():
            return None
        try:
            return model.model_validate(json.loads(file.read_text("utf-8")))
        except ValueError as error:
            if not isinstance(error, ValidationError):
                self.add(file, "", f"is not JSON ({error})", "correct it")
                return None
            for one in error.errors():
                path = [str(part) for part in one["loc"]]
                known = model.model_fields.get(path[0]) if path else None
                remedy = known.description if known and known.description else "remove it or correct its name"
                self.add(file, ".".join(path), one["msg"].lower(), remedy)
            return None

    def table(self, file: Path, columns: Sequence[str]) -> Table | None:
        """A table by columns; None where it is missing or cannot be read."""
        if not file.exists():
            return None
        head, *lines = file.read_text("utf-8").splitlines() or [""]
        rows = [line.split("\t") for line in lines]
        if head.split("\t") != list(columns):
            self.add(file, "line 1", "names other columns", f"write with tabs: {' '.join(columns)}")
        elif not rows:
            self.add(file, "", "has no rows", "add one line for each")
        elif wrong := [str(place) for place, row in enumerate(rows, 2) if len(row) != len(columns)]:
            self.add(file, f"line {wrong[0]}", f"has not {len(columns)} fields", "separate fields by tabs")
        else:
            table = dict(zip(columns, map(list, zip(*rows, strict=True)), strict=True))
            self._check_rows(file, table)
            return table
        return None

    def _check_rows(self, file: Path, table: Table) -> None:
        seen = set[str]()
        # Cities may share a name, two companies never the label of their domain.
        names = table.get("name", [])
        keys = zip(names, table.get("state", names), strict=True)
        for place, (name, state) in enumerate(keys, 2):
            label = f"{ascii_label(name)} {ascii_label(state)}"
            if label in seen:
                self.add(file, f"line {place}", f"{name} is there twice", "remove one")
            seen.add(label)
        for column in table:
            for place, value in enumerate(table[column], 2):
                if column == "weight" and not (value.isdecimal() and int(value)):
                    self.add(file, f"line {place}", f"weight {value!r}", "give a whole number above 0")
                elif not value.strip():
                    self.add(file, f"line {place}", f"{column} is empty", "fill it in")
        for column in {"name", "state", "industry"} & set(table):
            self.words(file, table[column], lambda place: f"line {place + 2}")

    def words(
        self, file: Path, texts: Sequence[str], key: Callable[[int], str], *, are_sentences: bool = False
    ) -> None:
        """No text has a word that must not be seen."""
        for place, text in enumerate(texts):
            if not self.sieve.passes(_SLOT.sub(" ", text), str(file), is_sentence=are_sentences):
                self.add(file, key(place), f"{text!r} has a word that must not be shown", "choose another")


def problems(root: Path) -> list[Problem]:
    """Everything that is wrong in the packs of a folder."""
    checker = _Checker(root)
    languages = {name: _language(checker, name) for name in checker.names("languages")}
    for industry in checker.names("industries"):
        _industry(checker, industry, languages)
    for name in (PEOPLE_FILE, COMPANIES_FILE):
        _known_names(checker, root / name, ())
    for country in checker.names("countries"):
        _country(checker, country, languages)
    return checker.problems


def _language(checker: _Checker, name: str) -> LanguageFile | None:
    folder = checker.root / "languages" / name
    structure = folder / STRUCTURE_FILE
    checker.files(
        folder, ("language.json", "talk_track.json", *([STRUCTURE_FILE] if structure.exists() else []))
    )
    _structure(checker, structure)
    language = checker.json(file := folder / "language.json", LanguageFile)
    if language is not None and set(language.frames) != set(FRAMES):
        checker.add(file, "frames", f"has {', '.join(sorted(language.frames))}", f"give {', '.join(FRAMES)}")
    _talk_track(checker, folder / "talk_track.json")
    return language


def _structure(checker: _Checker, file: Path) -> None:
    """Words are regular expressions; sizes and legal forms are known."""
    table = checker.table(file, ("words", "smallest_size", "legal_forms"))
    if table is None:
        return
    known = {
        line.partition("\t")[0]
        for forms in checker.root.glob("countries/*/legal_forms.tsv")
        for line in forms.read_text("utf-8").splitlines()[1:]
    }
    rows = zip(table["words"], table["smallest_size"], table["legal_forms"], strict=True)
    for place, (words, size, forms) in enumerate(rows, 2):
        try:
            re.compile(words)
        except re.error as error:
            checker.add(file, f"line {place}", f"{words!r} is no regular expression ({error})", "correct it")
        if size not in (ANY, *COMPANY_SIZES):
            checker.add(
                file, f"line {place}", f"unknown size {size}", f"use {', '.join((ANY, *COMPANY_SIZES))}"
            )
        if unknown := [form for form in forms.split(",") if form != ANY and form not in known]:
            checker.add(file, f"line {place}", f"no country has {unknown[0]}", "use names of legal_forms.tsv")


def _talk_track(checker: _Checker, file: Path) -> None:
    """All phrases with the slots that they are filled with, and one and several of what is counted."""
    track = checker.json(file, TalkTrackFile)
    if track is None:
        return
    for key, found, wanted in (("phrases", track.phrases, PHRASES), ("counts", track.counts, COUNTED)):
        if differing := set(found).symmetric_difference(wanted):
            checker.add(file, key, f"{min(differing)} is missing or unknown", f"give {', '.join(wanted)}")
    for name, text in track.phrases.items():
        slots = PHRASES.get(name, frozenset())
        if set(_SLOT.findall(text)) != set(slots):
            remedy = f"write {', '.join(f'{{{slot}}}' for slot in sorted(slots)) or 'none'}"
            checker.add(file, f"phrases.{name}", "has other slots", remedy)
    for name, (_, many) in track.counts.items():
        if "{count}" not in many:
            checker.add(file, f"counts.{name}", "has no {count}", "write {count} where there are several")
    for country, form in track.dates.items():
        if set(_SLOT.findall(form)) != {"day", "month", "year"}:
            checker.add(file, f"dates.{country}", "has other slots", "write {day}, {month}, {year}")


def _sentences(
    checker: _Checker,
    file: Path,
    key: str,
    texts: Sequence[str],
    language: LanguageFile,
) -> None:
    """Texts have slots that are filled."""
    known = {*language.salutation_slots, *language.pronoun_slots, *_PERSON, *_REST}
    checker.words(file, texts, lambda place: f"{key}.{place}")
    if doubles := {text for text in texts if texts.count(text) > 1}:
        checker.add(file, key, f"{min(doubles)!r} is there twice", "remove one")
    for place, text in enumerate(texts):
        slots = _SLOT.findall(text)
        if unknown := sorted(set(slots) - known):
            checker.add(
                file, f"{key}.{place}", f"unknown slot {unknown[0]}", f"use {', '.join(sorted(known))}"
            )


def _industry(checker: _Checker, name: str, languages: dict[str, LanguageFile | None]) -> None:
    folder = checker.root / "industries" / name
    by_language = [
        f"{kind}.{code}.{ext}" for code in languages for kind, ext in (("words", "json"), ("stories", "tsv"))
    ]
    checker.files(folder, ("industry.json", "quantiles.json", *by_language))
    about = checker.json(file := folder / "industry.json", IndustryFile)
    if about is not None and _figures(checker, file, about):
        tables = folder / "quantiles.json"
        if tables.exists() and json.loads(tables.read_bytes()) != quantiles(about.model_dump()):
            checker.add(tables, "", "is not that of industry.json", "run python scripts/build_lists.py")
    for code, language in languages.items():
        _words(checker, folder / f"words.{code}.json", language, about)
        if language is not None:
            _stories(checker, folder / f"stories.{code}.tsv", language)


def _words(checker: _Checker, file: Path, language: LanguageFile | None, about: IndustryFile | None) -> None:
    words = checker.json(file, WordsFile)
    if words is None:
        return
    lists = {"stages": words.stages, "tags": list(words.tags), "products": words.products}
    for key, texts in lists.items():
        checker.words(file, texts, lambda place, key=key: f"{key}.{place}")
    if about is not None and len(words.stages) != len(about.stages):
        checker.add(file, "stages", f"has {len(words.stages)} names", f"name {len(about.stages)} stages")
    if language is not None:
        for key in ("deal_titles", "deal_titles_first", "deal_titles_again"):
            _sentences(checker, file, key, getattr(words, key), language)
    if about is not None:
        _lines(checker, file, words, about)
    if all("{company}" in title for title in words.deal_titles):
        checker.add(file, "deal_titles", "all need a company", "add one without {company}")


def _lines(checker: _Checker, file: Path, words: WordsFile, about: IndustryFile) -> None:
    """A name for each product, and forms with the right slots for each kind of line."""
    if len(words.products) != (count := len(about.pricing.products)):
        checker.add(file, "products", f"has {len(words.products)} names", f"name {count} products")
    if len(set(words.products)) != len(words.products):
        checker.add(file, "products", "has a name twice", "give each product its own name")
    wanted = _LINES[about.pricing.kind]
    if set(words.lines) != set(wanted):
        checker.add(file, "lines", f"has {', '.join(words.lines)}", f"give {', '.join(wanted)}")
    free = {"city"} if about.pricing.by_city else set[str]()
    for kind, forms in words.lines.items():
        checker.words(file, forms, lambda place, kind=kind: f"lines.{kind}.{place}")
        for place, form in enumerate(forms):
            slots = set(_SLOT.findall(form))
            needed = {"product", *wanted.get(kind, set())}
            if not needed <= slots <= needed | free:
                remedy = f"write {', '.join(f'{{{slot}}}' for slot in sorted(needed))}"
                checker.add(file, f"lines.{kind}.{place}", f"has the slots {sorted(slots)}", remedy)
    for country, names in words.spellings.items():
        checker.words(file, list(names.values()), lambda place, at=country: f"spellings.{at}.{place}")
        if country not in checker.names("countries"):
            checker.add(file, f"spellings.{country}", "is no country", "name a folder of countries")
        for name in sorted(set(names) - set(words.products)):
            checker.add(file, f"spellings.{country}", f"{name} is no product", "name one of products")


def _stories(checker: _Checker, file: Path, language: LanguageFile) -> None:
    table = checker.table(file, ["beat", "form", "text"])
    if table is not None:
        checker.words(file, table["text"], lambda place: f"line {place + 2}", are_sentences=True)
        for finding in story_findings(table, language):
            key = f"line {finding.row + 2}" if finding.row is not None else finding.place
            checker.add(file, key, finding.message, finding.remedy)


def _figures(checker: _Checker, file: Path, about: IndustryFile) -> bool:
    """Whether ranges ascend, seasons sum up, and stages have the outcomes that deals need."""
    before = len(checker.problems)
    for key in ("deal_usd", "cycle_days"):
        low, high = getattr(about, key)
        if low >= high:
            checker.add(file, key, f"{low} to {high} is no range", "put the smaller number first")
    if sum(about.seasonality) != 1200:
        checker.add(file, "seasonality", f"is {sum(about.seasonality)} in all", "make it 1200")
    if set(about.activity_weights) != set(ACTIVITY_TYPES):
        checker.add(file, "activity_weights", "has other types", f"give {', '.join(ACTIVITY_TYPES)}")
    _pricing(checker, file, about)
    if about.story[0] or about.story != sorted(about.story):
        checker.add(file, "story", "does not ascend from 0", "put the steps in their order")
    for outcome in ("open", "won", "lost"):
        chances = [stage.probability for stage in about.stages if stage.outcome == outcome]
        fits = {
            "open": all(0 < one < 100 for one in chances),
            "won": set(chances) == {100},
            "lost": set(chances) == {0},
        }
        if not chances or not fits[outcome]:
            checker.add(
                file,
                "stages",
                f"{outcome} stages have probabilities {chances}",
                "give 0 for lost, 100 for won",
            )
    return len(checker.problems) == before


def _pricing(checker: _Checker, file: Path, about: IndustryFile) -> None:
    """Products say what their kind of pricing needs, and their ranges leave no gap."""
    pricing = about.pricing
    needed = {"pieces": ("price_usd", "pieces"), "baskets": ("price_usd",)}.get(pricing.kind, ("value_usd",))
    ranges: list[tuple[float, float]] = []
    for place, product in enumerate(pricing.products):
        key = f"pricing.products.{place}"
        if product.model_fields_set != set(needed):
            checker.add(file, key, f"has {sorted(product.model_fields_set)}", f"give {', '.join(needed)}")
            return
        low, high = product.value_usd or product.pieces or (1, 1)
        if low > high:
            checker.add(file, key, f"{low} to {high} is no range", "put the smaller number first")
        factor = (product.price_usd or 1) * pricing.periods
        ranges.append((low * factor, high * factor))
    reached = 0.0
    for low, high in sorted(ranges) if pricing.kind != "baskets" else ():
        if reached and low > reached:
            checker.add(file, "pricing.products", f"nothing is sold from {reached} to {low}", "widen a range")
        reached = max(reached, high)
    below = [one for one, _ in pricing.steps_usd[:-1]]
    if (pricing.kind == "stepped") != bool(pricing.steps_usd) or below != sorted(below):
        checker.add(file, "pricing.steps_usd", "does not fit", "list ascending steps for kind stepped only")
    if pricing.level_percent != sorted(pricing.level_percent):
        checker.add(file, "pricing.level_percent", "is no range", "put the smaller number first")


def _country(checker: _Checker, code: str, languages: dict[str, LanguageFile | None]) -> None:
    folder = checker.root / "countries" / code
    names = (ORIGINS_FILE, PATTERNS_FILE, PEOPLE_FILE, COMPANIES_FILE)
    optional = [name for name in names if (folder / name).exists()]
    tables_of = (f"{name}.tsv" for name in COUNTRY_TABLES)
    checker.files(folder, ("country.json", "holidays.txt", *tables_of, *optional))
    if code.upper() not in KNOWN_COUNTRY_CODES or code != code.lower():
        checker.add(folder, "", "is no country", "name it by the ISO 3166-1 code in small letters")
    about = checker.json(folder / "country.json", CountryFile)
    if about is not None:
        _about_country(checker, folder / "country.json", about, languages)
    _holidays(checker, folder / "holidays.txt")
    for name in (PEOPLE_FILE, COMPANIES_FILE):
        _known_names(checker, folder / name, shared_names(name))
    tables = {
        name: checker.table(folder / f"{name}.tsv", columns) or {name: [] for name in columns}
        for name, columns in COUNTRY_TABLES.items()
    }
    for name in sorted(set(tables["female"]["name"]) & set(tables["male"]["name"])):
        checker.add(folder / "male.tsv", name, "is in female.tsv, too", "keep it in one of them")
    _origins(checker, folder / ORIGINS_FILE, tables)
    _patterns(checker, folder / PATTERNS_FILE, tables["legal_forms"]["name"])
    _phones(checker, folder / "phones.tsv", tables["phones"])
    for place, ranges in enumerate(tables["cities"]["phones"], 2):
        if unknown := sorted(set(ranges.split(",")) - set(tables["phones"]["range"])):
            message = f"phones {unknown[0]} is unknown"
            checker.add(folder / "cities.tsv", f"line {place}", message, "add it to phones.tsv")
    endings = list(map(ascii_label, tables["company_descriptors"]["name"]))
    if tables["company_descriptors"]["name"] and len(endings) < FEWEST_DESCRIPTORS:
        remedy = f"give {FEWEST_DESCRIPTORS} or more"
        checker.add(folder / "company_descriptors.tsv", "", f"has {len(endings)} rows", remedy)
    for place, stem in enumerate(map(ascii_label, tables["company_stems"]["name"]), 2):
        if stem in BRANDS or PLACES.search(" ".join(stem + ending for ending in endings)):
            message = f"{stem} is notorious or a brand"
            checker.add(folder / "company_stems.tsv", f"line {place}", message, "remove it")


def _origins(checker: _Checker, file: Path, tables: dict[str, Table]) -> None:
    """Names of an origin are in the country's lists, each in one origin, and not all of a list are."""
    if not file.exists():
        return
    try:
        origins = OriginsFile.model_validate_json(file.read_bytes()).root
    except ValidationError as error:
        for one in error.errors():
            checker.add(file, ".".join(map(str, one["loc"])), one["msg"].lower(), "see docs/packs.md")
        return
    for kind, separator in (("female", " "), ("male", " "), ("surnames", ", ")):
        known, seen = set(tables[kind]["name"]), set[str]()
        for origin, row in origins.items():
            for name in getattr(row, kind).split(separator):
                if name not in known:
                    checker.add(file, f"{origin}.{kind}", f"{name!r} is not in {kind}.tsv", "remove it")
                if name in seen:
                    checker.add(file, f"{origin}.{kind}", f"{name!r} is there twice", "remove one")
                seen.add(name)
        if known and known <= seen:
            checker.add(file, kind, f"all of {kind}.tsv have an origin", "leave out the usual ones")


def _patterns(checker: _Checker, file: Path, legal_forms: list[str]) -> None:
    """Weights sum to 100, and the limits of legal forms are those of forms and sizes that exist."""
    if (declared := checker.json(file, PatternsFile)) is None:
        return
    if (whole := sum(declared.patterns.values())) != 100:
        checker.add(file, "patterns", f"the weights are {whole} in all", "make it 100")
    for form, sizes in declared.form_sizes.items():
        if form not in legal_forms or not set(sizes) <= set(COMPANY_SIZES):
            message = f"{form!r} or one of {', '.join(sizes)} is unknown"
            checker.add(file, "form_sizes", message, f"use legal_forms.tsv and {', '.join(COMPANY_SIZES)}")
    checker.words(file, list(declared.patterns), lambda place: f"patterns.{place}")
    checker.words(file, declared.acronyms.split(), lambda place: f"acronyms.{place}")


def _about_country(
    checker: _Checker, file: Path, about: CountryFile, languages: dict[str, LanguageFile | None]
) -> None:
    """Language, currency and time zone exist, and the language's forms of address are there."""
    language = languages.get(about.language)
    if about.language not in languages:
        checker.add(file, "language", f"{about.language!r} has no pack", f"use {', '.join(languages)}")
    elif language is not None and set(about.honorifics) != set(language.salutation_slots):
        remedy = f"give {', '.join(language.salutation_slots)}"
        checker.add(file, "honorifics", f"has {', '.join(about.honorifics)}", remedy)
    forms = [re.sub(r"\{.*?\}", " ", form.form) for form in about.address_forms]
    checker.words(file, forms, lambda place: f"address_forms.{place}")
    checker.words(file, list(about.mailboxes), lambda place: f"mailboxes.{place}")
    if about.currency not in CURRENCIES:
        checker.add(file, "currency", f"{about.currency!r} is unknown", "give an ISO 4217 code")
    try:
        ZoneInfo(about.timezone)
    except (ZoneInfoNotFoundError, ValueError):
        checker.add(file, "timezone", f"{about.timezone!r} is unknown", "give an IANA time zone")


def _holidays(checker: _Checker, file: Path) -> None:
    if not file.exists():
        return
    days: list[date] = []
    for place, text in enumerate(file.read_text("utf-8").split(), 1):
        try:
            days.append(date.fromisoformat(text))
        except ValueError:
            checker.add(file, f"line {place}", f"{text!r} is no date", "write YYYY-MM-DD")
    if days != sorted(set(days)):
        checker.add(file, "", "is out of order", "sort it, each day once")
    for year in YEARS:
        if not any(day.year == year for day in days):
            checker.add(file, str(year), "has no holiday", f"give those of {YEARS[0]} to {YEARS[-1]}")


def _known_names(checker: _Checker, file: Path, shared: Sequence[str]) -> None:
    """Names in order, each once and not among the shared ones; those of people have two words or more."""
    if not file.exists():
        return
    names = file.read_text("utf-8").splitlines()
    if names != sorted(names):
        checker.add(file, "", "is out of order", "sort it by code points")
    seen = set(map(ascii_label, shared))
    for place, name in enumerate(names, 1):
        label = ascii_label(name)
        if not label or name != " ".join(name.split()):
            checker.add(file, f"line {place}", f"{name!r} is no name", "write a name, with single blanks")
        elif label in seen:
            checker.add(file, f"line {place}", f"{name} is known already", "remove it")
        elif file.name == PEOPLE_FILE and " " not in name:
            checker.add(file, f"line {place}", f"{name} is one word", "give given name and surname")
        seen.add(label)


def _phones(checker: _Checker, file: Path, phones: Table) -> None:
    """Ranges are numbers, and nobody can be reached: published ones, or impossible to assign."""
    columns = (phones[name] for name in COUNTRY_TABLES["phones"][1:])
    for place, (prefix, first, last, digits, scope, reserved_by) in enumerate(zip(*columns, strict=True), 2):
        key = f"line {place}"
        numbers = [int(text) if text.isdecimal() else -1 for text in (first, last, digits)]
        if not 0 <= numbers[0] <= numbers[1] < 10 ** numbers[2]:
            message = f"{first} to {last} with {digits} digits is no range"
            checker.add(file, key, message, "give numbers that fit the digits")
        elif not prefix.startswith("+"):
            checker.add(file, key, f"prefix {prefix!r}", "write it in international form: +43 ...")
        elif reserved_by == NOBODY:
            for number in numbers[:2]:
                text = f"{prefix}{number:0{numbers[2]}d}"
                if phonenumbers.is_valid_number(phonenumbers.parse(text)):
                    remedy = "use a range that a regulator publishes, or that cannot be assigned"
                    checker.add(file, key, f"{text} can be assigned", remedy)
        if scope not in {"area", "nationwide"}:
            checker.add(file, key, f"scope {scope!r}", "say area or nationwide")


def main(words: Sequence[str]) -> int:
    """Print the problems of the folder that is named, or of the packaged packs; 1 if there are any."""
    root = Path(words[0]) if words else Path(str(PACKAGED))
    found = problems(root)
    for problem in found:
        print(problem)
    print(f"{len(found)} problems" if found else "all packs are good")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
