"""A workspace in this process, set up once and brought back for each seed."""

from __future__ import annotations

import copy
import random
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.db.models import Model
from django.test import override_settings
from pytest_django import DjangoDbBlocker, Settings

from analysis.llm import connection
from notion_sync import client, outbox, pace, setup
from notion_sync.mirror import model_of
from notion_sync.models import DataSource, NotionCall, PollCycle, Poller, Workspace
from notion_sync.workspace import DATABASES
from tests.conftest import addresses
from tests.simulation.inside import InsideSandbox
from tests.simulation.machine import LIVES, Installation
from tests.simulation.thinking import Claude
from tests.world import poll_everything


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seed", type=int, default=None, help="Run this one seed of the simulation.")
    parser.addoption("--lives", type=int, default=LIVES, help="How many seeds of the simulation make test-faults runs.")


@pytest.fixture(scope="session")
def inside(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> tuple[InsideSandbox, list[Model]]:
    sandbox = InsideSandbox()
    with pytest.MonkeyPatch.context() as patch, django_db_blocker.unblock(), override_settings(**addresses(sandbox)):
        patch.setattr(client.connection, "http_client", lambda: sandbox.client(lambda request: None))
        client.disconnect()
        sandbox.reset()
        with override_settings(NOTION_PARENT_PAGE=sandbox.root_page_id):
            setup.prepare(sandbox.root_page_id, lambda line: None)
            poll_everything()
        models: list[type[Model]] = [Workspace, DataSource, Poller, *(model_of(key) for key in DATABASES)]
        rows: list[Model] = [row for model in models for row in model._default_manager.all()]
        leavings: list[type[Model]] = [NotionCall, PollCycle, *models]
        for model in leavings:
            model._default_manager.all().delete()
        client.disconnect()
    sandbox.control("save")
    return sandbox, rows


@pytest.fixture
def installation(
    inside: tuple[InsideSandbox, list[Model]], db: None, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[int], Installation]]:
    sandbox, rows = inside

    def make(seed: int) -> Installation:
        sandbox.control("restore")
        for row in copy.deepcopy(rows):
            row.save(force_insert=True)
        ids = random.Random(seed)
        monkeypatch.setattr(uuid, "uuid4", lambda: uuid.UUID(int=ids.getrandbits(128), version=4))
        world = Installation(sandbox, seed)
        monkeypatch.setattr(client.connection, "http_client", lambda: sandbox.client(world.watch))
        monkeypatch.setattr(outbox, "FRESH", timedelta(0))  # the person edits between any two steps
        monkeypatch.setattr(connection, "listen", Claude(world.rng, 0.1).listen)
        return world

    for name, value in addresses(sandbox).items():
        setattr(settings, name, value)
    settings.OUTBOX_QUARANTINE = timedelta(seconds=90)
    monkeypatch.setattr(pace, "KEY", f"pace:{uuid.uuid4()}")
    client.disconnect()
    yield make
    client.disconnect()
