from analysis.models.corrections import Correction
from analysis.models.decisions import Execution, Proposal, Settlement
from analysis.models.evaluations import Evaluation
from analysis.models.money import Batch, Budget, BudgetPeriod, LLMCall, ModelPrice
from analysis.models.outcomes import Outcome
from analysis.models.policy import Policy
from analysis.models.replays import PromptReplay, ReplayCase
from analysis.models.rules import HouseRule, Training
from analysis.models.runs import IntentRun
from analysis.models.thinking import Analysis, Depth, Perspective, PromptVersion, Synthesis, Triage

__all__ = [
    "Analysis",
    "Batch",
    "Budget",
    "BudgetPeriod",
    "Correction",
    "Depth",
    "Evaluation",
    "Execution",
    "HouseRule",
    "IntentRun",
    "LLMCall",
    "ModelPrice",
    "Outcome",
    "Perspective",
    "Policy",
    "PromptReplay",
    "PromptVersion",
    "Proposal",
    "ReplayCase",
    "Settlement",
    "Synthesis",
    "Training",
    "Triage",
]
