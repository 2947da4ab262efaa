"""What the build adds to the wheel: copies of the files that lie beside the package in a clone.

An editable install has no copies: it reads the files where they lie.
"""

from __future__ import annotations

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

#: where ``demo_pipeline/settings.py`` looks for them
FOLDER = "demo_pipeline/bundled"
FILES = ("blueprints", "dagster.yaml", "deploy/celery/dagster.yaml", "workspace.yaml")


class BundledFiles(BuildHookInterface[Any]):
    """Copies the bundled blueprints and Dagster's files into the package."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "standard":
            build_data["force_include"] |= {name: f"{FOLDER}/{name}" for name in FILES}
