"""What the console calls those who argue and what they make."""

from __future__ import annotations

from analysis import training
from analysis.acceptance import SYNTHESIS
from analysis.answers import Persona
from analysis.personas import CHARACTERS

NAMES: dict[str, str] = {
    training.PLAN: "The plan",
    SYNTHESIS: "The synthesis",
    **{persona.value: CHARACTERS[persona].name for persona in Persona},
}
