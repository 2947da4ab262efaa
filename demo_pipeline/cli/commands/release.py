"""``release``: record that months of a tenant may be shown, and show which ones are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from demo_pipeline.cli.kit.console import write_document, write_table, write_text
from demo_pipeline.cli.kit.parameters import (
    TENANT_PANEL,
    Commands,
    FromMonth,
    Json,
    Slug,
    ToMonth,
    example,
    flag,
    option,
)
from demo_pipeline.cli.kit.session import open_session, requester
from demo_pipeline.domain.core.months import Month
from demo_pipeline.rendering.table import Column, Table, records

if TYPE_CHECKING:
    from demo_pipeline.services.tenants.release import Releases

#: exit code where a month was kept back
KEPT_BACK: Final = 4

app = Commands(position=6, panel=TENANT_PANEL)


@app.command(
    epilog=example(
        "release larkmoor",
        "release larkmoor --list",
        'release larkmoor --from 2025-10 --to 2025-10 --reason "the customer wants to see the import"',
    )
)
def release(
    slug: Slug,
    first: FromMonth = None,
    last: ToMonth = None,
    *,
    reason: Annotated[
        str | None, option("--reason", "TEXT", "Release them although a check does not pass, and say why.")
    ] = None,
    show_only: Annotated[bool, flag("--list", "Show which months are released, and release none.")] = False,
    json: Json = False,
) -> None:
    """Record that months of a tenant may be shown.

    All loaded months, or those from --from to --to. A month whose checks do not pass is kept back, exit code
    4, unless there is a --reason, which the audit log keeps. It is a record: nothing is hidden from the CRM.
    A job that changes a released month makes the record out of date until the month is released again.
    """
    session = open_session()
    from demo_pipeline.services.tenants import release as releasing

    months = releasing.months_between(session.database, session.settings, slug, first, last)
    if show_only:
        done = releasing.read_releases(session.database, session.settings, slug)
    else:
        done = releasing.release(
            session.database, session.settings, slug, months, requested_by=requester(), reason=reason
        )
    if json:
        write_document(_document(done, months))
    else:
        write_table(Table(_COLUMNS, [_Line(done, month) for month in months], title=slug))
        for month, found in done.kept_back.items():
            for one in found:
                write_text(f"{month}: {one.check.value}: {one.message}")
    if done.kept_back:
        raise typer.Exit(KEPT_BACK)


class _Line:
    """One month of the answer."""

    def __init__(self, done: Releases, month: Month) -> None:
        record = done.months.get(month)
        self.month = str(month)
        self.state = done.state(month).value
        self.released_at = None if record is None else record.released_at
        self.released_by = None if record is None else record.released_by
        self.reason = None if record is None else record.reason


def _document(done: Releases, months: tuple[Month, ...]) -> dict[str, Any]:
    return {
        "tenant": done.tenant,
        "released": list(map(str, done.released)),
        "months": records(_COLUMNS, [_Line(done, month) for month in months]),
        "kept_back": {
            str(month): [{"check": one.check.value, "message": one.message} for one in found]
            for month, found in done.kept_back.items()
        },
    }


_COLUMNS: Final[tuple[Column[_Line], ...]] = (
    Column("month", "month"),
    Column("state", "state"),
    Column(
        "released_at",
        "released (UTC)",
        text=lambda line: f"{line.released_at:%Y-%m-%d %H:%M}" if line.released_at else "",
    ),
    Column("released_by", "by"),
    Column("reason", "reason"),
)
