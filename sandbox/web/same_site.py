"""Whether a browser's request comes from a page of this server."""

from starlette.requests import Request


def same_site(request: Request) -> bool:
    """False where the Origin header names another place; no such header counts as yes."""
    origin = request.headers.get("origin")
    return origin is None or origin.partition("://")[2] == request.headers.get("host")
