"""Talk tracks: five sentences that say what is in the rows of the account, and nothing else."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from typing import Any, Final

import pytest

from demo_pipeline.domain.heroes.model import Conversations, HeroAccounts, HeroKind, OpenActivities
from demo_pipeline.domain.heroes.talk_track import missing_text, talk_track
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
            "We lost “Starter Plan” for 400.00 EUR on 3 February 2025, and came back: they bought "
            "“Team Plan” for 1,200.00 EUR on 20 May 2025."
        ),
        (
            "We have had 5 conversations with Anna Berger and Tom Weiss: 4 calls and 1 email, the last one "
            "on 19 May 2025."
        ),
        (
            "Still open with them: 2 deals, the largest “Add-on” for 99.00 EUR in the stage Lead; 2 "
            "activities to be done, the next due on 18 June 2025 (“Call about the offer”)."
        ),
        "Show the deals of Kranz GmbH next: the lost one, “Starter Plan”, and “Team Plan”.",
    )


def test_a_big_win_at_risk() -> None:
    """Since when it is open, when it was expected to close, and when somebody last worked on it."""
    sentences = talk_track(hero(HeroKind.AT_RISK))
    assert sentences[1] == (
        "They are looking at “Team Plan” for 1,200.00 EUR: the deal was opened on 2 April 2025, is in the "
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
        "They bought “Starter Plan” for 400.00 EUR on 3 February 2025 and “Team Plan” for 1,200.00 EUR on "
        "20 May 2025; 3 won deals in all are worth 2,000.00 EUR."
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
            "They bought “Team Plan” for 1,200.00 EUR on 20 May 2025; the deal was opened on 2 April 2025.",
        ),
        (
            HeroKind.COMEBACK,
            {"is_exact_fit": False},
            (
                "We lost “Starter Plan” for 400.00 EUR on 3 February 2025; they bought “Team Plan” for "
                "1,200.00 EUR on 20 May 2025."
            ),
        ),
        (
            HeroKind.UPSELL,
            {"earlier": None, "won_count": 1},
            "They bought “Team Plan” for 1,200.00 EUR on 20 May 2025, their only won deal so far.",
        ),
        (
            HeroKind.UPSELL,
            {"earlier": None, "won_count": 2},
            (
                "They bought “Team Plan” for 1,200.00 EUR on 20 May 2025; 2 won deals in all are worth "
                "2,000.00 EUR."
            ),
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
                "They are looking at a deal without a title for 5.00 EUR: the deal was opened on "
                "2 April 2025 and is in the stage Lead."
            ),
        ),
        (
            HeroKind.COMEBACK,
            {"currency": JPY},
            (
                "We lost “Starter Plan” for 40,000 JPY on 3 February 2025, and came back: they bought "
                "“Team Plan” for 120,000 JPY on 20 May 2025."
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
        "Still open with them: the deal “Add-on” for 99.00 EUR in the stage Lead; 1 activity to be done.",
    )


@EACH
def test_each_has_five_sentences(kind: HeroKind) -> None:
    """Each ends with a full stop, and has no gap where something is unknown."""
    bare = hero(
        kind,
        earlier=None,
        city=None,
        owner=None,
        deal=deal("", None, stage=None, closed_on=None, expected_close_on=None),
        largest_other_open=deal("", None, stage=None),
        open_activities=OpenActivities(count=3, subject=None, due_on=None),
        conversations=Conversations(counts={"call": 1}, people=(), last_on=None),
    )
    for account in (hero(kind), bare, replace(bare, is_exact_fit=False)):
        sentences = talk_track(account)
        assert len(sentences) == 5
        for sentence in sentences:
            assert re.fullmatch(r"[A-Z].*\S\.", sentence)
            assert not re.search(r"None|  | [.,;:]|\(\)|“”", sentence)


def test_kinds_without_an_account_are_named() -> None:
    """With the reason; nothing where each kind has one."""
    assert missing_text(heroes()) == ""
    some = HeroAccounts(accounts=(hero(HeroKind.AT_RISK),))
    assert some.missing == (HeroKind.COMEBACK, HeroKind.UPSELL)
    assert missing_text(some).startswith("No account for comeback and upsell: ")
