"""A patch's months as rows: the engine of ``generator`` on what a tenant has already.

Rows refer to whatever exists by then, made by whomever. They draw from streams of their job's number, so
that they never are those of the blueprint or of another job, undone ones included. Nothing lies later than
*now*. How many rows there are, and whether that can be, is decided in ``commands.patching``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final, cast

from demo_pipeline.domain.blueprint.tenant_spec import TenantSpec
from demo_pipeline.domain.core.arrow import column, strings
from demo_pipeline.domain.core.figures import Figures
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.generation.calendar import Calendar, instant_us
from demo_pipeline.domain.generation.companies import company_space
from demo_pipeline.domain.generation.context import MonthContext
from demo_pipeline.domain.generation.existing_rows import KnownRows, known_book, known_team
from demo_pipeline.domain.generation.generator import MONTHS_AHEAD, Batch, child_batches, parent_batches
from demo_pipeline.domain.generation.name_lookup import People
from demo_pipeline.domain.generation.provenance import blueprint_stream, job_stream
from demo_pipeline.domain.generation.row_schemas import row_batch
from demo_pipeline.domain.generation.team import Team
from demo_pipeline.domain.reference.countries import load_locale
from demo_pipeline.domain.reference.industries import load_industry
from demo_pipeline.domain.reference.texts import load_texts

_LETTERS: Final = "abcdefghijklmnoprstvw"


class PatchStory:
    """Generation of one job's rows on one tenant; the book holds whoever they refer to."""

    def __init__(
        self,
        spec: TenantSpec,
        blueprint: Team,
        *,
        number: int,
        seed: str,
        as_of: datetime,
        first: Month,
        known: KnownRows,
        companies_before: int,
        company_count: int,
    ) -> None:
        """``blueprint`` is the team that it was made with, ``number`` the job's number within the tenant.

        ``first`` is the first month to come, ``known`` what the tenant has, ``companies_before`` how many
        companies earlier patches made, ``company_count`` how many come now.
        """
        self._spec = spec
        self._locale = load_locale(spec.country)
        self._industry = load_industry(spec.industry)
        self._texts = load_texts(self._locale.language, spec.industry)
        self._calendar = calendar_of(spec)
        self._tenant_stream = blueprint_stream(spec)
        self._stream = job_stream(spec, seed, number)
        self._as_of = as_of
        running = Month.containing(as_of)
        # From a month earlier: the first local day of a UTC month begins in the one before.
        self._timeline = self._calendar.timeline(first + -1, running + MONTHS_AHEAD)
        self._team = known_team(blueprint, known)
        self._book = known_book(self._locale, known)
        # From the other end than the blueprint's, whose months to come have companies, too.
        first_company = max(company_space(self._locale) - companies_before - company_count, 0)
        self._book.next_company_number = first_company
        self._people = People(self._locale, self._book)
        self._addresses = set(known.addresses)

    def parents(self, deltas: Mapping[Month, Figures]) -> Iterator[Batch]:
        """The rows of ``deltas`` but for the activities, parents before children. The months ascend."""
        for month, figures in deltas.items():
            for batch in parent_batches(self._context(month), figures):
                yield _with_own_addresses(batch, self._addresses) if batch.table == "contacts" else batch

    def children(self, deltas: Mapping[Month, Figures]) -> Iterator[Batch]:
        """The activities of ``deltas``, once all its other rows are made."""
        for month, figures in deltas.items():
            yield from child_batches(self._context(month), figures)

    def _context(self, month: Month) -> MonthContext:
        return MonthContext(
            spec=self._spec,
            locale=self._locale,
            industry=self._industry,
            texts=self._texts,
            calendar=self._calendar,
            month=month,
            work=self._calendar.month(month).until(instant_us(self._as_of)),
            timeline=self._timeline,
            limit_us=instant_us(self._as_of) - 1,
            reference_us=instant_us(self._as_of),
            team=self._team,
            book=self._book,
            people=self._people,
            tenant_stream=self._tenant_stream,
            stream=self._stream.child(str(month)),
            is_patch=True,
        )


def calendar_of(spec: TenantSpec) -> Calendar:
    """The working time of a tenant."""
    locale = load_locale(spec.country)
    return Calendar(spec.timezone, locale.weekend, locale.holidays)


def _with_own_addresses(batch: Batch, taken: set[str]) -> Batch:
    """Contacts whose addresses nobody else has, the blueprint's people of months to come included.

    A letter between the names, which a blueprint's address never has; a number where that is taken.
    """
    ids = cast("list[bytes]", column(batch.rows, "id").to_pylist())
    addresses = cast("list[str | None]", column(batch.rows, "email").to_pylist())
    own: list[str | None] = []
    for identity, address in zip(ids, addresses, strict=True):
        if address is None:
            own.append(None)
            continue
        name, _, domain = address.partition("@")
        separator = "_" if "_" in name else "."
        first, _, last = name.partition(separator)
        letter = _LETTERS[identity[-1] % len(_LETTERS)]
        stem = separator.join((first, letter, last))
        candidate, count = f"{stem}@{domain}", 1
        while candidate in taken:
            count += 1
            candidate = f"{stem}{count}@{domain}"
        taken.add(candidate)
        own.append(candidate)
    columns = {name: column(batch.rows, name) for name in batch.rows.schema.names}
    return Batch(batch.table, batch.month, row_batch(batch.table, {**columns, "email": strings(own)}))
