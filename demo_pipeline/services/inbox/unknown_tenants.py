"""Folders of the inbox whose tenant does not exist: reported in the inbox itself, and left as they are.

A mistyped folder is for a person to rename; once it has the name of a tenant, or a tenant has its name, its
files are applied like any other. What is in the files is not looked at here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from demo_pipeline.domain.blueprint.checks import check_slug
from demo_pipeline.domain.core.errors import DemoError, NotADemoTenantError, NotFoundError
from demo_pipeline.domain.core.terminal_text import neutral_line
from demo_pipeline.domain.core.wording import counted
from demo_pipeline.domain.parsing.scalars import shortened
from demo_pipeline.services.inbox.folder import Waiting, remove_notices, write_notice
from demo_pipeline.services.inbox.reports import UNKNOWN_TENANT, unknown_tenant_reports
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.ledger import tenants


def unknown_tenants(database: Database, settings: Settings, names: Iterable[str]) -> dict[str, NotFoundError]:
    """Those of ``names`` that no tenant has, each with the error that proposes the nearest demo tenant.

    A customer's name is none of them: what is asked of a customer is refused, and audited, by the job.
    """
    found: dict[str, NotFoundError] = {}
    with database.admin(readonly=True) as conn:
        known = tenants.demo_slugs(conn) or []
        for name in sorted(set(names) - set(known)):
            try:
                if check_slug(name):
                    raise tenants.unknown_tenant(name, known)
                tenants.demo_tenant_id(conn, name)
            except NotADemoTenantError:
                continue
            except NotFoundError as error:
                error.message += f"; rename the folder {settings.inbox_folder}/{shortened(name)}"
                if not check_slug(name):
                    error.message += f", or provision {name}"
                found[name] = error
    return found


def report_unknown(settings: Settings, waiting: Waiting, unknown: Mapping[str, NotFoundError]) -> list[str]:
    """Write a report of each unknown folder into the inbox, and remove those that do not hold any more.

    A sentence for each folder, for what the sensor says.
    """
    notes: list[str] = []
    written: list[str] = []
    for name, error in unknown.items():
        files = [file.name for file in (*waiting.files, *waiting.unusable) if file.tenant == name]
        files += waiting.odd_folders.get(name, ())
        notes.append(f"{error.message}{_waiting_files(files)}")
        if neutral_line(name) != name:
            continue  # no file should have such a name
        written.append(name)
        try:
            for suffix, text in unknown_tenant_reports(name, files, error).items():
                write_notice(settings, name + suffix, text, UNKNOWN_TENANT)
        except (OSError, DemoError) as reason:
            notes.append(f"the report {shortened(name)} could not be written to the inbox: {_reason(reason)}")
    try:
        remove_notices(settings, f'"outcome": "{UNKNOWN_TENANT}"', written)
    except NotFoundError:
        pass  # there is no inbox
    except (OSError, DemoError) as reason:
        notes.append(
            f"reports in the inbox that do not hold any more could not be removed: {_reason(reason)}"
        )
    return notes


def _waiting_files(names: Sequence[str]) -> str:
    if not names:
        return ""
    return f" ({counted(len(names), 'file waits', 'files wait')} there: {shortened(', '.join(names))})"


def _reason(error: OSError | DemoError) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else error.message
