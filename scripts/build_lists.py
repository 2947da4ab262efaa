"""Writes the files of ``demo_pipeline/domain/reference/packs`` that are derived from others.

    python scripts/build_lists.py [PACKS]

For each country with a folder in ``scripts/list_sources``: names of people and companies, cities and
holidays. For each industry of PACKS (the packaged ones by default): its quantile tables. All other files of a
pack are written by hand; ``scripts/check_packs.py`` checks both.

With the same sources and the locked ``holidays`` it writes the same bytes; a test holds that. When lists
change on purpose, raise ``LISTS_VERSION`` in ``demo_pipeline/domain/reference/versions.py``: tenants store
the version that they were made with. Where the facts come from is in ``scripts/list_sources/README.md``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from scripts.listbuild.companies import patterns, stems  # noqa: E402
from scripts.listbuild.names import given_names, surnames  # noqa: E402
from scripts.listbuild.places import cities, public_holidays  # noqa: E402
from scripts.listbuild.quantiles import quantiles  # noqa: E402
from scripts.listbuild.words import SOURCES, Sieve, read_toml  # noqa: E402

PACKAGED = ROOT / "demo_pipeline" / "domain" / "reference" / "packs"


def build(target: Path = PACKAGED, packs: Path = PACKAGED) -> Sieve:
    """Write all derived files to ``target``; the sieve says what was left out. ``packs`` has the others."""
    sieve = Sieve()
    for source in sorted(SOURCES.glob("*/source.toml")):
        build_country(source.parent.name, target, sieve)
    for industry in sorted((packs / "industries").iterdir()):
        build_industry(industry, target / "industries" / industry.name)
    return sieve


def build_country(country: str, target: Path, sieve: Sieve) -> None:
    """The derived lists of a country."""
    source = read_toml(f"{country}/source.toml")
    folder = target / "countries" / country
    days = public_holidays(country, source.get("holidays_subdivision"))
    write(folder / "holidays.txt", "".join(f"{day}\n" for day in days))
    lists = {"surnames": surnames(country, source["surnames"], sieve), **given_names(country, sieve)}
    for name, rows in lists.items():
        write_table(folder / f"{name}.tsv", ("name", "weight"), rows)
    names = read_toml(f"{country}/companies.toml")
    write_table(folder / "company_stems.tsv", ("name", "weight"), stems(names, country, sieve))
    write(folder / "company_patterns.json", patterns(names))
    columns = ("name", "state", "weight", "phones", "postal_codes")
    write_table(folder / "cities.tsv", columns, cities(country, source, sieve))


def build_industry(pack: Path, folder: Path) -> None:
    """The tables of an industry."""
    tables = quantiles(json.loads((pack / "industry.json").read_bytes()))
    # A line a table.
    text = json.dumps(tables, separators=(",", ":")).replace('],"', '],\n"')
    write(folder / "quantiles.json", f"{text}\n")


def write_table(file: Path, columns: Sequence[str], rows: Iterable[Sequence[str | int]]) -> None:
    """A file of tab-separated columns with their names in the first line."""
    write(file, "".join("\t".join(map(str, row)) + "\n" for row in (columns, *rows)))


def write(file: Path, text: str) -> None:
    """One file, folders included."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, "utf-8", newline="\n")


if __name__ == "__main__":
    packs = Path(sys.argv[1]) if len(sys.argv) > 1 else PACKAGED
    kept_back = build(packs, packs).kept_back
    for reason, count in sorted(kept_back.items()):
        print(f"left out: {count:5} {reason}")
    print(f"left out: {sum(kept_back.values()):5} in all")
