"""Activities tell the story of their deal or contact: in order, once, with the facts and days of the rows."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest

from demo_pipeline.domain.core.currency import Currency
from demo_pipeline.domain.generation import activities, beats
from demo_pipeline.domain.generation.fitting_facts import fitting_lines
from demo_pipeline.domain.model import ACTIVITY_TYPES, COMPANY_SIZES
from demo_pipeline.domain.reference.countries import load_locale
from demo_pipeline.domain.reference.industries import INDUSTRIES
from demo_pipeline.domain.reference.languages import LANGUAGES, Language
from demo_pipeline.domain.reference.stories import Requirement, fact_group, load_stories
from demo_pipeline.domain.reference.story_parts import BEATS, FORMS, NEEDS
from demo_pipeline.domain.reference.texts import load_texts
from tests.assertions.generated_rows import Row, batches_of, rows_of, spec_of
from tests.builders.blueprints import NOW

COUNTRIES: Final = {"en": "US", "de": "DE", "fr": "FR"}
STEPS: Final = BEATS[: BEATS.index("loss")]
AFTER: Final = ("signature", "onboarding", "invoice", "aftercare")
#: Told once of a deal.
ONCE: Final = (
    "first_contact", "trial", "offer", "revision", "loss", "signature", "onboarding", "invoice",
)  # fmt: skip
BOUGHT: Final = ("service", "complaint", "upsell", "winback")
#: Facts that say where an object is.
PLACES: Final = ("ort", "rue", "secteur")
EITHER: Final = [(language, industry) for language in LANGUAGES for industry in INDUSTRIES]


@dataclass(frozen=True)
class Stories:
    """Rows of a tenant, and the beat that each activity tells."""

    rows: dict[str, list[Row]]
    beat: dict[str, str]

    def of_deals(self) -> Iterator[tuple[Row, list[Row]]]:
        """Each deal with its activities by creation."""
        deals = {row["id"]: row for row in self.rows["deals"]}
        told: dict[str, list[Row]] = defaultdict(list)
        for row in sorted(self.rows["activities"], key=lambda row: row["created_at"]):
            if row["deal_id"]:
                told[row["deal_id"]].append(row)
        return ((deals[key], rows) for key, rows in told.items())


def stories(
    folder: Path, monkeypatch: pytest.MonkeyPatch, country: str, industry: str, **declared: Any
) -> Stories:
    """A tenant of 1,500 activities; what each tells is noted on the way."""
    told: list[str] = []
    story_rows = beats.story_rows

    def noted(*arguments: Any) -> beats.StoryRows:
        result = story_rows(*arguments)
        told.extend(BEATS[int(one)] for one in result.beat)
        return result

    monkeypatch.setattr(activities, "story_rows", noted)
    blueprint = {
        "name": "Brightwater Supplies",
        "country": country,
        "industry": industry,
        "start_month": "2025-01",
        "end_month": "2025-06",
        "seed": "31",
        "totals": {
            "leads_created": 180,
            "contacts_created": 300,
            "companies_created": 60,
            "deals_created": 120,
            "closed_won_count": 40,
            "activities_created": 1500,
        },
    }
    rows = rows_of(batches_of(spec_of(folder, blueprint | declared, NOW), NOW))
    beat = {row["id"]: name for row, name in zip(rows["activities"], told, strict=True)}
    return Stories({table: list(of_table) for table, of_table in rows.items()}, beat)


@dataclass(frozen=True)
class Abroad:
    """A tenant of software, and its language."""

    told: Stories
    language: Language

    def by_id(self, table: str) -> dict[str, Row]:
        return {row["id"]: row for row in self.told.rows[table]}

    def replies(self) -> Iterator[tuple[Row, Row]]:
        """E-mails that end with the name of a contact and a line below it, with the contact."""
        contacts = self.by_id("contacts")
        for row in self.told.rows["activities"]:
            contact = contacts[row["contact_id"]]
            ending = row["description"].rpartition("\n\n")[2] if row["type"] == "email" else ""
            if f"{contact['first_name']} {contact['last_name']}" in ending and contact["company_id"]:
                yield row, contact


@pytest.fixture(params=["saas", "ecommerce"])
def told(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stories:
    return stories(tmp_path, monkeypatch, "US", request.param)


def outcome_of(told: Stories, deal: Row) -> str:
    [stage] = [stage for stage in told.rows["pipeline_stages"] if stage["id"] == deal["stage_id"]]
    return "won" if stage["is_won"] else "lost" if stage["is_lost"] else "open"


def test_steps_come_in_their_order_and_once(told: Stories) -> None:
    """A deal's story never goes back, tells what happens once once, and speaks of an offer only after it."""
    compared = 0
    for _, rows in told.of_deals():
        names = [told.beat[row["id"]] for row in rows]
        places = [STEPS.index(name) for name in names if name in STEPS]
        assert places == sorted(places), names
        compared += len(places) > 2
        for name, count in Counter(names).items():
            assert count == 1 or name not in ONCE, names
        if "follow_up" in names:
            last_wait = max((place for place, name in enumerate(names) if name == "waiting"), default=-1)
            assert last_wait < names.index("follow_up"), names
    assert compared > 5


def test_a_story_ends_as_its_deal_does(told: Stories) -> None:
    """A decision is told of won deals alone, a loss last and of lost ones; only what is won is delivered."""
    seen: Counter[str] = Counter()
    for deal, rows in told.of_deals():
        outcome = outcome_of(told, deal)
        for place, row in enumerate(rows):
            name = told.beat[row["id"]]
            seen[name] += 1
            if name == "decision":
                assert outcome == "won"
            if name == "loss":
                assert outcome == "lost"
                assert place == len(rows) - 1
            if outcome == "won":
                assert (name in AFTER) == (row["created_at"] >= deal["closed_at"]), name
            else:
                assert name not in AFTER
    assert min(seen["decision"], seen["loss"]) > 5
    assert seen["signature"]


def test_who_has_not_bought_is_no_customer(told: Stories) -> None:
    """Service, complaints and more sales are with people who, or whose company, won a deal before."""
    contacts = {row["id"]: row for row in told.rows["contacts"]}
    bought: dict[str, datetime] = {}
    for deal in told.rows["deals"]:
        if outcome_of(told, deal) == "won":
            for key in filter(None, (deal["contact_id"], contacts[deal["contact_id"]]["company_id"])):
                bought[key] = min(bought.get(key, deal["closed_at"]), deal["closed_at"])
    never = datetime.max.replace(tzinfo=UTC)
    seen = 0
    for row in told.rows["activities"]:
        if told.beat[row["id"]] in BOUGHT:
            buyers = filter(None, (row["contact_id"], contacts[row["contact_id"]]["company_id"]))
            assert min(bought.get(one, never) for one in buyers) < row["created_at"]
            seen += 1
    assert seen > 20


def test_first_activities_refer_to_nothing(told: Stories) -> None:
    """An introduction or an answer to an inquiry is the first activity with its contact in its month."""
    first: dict[tuple[str, str], str] = {}
    for row in sorted(told.rows["activities"], key=lambda row: row["created_at"]):
        if not row["deal_id"]:
            first.setdefault((row["contact_id"], f"{row['created_at']:%Y-%m}"), row["id"])
    introduced = [row for row in told.rows["activities"] if told.beat[row["id"]] == "introduction"]
    assert introduced
    for row in introduced:
        assert first[row["contact_id"], f"{row['created_at']:%Y-%m}"] == row["id"]


def test_nobody_who_is_known_is_met_for_the_first_time(told: Stories) -> None:
    """A deal begins with a first contact only where its contact is new, and has no earlier deal."""
    contacts = {row["id"]: row for row in told.rows["contacts"]}
    first_deal: dict[str, datetime] = {}
    for deal in told.rows["deals"]:
        earliest = first_deal.get(deal["contact_id"], deal["created_at"])
        first_deal[deal["contact_id"]] = min(earliest, deal["created_at"])
    met = 0
    for deal, rows in told.of_deals():
        if any(told.beat[row["id"]] == "first_contact" for row in rows):
            arrived = contacts[deal["contact_id"]]["created_at"]
            assert deal["created_at"] - arrived <= timedelta(days=1)
            assert first_deal[deal["contact_id"]] == deal["created_at"]
            met += 1
    assert met


def test_what_is_announced_takes_place_that_day(told: Stories) -> None:
    """Where a text says "tomorrow" or "on Thursday", an activity of the same story is on that day."""
    zone = ZoneInfo("America/New_York")
    days: dict[str, set[date]] = defaultdict(set)
    for row in told.rows["activities"]:
        days[row["deal_id"] or row["contact_id"]].add(row["created_at"].astimezone(zone).date())
    ahead = re.compile(r"\b(tomorrow|later today|(?:on|next) (?:Mon|Tues|Wednes|Thurs|Fri)day)\b")
    kept = 0
    for row in told.rows["activities"]:
        if row["type"] in ("task", "meeting") or not (found := ahead.search(row["description"])):
            continue
        today = row["created_at"].astimezone(zone).date()
        others = days[row["deal_id"] or row["contact_id"]]
        said = found[1]
        if said == "tomorrow":
            assert today + timedelta(1) in others, row["description"]
        elif said.startswith("next"):
            assert any(f"{day:%A}" in said and 6 < (day - today).days < 14 for day in others), row[
                "description"
            ]
        elif said.startswith("on"):
            # Ahead, or of the days before.
            assert any(f"{day:%A}" in said and 0 < abs((day - today).days) < 7 for day in others)
        kept += 1
    assert kept > 40


def test_amounts_are_those_of_the_deal(told: Stories) -> None:
    """Every amount in a text is the value of its deal, as people write it."""
    values = {row["id"]: row["value"] for row in told.rows["deals"]}
    seen = 0
    for row in told.rows["activities"]:
        for amount in re.findall(r"\$\d[\d,]*(?:\.\d\d)?(?<!,)", row["description"] + " " + row["subject"]):
            value = values[row["deal_id"]]
            assert amount == (f"${value:,.2f}" if value % 1 else f"${value:,.0f}")
            seen += 1
    assert seen > 20


@pytest.fixture(params=["en", "de", "fr"])
def abroad(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Abroad:
    told = stories(tmp_path, monkeypatch, COUNTRIES[request.param], "saas")
    return Abroad(told, load_texts(request.param, "saas").language)


def test_people_of_companies_sign_with_their_job(abroad: Abroad) -> None:
    """Name and title below their e-mails, the title of their sex, and the same one in all of their texts."""
    facts = load_stories(abroad.language, "saas", COUNTRIES[abroad.language.code]).facts
    titles = {sex: set(map(str, facts[f"role_title_{sex}"].to_pylist())) for sex in "fm"}
    locale = load_locale(COUNTRIES[abroad.language.code])
    signed: dict[str, set[str]] = defaultdict(set)
    for row, contact in abroad.replies():
        name = f"{contact['first_name']} {contact['last_name']}"
        below = row["description"].rpartition(name)[2].strip(" ,\n").split("\n")[0]
        title = below.split(", ")[0] if below.split(", ")[0] in titles["f"] | titles["m"] else below
        assert title in titles["f" if locale.is_female(contact["first_name"]) else "m"], row["description"]
        signed[contact["id"]].add(title)
    assert len(signed) > 10
    assert {len(found) for found in signed.values()} == {1}


def test_an_answer_has_the_subject_of_what_it_answers(abroad: Abroad) -> None:
    """A customer's e-mail answers one of ours, and ours may go on with that: the subject stays."""
    prefix = abroad.language.frames["reply_title"][0]
    asked: dict[str, set[str]] = defaultdict(set)
    answers = 0
    for row in abroad.told.rows["activities"]:
        if row["type"] != "email":
            continue
        if row["subject"].startswith(prefix):
            assert row["subject"].removeprefix(prefix) in asked[row["contact_id"]], row["subject"]
            answers += 1
        asked[row["contact_id"]].add(row["subject"])
    assert answers > 20
    assert all(row["subject"].startswith(prefix) for row, _ in abroad.replies())


@pytest.mark.parametrize(("language", "industry"), [("en", "saas"), ("de", "saas"), ("fr", "ecommerce")])
def test_a_subject_names_what_its_text_is_about(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, language: str, industry: str
) -> None:
    """A fact in the subject is one of the text, in some form; places say which object it is about."""
    country = COUNTRIES[language]
    told = stories(tmp_path, monkeypatch, country, industry)
    words = load_texts(language, industry).language
    facts = load_stories(words, industry, country).facts
    groups: dict[tuple[str, int], set[str]] = defaultdict(set)
    for name, values in facts.items():
        for line, value in enumerate(values.to_pylist() if fact_group(name) not in PLACES else []):
            groups[fact_group(name), line].add(str(value).casefold())
    long_forms = {key: [one for one in forms if len(one) > 6] for key, forms in groups.items()}
    answer = words.frames["reply_title"][0].casefold()
    fits: list[bool] = []
    for row in told.rows["activities"]:
        subject, text = str(row["subject"]).casefold(), str(row["description"]).casefold()
        named = [key for key, forms in long_forms.items() if any(one in subject for one in forms)]
        if row["type"] == "email" and not subject.startswith(answer) and named:
            fits.append(any(one in text for key in named for one in groups[key]))
    assert len(fits) > 30
    assert fits.count(False) * 6 <= len(fits), Counter(fits)


def test_the_clock_decides_what_is_done_and_said(abroad: Abroad) -> None:
    """Nobody is called early or late, and good evening is said in the evening."""
    evening = {"en": "Good evening", "de": "Guten Abend", "fr": "Bonsoir"}[abroad.language.code]
    zone = ZoneInfo(load_locale(COUNTRIES[abroad.language.code]).timezone)
    said = 0
    for row in abroad.told.rows["activities"]:
        hour = row["created_at"].astimezone(zone).hour
        assert row["type"] != "call" or 8 <= hour < 19
        if row["description"].startswith(evening):
            assert hour >= 18
            said += 1
    assert said


def test_no_day_has_two_prepositions(abroad: Abroad) -> None:
    """It is since Monday, not since on Monday."""
    wrong = re.compile(
        r"\b(?:since|until|from|before|after) on \w+day|\b(?:seit|bis|ab|vor|nach) am \w+", re.IGNORECASE
    )
    assert not [
        row["description"] for row in abroad.told.rows["activities"] if wrong.search(row["description"])
    ]


def test_a_deal_is_decided_once_and_last(told: Stories) -> None:
    """The decision is the last word before a deal is won."""
    decided = 0
    for deal, rows in told.of_deals():
        before = [told.beat[row["id"]] for row in rows if row["created_at"] < (deal["closed_at"] or NOW)]
        if "decision" in before:
            assert before.index("decision") == len(before) - 1
            decided += 1
    assert decided > 5


def test_emails_are_signed_by_their_writer(told: Stories) -> None:
    """An e-mail ends with the name of who wrote it: the colleague, or the customer to the colleague."""
    users = {row["id"]: row["first_name"] for row in told.rows["users"]}
    contacts = {row["id"]: row for row in told.rows["contacts"]}
    ours = theirs = 0
    for row in told.rows["activities"]:
        if row["type"] != "email":
            continue
        writer, contact = users[row["created_by_id"]], contacts[row["contact_id"]]
        lines = row["description"].split("\n")
        if lines[-1].endswith(writer) and contact["first_name"] in lines[0]:
            ours += 1
        else:
            theirs += 1
    assert ours > 2 * theirs > 50


def test_companies_are_called_by_their_short_names(told: Stories) -> None:
    """Texts and titles have no legal form, where no line asks for the registered name."""
    names = {row["id"]: row["name"] for row in told.rows["companies"]}
    short = 0
    for row in (*told.rows["activities"], *told.rows["deals"]):
        if name := names.get(row["company_id"]):
            text = row["title"] if "title" in row else f"{row['subject']}\n{row['description']}"
            # A signature has the registered name, on a line of its own.
            assert not [line for line in text.splitlines() if name in line and line != name]
            short += name.rpartition(" ")[0].rstrip(",") in text
    assert short > 50


def test_facts_fit_the_company(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No text of a small company, or of one of another legal form, has a board or department as its fact."""
    told = stories(tmp_path, monkeypatch, "US", "saas")
    lines = load_stories(load_texts("en", "saas").language, "saas", "US")
    companies = {row["id"]: row for row in told.rows["companies"]}
    required = {
        str(value): need
        for group, needs in lines.requirements.items()
        for name, values in lines.facts.items()
        if name.partition("_")[0] == group
        for value, need in zip(values.to_pylist(), needs, strict=True)
        if need != Requirement()
    }
    told_of = Counter[str]()
    for row in told.rows["activities"]:
        company = companies.get(row["company_id"])
        for fact, need in required.items():
            if company and re.search(rf"\b{re.escape(fact)}\b", row["description"]):
                told_of[fact] += 1
                assert (
                    COMPANY_SIZES.index(company["size"]) >= ("", *COMPANY_SIZES).index(need.smallest_size) - 1
                )
                assert not need.legal_forms or company["name"].rpartition(" ")[2] in need.legal_forms
    assert told_of.total() > 20


def test_nobody_buys_more_seats_than_there_are_people(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Titles of deals say at most as many seats as the company has people."""
    told = stories(tmp_path, monkeypatch, "US", "saas", private_share=0)
    sizes = {row["id"]: row["size"] for row in told.rows["companies"]}
    seats = [
        (int(found[1]), sizes[deal["company_id"]])
        for deal in told.rows["deals"]
        if deal["company_id"] and (found := re.search(r"\b(\d+)(?: ×| seats| users)", deal["title"]))
    ]
    assert len(seats) > 50
    assert all(count <= int(size.partition("-")[2] or count) for count, size in seats)


@pytest.mark.parametrize(("language", "industry"), EITHER)
def test_small_companies_have_facts_enough(language: str, industry: str) -> None:
    """Of each list five lines or more fit every company, and people without one."""
    lines = load_stories(load_texts(language, industry).language, industry, COUNTRIES[language])
    companies = load_locale(COUNTRIES[language]).companies
    for group in lines.requirements:
        fitting = fitting_lines(lines, companies, group)
        assert fitting is not None
        assert fitting.count.min() >= 5, group


@pytest.mark.parametrize(("language", "industry"), EITHER)
def test_texts_read_cleanly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, language: str, industry: str
) -> None:
    """Nothing is empty or open, no double blank or stop, no blank before a stop."""
    told = stories(tmp_path, monkeypatch, COUNTRIES[language], industry)
    for row in told.rows["activities"]:
        for text in (row["subject"], row["description"]):
            assert text.strip() == text
            assert text
            assert not re.search(r"[{}]|  |\.\.(?!\.)|,\.| [.,;]|\bNone\b(?! of)", text), text
    assert set(ACTIVITY_TYPES) == {row["type"] for row in told.rows["activities"]}


@pytest.mark.parametrize(("language", "industry"), EITHER)
def test_every_row_finds_lines(language: str, industry: str) -> None:
    """Each form of each beat has lines for rows that have a contact and an author, or no author."""
    lines = load_stories(load_texts(language, industry).language, industry, COUNTRIES[language])
    announcements = lines.count[0, :, -2:]
    # Nobody replies to nobody.
    forms = [place for place, form in enumerate(FORMS[:-2]) if form != "reply"]
    assert (lines.count[0][:, forms] >= 1).all()
    writer, apart = (1 << list(NEEDS).index(need) for need in ("writer", "apart"))
    assert (lines.count[writer | apart, :, :-2] >= 4).all()
    # Of meetings less can be said: that somebody was not reached is no minute of one.
    assert (lines.count[writer, :, :-2] >= 2).all()
    assert (announcements == 0).all()
    assert (lines.count[-1, :, -2:].sum(axis=0) > 0).all()


@pytest.mark.parametrize(
    ("language", "minor", "currency", "text"),
    [
        ("en", 2_937_600, Currency("USD", 2), "$29,376"),
        ("en", 2_937_605, Currency("GBP", 2), "£29,376.05"),
        ("de", 2_937_605, Currency("EUR", 2), "29.376,05 €"),
        ("de", 99, Currency("CHF", 2), "0,99 CHF"),
        ("en", 1_500_000, Currency("JPY", 0), "JPY 1,500,000"),
    ],
)
def test_amounts_are_written_as_people_do(language: str, minor: int, currency: Currency, text: str) -> None:
    """Without decimals where there are none; currencies without a sign by their code."""
    assert load_texts(language, "saas").language.amount(minor, currency) == text


@pytest.mark.parametrize(("language", "industry"), EITHER)
def test_two_tenants_share_few_subjects(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, language: str, industry: str
) -> None:
    """Of the subjects of a tenant another of the same country and industry has at most a fifth."""
    one, other = (
        {row["subject"] for row in told.rows["activities"]}
        for told in (
            stories(tmp_path, monkeypatch, COUNTRIES[language], industry, seed=seed) for seed in ("1", "2")
        )
    )
    assert len(one & other) <= 0.2 * min(len(one), len(other))
