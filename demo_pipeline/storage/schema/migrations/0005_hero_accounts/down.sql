-- back to 0004: which accounts were selected is lost; the rows of these accounts stay

set local lock_timeout = '5s';
set local statement_timeout = '300s';

drop function demo.select_hero_accounts;
drop view demo.whole_hero_accounts;
drop table demo.hero_accounts;
