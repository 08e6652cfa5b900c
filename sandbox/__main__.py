"""`python -m sandbox [--host 127.0.0.1] [--port 8100] [--db PATH]`: serves the sandbox until it is stopped."""

import argparse
import os
import sys

import uvicorn

from sandbox.app import create_app


def main() -> None:
    """Reads the command line and serves. Refuses to start in production: exit code 1 and one line."""
    if os.environ.get("ENVIRONMENT", "").strip().lower() == "production":
        sys.exit("The sandbox stands in for Notion and Claude and does not start with ENVIRONMENT=production.")
    parser = argparse.ArgumentParser(prog="python -m sandbox", description="A local Notion workspace and Claude.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8100)
    parser.add_argument("--db", default=":memory:", help="SQLite file; the default keeps nothing")
    parser.add_argument("--address", help="where browsers find it (default: http://127.0.0.1:PORT)")
    options = parser.parse_args()
    app = create_app(options.db, options.address or f"http://127.0.0.1:{options.port}")
    uvicorn.run(
        app,
        host=options.host,
        port=options.port,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=5,
        timeout_keep_alive=60,  # longer than clients keep an idle connection: none is cut as it is used again
        date_header=False,  # Notion's part of it answers by Notion's clock
    )


if __name__ == "__main__":
    main()
