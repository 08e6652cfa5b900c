"""Probes that look at the product from outside, over HTTP and HTTPS."""

from __future__ import annotations

import json
import ssl
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.core.handlers.wsgi import WSGIHandler
from rest_framework.response import Response

from analysis.models import LLMCall
from notion_sync.models import Poller
from ops import connections
from ops.api import ReadinessView
from ops.models import Notice
from ops.probes import security
from tests.factories import make_channel
from tests.ops.rows import Serve, look
from tests.ops.test_health import everything_lives
from tests.world import Sandbox

pytestmark = pytest.mark.django_db


class Sentry(BaseHTTPRequestHandler):
    """Takes events, or answers with the status that a test asks for."""

    status = 200
    events: list[dict[str, Any]] = []  # emptied by the test

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.events.append(
            {"path": self.path, "auth": self.headers["X-Sentry-Auth"], **json.loads(body.splitlines()[2])}
        )
        self.send_response(self.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        """Nothing."""


def test_a_dsn_that_is_none_is_told_and_an_event_has_to_be_accepted(
    monkeypatch: pytest.MonkeyPatch, serve: Serve
) -> None:
    assert look("mon.sentry") == ("fail", "SENTRY_DSN is unset.")
    monkeypatch.setenv("SENTRY_DSN", "https://sentry.example/7")
    assert look("mon.sentry")[0] == "fail"
    port = serve(HTTPServer(("127.0.0.1", 0), Sentry))
    monkeypatch.setenv("SENTRY_DSN", f"http://abc@127.0.0.1:{port}/7")
    monkeypatch.setattr(Sentry, "events", [])
    assert look("mon.sentry") == ("pass", f"127.0.0.1:{port} accepted a test event.")
    assert Sentry.events[0]["path"] == "/api/7/envelope/"
    assert "sentry_key=abc" in Sentry.events[0]["auth"]
    assert "test event" in Sentry.events[0]["message"]
    for status, state in ((403, "fail"), (429, "unknown"), (503, "unknown")):
        monkeypatch.setattr(Sentry, "status", status)
        assert look("mon.sentry")[0] == state
    monkeypatch.setenv("SENTRY_DSN", "http://abc@127.0.0.1:9/7")
    assert look("mon.sentry")[0] == "unknown"


class Quiet(WSGIRequestHandler):
    def log_message(self, *args: Any) -> None:
        """Nothing."""


def site(proto: str) -> HTTPServer:
    """This product as the settings have it now, behind a proxy that says `proto`; "" for one that says nothing."""
    product = WSGIHandler()

    def application(environ: dict[str, Any], start_response: Any) -> Any:
        return product({**environ, "HTTP_X_FORWARDED_PROTO": proto} if proto else environ, start_response)

    return make_server("127.0.0.1", 0, application, handler_class=Quiet)


@pytest.fixture
def certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """For 127.0.0.1, trusted by whoever asks in this test."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path / "both.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pem.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ({}, ""),
        ({"SECURE_HSTS_SECONDS": 0}, "Strict-Transport-Security is not sent for a year."),
        ({"CSRF_COOKIE_SECURE": False}, "The cookie csrftoken is not Secure."),
        ({"CSRF_COOKIE_HTTPONLY": False}, "The cookie csrftoken is not HttpOnly."),
        ({"SECURE_SSL_REDIRECT": False}, "Plain HTTP is not redirected."),
        ({"SECURE_PROXY_SSL_HEADER": None}, "The proxy's word that a request came over HTTPS is not heard."),
        ({"proto": ""}, "A page over HTTPS is redirected: the proxy's X-Forwarded-Proto does not arrive."),
        ({"plain": "https"}, "Plain HTTP is answered with 200."),
    ],
    ids=lambda value: "".join(value) if isinstance(value, dict) else "",
)
def test_https_is_looked_at_over_the_wire(
    broken: dict[str, Any], said: str, settings: Any, monkeypatch: pytest.MonkeyPatch, serve: Serve, certificate: Any
) -> None:
    safe = {
        "SECURE_SSL_REDIRECT": True, "SECURE_HSTS_SECONDS": 31_536_000, "CSRF_COOKIE_SECURE": True,
        "SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https"),
    }  # fmt: skip
    for name, value in {**safe, **broken}.items():
        if name.isupper():
            setattr(settings, name, value)
    front = site(broken.get("proto", "https"))
    front.socket = certificate.wrap_socket(front.socket, server_side=True)
    settings.PUBLIC_URL = f"https://127.0.0.1:{serve(front)}"
    monkeypatch.setattr(security, "PLAIN_PORT", serve(site(broken.get("plain", "http"))))
    state, evidence = look("sec.https")
    assert (state, said in evidence) == ("fail" if said else "pass", True)


@pytest.mark.usefixtures("outside")
def test_the_health_page_is_asked_over_http_and_what_is_not_well_is_named() -> None:
    state, evidence = look("test.health")
    assert state == "fail"
    assert "worker_llm: It never started." in evidence
    everything_lives()
    assert look("test.health")[0] == "pass"


@pytest.mark.usefixtures("outside")
def test_the_smoke_test_exercises_every_documented_call_that_only_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    everything_lives()
    Poller.objects.update_or_create(pk=1, defaults={"status": Poller.Status.RUNNING})
    state, evidence = look("test.api")
    reading = [path for method, path in security.api_routes() if method == "GET"]
    assert (state, f"All {len(reading)} documented calls that only read answer" in evidence) == ("pass", True)
    monkeypatch.setattr(ReadinessView, "get", lambda self, request: Response(status=500))
    state, evidence = look("test.api")
    assert state == "fail"
    assert "GET /api/v1/readiness answers 500, not 200." in evidence


def test_the_connections_are_tried_with_a_write_a_paid_call_and_every_channel(
    workspace: Sandbox, settings: Any, monkeypatch: pytest.MonkeyPatch, serve: Serve
) -> None:
    port = serve(HTTPServer(("127.0.0.1", 0), Sentry))
    monkeypatch.setenv("SENTRY_DSN", f"http://abc@127.0.0.1:{port}/7")
    channel = make_channel()
    found = {one.name: one for one in connections.check(buy=True)}
    assert {name for name, one in found.items() if one.ok} == {
        "PostgreSQL", "Redis", "Notion", "Notion databases", "Notion writes", "Claude", "Claude's answer", "Sentry",
    }  # fmt: skip
    assert found["Channel team"].ok is None  # never tried
    assert LLMCall.objects.filter(cost_usd__gt=0).count() == 1  # paid for in the ledger, like any other
    Notice.objects.create(
        channel=channel, about="test", subject="A test", body="", status="dead", last_error="No host."
    )
    settings.ANTHROPIC_MODELS = {**settings.ANTHROPIC_MODELS, "persona": "claude-nobody-knows"}
    found = {one.name: one for one in connections.check()}
    assert "Claude's answer" not in found
    assert (found["Channel team"].ok, "No host." in found["Channel team"].detail) == (False, True)
    assert "does not offer claude-nobody-knows" in found["Claude"].detail
