"""Writes the frozen lists of ``demo_pipeline/domain/reference/data``.

    python scripts/build_lists.py

Run again with the same sources and the locked ``holidays`` it writes the same bytes; a test holds that.
When lists change on purpose, raise ``LISTS_VERSION`` in ``demo_pipeline/domain/reference/versions.py``:
tenants store the version that they were made with.

The sources in ``scripts/list_sources`` and where their facts are from are described in its README.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from scripts.listbuild.companies import companies  # noqa: E402
from scripts.listbuild.industries import industries  # noqa: E402
from scripts.listbuild.names import given_names, surnames  # noqa: E402
from scripts.listbuild.places import house_numbers, places, public_holidays, streets  # noqa: E402
from scripts.listbuild.texts import texts  # noqa: E402
from scripts.listbuild.words import Sieve, read_toml  # noqa: E402

TARGET = ROOT / "demo_pipeline" / "domain" / "reference" / "data"
_COUNTRIES: dict[str, dict[str, Any]] = {
    "us": {"language": "en", "currency": "USD", "timezone": "America/New_York",
           "honorifics": {"female": "Ms.", "male": "Mr."}, "number_before_street": True},
    "gb": {"language": "en", "currency": "GBP", "timezone": "Europe/London",
           "honorifics": {"female": "Ms", "male": "Mr"}, "number_before_street": True},
    "de": {"language": "de", "currency": "EUR", "timezone": "Europe/Berlin",
           "honorifics": {"female": "Frau", "male": "Herr"}, "number_before_street": False},
}  # fmt: skip


def build(target: Path = TARGET) -> Sieve:
    """Write all files to ``target``; the sieve says what was kept back."""
    sieve = Sieve()
    target.mkdir(parents=True, exist_ok=True)
    for country, basics in _COUNTRIES.items():
        own = surnames(country, sieve)
        content = {
            **basics,
            "weekend": [5, 6],
            "holidays": public_holidays(country),
            **given_names(country, sieve),
            "surnames": own,
            **places(country, sieve),
            "streets": streets(country, sieve),
            "house_numbers": house_numbers(country),
            "companies": companies(country, own["names"], sieve),
        }
        write(target, country, content)
    for key, content in industries().items():
        write(target, f"industry_{key}", content)
    for language in ("en", "de"):
        write(target, f"texts_{language}", texts(language, sieve))
    write(target, "currencies", currencies())
    return sieve


def currencies() -> dict[str, Any]:
    """ISO codes: currencies with digits and rough units per US dollar, countries."""
    raw = read_toml("iso.toml")
    pairs = [
        (code, [int(digits), units])
        for digits, text in raw["currencies"].items()
        for code, units in (part.split(":") for part in text.split())
    ]
    return {"currencies": dict(sorted(pairs)), "countries": sorted(raw["countries"].split())}


def write(target: Path, name: str, content: dict[str, Any]) -> None:
    """One file, the same bytes for the same content."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    # A line a field, so that a change can be read.
    text = text.replace('],"', '],\n"').replace('},"', '},\n"')
    (target / f"{name}.json").write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    kept_back = build().kept_back
    for reason, count in sorted(kept_back.items()):
        print(f"kept back: {count:5} {reason}")
    print(f"kept back: {sum(kept_back.values()):5} in all")
    print(f"bytes: {sum(path.stat().st_size for path in TARGET.glob('*.json')):,}")
