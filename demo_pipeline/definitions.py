"""Dagster's entry point, the code location ``demo_pipeline``: everything in ``defs/``, and nothing else."""

from __future__ import annotations

from pathlib import Path

import dagster as dg


@dg.definitions
def defs() -> dg.Definitions:
    """All definitions, found by folder."""
    return dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
