"""Which generated rows are soft-deleted so that no figure is above its target: a rule, the same on every run.

Pure: rows are handed in. A row never goes alone: all that depends on it goes with it, whatever its month, so
that life cycles stay whole; what other months lose by that is made again there. A row stays if a person made
or changed it, if it is part of a hero account, or if a row that stays depends on it.

Companies come first, then contacts, deals and activities, since what goes with a row counts for the tables
after it. Of the rows of a table those go first, in this order, with which

1. the fewest rows go that must be made again, activities last;
2. the most rows go that are to go anyway: a contact with all its rows rather than some of them;
3. the fewest activities go.

Then lost deals before open ones, and the newest first. Of activities, no contact loses its oldest one of the
month while another contact has more. Which deals go follows from their values as well (``value_choice``).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from heapq import heapify, heappop, heappush
from typing import Final, LiteralString, NamedTuple

from demo_pipeline.domain.core.figures import Figures, FiguresByMonth, Parts
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.model import MODEL
from demo_pipeline.domain.patch_plan.value_choice import ValueGoal, choose_deals


class Held(StrEnum):
    """Why a row stays."""

    #: nothing holds it
    FREE = ""
    PEOPLE = "made by people"
    EDITED = "changed by people"
    TAGGED = "tagged by people"
    HERO = "part of a hero account"
    #: rows of the blueprint that come first in the same job depend on it
    AWAITED = "needed by the blueprint's missing rows"
    #: it could not be made again
    STAGE = "won, and the tenant has no stage for won deals any more"
    #: a row that stays depends on it
    PARENT = "with a row that stays"


class LivingRow(NamedTuple):
    """A living row of a counted table."""

    id: bytes
    table: LiteralString
    month: Month
    #: what it counts as, a name of ``Parts``: ``leads``, ``won_deals`` ...
    part: str
    #: what it adds to the value of its kind, minor units; a lost deal adds nothing
    value: int
    is_lost: bool
    created_us: int
    company_id: bytes | None
    contact_id: bytes | None
    deal_id: bytes | None
    held: Held


class MonthGoal(NamedTuple):
    """What a month shows and is to show. Values in minor units."""

    now: Parts[int]
    target: Parts[int]
    #: values that are free, ``won_value`` or ``open_value``: deals that go take theirs along
    following: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class RowChoice:
    """The rows to delete, and what is to be made then."""

    #: in a fixed order: by table, parents first, and id
    deleted: tuple[LivingRow, ...]
    deleted_figures: FiguresByMonth
    #: what rows are to be made for; together with the deletion it reaches every target
    made: FiguresByMonth
    #: what the months of the goals show then
    targets: FiguresByMonth
    #: month → values that no choice of rows reaches: ``won_value``, ``open_value``
    unreached: Mapping[Month, tuple[str, ...]]


#: counts in the order in which their rows are chosen
_COUNTS: Final = ("companies", "other_contacts", "leads", "won_deals", "other_deals", "activities")
#: kind of deal → its value
_VALUES: Final = {"won_deals": "won_value", "other_deals": "open_value"}


class RowGraph:
    """Living rows with what depends on each; whatever holds a row holds what it refers to."""

    def __init__(self, rows: Sequence[LivingRow]) -> None:
        by_table: dict[str, list[LivingRow]] = defaultdict(list)
        for row in rows:
            by_table[row.table].append(row)
        #: parents before children
        self.rows: Final = [row for table in MODEL.counted for row in by_table[table]]
        places = {row.id: place for place, row in enumerate(self.rows)}
        self._children: Final[list[list[int]]] = [[] for _ in self.rows]
        self.held: Final = [row.held for row in self.rows]
        for place in range(len(self.rows) - 1, -1, -1):
            row = self.rows[place]
            for parent in {row.company_id, row.contact_id, row.deal_id}:
                if parent is None or (above := places.get(parent)) is None:
                    continue
                self._children[above].append(place)
                if self.held[place] and not self.held[above]:
                    self.held[above] = Held.PARENT
        self._closures: Final[dict[int, tuple[int, ...]]] = {}

    def closure(self, place: int) -> tuple[int, ...]:
        """The row at a place, and all that depends on it."""
        found = self._closures.get(place)
        if found is None:
            below = {place}
            for child in self._children[place]:
                below.update(self.closure(child))
            self._closures[place] = found = tuple(sorted(below))
        return found

    def free_figures(self, months: Iterable[Month]) -> FiguresByMonth:
        """What the rows of some months that may go count for."""
        wanted = set(months)
        free = [row for row, held in zip(self.rows, self.held, strict=True) if not held]
        return figures_of(row for row in free if row.month in wanted).over(wanted)

    def held_rows(self, month: Month, part: str) -> list[tuple[LivingRow, Held]]:
        """The rows of a month and part that stay, and why, by id: the database gives rows in any order."""
        found = [
            (row, held)
            for row, held in zip(self.rows, self.held, strict=True)
            if held and row.month == month and row.part == part
        ]
        return sorted(found, key=lambda one: one[0].id)


def figures_of(rows: Iterable[LivingRow]) -> FiguresByMonth:
    """What rows count for, by month."""
    counts: dict[Month, Counter[str]] = defaultdict(Counter)
    for row in rows:
        counts[row.month][row.part] += 1
        if row.value:
            counts[row.month][_VALUES[row.part]] += row.value
    return FiguresByMonth(
        (month, Figures.of_parts(Parts(*(count[name] for name in Parts._fields))))
        for month, count in counts.items()
    )


def choose_rows(graph: RowGraph, goals: Mapping[Month, MonthGoal]) -> RowChoice:
    """The rows to delete so that no count is above its goal and every value can be reached."""
    return _Chooser(graph, goals).choose()


class _Chooser:
    """One choice while it is made."""

    def __init__(self, graph: RowGraph, goals: Mapping[Month, MonthGoal]) -> None:
        self._graph, self._goals = graph, goals
        self._is_chosen = [False] * len(graph.rows)
        #: month and part → rows that are chosen, and month and value → their sum
        self._chosen: Counter[tuple[Month, str]] = Counter()
        self._free: dict[tuple[Month, str], list[int]] = defaultdict(list)
        for place, (row, held) in enumerate(zip(graph.rows, graph.held, strict=True)):
            if not held:
                self._free[row.month, row.part].append(place)
        self._unreached: dict[Month, list[str]] = defaultdict(list)

    def choose(self) -> RowChoice:
        for part in _COUNTS:
            for month in sorted(self._goals):
                if part in _VALUES:
                    self._choose_deals(month, part)
                elif part == "activities":
                    self._choose_activities(month)
                else:
                    self._choose_with_dependents(month, part)
        deleted = [row for row, is_chosen in zip(self._graph.rows, self._is_chosen, strict=True) if is_chosen]
        order = {table: number for number, table in enumerate(MODEL.counted)}
        figures = figures_of(deleted)
        made = figures | {month: self._made(month, figures) for month in self._goals}
        now = FiguresByMonth((month, Figures.of_parts(goal.now)) for month, goal in self._goals.items())
        return RowChoice(
            deleted=tuple(sorted(deleted, key=lambda row: (order[row.table], row.id))),
            deleted_figures=figures,
            made=made.nonzero(),
            targets=(now - figures.over(now)) + made.over(now),
            unreached={month: tuple(values) for month, values in self._unreached.items()},
        )

    def _made(self, month: Month, deleted: FiguresByMonth) -> Figures:
        """What is to be made in a month of the goals."""
        goal, gone = self._goals[month], deleted.at(month).parts
        made: dict[str, int] = {}
        for name, now, target, went in zip(Parts._fields, goal.now, goal.target, gone, strict=True):
            made[name] = 0 if name in goal.following else target - (now - went)
        for part, value in _VALUES.items():
            if value in goal.following and made[part]:
                # Those that come in place of others take their mean value.
                count = getattr(gone, part)
                mean = getattr(gone, value) * made[part] // count if count else 0
                made[value] = max(mean, made[part] if part == "won_deals" else 0)
        return Figures.of_parts(Parts(**made))

    def _left(self, month: Month, part: str) -> int:
        """How many more rows of a part have to go; negative: so many are to be made."""
        goal = self._goals.get(month)
        if goal is None:
            return -self._chosen[month, part]
        target = getattr(goal.target, part)
        return getattr(goal.now, part) - target - self._chosen[month, part]

    def _take(self, place: int) -> None:
        for below in self._graph.closure(place):
            if not self._is_chosen[below]:
                self._is_chosen[below] = True
                row = self._graph.rows[below]
                self._chosen[row.month, row.part] += 1
                if row.value:
                    self._chosen[row.month, _VALUES[row.part]] += row.value

    def _candidates(self, month: Month, part: str) -> Iterator[int]:
        return (place for place in self._free[month, part] if not self._is_chosen[place])

    def _choose_with_dependents(self, month: Month, part: str) -> None:
        """Companies and contacts: what goes with a row changes with what is chosen before it."""
        if self._left(month, part) <= 0:
            return
        heap = [(self._cost(place), place) for place in self._candidates(month, part)]
        heapify(heap)
        while heap and self._left(month, part) > 0:
            cost, place = heappop(heap)
            if self._is_chosen[place]:
                continue
            now = self._cost(place)
            if now > cost and heap and heap[0] < (now, place):
                # It costs more by now than another one did.
                heappush(heap, (now, place))
            else:
                self._take(place)

    def _cost(self, place: int) -> tuple[int, int, int, int, int, bytes]:
        """The order in which rows go, see the top of the module."""
        rows = self._graph.rows
        going = Counter[tuple[Month, str]]()
        for below in self._graph.closure(place):
            if not self._is_chosen[below]:
                row = rows[below]
                going[row.month, row.part] += 1
        again = again_activities = wanted = activities = 0
        for (month, part), count in going.items():
            useful = min(count, max(self._left(month, part), 0))
            if part == "activities":
                activities += count
                again_activities += count - useful
            else:
                wanted += useful
                again += count - useful
        row = rows[place]
        return again, again_activities, -wanted, activities, -row.created_us, row.id

    def _choose_deals(self, month: Month, part: str) -> None:
        """Deals by their number and value; with each go its activities."""
        goal, value = self._goals[month], _VALUES[part]
        follows = value in goal.following
        change = getattr(goal.target, value) - getattr(goal.now, value)
        left = self._left(month, part)
        is_unchanged = change == 0 and getattr(goal.now, part) == getattr(goal.target, part)
        if left <= 0 and (follows or is_unchanged):
            # What goes with other rows is made again as it was.
            return
        places = sorted(self._candidates(month, part), key=self._deal_order)
        if follows:
            chosen: list[int] | None = list(range(min(left, len(places))))
        else:
            values = [self._graph.rows[place].value for place in places]
            wanted = ValueGoal(
                count=min(max(left, 0), len(places)),
                made=max(-left, 0),
                fall=-change - self._chosen[month, value],
                least=1 if part == "won_deals" else 0,
                usual=self._usual_values(month, part),
            )
            chosen = choose_deals(values, wanted)
        if chosen is None:
            self._unreached[month].append(value)
            return
        for index in chosen:
            self._take(places[index])

    def _deal_order(self, place: int) -> tuple[bool, int, int, bytes]:
        row = self._graph.rows[place]
        return not row.is_lost, len(self._graph.closure(place)), -row.created_us, row.id

    def _usual_values(self, month: Month, part: str) -> tuple[int, int]:
        """The 10th and the 90th percentile of the values of a month's deals; at least one minor unit."""
        values = sorted(
            row.value for row in self._graph.rows if row.month == month and row.part == part and row.value
        )
        if not values:
            return 1, sum(goal.now.won_value + goal.now.open_value for goal in self._goals.values()) + 1
        return values[len(values) // 10], values[len(values) * 9 // 10]

    def _choose_activities(self, month: Month) -> None:
        left = self._left(month, "activities")
        if left <= 0:
            return
        oldest: dict[bytes | None, tuple[int, bytes]] = {}
        rows = self._graph.rows
        for place in self._candidates(month, "activities"):
            row = rows[place]
            age = row.created_us, row.id
            oldest[row.contact_id] = min(oldest.get(row.contact_id, age), age)

        def order(place: int) -> tuple[bool, int, bytes]:
            row = rows[place]
            return oldest[row.contact_id] == (row.created_us, row.id), -row.created_us, row.id

        for place in sorted(self._candidates(month, "activities"), key=order)[:left]:
            self._take(place)
