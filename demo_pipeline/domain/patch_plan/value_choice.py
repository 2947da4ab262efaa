"""Which deals of one month make way so that the rest, with deals made anew, has an exact value.

Some deals are to be soft-deleted in any case. Their sum hardly ever hits a target to the minor unit, so
further ones go and as many are made again, whose values take what is left: the *carriers*. As few further
deals as possible, and of those that are preferred; swaps bring the mean of the deals that are made between
the 10th and the 90th percentile of the month's, so that they look like the others. If no choice
achieves that, the largest are deleted.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate


@dataclass(frozen=True, kw_only=True)
class ValueGoal:
    """What is asked of the deals of one kind and month. Values in minor units."""

    #: deals to delete at least
    count: int
    #: deals to make at least
    made: int
    #: how much lower the value of the deals is to be, made ones included; negative: higher
    fall: int
    #: the least value of a made deal
    least: int
    #: usual values: 10th and 90th percentile
    usual: tuple[int, int]


def choose_deals(values: Sequence[int], goal: ValueGoal) -> list[int] | None:
    """The places in ``values``, which are in the order of preference, of the deals to delete; ascending.

    As many deals more than ``goal.count`` as are chosen are to be made in addition. None: no choice does it.
    """
    ascending = sorted(values)
    smallest = [0, *accumulate(ascending)]
    largest = [0, *accumulate(reversed(ascending))]
    more = range(len(values) - goal.count + 1)
    if goal.count == 0 and _is_possible(-goal.fall, goal.made, goal.least):
        return []
    for extra in more:
        count, made = goal.count + extra, goal.made + extra
        if made == 0:
            if sum(values[:count]) == goal.fall:
                return list(range(count))
            continue
        low, high = (goal.fall + made * usual for usual in goal.usual)
        if smallest[count] <= high and largest[count] >= low:
            chosen = _within(values, count, low, high)
            if chosen is not None:
                return chosen
    by_value = sorted(range(len(values)), key=lambda place: (-values[place], place))
    for extra in more:
        count, made = goal.count + extra, goal.made + extra
        if _is_possible(largest[count] - goal.fall, made, goal.least):
            return sorted(by_value[:count])
    return None


def _is_possible(value: int, count: int, least: int) -> bool:
    """Whether so many deals can have that value together."""
    return value >= count * least and (count > 0 or value == 0)


def _within(values: Sequence[int], count: int, low: int, high: int) -> list[int] | None:
    """The first ``count`` places, with as few of them swapped as bring their sum from ``low`` to ``high``."""
    total = sum(values[:count])
    if total > high:
        # The same with every sign changed.
        return _raised([-value for value in values], count, -high, -low)
    return _raised(values, count, low, high)


def _raised(values: Sequence[int], count: int, low: int, high: int) -> list[int] | None:
    """:func:`_within` where the sum is too low, or right."""
    chosen = list(range(count))
    total = sum(values[:count])
    others = sorted((values[place], place) for place in range(count, len(values)))
    for _ in range(count + 1):
        if low <= total <= high:
            return sorted(chosen)
        swap = _last_swap(values, chosen, others, low - total, high - total)
        if swap is None:
            # As far as one swap goes: the smallest chosen one for the largest that does not go beyond.
            out = min(chosen, key=lambda place: (values[place], -place), default=None)
            if out is None:
                return None
            place = bisect_left(others, (values[out] + high - total + 1,)) - 1
            if place < 0 or others[place][0] <= values[out]:
                return None
            swap = out, place
        out, place = swap
        value, entering = others.pop(place)
        insort(others, (values[out], out))
        chosen.remove(out)
        chosen.append(entering)
        total += value - values[out]
    return None


def _last_swap(
    values: Sequence[int], chosen: Sequence[int], others: Sequence[tuple[int, int]], least: int, most: int
) -> tuple[int, int] | None:
    """A chosen place, the last that can be, and the index in ``others`` of one that sets the sum right."""
    for out in sorted(chosen, reverse=True):
        index = bisect_left(others, (values[out] + least,))
        if index < len(others) and others[index][0] <= values[out] + most:
            return out, index
    return None
