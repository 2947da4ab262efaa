"""Planted faults of seams."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from demo_pipeline.domain.scorecard.columns import (
    PATCH,
    Activities,
    Contacts,
    Deals,
    TenantColumns,
)
from tests.builders.scorecard_rows import instant, rows, tenant
from tests.domain.scorecard.planted.cases import Case, Cases, both, lot

CASES: Final = Cases()


def seam(
    kind: Any, table: str, *, patch: bool, column: str, seam_at: Sequence[Any], usual: Sequence[Any]
) -> TenantColumns:
    """Rows of two months, or of the blueprint and of a patch, whose second half has other values."""
    count = 4_000
    second = np.arange(count) >= count // 2
    picks = lot(count, len(usual), 5), lot(count, len(seam_at), 6)
    values = [seam_at[picks[1][place]] if second[place] else usual[picks[0][place]] for place in range(count)]
    month = [1] * count if patch else [1 + int(later) for later in second]
    columns: dict[str, Any] = {
        column: values,
        "created_us": [instant(one, 3 + place % 5, 9 + place % 7) for place, one in enumerate(month)],
        "origin": [PATCH if later and patch else 1 for later in second],
    }
    return tenant(**{table: rows(kind, count, **columns)})


def _seam_case(
    kind: Any, table: str, column: str, usual: Sequence[Any], other: Sequence[Any], *, patch: bool
) -> None:
    name = f"seam_{'of_patches' if patch else 'between_months'}_{table}"

    def make() -> Case:
        return both(
            lambda values: seam(kind, table, patch=patch, column=column, seam_at=values, usual=usual),
            usual,
            other,
        )

    CASES[name] = make


for is_patch in (False, True):
    _seam_case(Contacts, "contacts", "source", ["seo", "meta"], ["seo", "seo", "meta"], patch=is_patch)
    _seam_case(Deals, "deals", "value", range(100, 1100, 7), range(800, 1100), patch=is_patch)
    _seam_case(Activities, "activities", "description_length", [90, 100, 110], [90, 100, 150], patch=is_patch)
