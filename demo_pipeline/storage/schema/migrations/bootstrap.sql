-- What must be there before the first revision: the roles, this login's right to act as them, what they need
-- of the database itself, and the schema that holds the version table. Executed before every migration;
-- changes nothing when all of it is there. Roles belong to the whole server and are never dropped.

set local lock_timeout = '5s';
set local statement_timeout = '60s';
set local client_min_messages = 'warning';

do $roles$
declare
    v_role text;
    v_finer_grants constant boolean := current_setting('server_version_num')::int >= 160000;
begin
    foreach v_role in array array['demo_owner', 'demo_guard', 'demo_loader', 'crm_reader', 'crm_views'] loop
        if not exists (select from pg_catalog.pg_roles where rolname = v_role) then
            begin
                execute format('create role %I nologin', v_role);
            exception
                -- A migration of another database on this server was faster.
                when duplicate_object or unique_violation then null;
            end;
        end if;
        -- The administrator is what demo_owner is; the other roles are only put on by SET ROLE.
        -- Before PostgreSQL 16 a membership cannot say so.
        if (select rolsuper from pg_catalog.pg_roles where rolname = session_user) then
            continue;
        elsif not v_finer_grants then
            if not pg_catalog.pg_has_role(session_user, v_role, 'MEMBER') then
                execute format('grant %I to %I', v_role, session_user);
            end if;
        elsif v_role = 'demo_owner' then
            if not (pg_catalog.pg_has_role(session_user, v_role, 'SET')
                    and pg_catalog.pg_has_role(session_user, v_role, 'USAGE')) then
                execute format('grant %I to %I with inherit true, set true', v_role, session_user);
            end if;
        elsif not pg_catalog.pg_has_role(session_user, v_role, 'SET') then
            execute format('grant %I to %I with inherit false, set true', v_role, session_user);
        end if;
    end loop;
    if not exists (select from pg_catalog.pg_namespace where nspname = 'demo') then
        execute 'create schema demo authorization demo_owner';
    end if;
end
$roles$;

-- Only where the defaults were revoked. Where the login may not grant it, the program says who can.
do $database$
declare
    v_database constant text := current_database();
begin
    if not has_database_privilege('demo_loader', v_database, 'CONNECT')
       or not has_database_privilege('demo_loader', v_database, 'TEMPORARY') then
        execute format('grant connect, temporary on database %I to demo_loader', v_database);
    end if;
    if not has_database_privilege('crm_reader', v_database, 'CONNECT') then
        execute format('grant connect on database %I to crm_reader', v_database);
    end if;
exception
    when insufficient_privilege then null;
end
$database$;

set role demo_owner;

create table if not exists demo.alembic_version (
    -- squawk-ignore prefer-text-field -- the type that existing databases have
    version_num varchar(32) constraint alembic_version_pkc primary key
);
