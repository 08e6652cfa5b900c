from analysis.models.decisions import Execution, Settlement
from analysis.models.money import Budget, BudgetPeriod, LLMCall, ModelPrice
from analysis.models.thinking import Analysis, Perspective, PromptVersion, Synthesis, Triage

__all__ = [
    "Analysis",
    "Budget",
    "BudgetPeriod",
    "Execution",
    "LLMCall",
    "ModelPrice",
    "Perspective",
    "PromptVersion",
    "Settlement",
    "Synthesis",
    "Triage",
]
