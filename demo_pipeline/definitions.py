"""Dagster's entry point, the code location ``demo_pipeline``: everything in ``defs/``, and nothing else."""

from __future__ import annotations

import warnings

import dagster as dg

from demo_pipeline import defs as package
from demo_pipeline.defs.shared.resources import DemoTenants


@dg.definitions
def defs() -> dg.Definitions:
    """All definitions, found by folder.

    They are read as a Python package. ``load_from_defs_folder`` needs the project's configuration file, which
    a wheel does not have, and its result cannot be part of another project's definitions.
    """
    with warnings.catch_warnings():
        # The function is marked as a preview; the version of Dagster is pinned.
        warnings.simplefilter("ignore", dg.PreviewWarning)
        warnings.simplefilter("ignore", dg.BetaWarning)
        return dg.load_definitions_from_package_module(
            package,
            resources={"demo": DemoTenants()},
            # A process of its own costs more than the work of most steps.
            executor=dg.in_process_executor,
        )
