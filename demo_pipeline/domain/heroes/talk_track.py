"""The talk track of a hero account: five sentences that are true of its rows, in the tenant's language.

Who they are, what they bought or want, the conversations, what is open, what to show next in the CRM. Every
amount, name, day and count is in the rows of the account. Where a row is incomplete, the sentence is shorter.
The words are those of the language's pack (``domain.reference.talk_tracks``).
"""

from __future__ import annotations

from datetime import date
from typing import Final

from demo_pipeline.domain.heroes.model import HERO_LABELS, HeroAccount, HeroAccounts, HeroDeal, HeroKind
from demo_pipeline.domain.reference.countries import language_of
from demo_pipeline.domain.reference.talk_tracks import TalkTrackWords, load_talk_track

#: people who are named in a sentence
_MOST_PEOPLE: Final = 3
_CONVERSATIONS: Final = ("call", "email", "meeting")


def talk_track(account: HeroAccount) -> tuple[str, str, str, str, str]:
    """The five sentences, in the order in which they are said."""
    speaker = _Speaker(account, load_talk_track(language_of(account.country)))
    who, deals, conversations, still_open, following = (
        text[:1].upper() + text[1:]
        for text in (
            speaker.who(),
            speaker.deals(),
            speaker.conversations(),
            speaker.still_open(),
            speaker.following(),
        )
    )
    return who, deals, conversations, still_open, following


def missing_text(heroes: HeroAccounts) -> str:
    """Which kinds have no account and why; empty: each has one."""
    if not heroes.missing:
        return ""
    names = [HERO_LABELS[kind] for kind in heroes.missing]
    listed = " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
    return (
        f"No account for {listed}: the tenant has no rows that fit, or people have changed them since the "
        "last job; the next job selects again."
    )


class _Speaker:
    """Says the sentences of one account."""

    def __init__(self, account: HeroAccount, words: TalkTrackWords) -> None:
        self._account, self._words, self._say = account, words, words.say

    def who(self) -> str:
        account = self._account
        slots = {
            "contact": account.contact,
            "since": self._day(account.contact_since),
            "owner": self._say("owner", owner=account.owner) if account.owner else "",
        }
        if account.company is None:
            return self._say("person", **slots)
        in_city = self._say("in_city", city=account.city) if account.city else ""
        return self._say("company", company=account.company, in_city=in_city, **slots)

    def deals(self) -> str:
        account, deal, earlier = self._account, self._account.deal, self._account.earlier
        slots = {"deal": self._deal(deal), "on": self._on(deal.closed_on)}
        if earlier is not None:
            slots |= {"earlier": self._deal(earlier), "earlier_on": self._on(earlier.closed_on)}
        match account.kind:
            case HeroKind.COMEBACK:
                if earlier is None:
                    return self._say("won", **slots, opened_on=self._on(deal.opened_on))
                return self._say("comeback" if account.is_exact_fit else "lost_and_won", **slots)
            case HeroKind.AT_RISK:
                return self._say("at_risk", deal=slots["deal"], states=self._states(deal))
            case HeroKind.UPSELL:
                if earlier is None and account.won_count == 1:
                    return self._say("won_once", **slots)
                return self._say(
                    "won_more" if earlier is None else "won_twice", **slots, in_all=self._in_all()
                )

    def _in_all(self) -> str:
        """The sum of the won deals; of amounts in several currencies there is none."""
        account, words = self._account, self._words
        if account.won_value is None:
            return ""
        total = words.language.amount(account.won_value, account.deal.currency)
        return self._say("in_all", won_deals=words.counted(account.won_count, "won_deal"), total=total)

    def _states(self, deal: HeroDeal) -> str:
        """Since when the deal is open, where it stands, and when it should close."""
        states = [self._say("opened", on=self._on(deal.opened_on))]
        if deal.stage is not None:
            states.append(self._say("in_stage", stage=deal.stage))
        if (day := deal.expected_close_on) is not None:
            is_past = day < self._account.as_of
            ago = self._ago(day)
            states.append(self._say("was_expected" if is_past else "is_expected", on=self._on(day), ago=ago))
        return self._words.listed(states)

    def conversations(self) -> str:
        found, words = self._account.conversations, self._words
        if not found.total:
            return self._say("no_conversation")
        people = [*found.people[:_MOST_PEOPLE]]
        if others := len(found.people) - len(people):
            people.append(words.counted(others, "other_person"))
        return self._say(
            "conversations",
            conversations=words.counted(found.total, "conversation"),
            with_people=self._say("with_people", people=words.listed(people)) if people else "",
            kinds=words.listed(
                [words.counted(found.counts[kind], kind) for kind in _CONVERSATIONS if kind in found.counts]
            ),
            last="" if found.last_on is None else self._say("last", on=self._on(found.last_on)),
        )

    def still_open(self) -> str:
        """What is open besides the deal that the story is about."""
        account, words = self._account, self._words
        is_at_risk = account.kind is HeroKind.AT_RISK
        parts: list[str] = []
        if (largest := account.largest_other_open) is not None:
            stage = "" if largest.stage is None else self._say("at_stage", stage=largest.stage)
            slots = {"deal": self._deal(largest), "at_stage": stage}
            count = account.other_open_count
            parts.append(
                self._say("open_deals", deals=words.counted(count, "deal"), **slots)
                if count > 1
                else self._say("open_deal", **slots)
            )
        if (count := account.open_activities.count) > 0:
            activities = words.counted(count, "activity")
            parts.append(self._say("to_do", activities=activities, due=self._due()))
        if not parts:
            return self._say("nothing_else_open" if is_at_risk else "nothing_open")
        listed = self._say("list_open").join(parts)
        return self._say("also_open" if is_at_risk else "open", parts=listed)

    def _due(self) -> str:
        """When what is to be done is due, with its subject."""
        todo = self._account.open_activities
        if not todo.subject or todo.due_on is None:
            return ""
        which = "due"
        if todo.count > 1:
            which = "next_due" if todo.due_on >= self._account.as_of else "last_due"
        return self._say(which, on=self._on(todo.due_on), subject=self._say("title", title=todo.subject))

    def following(self) -> str:
        """What to show next."""
        account, earlier, title = self._account, self._account.earlier, self._title(self._account.deal)
        match account.kind:
            case HeroKind.AT_RISK:
                if (last := account.last_activity_on) is None:
                    return self._say("show_untouched", title=title)
                activities = self._words.counted(account.activity_count, "activity")
                slots = {"on": self._on(last), "ago": self._ago(last)}
                return self._say("show_at_risk", title=title, activities=activities, **slots)
            case HeroKind.COMEBACK:
                if earlier is None:
                    return self._say("show_won", title=title)
                slots = {"name": account.name, "earlier": self._title(earlier)}
                return self._say("show_comeback", title=title, **slots)
            case HeroKind.UPSELL:
                if earlier is None:
                    return self._say("show_only", title=title)
                slots = {"name": account.name, "earlier": self._title(earlier)}
                return self._say("show_upsell", title=title, **slots)

    def _deal(self, deal: HeroDeal) -> str:
        """``“Team Plan” for €1,200``."""
        amount = "" if deal.value is None else self._words.language.amount(deal.value, deal.currency)
        for_amount = self._say("for_amount", amount=amount) if amount else ""
        return self._say("deal", title=self._title(deal), for_amount=for_amount)

    def _title(self, deal: HeroDeal) -> str:
        return self._say("title", title=deal.title or self._say("untitled"))

    def _day(self, day: date) -> str:
        return self._words.day(day, self._account.country)

    def _on(self, day: date | None) -> str:
        return "" if day is None else self._say("on", day=self._day(day))

    def _ago(self, day: date) -> str:
        """How long ago it was; nothing of a tenant that has ended, where only dates are of interest."""
        days = (self._account.as_of - day).days
        if days <= 0 or self._account.has_ended:
            return ""
        return self._say("ago", days=self._words.counted(days, "day"))
