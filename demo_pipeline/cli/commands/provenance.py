"""``provenance``: where the rows of a demo tenant come from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from demo_pipeline.cli.kit.console import Column, Table, say, write_document, write_table
from demo_pipeline.cli.kit.parameters import PARTS_PANEL, Commands, Json, Slug, example
from demo_pipeline.cli.kit.session import caller, notice_if_slow, open_session

if TYPE_CHECKING:
    from demo_pipeline.services.repairs.backfill import Backfill

_COUNTS: Final = ("With before", "Without before", "With now", "Without now")

app = Commands(
    position=15,
    panel=PARTS_PANEL,
    group="provenance",
    about="Look after what says where a demo tenant's rows come from.",
)


@app.command(epilog=example("provenance backfill larkmoor"))
def backfill(slug: Slug, *, json: Json = False) -> None:
    """Give rows back the job and month that they lost, where it can be told whose they are.

    A job draws the ids of its rows, so it knows them again. Rows that no job drew are people's, or another
    program's: they are listed and left alone. All or nothing; can be repeated.
    """
    session = open_session()
    from demo_pipeline.services.repairs import backfill as service

    with notice_if_slow("looking for whose rows they are ..."):
        found = service.backfill(session.database, session.settings, slug, caller())
    if json:
        write_document(_document(found))
        return
    write_table(_table(found))
    say(f"job {found.job_id} filled them in" if found.job_id else "there was nothing to fill in")


def _document(found: Backfill) -> dict[str, Any]:
    return {
        "tenant": found.tenant,
        "job_id": str(found.job_id) if found.job_id else None,
        "tables": {
            table: {
                "with_before": found.before[table].with_provenance,
                "without_before": found.before[table].without,
                "with_after": after.with_provenance,
                "without_after": after.without,
                "untold": [str(row) for row in found.unattributed[table]],
            }
            for table, after in found.after.items()
        },
    }


def _table(found: Backfill) -> Table:
    rows = [
        [
            table,
            f"{found.before[table].with_provenance:,}",
            f"{found.before[table].without:,}",
            f"{after.with_provenance:,}",
            f"{after.without:,}",
        ]
        for table, after in found.after.items()
    ]
    return Table(
        title=f"{found.tenant}: rows with and without provenance",
        columns=(Column("Table"), *(Column(name, is_number=True) for name in _COUNTS)),
        rows=rows,
    )
