import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.contract.openapi import RequestContract


@pytest.fixture(scope="session")
def contract_dir() -> Path:
    """The folder with Notion's description and recordings; tests that ask for it are skipped without one."""
    name = os.environ.get("NOTION_CONTRACT_DIR")
    if not name:
        pytest.skip("NOTION_CONTRACT_DIR is unset: Notion's description and recordings are not at hand")
    return Path(name)


@pytest.fixture(scope="session")
def contract(contract_dir: Path) -> RequestContract:
    return RequestContract(contract_dir)


@pytest.fixture(scope="session")
def exchanges(contract_dir: Path) -> list[dict[str, Any]]:
    recorded: list[dict[str, Any]] = json.loads((contract_dir / "exchanges.json").read_text())
    return recorded
