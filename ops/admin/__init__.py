"""The console's pages about running the product."""

from ops.admin import backlog, incidents, ledger, levels, mirror, notices, people, readiness, spend, telling

__all__ = [
    "backlog",
    "incidents",
    "ledger",
    "levels",
    "mirror",
    "notices",
    "people",
    "readiness",
    "spend",
    "telling",
]
