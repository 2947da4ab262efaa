"""What happened, for machines: one JSON line an event, in ``$DEMO_HOME/log/events.jsonl``.

The names are fixed; alerts and dashboards look for them. Lines are appended whole, by as many processes
as there are. Secrets and personal data do not belong here.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from demo_pipeline.domain.core.display import neutral
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.masking import masked_tree


class Event(StrEnum):
    """Names of events."""

    JOB_STARTED = "PATCH_JOB_STARTED"
    JOB_COMPLETED = "PATCH_JOB_COMPLETED"
    JOB_FAILED = "PATCH_JOB_FAILED"
    IDEMPOTENCY_DETECTED = "PATCH_IDEMPOTENCY_DETECTED"
    VALIDATION_FAILED = "PATCH_VALIDATION_FAILED"
    KPI_VERIFICATION_FAILED = "KPI_VERIFICATION_FAILED"
    NON_DEMO_TENANT_BLOCKED = "NON_DEMO_TENANT_BLOCKED"


def record(
    settings: Settings, event: Event, *, tenant: str, job_id: UUID | None = None, **fields: Any
) -> None:
    """Append one line. A disk that is full must not fail a job that is committed: then it is lost."""
    line: dict[str, Any] = {
        "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "event": event.value,
        "tenant": tenant,
    }
    if job_id is not None:
        line["job_id"] = str(job_id)
    line.update(fields)
    path = settings.home / "log" / "events.jsonl"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
        try:
            os.write(
                handle,
                neutral(json.dumps(masked_tree(line), ensure_ascii=False, default=str)).encode() + b"\n",
            )
        finally:
            os.close(handle)
    except OSError:
        return
