"""`manage.py prepare`: whatever must be there before the product serves. Safe to repeat."""

from __future__ import annotations

import os
import secrets
from typing import Any

import redis
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import BaseCommand, CommandError, call_command
from django.db import OperationalError, connection

from analysis import prompt_versions
from emm import beat, engines, tokens
from notion_sync.models import Poller
from ops import groups

ADMIN = "admin"
EVIDENCE = settings.BASE_DIR / "evidence.json"
SANDBOX_POLLING_SECONDS = 10  # a person who clicks in the sandbox is watching


class Command(BaseCommand):
    """Raises CommandError, one line, where PostgreSQL or Redis does not answer."""

    help = "Migrates, and makes sure of the administrator, prices, prompts, the API token and the schedule."

    def handle(self, *args: Any, **options: Any) -> None:
        check_servers()
        self.say("Bringing the database up to date.")
        call_command("migrate", interactive=False, verbosity=0)
        if settings.PRODUCTION and not (settings.STATIC_ROOT / "staticfiles.json").exists():
            self.say("Collecting static files.")
            call_command("collectstatic", interactive=False, verbosity=0)
        settings.STATIC_ROOT.mkdir(exist_ok=True)  # whitenoise warns where it is missing
        self.ensure_admin()
        for line in prompt_versions.take_seeds():
            self.say(line)
        tokens.ensure_first()
        groups.ensure()
        beat.sync()
        Poller.objects.get_or_create(pk=1, defaults={"interval_seconds": first_interval()})
        self.bring_evidence()
        self.say("Administrator, prices, prompts, API token, schedule and poller are there.")

    def say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()

    def bring_evidence(self) -> None:
        """Keep what CI proved about the commit in this image, where it comes with one. A bad file is told, and stops nothing."""
        if not EVIDENCE.is_file():
            return
        try:
            call_command("evidence", str(EVIDENCE), stdout=self.stdout)
        except CommandError as error:
            self.say(str(error))

    def ensure_admin(self) -> None:
        """Make the user `admin` where there is none. Password: EMM_ADMIN_PASSWORD, or else a generated one."""
        users = get_user_model().objects
        if users.filter(username=ADMIN).exists():
            return
        password = os.environ.get("EMM_ADMIN_PASSWORD", "").strip()
        if not password and settings.PRODUCTION:
            self.say("EMM_ADMIN_PASSWORD is unset: no administrator was made. Make one with: manage.py createsuperuser")
            return
        if not password:
            password = engines.secret("admin_password", lambda: secrets.token_urlsafe(15))
            self.say(f"Administrator: {ADMIN}, password: {password} (kept in {engines.state_dir() / 'admin_password'})")
        users.create_superuser(username=ADMIN, password=password)


def first_interval() -> int:
    """Seconds between two polls, until a person changes them in the console."""
    if settings.NOTION_IS_SANDBOX and not os.environ.get("POLLING_INTERVAL_SECONDS", "").strip():
        return SANDBOX_POLLING_SECONDS
    return settings.POLLING_INTERVAL_SECONDS


def check_servers() -> None:
    """Raises CommandError where PostgreSQL or Redis does not answer; its text never holds a password."""
    try:
        connection.ensure_connection()
    except OperationalError as error:
        raise CommandError(f"PostgreSQL does not answer (DATABASE_URL): {' '.join(str(error).split())}") from error
    try:
        with redis.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=5) as client:
            client.ping()
    except redis.RedisError as error:
        raise CommandError(f"Redis does not answer (REDIS_URL): {' '.join(str(error).split())}") from error
