"""How good the configured models are at our own labelled inbox, and what they cost: measured, not asserted."""

from analysis.evaluation.labels import Label, labels
from analysis.evaluation.report import in_words
from analysis.evaluation.run import Incomplete, evaluate

__all__ = ["Incomplete", "Label", "evaluate", "in_words", "labels"]
