"""``run``, the main job: from blueprints to verified demo tenants, and a table that proves it."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from demo_pipeline.cli.commands.inspection import DRIFTED, kpi_document, verdict_document, write_verdicts
from demo_pipeline.cli.kit.console import (
    note,
    program_from,
    say,
    warn,
    write_document,
    write_table,
    write_text,
)
from demo_pipeline.cli.kit.job_views import report_document, summary
from demo_pipeline.cli.kit.parameters import MAIN_PANEL, Commands, Json, argument, example
from demo_pipeline.cli.kit.session import Session, about_files, open_session, requester
from demo_pipeline.domain.core.errors import InputError, NotFoundError, Problem
from demo_pipeline.rendering.kpi_columns import kpi_table

if TYPE_CHECKING:
    from demo_pipeline.services.jobs.report import JobReport
    from demo_pipeline.services.tenants.provision import Provisioned
    from demo_pipeline.services.tenants.queries import KpiTable
    from demo_pipeline.services.tenants.verify import Verdict
    from demo_pipeline.settings import Settings


#: blueprints that a message lists
_MOST_NAMES: Final = 12

app = Commands(position=2, panel=MAIN_PANEL)


@app.command(epilog=example("run", "run larkmoor", "run blueprints/acme.yaml"))
def run(
    blueprints: Annotated[
        list[str] | None,
        argument(
            "BLUEPRINT",
            "Files, or names of blueprints in DEMO_BLUEPRINTS; without any, all blueprints there.",
        ),
    ] = None,
    *,
    json: Json = False,
) -> None:
    """From blueprints to verified demo tenants: the main job.

    Blueprints come from DEMO_BLUEPRINTS: where that is not set, from the folder blueprints if the current
    folder was made by init, else the bundled ones.

    Makes the tenants that are not there yet, materialises all their months through Dagster, verifies them and
    shows their KPIs. Can be repeated: what is as expected is left alone. A tenant that cannot be read is
    reported, exit code 4, and the others are made.
    """
    opened = open_session()
    with opened.database.pooled() as database:
        _run(Session(opened.settings, database), blueprints or [], json=json)


def _run(session: Session, blueprints: Sequence[str], *, json: bool) -> None:
    from demo_pipeline.cli.kit.dagster_runs import materialise_tenants
    from demo_pipeline.services.tenants import queries
    from demo_pipeline.services.tenants import verify as verification

    database, settings = session.database, session.settings
    made, unreadable = _provision(session, blueprints)
    broken = {*unreadable, *queries.unreadable_tenants(database, settings, [one.slug for one in made])}
    slugs = list(dict.fromkeys(tenant.slug for tenant in made if tenant.slug not in broken))
    if slugs:
        say(f"materialising {', '.join(slugs)} ...")
    reports = materialise_tenants(session, slugs) if slugs else ()
    examined = [*slugs, *sorted(broken)]
    verdicts = verification.verify(database, settings, *examined) if examined else ()
    tables = [queries.kpis(database, settings, slug) for slug in slugs]
    if json:
        write_document(_document(made, reports, verdicts, tables))
    else:
        _write_result(reports, verdicts, tables)
        _write_next(settings, slugs)
    if not all(verdict.is_as_expected for verdict in verdicts):
        raise typer.Exit(DRIFTED)


def _provision(session: Session, names: Sequence[str]) -> tuple[tuple[Provisioned, ...], list[str]]:
    """The tenants that are there now, and the slugs of those that cannot be read."""
    from demo_pipeline.services.tenants.provision import provision_all

    paths = _paths(session.settings, names)
    unreadable: list[str] = []
    with about_files(paths), _known_names_proposed(session.settings):
        made = provision_all(
            session.database,
            session.settings,
            paths,
            requested_by=requester(),
            on_unreadable=lambda slug, _: unreadable.append(slug),
        )
    for tenant in made:
        for warning in tenant.warnings:
            warn(f"{tenant.slug}: {warning}")
    return made, unreadable


@contextmanager
def _known_names_proposed(settings: Settings) -> Generator[None]:
    """Say which blueprints there are, and which is nearest, for a file that is not there."""
    try:
        yield
    except InputError as error:
        from demo_pipeline.domain.parsing.scalars import nearest
        from demo_pipeline.services.files.blueprint_files import blueprint_paths
        from demo_pipeline.settings import BUNDLED_BLUEPRINTS

        known = [path.stem for path in blueprint_paths(settings.blueprints)]

        def proposed(problem: Problem) -> Problem:
            if problem.code != "file_not_found" or problem.value is None:
                return problem
            meant = nearest(Path(problem.value).stem, known)
            if settings.blueprints == BUNDLED_BLUEPRINTS:
                # They are named as they are typed, wherever a package has them.
                there = [f"the bundled blueprints are {_names_text(known)}"]
            else:
                there = map(_names_in, (settings.blueprints, BUNDLED_BLUEPRINTS))
            message = "; ".join((problem.message, *there))
            if meant is not None:
                message += f"; did you mean {meant}?"
            return replace(problem, message=message, suggestion=meant)

        error.change_problems(proposed)
        raise


def _names_in(folder: Path) -> str:
    """Which blueprints a folder has, in half a sentence."""
    from demo_pipeline.services.files.blueprint_files import blueprint_paths

    names = [path.stem for path in blueprint_paths(folder)]
    if not names:
        return f"there are no blueprints in {folder}"
    return f"in {folder} there are {_names_text(names)}"


def _names_text(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return f"{', '.join(names[:_MOST_NAMES])}{more}"


def _paths(settings: Settings, names: Sequence[str]) -> list[Path]:
    """The files that are meant, none twice; a name that is no file is a blueprint of the folder."""
    from demo_pipeline.services.files.blueprint_files import blueprint_paths
    from demo_pipeline.settings import BUNDLED_BLUEPRINTS

    found = blueprint_paths(settings.blueprints)
    if not names:
        if settings.blueprints != BUNDLED_BLUEPRINTS:
            say(f"blueprints of {settings.blueprints}")
        if not found:
            raise NotFoundError(
                f"there are no blueprints in {settings.blueprints}; name one, or set DEMO_BLUEPRINTS"
            )
        return list(found)
    by_name = {path.stem: path for path in found}
    paths = [path if (path := Path(name)).exists() else by_name.get(name, path) for name in names]
    # A bundled blueprint may be named by its name and by its file.
    return list({path.resolve(): path for path in reversed(paths)}.values())[::-1]


def _document(
    made: Sequence[Provisioned],
    reports: Sequence[JobReport],
    verdicts: Sequence[Verdict],
    tables: Sequence[KpiTable],
) -> dict[str, Any]:
    return {
        "passed": all(verdict.is_as_expected for verdict in verdicts),
        "jobs": [report_document(report) for report in reports],
        "verdicts": [verdict_document(verdict) for verdict in verdicts],
        "kpis": [kpi_document(table) for table in tables],
        "warnings": [
            *(f"{tenant.slug}: {warning}" for tenant in made for warning in tenant.warnings),
            *(f"{table.tenant}: {text}" for table in tables for text in table.notes),
        ],
    }


def _write_result(
    reports: Sequence[JobReport], verdicts: Sequence[Verdict], tables: Sequence[KpiTable]
) -> None:
    for report, table in zip(reports, tables, strict=True):
        title = f"{table.tenant}, values in {table.currency}: {summary(report)}"
        write_table(kpi_table(title, table.months, table.currency))
        for text in table.notes:
            note(f"{table.tenant}: {text}")
        write_text("")
    write_verdicts(verdicts)


def _write_next(settings: Settings, slugs: Sequence[str]) -> None:
    """Commands to type after the main job."""
    program = program_from(Path())
    say("")
    say("next:")
    say(f"  {program} serve             the Dagster UI with these runs and their KPI tables")
    if slugs:
        say(f"  {program} tenant show {slugs[0]}")
    say(f"""  psql "$({program} db url)" -c '\\dt crm.*'  the tables themselves""")
    if settings.uses_embedded_server:
        say(f"  {program} db stop           ends the database server, which stays up until then")
