"""Documents that are stored as JSON, checked before anything is computed with them.

The database checks what the loader stores (``demo.plan_problems``, ``demo.job_problems``). A document may be
unreadable all the same: written by a superuser, restored from elsewhere, or stored before there were checks.
Each function here returns the parsed document or raises one error with all problems. Unknown keys are
ignored.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Generator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import starmap
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, cast
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    Strict,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    create_model,
)

from demo_pipeline.domain.blueprint.tenant_spec import TenantSpec
from demo_pipeline.domain.core.errors import UnreadableJobError, UnreadableTenantError
from demo_pipeline.domain.core.figures import METRICS, VALUE_METRICS, WHOLES
from demo_pipeline.domain.core.job_kinds import JobKind
from demo_pipeline.domain.core.months import FIRST_MONTH, LAST_MONTH, Month
from demo_pipeline.domain.core.timezones import load_timezone
from demo_pipeline.domain.model import COMPANY_SIZES
from demo_pipeline.domain.patch_plan.plan import PatchPlan
from demo_pipeline.domain.reference.countries import CURRENCIES, has_pack
from demo_pipeline.domain.reference.industries import INDUSTRIES
from demo_pipeline.domain.reference.own_lists import OUTCOMES
from demo_pipeline.domain.reference.story_parts import BEATS, FORMS

#: what parsing a damaged document may raise
PARSE_ERRORS: Final = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
MOST_ROWS: Final = 10**12
_WHOLE: Final = 1_000_000
_MOST_LISTED: Final = 20
_CHANNEL: Final = re.compile(r"[a-z_]{1,40}")

_Text = Annotated[str, StringConstraints(min_length=1)]
_Ppm = Annotated[int, Field(ge=0, le=_WHOLE)]
_Count = Annotated[int, Field(ge=0, le=MOST_ROWS)]
_Money = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,15}(\.[0-9]{1,2})?$")]
_Signed = Annotated[int, Field(ge=-MOST_ROWS, le=MOST_ROWS)]
_SignedMoney = Annotated[str, StringConstraints(pattern=r"^-?[0-9]{1,15}(\.[0-9]{1,2})?$")]
_Rate = Annotated[str, StringConstraints(pattern=r"^-?[0-9]{1,3}(\.[0-9]{1,12})?$")]
_MonthText = Annotated[str, StringConstraints(pattern=r"^20[2-9][0-9]-(0[1-9]|1[0-2])$")]


class _Document(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


def _figures_model(title: str, count: Any, value: Any) -> type[_Document]:
    """A document with one field for each metric; ``count`` and ``value``: the type and default of each."""
    fields = {name: value if metric.is_value else count for name, metric in METRICS.items()}
    return create_model(title, __base__=_Document, **fields)


if TYPE_CHECKING:
    # The fields follow from the table of metrics: they exist at run time only.
    class _StoredFigures(_Document):
        def __getattr__(self, metric: str) -> Any: ...

    class _StoredChange(_Document): ...
else:
    _StoredFigures = _figures_model("_StoredFigures", (_Count, ...), (_Money, ...))
    _StoredChange = _figures_model("_StoredChange", (_Signed, 0), (_SignedMoney, "0"))


class _StoredGrowth(_Document):
    curve: Literal["linear", "exponential", "logistic", "step"]
    monthly_rate: _Rate
    season_percent: Annotated[
        list[Annotated[int, Field(ge=0, le=10_000)]], Field(min_length=12, max_length=12)
    ]


def _among(values: Collection[str]) -> AfterValidator:
    def check(text: str) -> str:
        if text not in values:
            raise ValueError(f"is not one of {', '.join(values)}")
        return text

    return AfterValidator(check)


_Size = Annotated[str, _among(COMPANY_SIZES)]
_Outcome = Annotated[str, _among(OUTCOMES)]
_Beat = Annotated[str, _among(BEATS)]
_Form = Annotated[str, _among(FORMS)]
_Weight = Annotated[int, Field(ge=1)]
_Minor = Annotated[int, Field(ge=1, le=10**15)]
_Percent = Annotated[int, Field(ge=0, le=100)]
_TopicName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z_]*$")]


#: JSON has lists for rows.
_Row = Strict(strict=False)
_StoredName = Annotated[tuple[_Text, _Weight], _Row]


class _StoredLists(_Document):
    """Rows as lists of their values, in the order of the fields of ``reference.own_lists``."""

    model_config = ConfigDict(extra="forbid")

    female: list[_StoredName] = []
    male: list[_StoredName] = []
    surnames: list[_StoredName] = []
    companies: list[Annotated[tuple[_Text, _Text | None, _Size | None], _Row]] = []
    products: list[Annotated[tuple[_Text, _Minor, _Minor | None], _Row]] = []
    stages: list[Annotated[tuple[_Text, _Outcome, _Percent, _Weight], _Row]] = []
    beats: list[Annotated[tuple[_Beat, _Form, _Text], _Row]] = []
    topics: list[Annotated[tuple[_TopicName, _Text], _Row]] = []


class _StoredPlan(_Document):
    slug: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{1,38}$")]
    name: _Text
    country: _Text
    industry: _Text
    seed: str
    timezone: _Text
    currency: _Text
    minor_digits: Annotated[int, Field(ge=0, le=2)]
    team_size: Annotated[int, Field(ge=2, le=50)]
    mail_domain: Annotated[str, StringConstraints(pattern=r"^[a-z0-9.-]{1,253}$")] | None
    channel_ppm: Annotated[list[Annotated[list[Any], Field(min_length=2, max_length=2)]], Field(min_length=1)]
    private_ppm: _Ppm | None = None
    drop_off_ppm: _Ppm
    whale_ppm: _Ppm
    lost_value_ppm: Annotated[int, Field(ge=1, le=10 * _WHOLE)] | None = None
    response_sla_minutes: Annotated[int, Field(ge=1, le=43_200)]
    start_month: _MonthText
    figures: Annotated[list[_StoredFigures], Field(min_length=1, max_length=960)]
    lists_version: _Text
    growth: _StoredGrowth | None
    closed_month: _MonthText | None
    lists: _StoredLists = _StoredLists()


def read_spec(slug: str, document: Any) -> TenantSpec:
    """The stored plan of tenant ``slug``. Raises ``UnreadableTenantError`` with all that is wrong."""
    if problems := plan_problems(document):
        raise UnreadableTenantError.of(slug, problems)
    try:
        return TenantSpec.from_json(document)
    except PARSE_ERRORS as error:
        raise UnreadableTenantError.of(slug, [f"plan: {explain(error)}"]) from error


def plan_problems(document: Any) -> list[str]:
    """What is wrong with a stored plan; empty: it can be read."""
    try:
        plan = _StoredPlan.model_validate(document)
    except ValidationError as error:
        return _problem_lines(error, "plan")
    return [f"plan.{place}: {problem}" for place, problem in _semantic_problems(plan)]


def _semantic_problems(plan: _StoredPlan) -> Generator[tuple[str, str]]:
    if not has_pack(plan.country):
        yield "country", f"there are no lists for {plan.country!r}"
    if plan.industry not in INDUSTRIES:
        yield "industry", f"unknown industry {plan.industry!r}"
    for place, look_up, value in (
        ("timezone", load_timezone, plan.timezone),
        ("currency", CURRENCIES.__getitem__, plan.currency),
    ):
        try:
            look_up(value)
        except (LookupError, ValueError, OSError):
            yield place, f"unknown {place} {value!r}"
    if problem := _channel_problem(plan.channel_ppm):
        yield "channel_ppm", problem
    if plan.growth is not None and Decimal(plan.growth.monthly_rate) <= -1:
        yield "growth.monthly_rate", "is not above -1"
    start = Month.parse(plan.start_month)
    if start < FIRST_MONTH or start + (len(plan.figures) - 1) > LAST_MONTH:
        yield "figures", f"the months are not from {FIRST_MONTH} to {LAST_MONTH}"
    for place, one in enumerate(plan.figures):
        for problem in _figures_problems(one, plan.minor_digits):
            yield f"figures[{place}]", problem


def _channel_problem(channels: list[list[Any]]) -> str | None:
    pairs = [(name, share) for name, share in channels]
    if not all(
        isinstance(name, str) and _CHANNEL.fullmatch(name) and type(share) is int and 0 <= share <= _WHOLE
        for name, share in pairs
    ):
        return "a channel has no share in millionths"
    if sum(share for _, share in pairs) != _WHOLE:
        return f"the shares do not sum to {_WHOLE}"
    return None


def _figures_problems(figures: _StoredFigures, minor_digits: int) -> Generator[str]:
    for amount in (Decimal(getattr(figures, metric)) for metric in VALUE_METRICS):
        if amount != round(amount, minor_digits):
            yield f"{amount} has more than {minor_digits} decimals"
    for whole, parts in WHOLES.items():
        if sum(Decimal(getattr(figures, part)) for part in parts) > Decimal(getattr(figures, whole)):
            yield f"more {' and '.join(METRICS[part].plural for part in parts)} than {METRICS[whole].plural}"


def stored_month(text: str) -> Month:
    """A month of stored figures. ``ValueError`` for one that no plan can name."""
    month = Month.parse(text)
    if not FIRST_MONTH <= month <= LAST_MONTH:
        raise ValueError(f"{month} is not from {FIRST_MONTH} to {LAST_MONTH}")
    return month


@contextmanager
def reading_tenant(slug: str, what: str) -> Generator[None]:
    """Turn what parsing raises into ``UnreadableTenantError`` of the tenant ``slug``."""
    try:
        yield
    except PARSE_ERRORS as error:
        raise UnreadableTenantError.of(slug, [f"{what}: {explain(error)}"]) from error


# -- jobs ------------------------------------------------------------------------------------------------

_Id = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
_Rows = dict[str, _Count]


class _StoredResult(_Document):
    before: _StoredChange = _StoredChange()
    target: _StoredChange = _StoredChange()
    after: _StoredChange
    expected: _StoredChange = _StoredChange()


class _StoredPart(_Document):
    job_id: _Id
    kind: str
    created: _Rows


class _StoredRequest(_Document):
    jobs: Annotated[list[_StoredPart], Field(min_length=1, max_length=1)]
    before: dict[_MonthText, _StoredChange]


class _StoredMetrics(_Document):
    created: _Rows = Field(default_factory=dict)
    hidden: _Rows = Field(default_factory=dict)
    shown: _Rows = Field(default_factory=dict)
    hidden_at: str | None = None
    hidden_rows: dict[str, list[_Id]] = Field(default_factory=dict)
    made: dict[_MonthText, _StoredChange] = Field(default_factory=dict)
    taken_along: dict[str, dict[_MonthText, _StoredChange]] = Field(default_factory=dict)
    changed_by_people: list[Any] = Field(default_factory=list)
    dependents: list[Any] = Field(default_factory=list)
    #: the default is not validated: absent, or an object
    request: _StoredRequest = cast("Any", None)


_DIFF: Final = TypeAdapter(dict[_MonthText, _StoredResult])
_METRICS: Final = TypeAdapter(_StoredMetrics)


def job_problems(
    kind: JobKind,
    status: str,
    *,
    seed: str | None,
    plan: Any,
    metrics: Any,
    diff_report: Any,
    last_month: str | None = None,
) -> list[str]:
    """What is wrong with the documents of a job, as far as programs read them; empty: they can be read."""
    problems: list[str] = []
    for name, adapter, document in (("metrics", _METRICS, metrics), ("diff_report", _DIFF, diff_report)):
        if document is None:
            continue
        try:
            adapter.validate_python(document)
        except ValidationError as error:
            problems += _problem_lines(error, name)
    changes_rows = kind.deletes_rows
    if status == "completed" and changes_rows and metrics is None:
        problems.append("metrics: is missing")
    if kind is JobKind.EXTEND and last_month is None:
        problems.append("range_end_month: is missing")
    if isinstance(metrics, Mapping) and "hidden_at" in metrics:
        problems += _tried("metrics.hidden_at", lambda: read_instant(metrics["hidden_at"]))
    if plan is None:
        return [*problems, "plan: is missing"] if changes_rows else problems
    if not isinstance(plan, Mapping):
        return [*problems, "plan: is not an object"]
    stored = cast("Mapping[str, Any]", plan)
    if kind is JobKind.PATCH:
        problems += _tried("plan", lambda: PatchPlan.from_json(stored, seed=seed))
    elif kind in {JobKind.CHECKPOINT, JobKind.REWIND}:
        problems += _tried("plan.name", lambda: _text_of(stored["name"]))
    elif kind is JobKind.UNDO or (kind.is_repair and "job" in stored):
        problems += _tried("plan.job", lambda: UUID(stored["job"]))
    return problems


@contextmanager
def reading_job(slug: str, job_id: UUID, what: str) -> Generator[None]:
    """Turn what parsing raises into ``UnreadableJobError`` of the job."""
    try:
        yield
    except PARSE_ERRORS as error:
        raise UnreadableJobError.of(slug, job_id, [f"{what}: {explain(error)}"]) from error


def read_instant(text: Any) -> datetime:
    """An instant in UTC, as jobs store it. ``ValueError`` or ``TypeError`` for anything else."""
    instant = datetime.fromisoformat(text)
    if instant.utcoffset() != timedelta(0):
        raise ValueError(f"{text!r} is not an instant in UTC")
    return instant


# -- messages --------------------------------------------------------------------------------------------


def explain(error: Exception) -> str:
    """What parsing raised, in a line."""
    reason = " ".join(str(error).split())[:200]
    if isinstance(error, KeyError):
        return f"{reason} is missing"
    return reason or type(error).__name__


def _text_of(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("is not a text")
    return value


def _tried(what: str, parse: Callable[[], object]) -> list[str]:
    try:
        parse()
    except PARSE_ERRORS as error:
        return [f"{what}: {explain(error)}"]
    return []


def _problem_lines(error: ValidationError, document: str) -> list[str]:
    def line(place: tuple[int | str, ...], message: str) -> str:
        path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place)
        return f"{document}{path}: {message[:1].lower()}{message[1:]}"

    found = [(one["loc"], one["msg"]) for one in error.errors(include_url=False, include_input=False)]
    return list(starmap(line, found[:_MOST_LISTED])) + (
        [f"{document}: and {len(found) - _MOST_LISTED} more"] if len(found) > _MOST_LISTED else []
    )
