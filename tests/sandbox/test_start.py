"""The sandbox starts anywhere but in production."""

from __future__ import annotations

import os
import subprocess
import sys


def test_it_refuses_to_start_in_production() -> None:
    environment = {**os.environ, "ENVIRONMENT": "production"}
    ended = subprocess.run(
        [sys.executable, "-m", "sandbox", "--port", "0"], env=environment, capture_output=True, text=True, timeout=30
    )
    assert ended.returncode == 1
    assert ended.stderr.strip().count("\n") == 0
    assert "ENVIRONMENT=production" in ended.stderr
