-- Databases and logins, once, when the server is made (docs/servers.md). psql runs it as the superuser and finds the
-- passwords in its environment.
\set ON_ERROR_STOP on
\getenv crm_admin_password CRM_ADMIN_PASSWORD
\getenv demo_job_password DEMO_JOB_PASSWORD
\getenv dagster_password DAGSTER_PASSWORD

-- Migrates and administers; owns its database and is no superuser.
CREATE ROLE crm_admin LOGIN CREATEROLE PASSWORD :'crm_admin_password';
CREATE DATABASE crm OWNER crm_admin ENCODING 'UTF8' TEMPLATE template0;

-- Runs the jobs: a member of demo_loader and of nothing else.
CREATE ROLE demo_loader NOLOGIN;
GRANT demo_loader TO crm_admin WITH ADMIN OPTION;
CREATE ROLE demo_job LOGIN PASSWORD :'demo_job_password' IN ROLE demo_loader;

CREATE ROLE dagster LOGIN PASSWORD :'dagster_password';
CREATE DATABASE dagster OWNER dagster ENCODING 'UTF8' TEMPLATE template0;
