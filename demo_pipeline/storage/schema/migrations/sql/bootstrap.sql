-- What must be there before the first revision: the roles, this login's right to act as them, and
-- the schema that holds Alembic's version table. Run before every migration; changes nothing when
-- all of it is there. Roles belong to the whole server and are never dropped.

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

set role demo_owner;

create table if not exists demo.alembic_version (
    -- squawk-ignore prefer-text-field -- as Alembic itself makes it
    version_num varchar(32) constraint alembic_version_pkc primary key
);
