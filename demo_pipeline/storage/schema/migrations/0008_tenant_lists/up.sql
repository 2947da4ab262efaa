-- A plan may have lists of a tenant's own: names, companies, products, stages, lines of stories and their topics.

set local lock_timeout = '5s';
set local statement_timeout = '300s';

grant create on schema demo to demo_guard;
set local role demo_guard;

-- What is wrong with the lists of a plan; null: it has none. Each row is a list of its values.
create function demo.list_problems(p_lists jsonb) returns text[]
    language sql immutable set search_path = pg_catalog, pg_temp
as $$
    select case
        when p_lists is null then '{}'
        when jsonb_typeof(p_lists) <> 'object' then array['lists is not an object']
        when length(p_lists::text) > 4000000 then array['lists has more than 4000000 characters']
        else coalesce((
            select array_agg(distinct 'lists.' || l.name || ' has a row that cannot be read')
            from jsonb_each(p_lists) as l (name, list)
            cross join lateral jsonb_array_elements(
                case jsonb_typeof(l.list) when 'array' then l.list else '[null]' end) as r (cells)
            where not coalesce(jsonb_typeof(r.cells) = 'array' and demo.is_text(r.cells -> 0, '.') and case
                when l.name in ('female', 'male', 'surnames')
                    then jsonb_array_length(r.cells) = 2 and demo.is_whole(r.cells -> 1, 1, 1000000)
                when l.name = 'companies'
                    then jsonb_array_length(r.cells) = 3
                         and (r.cells -> 1 = 'null' or demo.is_text(r.cells -> 1, '.'))
                         and (r.cells -> 2 = 'null' or demo.is_text(r.cells -> 2, '^[0-9]{1,5}[-+]'))
                when l.name = 'products'
                    then jsonb_array_length(r.cells) = 3
                         and demo.is_whole(r.cells -> 1, 1, 1000000000000000)
                         and (r.cells -> 2 = 'null' or demo.is_whole(r.cells -> 2, 1, 1000000000000000))
                when l.name = 'stages'
                    then jsonb_array_length(r.cells) = 4 and demo.is_text(r.cells -> 1, '^(open|won|lost)$')
                         and demo.is_whole(r.cells -> 2, 0, 100) and demo.is_whole(r.cells -> 3, 1, 1000000)
                when l.name = 'beats'
                    then jsonb_array_length(r.cells) = 3 and demo.is_text(r.cells -> 0, '^[a-z_]{1,40}$')
                         and demo.is_text(r.cells -> 1, '^[a-z_]{1,40}$') and demo.is_text(r.cells -> 2, '.')
                when l.name = 'topics'
                    then jsonb_array_length(r.cells) = 2 and demo.is_text(r.cells -> 0, '^[a-z][a-z_]*$')
                         and demo.is_text(r.cells -> 1, '.')
            end, false)), '{}')
    end
$$;

create function demo.refuse_unreadable_lists() returns trigger
    language plpgsql security definer set search_path = pg_catalog, pg_temp
    set enable_seqscan = off set plan_cache_mode = force_generic_plan
as $$
declare
    v_problems constant text[] := demo.list_problems(new.plan -> 'lists');
begin
    if cardinality(v_problems) > 0 then
        raise exception 'tenant % cannot be stored: %', new.slug, array_to_string(v_problems, '; ')
            using errcode = 'DP006';
    end if;
    return new;
end
$$;

revoke all on function demo.list_problems, demo.refuse_unreadable_lists from public;
-- To make the trigger.
grant execute on function demo.refuse_unreadable_lists to demo_owner;

set local role demo_owner;
revoke create on schema demo from demo_guard;
create trigger tenant_metadata_lists before insert or update of plan on demo.tenant_metadata
    for each row execute function demo.refuse_unreadable_lists();
