"""The program that shows jobs on the asset pages which ran outside Dagster.

``python -m demo_pipeline.defs.patches.job_pages JOB...``: a run of ``show_job`` for each, in this process;
the environment names the instance and the databases. Exit 1, and a line that says why, where one could not be
shown.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from typing import Final

import dagster as dg

from demo_pipeline.defs.asset_pages.show_job import show_job
from demo_pipeline.defs.shared.resources import DemoTenants
from demo_pipeline.defs.shared.run_launcher import PROCESS_TAG, this_process
from demo_pipeline.domain.core.display import neutral
from demo_pipeline.storage.connection.masking import masked

_QUIET: Final = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def main(job_ids: Sequence[str]) -> int:
    """Show the jobs; the exit code."""
    with warnings.catch_warnings():
        # That partitioned checks are a preview is known.
        warnings.simplefilter("ignore")
        missing = [job_id for job_id in job_ids if not _is_shown(job_id)]
    return 1 if missing else 0


def _is_shown(job_id: str) -> bool:
    try:
        with dg.DagsterInstance.get() as instance:
            # Otherwise each event opens connections of its own.
            instance.optimize_for_webserver(statement_timeout=60_000, pool_recycle=3600, max_overflow=20)
            result = show_job.execute_in_process(
                instance=instance,
                resources={"demo": DemoTenants()},
                tags={PROCESS_TAG: this_process()},
                run_config={**_QUIET, "ops": {"show": {"config": {"job_id": job_id}}}},
                raise_on_error=False,
            )
            reason = f"run {result.run_id} failed; its page says why"
            is_shown = result.success
    except Exception as error:  # noqa: BLE001 - whatever it is, there is nobody but the log to be told
        first_line = next(iter(str(error).strip().splitlines()), "")
        is_shown, reason = False, neutral(masked(f"{type(error).__name__}: {first_line}"))
    if not is_shown:
        sys.stderr.write(f"job {job_id} is not shown on the asset pages: {reason}\n")
    return is_shown


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
