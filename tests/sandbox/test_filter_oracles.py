"""Recorded answers of the real Notion, put to the functions that the sandbox filters and sorts with."""

from __future__ import annotations

import json
import os
from collections import Counter
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from sandbox.notion.filters import TIMES, Column, compile_filter, compile_sorts, key_for, sort_rows

FOLDER = os.environ.get("NOTION_CONTRACT_DIR", "")
AT_LEAST = 86  # of 88: the other two look for a name in mail addresses that the recordings no longer hold


def schema_of(oracle: dict[str, Any]) -> dict[str, Any]:
    """The recorded schema, or what the pages themselves show of it."""
    shown = oracle["candidates"][0]["properties"].items()
    return oracle["schema"] or {name: {"id": v["id"], "type": v["type"]} for name, v in shown}


def holds(oracle: dict[str, Any]) -> bool:
    """Whether our functions find what Notion found."""
    schema = schema_of(oracle)
    name_of = {prop["id"]: name for name, prop in schema.items()}

    def column(key: str) -> Column | None:
        found = schema.get(key) or next((prop for prop in schema.values() if prop["id"] == key), None)
        return Column(found["id"], found["type"]) if found else None

    def read(page: dict[str, Any], wanted: Column) -> Any:
        if wanted.id in TIMES:
            return page[wanted.id]
        value = page["properties"][name_of[wanted.id]]
        return value[value["type"]]

    rows = oracle["candidates"]
    now = datetime.fromisoformat(oracle["recorded_at"] or max(page["last_edited_time"] for page in rows))
    if oracle["filter"]:
        matches = compile_filter(oracle["filter"], column, now)
        rows = [page for page in rows if matches(partial(read, page))]
    sorts = compile_sorts(oracle["sorts"] or [], column)
    rows = sort_rows(rows, [(key_for(wanted, ranks(schema, wanted), read), down) for wanted, down in sorts])
    found = [page["id"] for page in rows]
    if oracle["order_matters"]:
        return bool(found == oracle["expected_ids"])
    return sorted(found) == sorted(oracle["expected_ids"])


def ranks(schema: dict[str, Any], wanted: Column) -> dict[str, int]:
    """The place of each option of a property by name."""
    prop: dict[str, Any] = next((prop for prop in schema.values() if prop["id"] == wanted.id), {})
    return {o["name"]: place for place, o in enumerate(prop.get(wanted.type, {}).get("options", []))}


@pytest.mark.skipif(not FOLDER, reason="NOTION_CONTRACT_DIR is unset: the recorded queries are not at hand")
def test_filters_agree_with_what_notion_answered(counts: Counter[str]) -> None:
    oracles = json.loads((Path(FOLDER) / "filter_oracle.json").read_text())
    held = [holds(oracle) for oracle in oracles]
    counts["recorded queries that the sandbox answers alike"] += sum(held)
    counts["recorded queries"] += len(held)
    failed = [(o["filter"], o["sorts"]) for o, ok in zip(oracles, held, strict=True) if not ok]
    assert sum(held) >= AT_LEAST, failed
