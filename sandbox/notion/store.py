"""The workspace's SQLite database. One connection, used from the server's event loop only: no lock is needed."""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from sandbox.notion.ids import new_id
from sandbox.notion.rich_text import plain, written
from sandbox.notion.times import this_minute
from sandbox.notion.users import PERSON

ROOT_PAGE_ID = "d0000000-0000-4000-8000-000000000001"
ROOT_TITLE = "Executive Mind Matrix"

TABLES = """
CREATE TABLE IF NOT EXISTS databases (
    id TEXT PRIMARY KEY, parent_id TEXT NOT NULL, title TEXT NOT NULL, description TEXT NOT NULL, icon TEXT,
    is_inline INTEGER NOT NULL, created TEXT NOT NULL, edited TEXT NOT NULL, in_trash INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS data_sources (
    id TEXT PRIMARY KEY, database_id TEXT NOT NULL, title TEXT NOT NULL, description TEXT NOT NULL, icon TEXT,
    properties TEXT NOT NULL, next_number INTEGER NOT NULL DEFAULT 1, created TEXT NOT NULL, edited TEXT NOT NULL,
    created_by TEXT NOT NULL, edited_by TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS pages (
    n INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, source_id TEXT, parent_id TEXT,
    title TEXT NOT NULL, property_values TEXT NOT NULL, icon TEXT, created TEXT NOT NULL, edited TEXT NOT NULL,
    created_by TEXT NOT NULL, edited_by TEXT NOT NULL, in_trash INTEGER NOT NULL DEFAULT 0,
    listed_at REAL NOT NULL DEFAULT 0);
-- Queries sorted or bounded by a timestamp walk these.
CREATE INDEX IF NOT EXISTS pages_edited ON pages (source_id, in_trash, edited, n);
CREATE INDEX IF NOT EXISTS pages_created ON pages (source_id, in_trash, created, n);
CREATE TABLE IF NOT EXISTS links (
    n INTEGER PRIMARY KEY AUTOINCREMENT, page_id TEXT NOT NULL, property_id TEXT NOT NULL, target_id TEXT NOT NULL,
    UNIQUE (page_id, property_id, target_id));
CREATE TABLE IF NOT EXISTS blocks (
    id TEXT PRIMARY KEY, page_id TEXT NOT NULL, parent_id TEXT NOT NULL, position INTEGER NOT NULL, type TEXT NOT NULL,
    content TEXT NOT NULL, created TEXT NOT NULL, edited TEXT NOT NULL, created_by TEXT NOT NULL,
    edited_by TEXT NOT NULL, in_trash INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS blocks_parent ON blocks (parent_id, in_trash, position);
CREATE INDEX IF NOT EXISTS blocks_page ON blocks (page_id);
CREATE TABLE IF NOT EXISTS comments (
    n INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, parent_type TEXT NOT NULL, parent_id TEXT NOT NULL,
    discussion_id TEXT NOT NULL, rich_text TEXT NOT NULL, created TEXT NOT NULL, created_by TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS comments_parent ON comments (parent_id);
CREATE TABLE IF NOT EXISTS views (
    n INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, database_id TEXT NOT NULL, source_id TEXT NOT NULL,
    name TEXT NOT NULL, type TEXT NOT NULL, settings TEXT NOT NULL, created TEXT NOT NULL, created_by TEXT NOT NULL);
"""
EMPTY = (
    "DELETE FROM databases", "DELETE FROM data_sources", "DELETE FROM pages", "DELETE FROM links",
    "DELETE FROM blocks", "DELETE FROM comments", "DELETE FROM views",
)  # fmt: skip


class Workspace:
    """The stored workspace and the settings of its weather.

    `query_lag`: seconds until a page created from now on shows up in queries. `unshared`: ids of pages, databases
    and data sources that answer 404 with all that they hold. `archived`: ids of archived pages. `lacking`: capabilities
    that the integration was not given. `most_blocks`: how many blocks the plan allows for all time, None for any number.
    `address`: where a person's browser finds the web view.
    """

    def __init__(self, path: str, address: str = "http://127.0.0.1:8100") -> None:
        self.db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self.db.row_factory = sqlite3.Row
        # WAL with NORMAL survives the death of the process at any moment; only a power cut may cost the last commit.
        self.db.executescript(f"PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; {TABLES}")
        self.address = address
        self.unshared: set[str] = set()
        self.archived: set[str] = set()
        self.lacking: set[str] = set()
        self.clear_up()
        if self.row("SELECT 1 FROM pages WHERE id = ?", ROOT_PAGE_ID) is None:
            self.reset()

    def reset(self) -> None:
        """Leaves nothing but the empty root page."""
        self.clear_up()
        with self.transaction():
            for statement in EMPTY:
                self.db.execute(statement)
            values = {"title": written(ROOT_TITLE)}
            self.insert_page(ROOT_PAGE_ID, None, None, values, None, PERSON.id)

    def clear_up(self) -> None:
        """Fair weather: no lag, everything shared, nothing archived, all capabilities, a plan without limit."""
        self.query_lag = 0.0
        self.unshared.clear()
        self.archived.clear()
        self.lacking.clear()
        self.most_blocks: int | None = None

    def save(self) -> None:
        """Keeps the workspace as it is now, for `restore`; in memory, until the process ends."""
        self.saved = sqlite3.connect(":memory:", check_same_thread=False)
        self.db.backup(self.saved)

    def restore(self) -> None:
        """Brings back what `save` kept, and fair weather. Raises AttributeError where nothing was kept."""
        self.clear_up()
        self.saved.backup(self.db)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of the writes inside or, where it raises, none."""
        with self.db:
            self.db.execute("BEGIN IMMEDIATE")
            yield

    def row(self, sql: str, *values: Any) -> sqlite3.Row | None:
        """The first row, or None."""
        found: sqlite3.Row | None = self.db.execute(sql, values).fetchone()
        return found

    def rows(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        """All rows."""
        return self.db.execute(sql, values).fetchall()

    def insert_page(
        self,
        page_id: str,
        source_id: str | None,
        parent_id: str | None,
        values: dict[str, Any],
        icon: Any,
        user_id: str,
        listed_at: float = 0,
    ) -> None:
        """Writes a page row as created now by the user. `values` are normalised, keyed by property id."""
        now = this_minute()
        self.db.execute(
            "INSERT INTO pages (id, source_id, parent_id, title, property_values, icon, created, edited, created_by,"
            " edited_by, listed_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                page_id, source_id, parent_id, plain(values.get("title", [])), json.dumps(values), json.dumps(icon),
                now, now, user_id, user_id, listed_at,
            ),
        )  # fmt: skip

    def touch_page(self, page_id: str, user_id: str) -> None:
        """Marks a page as edited now by the user."""
        self.db.execute("UPDATE pages SET edited = ?, edited_by = ? WHERE id = ?", (this_minute(), user_id, page_id))

    def insert_block(
        self, page_id: str, parent_id: str, position: int, kind: str, content: Any, user_id: str, block_id: str = ""
    ) -> str:
        """Writes a block row and returns its id; a child page or database passes its own id."""
        block_id, now = block_id or new_id(), this_minute()
        self.db.execute(
            "INSERT INTO blocks (id, page_id, parent_id, position, type, content, created, edited, created_by,"
            " edited_by) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (block_id, page_id, parent_id, position, kind, json.dumps(content), now, now, user_id, user_id),
        )
        return block_id

    def last_position(self, parent_id: str) -> int:
        """The highest position among a parent's blocks; -1 where it has none."""
        found = self.row("SELECT max(position) AS top FROM blocks WHERE parent_id = ?", parent_id)
        return -1 if found is None or found["top"] is None else int(found["top"])

    def is_shared(self, ids: Iterable[str | None]) -> bool:
        """Whether none of the ids has been taken from the integration."""
        return not self.unshared.intersection(i for i in ids if i)
