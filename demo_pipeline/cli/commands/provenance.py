"""``provenance``: where the rows of a demo tenant come from."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from demo_pipeline.cli.kit.console import say, write_document, write_table
from demo_pipeline.cli.kit.parameters import PARTS_PANEL, Commands, Json, Slug, example
from demo_pipeline.cli.kit.session import caller, notice_if_slow, open_session
from demo_pipeline.rendering.table import Column, Table, record

if TYPE_CHECKING:
    from demo_pipeline.services.repairs.backfill import Backfill

app = Commands(
    position=15,
    panel=PARTS_PANEL,
    group="provenance",
    about="Look after what says where a demo tenant's rows come from.",
)


@app.command(epilog=example("provenance backfill larkmoor"))
def backfill(slug: Slug, *, json: Json = False) -> None:
    """Restore the job and month of rows that lost them, where the job can be determined.

    A job derives the ids of its rows, so its rows can be recognised. Rows that no job made belong to people
    or to another program: they are listed and left alone. All or nothing; can be repeated.
    """
    session = open_session()
    from demo_pipeline.services.repairs import backfill as service

    with notice_if_slow("recognising rows ..."):
        found = service.backfill(session.database, session.settings, slug, caller())
    if json:
        tables = {table: record(_columns(found), table) for table in found.after}
        write_document({"tenant": found.tenant, "job_id": found.job_id, "tables": tables})
        return
    title = f"{found.tenant}: rows with and without provenance"
    write_table(Table(_columns(found), list(found.after), title=title))
    say(f"job {found.job_id} filled them in" if found.job_id else "there was nothing to fill in")


def _columns(found: Backfill) -> tuple[Column[str], ...]:
    """Rows with and without provenance; a row is a table's name."""

    def count(name: str, title: str, value: Callable[[str], int]) -> Column[str]:
        return Column(name, title, value, is_number=True)

    return (
        Column("", "Table", text=str),
        count("with_before", "With before", lambda table: found.before[table].with_provenance),
        count("without_before", "Without before", lambda table: found.before[table].without),
        count("with_after", "With now", lambda table: found.after[table].with_provenance),
        count("without_after", "Without now", lambda table: found.after[table].without),
        Column("untold", None, lambda table: found.unattributed[table]),
    )
