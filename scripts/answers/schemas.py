"""The declared answers as whole JSON Schemas: one of each command, and one of every error.

They are written to ``demo_pipeline/schemas`` by ``make docs``, so that a wheel has them, too.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any, Final

from scripts.answers.catalogue import ANSWERS
from scripts.answers.error_codes import error_codes, problem_codes
from scripts.answers.shapes import (
    ANYTHING,
    COUNT,
    DEFINITIONS,
    DOCUMENT,
    MONTH,
    TEXT,
    Schema,
    list_of,
    one_of,
    or_null,
    record,
)

FOLDER: Final = Path("demo_pipeline/schemas")
#: of the schema of errors
ERROR: Final = "error"
_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_REFERENCE: Final = re.compile(r'"#/\$defs/(\w+)"')


@cache
def schemas() -> dict[str, Schema]:
    """Each schema by the words of its command, and that of errors as ``error``."""
    found = {
        words: _whole(f"What demo-pipeline {words} --json prints.", shape) for words, shape in ANSWERS.items()
    }
    return {**found, ERROR: _whole("What a command prints with --json in place of its answer.", _error())}


def file_name(words: str) -> str:
    """The file of a command's schema: ``tenant-list.json``."""
    return f"{words.replace(' ', '-')}.json"


def render() -> dict[Path, str]:
    """Every file with its text."""
    return {
        FOLDER / file_name(words): json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
        for words, schema in schemas().items()
    }


def _whole(description: str, shape: Schema) -> Schema:
    """A schema with the forms that it refers to, those of forms included."""
    definitions: dict[str, Any] = {}
    text = json.dumps(shape)
    while missing := sorted({name for name in _REFERENCE.findall(text) if name not in definitions}):
        for name in missing:
            definitions[name] = DEFINITIONS[name]
        text = json.dumps(definitions)
    document = {"$schema": _DIALECT, "description": description, **shape}
    return {**document, "$defs": dict(sorted(definitions.items()))} if definitions else document


def _error() -> Schema:
    problem = record(
        {
            "code": one_of(problem_codes()),
            "message": TEXT,
            "field": or_null(TEXT),
            "line": or_null(COUNT),
            "value": or_null(TEXT),
            "month": or_null(MONTH),
            "metric": or_null(TEXT),
            "suggestion": ANYTHING,
        }
    )
    details = {**DOCUMENT, "properties": {"errors": list_of(problem)}}
    return record(
        {"error": record({"code": one_of(error_codes()), "message": TEXT, "details": details})},
    )
