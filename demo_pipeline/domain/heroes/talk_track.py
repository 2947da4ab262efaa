"""The talk track of a hero account: five sentences that are true of its rows.

Who they are, what they bought or want, the conversations, what is open, what to show next in the CRM. Every
amount, name, day and count is in the rows of the account. Where a row is incomplete, the sentence is shorter.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final

from demo_pipeline.domain.core.currency import Currency
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.core.wording import counted
from demo_pipeline.domain.heroes.model import HERO_LABELS, HeroAccount, HeroAccounts, HeroDeal, HeroKind

#: people who are named in a sentence
_MOST_PEOPLE: Final = 3
_CONVERSATIONS: Final = {"call": "call", "email": "email", "meeting": "meeting"}


def talk_track(account: HeroAccount) -> tuple[str, str, str, str, str]:
    """The five sentences, in the order in which they are said."""
    return _who(account), _deals(account), _conversations(account), _open(account), _next(account)


def missing_text(heroes: HeroAccounts) -> str:
    """Which kinds have no account and why; empty: each has one."""
    if not heroes.missing:
        return ""
    names = _listed([HERO_LABELS[kind] for kind in heroes.missing])
    return (
        f"No account for {names}: the tenant has no rows that fit, or people have changed them since the "
        "last job; the next job selects again."
    )


def day_text(day: date) -> str:
    """``3 March 2025``."""
    return f"{day.day} {Month.of(day.year, day.month).long_name}"


def _who(account: HeroAccount) -> str:
    since, owner = day_text(account.contact_since), account.owner
    if account.company is None:
        text = f"This is {account.contact}, a private person and our contact since {since}"
    else:
        city = f" in {account.city}" if account.city else ""
        text = f"This is {account.company}{city}, where {account.contact} has been our contact since {since}"
    return f"{text}; {owner} looks after the account." if owner else f"{text}."


def _deals(account: HeroAccount) -> str:
    deal, earlier, currency = account.deal, account.earlier, account.currency
    name = _deal(deal, currency)
    match account.kind:
        case HeroKind.COMEBACK:
            if earlier is None:
                return f"They bought {name}{_on(deal.closed_on)}; the deal was opened{_on(deal.opened_on)}."
            lost = f"We lost {_deal(earlier, currency)}{_on(earlier.closed_on)}"
            if account.is_exact_fit:
                return f"{lost}, and came back: they bought {name}{_on(deal.closed_on)}."
            return f"{lost}; they bought {name}{_on(deal.closed_on)}."
        case HeroKind.AT_RISK:
            states = [f"was opened{_on(deal.opened_on)}"]
            if deal.stage is not None:
                states.append(f"is in the stage {deal.stage}")
            if deal.expected_close_on is not None:
                states.append(_expected(deal.expected_close_on, account.as_of))
            return f"They are looking at {name}: the deal {_listed(states)}."
        case HeroKind.UPSELL:
            total = _amount(account.won_value, currency)
            if earlier is not None:
                return (
                    f"They bought {_deal(earlier, currency)}{_on(earlier.closed_on)} and "
                    f"{name}{_on(deal.closed_on)}; {counted(account.won_count, 'won deal')} in all are worth "
                    f"{total}."
                )
            if account.won_count == 1:
                return f"They bought {name}{_on(deal.closed_on)}, their only won deal so far."
            return (
                f"They bought {name}{_on(deal.closed_on)}; {counted(account.won_count, 'won deal')} in all "
                f"are worth {total}."
            )


def _conversations(account: HeroAccount) -> str:
    found = account.conversations
    if not found.total:
        return "No conversation with them is on record yet."
    named = found.people[:_MOST_PEOPLE]
    others = len(found.people) - len(named)
    people = _listed([*named, *([counted(others, "other")] if others else [])])
    kinds = _listed(
        [counted(found.counts[kind], name) for kind, name in _CONVERSATIONS.items() if kind in found.counts]
    )
    last = "" if found.last_on is None else f", the last one{_on(found.last_on)}"
    count = counted(found.total, "conversation")
    return f"We have had {count}{f' with {people}' if people else ''}: {kinds}{last}."


def _open(account: HeroAccount) -> str:
    """What is open besides the deal that the story is about."""
    parts: list[str] = []
    largest, count = account.largest_other_open, account.other_open_count
    if largest is not None:
        stage = "" if largest.stage is None else f" in the stage {largest.stage}"
        text = f"{_deal(largest, account.currency)}{stage}"
        parts.append(f"{counted(count, 'deal')}, the largest {text}" if count > 1 else f"the deal {text}")
    todo = account.open_activities
    if todo.count:
        text = f"{counted(todo.count, 'activity', 'activities')} to be done"
        if todo.subject and todo.due_on is not None:
            which = "" if todo.count == 1 else "the next " if todo.due_on >= account.as_of else "the last "
            text += f", {which}due{_on(todo.due_on)} (“{todo.subject}”)"
        parts.append(text)
    is_at_risk = account.kind is HeroKind.AT_RISK
    if not parts:
        return (
            f"Nothing{' else' if is_at_risk else ''} is open with them: no deal and no activity to be done."
        )
    return f"{'Also' if is_at_risk else 'Still'} open with them: {'; '.join(parts)}."


def _next(account: HeroAccount) -> str:
    earlier, name = account.earlier, _title(account.deal)
    match account.kind:
        case HeroKind.AT_RISK:
            last = account.last_activity_on
            if last is None:
                return f"Show the deal {name} next: there is no activity on it yet."
            count = counted(account.activity_count, "activity", "activities")
            text = f"Show the deal {name} next, with its {count}: the last was{_on(last)}"
            return f"{text}{_ago(last, account.as_of)}."
        case HeroKind.COMEBACK:
            if earlier is not None:
                return f"Show the deals of {account.name} next: the lost one, {_title(earlier)}, and {name}."
            return f"Show the deal {name} next, from its first day to the win."
        case HeroKind.UPSELL:
            if earlier is not None:
                return (
                    f"Show the won deals of {account.name} next, from {_title(earlier)} to {name}, and what "
                    "could follow."
                )
            return f"Show the deal {name} next, and what could follow it."


def _deal(deal: HeroDeal, currency: Currency) -> str:
    """``“Team Plan” for 1,200.00 EUR``."""
    return _title(deal) + ("" if deal.value is None else f" for {_amount(deal.value, currency)}")


def _title(deal: HeroDeal) -> str:
    return f"“{deal.title}”" if deal.title else "a deal without a title"


def _amount(value: int, currency: Currency) -> str:
    return f"{currency.shown(value)} {currency}"


def _on(day: date | None) -> str:
    return "" if day is None else f" on {day_text(day)}"


def _ago(day: date, as_of: date) -> str:
    days = (as_of - day).days
    return f", {counted(days, 'day')} ago" if days > 0 else ""


def _expected(day: date, as_of: date) -> str:
    if day < as_of:
        return f"was expected to close{_on(day)}{_ago(day, as_of)}"
    return f"is expected to close{_on(day)}"


def _listed(names: Sequence[str]) -> str:
    """``A, B and C``."""
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)
