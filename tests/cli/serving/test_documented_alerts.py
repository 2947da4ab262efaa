"""The commands of the page about alerts work as it shows them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path

import psycopg
import pytest

from tests.cli.test_documented_commands import blocks, page_text, run_block
from tests.fixtures.cli import BIN, clean_environment
from tests.fixtures.dagster_web import free_port
from tests.fixtures.embedded_server import wait_until
from tests.fixtures.receivers import MailBox, WebHook


@pytest.mark.long
def test_the_commands_of_alerts_work(
    kranz: str,
    dagster_database_env: dict[str, str],
    admin_conn: psycopg.Connection,
    web_hook: WebHook,
    mail_box: MailBox,
    tmp_path: Path,
) -> None:
    """As the page shows them, to receivers of this machine: a test, and the alert of a plan applied twice."""
    health, set_up = blocks("alerts.md")
    for shown, receiver in {"slack://[^ ]+": web_hook, 'mailtos://[^" ]+': mail_box}.items():
        set_up, count = re.subn(shown, receiver.url, set_up)
        assert count == 1
    *first, last = set_up.splitlines()
    assert last == "demo-pipeline serve"
    environment = clean_environment(dagster_database_env)

    sent = run_block("\n".join(first), tmp_path, environment)
    assert sent.splitlines() == ["json (1 of 2): delivered", "mailto (2 of 2): delivered"]
    assert (len(web_hook.received()), len(mail_box.mails)) == (1, 1)

    (tmp_path / "plan.csv").write_text("month,contacts_created\n2025-02,3\n", encoding="utf-8")
    run_block(f"demo-pipeline patch apply {kranz} plan.csv\n" * 2, tmp_path, environment)
    port = free_port()
    serving = subprocess.Popen(
        ["bash", "-euc", "\n".join([*first, f"exec {BIN / 'demo-pipeline'} serve --port {port}"])],
        cwd=tmp_path,
        env={**environment, "PATH": os.pathsep.join([str(BIN), os.environ["PATH"]])},
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_until(lambda: len(mail_box.mails) == 3 and len(web_hook.messages) == 2, 200)
    finally:
        serving.send_signal(signal.SIGINT)
        serving.wait(timeout=60)
    assert "was requested twice" in web_hook.messages[-1]["message"]

    # What is wrong is exit code 4; the page shows a day on which nothing is.
    printed = run_block(f"{health.splitlines()[0].removeprefix('$ ')} || test $? = 4", tmp_path, environment)
    for line in health.splitlines()[1:7]:
        assert line.split("  ")[0] in printed
    for command in re.findall(r"`(demo-pipeline [a-z]+[^`]*)`", page_text("alerts.md")):
        if command not in {"demo-pipeline health", "demo-pipeline serve"} and " ID" not in command:
            run_block(command.replace("SLUG", kranz), tmp_path, environment)
    (statement,) = re.findall(r"```sql\n(.*?)```", page_text("alerts.md"), re.DOTALL)
    assert len(admin_conn.execute(statement).fetchall()) == 5
