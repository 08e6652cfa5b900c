"""Notion's error bodies: https://developers.notion.com/reference/errors."""

import json
from typing import Any

from sandbox.notion.users import BOT

SHARING_HINT = f'Make sure the relevant pages and databases are shared with your integration "{BOT.name}".'


class NotionError(Exception):
    """An answer other than 2xx. `headers` and `additional` are left out of the answer when empty."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        additional: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.additional = additional or {}
        self.headers = headers or {}

    def body(self, request_id: str) -> dict[str, Any]:
        """The JSON body as Notion sends it."""
        error: dict[str, Any] = {"object": "error", "status": self.status, "code": self.code, "message": self.message}
        if self.additional:
            error["additional_data"] = self.additional
        return {**error, "request_id": request_id}


def invalid(message: str) -> NotionError:
    """400 validation_error with Notion's wording passed in."""
    return NotionError(400, "validation_error", message)


def shown(value: Any) -> str:
    """A value the way Notion quotes it in a message: JSON in backticks, long ones cut with an ellipsis."""
    text = json.dumps(value, ensure_ascii=False)
    return f"`{text if len(text) <= 100 else text[:100] + '...'}`"


def unfit(path: str, expected: str, value: Any) -> NotionError:
    """400 for a body value of the wrong shape, e.g. unfit("page_size", "≤ `100`", 101)."""
    return invalid(f"body failed validation: body.{path} should be {expected}, instead was {shown(value)}.")


def not_found(kind: str, object_id: str) -> NotionError:
    """404 for an id that does not exist or is not shared; Notion tells no difference."""
    message = f"Could not find {kind} with ID: {object_id}. {SHARING_HINT}"
    return NotionError(404, "object_not_found", message, {"integration_id": BOT.id})


def trashed() -> NotionError:
    """400 for a write to something that is in the trash."""
    return invalid("Can't edit block that is archived. You must unarchive the block before editing.")
