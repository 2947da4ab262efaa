-- A way back for administrators: whoever holds a loader's password can type DROP OWNED BY demo_loader, which
-- takes the loader's policies away. That opens nothing, since what no policy allows is refused; but no job
-- can write or see a row any more until the policies are back.

set local lock_timeout = '5s';
set local statement_timeout = '300s';

create function demo.restore_loader_policies() returns void
    language plpgsql set search_path = pg_catalog, pg_temp set lock_timeout = '5s'
as $$
declare
    v_table text;
    -- One InitPlan per statement; as a plain call it would run for every row.
    v_tenant constant text := '(select c.tenant_id from demo.current_claim() c)';
begin
    execute 'drop policy if exists loader_select on crm.tenants';
    execute format('create policy loader_select on crm.tenants for select to demo_loader using (id = %s)',
                   v_tenant);
    foreach v_table in array array['users', 'pipeline_stages', 'tags', 'companies', 'contacts', 'contact_tags',
                                   'deals', 'activities'] loop
        execute format('drop policy if exists loader_select on crm.%I', v_table);
        execute format('drop policy if exists loader_update on crm.%I', v_table);
        execute format('drop policy if exists loader_insert on crm.%I', v_table);
        execute format('create policy loader_select on crm.%I for select to demo_loader'
                       ' using (tenant_id = %s)', v_table, v_tenant);
        execute format('create policy loader_update on crm.%I for update to demo_loader'
                       ' using (tenant_id = %2$s) with check (tenant_id = %2$s)', v_table, v_tenant);
        if v_table in ('companies', 'contacts', 'deals', 'activities') then
            execute format('create policy loader_insert on crm.%I for insert to demo_loader with check ('
                           'demo_generated and tenant_id = %s'
                           ' and demo_job_id = any ((select demo.claimed_jobs())::uuid[]))', v_table, v_tenant);
        else
            execute format('create policy loader_insert on crm.%I for insert to demo_loader'
                           ' with check (tenant_id = %s)', v_table, v_tenant);
        end if;
    end loop;
end
$$;
-- For its owner, who owns the tables too.
revoke all on function demo.restore_loader_policies from public;
