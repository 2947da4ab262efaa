"""Events for alerts and dashboards: one JSON line per event in ``$DEMO_HOME/log/events.jsonl``.

The names are fixed. Several processes may append at once. Passwords are masked; personal data does not belong
here. The logging module is not used: its handlers buffer, and each ``$DEMO_HOME`` would need a logger.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from demo_pipeline.domain.core.terminal_text import neutral
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
    """Append one line. On a full disk the line is lost: it must not fail a job that is committed."""
    line: dict[str, Any] = {
        "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "event": event.value,
        "tenant": tenant,
    }
    if job_id is not None:
        line["job_id"] = str(job_id)
    line.update(fields)
    text = neutral(json.dumps(masked_tree(line), ensure_ascii=False, default=str)) + "\n"
    path = settings.home / "log" / "events.jsonl"
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        # Without a buffer a line is one write: lines of several processes never mix.
        with open(path, "ab", buffering=0, opener=lambda name, flags: os.open(name, flags, 0o640)) as file:
            file.write(text.encode())
