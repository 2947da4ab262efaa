"""Who a job is: its id comes from what was asked, so that the same request is the same job."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID, uuid5

from demo_pipeline.domain.core.job_kinds import JobKind

_JOBS: Final = UUID("b5f2a6f0-0d1b-5c58-8f43-2f0f2f9d7a10")


def job_id(
    *, tenant_id: UUID, incarnation: int, kind: JobKind, plan: Mapping[str, Any], seed: str, ordinal: int
) -> UUID:
    """The id of the ``ordinal``-th job (from 0) that asks this of the tenant.

    ``plan`` is the normalised plan, JSON-ready: not the file, its order or its spelling.
    """
    request = {
        "tenant_id": str(tenant_id),
        "incarnation": incarnation,
        "kind": kind,
        "plan": plan,
        "seed": seed,
        "ordinal": ordinal,
    }
    return uuid5(_JOBS, json.dumps(request, sort_keys=True, separators=(",", ":"), ensure_ascii=False))
