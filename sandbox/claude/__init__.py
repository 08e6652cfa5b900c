"""The local Claude: the Messages API over HTTP, mounted at /claude. Answers are composed by sandbox.analyst."""

from sandbox.claude.api import routes

__all__ = ["routes"]
