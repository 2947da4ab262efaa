"""Have Dagster's asset pages show jobs that ran outside it, without making anybody wait.

Importing Dagster takes longer than most jobs. So a process of its own does it, which is started after the
commit and outlives the one that asks; it is the code location's (``defs.asset_pages.show_job``), and this module
knows its name and nothing else of it. What it says is in ``$DEMO_HOME/log/asset-pages.log``.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from demo_pipeline.domain.core.errors import DemoError
from demo_pipeline.services.platform.instance import INSTANCE_FILE, prepare_instance
from demo_pipeline.settings import PROJECT_ROOT, Settings
from demo_pipeline.storage.connection.database import Database

LOG_NAME: Final = "asset-pages.log"
_PROGRAM: Final = "demo_pipeline.defs.asset_pages.show_job"


def show_on_asset_pages(
    settings: Settings, database: Database, job_ids: Sequence[UUID]
) -> subprocess.Popen[bytes] | None:
    """Start the process, where there is an instance of Dagster at all; nobody has to wait for it.

    Raises ``DemoError`` where it cannot be started.
    """
    if not job_ids or not (settings.dagster_home / INSTANCE_FILE).is_file():
        return None
    environment = {
        **os.environ,
        **prepare_instance(settings, database),
        "DEMO_DATABASE_URL": database.admin_url,
    }
    # By address: a server that was stopped since must not be started again for this.
    if database.loader_url is not None:
        environment["DEMO_LOADER_URL"] = database.loader_url
    log = settings.home / "log" / LOG_NAME
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            return subprocess.Popen(  # noqa: S603 - the arguments are ours
                [sys.executable, "-m", _PROGRAM, *map(str, job_ids)],
                env=environment,
                # The package is found from here, whatever folder the user is in.
                cwd=PROJECT_ROOT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                # Ctrl-C and the end of the terminal are not for it.
                start_new_session=True,
            )
    except OSError as error:
        raise DemoError(f"the asset pages will not show it: {error.strerror} ({log})") from None
