-- squawk-ignore-file ban-drop-constraint
--   nothing relies on what they guaranteed
--
-- Table constraints hold for everybody. These held for generated rows only, so a person met them in a demo
-- tenant and not in a customer's; what they said about our own writing is in the loader's policies now. The
-- key counted hidden rows: a tag that was removed could not be set again.

set local lock_timeout = '5s';
set local statement_timeout = '300s';

alter table crm.companies
    drop constraint if exists companies_provenance_check, drop constraint if exists companies_time_check;
alter table crm.contacts
    drop constraint if exists contacts_provenance_check, drop constraint if exists contacts_time_check;
alter table crm.deals
    drop constraint if exists deals_provenance_check, drop constraint if exists deals_time_check;
alter table crm.activities
    drop constraint if exists activities_provenance_check, drop constraint if exists activities_time_check;
alter table crm.contact_tags drop constraint if exists contact_tags_contact_tag_key;
