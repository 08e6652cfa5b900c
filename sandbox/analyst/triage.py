"""Where an item goes: the route by its words, and the reasons for it."""

import re
from typing import Any

from sandbox.analyst import vocabulary
from sandbox.analyst.brief import Brief
from sandbox.analyst.reading import Reading
from sandbox.analyst.wording import clamp, line, listed, paragraphs, pick, quoted


def triage(brief: Brief) -> dict[str, Any]:
    """A TriageAnswer for the brief's item."""
    reading = brief.reading
    route, reason, confidence = _route(reading)
    risk = _risk(reading)
    impact = _impact(reading, route)
    area = _area(reading, brief.areas)
    reasoning = paragraphs(
        f"Sandbox analysis, made by rules. {reason}",
        _weight(reading, risk, impact),
        f"It belongs to {area}." if area else "None of the areas fits its words.",
        "Sentences addressed to the analyst were left out." if reading.addressed_to_analyst else "",
        f"The last {reading.unread:,} characters were not read." if reading.unread else "",
        f"The note {quoted(brief.note, 200)} was taken into account." if brief.note else "",
    )
    return {
        "reasoning": reasoning,
        "title": line(reading.title or " ".join(reading.content.split()[:9]) or "Item without a usable title"),
        "route": route,
        "lead_persona": _lead(reading),
        "risk": risk,
        "impact": impact,
        "area": area,
        "concepts": _concepts(reading),
        "success_criteria": _criteria(reading, route),
        "confidence": round(confidence, 2),
    }


def _route(reading: Reading) -> tuple[str, str, float]:
    """Route, the reason in a sentence, confidence. The first rule that holds wins."""
    action = vocabulary.STARTS_WITH_ACTION.search(reading.title) or vocabulary.ASKS_FOR_ACTION.search(reading.text)
    if reading.vague:
        return "reference", "There are too few words to act on, so it is kept and a person should look.", 0.2
    if vocabulary.STARTS_AS_NOTE.search(reading.title) and not reading.title.endswith("?"):
        return "reference", "It presents itself as a note: something to keep, not to decide.", 0.86
    signs = _strategic_signs(reading)
    if signs and reading.small:
        return "operational", "It is a choice, but cheaper to make than to discuss.", 0.72
    if signs:
        confidence = min(0.95, 0.62 + 0.1 * len(signs) - (0.1 if action else 0))
        return "strategic", f"It asks for a decision: {listed(signs)}.", confidence
    if action:
        return "operational", f"It names an action, {quoted(action[1].lower())}, and leaves nothing to decide.", 0.88
    if vocabulary.ADDRESS.search(reading.text) or reading.works or reading.people or reading.companies:
        return "reference", "It names people, works or addresses and asks for nothing.", 0.7
    return "reference", "It neither asks for a decision nor names an action, so this is a guess.", 0.42


def _strategic_signs(reading: Reading) -> list[str]:
    signs = []
    if reading.choices:
        signs.append(f"it weighs a choice ({quoted(reading.choices[0])})")
    if reading.money >= 1_000:
        largest = max(reading.amounts, key=lambda amount: amount.value)
        signs.append(f"{largest.text} is at stake")
    if reading.long_term:
        span = next(iter(reading.durations), "a lasting commitment")
        signs.append(f"it binds for long ({span})")
    return signs


def _risk(reading: Reading) -> str:
    if reading.one_way and (reading.legal or reading.money >= 100_000):
        return "High"
    if reading.one_way or reading.legal or reading.money >= 25_000:
        return "Medium"
    return "Low"


def _impact(reading: Reading, route: str) -> int:
    scale = sum(reading.money >= bound for bound in (1_000, 10_000, 50_000, 250_000, 1_000_000))
    base = {"strategic": 4, "operational": 2, "reference": 1}[route]
    return clamp(base + scale + bool(reading.irreversible) + bool(reading.upside) + reading.urgent, 1, 10)


def _weight(reading: Reading, risk: str, impact: int) -> str:
    because = f" because it says {listed(reading.hazards)}" if reading.hazards else ""
    urgent = ", and it is marked urgent" if reading.urgent else ""
    when = f" It mentions {listed(reading.dates[:2])}." if reading.dates else ""
    return f"Risk is {risk}{because}; impact {impact} of 10{urgent}.{when}"


def _lead(reading: Reading) -> str:
    """Whose voice counts first: law and lock-in, then numbers, otherwise opportunity."""
    if len(reading.legal) + len(reading.irreversible) > len(reading.upside) + 1 or len(reading.legal) > 1:
        return "auditor"
    if len(reading.amounts) + len(reading.percents) > 1:
        return "quant"
    return "entrepreneur" if reading.upside or not reading.amounts else pick(reading.seed, ("quant", "entrepreneur"))


def _area(reading: Reading, areas: list[str]) -> str:
    """The given area whose words occur most often; "" for none."""
    words = re.findall(r"[\w-]{3,30}", reading.text.casefold())
    scores = {}
    for area in areas:
        known = {*vocabulary.AREAS.get(area, ()), *re.findall(r"\w{4,}", area.casefold())}
        scores[area] = sum(word in known or word.rstrip("s") in known for word in words)
    best = max(scores, key=lambda area: scores[area], default="")
    return best if scores.get(best) else ""


def _concepts(reading: Reading) -> list[dict[str, str]]:
    """At most four names worth a node."""
    found = [
        *((name, "Entity_Company", "A company named") for name in reading.companies[:2]),
        *((name, "Entity_Person", "A person named") for name in reading.people[:2]),
        *((name, "Knowledge_Asset", "A title quoted") for name in reading.works[:2]),
        *((name, "System_Component", "A system named") for name in reading.systems[:2]),
    ]
    names: dict[str, tuple[str, str]] = {}
    for name, kind, what in found:
        names.setdefault(line(name), (kind, f"{what} in {reading.topic}."))
    return [{"name": name, "kind": kind, "note": note} for name, (kind, note) in list(names.items())[:4]]


def _criteria(reading: Reading, route: str) -> list[str]:
    when = f" by {reading.dates[0]}" if reading.dates else ""
    if route == "reference":
        return []
    if route == "operational":
        return [line(f"{reading.topic} is done{when} and whoever waits for it knows")]
    money = reading.exposure
    return [
        line(f"A decision on {reading.topic} is written down{when or ' within two weeks'} with its reasons"),
        line(f"Spending stays within {money.text}" if money else "A spending limit is set before anything is spent"),
        line(f"One measured result after {pick(reading.seed, ('30', '60', '90'))} days shows whether it worked"),
    ]
