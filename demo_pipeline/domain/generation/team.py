"""The tenant's own users, pipeline and tags, which exist before its first company."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, cast

import numpy as np
import pyarrow as pa

from demo_pipeline.domain.blueprint.tenant_spec import TenantSpec
from demo_pipeline.domain.core.arrow import Mask, column, flags, integers, strings, take
from demo_pipeline.domain.core.random_streams import I64, U64, Stream, scale
from demo_pipeline.domain.core.row_ids import Uuids, row_ids
from demo_pipeline.domain.generation.calendar import MINUTE_US, Calendar, Timeline, instant_us
from demo_pipeline.domain.generation.person_names import person_names
from demo_pipeline.domain.generation.row_schemas import instants, row_batch, uuid_array
from demo_pipeline.domain.model import USER_ROLES
from demo_pipeline.domain.reference.countries import Locale
from demo_pipeline.domain.reference.industries import Industry
from demo_pipeline.domain.reference.names import ascii_label
from demo_pipeline.domain.reference.texts import Texts

#: Lists of the versions whose tenants have a team that was made at one instant: it stays as it is, because
#: rows are found again by their ids, and ids are made from instants.
_MADE_AT_ONCE: Final = frozenset({"2026.11"})

#: Assumptions. Working days from sign-up to the first month, at least and less than; sign-up in minutes of
#: its working day.
_DAYS_BEFORE: Final = (10, 15)
_SIGN_UP_MINUTES: Final = (120, 540)
#: Working minutes within which people join and tags are made: eight working days.
_JOINING: Final = 8 * 840
#: Until the first stage is made, at least and less than, and from one stage to the next (us).
_FIRST_STAGE_US: Final = (4 * MINUTE_US, 25 * MINUTE_US)
_NEXT_STAGE_US: Final = (9_000_000, 80_000_000)
#: Assumption: how large the books of accounts of a team are, few large and many small, in the order in which
#: it joined; each tenant begins at another place.
_BOOKS: Final = (9, 4, 46, 12, 25, 6, 33, 9, 17, 3, 20, 10)
#: Of users, stages and tags, those that are changed later, per cent, and working minutes within which.
_CHANGED: Final = {"users": 70, "pipeline_stages": 45, "tags": 30}
_CHANGED_WITHIN: Final = 45 * 840
_SOON: Final = 110
#: Months of the timeline, from the one before the first: enough for all that is above.
_MONTHS: Final = 4


@dataclass(frozen=True, kw_only=True, eq=False)
class Pipeline:
    """The stages of deals in their order; columns of the same length."""

    ids: Uuids
    #: that a deal in it will be won, percent
    probability: I64
    is_won: Mask
    is_lost: Mask
    #: how often a deal stands here, among the stages of its kind (open, won, lost)
    weight: I64


@dataclass(frozen=True, kw_only=True)
class Team:
    """Users, stages and tags of a tenant, in the order of their batches."""

    users: pa.RecordBatch
    stages: pa.RecordBatch
    tags: pa.RecordBatch
    #: users' ids, shape (team_size, 16)
    ids: Uuids
    pipeline: Pipeline
    tag_ids: Uuids
    #: running sums of how much each user sells; who only reads sells nothing
    seller_weights: I64

    #: when each user joined (us), ascending
    joined_us: I64
    #: of each user; empty: unknown
    first_names: pa.StringArray
    last_names: pa.StringArray

    def sellers(self, draws: U64, created_us: I64) -> I64:
        """A user who may own a row made at ``created_us``, one a draw; -1 where there is no user.

        Who joined later owns nothing of before.
        """
        if len(self.seller_weights) == 0:
            return np.full(len(draws), -1)
        there = np.maximum(np.searchsorted(self.joined_us, created_us, side="right"), 1)
        # Of those who were there, somebody who sells; the first user, where nobody does.
        chances = np.maximum(self.seller_weights[there - 1], 1)
        owner = np.searchsorted(self.seller_weights, scale(draws, chances), side="right")
        return np.minimum(owner, there - 1).astype(np.int64)

    def present(self, owner: I64, draws: U64, created_us: I64) -> I64:
        """The owners; where one joined after ``created_us``, somebody who was there."""
        if len(self.joined_us) == 0:
            return owner
        late = np.flatnonzero((owner >= 0) & (self.joined_us[np.maximum(owner, 0)] > created_us))
        if len(late):
            owner = owner.copy()
            owner[late] = self.sellers(draws[late], created_us[late])
        return owner

    def batches(self) -> dict[str, pa.RecordBatch]:
        return {"users": self.users, "pipeline_stages": self.stages, "tags": self.tags}


def signed_up_at(spec: TenantSpec, calendar: Calendar, stream: Stream) -> datetime:
    """When a tenant signed up: before its team was made, which is before everything else."""
    if spec.lists_version in _MADE_AT_ONCE:
        return calendar.last_working_day_before(spec.start_month)
    draws = stream.child("sign_up")
    starts = _timeline(spec, calendar, 1).day_starts
    least, beyond = _DAYS_BEFORE
    day = len(starts) - least - int(draws.below("day", 1, beyond - least)[0])
    first, last = _SIGN_UP_MINUTES
    slot = starts[max(day, 0)] + first + int(draws.below("minute", 1, last - first)[0])
    second_us = int(draws.below("second", 1, MINUTE_US)[0])
    minute = int(_timeline(spec, calendar, 1).minutes[slot])
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=minute * MINUTE_US + second_us)


def assemble_team(
    spec: TenantSpec,
    locale: Locale,
    industry: Industry,
    words: Texts,
    calendar: Calendar,
    stream: Stream,
    *,
    reference_us: int,
) -> Team:
    """The people, pipeline and tags of a tenant, made from sign-up on, unchanged after ``reference_us``."""
    moments = _Moments(spec, calendar, stream, reference_us)
    size = spec.team_size
    users, user_ids, joined_us = _users(spec, locale, stream.child("users"), moments)
    stages, tags = industry.stages, words.tags
    stage_times = moments.of_stages(len(stages))
    stage_ids = _ids(stream.child("pipeline_stages"), stage_times)
    tag_times = moments.joining("tags", len(tags))
    tag_ids = _ids(stream.child("tags"), tag_times)
    sells = seller_weights(size, user_ids)
    if size > 4:
        sells[-1] = 0
    return Team(
        users=users,
        stages=row_batch(
            "pipeline_stages",
            {
                "id": uuid_array(stage_ids),
                "created_at": instants(stage_times),
                "updated_at": instants(moments.changed("pipeline_stages", stage_times)),
                "name": strings(words.stages),
                "position": integers([stage.position for stage in stages], pa.int32()),
                "probability": integers([stage.probability for stage in stages], pa.int32()),
                "is_won": flags([stage.is_won for stage in stages]),
                "is_lost": flags([stage.is_lost for stage in stages]),
            },
        ),
        tags=row_batch(
            "tags",
            {
                "id": uuid_array(tag_ids),
                "created_at": instants(tag_times),
                "updated_at": instants(moments.changed("tags", tag_times)),
                "name": strings([tag.name for tag in tags]),
                "color": strings([tag.color for tag in tags]),
            },
        ),
        ids=user_ids,
        pipeline=Pipeline(
            ids=stage_ids,
            probability=np.array([stage.probability for stage in stages]),
            is_won=np.array([stage.is_won for stage in stages]),
            is_lost=np.array([stage.is_lost for stage in stages]),
            weight=np.array([stage.weight for stage in stages], np.int64),
        ),
        tag_ids=tag_ids,
        seller_weights=np.cumsum(sells),
        joined_us=joined_us,
        first_names=cast("pa.StringArray", column(users, "first_name")),
        last_names=cast("pa.StringArray", column(users, "last_name")),
    )


class _Moments:
    """When the team, its pipeline and its tags were made and last changed (us)."""

    def __init__(self, spec: TenantSpec, calendar: Calendar, stream: Stream, reference_us: int) -> None:
        self._stream = stream
        self._reference_us = reference_us
        self._sign_up_us = instant_us(signed_up_at(spec, calendar, stream))
        self._is_at_once = spec.lists_version in _MADE_AT_ONCE
        self._minutes = _timeline(spec, calendar, _MONTHS).minutes

    def joining(self, table: str, count: int) -> I64:
        """From sign-up on, ascending, within the working days before the first month."""
        if self._is_at_once:
            return np.full(count, self._sign_up_us)
        draws = self._stream.child(table)
        return np.sort(
            self._later(
                self._sign_up_us,
                1 + draws.below("joined", count, _JOINING),
                draws.raw("joined_second", count),
            )
        )

    def of_stages(self, count: int) -> I64:
        """One after the other on the day of the sign-up."""
        if self._is_at_once:
            return np.full(count, self._sign_up_us)
        draws = self._stream.child("pipeline_stages")
        first, following = (
            least + draws.below(column, length, beyond - least)
            for column, length, (least, beyond) in (
                ("first", 1, _FIRST_STAGE_US),
                ("following", count - 1, _NEXT_STAGE_US),
            )
        )
        return self._sign_up_us + np.cumsum(np.concatenate([first, following]))

    def changed(self, table: str, created_us: I64) -> I64:
        """When rows were last changed: some of them later than they were made."""
        if self._is_at_once:
            return created_us
        draws, count = self._stream.child(table), len(created_us)
        seconds = draws.raw("changed_second", count)
        far = self._later(created_us, 1 + draws.below("change", count, _CHANGED_WITHIN), seconds)
        soon = self._later(created_us, 1 + draws.below("soon", count, _SOON), seconds)
        after = np.where(far < self._reference_us, far, soon)
        is_changed = draws.below("is_changed", count, 100) < _CHANGED[table]
        return np.where(is_changed & (after < self._reference_us), after, created_us)

    def _later(self, start_us: I64 | int, minutes: I64, seconds: U64) -> I64:
        """Instants ``minutes`` working minutes, at least one, after ``start_us``."""
        slots = np.searchsorted(self._minutes, np.asarray(start_us) // MINUTE_US) + minutes
        chosen = self._minutes[np.minimum(slots, len(self._minutes) - 1)]
        return chosen * MINUTE_US + scale(seconds, MINUTE_US)


def _timeline(spec: TenantSpec, calendar: Calendar, months: int) -> Timeline:
    """The working minutes of some months from the one before the first on."""
    before = spec.start_month + -1
    return calendar.timeline(before, before + (months - 1))


def seller_weights(count: int, first: Uuids) -> I64:
    """How much each of ``count`` users sells, in the order in which they joined: books of accounts differ.

    ``first`` are the blueprint's users, at least one.
    """
    return np.resize(np.roll(np.array(_BOOKS, np.int64), int(first[0, -1]) % len(_BOOKS)), count)


def _users(
    spec: TenantSpec, locale: Locale, stream: Stream, moments: _Moments
) -> tuple[pa.RecordBatch, Uuids, I64]:
    size = spec.team_size
    created = moments.joining("users", size)
    ids = _ids(stream, created)
    is_female = (stream.raw("sex", size) >> np.uint64(63)).astype(bool)
    draws = (stream.raw(column, size) for column in ("first_name", "last_name", "origin"))
    given, surnames = person_names(locale, is_female, *draws)
    first = list(map(str, take(locale.given, given).to_pylist()))
    last = list(map(str, take(locale.surnames.arrow, surnames).to_pylist()))
    owner, admin, member, readonly = USER_ROLES
    roles = [owner, admin, *[member] * size][:size]
    if size > 4:
        roles[-1] = readonly
    domain = f"{_label(spec.name)}.{spec.mail_domain or 'example'}"
    emails: list[str] = []
    namesakes = Counter[str]()
    for given, family in zip(first, last, strict=True):
        local = f"{ascii_label(given)}.{ascii_label(family)}"
        namesakes[local] += 1
        emails.append(f"{local}{namesakes[local] if namesakes[local] > 1 else ''}@{domain}")
    batch = row_batch(
        "users",
        {
            "id": uuid_array(ids),
            "created_at": instants(created),
            "updated_at": instants(moments.changed("users", created)),
            "email": strings(emails),
            "first_name": strings(first),
            "last_name": strings(last),
            "role": strings(roles),
        },
    )
    return batch, ids, created


def _ids(stream: Stream, created_us: I64) -> Uuids:
    count = len(created_us)
    return row_ids(created_us, stream.raw("id_high", count), stream.raw("id_low", count))


def _label(name: str) -> str:
    """The tenant's own domain label: ``Kranz Logistik`` → ``kranz-logistik``."""
    label = "-".join(part for part in (ascii_label(word) for word in name.split()) if part)
    return label[:63].strip("-") or "office"
