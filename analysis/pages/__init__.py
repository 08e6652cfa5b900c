"""What people read of an analysis: the properties and the bodies of its pages. Pure: no queries, no network."""

from analysis.pages.alone import answer_page
from analysis.pages.bodies import action_page, intent_page, plan_whole, training_page, voices_page
from analysis.pages.links import live_links
from analysis.pages.orders import warning
from analysis.pages.outcomes import confidence_in, outcome_values, projected, review_page, review_task_values
from analysis.pages.plan import option_text, plan_from_values, plan_of, plan_values, resources_text, shorten
from analysis.pages.values import (
    SYSTEM,
    YOU,
    Voice,
    action_values,
    changes_text,
    day,
    decision_text,
    intent_values,
    log_values,
    priority,
    project_context,
    training_values,
)

__all__ = [
    "SYSTEM",
    "YOU",
    "Voice",
    "action_page",
    "action_values",
    "answer_page",
    "changes_text",
    "confidence_in",
    "day",
    "decision_text",
    "intent_page",
    "intent_values",
    "live_links",
    "log_values",
    "option_text",
    "outcome_values",
    "plan_from_values",
    "plan_of",
    "plan_values",
    "plan_whole",
    "priority",
    "project_context",
    "projected",
    "resources_text",
    "review_page",
    "review_task_values",
    "shorten",
    "training_page",
    "training_values",
    "voices_page",
    "warning",
]
