"""While a release rolls out, and after a rollback, the code of the release before runs on this release's schema."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from io import BytesIO
from pathlib import Path

import psycopg
import pytest
from django.conf import settings
from django.db import connection
from psycopg import sql

pytestmark = pytest.mark.faults
RELEASED = "71724ed01460360ef460d9f9acc39258d3751208"
STORIES = [
    "tests/test_journey.py",
    "tests/analysis/test_settlement.py",
    "tests/analysis/test_thinking_journey.py",
    "tests/notion_sync/test_outbox.py",
]
# Tests that empty all tables when they end know nothing of the new ones: they are left out.
DATABASE = "test_before_gw3"  # what the tests of the release before call theirs


def archived(clone: Path) -> subprocess.CompletedProcess[bytes]:
    """The release before as a tar archive. A shallow clone lacks it, and fetches that one commit."""
    packed = git(clone, "archive", RELEASED)
    if packed.returncode:
        fetched = git(clone, "fetch", "--quiet", "--depth", "1", "origin", RELEASED)
        assert fetched.returncode == 0, f"The release before can't be had in this clone: {fetched.stderr.decode()}"
        packed = git(clone, "archive", RELEASED)
    assert packed.returncode == 0, packed.stderr.decode()
    return packed


def git(clone: Path, *words: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["git", "-C", str(clone), *words], capture_output=True, check=False)


def test_a_shallow_clone_fetches_the_release_before(tmp_path: Path) -> None:
    if git(settings.BASE_DIR, "rev-parse", "--is-shallow-repository").stdout.strip() == b"true":
        pytest.skip("This clone is shallow itself: the test below fetches.")
    clone = tmp_path / "clone"
    words = ["git", "clone", "-q", "--depth", "1", f"file://{settings.BASE_DIR}", str(clone)]
    subprocess.run(words, check=True)
    assert git(clone, "cat-file", "-e", RELEASED).returncode != 0
    assert len(archived(clone).stdout) > 100_000


@pytest.fixture
def before(tmp_path: Path) -> Path:
    """The code of the release before, on the engines that run already."""
    packed = archived(settings.BASE_DIR)
    with tarfile.open(fileobj=BytesIO(packed.stdout)) as archive:
        archive.extractall(tmp_path, filter="data")
    (tmp_path / ".emm").symlink_to(settings.BASE_DIR / ".emm")
    return tmp_path


def test_the_release_before_runs_on_this_schema(before: Path) -> None:
    found = connection.settings_dict
    options = {name: found["OPTIONS"].get(name) for name in ("host", "port")}
    where = {**options, "dbname": "postgres", "user": found["USER"]}
    name = sql.Identifier(DATABASE)
    with psycopg.connect(**where, autocommit=True) as server:
        server.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(name))
        server.execute(sql.SQL("CREATE DATABASE {}").format(name))
    try:
        base, _, query = os.environ["DATABASE_URL"].partition("?")
        address = f"{base.rpartition('/')[0]}/{DATABASE}?{query}"
        ours = {**os.environ, "DATABASE_URL": address}
        subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], cwd=settings.BASE_DIR, env=ours, check=True)
        words = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "--reuse-db",
            "-k",
            "not two_workers",
            *STORIES,
        ]
        theirs = {**os.environ, "PYTEST_XDIST_TESTRUNUID": "before", "PYTEST_XDIST_WORKER": "gw3"}
        told = subprocess.run(words, cwd=before, env=theirs, capture_output=True, text=True, check=False)
        assert told.returncode == 0, told.stdout[-6_000:] + told.stderr[-2_000:]
    finally:
        with psycopg.connect(**where, autocommit=True) as server:
            server.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))
