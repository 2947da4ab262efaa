"""The sensor on the blueprint folder: a new file becomes a tenant, everything else is reported.

A changed or removed file starts no run, since that would delete rows of a tenant that may be in use. Files
that exist at the first tick are not new. The comparison, and the command that applies, belong to
``services.tenants.blueprint_folder``.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any, Final

import dagster as dg
from pydantic import BaseModel, Field, ValidationError

from demo_pipeline.defs.operations.tenant_partitions import provision_tenants
from demo_pipeline.defs.operations.verification import TENANTS_ASSET
from demo_pipeline.defs.shared.resources import DemoTenants
from demo_pipeline.defs.shared.run_tags import REQUESTER_TAG, TENANT_TAG
from demo_pipeline.domain.core.wording import counted
from demo_pipeline.rendering.table import Column, Table, escaped, markdown
from demo_pipeline.services.tenants.blueprint_folder import FileState, FolderFile, compare_folder

_NAME: Final = "watch_blueprints"


class FolderMemory(BaseModel):
    """What the last tick saw, as the sensor's cursor holds it."""

    folder: str
    #: file → SHA-256 of its content; a file that was removed stays as long as it has a tenant
    files: dict[str, str] = Field(default_factory=dict[str, str])
    #: files that came after the first tick and have no tenant yet
    new: list[str] = Field(default_factory=list[str])
    #: those of them that a run was requested for → SHA-256 of the content
    requested: dict[str, str] = Field(default_factory=dict[str, str])
    #: SHA-256 of what was reported last
    reported: str = ""

    @classmethod
    def of_cursor(cls, cursor: str | None, folder: str) -> FolderMemory | None:
        """The state that a cursor holds; None: this folder was not seen before."""
        try:
            memory = cls.model_validate_json(cursor or "")
        except ValidationError:
            return None
        return memory if memory.folder == folder else None


@dg.sensor(
    name=_NAME,
    job=provision_tenants,
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Watches the blueprint folder. A valid file that is new there becomes a tenant without data. "
    "A file that differs from its tenant, that is invalid or that was removed is reported on the asset "
    "`tenants`, with the command that applies; nothing is run and nothing is deleted. Files that are there "
    "at the first tick are not new.",
)
def watch_blueprints(context: dg.SensorEvaluationContext, demo: DemoTenants) -> dg.SensorResult:
    """Request a run for each new file; report what differs when that changes."""
    folder = demo.settings.blueprints
    before = FolderMemory.of_cursor(context.cursor, str(folder))
    seen = {} if before is None else before.files
    files = compare_folder(demo.database, demo.settings, folder, seen)
    new = [one for one in files if before is not None and _is_new(one, before)]
    waiting = [one for one in new if one.state is FileState.NO_TENANT]
    requested = {} if before is None else before.requested
    # A file that is being written changes from tick to tick.
    ready = [one for one in waiting if one.content == seen.get(one.name) != requested.get(one.name)]
    reported = [one for one in files if one.state is not FileState.SAME and one not in waiting]
    memory = FolderMemory(
        folder=str(folder),
        files={one.name: one.content for one in files},
        new=[one.name for one in new],
        requested={
            **{one.name: requested[one.name] for one in waiting if one.name in requested},
            **{one.name: one.content for one in ready},
        },
        reported=sha256(repr(reported).encode()).hexdigest(),
    )
    is_changed = bool(reported) if before is None else memory.reported != before.reported
    notes = [_waiting_note(one, memory) for one in waiting]
    return dg.SensorResult(
        run_requests=[_request(one) for one in ready],
        skip_reason=None if ready else _summary(reported, notes),
        cursor=memory.model_dump_json(),
        asset_events=[_observation(reported)] if is_changed else [],
    )


def _is_new(one: FolderFile, before: FolderMemory) -> bool:
    """Whether a file came after the first tick and never had a tenant; an invalid one may be corrected."""
    is_known = one.name in before.files and one.name not in before.new
    return not is_known and one.state in {FileState.NO_TENANT, FileState.INVALID}


def _waiting_note(one: FolderFile, memory: FolderMemory) -> str:
    if memory.requested.get(one.name) == one.content:
        return f"{one.name}, new: a run of provision_tenants was requested; if it failed, its page says why"
    return f"{one.name}, new: becomes a tenant once it is no longer written"


def _request(one: FolderFile) -> dg.RunRequest:
    return dg.RunRequest(
        # The same content is asked for once: Dagster remembers the key.
        run_key=f"{one.name} {one.content}",
        run_config={"ops": {"provision": {"config": {"files": [one.name]}}}},
        tags={TENANT_TAG: one.tenant, REQUESTER_TAG: f"sensor {_NAME}"},
    )


def _observation(reported: Sequence[FolderFile]) -> dg.AssetObservation:
    """What differs now, all of it: a page shows the latest observation."""
    metadata: dict[str, Any] = {"blueprints_that_differ": len(reported)}
    if reported:
        metadata["blueprints"] = dg.MetadataValue.md(markdown(Table(_COLUMNS, reported)))
        metadata["what_to_do"] = dg.MetadataValue.md(
            "\n".join(f"- {escaped(one.name)}: {escaped(one.remedy)}" for one in reported)
        )
    differing = [(one, key) for one in reported for key in one.differences]
    if differing:
        metadata["what_differs"] = dg.MetadataValue.md(markdown(Table(_KEY_COLUMNS, differing)))
    return dg.AssetObservation(TENANTS_ASSET, description=_summary(reported), metadata=metadata)


def _summary(reported: Sequence[FolderFile], notes: Sequence[str] = ()) -> str:
    """What the tick found, in lines."""
    lines = [*notes, *(f"{one.name}, {_about(one)}: {one.remedy}" for one in reported)]
    return "\n".join(lines) or "every blueprint of the folder has its tenant, and none differs"


def _about(one: FolderFile) -> str:
    """State and details of a file, on a line."""
    match one.state:
        case FileState.CHANGED:
            keys = ", ".join(each.key for each in one.differences[:5])
            more = len(one.differences) - 5
            return f"{counted(len(one.differences), 'key')} changed ({keys}{' ...' if more > 0 else ''})"
        case FileState.INVALID:
            return f"invalid ({'; '.join(one.problems)})"
        case _:
            return one.state.value


_COLUMNS: Final[tuple[Column[FolderFile], ...]] = (
    Column("name", "file"),
    Column("tenant", "tenant"),
    Column("state", "state", _about),
)
_KEY_COLUMNS: Final[tuple[Column[Any], ...]] = (
    Column("file", "file", lambda row: row[0].name),
    Column("key", "key", lambda row: row[1].key),
    Column("stored", "the tenant was made with", lambda row: row[1].stored),
    Column("declared", "the file says", lambda row: row[1].declared),
)
