"""``plan``: previews of plans, and plans that continue from earlier months."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from demo_pipeline.cli.kit.console import (
    command_line,
    say,
    shell_path,
    warn,
    write_document,
    write_table,
    write_text,
)
from demo_pipeline.cli.kit.failures import nearest_plan_line, say_problems
from demo_pipeline.cli.kit.parameters import (
    PARTS_PANEL,
    Commands,
    FromMonth,
    Json,
    PlanPath,
    PlanTypeOption,
    SeedOption,
    SheetOption,
    Slug,
    argument,
    example,
    option,
    whole_number,
)
from demo_pipeline.cli.kit.session import about_files, about_options, open_session
from demo_pipeline.domain.core.errors import CapExceededError, InputError
from demo_pipeline.rendering.kpi_columns import kpi_table
from demo_pipeline.rendering.preview_tables import closing_lines, figure_table, row_tables
from demo_pipeline.rendering.table import plain_text, programs, records

if TYPE_CHECKING:
    from demo_pipeline.services.files.plan_files import PlanFile
    from demo_pipeline.services.files.reader import PlanFormat
    from demo_pipeline.services.patches.preview import Preview

#: the remedy for a plan beyond a cap
SPLIT_IT: Final = (
    "patch apply --split makes one job of each piece that fits, or a cap can be raised: DEMO_CAP_*"
)
_STANDARD_INPUT: Final = "-"

app = Commands(
    position=12, panel=PARTS_PANEL, group="plan", about="Look at what a plan would do, and write plans."
)


@app.command(
    epilog=example(
        "plan preview larkmoor plan.csv",
        "plan preview larkmoor targets.yaml --json",
    )
)
def preview(
    slug: Slug,
    plan: PlanPath,
    *,
    plan_type: PlanTypeOption = None,
    seed: SeedOption = None,
    sheet: SheetOption = None,
    json: Json = False,
) -> None:
    """Show what a plan would do, and write nothing.

    The figures of its months as they are and as they would be, the rows to make, warnings, an estimate of
    the time. A plan that cannot be: exit code 2 with every reason, and on stdout the nearest plan that can,
    as JSON to save and apply, within the caps. Beyond a cap and possible otherwise: exit code 3. Of a plan
    with mode reconcile also the rows to hide, and the fingerprint that confirms it.
    """
    file = read_plan_file(plan, plan_type, seed, sheet)
    session = open_session()
    from demo_pipeline.services.patches import preview as previews

    with about_plan(plan):
        seen = previews.preview(session.database, session.settings, slug, file)
    if json:
        write_document(_preview_document(seen))
    elif seen.feasible:
        write_preview(seen)
    else:
        _write_refusal(seen, plan)
    if seen.exit_code:
        raise typer.Exit(seen.exit_code)


def write_preview(seen: Preview) -> None:
    """A plan that can be, for people."""
    write_table(figure_table(seen))
    write_text("")
    for table in row_tables(seen):
        write_table(table)
        write_text("")
    for line in closing_lines(seen):
        write_text(line)
    for warning in seen.warnings:
        warn(warning)


def _write_refusal(seen: Preview, plan: str) -> None:
    """The reasons on stderr; the nearest plan on stdout, which holds nothing else then."""
    error = InputError("", seen.problems)
    error.details["files"] = [plan_name(plan)]
    say_problems(error)
    say("")
    title = f"{seen.tenant}, values in {seen.currency}: in the database now"
    say(plain_text(kpi_table(title, seen.now, seen.currency)))
    say("")
    if seen.suggestion is None:
        is_capped = seen.exit_code == CapExceededError.exit_code
        say(SPLIT_IT if is_capped else "there is no plan near it that would work")
        return
    error.suggestion = seen.suggestion
    say(nearest_plan_line(error))
    write_document(seen.suggestion)


def _preview_document(seen: Preview) -> dict[str, Any]:
    """What ``plan preview --json`` prints; money is text in major units."""
    return {
        "feasible": seen.feasible,
        "errors": records(programs("month metric code message suggestion"), seen.problems),
        "warnings": seen.warnings,
        "now": seen.now.to_json(seen.currency),
        "blueprint": seen.blueprint.to_json(seen.currency),
        "before": seen.before.to_json(seen.currency),
        "deltas": seen.deltas.to_json(seen.currency),
        "targets": seen.targets.to_json(seen.currency),
        "rows": seen.rows,
        "rows_before": seen.rows_before,
        "suggestion": seen.suggestion,
        "estimated_seconds": seen.estimated_seconds,
        "already_applied": seen.already_applied,
        **({} if seen.reconcile is None else seen.reconcile.to_json(with_rows=True)),
    }


def read_plan_file(path: str, plan_type: str | None, seed: str | None, sheet: str | None) -> PlanFile:
    """The plan of a file or of standard input. Raises ``InputError`` with all its problems."""
    from demo_pipeline.services.files.plan_files import read_plan

    given = {"plan_type": plan_type, "seed": seed}
    # An option overrides the plan, so an error names the option.
    names = {name: f"--{name.replace('_', '-')}" for name, text in given.items() if text is not None}
    with about_plan(path), about_options(names):
        return read_plan(path, plan_type=plan_type, seed=seed, sheet=sheet)


@contextmanager
def about_plan(path: str) -> Generator[None]:
    """Add the name of the plan to an ``InputError`` of the block."""
    with about_files([plan_name(path)]):
        yield


def plan_name(path: str) -> str:
    """The name of a plan in messages."""
    return "standard input" if path == _STANDARD_INPUT else path


# -- writing plans ---------------------------------------------------------------------------------------

#: what a written plan may look like
SHAPES: Final = ("copy-last-month", "grow", "match-average", "holiday-dip", "q4-surge")
#: parameter of the service → option
_OPTIONS: Final = {
    "percent": "--percent",
    "month_count": "--months",
    "average": "--average",
    "last_count": "--average",
    "first": "--from",
    "known": None,
}


def _shape(text: str) -> str:
    from demo_pipeline.domain.parsing.scalars import word_of

    try:
        return word_of("shape", SHAPES)(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _percent(text: str) -> Decimal:
    from demo_pipeline.domain.parsing.scalars import plain_decimal

    number = plain_decimal(text.removesuffix("%").strip())
    if number is not None:
        return number
    raise typer.BadParameter(f"{text!a} is not a number in plain digits; write per cent, like 10 or 2.5")


@app.command(
    epilog=example(
        "plan write larkmoor grow --percent 10 --months 3 -o plan.yaml",
        "plan write larkmoor match-average --average 6 --from 2025-11",
        "plan write larkmoor q4-surge --percent 40 -o surge.csv",
    )
)
def write(
    slug: Slug,
    shape: Annotated[str, argument("SHAPE", f"One of {', '.join(SHAPES)}.", _shape)],
    *,
    output: Annotated[
        Path | None,
        option("--output -o", "FILE", "A .csv, .xlsx, .json or .yaml; stdout without."),
    ] = None,
    percent: Annotated[
        Decimal | None,
        option(
            "--percent",
            "P",
            "How much more each month (grow), in December (q4-surge), or less (holiday-dip).",
            _percent,
        ),
    ] = None,
    months: Annotated[
        int | None,
        option(
            "--months",
            "N",
            "How many months; without it 1, or up to the end of the next season (dip, surge).",
            whole_number,
        ),
    ] = None,
    average: Annotated[
        int | None, option("--average", "N", "Months to average over (match-average); 3.", whole_number)
    ] = None,
    first: FromMonth = None,
    json: Json = False,
) -> None:
    """Write a plan that goes on from the figures of the months before.

    Its type is targets: what the months should show. It begins with --from, or after the last month that is
    over, of the blueprint's span or with rows. A plan only adds: where a month shows more than the shape asks
    for, the plan has that, and its values follow the deals; so do values beyond the cap on declared value.
    Printed as YAML without -o, as JSON with --json; nothing is applied.
    """
    session = open_session()
    from demo_pipeline.domain.patch_plan.shapes import Shape
    from demo_pipeline.services.patches.drafts import draft_plan

    with about_options(_OPTIONS):
        draft = draft_plan(
            session.database,
            session.settings,
            slug,
            Shape(shape),
            percent=percent,
            month_count=months,
            average_count=average,
            first=first,
        )
    for warning in draft.warnings:
        warn(warning)
    from demo_pipeline.domain.patch_plan.writing import write_plan

    if output is not None:
        from demo_pipeline.services.patches.drafts import save_plan

        kind: PlanFormat = save_plan(draft.plan, output)
        # A table says nothing of its type.
        option = " --plan-type targets" if kind in {"csv", "xlsx"} else ""
        say(f"wrote {output}; next: {command_line(f'plan preview {slug} {shell_path(output)}{option}')}")
    if json:
        write_text(write_plan(draft.plan, "json").rstrip())
    elif output is None:
        write_text(write_plan(draft.plan, "yaml").rstrip())
