-- back to 0006: what the last examination of a tenant found is lost; the next one finds it again

set local lock_timeout = '5s';
set local statement_timeout = '300s';

drop table demo.examinations;
