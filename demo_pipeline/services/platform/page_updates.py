"""Shows jobs that ran outside Dagster on its asset pages, without making the caller wait.

Importing Dagster takes longer than most jobs. So a separate process does it: it is started after the commit
and outlives its parent. This module knows the name of that program (``defs.asset_pages.show_job``) and
nothing else of it. Its output goes to ``$DEMO_HOME/log/asset-pages.log``.
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
from demo_pipeline.settings import BUNDLED_FILES, Settings
from demo_pipeline.storage.connection.database import Database

LOG_NAME: Final = "asset-pages.log"
_PROGRAM: Final = "demo_pipeline.defs.asset_pages.show_job"


def show_on_asset_pages(
    settings: Settings, database: Database, job_ids: Sequence[UUID]
) -> subprocess.Popen[bytes] | None:
    """Start the process if there is an instance of Dagster; returns at once.

    Raises ``DemoError`` if it cannot be started.
    """
    if not job_ids or not (settings.dagster_home / INSTANCE_FILE).is_file():
        return None
    environment = {
        **os.environ,
        **prepare_instance(settings, database),
        "DEMO_DATABASE_URL": database.admin_url,
    }
    # By URL: a server that was stopped meanwhile must not be started again.
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
                cwd=BUNDLED_FILES,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                # Not ended by Ctrl-C or by the end of the terminal.
                start_new_session=True,
            )
    except OSError as error:
        raise DemoError(f"the asset pages will not show it: {error.strerror} ({log})") from None
