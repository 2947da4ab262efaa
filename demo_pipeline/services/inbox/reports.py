"""What became of a plan of the inbox, as the reports beside the file: JSON for programs, text for people.

Belongs here: how the two look. Does not: what they say, nor where they are put.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from demo_pipeline.domain.core.errors import DemoError, InputError, Problem
from demo_pipeline.domain.core.terminal_text import neutral
from demo_pipeline.domain.core.wording import grouped, rows_text
from demo_pipeline.domain.patch_plan.writing import suggestion_text
from demo_pipeline.services.files.plan_files import PlanFile
from demo_pipeline.services.inbox.folder import REPORT_SUFFIXES, InboxFile
from demo_pipeline.services.jobs.report import JobReport
from demo_pipeline.services.jobs.steps import JobCaller
from demo_pipeline.storage.connection.masking import masked, masked_tree

JSON_SUFFIX, TEXT_SUFFIX = REPORT_SUFFIXES
#: the outcome of files whose tenant does not exist
UNKNOWN_TENANT: Final = "no such tenant"
#: characters that begin markup in Markdown or HTML
_MARKUP: Final = re.compile(r"[\\`*<>\[\]|!&]")


def done_reports(
    file: InboxFile, plan: PlanFile, report: JobReport, caller: JobCaller, at: datetime
) -> dict[str, str]:
    """Suffix → text, of a plan whose job is completed."""
    document = {
        **_head(file, plan, caller, at),
        "outcome": "already applied" if report.already_applied else "applied",
        "job_id": str(report.job_id),
        "status": report.status,
        "already_applied": report.already_applied,
        "created": dict(report.created),
        "jobs": [part.to_json() for part in report.jobs],
        "months": [result.to_document(result.target, report.currency) for result in report.months],
        "passed": report.is_passed,
        "seconds": round(report.seconds, 3),
        "notes": list(report.notes),
    }
    return _both(document, _done_lines(document))


def refused_reports(
    file: InboxFile, plan: PlanFile | None, error: DemoError, caller: JobCaller, at: datetime
) -> dict[str, str]:
    """Suffix → text, of a file that is no plan, or of a plan of which nothing was done."""
    document = {
        **_head(file, plan, caller, at),
        "outcome": "refused",
        "error": {"code": error.code, "message": error.message, "details": error.details},
    }
    return _both(document, _refused_lines(document, error))


def unknown_tenant_reports(folder: str, names: Sequence[str], error: DemoError) -> dict[str, str]:
    """Suffix → text, of the files in a folder whose tenant does not exist; of their names alone."""
    document = {
        "folder": folder,
        "outcome": UNKNOWN_TENANT,
        "files": list(names),
        "error": {"code": error.code, "message": error.message, "details": error.details},
    }
    lines = [
        f"# {folder}: {UNKNOWN_TENANT}",
        "",
        _escaped(error.message),
        *(["", "These files wait there, and nothing was done with them:", ""] if names else []),
        *(f"- {_escaped(name)}" for name in names),
    ]
    return _both(document, iter(lines))


def _head(file: InboxFile, plan: PlanFile | None, caller: JobCaller, at: datetime) -> dict[str, Any]:
    return {
        "file": file.name,
        "tenant": file.tenant,
        "sha256": file.sha256,
        "at": at.isoformat(timespec="seconds"),
        "requested_by": caller.requested_by,
        "dagster_run_id": caller.dagster_run_id,
        "plan": None if plan is None else plan.plan.to_json(),
        "seed": None if plan is None else plan.plan.seed,
    }


def _both(document: Mapping[str, Any], lines: Iterator[str]) -> dict[str, str]:
    return {
        JSON_SUFFIX: neutral(json.dumps(masked_tree(document), ensure_ascii=False, indent=2, default=str))
        + "\n",
        TEXT_SUFFIX: neutral(masked("\n".join(lines))) + "\n",
    }


def _done_lines(document: Mapping[str, Any]) -> Iterator[str]:
    yield f"# {document['file']}: {document['outcome']}"
    yield ""
    yield f"Tenant {document['tenant']}, job {document['job_id']}, {document['at']}."
    yield f"Made: {rows_text(document['created']) or 'nothing'}."
    yield from document["notes"]
    for month in document["months"]:
        yield ""
        yield f"| {month['month']} | before | target | after | change |"
        yield "|:--|--:|--:|--:|--:|"
        for metric, moved in month["metrics"].items():
            before, target, after, change = (
                grouped(moved[name]) for name in ("before", "target", "after", "delta")
            )
            sign = "+" if change.strip("-0.,") and not change.startswith("-") else ""
            yield f"| {metric} | {before} | {target} | {after} | {sign}{change} |"


def _refused_lines(document: Mapping[str, Any], error: DemoError) -> Iterator[str]:
    yield f"# {document['file']}: refused, nothing was done"
    yield ""
    yield f"Tenant {document['tenant']}, {document['at']}."
    yield ""
    if isinstance(error, InputError) and error.problems:
        yield from (f"- {_problem_line(problem)}" for problem in error.problems)
    else:
        yield _escaped(error.message)
    if "preview" in error.details:
        yield from _preview_lines(error.details["preview"])
    if isinstance(error, InputError) and error.suggestion is not None:
        yield ""
        yield f"{suggestion_text(error.suggestion, error.problems)}:"
        yield ""
        yield "```json"
        yield json.dumps(error.suggestion, ensure_ascii=False, indent=2, default=str)
        yield "```"


def _preview_lines(preview: Mapping[str, Any]) -> Iterator[str]:
    """What a plan that reconciles would do now, and the line that confirms it."""
    yield ""
    yield "| month | table | to hide | to make |"
    yield "|:--|:--|--:|--:|"
    for change in preview["changes"]:
        yield f"| {change['month']} | {change['table']} | {change['hidden']:,} | {change['made']:,} |"
    for deal in preview["largest_hidden_deals"]:
        named = ", ".join(_escaped(text) for text in (deal["title"], deal["account"]) if text)
        yield f"- hides the deal {named}: {grouped(deal['value'] or 0)}"
    yield ""
    yield "To confirm this, add the line to the plan and put it into the inbox again:"
    yield ""
    yield f"    fingerprint: {preview['fingerprint']}"


def _problem_line(problem: Problem) -> str:
    """The place, what is wrong, what was written and what to write instead, as far as these are known."""
    text = str(problem)
    if problem.value and problem.value not in text:
        text += f" (written: {problem.value})"
    if isinstance(problem.suggestion, str | int) and str(problem.suggestion) not in text:
        text += f"; write {problem.suggestion}"
    return _escaped(text)


def _escaped(text: str) -> str:
    """Text that is no markup: it may quote what a file says."""
    return _MARKUP.sub(lambda found: f"\\{found[0]}", " ".join(text.split()))
