-- squawk-ignore-file require-concurrent-index-deletion
--   a downgrade has the tables for itself
--
-- back to 0005: checkpoints are lost, and with them the way back of rewinds; rows of tenants stay as they are

set local lock_timeout = '5s';
set local statement_timeout = '300s';

drop index crm.companies_deleted_idx, crm.contacts_deleted_idx, crm.contact_tags_deleted_idx,
    crm.deals_deleted_idx, crm.activities_deleted_idx;
drop trigger tenant_metadata_forget_checkpoints on demo.tenant_metadata;
drop function
    demo.rewind, demo.checkpoint_differences, demo.delete_checkpoint, demo.take_checkpoint, demo.store_state,
    demo.claimed_tenant, demo.drop_expired_checkpoints, demo.forget_checkpoints, demo.forget_stored,
    demo.crm_columns, demo.checkpoint_columns, demo.checkpoint_tables;
drop table demo.checkpoint_edits, demo.rewind_rows, demo.checkpoint_users, demo.checkpoint_pipeline_stages,
    demo.checkpoint_tags, demo.checkpoint_companies, demo.checkpoint_contacts, demo.checkpoint_contact_tags,
    demo.checkpoint_deals, demo.checkpoint_activities, demo.checkpoints;
do $policies$
declare
    v_table text;
begin
    execute 'drop policy guard_update on crm.tenants';
    foreach v_table in array array['users', 'pipeline_stages', 'tags', 'companies', 'contacts', 'contact_tags',
                                   'deals', 'activities'] loop
        execute format('drop policy guard_insert on crm.%I', v_table);
        execute format('drop policy guard_update on crm.%I', v_table);
        execute format('revoke insert, update on crm.%I from demo_guard', v_table);
    end loop;
end
$policies$;
revoke update (name, country, timezone, currency, industry, updated_at, deleted_at) on crm.tenants from demo_guard;
revoke delete on demo.tenant_months from demo_guard;
