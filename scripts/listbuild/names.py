"""Given names and surnames with weights.

US: census counts and Faker's weighted provider. GB: Faker's weighted surnames with a tail of surnames of
British shape from the US list; given names in rank order. DE: surnames in the rank order of a telephone
book, shares known for the first; given names in rank order.
"""

from __future__ import annotations

import re
from typing import Any

from scripts.listbuild.words import Sieve, name_list, read_rows, read_words

#: Bearers in the US census of 2010, of 294,979,229.
_CENSUS_TOTAL = 294_979_229
_CENSUS = {
    "Smith": 2_442_977, "Johnson": 1_932_812, "Williams": 1_625_252, "Brown": 1_437_026,
    "Jones": 1_425_470, "Garcia": 1_166_120, "Miller": 1_161_437, "Davis": 1_116_357,
    "Rodriguez": 1_094_924, "Martinez": 1_060_159, "Hernandez": 1_043_281, "Lopez": 874_523,
    "Gonzalez": 841_025, "Wilson": 801_882, "Anderson": 784_404, "Thomas": 756_142, "Taylor": 751_209,
    "Moore": 724_374, "Jackson": 708_099, "Martin": 702_625, "Lee": 693_023, "Perez": 681_645,
    "Thompson": 664_644, "White": 660_491, "Harris": 624_252,
}  # fmt: skip
#: Weights are parts of this.
_WHOLE = 10_000_000
_BRITISH = re.compile(
    r"(?:Mc[A-Z]\w+|Mac[A-Z]\w+|\w{2,}(?:ton|ham|ley|ford|wood|worth|by|son|well|field|ridge|more|shaw|bury"
    r"|combe|stone|thorpe|wick|den|brook|hurst|cock|cott|land|bourne|burn|house|gate|head|bridge|way|smith"
    r"|wright|water|ward|low|leigh))"
)
_NOT_BRITISH = re.compile(r"(?:sson|nson|feld|smann|aston$|sby-|witz|ski)", re.IGNORECASE)
#: Shares of the first German surnames, percent; the rest falls off as a power of the rank.
_GERMAN_SHARES = (0.95, 0.69, 0.40, 0.35, 0.30, 0.30, 0.27, 0.26, 0.26, 0.26)
_GERMAN_FRONT = ("Berg", "Stein", "Wald", "Feld", "Bach", "Burg", "Hof", "Neu", "Alt", "Ober", "Nieder",
                 "Linden", "Eichen", "Buchen", "Birken", "Rosen", "Winter", "Sommer", "Oster", "Wester",
                 "Heid", "Brink", "Busch", "Kamp", "Lauten", "Mühl", "Korn", "Hopfen", "Eisen", "Kupfer",
                 "Silber", "Gold", "Reh", "Hirsch", "Hasel", "Erlen", "Brunn", "Wiesen", "Rot", "Weiß",
                 "Grün", "Groß", "Klein", "Lang", "Breit", "Schön", "Hoch", "Kreuz", "Markt",
                 "Dorn")  # fmt: skip
_GERMAN_BACK = ("mann", "meier", "müller", "hoff", "berger", "bauer", "hofer", "brink", "kamp", "huber",
                "bacher", "schmidt", "heimer", "moser", "felder", "städter", "kötter",
                "haus", "steiner", "maier", "horst")  # fmt: skip


def given_names(country: str, sieve: Sieve) -> dict[str, dict[str, Any]]:
    """Female and male first names; a name that is in both stays where it is more frequent."""
    both: dict[str, dict[str, int]] = {}
    for sex in ("female", "male"):
        if country == "us":
            pairs = [(name, int(weight)) for name, weight in read_rows(f"us_{sex}.tsv")]
        else:
            ranked = [
                name for name in read_words(f"{country}_{sex}.txt") if "-" not in name or country == "de"
            ]
            # Zipf with an offset: the first has 2 %, the first ten 15 %.
            pairs = [(name, 10_000_000 // (rank + 16)) for rank, name in enumerate(dict.fromkeys(ranked))]
        kept = set(sieve.keep([name for name, _ in pairs], f"{country} first names"))
        both[sex] = {name: weight for name, weight in pairs if name in kept}
    female, male = both["female"], both["male"]
    shared = female.keys() & male.keys()
    return {
        "female": name_list((n, w) for n, w in female.items() if n not in shared or w >= male[n]),
        "male": name_list((n, w) for n, w in male.items() if n not in shared or w > female[n]),
    }


def surnames(country: str, sieve: Sieve) -> dict[str, Any]:
    """Surnames, the most frequent first; what the sources leave of the whole goes to the tail evenly."""
    head, tail = {"us": _us, "gb": _gb, "de": _de}[country]()
    kept = set(sieve.keep([name for name, _ in (*head, *tail)], f"{country} surnames"))
    weights = {name: weight for name, weight in (*tail, *head) if name in kept}
    even = sorted(weights.keys() - dict(head).keys())
    share = max(0, _WHOLE - sum(weights.values())) // len(even)
    for name in even:
        weights[name] += share
    return name_list(sorted(weights.items(), key=lambda row: (-row[1], row[0])))


def _us() -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
    census = {name: count * _WHOLE // _CENSUS_TOTAL for name, count in _CENSUS.items()}
    # The file has parts of 100 % / 10,000,000; its first 1,000 are Faker's, scaled to Smith's share.
    rows = [(name, int(weight)) for name, weight in read_rows("us_surnames.tsv")]
    rows = [(name, census.get(name, weight)) for name, weight in rows]
    return rows[:1500], rows[1500:9000]


def _gb() -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
    head = [(name, int(weight) * 100) for name, weight in read_rows("gb_surnames.tsv")]
    tail = [
        name
        for name, _ in read_rows("us_surnames.tsv")
        if _BRITISH.fullmatch(name) and not _NOT_BRITISH.search(name)
    ]
    return head, [(name, 200_000 // (rank + 150)) for rank, name in enumerate(tail)]


def _de() -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
    ranked = read_words("de_surnames.txt")
    last = len(_GERMAN_SHARES)
    shares = [*_GERMAN_SHARES, *(0.26 * (last / rank) ** 0.68 for rank in range(last + 1, len(ranked) + 1))]
    rows = [(name, round(share / 100 * _WHOLE)) for name, share in zip(ranked, shares, strict=True)]
    migrant = [(name, 450_000 // (rank + 60)) for rank, name in enumerate(read_words("de_surnames_more.txt"))]
    joined = [(front + back, 350) for front in _GERMAN_FRONT for back in _GERMAN_BACK]
    return [*rows[:1200], *migrant], [*rows[1200:], *joined]
