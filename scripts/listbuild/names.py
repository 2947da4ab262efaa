"""Given names and surnames with weights, by the rules of a country's ``source.toml``."""

from __future__ import annotations

import re
from typing import Any

from scripts.listbuild.words import Pairs, Sieve, read_rows, read_words

#: Weights of surnames are parts of this.
_WHOLE = 10_000_000


def given_names(country: str, sieve: Sieve) -> dict[str, Pairs]:
    """Female and male first names; a name that is in both stays where it is more frequent.

    From ``<sex>.tsv`` with weights, or ``<sex>.txt`` in the order of their frequency.
    """
    both: dict[str, dict[str, int]] = {}
    for sex in ("female", "male"):
        try:
            pairs = [(name, int(weight)) for name, weight in read_rows(f"{country}/{sex}.tsv")]
        except FileNotFoundError:
            ranked = dict.fromkeys(read_words(f"{country}/{sex}.txt"))
            # Zipf with an offset: the first has 2 %, the first ten 15 %.
            pairs = _by_rank(list(ranked), _WHOLE, 16)
        kept = set(sieve.keep([name for name, _ in pairs], f"{country} first names"))
        both[sex] = {name: weight for name, weight in pairs if name in kept}
    female, male = both["female"], both["male"]
    shared = female.keys() & male.keys()
    return {
        "female": [(n, w) for n, w in female.items() if n not in shared or w >= male[n]],
        "male": [(n, w) for n, w in male.items() if n not in shared or w > female[n]],
    }


def surnames(country: str, parts: list[dict[str, Any]], sieve: Sieve) -> Pairs:
    """Surnames, the most frequent first.

    The first ``fixed`` names of each part keep their weights; what these leave of the whole goes to all
    others evenly.
    """
    head: Pairs = []
    tail: Pairs = []
    for part in parts:
        rows = _part(part)
        fixed = part.get("fixed", len(rows))
        head += rows[:fixed]
        tail += rows[fixed:]
    kept = set(sieve.keep([name for name, _ in (*head, *tail)], f"{country} surnames"))
    weights = {name: weight for name, weight in (*tail, *head) if name in kept}
    even = sorted(weights.keys() - dict(head).keys())
    share = max(0, _WHOLE - sum(weights.values())) // len(even)
    for name in even:
        weights[name] += share
    return sorted(weights.items(), key=lambda row: (-row[1], row[0]))


def _part(part: dict[str, Any]) -> Pairs:
    """The names of one part with their weights."""
    if "fronts" in part:
        return [(a + b, part["weight"]) for a in part["fronts"].split() for b in part["backs"].split()]
    file: str = part["file"]
    if file.endswith(".txt"):
        rows = [(name, 0) for name in read_words(file)]
    else:
        rows = [(name, int(weight) * part.get("factor", 1)) for name, weight in read_rows(file)]
    rows = rows[: part.get("last")]
    if "shape" in part:
        shape, not_shape = re.compile(part["shape"]), re.compile(part["not_shape"], re.IGNORECASE)
        rows = [row for row in rows if shape.fullmatch(row[0]) and not not_shape.search(row[0])]
    names = [name for name, _ in rows]
    if "by_rank" in part:
        return [(name, part["by_rank"] // rank) for name, rank in rows]
    if "rank_weight" in part:
        return _by_rank(names, *part["rank_weight"])
    if "shares_percent" in part:
        shares: list[float] = part["shares_percent"]
        count = len(shares)
        for rank in range(count + 1, len(names) + 1):
            shares.append(shares[count - 1] * (count / rank) ** part["exponent"])
        return [(name, round(share / 100 * _WHOLE)) for name, share in zip(names, shares, strict=True)]
    if "census" in part:
        counts = {name: int(count) for name, count in read_rows(part["census"])}
        people: int = part["census_people"]
        return [(name, counts[name] * _WHOLE // people if name in counts else own) for name, own in rows]
    return rows


def _by_rank(names: list[str], numerator: int, offset: int) -> Pairs:
    return [(name, numerator // (rank + offset)) for rank, name in enumerate(names)]
