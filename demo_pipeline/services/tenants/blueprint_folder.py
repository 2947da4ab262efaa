"""The blueprint folder against the tenants: which file has no tenant, differs from its tenant, or is wrong.

Reads and compares; nothing is made, changed or deleted. Which files are new is known to the caller, which
remembers what it saw.
"""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, cast

from demo_pipeline.domain.blueprint.schema import Blueprint, complete_declaration
from demo_pipeline.domain.core.errors import DemoError, InputError
from demo_pipeline.domain.core.months import Month
from demo_pipeline.services.files.blueprint_files import blueprint_paths
from demo_pipeline.services.jobs.tenant_context import find_tenant_context
from demo_pipeline.services.tenants.provision import read_declared
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.clock import current_instant
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.connection.masking import masked
from demo_pipeline.storage.ledger import tenants

#: characters of a value that is shown
_MOST_SHOWN: Final = 60
#: keys and problems of one file that are listed
_MOST_LISTED: Final = 30
#: values of one list that are named
_MOST_OF_LIST: Final = 20
#: a line of a file that is meant to be a blueprint
_BLUEPRINT_KEY: Final = re.compile(
    rf"^[\"']?(?:{'|'.join(Blueprint.model_fields)})[\"']?\s*:", re.MULTILINE | re.IGNORECASE
)
_MOST_READ_BYTES: Final = 1_000_000


class FileState(StrEnum):
    """What a file of the folder is to the tenants."""

    #: its slug never had a tenant
    NO_TENANT = "no tenant"
    #: its tenant was deleted
    DELETED = "tenant deleted"
    SAME = "same"
    CHANGED = "changed"
    INVALID = "invalid"
    #: the slug belongs to a tenant that is no demo
    NOT_A_DEMO = "not a demo"
    #: there is a tenant, and its file is not in the folder any more
    REMOVED = "removed"


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A key that the stored blueprint and the file do not agree on; values as short texts."""

    key: str
    stored: str
    declared: str


@dataclass(frozen=True, kw_only=True)
class FolderFile:
    """One file of the blueprint folder, compared with the tenant of its name."""

    name: str
    tenant: str
    state: FileState
    #: SHA-256 of what it says; empty: it cannot be read or is not there
    content: str = ""
    #: which command applies, or that none does; a sentence
    remedy: str = ""
    #: of a changed file; key by key
    differences: tuple[Difference, ...] = ()
    #: of an invalid file
    problems: tuple[str, ...] = ()


def compare_folder(
    database: Database, settings: Settings, folder: Path, seen: Collection[str] = ()
) -> list[FolderFile]:
    """Each blueprint of the folder by name, and each of ``seen`` (names) that is gone and has a tenant.

    Raises ``DatabaseError``; what is wrong with a file is its state.
    """
    paths = blueprint_paths(folder)
    gone = sorted(set(seen) - {path.name for path in paths})
    compared = [_compare(database, settings, path) for path in paths]
    # A renamed suffix, .yml to .yaml, is the same blueprint.
    there = {path.stem for path in paths}
    with database.admin(readonly=True) as conn:
        living = {tenant.slug for tenant in tenants.list_tenants(conn)}
    return compared + [
        FolderFile(
            name=name,
            tenant=slug,
            state=FileState.REMOVED,
            remedy=f"the tenant stays; {_command('tenant delete', slug)} deletes it",
        )
        for name in gone
        if (slug := Path(name).stem) in living - there
    ]


def _compare(database: Database, settings: Settings, path: Path) -> FolderFile:
    try:
        with path.open("rb") as file:
            text = file.read(_MOST_READ_BYTES)
    except OSError:
        text = b""
    try:
        declared = read_declared(database, settings, path, current_instant(database, settings))
    except DemoError as error:
        problems = [*map(str, error.problems)] if isinstance(error, InputError) else []
        return _invalid(path, text, problems or [error.message])
    document = declared.blueprint.model_dump(mode="json")
    # Months and lists may be in tables beside the file.
    digest = sha256(text + declared.blueprint.model_dump_json().encode()).hexdigest()
    file = FolderFile(name=path.name, tenant=path.stem, state=FileState.SAME, content=digest)
    with database.loader() as conn:
        found = tenants.find_tenant(conn, file.tenant)
        if found.tenant_id is None:
            return _without_tenant(file, path, found)
        stored = complete_declaration(tenants.get_tenant(conn, file.tenant).blueprint)
    if stored == document:
        return file
    differences = tuple(_differences(stored, document)) or _ORDER_DIFFERS
    remedy = _extension(database, settings, file.tenant, differences, declared.blueprint.end_month)
    anew = f"{_command('tenant delete', file.tenant)}, then {_command('tenant provision', str(path))}"
    return replace(
        file,
        state=FileState.CHANGED,
        differences=differences,
        remedy=remedy
        or f"put the file back as it was, or make the tenant anew, without its present rows: {anew}",
    )


def _without_tenant(file: FolderFile, path: Path, found: tenants.Found) -> FolderFile:
    if found.exists:
        remedy = "a tenant that is no demo has this slug; give the file another name"
        return replace(file, state=FileState.NOT_A_DEMO, remedy=remedy)
    state = FileState.DELETED if found.last_incarnation else FileState.NO_TENANT
    return replace(file, state=state, remedy=f"{_command('tenant provision', str(path))} makes the tenant")


def _invalid(path: Path, text: bytes, problems: list[str]) -> FolderFile:
    """A file that declares no tenant. Of one that is no blueprint at all nothing is repeated."""
    is_meant = _BLUEPRINT_KEY.search(text.decode(errors="replace"))
    shown = [masked(one) for one in problems[:_MOST_LISTED]] if is_meant else ["this is not a blueprint"]
    return FolderFile(
        name=path.name,
        tenant=path.stem,
        state=FileState.INVALID,
        content=sha256(text).hexdigest(),
        problems=tuple(shown),
        remedy=f"correct the file; {_command('tenant preview', str(path))} shows what is wrong",
    )


def _extension(
    database: Database,
    settings: Settings,
    slug: str,
    differences: Collection[Difference],
    end: Month | None,
) -> str | None:
    """What to do where a later end is all that changed; None: something else did."""
    if end is None or {one.key for one in differences} != {"end_month"}:
        return None
    try:
        with database.admin(readonly=True) as conn:
            now = find_tenant_context(conn, settings, slug, "show").end_month
    except DemoError as error:
        return error.message
    if now is None or now > end:
        return None
    if now == end:
        return f"nothing is to be done: the tenant was extended, and ends with {end}"
    return f"{_command('tenant extend', slug, '--to', str(end))} lets the blueprint ask for more months"


def _command(*words: str) -> str:
    first, *rest = words
    return f"demo-pipeline {first} {shlex.join(rest)}"


def _differences(stored: Mapping[str, Any], declared: Mapping[str, Any]) -> Iterator[Difference]:
    """The keys that differ, dotted, in the order of the blueprint; months by their month."""
    before, now = dict(_leaves(stored)), dict(_leaves(declared))
    of_list = Counter[str]()
    for key in dict.fromkeys([*now, *before]):
        old, new = before.get(key), now.get(key)
        if old == new:
            continue
        section, *rest = key.split(".")
        name = ".".join((section, *rest[:1])) if section == "lists" else ""
        of_list[name] += bool(name)
        if of_list[name] <= _MOST_OF_LIST:
            yield Difference(key=key, stored=_shown(old), declared=_shown(new))
    for name, count in of_list.items():
        if count > _MOST_OF_LIST:
            yield Difference(key=name, stored="", declared=f"and {count - _MOST_OF_LIST} more values")


#: Only rows of a list can be in another order.
_ORDER_DIFFERS: Final = (Difference(key="lists", stored="rows in this order", declared="in another order"),)
#: Keys by which rows of lists differ, each list has one of them.
_ROW_KEYS: Final = ("month", "text", "name")


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Each value below mappings and lists, with its place.

    ``totals.leads_created``, ``months.2025-01.month``, ``lists.surnames.Steiner.weight``.
    """
    if isinstance(value, Mapping):
        for key, below in cast("Mapping[str, Any]", value).items():
            yield from _leaves(below, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for below in cast("list[dict[str, Any]]", value):
            key = next(below[key] for key in _ROW_KEYS if key in below)
            yield from _leaves(below, f"{path}.{_shown(key)}")
    else:
        yield path, value


def _shown(value: object) -> str:
    if value is None:
        return "not set"
    text = str(value)
    return text if len(text) <= _MOST_SHOWN else f"{text[: _MOST_SHOWN - 4]} ..."
