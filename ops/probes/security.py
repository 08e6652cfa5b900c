"""Area security: seen from outside, over HTTP, through PUBLIC_URL."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
from django.conf import settings
from django.urls import URLPattern, URLResolver, get_resolver

from ops.probes.outside import TIMEOUT, own_token, unreached, visit
from ops.probes.registry import FAR, Seen, fails, passes, probe, unknown, verdict

FOREIGN = "https://foreign.example"
LIMIT = 3
LONGEST_WAIT = 61.0  # seconds, within the lease of a probe
PLAIN_PORT = 80
YEAR = 31_536_000
PARAMETER = re.compile(r"<[^>]+>")
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
PAGES = ("/", "/health", "/admin/login/", "/api/docs/", "/api/v1/items")
HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "content-security-policy": "default-src",
}


def api_routes() -> list[tuple[str, str]]:
    """Method and path of every operation of the API, with 0 for each parameter."""
    found = {
        (method, path)
        for path, view in _views(get_resolver().url_patterns, "/")
        if path.startswith("/api/v1/")
        for method in METHODS
        if hasattr(getattr(view, "cls", None), method.lower())
    }
    return sorted(found, key=lambda route: (route[1], METHODS.index(route[0])))


def _views(patterns: list[URLPattern | URLResolver], prefix: str) -> Iterator[tuple[str, object]]:
    for pattern in patterns:
        path = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _views(pattern.url_patterns, path)
        else:
            yield PARAMETER.sub("0", path), pattern.callback


@probe("sec.api_auth", every=FAR)
def api_auth() -> Seen:
    """An anonymous call to each operation is answered with 401."""
    routes = api_routes()
    problems, unasked = [], 0
    waited = False
    try:
        with visit() as http:
            for method, path in routes:
                answer = _anonymous(http, method, path)
                if answer.status_code == 429 and not waited:
                    waited = True
                    time.sleep(min(float(answer.headers.get("retry-after", LONGEST_WAIT)), LONGEST_WAIT))
                    answer = _anonymous(http, method, path)
                if answer.status_code == 429:
                    unasked += 1
                elif answer.status_code != 401:
                    problems.append(f"{method} {path} answers {answer.status_code}.")
    except httpx.HTTPError as error:
        return unknown(unreached(error))
    if unasked and not problems:
        return unknown(f"{unasked} of {len(routes)} operations were not reached: the rate limit answered first.")
    return verdict(problems, f"{len(routes)} operations refuse an anonymous call with 401.")


def _anonymous(http: httpx.Client, method: str, path: str) -> httpx.Response:
    """A call without a token. Its body is cut off, so that a door that stands open does nothing behind it."""
    if method == "GET":
        return http.get(path)
    return http.request(method, path, content=b"{", headers={"Content-Type": "application/json"})


@probe("sec.cors")
def cors() -> Seen:
    """The setting, and a pre-flight from a foreign origin."""
    if "*" in settings.CORS_ALLOWED_ORIGINS or getattr(settings, "CORS_ALLOW_ALL_ORIGINS", False):
        return fails("Every origin is allowed.")
    asked = {"Origin": FOREIGN, "Access-Control-Request-Method": "GET"}
    try:
        answer = httpx.options(f"{settings.PUBLIC_URL}/api/v1/items", headers=asked, timeout=TIMEOUT)
    except httpx.HTTPError as error:
        return unknown(unreached(error))
    allowed = answer.headers.get("access-control-allow-origin")
    return verdict([f"A foreign origin is allowed: {allowed}."] if allowed else [], "A foreign origin gets no leave.")


@probe("sec.rate_limit", every=FAR)
def rate_limit() -> Seen:
    """One call more than a token of our own may make within a minute."""
    if not settings.RATE_LIMIT_ENABLED:
        return fails("RATE_LIMIT_ENABLED is false.")
    asked = {"Authorization": f"Bearer {own_token('rate limit probe', LIMIT)}"}
    try:
        with visit() as http:
            answers = [http.get("/api/v1/poller", headers=asked) for _ in range(LIMIT + 1)]
    except httpx.HTTPError as error:
        return unknown(unreached(error))
    early = [answer.status_code for answer in answers[:-1] if answer.status_code != 200]
    if early:
        return fails(f"A call within the limit is answered with {early[0]}.")
    last = answers[-1]
    if last.status_code != 429:
        return fails(f"Call {LIMIT + 1} of {LIMIT} allowed in a minute is answered with {last.status_code}.")
    if not last.headers.get("retry-after", "").isdecimal():
        return fails("The refusal has no Retry-After.")
    return passes(f"Call {LIMIT + 1} is refused, for {last.headers['retry-after']} s.")


@probe("sec.headers")
def headers() -> Seen:
    """The headers of a page of each kind."""
    problems = []
    try:
        with visit() as http:
            for path in PAGES:
                answer = http.get(path)
                problems += [
                    f"{path} lacks {name}."
                    for name, value in HEADERS.items()
                    if value not in answer.headers.get(name, "")
                ]
    except httpx.HTTPError as error:
        return unknown(unreached(error))
    return verdict(problems, f"{len(HEADERS)} headers are sent with {len(PAGES)} pages.")


@probe("sec.https", every=FAR)
def https() -> Seen:
    """The settings; then, over the wire, what the safe side sends and where the plain side leads."""
    problems = []
    if urlsplit(settings.PUBLIC_URL).scheme != "https":
        problems.append("PUBLIC_URL is not https.")
    if not settings.SECURE_SSL_REDIRECT:
        problems.append("Plain HTTP is not redirected.")
    if settings.SECURE_PROXY_SSL_HEADER is None:
        problems.append("The proxy's word that a request came over HTTPS is not heard.")
    if problems:
        return fails(" ".join(problems))
    try:
        with visit() as http:
            problems = _unsafe(http.get("/admin/login/"))
    except httpx.HTTPError as error:
        return unknown(unreached(error))
    return verdict(
        problems + _plain(),
        "HTTPS answers with Strict-Transport-Security and secure cookies; plain HTTP serves nothing.",
    )


def _unsafe(page: httpx.Response) -> list[str]:
    """What a page over HTTPS lacks."""
    if page.is_redirect:
        return ["A page over HTTPS is redirected: the proxy's X-Forwarded-Proto does not arrive."]
    problems = []
    age = re.search(r"max-age=(\d+)", page.headers.get("strict-transport-security", ""))
    if age is None or int(age[1]) < YEAR:
        problems.append("Strict-Transport-Security is not sent for a year.")
    cookies = [cookie.split(";") for cookie in page.headers.get_list("set-cookie")]
    if not cookies:
        problems.append("The login page sets no cookie.")
    problems += [
        f"The cookie {parts[0].partition('=')[0]} is not {flag}."
        for parts in cookies
        for flag in ("Secure", "HttpOnly")
        if flag.lower() not in {part.strip().lower() for part in parts}
    ]
    return problems


def _plain() -> list[str]:
    """What the same host serves without TLS that it should not."""
    address = f"http://{urlsplit(settings.PUBLIC_URL).hostname}:{PLAIN_PORT}/admin/login/"
    try:
        answer = httpx.get(address, timeout=TIMEOUT)
    except httpx.HTTPError:
        return []  # nothing answers there, or nothing that speaks HTTP
    if answer.status_code in (301, 307, 308) and answer.headers.get("location", "").startswith("https://"):
        return []
    return [f"Plain HTTP is answered with {answer.status_code}."]
