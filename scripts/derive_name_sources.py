"""Writes the surnames of Great Britain that come from the package ``names-dataset`` (MIT, too large to lock).

    pip download --no-deps names-dataset==3.3.1 && unzip names_dataset-*.whl -d FOLDER
    python -m scripts.derive_name_sources FOLDER

The package says how the bearers of a name are spread over countries. Kept are names of which most live in
Great Britain or Ireland, and the most frequent of families that came from elsewhere, in the order of their
frequency. ``scripts/build_lists.py`` reads what is written here and does not need the package.
"""

from __future__ import annotations

import gzip
import pickle
import re
import sys
from pathlib import Path
from typing import Any, Final

from scripts.listbuild.words import SOURCES, read_rows, read_words

#: Countries of families that came to Great Britain in numbers.
_ELSEWHERE: Final = frozenset("IN LK PK BD NG GH KE PL RO TR HK".split())
_SHARE_ELSEWHERE: Final = 0.6
#: Surnames that are British: the rank in Great Britain, and the share of bearers there and in Ireland.
_LAST_RANK: Final = 7_000
_LAST_RANK_ELSEWHERE: Final = 3_000
_SHARE_IN_BRITAIN: Final = 0.42
_SHAPE: Final = re.compile("[A-Z][a-z]{2,12}(?:-[A-Z][a-z]+)?")
#: Names that women alone have, or men: they would stand after the other sex's given names.
_BY_SEX: Final = frozenset({"Kaur", "Begum", "Bibi", "Khatun", "Akhtar", "Parveen", "Singh"})

Names = dict[str, dict[str, dict[str, Any]]]


class _Plain(pickle.Unpickler):
    """Reads dictionaries, texts and numbers, and nothing else: a pickle can run code."""

    def find_class(self, module: str, name: str, /) -> Any:
        raise pickle.UnpicklingError(f"{module}.{name} is no plain value")


def british_surnames(last: Names) -> list[tuple[str, int]]:
    """Surnames with their rank in Great Britain, the most frequent first."""
    known = [(name, about) for name, about in last.items() if _is_british(about) and _SHAPE.fullmatch(name)]
    plain, irish = {name for name, _ in known}, {name for name, _ in read_rows("us/surnames.tsv")}
    rows: dict[str, int] = {}
    for name, about in known:
        # The package has no capitals within a name, and no apostrophes.
        written = re.sub("^Mc([a-z])", lambda match: f"Mc{match[1].upper()}", name)
        if name.startswith("O") and (name[1:].capitalize() in plain or f"O'{name[1:].capitalize()}" in irish):
            written = f"O'{name[1:].capitalize()}"
        rows[written] = int(about["rank"]["GB"])
    return sorted(rows.items(), key=lambda row: (row[1], row[0]))


def _is_british(about: dict[str, dict[str, Any]]) -> bool:
    spread, rank = about["country"], about["rank"].get("GB", _LAST_RANK + 1)
    at_home = spread.get("GB", 0) + spread.get("IE", 0) >= _SHARE_IN_BRITAIN
    elsewhere = sum(spread.get(code, 0) for code in _ELSEWHERE) >= _SHARE_ELSEWHERE
    return (rank <= _LAST_RANK and at_home) or (rank <= _LAST_RANK_ELSEWHERE and elsewhere)


def main(folder: Path) -> None:
    """Write the source from the unpacked package."""
    with gzip.open(folder / "names_dataset" / "v3" / "last_names.pkl.gz") as file:
        last: Names = _Plain(file).load()
    given = {name for sex in ("female", "male") for name in read_words(f"gb/{sex}.txt")}
    rows = [row for row in british_surnames(last) if row[0] not in given | _BY_SEX]
    text = "".join(f"{name}\t{rank}\n" for name, rank in rows)
    (SOURCES / "gb" / "surnames_more.tsv").write_text(text, "utf-8", newline="\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
