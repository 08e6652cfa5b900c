"""A pytest plugin that runs before Django's settings are read: the suite has engines and a state folder of its own."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import redis

from emm import engines, environment

STATE = Path(__file__).resolve().parent.parent / ".emm" / "test"

for name in environment.BY_NAME:
    os.environ.pop(name, None)  # what the shell says must not reach the tests
os.environ |= {
    "ENVIRONMENT": "development",
    "EMM_STATE_DIR": str(STATE),
    "SECRET_KEY": "only for tests: " + "0123456789" * 5,
    "LOG_LEVEL": "WARNING",
    "OUTBOX_QUARANTINE_SECONDS": "0",
    "UNDO_SECONDS": "0",
    "NOTION_REQUESTS_PER_MINUTE": "100000",
    "NOTION_BURST": "50000",
    "RATE_LIMIT_PER_MINUTE": "60",
    "XDG_RUNTIME_DIR": tempfile.gettempdir(),
}
engines.ENV_FILE = os.devnull  # nor what .env says
engines.start()
# A Valkey database for each worker, which an earlier run may have left full of nudges.
worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
os.environ["REDIS_URL"] = f"{os.environ['REDIS_URL'].removesuffix('/0')}/{1 + int(worker)}"
redis.Redis.from_url(os.environ["REDIS_URL"]).flushdb()
