"""Whether a file is meant as a patch plan, by the names of keys and columns in it.

For reports that are read by others than the file: the inbox quotes what a plan says, and nothing of any other
file, which may be there by mistake (a key, a list of passwords, the settings of another program). A file is
recognised by names where a plan has them, so a plan that cannot be parsed is recognised as well.
What is wrong with a plan does not belong here.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import Final

from demo_pipeline.domain.core.figures import METRICS
from demo_pipeline.domain.patch_plan.reading import plain_name
from demo_pipeline.services.files.plan_files import PlanKind
from demo_pipeline.services.files.plan_tables import MOST_ROWS_ABOVE
from demo_pipeline.services.files.workbooks import UnreadableWorkbookError, sheet_text

#: characters that are looked at: a plan has its names at the beginning
_MOST_CHARACTERS: Final = 100_000
#: different names that are looked at
_MOST_NAMES: Final = 500
#: of the beginning of a metric's name, as people shorten them
_LEAST_LENGTH: Final = 5
#: how alike a misspelt metric is: ``contacts_craeted``
_LEAST_LIKENESS: Final = 0.85
_METRICS: Final = tuple(map(plain_name, METRICS))
#: a name before a colon, as JSON and YAML have their keys
_KEY: Final = re.compile(r"""["']?\b([A-Za-z_][A-Za-z0-9_]{0,59})["']?[ \t]*:""")
_SEPARATOR: Final = re.compile(r"[,;\t|]")


def plan_text(content: bytes, kind: PlanKind, sheet: str | None) -> str:
    """The characters of a file, where it has any; what is no text becomes U+FFFD.

    Of a workbook the cells of ``sheet``, or of the first visible one, separated by tabs; nothing if it cannot
    be read.
    """
    if kind == "xlsx":
        try:
            return sheet_text(content, sheet)
        except UnreadableWorkbookError:
            return ""
    is_wide = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    return content.decode("utf-16" if is_wide else "utf-8-sig", errors="replace")


def is_meant_as_plan(content: bytes, kind: PlanKind, sheet: str | None) -> bool:
    """Whether the names of a plan are there: ``months`` or a column ``month``, and metrics.

    A metric may be misspelt; one name alone is not enough.
    """
    text = plan_text(content, kind, sheet)[:_MOST_CHARACTERS]
    if kind in {"csv", "xlsx"}:
        return _has_header(text)
    names = list(dict.fromkeys(plain_name(found) for found in _KEY.findall(text)))
    if kind == "json" and text.lstrip().startswith("["):
        return "month" in names and _has_metric(names)
    return "months" in names and ({"month", "metrics"} <= set(names) or _has_metric(names))


def _has_header(text: str) -> bool:
    """Whether one of the first lines names the column month, and it or the next one a metric."""
    lines = [line for line in text.splitlines() if line.strip()][: MOST_ROWS_ABOVE + 1]
    rows = [[plain_name(cell.strip(" \"'")) for cell in _SEPARATOR.split(line)] for line in lines]
    return any(
        not {"month", "monat"}.isdisjoint(names) and _has_metric([*names, *below])
        for names, below in zip(rows, [*rows[1:], []], strict=False)
    )


def _has_metric(names: list[str]) -> bool:
    """Whether a name is that of a metric, its beginning (``leads``), or nearly one."""
    return any(
        (len(name) >= _LEAST_LENGTH and any(metric.startswith(name) for metric in _METRICS))
        or get_close_matches(name, _METRICS, n=1, cutoff=_LEAST_LIKENESS)
        for name in names[:_MOST_NAMES]
    )
