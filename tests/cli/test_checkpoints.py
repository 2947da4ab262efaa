"""``checkpoint``, ``checkpoints`` and ``rewind`` as a person types them."""

from __future__ import annotations

import json

import psycopg

from tests.fixtures.cli import RunCommand


def test_a_demo_from_checkpoint_to_rewind(
    quick_command: RunCommand, kranz: str, admin_conn: psycopg.Connection
) -> None:
    """Taken, listed, compared without a change, gone back to, undone; every answer also as one document."""
    before = quick_command("digest", kranz).out
    assert quick_command("checkpoints", kranz).out == ""
    taken = quick_command("checkpoint", kranz, "before-demo")
    assert taken.out.startswith(f"{kranz}: checkpoint before-demo has ")
    assert f"rewind {kranz} before-demo shows what has changed since" in taken.err
    [listed] = json.loads(quick_command("checkpoints", kranz, "--json").out)["checkpoints"]
    assert (listed["name"], listed["is_automatic"]) == ("before-demo", False)
    assert listed["digest"] == before.strip()
    assert "before-demo  named" in quick_command("checkpoints", kranz).out
    nothing = quick_command("rewind", kranz, "before-demo")
    assert (nothing.code, nothing.out) == (0, f"{kranz}: nothing has changed since checkpoint before-demo\n")

    admin_conn.execute("update crm.contacts set first_name = 'Zoe' where status = 'lead'")
    admin_conn.execute("delete from crm.contact_tags")
    admin_conn.execute(
        "insert into crm.companies (tenant_id, name) select id, 'Visitors' from crm.tenants where slug = %s",
        [kranz],
    )
    shown = quick_command("rewind", kranz, "before-demo")
    assert shown.code == 0
    assert "as they were  put back  hidden  deleted" in shown.out
    assert "companies_created" in shown.out
    assert "nothing was done yet: the same command with --yes does it" in shown.err
    assert quick_command("digest", kranz).out != before
    document = json.loads(quick_command("rewind", kranz, "before-demo", "--json").out)
    assert document["done"] is False
    assert document["rows"]["hidden"] == {"companies": 1}
    assert document["rows"]["inserted"]["contact_tags"] > 0
    assert len(document["months"]) == 1

    done = quick_command("rewind", kranz, "before-demo", "--yes")
    assert done.code == 0
    assert "1 company soft-deleted" in done.out
    assert "takes it back" in done.err
    assert quick_command("digest", kranz).out == before
    assert quick_command("verify", kranz).code == 0
    undone = quick_command("job", "undo", "--last", kranz)
    assert (undone.code, "taking back rewind" in undone.err) == (0, True)
    again = json.loads(quick_command("rewind", kranz, "before-demo", "--yes", "--json").out)
    assert (again["done"], again["rows"]["hidden"]) == (True, {"companies": 1})
    assert quick_command("digest", kranz).out == before


def test_what_cannot_be_is_refused_with_what_to_do(quick_command: RunCommand, kranz: str) -> None:
    """Exit 2 with the name in the message; a second one of a name needs --replace; --delete deletes it."""
    for words, message in (
        (("checkpoint", kranz, "Before"), "'Before' is no name of a checkpoint"),
        (("rewind", kranz, "nothing"), "has no checkpoint 'nothing'"),
        (("checkpoint", kranz, "x", "--delete"), "has no checkpoint 'x'"),
        (("checkpoint", kranz, "x", "--delete", "--replace"), "exclude each other"),
        (("checkpoints", "nobody"), "there is no tenant 'nobody'"),
    ):
        done = quick_command(*words)
        assert (done.code, message in done.err) == (2, True), done.err
    assert quick_command("checkpoint", kranz, "a").code == 0
    assert "--replace takes it anew" in quick_command("checkpoint", kranz, "a").err
    document = json.loads(quick_command("checkpoint", kranz, "a", "--replace", "--json").out)
    assert (document["tenant"], document["name"]) == (kranz, "a")
    assert quick_command("checkpoint", kranz, "a", "--delete").out == f"{kranz}: checkpoint a is deleted\n"
    error = json.loads(quick_command("rewind", kranz, "a", "--json").out)["error"]
    assert error["code"] == "not_found"
