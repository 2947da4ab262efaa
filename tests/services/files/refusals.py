"""What a plan file is refused for."""

from __future__ import annotations

import pytest

from demo_pipeline.domain.core.errors import InputError, Problem
from demo_pipeline.services.files.plan_files import parse_plan
from demo_pipeline.services.files.reader import FileFormat


def problems_of(text: str | bytes, kind: FileFormat | None = "csv", **options: str) -> tuple[Problem, ...]:
    """The problems of a plan that is refused."""
    with pytest.raises(InputError) as caught:
        parse_plan(text if isinstance(text, bytes) else text.encode(), kind, **options)
    assert caught.value.exit_code == 2
    assert caught.value.problems
    return caught.value.problems
