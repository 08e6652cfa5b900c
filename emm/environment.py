"""Every environment variable, once. Pure: no Django, no side effect.

`settings.py`, `scripts/validate-env.py`, `.env.production.example`, the docs and the readiness probes read `VARIABLES`.
Values come from the process environment, then from `.env`. Empty means unset.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import urlsplit

import environ

PREFIXES = (
    "EMM_", "NOTION_", "ANTHROPIC_", "BUDGET_", "OUTBOX_", "RATE_LIMIT_", "SENTRY_", "API_", "POLLING_", "ALLOWED_",
    "SLACK_", "MAIL_", "METRICS_", "TRIAGE_",
)  # fmt: skip


class Malformed(ValueError):
    """A value that its variable does not take. The text names the variable and never the value."""


def _text(value: str) -> str:
    return value


def _flag(value: str) -> bool:
    word = value.lower()
    if word in ("true", "1", "yes", "on"):
        return True
    if word in ("false", "0", "no", "off"):
        return False
    raise ValueError("is not true or false")


def _list(value: str) -> list[str]:
    return [part.strip() for part in value.split(",") if part.strip()]


def _integer(least: int, most: int | None = None) -> Callable[[str], int]:
    def parse(value: str) -> int:
        try:
            number = int(value)
        except ValueError:
            raise ValueError("is not a whole number") from None
        if number < least:
            raise ValueError(f"is less than {least}")
        if most is not None and number > most:
            raise ValueError(f"is more than {most}")
        return number

    return parse


def _money(value: str) -> Decimal:
    try:
        amount = Decimal(value)
    except InvalidOperation:
        raise ValueError("is not an amount such as 5 or 0.50") from None
    if not amount.is_finite() or amount < 0:
        raise ValueError("is not an amount of zero or more")
    return amount


def _fraction(value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        raise ValueError("is not a number from 0 to 1") from None
    if not 0 <= number <= 1:
        raise ValueError("is not a number from 0 to 1")
    return number


def _one_of(*words: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        found = {word.lower(): word for word in words}.get(value.lower())
        if found is None:
            raise ValueError(f"is not one of {', '.join(words)}")
        return found

    return parse


def _address(*schemes: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in schemes:
            raise ValueError(f"is not an address that begins with {' or '.join(s + ':' for s in schemes)}")
        return value

    return parse


def notion_id(value: str) -> str:
    """The id in an id (dashed or not) or in a page's address, as 32 hex digits. Raises ValueError where there is none."""
    path = value.split("?")[0].split("#")[0].replace("-", "")
    found = re.findall(r"[0-9a-fA-F]{32}(?![0-9a-fA-F])", path)
    if not found:
        raise ValueError("holds no Notion id of 32 hex digits")
    return str(found[-1]).lower()


# Ids that answer 404 since their retirement, with the model that took their place.
RETIRED_MODELS = {
    "claude-3-5-sonnet-20241022": "claude-sonnet-5-5",
    "claude-3-5-sonnet-20240620": "claude-sonnet-5-5",
    "claude-3-7-sonnet-20250219": "claude-sonnet-5-5",
    "claude-3-haiku-20240307": "claude-haiku-5-5",
    "claude-3-5-haiku-20241022": "claude-haiku-5-5",
    "claude-3-opus-20240229": "claude-opus-5-5",
    "claude-opus-4-20250514": "claude-opus-5-5",
    "claude-opus-4-1-20250805": "claude-opus-5-5",
    "claude-sonnet-4-20250514": "claude-sonnet-5-5",
}


def _model(value: str) -> str:
    if value in RETIRED_MODELS:
        raise ValueError(f"names a model that is retired; {RETIRED_MODELS[value]} took its place")
    if not value.startswith("claude-"):
        raise ValueError("is not a Claude model id")
    return value


@dataclass(frozen=True)
class Variable:
    """One variable. `parse` raises ValueError with the rest of a sentence. `default` None: unset has a meaning of its own."""

    name: str
    parse: Callable[[str], Any]
    default: Any
    help: str
    example: str = ""
    production: bool = False  # required there
    secret: bool = False
    console: bool = False  # a person may enter it in the console instead


def _database(name: str, title: str) -> Variable:
    return Variable(
        f"NOTION_DB_{name}", notion_id, None, f"The {title} database: id or address. Unset: found or created."
    )


VARIABLES: tuple[Variable, ...] = (
    Variable("ENVIRONMENT", _one_of("development", "staging", "production"), "development", "Where this runs.", "production", True),
    Variable("SECRET_KEY", _text, None, "Django's secret: at least 50 random characters. Generated outside production.", "", True, True),
    Variable("ALLOWED_HOSTS", _list, [], "Host names that we answer to, by comma.", "emm.example.com", True),
    Variable("ALLOWED_ORIGINS", _list, [], "Browser origins that may call the API, by comma: https, never *.", "https://emm.example.com"),
    Variable("PUBLIC_URL", _address("http", "https"), None, "Where people reach this installation.", "https://emm.example.com", True),
    Variable("HOST", _text, "0.0.0.0", "Address to listen on."),  # noqa: S104  # a container listens on all of its addresses
    Variable("PORT", _integer(1, 65_534), 8000, "Port to listen on."),
    Variable("WEB_CONCURRENCY", _integer(1), None, "Web worker processes. Unset: chosen from the container's memory."),
    Variable("DATABASE_URL", _address("postgres", "postgresql"), None, "PostgreSQL. Unset: the embedded one.", "postgres://user:password@host:5432/emm", True, True),
    Variable("REDIS_URL", _address("redis", "rediss"), None, "Redis or Valkey. Unset: the embedded one.", "redis://host:6379/0", True, True),
    Variable("EMM_STATE_DIR", _text, ".emm", "Where the embedded engines and generated secrets live."),
    Variable("EMM_ADMIN_PASSWORD", _text, None, "The first administrator's password. Unset: generated, outside production.", "", False, True),
    Variable("LOG_LEVEL", _one_of("DEBUG", "INFO", "WARNING", "ERROR"), "INFO", "INFO or WARNING in production.", "INFO"),
    Variable("JSON_LOGS", _flag, False, "One JSON object per log line.", "true"),
    Variable("POLLING_INTERVAL_SECONDS", _integer(1), 120, "First value only; the console's wins afterwards. At least 10 in production.", "120"),
    Variable("NOTION_API_KEY", _text, None, "The integration's token. Unset: entered in the console, or outside production the sandbox workspace.", "", True, True, True),
    Variable("NOTION_BASE_URL", _address("http", "https"), None, "Points the SDK elsewhere."),
    Variable("NOTION_PARENT_PAGE", notion_id, None, "The page under which set-up builds the ten databases: id or address."),
    _database("SYSTEM_INBOX", "System Inbox"),
    _database("EXECUTIVE_INTENTS", "Executive Intents"),
    _database("ACTION_PIPES", "Action Pipes"),
    _database("AGENT_REGISTRY", "Agent Registry"),
    _database("EXECUTION_LOG", "Execution Log"),
    _database("TRAINING_DATA", "Training Data"),
    _database("TASKS", "Tasks"),
    _database("PROJECTS", "Projects"),
    _database("AREAS", "Areas"),
    _database("NODES", "Nodes"),
    Variable("NOTION_REQUESTS_PER_MINUTE", _integer(2), 180, "Requests in any 60 seconds: 180, or 600 on Business and Enterprise."),
    Variable("NOTION_BURST", _integer(1), 8, "How many of them may go at once."),
    Variable("ANTHROPIC_API_KEY", _text, None, "Unset: entered in the console, or outside production the sandbox analyst.", "", True, True, True),
    Variable("ANTHROPIC_BASE_URL", _address("http", "https"), None, "Points the SDK elsewhere."),
    Variable("ANTHROPIC_MODEL", _model, "claude-sonnet-5-5", "For personas and synthesis. Quality: claude-opus-5-5. Cost: claude-haiku-5-5.", "claude-sonnet-5-5"),
    Variable("ANTHROPIC_MODEL_TRIAGE", _model, "claude-haiku-5-5", "For triage."),
    Variable("ANTHROPIC_MODEL_PERSONA", _model, None, "For the three personas. Unset: ANTHROPIC_MODEL."),
    Variable("ANTHROPIC_MODEL_ENTREPRENEUR", _model, None, "For The Entrepreneur alone. Unset: as the three personas."),
    Variable("ANTHROPIC_MODEL_QUANT", _model, None, "For The Quant alone. Unset: as the three personas."),
    Variable("ANTHROPIC_MODEL_AUDITOR", _model, None, "For The Auditor alone. Unset: as the three personas."),
    Variable("ANTHROPIC_MODEL_SYNTHESIS", _model, None, "For the synthesis. Unset: ANTHROPIC_MODEL."),
    Variable("BUDGET_DAY_USD", _money, Decimal(5), "USD a day (UTC); first value only. 0 means nothing.", "5"),
    Variable("BUDGET_MONTH_USD", _money, Decimal(100), "USD a month (UTC); first value only.", "100"),
    Variable("BUDGET_ITEM_USD", _money, Decimal(1), "USD an item; first value only.", "1"),
    Variable("OUTBOX_QUARANTINE_SECONDS", _integer(0), 90, "Wait after a lost answer before looking the page up."),
    Variable("OUTBOX_LEASE_SECONDS", _integer(61), 180, "How long one delivery may hold its entry; longer than Notion's 60 s."),
    Variable("UNDO_SECONDS", _integer(0), 60, "Between an approval and the making of its tasks."),
    Variable("API_KEY", _text, None, "The first API token, with the scopes review and operate.", "", False, True),
    Variable("API_KEY_HEADER", _text, "X-API-Key", "Header that may carry a token besides Authorization."),
    Variable("RATE_LIMIT_ENABLED", _flag, True, "Limits API clients.", "true"),
    Variable("RATE_LIMIT_PER_MINUTE", _integer(1), 60, "Requests a minute and client: 30 low, 60 standard, 120 high traffic.", "60"),
    Variable("TRUSTED_PROXIES", _list, [], "Addresses of proxies whose X-Forwarded-For we believe, by comma."),
    Variable("BACKUP_DIR", _text, None, "Folder for copies of the database. Unset: under EMM_STATE_DIR; in production none are made.", "/backups"),
    Variable("SENTRY_DSN", _address("http", "https"), None, "Unset: nothing is sent.", "", False, True),
    Variable("SENTRY_TRACES_SAMPLE_RATE", _fraction, 0.1, "Share of requests that are traced.", "0.1"),
    Variable("ENABLE_METRICS", _flag, True, "Serves /metrics.", "true"),
    Variable("METRICS_TOKEN", _text, None, "Bearer token for /metrics; in production it needs this or a trusted address.", "", False, True),
    Variable("EMM_ENCRYPTION_KEY", _text, None, "Encrypts credentials entered in the console. Derived from SECRET_KEY outside production.", "", True, True),
    Variable("NOTION_WEBHOOK_TOKEN", _text, None, "Notion's verification token. Unset: that door is closed.", "", False, True),
    Variable("SLACK_SIGNING_SECRET", _text, None, "Unset: that door is closed.", "", False, True),
    Variable("MAIL_WEBHOOK_SECRET", _text, None, "Unset: that door is closed.", "", False, True),
    Variable("DEAD_MAN_URL", _address("http", "https"), None, "Pinged while the poller works. Unset: nothing is sent."),
    Variable("OTEL_EXPORTER_OTLP_ENDPOINT", _address("http", "https"), None, "Where traces go. Unset: nothing is sent."),
)  # fmt: skip

OF_THE_TESTS = "NOTION_CONTRACT_DIR"  # has a prefix of ours, and nothing to say to the product

BY_NAME: dict[str, Variable] = {variable.name: variable for variable in VARIABLES}


def read_file(path: str) -> dict[str, str]:
    """The variables in a .env file; empty where there is no such file."""

    class File(environ.Env):  # type: ignore[misc]  # the package has no types
        ENVIRON: dict[str, str] = {}

    try:
        with open(path, encoding="utf-8") as stream:
            File.read_env(stream)
    except FileNotFoundError:
        return {}
    return dict(File.ENVIRON)


def value_of(name: str, source: Mapping[str, str]) -> Any:
    """The typed value of one variable. Raises Malformed, which names the variable and never the value."""
    variable = BY_NAME[name]
    text = source.get(name, "").strip()
    if not text:
        return variable.default
    try:
        return variable.parse(text)
    except ValueError as error:
        raise Malformed(f"{name} {error}.") from None


def problems(source: Mapping[str, str]) -> list[str]:
    """What would stop or endanger a start with these values, one sentence each, values never named."""
    found: list[str] = []
    values: dict[str, Any] = {}
    for variable in VARIABLES:
        try:
            values[variable.name] = value_of(variable.name, source)
        except Malformed as error:
            found.append(str(error))
    if values.get("ENVIRONMENT") == "production":
        found += _production_problems(values, source)
    return found


def _production_problems(values: Mapping[str, Any], source: Mapping[str, str]) -> list[str]:
    found = [
        f"{variable.name} is required in production."
        for variable in VARIABLES
        if variable.production and not variable.console and not source.get(variable.name, "").strip()
    ]
    for variable in VARIABLES:
        if variable.secret and looks_like_placeholder(source.get(variable.name, "")):
            found.append(f"{variable.name} is a placeholder.")
    if values.get("SECRET_KEY") and len(values["SECRET_KEY"]) < 50:
        found.append("SECRET_KEY is shorter than 50 characters.")
    if "*" in values.get("ALLOWED_HOSTS", []):
        found.append("ALLOWED_HOSTS must name hosts, not *.")
    if any(not origin.startswith("https://") or "*" in origin for origin in values.get("ALLOWED_ORIGINS", [])):
        found.append("ALLOWED_ORIGINS must be https origins, never *.")
    if (values.get("POLLING_INTERVAL_SECONDS") or 10) < 10:
        found.append("POLLING_INTERVAL_SECONDS must be at least 10 in production.")
    return found


def left_to_console(source: Mapping[str, str]) -> list[str]:
    """What production needs and these values lack, but a person may have entered in the console: it starts without."""
    return [variable.name for variable in VARIABLES if variable.console and not source.get(variable.name, "").strip()]


def looks_like_placeholder(value: str) -> bool:
    """Whether a secret is one of the usual stand-ins: your-..., changeme, xxx, <...>."""
    return bool(
        re.search(r"^(your[-_ ]|change[-_ ]?me|xxx|<.*>$|todo|secret$|password$|example)|\.\.\.$", value.strip(), re.I)
    )


def unknown(source: Mapping[str, str]) -> list[str]:
    """Variables with one of our prefixes that we don't have, each with the nearest name that we do."""
    found = []
    for name in sorted(source):
        if name not in BY_NAME and name != OF_THE_TESTS and name.startswith(PREFIXES):
            near = difflib.get_close_matches(name, BY_NAME, n=1)
            found.append(f"{name} is unknown{f': did you mean {near[0]}?' if near else '.'}")
    return found
