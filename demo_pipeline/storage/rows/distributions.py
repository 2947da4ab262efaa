"""Distributions that show the CRM's reader that rows were made by a program: what no row lacks, or all share.

Asked as ``crm_reader`` of the views of ``crm_app``, in aggregates, so that memory does not grow with the
rows. All living rows count, whoever made them: the reader cannot tell them apart either. Whether a share may
be chance is decided by the number of rows (:func:`_is_chance`), so few rows are seldom reported. Words that
tell are looked for in ``rows.disclosure_scan``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf, log
from typing import Any, Final

import psycopg
from psycopg import sql

from demo_pipeline.domain.core.wording import counted

Connection = psycopg.Connection[Any]

#: A share is reported if chance gives one as extreme less often than once in so many tenants.
_ONE_IN: Final = 1_000_000
#: Of so many rows the seconds in which they were made are counted, and fewer seconds than these are reported.
_FEWEST_ROWS: Final = 4
_FEWEST_SECONDS: Final = 3


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The shares of a table's rows that are usual in tenants that people work in."""

    #: column → the least and the most share of rows without a value
    empty: Mapping[str, tuple[float, float]]
    #: the most rows that were not changed after their creation; 1: any share is usual
    unchanged: float = 1.0
    #: the least number of different seconds in which rows were made, as a share of the rows; 0 for tables of
    #: few rows, to which people may add many at once
    seconds: float = 0.2
    #: the most instants on a whole second, and on a whole minute
    whole_second: float = 0.5
    whole_minute: float = 0.3
    #: the instants that this is asked of; people choose those of a schedule themselves
    instants: tuple[str, ...] = ("created_at", "updated_at")


#: The thresholds, view by view. They leave room: generated rows lie well within, people's rows may join them.
LIMITS: Final[Mapping[str, Limits]] = {
    "users": Limits(empty={}, unchanged=0.75, seconds=0.0),
    "pipeline_stages": Limits(empty={}, seconds=0.0),
    "tags": Limits(empty={}, seconds=0.0),
    "companies": Limits(
        empty={"phone": (0.05, 0.95), "website": (0.05, 0.95), "address": (0.05, 0.95)}, unchanged=0.85
    ),
    "contacts": Limits(empty={"email": (0.01, 0.6), "phone": (0.05, 0.97)}, unchanged=0.85),
    "contact_tags": Limits(empty={}),
    "deals": Limits(empty={}, unchanged=0.9, instants=("created_at", "updated_at", "closed_at")),
    "activities": Limits(empty={}, unchanged=0.97, instants=("created_at", "updated_at", "completed_at")),
}


@dataclass(frozen=True, kw_only=True)
class Oddity:
    """A share that is not usual."""

    #: ``contacts.email``
    place: str
    #: what the rows have in common, as one word
    what: str
    #: rows that have it
    count: int
    #: the rows asked, and the limit
    detail: str


def oddities(conn: Connection, views: Mapping[str, Sequence[str]]) -> Iterator[Oddity]:
    """Every share of the served tenant beyond its limit; ``views`` are names and columns of what it sees."""
    for view, limits in LIMITS.items():
        if view in views:
            yield from _of_view(conn, view, frozenset(views[view]), limits)


def _of_view(conn: Connection, view: str, columns: frozenset[str], limits: Limits) -> Iterator[Oddity]:
    empty = {name: bounds for name, bounds in limits.empty.items() if name in columns}
    instants = [name for name in limits.instants if name in columns]
    has_times = {"created_at", "updated_at"} <= columns
    asked = [sql.SQL("count(*)")]
    asked += [sql.SQL("count(*) FILTER (WHERE r.{} IS NULL)").format(sql.Identifier(name)) for name in empty]
    for name in instants:
        column = sql.Identifier("r", name)
        asked += [
            part.format(column)
            for part in (
                sql.SQL("count({0})"),
                sql.SQL("count(*) FILTER (WHERE {0} = date_trunc('second', {0}))"),
                sql.SQL("count(*) FILTER (WHERE extract(second FROM {0}) < 1)"),
            )
        ]
    if has_times:
        asked.append(sql.SQL("count(*) FILTER (WHERE r.updated_at = r.created_at)"))
    answer = iter(_row(conn, sql.SQL("SELECT {asked} FROM crm_app.{view} r"), asked, view))
    rows = next(answer)
    for name, (least, most) in empty.items():
        yield from _beyond(f"{view}.{name}", "gaps", next(answer), rows, least, most)
    for name in instants:
        known, seconds, minutes = next(answer), next(answer), next(answer)
        place = f"{view}.{name}"
        yield from _beyond(place, "whole_seconds", seconds, known, 0.0, limits.whole_second)
        yield from _beyond(place, "whole_minutes", minutes, known, 0.0, limits.whole_minute)
    if has_times:
        yield from _beyond(f"{view}.updated_at", "never_changed", next(answer), rows, 0.0, limits.unchanged)
    if "created_at" in columns and rows >= _FEWEST_ROWS:
        statement = sql.SQL(
            "SELECT {asked} FROM (SELECT FROM crm_app.{view} r GROUP BY date_trunc('second', r.created_at)) s"
        )
        (seconds,) = _row(conn, statement, [sql.SQL("count(*)")], view)
        if seconds < max(_FEWEST_SECONDS, rows * limits.seconds):
            detail = f"{rows:,} rows were made within {counted(seconds, 'second')}"
            yield Oddity(place=f"{view}.created_at", what="one_second", count=rows, detail=detail)


def _row(conn: Connection, statement: sql.SQL, asked: Sequence[sql.Composable], view: str) -> tuple[int, ...]:
    composed = statement.format(asked=sql.SQL(", ").join(asked), view=sql.Identifier(view))
    row = conn.execute(composed).fetchone()
    assert row is not None  # an aggregate
    return row


def _beyond(place: str, what: str, count: int, rows: int, least: float, most: float) -> Iterator[Oddity]:
    if rows == 0:
        return
    share = count / rows
    if (share < least and not _is_chance(share, least, rows)) or (
        share > most and not _is_chance(share, most, rows)
    ):
        yield _oddity(place, what, count, rows, least, most)


def _oddity(place: str, what: str, count: int, rows: int, least: float, most: float) -> Oddity:
    usual = f"{least:.0%} to {most:.0%}" if least else f"at most {most:.0%}"
    detail = f"{count:,} of {rows:,} rows, {usual} is usual"
    return Oddity(place=place, what=what, count=count, detail=detail)


def _is_chance(share: float, limit: float, rows: int) -> bool:
    """Whether rows that each have it with probability ``limit`` may show ``share`` of them.

    The Chernoff bound for binomial tails: P ≤ exp(-rows × KL(share, limit)). Hoeffding, "Probability
    inequalities for sums of bounded random variables", 1963, theorem 1.
    """
    return rows * _divergence(share, limit) < log(_ONE_IN)


def _divergence(share: float, limit: float) -> float:
    """Kullback-Leibler, of two Bernoulli distributions."""
    terms = ((share, limit), (1 - share, 1 - limit))
    return sum(0.0 if one == 0 else inf if other == 0 else one * log(one / other) for one, other in terms)
