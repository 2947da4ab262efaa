-- The function as it was in 0002.

set local lock_timeout = '5s';
set local statement_timeout = '60s';

grant create on schema demo to demo_guard;
set local role demo_guard;

-- Within the claim of an undo: its job took back another one (is_undone), or brought it back.
create or replace function demo.mark_undone(p_job uuid, p_other uuid, p_is_undone boolean) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_tenant uuid;
begin
    select c.tenant_id into v_tenant from demo.current_claim() c where c.job_id = p_job;
    if not found then
        raise exception 'job % is not claimed by this transaction', p_job using errcode = 'DP005';
    end if;
    if not exists (select from demo.job_ledger l where l.id = p_job and l.kind = 'undo') then
        raise exception 'job % is not an undo', p_job using errcode = 'DP005';
    end if;
    update demo.job_ledger l set undone_by = case when p_is_undone then p_job end
    where l.id = p_other and l.tenant_id = v_tenant and l.status = 'completed' and l.kind in ('patch', 'undo')
        and (l.undone_by is null) = p_is_undone;
    if not found then
        raise exception 'job % cannot be marked', p_other using errcode = 'DP005';
    end if;
end
$$;

set local role demo_owner;
revoke create on schema demo from demo_guard;
