"""Blueprints as files: ``blueprints/<slug>.yaml`` read, checked and resolved, every problem with its line.

What a blueprint is and what must hold is the domain's; how YAML is read is in ``yaml_files``. Nothing here
touches the database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from secrets import token_hex
from typing import Final

from demo_pipeline.domain.blueprint import Blueprint
from demo_pipeline.domain.declaration import check_tree
from demo_pipeline.domain.errors import CapExceededError, InputError, Problem
from demo_pipeline.domain.feasibility import DEFAULT_CAPS, Caps
from demo_pipeline.domain.months import Month
from demo_pipeline.domain.planning import TenantSpec, resolve
from demo_pipeline.services.yaml_files import YamlFile, read_yaml, sorted_by_line
from demo_pipeline.settings import Settings

SUFFIXES: Final = (".yaml", ".yml")


@dataclass(frozen=True, kw_only=True)
class BlueprintFile:
    """A blueprint that was read and is right in itself."""

    path: Path
    #: the name of the file
    slug: str
    blueprint: Blueprint
    source: YamlFile


def read_blueprint(path: Path, now: datetime, caps: Caps = DEFAULT_CAPS) -> BlueprintFile:
    """Read and check one file; ``now`` (aware) bounds its span.

    Raises ``InputError`` with every problem at once, each with field, value, remedy and, where it has one,
    line; ``suggestion`` is the part of a blueprint that would mend infeasible figures, within ``caps``.
    """
    source = read_yaml(path)
    checked = check_tree(source.tree, path.stem, Month.containing(now), caps)
    problems = [*source.problems, *_with_lines(checked.problems, source)]
    if path.suffix not in SUFFIXES:
        problems.append(
            Problem(
                code="bad_suffix",
                value=path.name,
                message=f"{path.name!r} does not end with .yaml; rename it to <slug>.yaml",
            )
        )
    if problems or checked.blueprint is None:
        raise _refused(path, sorted_by_line(problems), checked.suggestion)
    return BlueprintFile(path=path, slug=path.stem, blueprint=checked.blueprint, source=source)


def read_tenant_spec(
    path: Path, now: datetime, seed_source: Callable[[], str], caps: Caps = DEFAULT_CAPS
) -> tuple[TenantSpec, tuple[str, ...]]:
    """Read one file and resolve it: the tenant, and the warnings. See ``planning.resolve``.

    Raises ``InputError``, or ``CapExceededError`` with the lines of what is beyond a cap.
    """
    file = read_blueprint(path, now, caps)
    try:
        return resolve(file.blueprint, file.slug, now, seed_source, caps)
    except CapExceededError as error:
        problems = [
            replace(problem, field=f"totals.{problem.metric}" if file.blueprint.totals else "months")
            for problem in error.problems
        ]
        lined = sorted_by_line(_with_lines(problems, file.source))
        raise CapExceededError(f"{path.name}: " + "; ".join(map(str, lined)), lined) from None


def preview_blueprint(path: Path, settings: Settings) -> tuple[TenantSpec, tuple[str, ...]]:
    """The tenant that a file would make now, and the warnings. Needs no database; raises as above."""
    is_seeded = True

    def seed_source() -> str:
        nonlocal is_seeded
        is_seeded = False
        return token_hex(8)

    caps = Caps(**settings.caps.model_dump())
    spec, warnings = read_tenant_spec(path, settings.client_instant(), seed_source, caps)
    if not is_seeded:
        warnings = (*warnings, "without a seed the months differ a little each time; add seed to fix them")
    return spec, warnings


def blueprint_paths(folder: Path) -> tuple[Path, ...]:
    """The blueprints of a folder, by name."""
    return tuple(sorted(path for path in folder.glob("*") if path.suffix in SUFFIXES and path.is_file()))


def _with_lines(problems: Iterable[Problem], source: YamlFile) -> list[Problem]:
    return [replace(problem, line=source.line_of(problem.field)) for problem in problems]


def _refused(path: Path, problems: tuple[Problem, ...], suggestion: object) -> InputError:
    return InputError(f"{path.name}: " + "; ".join(map(str, problems)), problems, suggestion=suggestion)
