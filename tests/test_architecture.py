"""The house holds: arrows point down, each vendor has one door, and nothing is named for what it is not."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("emm", "notion_sync", "analysis", "ops", "sandbox")
MAY_KNOW = {
    "emm": {"emm"},
    "notion_sync": {"emm", "notion_sync"},
    "analysis": {"emm", "notion_sync", "analysis"},
    "ops": {"emm", "notion_sync", "analysis", "ops"},
    "sandbox": {"sandbox"},
}
OF_NOTION_SYNC = {"models", "outbox", "document", "markdown", "properties", "workspace"}  # what analysis may know of it


def modules() -> Iterator[tuple[str, Path, ast.Module]]:
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            yield room, path.relative_to(ROOT), ast.parse(path.read_text())


def imported(tree: ast.Module) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def test_arrows_point_down_only() -> None:
    wrong = [
        f"{path} imports {name}"
        for room, path, tree in modules()
        for name in imported(tree)
        if name.split(".")[0] in ROOMS and name.split(".")[0] not in MAY_KNOW[room]
    ]
    assert wrong == []


def test_analysis_knows_of_notion_only_rows_promises_and_documents() -> None:
    wrong = [
        f"{path} imports {name}"
        for room, path, tree in modules()
        for name in imported(tree)
        if room == "analysis" and name.startswith("notion_sync.") and name.split(".")[1] not in OF_NOTION_SYNC
    ]
    assert wrong == []


@pytest.mark.parametrize(("vendor", "door"), [("notion_client", "notion_sync/client/"), ("anthropic", "analysis/llm/")])
def test_each_vendor_has_one_door(vendor: str, door: str) -> None:
    others = {str(path) for _, path, tree in modules() for name in imported(tree) if name.split(".")[0] == vendor}
    assert others
    assert [other for other in others if not other.startswith(door)] == []


def test_there_is_one_broad_except() -> None:
    broad = [
        str(path)
        for _, path, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or getattr(node.type, "id", "") in ("Exception", "BaseException"))
    ]
    assert broad == ["emm/jobs.py"]


def test_no_file_is_longer_than_400_lines() -> None:
    long = [
        str(path)
        for _, path, _ in modules()
        if "migrations" not in path.parts and len((ROOT / path).read_text().splitlines()) > 400
    ]
    assert long == []


def test_no_module_is_named_for_nothing() -> None:
    empty_names = re.compile(r"(utils|helpers|common|misc|manager|handler|processor|services?)\.py$")
    assert [str(path) for _, path, _ in modules() if empty_names.search(path.name)] == []
