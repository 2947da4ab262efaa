-- back to 0002: incidents and what was sent about them are lost; the figures are views

set local lock_timeout = '5s';
set local statement_timeout = '300s';

drop table demo.incident_notices;
drop table demo.incidents;
drop view demo.watched_figures;
drop view demo.watched_events;
drop view demo.recent_attempts;
drop view demo.held_tenants;
