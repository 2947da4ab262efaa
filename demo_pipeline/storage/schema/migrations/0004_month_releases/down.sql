-- back to 0003: which months are released is lost; the audit log keeps who released them and why

set local lock_timeout = '5s';
set local statement_timeout = '300s';

drop view demo.released_months;
drop view demo.month_changes;
drop table demo.month_releases;
