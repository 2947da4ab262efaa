"""Who owns and who uses the tables of a CRM, so that nobody is locked out when row security begins.

Reads the catalogue and changes nothing. Who is let in, and how, is ``adoption``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from psycopg import Connection

from demo_pipeline.domain.errors import Problem
from demo_pipeline.storage.adoption_shape import TABLES

OURS: Final = ("demo_owner", "demo_guard", "demo_loader", "crm_reader", "crm_views")

_GRANTEES: Final = """
SELECT c.relname, g.rolname
FROM pg_catalog.pg_class c
CROSS JOIN LATERAL (
    SELECT a.grantee FROM pg_catalog.aclexplode(c.relacl) a
    UNION
    SELECT a.grantee FROM pg_catalog.pg_attribute t CROSS JOIN LATERAL pg_catalog.aclexplode(t.attacl) a
    WHERE t.attrelid = c.oid AND t.attacl IS NOT NULL AND NOT t.attisdropped
) x
LEFT JOIN pg_catalog.pg_roles g ON g.oid = x.grantee
WHERE c.relnamespace = 'crm'::pg_catalog.regnamespace AND c.relname = ANY (%(tables)s) AND c.relkind = 'r'
    AND x.grantee <> c.relowner AND NOT coalesce(g.rolsuper OR g.rolbypassrls, false)
    AND NOT coalesce(g.rolname = ANY (%(ours)s), false)
ORDER BY 1, 2
"""
#: They read or write all tables without being named at any.
_PREDEFINED: Final = """
SELECT r.rolname FROM pg_catalog.pg_roles r
WHERE r.rolname IN ('pg_read_all_data', 'pg_write_all_data')
    AND EXISTS (SELECT FROM pg_catalog.pg_auth_members m WHERE m.roleid = r.oid)
ORDER BY 1
"""
_OWNERS: Final = """
SELECT DISTINCT r.rolname, r.rolsuper, pg_catalog.pg_has_role(x.owner, 'USAGE') AND
    pg_catalog.pg_has_role(x.owner, 'MEMBER')
FROM (
    SELECT relowner AS owner FROM pg_catalog.pg_class
    WHERE relnamespace = 'crm'::pg_catalog.regnamespace AND relname = ANY (%(tables)s) AND relkind = 'r'
    UNION SELECT nspowner FROM pg_catalog.pg_namespace WHERE nspname = 'crm'
) x JOIN pg_catalog.pg_roles r ON r.oid = x.owner
ORDER BY 1
"""
_POLICIES: Final = """
SELECT tablename, policyname, 'public' = ANY (roles) FROM pg_catalog.pg_policies
WHERE schemaname = 'crm' AND tablename = ANY (%(tables)s) ORDER BY 1, 2
"""
_OUR_POLICIES: Final = frozenset(
    {"owner_all", "loader_select", "loader_update", "loader_insert", "served_tenant", "guard_select",
     "guard_insert", "guard_delete", "adopted_access", "adopted_reading"}
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Roles:
    """Roles by what they are to the tables."""

    login: str
    is_superuser: bool
    #: of tables or schema, but for superusers and ours
    owners: tuple[str, ...]
    #: table → roles with rights on it
    grantees: dict[str, tuple[str, ...]]
    #: tables whose rows policies of the CRM's own choose already
    secured: frozenset[str]
    #: pg_read_all_data, pg_write_all_data, where they have members
    predefined: tuple[str, ...]

    @property
    def named(self) -> tuple[str, ...]:
        """Every role that keeps what it could do."""
        users = {role for roles in self.grantees.values() for role in roles}
        return tuple(sorted({*self.owners, *users, *self.predefined}))


def read_roles(conn: Connection[Any]) -> Roles:
    """Who is there."""
    asked = {"tables": list(TABLES), "ours": list(OURS)}
    login = conn.execute(
        "SELECT rolname, rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user"
    ).fetchone()
    assert login is not None
    grantees: dict[str, list[str]] = {}
    for table, role in conn.execute(_GRANTEES, asked):
        grantees.setdefault(table, []).append(role or "public")
    secured = conn.execute(
        "SELECT relname FROM pg_catalog.pg_class WHERE relnamespace = 'crm'::pg_catalog.regnamespace"
        " AND relname = ANY (%(tables)s) AND relrowsecurity",
        asked,
    ).fetchall()
    return Roles(
        login=login[0],
        is_superuser=login[1],
        owners=tuple(
            role
            for role, is_superuser, _ in conn.execute(_OWNERS, asked)
            if not is_superuser and role not in OURS
        ),
        grantees={table: tuple(roles) for table, roles in grantees.items()},
        secured=frozenset(table for (table,) in secured),
        predefined=tuple(role for (role,) in conn.execute(_PREDEFINED)),
    )


def role_problems(conn: Connection[Any], roles: Roles) -> Iterator[Problem]:
    """What about owners, grants, policies and names of schemas does not fit."""
    asked = {"tables": list(TABLES)}
    if not roles.is_superuser:
        for role, _, is_member in conn.execute(_OWNERS, asked).fetchall():
            if not is_member:
                yield Problem(
                    code="not_the_owner",
                    field="DEMO_DATABASE_URL",
                    message="a superuser or the owner of the tables is needed, and "
                    f"{roles.login} is no member of {role}: name another login, "
                    f"or GRANT {role} TO {roles.login}",
                )
    for table, users in roles.grantees.items():
        if "public" in users:
            yield Problem(
                code="granted_to_public",
                field=f"crm.{table}",
                message="PUBLIC has rights on it, which the roles of demo tenants would have, too: "
                f"grant them to the roles that need them, then REVOKE ALL ON crm.{table} FROM PUBLIC",
            )
    for table, name, is_public in conn.execute(_POLICIES, asked).fetchall():
        if name in _OUR_POLICIES:
            yield Problem(
                code="name_taken",
                field=f"crm.{table}.{name}",
                message="the name is that of a policy of ours: "
                f"ALTER POLICY {name} ON crm.{table} RENAME TO ...",
            )
        if is_public:
            yield Problem(
                code="policy_for_public",
                field=f"crm.{table}.{name}",
                message="the policy holds for every role, and would let those of demo tenants in: "
                f"ALTER POLICY {name} ON crm.{table} TO the roles that need it",
            )
    for schema in ("demo", "crm_app"):
        owner = conn.execute(
            "SELECT nspowner::pg_catalog.regrole::text FROM pg_catalog.pg_namespace WHERE nspname = %s",
            [schema],
        ).fetchone()
        if owner is not None and owner[0] != "demo_owner":
            yield Problem(
                code="name_taken",
                field=schema,
                message=f"there is a schema {schema} already, of {owner[0]}: "
                f"ALTER SCHEMA {schema} RENAME TO ...",
            )
