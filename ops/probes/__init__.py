"""The probes, by area. Importing this package fills the registry."""

from ops.probes import (
    dependencies,
    documents,
    environment,
    infrastructure,
    levels,
    monitoring,
    security,
    testing,
)
from ops.probes.registry import REGISTRY, Probe, Seen, run

__all__ = [
    "REGISTRY",
    "Probe",
    "Seen",
    "dependencies",
    "documents",
    "environment",
    "infrastructure",
    "levels",
    "monitoring",
    "run",
    "security",
    "testing",
]
