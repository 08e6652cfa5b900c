"""The console's pages about thinking and its price."""

from analysis.admin import (
    decisions,
    desk,
    evaluations,
    money,
    outcomes,
    policy,
    prompts,
    replays,
    rules,
    thinking,
    training,
    triage,
)

__all__ = [
    "decisions",
    "desk",
    "evaluations",
    "money",
    "outcomes",
    "policy",
    "prompts",
    "replays",
    "rules",
    "thinking",
    "training",
    "triage",
]
