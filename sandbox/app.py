"""The application: Notion below /notion/v1, Claude below /claude, the levers below /control, the web view at /."""

from starlette.applications import Starlette
from starlette.routing import Mount, Router
from starlette.types import Receive, Scope, Send

from sandbox import claude
from sandbox.control import control_routes
from sandbox.notion.faults import HANG_UP, Gate, hang_up_of
from sandbox.notion.routes import notion_routes
from sandbox.notion.store import Workspace
from sandbox.web.routes import web_routes


class Sandbox(Starlette):
    """Starlette that leaves the means to cut a connection in the scope, before any middleware wraps `send`."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope[HANG_UP] = hang_up_of(receive, send)
        await super().__call__(scope, receive, send)


def create_app(db_path: str, address: str = "http://127.0.0.1:8100") -> Starlette:
    """The application over the SQLite file `db_path` (":memory:" keeps nothing). `address`: where browsers find it."""
    ws = Workspace(db_path, address)
    gate = Gate(Router(notion_routes(ws)))
    return Sandbox(
        routes=[
            Mount("/notion", app=gate),
            Mount("/claude", routes=claude.routes),
            Mount("/control", routes=control_routes(ws, gate)),
            *web_routes(ws),
        ]
    )
