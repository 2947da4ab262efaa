"""The page ``/demo-day``: which tenants can be shown, and of the others why not and what cures it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from demo_pipeline.rendering.health_columns import instant_text
from demo_pipeline.rendering.live_page import advice, live_html, scrollable_table, sentence, soft, text
from demo_pipeline.rendering.ready_columns import MARKS, light_text, summary, without_checkpoint
from demo_pipeline.services.readiness.reasons import Requirement

if TYPE_CHECKING:
    from demo_pipeline.services.readiness.board import Board, TenantReadiness

#: seconds after which a browser loads the page again: a fingerprint of all rows is taken each time
REFRESH_SECONDS: Final = 120


def demo_day_html(board: Board) -> str:
    """The page."""
    state = sentence(summary(board.tenants)).removesuffix(".") if board.tenants else "No demo tenant yet"
    light, mark = _class(is_good=board.is_ready), _mark(is_good=board.is_ready)
    heading = f'Demo day: <span class="{light}">{mark} {text(state)}</span>'
    lead = (
        f"Read {instant_text(board.read_at)}. ✓ holds; ✗ does not; ? is not known: the tenant was never "
        "examined, or rows have changed since; – there is none."
    )
    head = "".join(
        [
            '<th scope="col">tenant</th><th scope="col">light</th>',
            *(f'<th scope="col" class="mark">{each.value}</th>' for each in Requirement),
            '<th scope="col">examined</th>',
        ]
    )
    return live_html(
        f"{state} – demo day",
        heading,
        lead,
        [
            scrollable_table(head, map(_row, board.tenants)) if board.tenants else "",
            *(part for one in board.tenants for part in _details(one)),
            soft(sentence(found)) if (found := without_checkpoint(board.tenants)) else "",
        ],
        path="/demo-day",
        refresh_seconds=REFRESH_SECONDS,
    )


def _row(one: TenantReadiness) -> str:
    """A line of the board."""
    light = f'<span class="light {_class(is_good=one.is_ready)}">{text(light_text(one))}</span>'
    marks = "".join(_cell(one, each) for each in Requirement)
    return (
        f'<tr><th scope="row">{text(one.name)}<span class="slug soft">{text(one.tenant)}</span></th>'
        f"<td>{light}</td>{marks}<td>{_examined(one)}</td></tr>"
    )


def _examined(one: TenantReadiness) -> str:
    if one.examined_at is None:
        return "never"
    light = "ready then" if one.was_ready else "not ready then"
    return (
        f'<span class="nowrap">{instant_text(one.examined_at)}</span><span class="slug soft">{light}</span>'
    )


def _cell(one: TenantReadiness, requirement: Requirement) -> str:
    state = one.state(requirement).value
    kind = "soft" if state == "none" else _class(is_good=state == "met")
    return (
        f'<td class="mark {kind}"><span aria-hidden="true">{MARKS[state]}</span>'
        f'<span class="spoken">{state}</span></td>'
    )


def _details(one: TenantReadiness) -> Iterator[str]:
    """Why a tenant is not ready, and notes."""
    if not one.reasons and not one.notes:
        return
    yield f'<h2>{text(one.name)} <span class="slug soft">{text(one.tenant)}</span></h2>'
    for reason in one.reasons:
        yield "<article>"
        yield f"<h3>{text(sentence(reason.what))}</h3>"
        yield f"<p><strong>What to do:</strong> {advice(reason.remedy, reason.command)}</p>"
        yield "</article>"
    if one.notes:
        yield f'<ul class="soft">{"".join(f"<li>{text(sentence(note))}</li>" for note in one.notes)}</ul>'


def _class(*, is_good: bool) -> str:
    return "good" if is_good else "bad"


def _mark(*, is_good: bool) -> str:
    return "✓" if is_good else "✗"
