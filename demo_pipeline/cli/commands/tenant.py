"""``tenant``: demo tenants are provisioned, extended, listed, shown and deleted."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from demo_pipeline.cli.commands.inspection import no_tenants
from demo_pipeline.cli.kit.console import (
    command_line,
    note,
    say,
    warn,
    write_document,
    write_table,
    write_text,
)
from demo_pipeline.cli.kit.job_views import job_document, job_table, month_span
from demo_pipeline.cli.kit.parameters import (
    PARTS_PANEL,
    Commands,
    Json,
    SheetOption,
    Slug,
    argument,
    example,
    flag,
    month_text,
    option,
)
from demo_pipeline.cli.kit.session import (
    Session,
    about_files,
    caller,
    notice_if_slow,
    open_session,
    open_settings,
    requester,
)
from demo_pipeline.domain.blueprint.healing import HEAL_TEXTS, Heal, stored_heal
from demo_pipeline.domain.core.errors import InputError, Problem
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.core.wording import counted, rows_text
from demo_pipeline.domain.heroes.talk_track import missing_text
from demo_pipeline.rendering.hero_columns import hero_documents, hero_sections, hero_table
from demo_pipeline.rendering.kpi_columns import kpi_table
from demo_pipeline.rendering.table import Column, Table, facts, programs, record, records, text_columns

if TYPE_CHECKING:
    from demo_pipeline.domain.blueprint.tenant_spec import TenantSpec
    from demo_pipeline.domain.heroes.model import HeroAccounts
    from demo_pipeline.services.files.blueprint_files import DeclaredTenant
    from demo_pipeline.services.tenants.extend import Extension
    from demo_pipeline.services.tenants.queries import TenantDetail
    from demo_pipeline.storage.ledger.tenants import TenantSummary

app = Commands(
    position=11,
    panel=PARTS_PANEL,
    group="tenant",
    about="Make demo tenants from blueprints, look at them, delete them.",
)
BlueprintPath = Annotated[Path, argument("FILE", "A blueprint; the name of the file is the tenant's slug.")]


@app.command(epilog=example("tenant provision blueprints/larkmoor.yaml"))
def provision(file: BlueprintPath, *, sheet: SheetOption = None, json: Json = False) -> None:
    """Make the demo tenant that a blueprint declares, without data yet.

    All problems of the file are named at once, and nothing is made then. A tenant that is there already, made
    from this blueprint, is left alone.
    """
    session = open_session()
    from demo_pipeline.services.tenants import provision as provisioning

    with about_files([file]):
        made = provisioning.provision(
            session.database, session.settings, file, requested_by=requester(), sheet=sheet
        )
    for warning in made.warnings:
        warn(warning)
    if made.is_new:
        _begin_partitions(session, made.slug)
    if json:
        write_document(
            {
                "tenant": made.slug,
                **record(programs("tenant_id is_new first_month last_month warnings"), made),
            }
        )
        return
    state = "is there now" if made.is_new else "was there already, with this blueprint"
    write_text(f"{made.slug} {state}: {made.first_month} to {made.last_month}")
    if made.is_new:
        say(f"next: {command_line(f'generate {made.slug}')}")


@app.command(epilog=example("tenant preview blueprints/larkmoor.yaml"))
def preview(file: BlueprintPath, *, sheet: SheetOption = None, json: Json = False) -> None:
    """Show the months of a blueprint with all figures, before anything is provisioned.

    Needs no database and writes nothing. Totals are spread over the months as provisioning now would spread
    them.
    """
    settings = open_settings()
    from demo_pipeline.services.files.blueprint_files import preview_blueprint
    from demo_pipeline.services.months.month_range import preview_notes

    with about_files([file]):
        declared = preview_blueprint(file, settings, sheet=sheet)
    spec = declared.spec
    for warning in declared.warnings:
        warn(warning)
    notes = preview_notes(spec, settings.client_instant())
    if json:
        write_document(_preview_document(declared, (*declared.warnings, *notes)))
        return
    write_table(kpi_table(f"{spec.slug}, values in {spec.currency}", spec.by_month, spec.currency))
    for text in notes:
        note(text)
    write_text("")
    write_text(_end_text(spec.closed_month))
    write_text(f"heal: {_heal_text(declared.blueprint.heal)}")
    if spec.lists:
        write_text(f"lists: {_lists_text(spec)}")


def _preview_document(declared: DeclaredTenant, warnings: Sequence[str]) -> dict[str, Any]:
    spec = declared.spec
    return {
        "tenant": spec.slug,
        "currency": spec.currency,
        "is_living": spec.closed_month is None,
        "first_month": spec.start_month,
        "last_month": spec.end_month,
        "heal": declared.blueprint.heal,
        "lists": spec.lists.counts,
        "months": spec.by_month.to_rows(spec.currency),
        "warnings": warnings,
    }


def _heal_text(choice: Heal) -> str:
    return f"{choice}, {HEAL_TEXTS[choice]}"


def _lists_text(spec: TenantSpec) -> str:
    """How many rows a tenant's own lists have."""
    return ", ".join(f"{count:,} {name}" for name, count in spec.lists.counts.items())


def _end_text(end: Month | None) -> str:
    """Whether a tenant is closed or living, and until when."""
    return "living: goes on month by month, up to the running one" if end is None else f"closed after {end}"


@app.command(epilog=example("tenant extend larkmoor --to 2026-01"))
def extend(
    slug: Slug,
    *,
    to: Annotated[Month, option("--to", "MONTH", "New last month, as YYYY-MM.", month_text)],
    preview: Annotated[
        bool, flag("--preview", "Only show the months that would be added; write nothing.")
    ] = False,
    json: Json = False,
) -> None:
    """Let the blueprint of a closed tenant ask for more months, along its curve.

    Makes no rows: generate does. At most 24 months at once, and none that has not begun. What plans have
    added to these months stays, and the blueprint's figures come on top of it. job undo takes an extension
    back and soft-deletes the rows that were made for it.
    """
    session = open_session()
    from demo_pipeline.services.tenants.extend import extend_tenant, preview_extension

    seen = preview_extension(session.database, session.settings, slug, to)
    job_id: str | None = None
    if not preview:
        report = extend_tenant(session.database, session.settings, slug, to, caller=caller())
        job_id = str(report.job_id)
    if json:
        write_document(_extension_document(seen, to, job_id))
        return
    if not seen.figures:
        write_text(f"the blueprint of {slug} asks for the months until {to} already")
        return
    title = f"{slug}, values in {seen.currency}: what the blueprint {'would ask' if preview else 'asks'} for"
    write_table(kpi_table(title, seen.figures, seen.currency))
    if seen.now:
        write_text("")
        write_table(kpi_table("it comes on top of what is in the database", seen.now, seen.currency))
    if preview:
        say("nothing was written")
    else:
        say(f"next: {command_line(f'generate {slug}')}")
        say(f"{command_line(f'job undo {job_id}')} takes the extension back")


def _extension_document(seen: Extension, to: Month, job_id: str | None) -> dict[str, Any]:
    return {
        "tenant": seen.tenant,
        "job_id": job_id,
        "last_month": to,
        "already_applied": not seen.figures,
        "months": seen.figures.to_rows(seen.currency),
        "now": seen.now.to_json(seen.currency),
    }


@app.command("list", epilog=example("tenant list", "tenant list --country DE --country GB --living"))
def list_(
    *,
    country: Annotated[
        list[str] | None, option("--country", "CODE", "Only tenants of that country, like DE; repeatable.")
    ] = None,
    industry: Annotated[
        list[str] | None,
        option("--industry", "INDUSTRY", "Only tenants of that industry, like saas; repeatable."),
    ] = None,
    is_living: Annotated[
        bool | None,
        typer.Option(
            "--living/--closed",
            help="Only tenants that go on month by month, or only those whose blueprint has a last month.",
            show_default=False,
        ),
    ] = None,
    json: Json = False,
) -> None:
    """List the demo tenants.

    The months are those with rows of the blueprint and those that plans have filled.
    """
    session = open_session()
    from demo_pipeline.services.tenants import queries

    tenants = queries.list_tenants(
        session.database, countries=country or (), industries=industry or (), is_living=is_living
    )
    if json:
        write_document({"tenants": records(_SUMMARY_COLUMNS, tenants)})
    elif tenants:
        write_table(Table(_SUMMARY_COLUMNS, tenants))
    elif country or industry or is_living is not None:
        say("no demo tenant fits these filters; tenant list without them shows all")
    else:
        say(no_tenants(session.settings))


_SUMMARY_COLUMNS: Final[tuple[Column[TenantSummary], ...]] = (
    Column("tenant", "tenant", lambda tenant: tenant.slug),
    *programs("tenant_id"),
    Column("name", "name"),
    Column("country", "country"),
    Column("industry", "industry"),
    Column("currency", "currency"),
    *programs("incarnation provisioned_at"),
    Column("is_living", None, lambda tenant: tenant.end_month is None),
    Column(
        "end_month",
        "end",
        text=lambda tenant: "living" if tenant.end_month is None else f"closed after {tenant.end_month}",
    ),
    Column("loaded_month_count", "months loaded", is_number=True),
    Column("last_job_status", "last job"),
)


@app.command(epilog=example("tenant show larkmoor"))
def show(slug: Slug, *, json: Json = False) -> None:
    """Show one demo tenant: what it was made from, what is loaded, its hero accounts, its jobs.

    Hero accounts are up to three accounts with a story to present: a comeback, a big win at risk, an upsell.
    Each has a talk track of five sentences made from its own rows.
    """
    session = open_session()
    from demo_pipeline.services.tenants import queries

    detail = queries.show_tenant(session.database, session.settings, slug)
    if json:
        write_document(_detail_document(detail))
        return
    write_table(_detail_table(detail))
    write_text("")
    _write_heroes(detail.heroes)
    write_table(job_table(detail.jobs, detail.id_length))


def _write_heroes(heroes: HeroAccounts) -> None:
    if heroes.accounts:
        write_table(hero_table(heroes))
    for section in hero_sections(heroes):
        write_text("")
        write_text(section.heading)
        for number, sentence in enumerate(section.sentences, start=1):
            write_text(f"  {number}. {sentence}")
    if text := missing_text(heroes):
        write_text("")
        write_text(text)
    write_text("")


def _detail_document(detail: TenantDetail) -> dict[str, Any]:
    context, spec = detail.context, detail.spec
    tenant = context.state.tenant
    names = "tenant_id name country timezone currency industry incarnation seed lists_version provisioned_at"
    return {
        "tenant": tenant.slug,
        **record(programs(names), tenant),
        "versions": list(_versions(detail)),
        "excluded_from_analytics": tenant.is_excluded_from_analytics,
        "first_month": spec.start_month,
        "last_month": spec.end_month,
        "is_living": context.end_month is None,
        "end_month": context.end_month,
        "heal": stored_heal(tenant.blueprint),
        "extensions": [{"job_id": job_id, "to": last} for job_id, last in context.extensions],
        "totals": spec.total.to_json(spec.currency),
        "months": [
            {
                **record(programs("month is_whole loaded_as_of versions"), state),
                "expected": context.expected(state.month).to_json(spec.currency),
            }
            for _, state in sorted(context.loaded_months.items())
        ],
        "heroes": hero_documents(detail.heroes),
        "blueprint": tenant.blueprint,
        "jobs": [job_document(job) for job in detail.jobs],
    }


def _detail_table(detail: TenantDetail) -> Table[Sequence[str]]:
    tenant, spec = detail.context.state.tenant, detail.spec
    versions = "; ".join(_version_text(one, count) for one, count in _versions(detail).items())
    return facts(
        [
            ("tenant", tenant.slug),
            ("name", tenant.name),
            ("country", f"{tenant.country}, {tenant.timezone}, {tenant.currency}"),
            ("industry", tenant.industry),
            ("seed", tenant.seed),
            ("span", f"{spec.start_month} to {spec.end_month}"),
            ("end", _end_text(detail.context.end_month)),
            ("heal", _heal_text(stored_heal(tenant.blueprint))),
            *([("lists", _lists_text(spec))] if spec.lists else []),
            ("loaded", _loaded_text(detail.summary)),
            ("versions", versions),
            ("provisioned", f"{tenant.provisioned_at:%Y-%m-%d %H:%M:%S} UTC"),
            ("id", str(tenant.tenant_id)),
        ]
    )


def _loaded_text(summary: TenantSummary) -> str:
    """The months that ``tenant list`` counts."""
    first, last, count = summary.first_loaded_month, summary.last_loaded_month, summary.loaded_month_count
    if first is None or last is None:
        return "nothing yet"
    return f"{counted(count, 'month')}, {month_span(first, last)}"


def _versions(detail: TenantDetail) -> dict[str, int]:
    """Version of lists and generator → loaded months that it made rows of."""
    made = [version for state in detail.context.loaded_months.values() for version in state.versions]
    return {version: made.count(version) for version in sorted(set(made))}


def _version_text(version: str, count: int) -> str:
    lists, generator, *from_figures = version.split("/")
    kind = ", from figures" if from_figures else ""
    return f"lists {lists}, generator {generator}{kind} ({counted(count, 'month')})"


@app.command(epilog=example("tenant delete larkmoor", "tenant delete larkmoor --yes"))
def delete(
    slug: Slug,
    *,
    yes: Annotated[bool, flag("--yes", "Delete it; without, only say what would go.")] = False,
    json: Json = False,
) -> None:
    """Delete a demo tenant with all its rows; its history stays, and its name is free again.

    People's rows in it go too, and nothing brings them back. Waits for a running job. Without --yes it says
    what would be deleted and deletes nothing, exit code 2.
    """
    session = open_session()
    if not yes:
        raise _not_confirmed(session, slug)
    from demo_pipeline.services.tenants.delete_tenant import delete_tenant

    with notice_if_slow(f"deleting {slug} ..."):
        rows = delete_tenant(session.database, session.settings, slug, requested_by=requester())
        _remove_partition(session, slug)
    if json:
        write_document({"tenant": slug, "deleted": rows})
        return
    columns = text_columns("table", "rows deleted", numbers=("rows deleted",))
    counts = [(table, f"{count:,}") for table, count in sorted(rows.items())]
    write_table(Table(columns, counts, title=f"{slug} is deleted; job list {slug} shows its history"))


def _not_confirmed(session: Session, slug: str) -> InputError:
    """The error that names what would be deleted. Raises ``NotFoundError``, ``NotADemoTenantError``."""
    from demo_pipeline.services.tenants import queries

    rows, hidden = queries.row_counts(session.database, session.settings, slug)
    hidden_text = f", of hidden rows {rows_text(hidden)}," if any(hidden.values()) else ""
    visible_text = rows_text(rows) or "no visible rows"
    message = (
        f"{slug} would lose {visible_text}{hidden_text} and everything that depends on them, for good; "
        "nothing was deleted; to do it, add --yes"
    )
    error = InputError(message, [Problem(code="not_confirmed", field="--yes", message=message)])
    error.details |= {"tenant": slug, "rows": rows, "hidden_rows": hidden}
    return error


def _remove_partition(session: Session, slug: str) -> None:
    """Remove the tenant from Dagster at once; otherwise the sensor does it."""
    with _or_warn(
        f"Dagster still shows {slug} and its months",
        "its sensor removes them once its database answers, or else the next tenant of that name does",
    ):
        from demo_pipeline.cli.kit.dagster_runs import remove_partition

        remove_partition(session.settings, session.database, slug)


def _begin_partitions(session: Session, slug: str) -> None:
    """Delete Dagster's history of a deleted tenant with this slug."""
    with _or_warn(
        f"Dagster may still show months of a deleted {slug}",
        "its sensor or the first run of this one removes them",
    ):
        from demo_pipeline.cli.kit.dagster_runs import begin_incarnation

        begin_incarnation(session.settings, session.database, slug)


@contextmanager
def _or_warn(state: str, remedy: str) -> Generator[None]:
    """Turn errors of Dagster into a warning: the command's work is committed, Dagster catches up later."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - any failure of Dagster
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        warn(f"{state} ({reason}); nothing is to be done: {remedy}")
