"""A real Chromium before the real console: one browser, and for each person a window of their own."""

from __future__ import annotations

import shutil
from collections.abc import Generator, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from ops import groups
from tests.browser.people import People
from tests.test_journey import CONTEXT, QUESTION
from tests.world import Sandbox, add_item, poll_now, work

PATIENCE = 15_000  # ms: a page of two busy cores
PICTURES = Path(settings.BASE_DIR) / ".emm" / "browser"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # The suite's guard over sockets ends at this process: the browser finds nothing but loopback by itself.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
]
FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    item.stash[FAILED] = item.stash.get(FAILED, False) or report.failed
    return report


@pytest.fixture(scope="session")
def chromium(django_db_setup: None) -> Iterator[Browser]:
    """The one browser of the run."""
    executable = shutil.which("chromium")
    if executable is None:
        pytest.fail("There is no chromium on PATH: apt-get install chromium (Debian).", pytrace=False)
    expect.set_options(timeout=PATIENCE)
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        # Playwright keeps an event loop running in this thread, in which Django would refuse every query of a test
        # although nothing here is asynchronous.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        browser = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def people(
    chromium: Browser, live_server: LiveServer, settings: Settings, request: pytest.FixtureRequest
) -> Iterator[People]:
    """Whoever comes to the console. At the end: no script has failed, nothing was blocked, nobody asked elsewhere."""
    settings.PUBLIC_URL = live_server.url
    groups.ensure()
    complaints: list[str] = []

    def watch(page: Page) -> None:
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: complaints.append(f"{page.url}: {error}"))
        page.on("console", lambda message: complaints.extend(_errors(message)))
        page.on("request", lambda asked: complaints.extend(_elsewhere(asked.url)))

    cast = People(chromium, live_server.url, watch)
    yield cast
    if complaints or request.node.stash.get(FAILED, False):
        _keep_pictures(request.node.name, cast.pages)
    cast.leave()
    assert complaints == []


def _errors(message: ConsoleMessage) -> list[str]:
    """What the browser has to say against a page: its script's errors, a file that is missing, what the policy blocks."""
    return [f"{message.location['url']}: {message.text}"] if message.type == "error" else []


def _elsewhere(address: str) -> list[str]:
    parts = urlsplit(address)
    near = parts.scheme in ("data", "blob", "about") or parts.hostname in ("localhost", "127.0.0.1")
    return [] if near else [f"It asks {address}."]


def _keep_pictures(name: str, pages: list[Page]) -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    for number, page in enumerate(pages):
        page.screenshot(path=PICTURES / f"{name}{f'-{number}' if number else ''}.png", full_page=True)


@pytest.fixture
def argued(workspace: Sandbox, live_server: LiveServer) -> Sandbox:
    """A workspace in which one question was argued over, whose plan waits for a person."""
    add_item(workspace, QUESTION, CONTEXT)
    poll_now()
    work()
    return workspace
