"""What the integration was given to do, and what the workspace's plan allows: both answer 403.

https://developers.notion.com/reference/capabilities and https://developers.notion.com/reference/workspace-block-limits
"""

from sandbox.notion.errors import NotionError
from sandbox.notion.store import Workspace
from sandbox.notion.users import BOT


def needed(method: str, path: str) -> str:
    """The capability that an operation asks for: read, insert or update, of content, comments or users."""
    place = path.split("/v1/")[-1]
    if place.startswith("users"):
        return "" if place == "users/me" else "user information"
    if place.startswith("comments"):
        return "read comments" if method == "GET" else "insert comments"
    if method == "GET" or place == "search" or place.endswith("/query"):
        return "read content"
    return "insert content" if method == "POST" or place.endswith("/children") else "update content"


def check(ws: Workspace, method: str, path: str, user_id: str) -> None:
    """403 where the integration lacks what the operation asks for; people lack nothing."""
    if user_id == BOT.id and needed(method, path) in ws.lacking:
        raise NotionError(403, "restricted_resource", "Insufficient permissions for this endpoint.")


def blocks_used(ws: Workspace) -> int:
    """Pages and blocks ever made, for a plan with a limit; 0 for one without."""
    if ws.most_blocks is None:
        return 0
    rows = ws.rows("SELECT count(*) AS n FROM pages UNION ALL SELECT count(*) FROM blocks")
    return sum(int(row["n"]) for row in rows)


def check_plan(ws: Workspace, before: int, user_id: str) -> None:
    """403 where the bot's write has made blocks beyond the plan's limit. `before`: what was used before it."""
    if ws.most_blocks is not None and user_id == BOT.id and blocks_used(ws) > max(before, ws.most_blocks):
        message = "This workspace has reached the block limit of its plan. Upgrade the plan to create more blocks."
        raise NotionError(403, "restricted_resource", message, {"block_limit": str(ws.most_blocks)})
