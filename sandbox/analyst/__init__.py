"""The local Claude's mind: rules that compose an answer from the item's own words. Same request, same answer."""

from typing import Any

from sandbox.analyst.brief import parse
from sandbox.analyst.gullible import obey
from sandbox.analyst.perspective import perspective
from sandbox.analyst.rebuttal import rebuttal
from sandbox.analyst.schema import fit
from sandbox.analyst.synthesis import synthesis
from sandbox.analyst.triage import triage

SIGNS = {
    "triage": {"route", "lead_persona"},
    "rebuttal": {"attacks", "concessions"},
    "persona": {"stance", "recommended"},
    "synthesis": {"dissent", "conflicts"},
}
ANSWERS = {"triage": triage, "persona": perspective, "rebuttal": rebuttal, "synthesis": synthesis}


def purpose(schema: dict[str, Any]) -> str:
    """triage, persona, rebuttal, synthesis or other, by the names of the schema's properties."""
    names = schema.get("properties", {}).keys()
    return next((name for name, signs in SIGNS.items() if signs <= names), "other")


def answer(schema: dict[str, Any], system: str, user: str, gullible: bool = False) -> dict[str, Any]:
    """An answer that fits `schema`, a checked JSON schema of an object. `system` and `user` are the prompt's texts.

    `gullible`: it does what the texts say, as far as the schema lets it.
    """
    compose = ANSWERS.get(purpose(schema))
    fitted: dict[str, Any] = fit(compose(parse(system, user)) if compose else None, schema)
    return obey(fitted, schema, system, user) if gullible else fitted
