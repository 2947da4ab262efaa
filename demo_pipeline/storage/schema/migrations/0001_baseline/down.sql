-- squawk-ignore-file ban-drop-schema, ban-drop-function, ban-drop-view, ban-drop-table
--   a downgrade to nothing drops everything, and is refused while rows would be lost
--
-- Back to nothing: drops every object of this revision with its rows. Roles stay: they belong to the server.
-- demo.alembic_version stays: the version is written after this file.

set local lock_timeout = '5s';
set local statement_timeout = '300s';

set local role demo_owner;
drop schema crm_app cascade;
drop view demo.kpi_monthly, demo.jobs;
drop schema crm cascade;
drop table demo.edited_rows, demo.requests, demo.job_months;
drop function
    demo.tenant_lock_key, demo.current_claim, demo.claimed_jobs, demo.lock_tenant, demo.provision_tenant,
    demo.register_job, demo.begin_job, demo.claim_job, demo.finish_job, demo.mark_undone, demo.fail_job,
    demo.report_progress, demo.audit, demo.admit_request, demo.delete_tenant, demo.find_tenant,
    demo.tenant_state, demo.schema_revision, demo.restore_loader_policies, demo.row_count, demo.is_whole,
    demo.is_text, demo.is_month, demo.is_instant, demo.figures_problems, demo.plan_problems,
    demo.minor_digits, demo.job_problems;
drop table demo.audit_log, demo.job_attempts, demo.job_progress, demo.job_ledger, demo.tenant_months,
    demo.tenant_metadata;
drop function demo.refuse_audit_change, demo.keep_provenance, demo.refuse_open_claim, demo.record_edit,
    demo.forget_edits, demo.refuse_unreadable_tenant, demo.refuse_unreadable_month,
    demo.refuse_unreadable_job;
revoke all on schema demo from demo_guard, demo_loader;
revoke all on demo.alembic_version from demo_guard;

set local role none;
do $database$
begin
    execute format('revoke connect, temporary on database %I from demo_loader, crm_reader', current_database());
end
$database$;
set local role demo_owner;
