"""Rights on a CRM: who owns and uses its tables, what the login may do, and what PUBLIC may do.

Nobody may be locked out when row security begins. What PUBLIC may read or call in the schema, the roles of
demo tenants could read and call as well, past row security. Reads the catalogue and changes nothing.
Granting access is ``adoption``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from psycopg import Connection

from demo_pipeline.storage.adoption.remedies import Misfit, Phase, Statement, free_name, misfit, quoted
from demo_pipeline.storage.adoption.shape import TABLES
from demo_pipeline.storage.schema.revisions import known_revisions, plan_upgrade

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
#: Tables and schema of an owner, as ALTER names them.
_OWNED: Final = """
SELECT 'TABLE', c.oid::pg_catalog.regclass::text FROM pg_catalog.pg_class c
WHERE c.relnamespace = 'crm'::pg_catalog.regnamespace AND c.relname = ANY (%(tables)s) AND c.relkind = 'r'
    AND c.relowner = %(owner)s::pg_catalog.regrole
UNION ALL
SELECT 'SCHEMA', 'crm' FROM pg_catalog.pg_namespace
WHERE nspname = 'crm' AND nspowner = %(owner)s::pg_catalog.regrole
"""
_UNREADABLE: Final = """
SELECT FROM pg_catalog.pg_class c
WHERE c.relnamespace = 'crm'::pg_catalog.regnamespace AND c.relname = %s AND c.relkind = 'r'
    AND pg_catalog.pg_has_role(c.relowner, 'USAGE')
    AND NOT pg_catalog.has_table_privilege(c.oid, 'SELECT')
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
_USUAL_OWNER: Final = """
SELECT x.owner::pg_catalog.regrole::text FROM (
    SELECT relowner AS owner, 1 AS weight FROM pg_catalog.pg_class
    WHERE relnamespace = 'crm'::pg_catalog.regnamespace AND relname = ANY (%(tables)s) AND relkind = 'r'
    UNION ALL SELECT nspowner, 0 FROM pg_catalog.pg_namespace WHERE nspname = 'crm'
) x GROUP BY x.owner ORDER BY sum(x.weight) DESC, 1 LIMIT 1
"""
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
#: An implicit role: its only member is the owner of the database, and it can be in no other role.
DATABASE_OWNER: Final = "pg_database_owner"
_SERVER_WITH_FINER_GRANTS: Final = 160_000


@dataclass(frozen=True, kw_only=True)
class Roles:
    """Roles by what they are to the tables."""

    login: str
    is_superuser: bool
    #: of tables or schema, but for superusers and ours; the database's owner instead of pg_database_owner
    owners: tuple[str, ...]
    #: of these, those that are not yet what demo_owner is
    new_members: tuple[str, ...]
    #: of most of the tables; who is to own a table that is missing
    usual_owner: str
    #: table → roles with rights on it
    grantees: dict[str, tuple[str, ...]]
    #: tables whose rows policies of the CRM's own choose already
    secured: frozenset[str]
    #: pg_read_all_data, pg_write_all_data, where they have members
    predefined: tuple[str, ...]

    @property
    def users(self) -> tuple[str, ...]:
        """Owners, and every role with rights on a table."""
        granted = {role for roles in self.grantees.values() for role in roles if role != "public"}
        return tuple(sorted({*self.owners, *granted}))

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
    owners = tuple(sorted({role for role, is_superuser in _owners(conn, asked) if not is_superuser}))
    usual = conn.execute(_USUAL_OWNER, asked).fetchone()
    return Roles(
        login=login[0],
        is_superuser=login[1],
        owners=owners,
        new_members=tuple(role for role in owners if role != login[0] and not _is_owner_member(conn, role)),
        usual_owner=usual[0] if usual is not None and usual[0] != DATABASE_OWNER else login[0],
        grantees={table: tuple(roles) for table, roles in grantees.items()},
        secured=frozenset(table for (table,) in secured),
        predefined=tuple(role for (role,) in conn.execute(_PREDEFINED)),
    )


def may_read(conn: Connection[Any]) -> bool:
    """Whether the login reaches the tables, and may make the temporary ones that they are compared with."""
    row = conn.execute(
        "SELECT pg_catalog.has_schema_privilege('crm', 'USAGE') AND"
        " pg_catalog.has_database_privilege(pg_catalog.current_database(), 'TEMPORARY')"
    ).fetchone()
    return row == (True,)


def _owners(conn: Connection[Any], asked: dict[str, Any]) -> Iterator[tuple[str, bool]]:
    """Owners that are roles of the CRM, and whether they are superusers."""
    for role, is_superuser, _ in conn.execute(_OWNERS, asked).fetchall():
        if role == DATABASE_OWNER:
            found = conn.execute(
                "SELECT r.rolname, r.rolsuper FROM pg_catalog.pg_database d"
                " JOIN pg_catalog.pg_roles r ON r.oid = d.datdba"
                " WHERE d.datname = pg_catalog.current_database()"
            ).fetchone()
            assert found is not None
            yield found
        elif role not in OURS:
            yield role, is_superuser


def _role_exists(conn: Connection[Any], role: str) -> bool:
    return conn.execute("SELECT FROM pg_catalog.pg_roles WHERE rolname = %s", [role]).fetchone() is not None


def _is(conn: Connection[Any], member: str, role: str, how: str) -> bool:
    row = conn.execute("SELECT pg_catalog.pg_has_role(%s, %s, %s)", [member, role, how]).fetchone()
    return row == (True,)


def _is_owner_member(conn: Connection[Any], role: str) -> bool:
    return _role_exists(conn, "demo_owner") and _is(conn, role, "demo_owner", "USAGE")


def granted(conn: Connection[Any], role: str, member: str, *, inherits: bool = True) -> str:
    """The statement that makes ``member`` what ``role`` is, whatever the roles' own attributes."""
    options = f" WITH INHERIT {'TRUE' if inherits else 'FALSE'}, SET TRUE"
    finer = conn.info.server_version >= _SERVER_WITH_FINER_GRANTS
    return f"GRANT {quoted(role)} TO {quoted(member)}{options if finer else ''}"


# -- what does not fit -----------------------------------------------------------------------------------


def role_misfits(conn: Connection[Any], roles: Roles) -> Iterator[Misfit]:
    """What about the login, owners, reserved roles, policies and schemas does not fit."""
    if not roles.is_superuser:
        yield from _owner_misfits(conn, roles)
        yield from _login_misfits(conn, roles)
        yield from _database_misfits(conn, roles)
    yield from _reserved_misfits(conn)
    schemas = [name for (name,) in conn.execute("SELECT nspname FROM pg_catalog.pg_namespace").fetchall()]
    for schema in ("demo", "crm_app"):
        owner = conn.execute(
            "SELECT nspowner::pg_catalog.regrole::text FROM pg_catalog.pg_namespace WHERE nspname = %s",
            [schema],
        ).fetchone()
        if owner is not None and owner[0] != "demo_owner":
            yield misfit(
                "name_taken",
                schema,
                f"the name is needed, and a schema of {owner[0]} has it: rename that one",
                Statement(Phase.NAMES, f"ALTER SCHEMA {schema} RENAME TO {free_name(schema, schemas)}"),
            )


def _owner_misfits(conn: Connection[Any], roles: Roles) -> Iterator[Misfit]:
    for owner, is_superuser, is_member in conn.execute(_OWNERS, {"tables": list(TABLES)}).fetchall():
        if is_member:
            continue
        if is_superuser or owner == DATABASE_OWNER:
            # Nobody is made a superuser for this, and nobody can be granted pg_database_owner.
            statements = [
                Statement(Phase.RIGHTS, f"ALTER {kind} {name} OWNER TO {quoted(roles.login)}")
                for kind, name in conn.execute(_OWNED, {"tables": list(TABLES), "owner": owner}).fetchall()
            ]
        else:
            statements = [Statement(Phase.RIGHTS, granted(conn, owner, roles.login))]
        yield misfit(
            "not_the_owner",
            "DEMO_DATABASE_URL",
            f"it must name a superuser or the owner, and {roles.login} is not a member of {owner}: name "
            "another login, or run the script as a superuser",
            *statements,
        )


def _no_rights(message: str, statement: str) -> Misfit:
    """A right that the login lacks, with the statement that grants it."""
    return misfit("no_rights", "DEMO_DATABASE_URL", message, Statement(Phase.RIGHTS, statement))


def _login_misfits(conn: Connection[Any], roles: Roles) -> Iterator[Misfit]:
    finer = conn.info.server_version >= _SERVER_WITH_FINER_GRANTS
    found = conn.execute(
        "SELECT rolcreaterole FROM pg_catalog.pg_roles WHERE rolname = %s", [roles.login]
    ).fetchone()
    creates_roles = found == (True,)
    missing = [role for role in OURS if not _role_exists(conn, role)]
    if missing and not creates_roles:
        yield _no_rights(
            f"{roles.login} may not make the roles {', '.join(missing)}: run the script as a superuser",
            f"ALTER ROLE {quoted(roles.login)} CREATEROLE",
        )
    for role in OURS:
        if role in missing:
            continue
        may_grant = _is(conn, roles.login, role, "MEMBER WITH ADMIN OPTION") or (creates_roles and not finer)
        needed = ["SET" if finer else "MEMBER", *(["USAGE"] if role == "demo_owner" else [])]
        if not may_grant and not all(_is(conn, roles.login, role, how) for how in needed):
            yield _no_rights(
                f"{roles.login} is not a member of {role} and may not grant it: run the script as a "
                "superuser",
                granted(conn, role, roles.login, inherits=role == "demo_owner"),
            )
        if role == "demo_owner" and not may_grant:
            for member in roles.new_members:
                yield _no_rights(
                    f"{member} owns tables and becomes a member of demo_owner, and {roles.login} may not "
                    "grant that: run the script as a superuser",
                    granted(conn, role, member),
                )
    for table in TABLES:
        if conn.execute(_UNREADABLE, [table]).fetchone() is not None:
            yield misfit(
                "no_rights",
                f"crm.{table}",
                f"{roles.login} may not read the rows, which must be checked",
                Statement(Phase.RIGHTS, f"GRANT SELECT ON crm.{table} TO {quoted(roles.login)}"),
            )


def _database_misfits(conn: Connection[Any], roles: Roles) -> Iterator[Misfit]:
    row = conn.execute(
        "SELECT pg_catalog.quote_ident(pg_catalog.current_database()),"
        " pg_catalog.has_database_privilege(current_user, pg_catalog.current_database(), 'CREATE'),"
        " pg_catalog.has_database_privilege(current_user, pg_catalog.current_database(),"
        " 'CONNECT WITH GRANT OPTION'),"
        " pg_catalog.has_database_privilege(current_user, pg_catalog.current_database(),"
        " 'TEMPORARY WITH GRANT OPTION'),"
        " pg_catalog.has_database_privilege(pg_catalog.current_database(), 'TEMPORARY')"
    ).fetchone()
    assert row is not None
    database, may_create, *may_grant, is_temporary = row
    login = quoted(roles.login)
    if not is_temporary:
        yield _no_rights(
            f"{roles.login} may not make temporary tables, which the tables are compared with: run the "
            "script as the database's owner",
            f"GRANT TEMPORARY ON DATABASE {database} TO {login}",
        )
    if not may_create:
        yield _no_rights(
            f"{roles.login} may not make schemas in the database: run the script as the database's owner",
            f"GRANT CREATE ON DATABASE {database} TO {login}",
        )
    lacking: list[str] = []
    for privilege, is_grantable, needing in (
        ("CONNECT", may_grant[0], ("demo_loader", "crm_reader")),
        ("TEMPORARY", may_grant[1], ("demo_loader",)),
    ):
        has = [
            conn.execute(
                "SELECT pg_catalog.has_database_privilege(%s, pg_catalog.current_database(), %s)",
                # What a new role has is what PUBLIC has.
                [role if _role_exists(conn, role) else "public", privilege],
            ).fetchone()
            == (True,)
            for role in needing
        ]
        if not all(has) and not is_grantable:
            lacking.append(privilege)
    if lacking:
        yield _no_rights(
            f"demo_loader and crm_reader need {' and '.join(lacking)} on the database, and {roles.login} may "
            "not grant it: run the script as the database's owner",
            f"GRANT {', '.join(lacking)} ON DATABASE {database} TO {login} WITH GRANT OPTION",
        )


def _reserved_misfits(conn: Connection[Any]) -> Iterator[Misfit]:
    """Roles with our names that can do more than ours may."""
    asked = {"ours": list(OURS)}
    for (role,) in conn.execute(
        "SELECT rolname FROM pg_catalog.pg_roles WHERE rolname = ANY (%(ours)s)"
        " AND (rolsuper OR rolbypassrls) ORDER BY 1",
        asked,
    ).fetchall():
        yield misfit(
            "name_taken",
            role,
            "a role of that name can read every tenant: run the script as a superuser",
            Statement(Phase.RIGHTS, f"ALTER ROLE {role} NOSUPERUSER NOBYPASSRLS"),
        )
    for member, role in conn.execute(
        "SELECT m.member::pg_catalog.regrole::text, m.roleid::pg_catalog.regrole::text"
        " FROM pg_catalog.pg_auth_members m"
        " JOIN pg_catalog.pg_roles r ON r.oid = m.member JOIN pg_catalog.pg_roles g ON g.oid = m.roleid"
        " WHERE r.rolname = ANY (%(ours)s) AND NOT g.rolname = ANY (%(ours)s) ORDER BY 1, 2",
        asked,
    ).fetchall():
        yield misfit(
            "name_taken",
            member,
            f"a role of that name is a member of {role}, and would have its rights: run the script as a "
            "superuser",
            Statement(Phase.RIGHTS, f"REVOKE {role} FROM {member}"),
        )


# -- PUBLIC ------------------------------------------------------------------------------------------------


def public_misfits(conn: Connection[Any], roles: Roles) -> Iterator[Misfit]:
    """Rights of PUBLIC, each with its REVOKE; the CRM's own roles are granted them first.

    Needs ``search_path = pg_catalog``.
    """
    schema = conn.execute(_SCHEMA).fetchone()
    if schema is not None:
        yield _public_misfit("crm", schema[0], "SCHEMA crm", _others(roles, schema[1]))
    for name, kind, privileges, owner in conn.execute(_RELATIONS, {"tables": list(TABLES)}).fetchall():
        yield _public_misfit(name, privileges, f"{kind} {name}", _others(roles, owner))
    for name, owner in conn.execute(_FUNCTIONS).fetchall():
        yield _public_misfit(name, ["EXECUTE"], f"ROUTINE {name}", _others(roles, owner))


def _others(roles: Roles, owner: str) -> list[str]:
    """The CRM's own roles but for the owner, quoted; the owner needs no grant."""
    return [name for name in map(quoted, roles.users) if name != owner]


def _public_misfit(place: str, privileges: Sequence[str], target: str, users: Sequence[str]) -> Misfit:
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
    """Policies for PUBLIC, and those with names that the revisions need."""
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
    found = _POLICY.findall(plan_upgrade(None, known_revisions()[-1]).script())
    return frozenset(found) | _ADDED_POLICIES


def _users_of(roles: Roles, table: str) -> tuple[str, ...]:
    granted = [role for role in roles.grantees.get(table, ()) if role != "public"]
    return tuple(dict.fromkeys([*granted, *roles.owners])) or (roles.login,)
