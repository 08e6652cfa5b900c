"""Which code runs here."""

from __future__ import annotations

import functools
import hashlib
import os
import re
import shutil
import subprocess

from django.conf import settings
from django.db import connection
from django.db.migrations.loader import MigrationLoader

FULL_HASH = re.compile(r"[0-9a-f]{40}")


def commit() -> str:
    """The full hash of the commit that runs: what the host says, else the image's file, else git. "": nobody knows."""
    said = os.environ.get("RAILWAY_GIT_COMMIT_SHA", "").strip().lower()
    return said if FULL_HASH.fullmatch(said) else _built()


@functools.cache
def _built() -> str:
    path = settings.BASE_DIR / "COMMIT"
    if path.is_file():
        found = path.read_text(encoding="utf-8").strip()
    elif git := shutil.which("git"):
        words = [git, "-C", str(settings.BASE_DIR), "rev-parse", "HEAD"]
        asked = subprocess.run(words, capture_output=True, text=True, timeout=10, check=False)  # noqa: S603  # fixed words
        found = asked.stdout.strip()
    else:
        found = ""
    return found if FULL_HASH.fullmatch(found) else ""


def schema_hash() -> str:
    """SHA-256 over the names of all migrations that this code has, in hex."""
    names = sorted(f"{app}.{name}" for app, name in MigrationLoader(connection).disk_migrations)
    return hashlib.sha256("\n".join(names).encode()).hexdigest()
