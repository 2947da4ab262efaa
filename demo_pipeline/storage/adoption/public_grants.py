"""What PUBLIC may do in schema ``crm``, by grants and policies: the roles of demo tenants may do it, too.

The roles for jobs and for the CRM's reader get USAGE of the schema, or reach it through views. What every
role may read or call there, they may too, past row security. Reads the catalogue and changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from psycopg import Connection

from demo_pipeline.storage.adoption.remedies import Misfit, Phase, Statement, free_name, misfit, quoted
from demo_pipeline.storage.adoption.roles import Roles
from demo_pipeline.storage.adoption.shape import TABLES
from demo_pipeline.storage.schema.migration_plan import plan_upgrade
from demo_pipeline.storage.schema.revision import known_revisions

_SCHEMA: Final = """
SELECT array_agg(a.privilege_type ORDER BY a.privilege_type), min(n.nspowner::regrole::text)
FROM pg_namespace n CROSS JOIN LATERAL aclexplode(n.nspacl) a
WHERE n.nspname = 'crm' AND a.grantee = 0
HAVING count(*) > 0
"""
#: Everything with rows in the schema, and views of other schemas that read our tables as their owner.
_RELATIONS: Final = """
SELECT c.oid::regclass::text, CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END,
    array_agg(DISTINCT x.privilege ORDER BY x.privilege), c.relowner::regrole::text
FROM pg_class c
CROSS JOIN LATERAL (
    SELECT a.privilege_type AS privilege FROM aclexplode(c.relacl) a WHERE a.grantee = 0
    UNION ALL
    SELECT format('%%s (%%I)', a.privilege_type, t.attname)
    FROM pg_attribute t CROSS JOIN LATERAL aclexplode(t.attacl) a
    WHERE t.attrelid = c.oid AND t.attacl IS NOT NULL AND NOT t.attisdropped AND a.grantee = 0
) x
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
    AND (c.relnamespace = 'crm'::regnamespace OR EXISTS (
        SELECT FROM pg_rewrite r
        JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
            AND d.refclassid = 'pg_class'::regclass
        JOIN pg_class o ON o.oid = d.refobjid
        WHERE r.ev_class = c.oid AND o.oid <> c.oid AND o.relnamespace = 'crm'::regnamespace
            AND o.relname = ANY (%(tables)s)))
GROUP BY c.oid ORDER BY 1
"""
#: They run with the rights of their owner. Trigger functions cannot be called.
_FUNCTIONS: Final = """
SELECT p.oid::regprocedure::text, p.proowner::regrole::text
FROM pg_proc p
WHERE p.pronamespace = 'crm'::regnamespace AND p.prosecdef
    AND p.prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype)
    AND EXISTS (SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
        WHERE a.grantee = 0 AND a.privilege_type = 'EXECUTE')
ORDER BY 1
"""
_POLICIES: Final = """
SELECT tablename, policyname, 'public' = ANY (roles) FROM pg_catalog.pg_policies
WHERE schemaname = 'crm' AND tablename = ANY (%(tables)s) ORDER BY 1, 2
"""
#: policies that an adoption adds itself
_ADDED_POLICIES: Final = frozenset({"adopted_access", "adopted_reading"})
_POLICY: Final = re.compile(r"create policy (\w+) on", re.IGNORECASE)


def public_misfits(conn: Connection[Any], roles: Roles) -> Iterator[Misfit]:
    """Rights of PUBLIC, each with its REVOKE; the CRM's own roles are granted them first.

    Needs ``search_path = pg_catalog``.
    """
    schema = conn.execute(_SCHEMA).fetchone()
    if schema is not None:
        yield _misfit("crm", schema[0], "SCHEMA crm", _others(roles, schema[1]))
    for name, kind, privileges, owner in conn.execute(_RELATIONS, {"tables": list(TABLES)}).fetchall():
        yield _misfit(name, privileges, f"{kind} {name}", _others(roles, owner))
    for name, owner in conn.execute(_FUNCTIONS).fetchall():
        yield _misfit(name, ["EXECUTE"], f"ROUTINE {name}", _others(roles, owner))


def _others(roles: Roles, owner: str) -> list[str]:
    """The CRM's own roles but for the owner, quoted; the owner needs no grant."""
    return [name for name in map(quoted, roles.users) if name != owner]


def _misfit(place: str, privileges: Sequence[str], target: str, users: Sequence[str]) -> Misfit:
    listed = ", ".join(privileges)
    statements = [Statement(Phase.ACCESS, f"REVOKE {listed} ON {target} FROM PUBLIC", 1)]
    if users:
        names = ", ".join(users)
        statements.insert(0, Statement(Phase.ACCESS, f"GRANT {listed} ON {target} TO {names}"))
    return misfit(
        "granted_to_public",
        place,
        f"PUBLIC has {listed} on it, which the roles of demo tenants would have, too: revoke it; the script "
        "grants it to the roles that use the tables, other roles need a GRANT of their own",
        *statements,
    )


# -- policies --------------------------------------------------------------------------------------------


def policy_misfits(conn: Connection[Any], roles: Roles) -> Iterator[Misfit]:
    """Policies for PUBLIC, and those with names of ours."""
    policies = conn.execute(_POLICIES, {"tables": list(TABLES)}).fetchall()
    names = {name for _, name, _ in policies}
    ours = _our_policies()
    for table, name, is_public in policies:
        policy = f"POLICY {quoted(name)} ON crm.{table}"
        if is_public:
            users = ", ".join(map(quoted, _users_of(roles, table)))
            yield misfit(
                "policy_for_public",
                f"crm.{table}.{name}",
                "the policy is for every role, so it would let those of demo tenants in: name the roles that "
                "need it",
                Statement(Phase.DROP, f"ALTER {policy} TO {users}"),
            )
        if name in ours:
            yield misfit(
                "name_taken",
                f"crm.{table}.{name}",
                "the name is needed, and another policy has it: rename that one",
                Statement(Phase.ACCESS, f"ALTER {policy} RENAME TO {quoted(free_name(name, names))}"),
            )


def _our_policies() -> frozenset[str]:
    """The names of all policies that revisions make, from their SQL."""
    plans = plan_upgrade(None, known_revisions()[-1]).revisions
    found = {name for plan in plans for step in plan.steps for name in _POLICY.findall(step.sql)}
    return frozenset(found) | _ADDED_POLICIES


def _users_of(roles: Roles, table: str) -> tuple[str, ...]:
    granted = [role for role in roles.grantees.get(table, ()) if role != "public"]
    return tuple(dict.fromkeys([*granted, *roles.owners])) or (roles.login,)
