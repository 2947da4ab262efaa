set local lock_timeout = '5s';
set local statement_timeout = '60s';

drop function demo.restore_loader_policies();
