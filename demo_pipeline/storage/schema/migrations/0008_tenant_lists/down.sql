-- back to 0007: lists stay in the plans that have them, unchecked

set local lock_timeout = '5s';
set local statement_timeout = '300s';

drop trigger tenant_metadata_lists on demo.tenant_metadata;
drop function demo.refuse_unreadable_lists;
drop function demo.list_problems;
