"""Secrets that a person enters in the console: encrypted at rest, never shown again. The environment wins over them."""

from __future__ import annotations

import os

from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models, transaction
from django.db.models.functions import Now
from django.urls import reverse

from emm.audit import Actor, record
from emm.jobs import Misconfigured

# Pages of upper rooms that take a secret. The others are entered among the credentials.
PAGES = {"NOTION_API_KEY": "admin:notion_sync_setuprun_changelist"}


class Credential(models.Model):
    """One secret, by the name of the environment variable that it stands in for."""

    name = models.CharField(
        max_length=60,
        unique=True,
        validators=[
            RegexValidator(r"^[A-Z][A-Z0-9_]*\Z", "Capital letters, digits and underscores, such as NOTION_API_KEY.")
        ],
        help_text="Such as NOTION_API_KEY.",
    )
    encrypted = models.BinaryField()
    updated_at = models.DateTimeField(db_default=Now())
    updated_by = models.CharField(max_length=150)

    def __str__(self) -> str:
        return self.name


def get(name: str) -> str | None:
    """The secret: the environment's, else the console's, else None.

    Raises Misconfigured if it was encrypted under another EMM_ENCRYPTION_KEY.
    """
    if is_in_environment(name):
        return os.environ[name].strip()
    row = Credential.objects.filter(name=name).first()
    if row is None:
        return None
    return decrypt(name, bytes(row.encrypted))


def store(name: str, value: str, *, by: Actor, reason: str = "") -> Credential:
    """Keep `value` under `name`, in place of what was there."""
    with transaction.atomic():
        row, created = Credential.objects.update_or_create(
            name=name,
            defaults={"encrypted": encrypt(value), "updated_at": Now(), "updated_by": str(by)[:150]},
        )
        record("credential.store" if created else "credential.replace", row, by=by, after={"name": name}, reason=reason)
    return row


def encrypt(value: str) -> bytes:
    """`value` as it may be stored."""
    return _cipher().encrypt(value.encode())


def decrypt(name: str, encrypted: bytes) -> str:
    """The value again. Raises Misconfigured if `name` was encrypted under another EMM_ENCRYPTION_KEY."""
    try:
        return _cipher().decrypt(encrypted).decode()
    except InvalidToken:
        raise Misconfigured(
            f"{name} cannot be decrypted: EMM_ENCRYPTION_KEY has changed.", "Enter it again in the console."
        ) from None


def is_in_environment(name: str) -> bool:
    """Whether the environment has a value of its own, which wins."""
    return bool(os.environ.get(name, "").strip())


def is_set(name: str) -> bool:
    """Whether there is a secret at all, in the environment or the console. It may still be one that nobody can decrypt."""
    return is_in_environment(name) or Credential.objects.filter(name=name).exists()


def page(name: str) -> str:
    """Where in the console a person enters the secret."""
    path = reverse(PAGES[name]) if name in PAGES else f"{reverse('admin:emm_credential_add')}?name={name}"
    return f"{settings.PUBLIC_URL}{path}"


def missing(name: str) -> Misconfigured:
    """What to raise where there is no secret."""
    return Misconfigured(f"There is no {name}.", f"Paste it at {page(name)} or set it in the environment.")


def _cipher() -> Fernet:
    return Fernet(settings.EMM_ENCRYPTION_KEY)
