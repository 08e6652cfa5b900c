"""The synthesis: votes weighted by confidence, conflicts by name, the strongest dissent word for word."""

from collections import defaultdict
from typing import Any

from sandbox.analyst.brief import Brief
from sandbox.analyst.options import LABELS, Verdict
from sandbox.analyst.perspective import heeded, perspective
from sandbox.analyst.reading import Reading
from sandbox.analyst.wording import clamp, clip, distinct, line, listed, paragraphs, quoted

Opinion = dict[str, Any]
Shape = dict[str, type | tuple[type, ...]]

OPINION: Shape = {
    "options": list,
    "resources": dict,
    "tasks": list,
    "would_change_my_mind": str,
    "rationale": str,
    "stance": str,
    "recommended": str,
    "confidence": (int, float),
}
VERDICT: Shape = {name: OPINION[name] for name in ("stance", "recommended", "confidence")}
OPTION: Shape = {"label": str, "name": str, "description": str, "pros": list, "cons": list, "risk": int, "impact": int}
RESOURCES: Shape = {"time": str, "money": str, "tools": str, "people": str}


def synthesis(brief: Brief) -> dict[str, Any]:
    """A SynthesisAnswer. Opinions that are not whole are left out; with none at all it weighs the item by itself."""
    reading = brief.reading
    opinions = [_last_word(opinion) for opinion in brief.opinions if _whole(opinion)] or [perspective(brief)]
    votes = _votes(opinions)
    vote = max(votes, key=lambda label: (votes[label], label))
    label = heeded(Verdict(vote, "go", 1), brief.note).label
    supporters = [opinion for opinion in opinions if opinion["recommended"] == label]
    others = sorted((o for o in opinions if o["recommended"] != label), key=_weight, reverse=True)
    lead = max(supporters or opinions, key=_weight)
    share = votes.get(label, 0) / sum(votes.values())
    return {
        "options": [_option(opinions, lead, name) for name in LABELS],
        "conflicts": _conflicts(opinions),
        "dissent": clip(str(others[0]["rationale"]), 4_000) if others else "",
        "premortem": _premortem(reading, others),
        "risk_assessment": _risks(reading, opinions, label),
        "resources": {key: line(str(lead["resources"][key])) for key in RESOURCES},
        "tasks": _tasks(lead, others, reading),
        "success_criteria": _criteria(reading),
        "kill_criteria": _kill_criteria(reading),
        "next_test": line(_next_test(lead, others, reading)),
        "review_in_days": 90 if reading.long_term else 30,
        "prediction": line(_criteria(reading)[0]),
        "prediction_probability": round(max(0.05, min(0.95, _weight(lead) * share)), 2),
        "reversibility": "One-way door" if reading.one_way else "Two-way door",
        "decision": _decision(brief, opinions, label),
        "recommended": label,
        "confidence": round(max(0.05, min(0.95, _weight(lead) * (0.4 + 0.6 * share))), 2),
    }


def _whole(opinion: Opinion) -> bool:
    return (
        _shaped(opinion, OPINION)
        and _shaped(opinion["resources"], RESOURCES)
        and all(_shaped(option, OPTION) for option in opinion["options"])
        and sorted(option["label"] for option in opinion["options"]) == list(LABELS)
        and opinion["recommended"] in LABELS
        and bool(opinion["tasks"])
    )


def _last_word(opinion: Opinion) -> Opinion:
    """The opinion with the verdict that its voice came to after it had heard the others."""
    reply: Any = opinion.get("rebuttal")
    return {**opinion, **{key: reply[key] for key in VERDICT}} if _shaped(reply, VERDICT) else opinion


def _shaped(value: Any, shape: Shape) -> bool:
    return isinstance(value, dict) and all(isinstance(value.get(name), kind) for name, kind in shape.items())


def _weight(opinion: Opinion) -> float:
    return max(0.01, float(opinion["confidence"]))


def _votes(opinions: list[Opinion]) -> dict[str, float]:
    votes: dict[str, float] = defaultdict(float)
    for opinion in opinions:
        votes[opinion["recommended"]] += _weight(opinion)
    return votes


def _named(opinions: list[Opinion]) -> list[tuple[str, Opinion]]:
    """Voices by the name they come under, otherwise by number."""
    return [(line(str(voice.get("from") or f"Voice {place}")), voice) for place, voice in enumerate(opinions, 1)]


def _of(opinion: Opinion, label: str) -> dict[str, Any]:
    return next(option for option in opinion["options"] if option["label"] == label)


def _option(opinions: list[Opinion], lead: Opinion, label: str) -> dict[str, Any]:
    """One way as the leading voice puts it, with what the others see for and against it."""
    seen = [_of(lead, label), *(_of(opinion, label) for opinion in opinions if opinion is not lead)]
    return {
        "label": label,
        "name": line(str(seen[0]["name"])),
        "description": clip(str(seen[0]["description"]), 4_000),
        "pros": [line(str(pro)) for pro in distinct(str(pro) for option in seen for pro in option["pros"])[:5]],
        "cons": [line(str(con)) for con in distinct(str(con) for option in seen for con in option["cons"])[:5]],
        "does_nothing": label == LABELS[-1],
        "risk": clamp(sum(option["risk"] for option in seen) / len(seen), 1, 5),
        "impact": clamp(sum(option["impact"] for option in seen) / len(seen), 1, 10),
    }


def _conflicts(opinions: list[Opinion]) -> list[dict[str, str]]:
    """The points on which the voices differ: the way, moving at all, the bold way's risk and worth, the money."""
    named = _named(opinions)
    risks = {name: _of(opinion, "Option A")["risk"] for name, opinion in named}
    impacts = {name: _of(opinion, "Option A")["impact"] for name, opinion in named}
    points = [
        ("Which way to take", {name: o["recommended"] for name, o in named}, 0),
        ("Whether to move at all", {name: o["stance"] for name, o in named}, 0),
        ("How risky the bold way is, of 5", risks, 1),
        ("What the bold way could bring, of 10", impacts, 1),
    ]
    found = []
    for topic, positions, tolerance in points:
        values = list(positions.values())
        apart = max(values) - min(values) > tolerance if tolerance else len(set(values)) > 1
        if apart:
            text = "; ".join(f"{name}: {value}" for name, value in positions.items())
            found.append({"topic": topic, "positions": clip(f"{text}.", 4_000)})
    return found


def _premortem(reading: Reading, others: list[Opinion]) -> list[str]:
    when = reading.dates[0] if reading.dates else "six months"
    money = f"{reading.exposure.text} was spent" if reading.exposure else "More was spent than anyone had agreed"
    bound = listed([quoted(word) for word in reading.legal[:2]])
    doubt = f"What the dissent asked for never came: {others[0]['would_change_my_mind']}" if others else ""
    lines = [
        f"{money} before the first result on {reading.topic} was looked at",
        f"Nobody owned {reading.topic} after {when}, so it drifted",
        f"What the item calls {bound} turned out to bind us more than we had read" if bound else "",
        doubt or "All voices agreed, and all had the same blind spot",
    ]
    return [line(text) for text in lines if text]


def _risks(reading: Reading, opinions: list[Opinion], label: str) -> str:
    risks = [_of(opinion, label)["risk"] for opinion in opinions]
    spread = f"{min(risks)} to {max(risks)}" if min(risks) < max(risks) else str(risks[0])
    sums = listed([amount.text for amount in reading.amounts[:3]])
    return paragraphs(
        f"The voices put the risk of {label} at {spread} of 5.",
        f"Words that weigh: {listed(reading.hazards)}." if reading.hazards else "No word points to law or lock-in.",
        f"Sums named in the item: {sums}." if sums else "The item names no sum.",
    )


def _tasks(lead: Opinion, others: list[Opinion], reading: Reading) -> list[str]:
    """The leading plan's first tasks, the dissent's first as a guard, and a date to look back."""
    guard = [str(others[0]["tasks"][0])] if others else []
    when = f"after {reading.dates[0]}" if reading.dates else "in 30 days"
    review = f"Review {reading.topic} {when} against the success criteria"
    return [line(task) for task in distinct([*(str(task) for task in lead["tasks"][:3]), *guard, review])[:5]]


def _criteria(reading: Reading) -> list[str]:
    limit = f"No more than {reading.exposure.text} is spent" if reading.exposure else "Spending stays under a set limit"
    when = f"by {reading.dates[0]}" if reading.dates else "within 60 days"
    subject = listed(list(reading.keywords[:3])) or "the subject"
    return [
        line(f"One number for {subject} is better than before, measured the same way"),
        line(limit),
        line(f"The decision is confirmed or reversed {when}"),
    ]


def _kill_criteria(reading: Reading) -> list[dict[str, Any]]:
    spent = f"{reading.exposure.text} is reached" if reading.exposure else "the agreed limit is reached"
    owner = reading.counterpart or "whoever decides"
    return [
        {"metric": "Money spent", "threshold": spent, "within_days": 90, "owner": line(owner)},
        {
            "metric": "Result of the first test",
            "threshold": "none after the second try",
            "within_days": 60,
            "owner": line(owner),
        },
    ]


def _next_test(lead: Opinion, others: list[Opinion], reading: Reading) -> str:
    doubt = str((others[0] if others else lead)["would_change_my_mind"])
    return f"In the next five days, find out at no cost whether this holds: {doubt}"


def _decision(brief: Brief, opinions: list[Opinion], label: str) -> str:
    backing = [name for name, opinion in _named(opinions) if opinion["recommended"] == label]
    against = [name for name, opinion in _named(opinions) if opinion["recommended"] != label]
    way = {"Option A": "Commit now", "Option B": "Take the tested way", "Option C": "Do nothing for now"}[label]
    support = f"In favour: {listed(backing) or 'nobody before the note'}."
    dissent = (
        f" Against: {listed(against)}; the strongest dissent is kept word for word." if against else " Nobody dissents."
    )
    unread = len(brief.opinions) - sum(_whole(opinion) for opinion in brief.opinions)
    return paragraphs(
        f"Sandbox analysis, made by rules. {way} on {brief.reading.topic}: {label}.",
        f"{support}{dissent} Votes are weighted by each voice's confidence; a tie goes to the more careful way.",
        f"Opinions that could not be read and have no vote: {unread}." if unread else "",
        f"This revision takes up the note {quoted(brief.note, 200)}." if brief.note else "",
        "Sentences addressed to the analyst were left out." if brief.reading.addressed_to_analyst else "",
    )
