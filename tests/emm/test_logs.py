"""Log lines: they carry ids, parse, and hold no secret."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog
from django.test import Client

from emm import logs, tasks
from emm.celery import app
from emm.jobs import Job
from notion_sync.models import BodyRead, InboxItem

CANARY = "emm_" + "c4n4ry-" * 6
SHAPES = [
    CANARY,
    "sk-ant-api03-canarycanarycanary",
    "ntn_canarycanarycanary",
    "secret_canarycanarycanary",
    "postgres://emm:canarycanary@db/emm",
    "Authorization: Bearer canarycanary",
    "/api/v1/items?api_key=canarycanary",
]


@pytest.fixture
def lines() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """Log as production does, into memory; afterwards as before. The lines that were written since, parsed."""
    root, written = logging.getLogger(), io.StringIO()
    handlers, level = root.handlers[:], root.level
    logs.configure({"level": "INFO", "json": True})
    handler = root.handlers[0]
    assert isinstance(handler, logging.StreamHandler)
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(written)
    yield lambda: [json.loads(line) for line in written.getvalue().splitlines()]
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.parametrize("text", SHAPES)
def test_what_looks_like_a_secret_reaches_no_line(lines: Any, text: str) -> None:
    ours, theirs = structlog.get_logger("ours"), logging.getLogger("theirs")
    ours.warning("said " + text, note=text, deep={"list": [text]}, error=ValueError(text))
    ours.warning("said %s", text)
    theirs.warning("said %s", text, extra={"note": text})
    try:
        raise ValueError(text)
    except ValueError:
        ours.exception("failed")
        theirs.exception("failed")
    said = lines()
    assert len(said) == 5
    assert "canary" not in json.dumps(said)
    assert CANARY not in json.dumps(said)


def test_what_lies_under_a_secret_name_reaches_no_line(lines: Any) -> None:
    structlog.get_logger("ours").warning(
        "x", api_key="canary", headers={"Authorization": "canary", "cookie": ["canary"]}
    )
    assert "canary" not in json.dumps(lines())


def test_the_secrets_of_the_settings_reach_no_line(lines: Any, settings: Any) -> None:
    settings.NOTION_API_KEY = "canary without a shape"
    structlog.get_logger("ours").warning("it said canary without a shape, loudly")
    assert "canary" not in json.dumps(lines())


def test_a_json_line_says_when_how_bad_and_who(lines: Any) -> None:
    logging.getLogger("theirs").warning("two\nlines")
    (line,) = lines()
    assert (line["event"], line["level"], line["logger"]) == ("two\nlines", "warning", "theirs")
    assert line["timestamp"].endswith("Z")


@pytest.mark.parametrize("given", ["mine-1.2_3", "a" * 64])
def test_a_client_may_name_its_request(given: str) -> None:
    assert Client().get("/health/live", headers={"X-Request-ID": given})["X-Request-ID"] == given


@pytest.mark.parametrize("given", ["", "a" * 65, "a b", "a\x1b[31m", "é", '"}'])
def test_an_id_that_is_not_safe_to_log_is_replaced(given: str) -> None:
    answer = Client().get("/health/live", headers={"X-Request-ID": given})
    assert answer["X-Request-ID"] != given
    assert len(answer["X-Request-ID"]) == 32


def test_every_line_of_a_request_carries_its_id(lines: Any) -> None:
    Client().get("/health/live", headers={"X-Request-ID": "mine-1"})
    assert {line["request_id"] for line in lines()} == {"mine-1"}


def test_the_id_goes_along_with_a_task() -> None:
    from celery.signals import before_task_publish

    headers: dict[str, Any] = {}
    with structlog.contextvars.bound_contextvars(request_id="mine-1"):
        before_task_publish.send(sender="emm.sweep", headers=headers, body=None, properties={}, routing_key="sync")
    assert app.conf.task_protocol == 2
    assert headers["__django_structlog__"]["request_id"] == "mine-1"


@pytest.mark.django_db
def test_every_line_about_an_item_carries_its_id(monkeypatch: pytest.MonkeyPatch, lines: Any) -> None:
    item = InboxItem.objects.create(title="A question")
    job = BodyRead.objects.create(item=item)

    def verb(job: Job) -> None:
        structlog.get_logger("verb").info("at work")

    monkeypatch.setattr(tasks, "import_string", lambda name: verb)
    tasks.run("body", str(job.pk))
    (line,) = lines()
    assert (line["event"], line["item"], line["stage"]) == ("at work", item.pk, "body")
