"""The scorecard and the sample as tables and text, for the command line, Dagster's pages and reports."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from demo_pipeline.domain.core.terminal_text import neutral_line
from demo_pipeline.domain.core.timezones import load_timezone
from demo_pipeline.domain.core.wording import counted
from demo_pipeline.domain.scorecard.measure import Score, Verdict
from demo_pipeline.rendering.table import Column, Table
from demo_pipeline.services.scorecard.sample import PersonsStory, Sample
from demo_pipeline.services.scorecard.score import Scorecard
from demo_pipeline.storage.rows.people_sample import PersonsDeal

_COLOURS: Final = {Verdict.GREEN: None, Verdict.RED: "red", Verdict.NOT_MEASURED: "dim"}

#: one line of the scorecard
SCORE_COLUMNS: Final[tuple[Column[Score], ...]] = (
    Column("measure", "measure", lambda one: one.measure.name),
    Column(
        "figure",
        "figure",
        lambda one: None if one.figure is None else round(one.figure.value, 6),
        text=lambda one: "–" if one.figure is None else one.measure.unit.text(one.figure.value),
        is_number=True,
    ),
    Column("expected", "expected", lambda one: one.expected.text(one.measure.unit)),
    Column("low", None, lambda one: one.expected.low),
    Column("high", None, lambda one: one.expected.high),
    Column("unit", None, lambda one: one.measure.unit.value),
    Column("sample", "sample", lambda one: one.size, is_number=True),
    Column("least_sample", None, lambda one: one.measure.least),
    Column(
        "verdict", "verdict", lambda one: one.verdict.value, is_strong=lambda one: one.verdict is Verdict.RED
    ),
    Column("detail", "detail", lambda one: one.detail),
    Column("title", None, lambda one: one.measure.title),
    Column("population", None, lambda one: one.measure.population),
    Column("source", None, lambda one: one.measure.source),
)
#: the same for a page that has room for what is measured, and none for programs
SCORE_PAGE_COLUMNS: Final[tuple[Column[Score], ...]] = (
    Column("title", "what is measured", lambda one: one.measure.title),
    *(column for column in SCORE_COLUMNS if column.name in {"figure", "expected", "sample", "verdict"}),
    Column("source", "source", lambda one: one.measure.source),
)


def score_table(card: Scorecard) -> Table[Score]:
    """Every line, for the terminal."""
    return Table(
        SCORE_COLUMNS,
        card.scores,
        title=f"{card.tenant}: {score_summary(card)}",
        colour=lambda one: _COLOURS[one.verdict],
    )


def score_summary(card: Scorecard) -> str:
    """How many lines have which verdict: ``40 green, 12 red, 9 not measured``."""
    return ", ".join(f"{card.count(verdict)} {verdict}" for verdict in Verdict)


def score_counts(card: Scorecard) -> dict[str, int]:
    """How many lines have which verdict, for programs."""
    return {verdict.name.lower(): card.count(verdict) for verdict in Verdict}


def sample_text(sample: Sample) -> str:
    """The people of a sample, one after the other."""
    return "\n\n".join("\n".join(map(neutral_line, _story(sample, story))) for story in sample.stories)


def _story(sample: Sample, story: PersonsStory) -> Iterator[str]:
    person = story.person
    employer = ", ".join(one for one in (person.company, person.company_size, person.city) if one)
    yield f"{person.name or 'without a name'} · {employer or 'private'}"
    reach = [person.email or "no e-mail", person.phone or "no phone"]
    status, source = person.status or "without a status", person.source or "nowhere known"
    yield f"  {status}, from {source}, owner {person.owner or 'nobody'}"
    yield f"  {' · '.join(reach)}"
    yield f"  since {_when(sample, person.created_at)}"
    for deal in story.deals:
        value = "no value" if deal.value is None else f"{deal.value:,} {sample.currency}"
        title, stage = deal.title or "without a title", deal.stage or "without a stage"
        yield f"  deal  {_when(sample, deal.created_at)}  {title} · {value} · {stage}, {_end(sample, deal)}"
    for one in story.activities:
        about = f" [{one.deal}]" if one.deal else ""
        author, subject = one.author or "nobody", one.subject or "without a subject"
        yield f"  {one.type:7} {_when(sample, one.created_at)}  {author}: {subject}{about}"
        # E-mails have lines of their own.
        yield from (f"          {line}" for line in (one.description or "").split("\n") if line)
    if not story.activities:
        yield f"  {counted(0, 'activity', 'activities')}"


def _end(sample: Sample, deal: PersonsDeal) -> str:
    if deal.closed_at is not None:
        return f"closed {_when(sample, deal.closed_at)}"
    return "no date expected" if deal.expected_close_on is None else f"expected {deal.expected_close_on}"


def _when(sample: Sample, instant: datetime) -> str:
    return f"{instant.astimezone(load_timezone(sample.timezone)):%a %Y-%m-%d %H:%M}"
