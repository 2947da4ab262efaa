"""Share a whole out to parts, exactly: the largest remainder method.

Every part gets the whole units of its quota ``total × weight ÷ sum of weights``; the units that are left go
to the largest remainders, one each. (Hamilton's method; Balinski & Young, "Fair Representation", 1982.)

Conservation: the parts always sum to the total, checked before the result is handed out. Integers only, so
the result is the same on every machine; equal remainders go to the earlier part.

Known drawback: a larger total may leave a single part smaller by one (the Alabama paradox). Here that is
harmless: a plan is apportioned once, when its tenant is provisioned, and stored.
"""

from __future__ import annotations

from collections.abc import Sequence


def apportion(
    total: int,
    weights: Sequence[int],
    *,
    minimum: Sequence[int] | None = None,
    allowed: Sequence[bool] | None = None,
) -> tuple[int, ...]:
    """``total`` whole units shared out by ``weights``, one part a weight, in their order.

    ``minimum`` is the least that a part gets (units; default 0); ``allowed`` says which parts may get
    anything. A part of weight 0 gets its minimum and no more. A part whose quota is below its minimum is
    set to the minimum, and the others share what is left by their weights.

    Raises ``ValueError`` where no such parts exist: a negative argument, minima beyond the total, a minimum
    where nothing is allowed, or something to share and nobody to take it.
    """
    count = len(weights)
    least = tuple(minimum) if minimum is not None else (0,) * count
    open_to = tuple(allowed) if allowed is not None else (True,) * count
    if not len(least) == len(open_to) == count:
        raise ValueError("weights, minimum and allowed differ in length")
    if total < 0 or any(value < 0 for value in (*weights, *least)):
        raise ValueError("total, weights and minima must not be negative")
    if any(need and not may for need, may in zip(least, open_to, strict=True)):
        raise ValueError("a part that is not allowed has a minimum")
    if sum(least) > total:
        raise ValueError(f"the minima sum to {sum(least)}, more than the total {total}")

    parts = list(least)
    sharing = [index for index in range(count) if open_to[index] and weights[index] > 0]
    rest = total - sum(least[index] for index in range(count) if index not in sharing)
    # Minima that bind leave less for the others, whose own minima may bind then. Each round takes at least
    # one part out; the last round has a part left whenever something is left, since rest ≥ their minima.
    while True:
        whole = sum(weights[index] for index in sharing)
        bound = [index for index in sharing if rest * weights[index] < least[index] * whole]
        if not bound:
            break
        rest -= sum(least[index] for index in bound)
        sharing = [index for index in sharing if index not in bound]
    if not sharing:
        if rest:
            raise ValueError(f"{rest} units to share and no part that may take them")
        return tuple(parts)

    for index in sharing:
        parts[index] = rest * weights[index] // whole
    left = rest - sum(parts[index] for index in sharing)
    by_remainder = sorted(sharing, key=lambda index: (-(rest * weights[index] % whole), index))
    for index in by_remainder[:left]:
        parts[index] += 1
    if sum(parts) != total:
        raise AssertionError(f"apportioned {sum(parts)} of {total}")
    return tuple(parts)
