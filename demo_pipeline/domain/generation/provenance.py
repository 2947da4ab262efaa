"""The job of a row, recognised by its id alone.

The keyed bits of a row's id are draws of its job's stream, its month and its table: with the seed and the
number of a job they can be drawn again, which recognises its rows, whatever became of the rest of the row.
Which jobs there were, and reading and writing rows, belongs elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

import numpy as np

from demo_pipeline.domain.blueprint.tenant_spec import TenantSpec
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.core.random_streams import U64, Stream

_VERSION: np.uint64 = np.uint64(0x8000_0000_0000_0000)


def blueprint_stream(spec: TenantSpec) -> Stream:
    """What the blueprint's rows draw from, and whatever is drawn once for a tenant."""
    return Stream((spec.seed, spec.slug))


def job_stream(spec: TenantSpec, seed: str, number: int) -> Stream:
    """What the rows of a patch draw from; ``number`` is the job's within its tenant."""
    return Stream((seed, spec.slug, "job", str(number)))


def drawn_marks(stream: Stream, month: Month, table: str, count: int) -> U64:
    """The marks of the first ``count`` rows of a month and table, shape (count,)."""
    return _VERSION | (stream.child(str(month), table).raw("id_low", count) >> np.uint64(2))


def marks_of(ids: Iterable[UUID]) -> U64:
    """The lower half of each id, which is drawn: 62 bits, so that no two rows of a tenant share one."""
    return np.fromiter((identity.int & 0xFFFF_FFFF_FFFF_FFFF for identity in ids), np.uint64)
