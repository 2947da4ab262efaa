"""Signs by which the CRM's reader could recognise the tenant that it serves as a demo.

In values: words such as "demo". In distributions: what only a program leaves, for instance a column that is
never empty. In the catalogue: names, comments and rights. All of it is read as ``crm_reader``, so what it may
not see is not examined, and all views of ``crm_app`` are. Memory does not grow with the rows.

Which words count is in ``domain.parsing.scalars``. What is accepted is in ``docs/security.md``: names of
tables, roles and functions, which are the same whichever tenant is served; addresses under ``.example``; how
ids are made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from math import inf, log
from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg import sql

from demo_pipeline.domain.core.wording import counted
from demo_pipeline.domain.model import MODEL
from demo_pipeline.domain.parsing.scalars import TELL_TALE, TELL_TALE_STEMS

Connection = psycopg.Connection[Any]

#: distinct values that are kept of a finding
_MOST_EXAMPLES: Final = 3
#: characters of an example before and after the word
_AROUND: Final = 40


class Check(StrEnum):
    """What was examined, as a sentence that is true where nothing discloses the demo."""

    VALUES = "values_tell_nothing"
    DISTRIBUTIONS = "distributions_tell_nothing"
    NAMES = "names_of_views_and_columns_tell_nothing"
    PROVENANCE = "views_read_no_provenance"
    COMMENTS = "comments_tell_nothing"
    RIGHTS = "the_reader_may_read_the_views_only"


@dataclass(frozen=True, kw_only=True)
class Disclosure:
    """Something that shows that the tenant is a demo."""

    check: Check
    #: ``contacts.first_name``; or a schema, table, function or role
    place: str
    #: the stem of a tell-tale word; a column of provenance; a right; what rows have in common
    word: str
    count: int = 1
    #: some of the values, cut to where the word is; of a distribution its figures
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ValueScan:
    """What was examined, and what was found."""

    columns: int
    #: values of text that are not null
    values: int
    findings: tuple[Disclosure, ...]


@dataclass(frozen=True, kw_only=True)
class _View:
    name: str
    #: all of its columns
    columns: tuple[str, ...]
    #: those whose values may hold a word
    texts: tuple[str, ...]


def serve(conn: Connection, tenant_id: UUID) -> None:
    """Become the reader that serves this tenant, until the transaction ends."""
    conn.execute("SET LOCAL ROLE crm_reader")
    conn.execute("SELECT set_config('app.tenant_id', %s, true)", [str(tenant_id)])


def scan_values(conn: Connection) -> ValueScan:
    """Every value of every view, as the reader that :func:`serve` made of the transaction."""
    views = _views(conn)
    counts = [(_count(conn, view), _values(conn, view)) for view in views]
    return ValueScan(
        columns=sum(len(view.columns) for view in views),
        values=sum(count for count, _ in counts),
        findings=tuple(finding for _, found in counts for finding in found),
    )


def scan_distributions(conn: Connection) -> tuple[Disclosure, ...]:
    """What too many rows of the served tenant have in common, as the reader that :func:`serve` made."""
    return tuple(finding for view in _views(conn) for finding in _view_distributions(conn, view))


def scan_catalogue(conn: Connection) -> tuple[Disclosure, ...]:
    """What else the reader can find out; the same whichever tenant is served."""
    return (*_names(conn), *_provenance(conn), *_comments(conn), *_rights(conn))


# -- values ----------------------------------------------------------------------------------------------

#: What holds no word: numbers, booleans, instants, spans and uuids. Everything else is read as text.
_VIEWS: Final = """
SELECT c.relname::text, a.attname::text,
       t.typcategory NOT IN ('N', 'B', 'D', 'T') AND t.oid <> 'uuid'::regtype
FROM pg_class c
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_type t ON t.oid = a.atttypid
WHERE c.relnamespace = 'crm_app'::regnamespace AND c.relkind IN ('v', 'm', 'r', 'p', 'f')
  AND has_column_privilege(c.oid, a.attnum, 'SELECT')
ORDER BY c.relname, a.attnum
"""


def _wider_pattern() -> str:
    """A regular expression for PostgreSQL that finds at least what ``TELL_TALE`` finds.

    Used under the collation "C", which knows the letters of ASCII alone. Two letters beyond it are the same
    as one of ASCII where case does not matter: the long s, and the sign of the kelvin.
    """
    stems = "|".join(TELL_TALE_STEMS).replace("s", "[s\u017f]").replace("k", "[k\u212a]")
    return f"(?<![a-z0-9])(?:{stems})"


def _views(conn: Connection) -> list[_View]:
    rows = conn.execute(_VIEWS).fetchall()
    views: list[_View] = []
    for name, group in groupby(rows, key=lambda row: row[0]):
        columns = [(column, is_text) for _, column, is_text in group]
        views.append(
            _View(
                name=name,
                columns=tuple(column for column, _ in columns),
                texts=tuple(column for column, is_text in columns if is_text),
            )
        )
    return views


def _as_texts(view: _View) -> sql.Composed:
    return sql.SQL(", ").join(sql.SQL("r.{}::text").format(sql.Identifier(name)) for name in view.texts)


def _count(conn: Connection, view: _View) -> int:
    if not view.texts:
        return 0
    statement = sql.SQL("SELECT coalesce(sum(num_nonnulls({texts})), 0)::bigint FROM crm_app.{view} r")
    row = conn.execute(statement.format(texts=_as_texts(view), view=sql.Identifier(view.name))).fetchone()
    return row[0] if row else 0


def _values(conn: Connection, view: _View) -> list[Disclosure]:
    """One pass: the server picks rows that may have such a word, Python says which have."""
    if not view.texts:
        return []
    statement = sql.SQL(
        "SELECT {texts} FROM crm_app.{view} r WHERE concat_ws(' ', {texts}) COLLATE \"C\" ~* {pattern}"
    ).format(texts=_as_texts(view), view=sql.Identifier(view.name), pattern=sql.Literal(_wider_pattern()))
    found: dict[tuple[str, str], tuple[int, tuple[str, ...]]] = {}
    with conn.cursor() as cursor:
        for row in cursor.stream(statement):
            for column, value in zip(view.texts, row, strict=True):
                for word, example in _words(value or ""):
                    count, examples = found.get((column, word), (0, ()))
                    if len(examples) < _MOST_EXAMPLES and example not in examples:
                        examples = (*examples, example)
                    found[column, word] = count + 1, examples
    return [
        Disclosure(
            check=Check.VALUES, place=f"{view.name}.{column}", word=word, count=count, examples=examples
        )
        for (column, word), (count, examples) in sorted(found.items())
    ]


def _words(text: str) -> Iterator[tuple[str, str]]:
    """The stem of each kind of tell-tale word in a text, once, with the text around it."""
    seen: set[str] = set()
    for match in TELL_TALE.finditer(text):
        # casefold: the long s is an s.
        stem = match[0].casefold()
        if stem not in seen:
            seen.add(stem)
            yield stem, _around(text, match.start(), match.end())


def _around(text: str, start: int, end: int) -> str:
    first, last = max(0, start - _AROUND), min(len(text), end + _AROUND)
    cut = f"{'...' if first else ''}{text[first:last]}{'...' if last < len(text) else ''}"
    return " ".join(cut.split())


# -- distributions ---------------------------------------------------------------------------------------

#: A share is reported if chance gives one as extreme less often than once in so many tenants.
_ONE_IN: Final = 1_000_000
#: Of so many rows the seconds in which they were made are counted, and fewer seconds than these are reported.
_FEWEST_ROWS: Final = 4
_FEWEST_SECONDS: Final = 3


@dataclass(frozen=True, kw_only=True)
class _Limits:
    """The shares of a table's rows that are usual in tenants that people work in."""

    #: column → the least and the most share of rows without a value
    empty: Mapping[str, tuple[float, float]]
    #: the most rows that were not changed after their creation; 1: any share is usual
    unchanged: float = 1.0
    #: the least number of different seconds in which rows were made, as a share of the rows; 0 for tables of
    #: few rows, to which people may add many at once
    seconds: float = 0.2
    #: the most instants on a whole second, and on a whole minute
    whole_second: float = 0.5
    whole_minute: float = 0.3


#: The thresholds, view by view. They leave room: generated rows lie well within, people's rows may join them.
_LIMITS: Final[Mapping[str, _Limits]] = {
    "users": _Limits(empty={}, unchanged=0.75, seconds=0.0),
    "pipeline_stages": _Limits(empty={}, seconds=0.0),
    "tags": _Limits(empty={}, seconds=0.0),
    "companies": _Limits(
        empty={"phone": (0.05, 0.95), "website": (0.05, 0.95), "address": (0.05, 0.95)}, unchanged=0.85
    ),
    "contacts": _Limits(empty={"email": (0.01, 0.6), "phone": (0.05, 0.97)}, unchanged=0.85),
    "contact_tags": _Limits(empty={}),
    "deals": _Limits(empty={}, unchanged=0.9),
    "activities": _Limits(empty={}, unchanged=0.97),
}


def _view_distributions(conn: Connection, source: _View) -> Iterator[Disclosure]:
    """Every share of a view's rows beyond its limit, if the model has the view."""
    view, columns = source.name, frozenset(source.columns)
    if view not in _LIMITS:
        return
    limits = _LIMITS[view]
    empty = {name: bounds for name, bounds in limits.empty.items() if name in columns}
    # Instants that people choose themselves, those of a schedule, are not facts.
    instants = [name for name in MODEL[view].facts if name in columns]
    has_times = {"created_at", "updated_at"} <= columns
    asked = [sql.SQL("count(*)")]
    asked += [sql.SQL("count(*) FILTER (WHERE r.{} IS NULL)").format(sql.Identifier(name)) for name in empty]
    for name in instants:
        column = sql.Identifier("r", name)
        asked += [
            part.format(column)
            for part in (
                sql.SQL("count({0})"),
                sql.SQL("count(*) FILTER (WHERE {0} = date_trunc('second', {0}))"),
                sql.SQL("count(*) FILTER (WHERE extract(second FROM {0}) < 1)"),
            )
        ]
    if has_times:
        asked.append(sql.SQL("count(*) FILTER (WHERE r.updated_at = r.created_at)"))
    answer = iter(_row(conn, sql.SQL("SELECT {asked} FROM crm_app.{view} r"), asked, view))
    rows = next(answer)
    for name, (least, most) in empty.items():
        yield from _beyond(f"{view}.{name}", "gaps", next(answer), rows, least, most)
    for name in instants:
        known, seconds, minutes = next(answer), next(answer), next(answer)
        place = f"{view}.{name}"
        yield from _beyond(place, "whole_seconds", seconds, known, 0.0, limits.whole_second)
        yield from _beyond(place, "whole_minutes", minutes, known, 0.0, limits.whole_minute)
    if has_times:
        yield from _beyond(f"{view}.updated_at", "never_changed", next(answer), rows, 0.0, limits.unchanged)
    if "created_at" in columns and rows >= _FEWEST_ROWS:
        statement = sql.SQL(
            "SELECT {asked} FROM (SELECT FROM crm_app.{view} r GROUP BY date_trunc('second', r.created_at)) s"
        )
        (seconds,) = _row(conn, statement, [sql.SQL("count(*)")], view)
        if seconds < max(_FEWEST_SECONDS, rows * limits.seconds):
            detail = f"{rows:,} rows were made within {counted(seconds, 'second')}"
            yield _distribution(f"{view}.created_at", "one_second", rows, detail)


def _row(conn: Connection, statement: sql.SQL, asked: Sequence[sql.Composable], view: str) -> tuple[int, ...]:
    composed = statement.format(asked=sql.SQL(", ").join(asked), view=sql.Identifier(view))
    row = conn.execute(composed).fetchone()
    assert row is not None  # an aggregate
    return row


def _beyond(place: str, word: str, count: int, rows: int, least: float, most: float) -> Iterator[Disclosure]:
    if rows == 0:
        return
    share = count / rows
    if (share < least and not _is_chance(share, least, rows)) or (
        share > most and not _is_chance(share, most, rows)
    ):
        usual = f"{least:.0%} to {most:.0%}" if least else f"at most {most:.0%}"
        yield _distribution(place, word, count, f"{count:,} of {rows:,} rows, {usual} is usual")


def _distribution(place: str, word: str, count: int, detail: str) -> Disclosure:
    return Disclosure(check=Check.DISTRIBUTIONS, place=place, word=word, count=count, examples=(detail,))


def _is_chance(share: float, limit: float, rows: int) -> bool:
    """Whether rows that each have it with probability ``limit`` may show ``share`` of them.

    The Chernoff bound for binomial tails: P ≤ exp(-rows × KL(share, limit)). Hoeffding, "Probability
    inequalities for sums of bounded random variables", 1963, theorem 1.
    """
    return rows * _divergence(share, limit) < log(_ONE_IN)


def _divergence(share: float, limit: float) -> float:
    """Kullback-Leibler, of two Bernoulli distributions."""
    terms = ((share, limit), (1 - share, 1 - limit))
    return sum(0.0 if one == 0 else inf if other == 0 else one * log(one / other) for one, other in terms)


# -- the catalogue ---------------------------------------------------------------------------------------

_NAMES: Final = """
SELECT c.relname::text, NULL::text
FROM pg_class c
WHERE c.relnamespace = 'crm_app'::regnamespace AND c.relkind IN ('v', 'm', 'r', 'p', 'f')
UNION ALL
SELECT c.relname, a.attname
FROM pg_class c
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relnamespace = 'crm_app'::regnamespace AND c.relkind IN ('v', 'm', 'r', 'p', 'f')
ORDER BY 1, 2
"""

#: Under whatever name it shows it, and if only in a condition.
_PROVENANCE: Final = """
SELECT DISTINCT v.relname::text, concat_ws('.', n.nspname, b.relname, a.attname)
FROM pg_class v
JOIN pg_rewrite w ON w.ev_class = v.oid
JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid
    AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> v.oid
JOIN pg_class b ON b.oid = d.refobjid
JOIN pg_namespace n ON n.oid = b.relnamespace
LEFT JOIN pg_attribute a ON a.attrelid = b.oid AND a.attnum = d.refobjsubid AND d.refobjsubid > 0
WHERE v.relnamespace = 'crm_app'::regnamespace
  AND (n.nspname = 'demo'
       OR n.nspname = 'crm' AND a.attname IN ('demo_generated', 'demo_job_id', 'demo_source_month'))
ORDER BY 1, 2
"""

#: Comments can be read by anybody, without a right on what they are about. What is in schema ``demo`` is
#: there whichever tenant is served.
_COMMENTS: Final = """
SELECT concat_ws(' ', o.type, o.identity), d.description
FROM pg_description d
CROSS JOIN LATERAL pg_identify_object(d.classoid, d.objoid, d.objsubid) o
WHERE d.objoid >= 16384
  AND (o.schema IN ('crm', 'crm_app') OR o.identity ~ ' on crm(_app)?[.]'
       OR o.type = 'schema' AND o.name IN ('crm', 'crm_app'))
UNION ALL
SELECT concat_ws(' ', 'role', r.rolname), shobj_description(r.oid, 'pg_authid')
FROM pg_roles r WHERE r.rolname = current_user
UNION ALL
SELECT concat_ws(' ', 'database', b.datname), shobj_description(b.oid, 'pg_database')
FROM pg_database b WHERE b.datname = current_database()
ORDER BY 1, 2
"""

#: A right on a table shows its statistics even where the schema is closed.
_RIGHTS: Final = """
SELECT concat('schema ', n.nspname), 'USAGE'
FROM pg_namespace n
WHERE n.nspname IN ('crm', 'demo') AND has_schema_privilege(n.oid, 'USAGE')
UNION ALL
SELECT concat(n.nspname, '.', c.relname), 'SELECT'
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND has_any_column_privilege(c.oid, 'SELECT')
  AND (n.nspname NOT IN ('crm_app', 'pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(temp|toast)'
       OR c.oid IN ('pg_statistic'::regclass,
                    'pg_statistic_ext_data'::regclass))
  AND NOT EXISTS (SELECT FROM pg_depend d
                  WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
                    AND d.deptype = 'e')
UNION ALL
SELECT concat('statistics of ', s.schemaname, '.', s.tablename, '.', s.attname), 'SELECT'
FROM pg_stats s
WHERE s.schemaname IN ('crm', 'demo')
UNION ALL
SELECT concat('function ', n.nspname, '.', p.proname), 'EXECUTE'
FROM pg_proc p
JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname = 'demo' AND has_function_privilege(p.oid, 'EXECUTE')
UNION ALL
SELECT concat('role ', r.rolname), 'MEMBER'
FROM pg_roles r
WHERE r.rolname <> current_user AND pg_has_role(r.oid, 'MEMBER')
UNION ALL
SELECT concat('role ', r.rolname), 'BYPASSRLS'
FROM pg_roles r
WHERE r.rolname = current_user AND r.rolbypassrls
ORDER BY 1, 2
"""


def _names(conn: Connection) -> Iterator[Disclosure]:
    for view, column in conn.execute(_NAMES).fetchall():
        place = view if column is None else f"{view}.{column}"
        for word, _ in _words(column or view):
            yield Disclosure(check=Check.NAMES, place=place, word=word)


def _provenance(conn: Connection) -> Iterator[Disclosure]:
    for view, source in conn.execute(_PROVENANCE).fetchall():
        yield Disclosure(check=Check.PROVENANCE, place=view, word=source)


def _comments(conn: Connection) -> Iterator[Disclosure]:
    for place, comment in conn.execute(_COMMENTS).fetchall():
        for word, example in _words(comment or ""):
            yield Disclosure(check=Check.COMMENTS, place=place, word=word, examples=(example,))


def _rights(conn: Connection) -> Iterator[Disclosure]:
    for place, right in conn.execute(_RIGHTS).fetchall():
        yield Disclosure(check=Check.RIGHTS, place=place, word=right)
