"""Engines and a state folder of the bench's own. Import it before anything of Django."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from emm import engines, environment
from tests.ports import free_port

for name in environment.BY_NAME:
    os.environ.pop(name, None)
STATE = Path(tempfile.mkdtemp(prefix="emm-bench-"))
PORT = free_port()  # the sandbox listens on the next one, as the settings say
os.environ |= {
    "EMM_STATE_DIR": str(STATE),
    "PORT": str(PORT),
    "LOG_LEVEL": "ERROR",
    "POLLING_INTERVAL_SECONDS": "1",
    "UNDO_SECONDS": "0",
    "BUDGET_DAY_USD": "1000",
    "BUDGET_MONTH_USD": "1000",
    "NOTION_REQUESTS_PER_MINUTE": os.environ.get("BENCH_REQUESTS_PER_MINUTE", "100000"),
    "NOTION_BURST": os.environ.get("BENCH_BURST", "50000"),
    "DJANGO_SETTINGS_MODULE": "emm.settings",
    "PYTHONWARNINGS": "ignore",
}
engines.ENV_FILE = os.devnull
engines.start()
