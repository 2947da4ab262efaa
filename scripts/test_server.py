"""``make test-server``: a PostgreSQL for tests that stays between runs.

    python -m scripts.test_server start|stop

Test runs use it if it runs. Its data are in memory where there is room, and without durability. Its migrated
templates are made again when the code of ``domain`` or ``storage`` changes.
"""

from __future__ import annotations

import argparse
import time

from tests.fixtures.postgres import start_template_server, stop_template_server, template_server_folder


def main() -> None:
    """Start or stop the server."""
    parser = argparse.ArgumentParser(description="The PostgreSQL for tests that stays between runs.")
    parser.add_argument("action", choices=["start", "stop"])
    if parser.parse_args().action == "stop":
        print("stopped" if stop_template_server() else "does not run")
        return
    started_at = time.monotonic()
    start_template_server()
    print(
        f"runs in {template_server_folder()} ({time.monotonic() - started_at:.1f} s); make test-server-stop"
    )


if __name__ == "__main__":
    main()
