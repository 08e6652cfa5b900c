"""A workspace that can be had fresh many times in one test, with rows that are really committed."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
from django.core.management import call_command
from django.db.models import Model

from analysis import prices
from tests.world import Sandbox


@pytest.fixture
def fresh_workspace(built: list[Model], sandbox: Sandbox, transactional_db: None) -> Callable[[], Sandbox]:
    """Empties the database and the sandbox, and fills both with a workspace that was set up and mirrored."""

    def make() -> Sandbox:
        call_command("flush", interactive=False, verbosity=0, inhibit_post_migrate=True)
        sandbox.reset()
        sandbox.control("restore")
        sandbox.http.post("/claude/control/reset")
        prices.import_prices()
        for row in copy.deepcopy(built):
            row.save(force_insert=True)
        return sandbox

    return make
