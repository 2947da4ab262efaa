"""``score`` and ``sample``: how believable a tenant is, by figures and to the eye."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from demo_pipeline.cli.kit.console import note, say, write_document, write_table, write_text
from demo_pipeline.cli.kit.parameters import (
    TENANT_PANEL,
    Commands,
    Json,
    Slug,
    example,
    flag,
    option,
    positive_number,
)
from demo_pipeline.cli.kit.session import notice_if_slow, open_session
from demo_pipeline.domain.core.wording import counted

if TYPE_CHECKING:
    from demo_pipeline.services.scorecard.sample import PersonsStory, Sample
    from demo_pipeline.services.scorecard.score import Scorecard

#: exit code of --strict, if a line is red
NOT_BELIEVABLE: Final = 4
#: people of a sample
_USUAL_COUNT: Final = 10

app = Commands(position=7, panel=TENANT_PANEL)


@app.command(epilog=example("score larkmoor", "score larkmoor --strict --json"))
def score(
    slug: Slug,
    *,
    strict: Annotated[bool, flag("--strict", "Exit code 4 if a line is red.")] = False,
    json: Json = False,
) -> None:
    """Measure how believable a tenant's rows are.

    One line a measure: the figure, the expected range, the rows that it was measured on, green or red. A
    figure whose sample is too small is not measured, neither green nor red. A red line is no error: the
    figures of the tenant are exact all the same. docs/believability.md lists what is measured, and why.
    """
    session = open_session()
    from demo_pipeline.services.scorecard.score import score_tenant

    with notice_if_slow("reading every row; a million take about twenty seconds ..."):
        card = score_tenant(session.database, session.settings, slug)
    if json:
        write_document(score_document(card))
    else:
        from demo_pipeline.rendering.score_columns import score_table

        write_table(score_table(card))
    if card.red and strict:
        raise typer.Exit(NOT_BELIEVABLE)


def score_document(card: Scorecard) -> dict[str, Any]:
    """The scorecard as ``score --json`` prints it."""
    from demo_pipeline.rendering.score_columns import SCORE_COLUMNS, score_counts
    from demo_pipeline.rendering.table import records

    return {
        "tenant": card.tenant,
        "as_of": card.as_of,
        **score_counts(card),
        "scores": records(SCORE_COLUMNS, card.scores),
    }


@app.command(epilog=example("sample larkmoor", "sample larkmoor --count 3"))
def sample(
    slug: Slug,
    *,
    count: Annotated[
        int | None, option("--count", "N", "How many people; the default is ten.", positive_number)
    ] = None,
    json: Json = False,
) -> None:
    """Print some people, ten by default, with their deals and activities.

    Some bought, some have other deals, some have none. The choice is the same each time. Read the people as a
    customer would. Times are in the time zone of the tenant.
    """
    session = open_session()
    from demo_pipeline.services.scorecard.sample import sample_people

    wanted = _USUAL_COUNT if count is None else count
    found = sample_people(session.database, session.settings, slug, wanted)
    if json:
        write_document(_sample_document(found))
        return
    if not found.stories:
        say(f"{slug} has no contact yet")
        return
    from demo_pipeline.rendering.score_columns import sample_text

    write_text(sample_text(found))
    if len(found.stories) < wanted:
        note(f"{slug} has only {counted(len(found.stories), 'contact')}")


def _sample_document(found: Sample) -> dict[str, Any]:
    return {
        "tenant": found.tenant,
        "currency": found.currency,
        "timezone": found.timezone,
        "people": [_story_document(story) for story in found.stories],
    }


def _story_document(story: PersonsStory) -> dict[str, Any]:
    return {
        **vars(story.person),
        "deals": [_without_contact(vars(deal)) for deal in story.deals],
        "activities": [_without_contact(vars(one)) for one in story.activities],
    }


def _without_contact(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name != "contact_id"}
