"""Talk tracks: five sentences that say what is in the rows of the account, and nothing else."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from typing import Any, Final

import pytest

from demo_pipeline.domain.heroes.model import Conversations, HeroAccounts, HeroKind, OpenActivities
from demo_pipeline.domain.heroes.talk_track import missing_text, talk_track
from demo_pipeline.domain.reference.countries import COUNTRIES
from tests.builders.currencies import JPY
from tests.builders.heroes import deal, hero, heroes

EACH: Final = pytest.mark.parametrize("kind", HeroKind)


def test_a_comeback() -> None:
    """The lost deal and the won one, with amounts and days."""
    assert talk_track(hero(HeroKind.COMEBACK)) == (
        (
            "This is Kranz GmbH in Hamburg, where Anna Berger has been our contact since 7 January 2025; "
            "Tim Weber looks after the account."
        ),
        (
            "We lost “Starter Plan” for €400 on 3 February 2025, and came back: they bought "
            "“Team Plan” for €1,200 on 20 May 2025."
        ),
        (
            "We have had 5 conversations with Anna Berger and Tom Weiss: 4 calls and 1 email, the last one "
            "on 19 May 2025."
        ),
        (
            "Still open with them: 2 deals, the largest “Add-on” for €99 in the stage Lead; 2 "
            "activities to be done, the next due on 18 June 2025 (“Call about the offer”)."
        ),
        "Show the deals of Kranz GmbH next: the lost one, “Starter Plan”, and “Team Plan”.",
    )


def test_a_big_win_at_risk() -> None:
    """Since when it is open, when it was expected to close, and when somebody last worked on it."""
    sentences = talk_track(hero(HeroKind.AT_RISK))
    assert sentences[1] == (
        "They are looking at “Team Plan” for €1,200: the deal was opened on 2 April 2025, is in the "
        "stage Proposal and was expected to close on 16 May 2025, 30 days ago."
    )
    assert sentences[3].startswith("Also open with them: 2 deals")
    assert sentences[4] == (
        "Show the deal “Team Plan” next, with its 6 activities: the last was on 19 May 2025, 27 days ago."
    )


def test_an_upsell() -> None:
    """The first won deal, the one that followed, and what they come to."""
    sentences = talk_track(hero(HeroKind.UPSELL))
    assert sentences[1] == (
        "They bought “Starter Plan” for €400 on 3 February 2025 and “Team Plan” for €1,200 on "
        "20 May 2025; 3 won deals in all are worth €2,000."
    )
    assert sentences[4] == (
        "Show the won deals of Kranz GmbH next, from “Starter Plan” to “Team Plan”, and what could follow."
    )


@pytest.mark.parametrize(
    ("kind", "changes", "said"),
    [
        # No deal was lost before, or the lost one was lost while this one was open already.
        (
            HeroKind.COMEBACK,
            {"earlier": None, "is_exact_fit": False},
            "They bought “Team Plan” for €1,200 on 20 May 2025; the deal was opened on 2 April 2025.",
        ),
        (
            HeroKind.COMEBACK,
            {"is_exact_fit": False},
            (
                "We lost “Starter Plan” for €400 on 3 February 2025; they bought “Team Plan” for "
                "€1,200 on 20 May 2025."
            ),
        ),
        (
            HeroKind.UPSELL,
            {"earlier": None, "won_count": 1},
            "They bought “Team Plan” for €1,200 on 20 May 2025, their only won deal so far.",
        ),
        (
            HeroKind.UPSELL,
            {"earlier": None, "won_count": 2},
            ("They bought “Team Plan” for €1,200 on 20 May 2025; 2 won deals in all are worth €2,000."),
        ),
        (
            HeroKind.AT_RISK,
            {"deal": deal("Team Plan", None, closed_on=None, stage=None, expected_close_on=date(2025, 7, 1))},
            (
                "They are looking at “Team Plan”: the deal was opened on 2 April 2025 and is expected to "
                "close on 1 July 2025."
            ),
        ),
        (
            HeroKind.AT_RISK,
            {"deal": deal("", 5_00, closed_on=None, stage="Lead", expected_close_on=None)},
            (
                "They are looking at “untitled deal” for €5: the deal was opened on "
                "2 April 2025 and is in the stage Lead."
            ),
        ),
        (
            HeroKind.COMEBACK,
            {
                "deal": deal("Team Plan", 120_000, currency=JPY),
                "earlier": deal("Starter Plan", 40_000, currency=JPY, closed_on=date(2025, 2, 3)),
            },
            (
                "We lost “Starter Plan” for JPY 40,000 on 3 February 2025, and came back: they bought "
                "“Team Plan” for JPY 120,000 on 20 May 2025."
            ),
        ),
    ],
)
def test_only_what_is_true_is_said_of_the_deals(kind: HeroKind, changes: dict[str, Any], said: str) -> None:
    """A nearest fit and an incomplete row have a shorter sentence."""
    assert talk_track(hero(kind, **changes))[1] == said


def test_a_private_person_nobody_has_spoken_with() -> None:
    """Without a company, an owner, a conversation, and anything that is open."""
    account = hero(
        HeroKind.AT_RISK,
        company=None,
        company_id=None,
        owner=None,
        activity_count=0,
        last_activity_on=None,
        other_open_count=0,
        largest_other_open=None,
        conversations=Conversations(counts={}, people=(), last_on=None),
        open_activities=OpenActivities(count=0, subject=None, due_on=None),
    )
    assert account.name == "Anna Berger"
    sentences = talk_track(account)
    assert sentences[0] == "This is Anna Berger, a private person and our contact since 7 January 2025."
    assert sentences[2:] == (
        "No conversation with them is on record yet.",
        "Nothing else is open with them: no deal and no activity to be done.",
        "Show the deal “Team Plan” next: there is no activity on it yet.",
    )


def test_one_of_a_thing_and_many() -> None:
    """Singular and plural; of many people three are named."""
    account = hero(
        HeroKind.COMEBACK,
        other_open_count=1,
        conversations=Conversations(
            counts={"meeting": 1}, people=("A B", "C D", "E F", "G H"), last_on=date(2025, 5, 1)
        ),
        open_activities=OpenActivities(count=1, subject=None, due_on=date(2025, 5, 2)),
    )
    assert talk_track(account)[2:4] == (
        "We have had 1 conversation with A B, C D, E F and 1 other: 1 meeting, the last one on 1 May 2025.",
        "Still open with them: the deal “Add-on” for €99 in the stage Lead; 1 activity to be done.",
    )


@pytest.mark.parametrize("country", COUNTRIES)
@EACH
def test_each_has_five_sentences_in_the_language_of_the_tenant(kind: HeroKind, country: str) -> None:
    """Each ends with a full stop, and has no gap where something is unknown."""
    bare = hero(
        kind,
        country=country,
        earlier=None,
        city=None,
        owner=None,
        deal=deal("", None, stage=None, closed_on=None, expected_close_on=None),
        largest_other_open=deal("", None, stage=None),
        open_activities=OpenActivities(count=3, subject=None, due_on=None),
        conversations=Conversations(counts={"call": 1}, people=(), last_on=None),
    )
    for account in (hero(kind, country=country), bare, replace(bare, is_exact_fit=False)):
        sentences = talk_track(account)
        assert len(sentences) == 5
        for sentence in sentences:
            assert re.fullmatch(r"[A-ZÀ„“«].*\S\.", sentence)
            assert not re.search(r"None|  | [.,;:]|\(\)|“”|[{}]", sentence)


def test_a_german_tenant_speaks_german() -> None:
    """Words, days and amounts are those of the language."""
    sentences = talk_track(hero(HeroKind.AT_RISK, country="DE"))
    assert sentences[1] == (
        "Es geht um „Team Plan“ über 1.200 €: Das Geschäft wurde am 2. April 2025 eröffnet, steht in der "
        "Phase „Proposal“ und sollte am 16. Mai 2025 abgeschlossen sein (vor 30 Tagen)."
    )
    assert sentences[2] == (
        "Bisher gab es 5 Gespräche mit Anna Berger und Tom Weiss: 4 Anrufe und 1 E-Mail, zuletzt am "
        "19. Mai 2025."
    )


def test_a_french_tenant_speaks_french() -> None:
    """With blanks that do not break, and the first of a month as it is written."""
    sentences = talk_track(hero(HeroKind.COMEBACK, country="FR", contact_since=date(2025, 3, 1)))
    assert sentences[0] == (
        "Voici Kranz GmbH (Hamburg), où Anna Berger est notre contact depuis le 1er mars 2025\u00a0; "
        "le compte est suivi par Tim Weber."
    )
    assert sentences[1] == (
        "Nous avons perdu «\u00a0Starter Plan\u00a0» pour 400\u00a0€ le 3 février 2025, puis une commande "
        "est venue\u00a0: «\u00a0Team Plan\u00a0» pour 1\u202f200\u00a0€ le 20 mai 2025."
    )


def test_an_american_tenant_writes_days_as_there() -> None:
    """The month first."""
    assert "since January 7, 2025;" in talk_track(hero(HeroKind.AT_RISK, country="US"))[0]


def test_a_tenant_that_has_ended_has_dates_only() -> None:
    """Months later nobody counts days."""
    text = " ".join(talk_track(hero(HeroKind.AT_RISK, has_ended=True, as_of=date(2026, 5, 1))))
    assert "was expected to close on 16 May 2025." in text
    assert "the last was on 19 May 2025." in text


def test_amounts_in_several_currencies_have_no_sum() -> None:
    """Each deal is in its own currency."""
    account = hero(HeroKind.UPSELL, won_value=None, deal=deal("Team Plan", 120_000, currency=JPY))
    assert talk_track(account)[1] == (
        "They bought “Starter Plan” for €400 on 3 February 2025 and “Team Plan” for JPY 120,000 on "
        "20 May 2025."
    )


def test_kinds_without_an_account_are_named() -> None:
    """With the reason; nothing where each kind has one."""
    assert missing_text(heroes()) == ""
    some = HeroAccounts(accounts=(hero(HeroKind.AT_RISK),))
    assert some.missing == (HeroKind.COMEBACK, HeroKind.UPSELL)
    assert missing_text(some).startswith("No account for comeback and upsell: ")
