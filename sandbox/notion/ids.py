"""Object ids, property ids and cursors."""

import re
import secrets
import uuid
from urllib.parse import quote, unquote

from sandbox.notion.errors import invalid, unfit

# Notion refuses ids whose variant bits are wrong, and takes the nil id.
UUID = re.compile(r"[0-9a-f]{12}[1-8][0-9a-f]{3}[89ab][0-9a-f]{15}|0{32}")
ALPHABET = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ~_=;:?@<>[]{}|^`\\"


def new_id() -> str:
    """A fresh dashed uuid4."""
    return str(uuid.uuid4())


def dashed(text: object) -> str | None:
    """An id with or without dashes as a dashed lower-case one; None where it is no uuid."""
    if not isinstance(text, str):
        return None
    bare = text.replace("-", "").lower()
    return str(uuid.UUID(bare)) if UUID.fullmatch(bare) else None


def path_id(name: str, text: str) -> str:
    """The id in a request path; 400 where it is no uuid."""
    found = dashed(text)
    if found is None:
        raise invalid(f'path failed validation: path.{name} should be a valid uuid, instead was `"{text}"`.')
    return found


def body_id(path: str, value: object) -> str:
    """The id at `path` of a request body; 400 where it is no uuid."""
    found = dashed(value)
    if found is None:
        raise unfit(path, "a valid uuid", value)
    return found


def new_property_id() -> str:
    """Four characters, URL-encoded as Notion hands them out: `%3Fbp~`."""
    return quote("".join(secrets.choice(ALPHABET) for _ in range(4)), safe="")


def same_property_id(one: str, other: str) -> bool:
    """Whether two property ids are one, encoded or not."""
    return one == other or unquote(one) == unquote(other)
