"""The doors, as a stranger and a browser find them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

ROOT = Path(__file__).resolve().parents[2]
DEAD = "127.0.0.1:1"
PRODUCTION = {
    "ENVIRONMENT": "production",
    "SECRET_KEY": "kX9-".join("abcdefghijklmnopqrstuvwxyz"),
    "ALLOWED_HOSTS": "emm.example.com",
    "ALLOWED_ORIGINS": "https://desk.example.com",
    "PUBLIC_URL": "https://emm.example.com",
    "DATABASE_URL": f"postgres://emm:canary-password@{DEAD}/emm",
    "REDIS_URL": f"redis://:canary-password@{DEAD}/0",
    "NOTION_API_KEY": "ntn_0000000000000000000000000000",
    "ANTHROPIC_API_KEY": "sk-ant-api03-000000000000000000",
    "EMM_ENCRYPTION_KEY": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
    "JSON_LOGS": "true",
}
ASK = """
import json, django
django.setup()
from django.test import Client
client = Client(raise_request_exception=False, headers={"Host": "emm.example.com"})
client.cookies["sessionid"] = "stale"
found = {}
for path, secure in [("/", True), ("/health", False), ("/health/ready", False), ("/health/live", False), ("/api/v1/items", True),
                     ("/api/v1/items", False), ("/metrics", True)]:
    answer = client.get(path, secure=secure)
    found[path if secure == path.startswith(("/api", "/metrics")) or path in ("/", "/health", "/health/ready", "/health/live")
          else "plain " + path] = [answer.status_code, dict(answer.headers), answer.content.decode()]
print("\\n" + json.dumps(found))
"""


def in_production(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "ignore:No directory at", *arguments],
        cwd=ROOT, env=os.environ | PRODUCTION | {"DJANGO_SETTINGS_MODULE": "emm.settings"},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def answers() -> dict[str, Any]:
    """What a production process answers whose PostgreSQL and Redis are both gone."""
    done = in_production("-c", ASK)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


def test_production_passes_its_deployment_check() -> None:
    done = in_production("manage.py", "check", "--deploy", "--fail-level", "WARNING")
    assert done.returncode == 0, done.stdout + done.stderr


def test_production_starts_without_the_keys_that_the_console_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NOTION_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.setitem(PRODUCTION, name, "")
    done = in_production(
        "-c",
        "import django; django.setup(); from django.conf import settings as s; print(repr(s.NOTION_API_KEY), s.NOTION_IS_SANDBOX)",
    )
    assert (done.stdout.splitlines()[-1:], done.returncode) == (["'' False"], 0), done.stderr


@pytest.mark.parametrize("path", ["/", "/api/v1/items", "/metrics"])
def test_production_insists_on_tls(answers: dict[str, Any], path: str) -> None:
    _, headers, _ = answers[path]
    assert headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains; preload"
    assert answers["plain /api/v1/items"][0] == 301


def test_health_answers_while_everything_is_gone(answers: dict[str, Any]) -> None:
    for path in ("/health", "/health/ready"):
        status, headers, body = answers[path]
        assert (status, headers["Content-Type"]) == (503, "application/json")
        assert {json.loads(body)["components"][name]["state"] for name in ("database", "broker")} == {"down"}
        assert "canary" not in body
    assert answers["/health/live"][0] == 200


def test_the_root_answers_while_everything_is_gone(answers: dict[str, Any]) -> None:
    status, _, body = answers["/"]
    assert status == 200
    assert json.loads(body)["poller_running"] is False


def test_production_shows_its_metrics_to_nobody_without_a_token(answers: dict[str, Any]) -> None:
    assert answers["/metrics"][0] == 401


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/", "/health", "/api/v1/items", "/api/docs/", "/admin/login/"])
def test_every_door_has_its_headers(path: str) -> None:
    answer = Client().get(path)
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["X-Frame-Options"] == "DENY"
    assert answer["Referrer-Policy"] == "same-origin"
    policy = answer["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    scripts = re.search(r"script-src ([^;]*)", policy)
    assert scripts
    assert "'unsafe-inline'" not in scripts[1]


def test_only_known_origins_may_read_the_api(settings: Any) -> None:
    settings.CORS_ALLOWED_ORIGINS = ["https://desk.example.com"]

    def allowed(path: str, origin: str) -> str | None:
        return Client().get(path, headers={"Origin": origin}).headers.get("Access-Control-Allow-Origin")

    assert allowed("/api/v1/nothing", "https://desk.example.com") == "https://desk.example.com"
    assert allowed("/api/v1/nothing", "https://evil.example.com") is None
    assert allowed("/health/live", "https://desk.example.com") is None


@pytest.mark.django_db
def test_whoever_logs_in_at_the_bare_address_arrives_at_the_home_page(admin_user: User) -> None:
    answer = Client().post("/admin/login/", {"username": "admin", "password": "password"})
    assert answer.headers["Location"] == "/admin/"


@pytest.mark.parametrize("model", apps.get_models(), ids=lambda model: model._meta.label)
def test_every_model_of_ours_has_a_page(model: Any) -> None:
    if model._meta.app_label in ("emm", "notion_sync", "analysis", "ops"):
        assert admin.site.is_registered(model)


def addresses() -> list[str]:
    lists = [reverse(f"admin:{m._meta.app_label}_{m._meta.model_name}_changelist") for m in admin.site._registry]
    return [*lists, "/admin/", "/admin/emm/apitoken/add/", "/admin/emm/credential/add/", "/admin/auth/user/add/"]


@pytest.mark.django_db
@pytest.mark.parametrize("address", addresses())
def test_every_page_of_the_console_opens_without_inline_script(admin_client: Client, address: str) -> None:
    answer = admin_client.get(address, follow=True)
    assert answer.status_code == 200
    page = answer.content.decode()
    for tag in re.findall(r"<script\b[^>]*>", page):
        assert "src=" in tag or "application/json" in tag, tag
    assert not re.search(r"<[^>]+\son(click|load|change|submit|error)=", page)
    assert "javascript:" not in page
