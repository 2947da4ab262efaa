"""Draws: the same as numpy's generator, whoever draws, and brought to a bound exactly."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from demo_pipeline.domain.core.random_streams import Stream, scale

_WORDS = st.integers(0, 2**64 - 1)
_BOUNDS = st.one_of(st.integers(1, 2**33), st.integers(1, 2**63))


def _fresh(parts: tuple[str, ...], start: int, count: int) -> list[int]:
    """The draws of a generator that was made for them."""
    key = blake2b(digest_size=16)
    for part in parts:
        key.update(len(part.encode()).to_bytes(4, "big") + part.encode())
    generator = np.random.Philox(key=np.frombuffer(key.digest(), np.uint64))
    return generator.advance(start // 4).random_raw(count).tolist()


@given(st.lists(st.tuples(st.text(max_size=5), st.integers(0, 9), st.integers(1, 9)), min_size=1, max_size=6))
def test_a_column_does_not_depend_on_what_was_drawn_before(asked: list[tuple[str, int, int]]) -> None:
    """One generator serves all columns of a thread; what it was left with is in none of them."""
    for column, steps, count in asked:
        drawn = Stream(("seed", "slug")).raw(column, count, steps * 4)
        assert drawn.tolist() == _fresh(("seed", "slug", column), steps * 4, count)


def test_threads_draw_at_once() -> None:
    """No thread's draws are another's, however they take turns."""

    def drawn_by_thread(column: str) -> list[int]:
        return Stream(("seed",)).raw(column, 2_000).tolist()

    columns = [f"column {place}" for place in range(8)]
    with ThreadPoolExecutor(4) as threads:
        for _ in range(50):
            assert list(threads.map(drawn_by_thread, columns)) == [
                _fresh(("seed", column), 0, 2_000) for column in columns
            ]


@given(st.lists(_WORDS, min_size=1, max_size=5), _BOUNDS)
def test_a_draw_is_brought_to_its_bound_exactly(draws: list[int], bound: int) -> None:
    """The high 64 bits of the product, for one bound as for one a row."""
    wanted = [draw * bound >> 64 for draw in draws]
    words = np.array(draws, np.uint64)
    assert scale(words, bound).tolist() == wanted
    assert scale(words, np.full(len(draws), bound, np.uint64)).tolist() == wanted
