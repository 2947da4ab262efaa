"""``docs/reference/answers.md``: JSON answers with their schemas, and every code of an error or a problem."""

from __future__ import annotations

from typing import Final

from scripts.answers.catalogue import ANSWERS
from scripts.answers.error_codes import error_codes, problem_codes
from scripts.answers.schemas import ERROR, FOLDER, file_name
from scripts.reference_pages.markdown import head, page, table

_INTRODUCTION: Final = """\
With `--json` after its name a command prints one JSON document on standard output and nothing else;
messages go to standard error. It is the answer of the command, or an error. Each has a JSON Schema (draft
2020-12) below; the tests hold every answer against it. An installed package has the schemas, too:

```python
from importlib.resources import files

schema = (files("demo_pipeline") / "schemas" / "kpis.json").read_text(encoding="utf-8")
```

Money is text in major units with all decimals (`"1642350.00"`), a month is `2025-01`, an instant is ISO
8601 with its offset from UTC, an id is a UUID. A field that has no value is null and not left out.

Later versions may add fields and codes. A field or a code that is removed, or means something else, is a
breaking change and in the [changelog](../../CHANGELOG.md)."""
_ERRORS: Final = """\
`{"error": {"code", "message", "details"}}`. The exit code says what kind of error it is, the code which
one. Some answers end with an exit code that is not 0, too: 4 where there are findings (`verify`, `scan`,
`ready`, `health`, `score`, `certify`, `release`), 2 and 3 for a plan that cannot be (`plan preview`)."""
_PROBLEMS: Final = """\
`details.errors` lists every problem of an input, each with `code`, `message`, `field`, `line`, `value`,
`month`, `metric` and `suggestion`. The codes:"""


def render() -> str:
    """The page."""
    names = {**{f"`{words}`": file_name(words) for words in ANSWERS}, "every error": file_name(ERROR)}
    answers = [[text, f"[{file}](../../{FOLDER}/{file})"] for text, file in names.items()]
    errors = [[f"`{code}`", str(number), text] for code, (number, text) in error_codes().items()]
    return page(
        [
            head("JSON answers and error codes", "scripts/answers"),
            _INTRODUCTION,
            "## Answers",
            table(["command", "schema"], answers),
            "## Errors",
            _ERRORS,
            table(["code", "exit code", "means"], errors),
            "## Problems of an input",
            _PROBLEMS,
            ", ".join(f"`{code}`" for code in problem_codes()),
        ]
    )
