"""The people of the workspace, and the integration's bot. Their ids never change."""

from dataclasses import dataclass
from typing import Any

WORKSPACE_ID = "e0000000-0000-4000-8000-000000000001"
WORKSPACE_NAME = "Sandbox workspace"


@dataclass(frozen=True)
class User:
    """`email` is None for the bot."""

    id: str
    name: str
    email: str | None = None

    def reference(self) -> dict[str, Any]:
        """The two-key form used in created_by and last_edited_by of objects."""
        return {"object": "user", "id": self.id}

    def full(self) -> dict[str, Any]:
        """The form listed by GET /users."""
        if self.email is not None:
            person = {"email": self.email, "email_verified": True}
            return {**self.reference(), "name": self.name, "avatar_url": None, "type": "person", "person": person}
        bot = {
            "owner": {"type": "workspace", "workspace": True},
            "workspace_name": WORKSPACE_NAME,
            "workspace_id": WORKSPACE_ID,
            "workspace_limits": {"max_file_upload_size_in_bytes": 5242880},
        }
        return {**self.reference(), "name": self.name, "avatar_url": None, "type": "bot", "bot": bot}

    def in_property(self) -> dict[str, Any]:
        """The form inside property values: a bot shows no owner there, a person no email_verified."""
        if self.email is not None:
            return {**self.full(), "person": {"email": self.email}}
        return {**self.full(), "bot": {}}


BOT = User("b0000000-0000-4000-8000-000000000001", "Executive Mind Matrix")
PERSON = User("a0000000-0000-4000-8000-000000000001", "Robin Vale", "robin@example.com")
COLLEAGUE = User("a0000000-0000-4000-8000-000000000002", "Sam Okafor", "sam@example.com")

USERS = {user.id: user for user in (PERSON, COLLEAGUE, BOT)}
