"""The tenant's own people, pipeline and tags: what is there before its first company."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from demo_pipeline.domain.arrow import Mask
from demo_pipeline.domain.ids import Uuids, row_ids
from demo_pipeline.domain.industries import Industry
from demo_pipeline.domain.locales import Locale, ascii_label
from demo_pipeline.domain.planning import TenantSpec
from demo_pipeline.domain.rows import SCHEMAS, instants, uuid_array
from demo_pipeline.domain.streams import I64, U64, Stream, pick


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

    def sellers(self, draws: U64) -> I64:
        """A user who may own companies, contacts and deals, one a draw; -1 where there is no user."""
        if len(self.seller_weights) == 0:
            return np.full(len(draws), -1)
        return pick(draws, self.seller_weights)

    def batches(self) -> dict[str, pa.RecordBatch]:
        return {"users": self.users, "pipeline_stages": self.stages, "tags": self.tags}


def assemble_team(
    spec: TenantSpec, locale: Locale, industry: Industry, stream: Stream, created_us: int
) -> Team:
    """The people, pipeline and tags of a tenant that signed up at ``created_us``."""
    size = spec.team_size
    users, user_ids = _users(spec, locale, stream.child("users"), created_us)
    tags = industry.tags[locale.language]
    stage_times = np.full(len(industry.stages), created_us)
    stage_ids = _ids(stream.child("pipeline_stages"), stage_times)
    tag_times = np.full(len(tags), created_us)
    tag_ids = _ids(stream.child("tags"), tag_times)
    sells = seller_weights(size)
    if size > 4:
        sells[-1] = 0
    stages = industry.stages
    return Team(
        users=users,
        stages=pa.RecordBatch.from_arrays(
            [
                uuid_array(stage_ids),
                instants(stage_times),
                instants(stage_times),
                pa.array([stage.name(locale.language) for stage in industry.stages]),
                pa.array([stage.position for stage in industry.stages], pa.int32()),
                pa.array([stage.probability for stage in industry.stages], pa.int32()),
                pa.array([stage.is_won for stage in industry.stages]),
                pa.array([stage.is_lost for stage in industry.stages]),
            ],
            schema=SCHEMAS["pipeline_stages"],
        ),
        tags=pa.RecordBatch.from_arrays(
            [
                uuid_array(tag_ids),
                instants(tag_times),
                instants(tag_times),
                pa.array([tag.name for tag in tags]),
                pa.array([tag.color for tag in tags]),
            ],
            schema=SCHEMAS["tags"],
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
    )


def seller_weights(count: int) -> I64:
    """How much each of ``count`` users sells: who was there first, a little more."""
    return np.arange(count, 0, -1) + 2


def _users(spec: TenantSpec, locale: Locale, stream: Stream, created_us: int) -> tuple[pa.RecordBatch, Uuids]:
    size = spec.team_size
    created = np.full(size, created_us)
    ids = _ids(stream, created)
    is_female = (stream.raw("sex", size) >> np.uint64(63)).astype(bool)
    drawn = stream.raw("first_name", size)
    women: list[int] = pick(drawn, locale.female.cumulative).tolist()
    men: list[int] = pick(drawn, locale.male.cumulative).tolist()
    surnames: list[int] = pick(stream.raw("last_name", size), locale.surnames.cumulative).tolist()
    first = [
        locale.female.names[woman] if female else locale.male.names[man]
        for female, woman, man in zip(is_female, women, men, strict=True)
    ]
    last = [locale.surnames.names[place] for place in surnames]
    roles = ["owner", "admin", *["member"] * size][:size]
    if size > 4:
        roles[-1] = "readonly"
    domain = f"{_label(spec.name)}.{spec.mail_domain or 'example'}"
    emails: list[str] = []
    namesakes = Counter[str]()
    for given, family in zip(first, last, strict=True):
        local = f"{ascii_label(given)}.{ascii_label(family)}"
        namesakes[local] += 1
        emails.append(f"{local}{namesakes[local] if namesakes[local] > 1 else ''}@{domain}")
    batch = pa.RecordBatch.from_arrays(
        [
            uuid_array(ids),
            instants(created),
            instants(created),
            pa.array(emails),
            pa.array(first),
            pa.array(last),
            pa.array(roles),
        ],
        schema=SCHEMAS["users"],
    )
    return batch, ids


def _ids(stream: Stream, created_us: I64) -> Uuids:
    count = len(created_us)
    return row_ids(created_us, stream.raw("id_high", count), stream.raw("id_low", count))


def _label(name: str) -> str:
    """The tenant's own domain label: ``Kranz Logistik`` → ``kranz-logistik``."""
    label = "-".join(part for part in (ascii_label(word) for word in name.split()) if part)
    return label[:63].strip("-") or "office"
