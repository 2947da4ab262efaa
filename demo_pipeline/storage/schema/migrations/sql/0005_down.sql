-- squawk-ignore-file require-concurrent-index-deletion
--   concurrently it could end half-way, and leave an index that is none
--
-- Back to the schema without indexes by job.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

set local role demo_owner;
drop index crm.companies_job_idx, crm.contacts_job_idx, crm.deals_job_idx, crm.activities_job_idx;
reset role;
