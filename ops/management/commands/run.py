"""`manage.py run`: the whole product on this machine, until Ctrl-C. What `make run` calls."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import structlog
from django.conf import settings
from django.core.management import BaseCommand, CommandError, call_command
from django.db import connections
from django.urls import reverse

from emm import credentials, engines, environment
from emm.jobs import Later, Never
from notion_sync import client, setup
from notion_sync.models import DataSource, InboxItem

log = structlog.get_logger(__name__)

SANDBOX_HOST = "127.0.0.1"
SANDBOX_TIMEOUT = 20.0
ENGINE_CHECK_SECONDS = 5.0


class Command(BaseCommand):
    """Raises CommandError, one line, for a taken port, a dead server, or a Notion that set-up cannot use."""

    set_up_page = ""  # where a person sets Notion up; empty once that has been done
    help = "Runs web, workers, beat and, where a key is missing, the sandbox, until Ctrl-C or SIGTERM."

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.PRODUCTION:
            raise CommandError("manage.py run is not for production: scripts/web.sh, worker.sh and beat.sh are.")
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: sys.exit(0))
        with only_one():
            check_ports()
            call_command("prepare", stdout=self.stdout)
            self.prepare_workspace()
            self.set_up_page = "" if DataSource.objects.exists() else reverse("admin:notion_sync_setuprun_changelist")
            connections.close_all()
            self.supervise()
        self.say("Stopped.")

    def say(self, line: str) -> None:
        with contextlib.suppress(BrokenPipeError):
            self.stdout.write(line)
            self.stdout.flush()

    def prepare_workspace(self) -> None:
        """Set up Notion where that has not been done: in our sandbox, or under NOTION_PARENT_PAGE."""
        if serves_notion() and not InboxItem.objects.exists() and not credentials.get(client.TOKEN):
            self.say("Preparing the sandbox workspace.")
            with sandbox():
                root = httpx.get(f"{settings.SANDBOX_URL}/control/info").raise_for_status().json()["root_page_id"]
                self.set_up(root)
                httpx.post(f"{settings.SANDBOX_URL}/control/seed").raise_for_status()
        elif not serves_notion() and settings.NOTION_PARENT_PAGE and not DataSource.objects.exists():
            self.say("Preparing the Notion workspace.")
            self.set_up(settings.NOTION_PARENT_PAGE)
        elif not serves_notion() and not DataSource.objects.exists():
            self.say(
                "No Notion workspace is known yet: set it up at the address below, or with manage.py setup_notion."
            )

    def set_up(self, parent: str) -> None:
        try:
            setup.prepare(parent, lambda line: self.say(f"  {line}"))
        except (Never, Later) as error:
            raise CommandError(f"The Notion workspace could not be set up: {error}") from error

    def supervise(self) -> None:
        from ops import supervision  # its library is absent in production, where this command only refuses

        # Celery warns at length that it runs as root, which is the choice of whoever started us.
        os.environ.setdefault("PYTHONWARNINGS", "ignore::UserWarning:celery.platforms")
        os.environ |= {
            "PYTHON": sys.executable,
            "PYTHONUNBUFFERED": "1",
            "STATE": str(engines.state_dir()),
            "SANDBOX": "true" if needs_sandbox() else "false",
            "SANDBOX_PORT": str(settings.PORT + 1),
        }
        for name in engines.embedded:
            del os.environ[name]  # each child attaches to the engines itself, so that the last of us stops them
        self.say("Starting web, workers and beat.")
        supervision.supervise(str(settings.BASE_DIR / "config" / "supervisord.conf"), watch(self.greet))

    def greet(self) -> None:
        """Print the addresses that matter."""
        kept = engines.state_dir() / "admin_password"
        where = f"cat {shlex.quote(str(kept))}" if kept.exists() else "the one that you chose"
        address = f"http://127.0.0.1:{settings.PORT}"
        self.say(f"\nConsole    {address}/admin/    (user: admin, password: {where})")
        if self.set_up_page:
            self.say(f"Set up     {address}{self.set_up_page}    (Notion: choose the page, watch the steps)")
        if serves_notion():
            self.say(f"Workspace  {settings.SANDBOX_URL}/    (a sandbox; NOTION_API_KEY names the real one)")
        self.say(f"Health     {address}/health\nAPI        {address}/api/docs/\n\nCtrl-C stops everything.\n")


def serves_notion() -> bool:
    """Whether our sandbox stands in for Notion."""
    return settings.NOTION_BASE_URL.startswith(settings.SANDBOX_URL)


def needs_sandbox() -> bool:
    """Whether our sandbox stands in for Notion, for Claude or for both."""
    return serves_notion() or settings.ANTHROPIC_BASE_URL.startswith(settings.SANDBOX_URL)


def watch(greet: Callable[[], None]) -> Callable[[], None]:
    """What supervisor does once a second: start a dead engine again, and greet as soon as the console answers."""
    greeted, checked_at = False, time.monotonic()

    def each_tick() -> None:
        nonlocal greeted, checked_at
        if not greeted and answers(f"http://127.0.0.1:{settings.PORT}/health/ready"):
            greeted = True
            greet()
        if engines.embedded and time.monotonic() - checked_at > ENGINE_CHECK_SECONDS:
            checked_at = time.monotonic()
            try:
                engines.start()
            except engines.EngineDown as error:
                log.error("engine_down", why=str(error))
            for name in engines.embedded:
                os.environ.pop(name, None)

    return each_tick


def answers(address: str) -> bool:
    try:
        httpx.get(address, timeout=1)
    except httpx.TransportError:
        return False
    return True


@contextlib.contextmanager
def only_one() -> Iterator[None]:
    """Hold the lock of this state folder. Raises CommandError where another run has it."""
    with open(engines.state_dir() / "run.pid", "a+") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            stream.seek(0)
            raise CommandError(f"It runs already from {engines.state_dir()}, as process {stream.read()}.") from None
        stream.truncate(0)
        stream.write(str(os.getpid()))
        stream.flush()
        try:
            yield
        finally:
            Path(stream.name).unlink(missing_ok=True)


def check_ports() -> None:
    """Raises CommandError where a port that we need is taken."""
    wanted = [(environment.value_of("HOST", os.environ), settings.PORT)]
    if needs_sandbox():
        wanted.append((SANDBOX_HOST, settings.PORT + 1))
    for host, port in wanted:
        family, kind, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(address)
            except OSError as error:
                raise CommandError(
                    f"Port {port} on {host} cannot be had ({error.strerror}). Stop what listens there,"
                    f" or choose another: PORT={port + 1000} make run"
                ) from error


@contextlib.contextmanager
def sandbox() -> Iterator[None]:
    """The sandbox for the time of the set-up; afterwards supervisor starts it again."""
    command = [sys.executable, "-m", "sandbox", "--host", SANDBOX_HOST, "--port", str(settings.PORT + 1)]
    command += ["--db", str(engines.state_dir() / "sandbox.sqlite")]
    process = subprocess.Popen(command, cwd=settings.BASE_DIR)  # noqa: S603  # nothing in it comes from outside
    try:
        deadline = time.monotonic() + SANDBOX_TIMEOUT
        while not answers(f"{settings.SANDBOX_URL}/control/info"):
            if process.poll() is not None or time.monotonic() > deadline:
                raise CommandError("The sandbox did not start: see the lines above.")
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(10)
