"""Examinations of tenants: what one costs."""

from __future__ import annotations

import re
from typing import Any, Final

import psycopg
import pytest

from demo_pipeline.services.readiness.examination import examine_each
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.ledger.tenants import demo_tenant_id

#: what reads rows of tenants; freshness reads activities, hero accounts contacts and deals
_READS: Final = re.compile(r"crm\.\w|demo\.(hero_accounts|checkpoints)\b")


def test_an_examination_reads_rows_of_its_tenant_only(
    database: Database, database_settings: Settings, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the snapshot every statement that reads rows names the tenant, and one takes the fingerprint."""
    statements: list[tuple[str, str]] = []
    execute = psycopg.Cursor.execute

    def recorded(cursor: Any, query: Any, params: Any = None, **options: Any) -> Any:
        statements.append((query.decode() if isinstance(query, bytes) else str(query), str(params)))
        return execute(cursor, query, params, **options)

    with database.admin(readonly=True) as conn:
        tenant_id = demo_tenant_id(conn, tenant)
    monkeypatch.setattr(psycopg.Cursor, "execute", recorded)
    assert len(list(examine_each(database, database_settings, [tenant], requested_by="a test"))) == 1
    # Rows in other tenants are looked for once, before all examinations.
    strays = max(number for number, (text, _) in enumerate(statements) if "demo.job_ledger l, crm." in text)
    reads = [(text, params) for text, params in statements[strays + 1 :] if _READS.search(text)]
    assert len(reads) > 10
    assert [text for text, params in reads if str(tenant_id) not in params] == []
    assert sum("r.xmin" in text for text, _ in reads) == 1
