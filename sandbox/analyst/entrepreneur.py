"""The Entrepreneur: upside, speed, and the smallest bet that could win."""

from sandbox.analyst.options import Case, Verdict, View
from sandbox.analyst.reading import Reading
from sandbox.analyst.wording import listed, pick, quoted


def decide(reading: Reading) -> Verdict:
    """Go, nearly always; staged where a test is offered or a large bet has no way back."""
    confidence = 0.6 + 0.05 * min(len(reading.upside), 4) + 0.03 * reading.urgent - 0.02 * (reading.seed % 4)
    staged = reading.reversible or (reading.one_way and reading.money >= 100_000)
    return Verdict("Option A" if reading.small or not staged else "Option B", "go", confidence)


def argue(reading: Reading, verdict: Verdict) -> Case:
    """The case for moving."""
    return Case(
        views=_views(reading),
        lean=1,
        assumptions=[
            f"{_demand(reading)} is real and does not need another study",
            "The team can start within a week without new hires",
            "Being first teaches more than being right on paper",
        ],
        time=f"{pick(reading.seed, ('One week', 'Ten days', 'Two weeks'))} to a first result",
        money=f"{_bet(reading)} at first, more only after a first win",
        people="One owner with the right to say yes, and one person who builds",
        tasks=_tasks(reading, verdict),
        turning_point=f"Three people who should want {reading.topic} say no when asked to commit",
        rationale=_rationale(reading, verdict),
    )


def _bet(reading: Reading) -> str:
    cap = reading.exposure
    if cap is None:
        return "A few hundred dollars and a week of work"
    return f"About {cap.show(cap.value / 10)} (a tenth of {cap.text})"


def _demand(reading: Reading) -> str:
    return f"The pull behind {quoted(reading.upside[0])}" if reading.upside else f"The need behind {reading.topic}"


def _views(reading: Reading) -> tuple[View, View, View]:
    deadline = f" and {reading.dates[0]} is close" if reading.dates else ""
    ally = f" while {reading.counterpart} is at the table" if reading.counterpart else ""
    return (
        View(
            f"Go all in on {reading.topic}",
            f"Commit now{ally}, put one owner on it and tell all. The first decision makes the next cheaper{deadline}.",
            [f"Takes the whole upside{ally}", "Forces focus: one bet, one owner, one date"],
            ["Mistakes are made in public and at full price"],
        ),
        View(
            f"Smallest bet that could win {reading.topic}",
            f"{_bet(reading)} buys the first real evidence. If it works, double it; if not, stop without regret.",
            ["A first win or a clear no within two weeks", "Keeps the way back open"],
            ["Half a bet can look like half a heart", "A rival may take the whole bet meanwhile"],
        ),
        View(
            "Do nothing and watch",
            "Leave it and see who else moves. It feels safe because its cost never arrives as an invoice.",
            ["No money and no attention spent"],
            [f"The window for {reading.topic} closes without telling us", "Nothing is learned"],
        ),
    )


def _tasks(reading: Reading, verdict: Verdict) -> list[str]:
    partner = reading.counterpart or "the one person whose yes matters most"
    date = f" before {reading.dates[0]}" if reading.dates else " this week"
    start = "Commit to" if verdict.label == "Option A" else "Launch the smallest version of"
    return [
        f"{start} {reading.topic} and name one owner{date}",
        f"Call {partner} and ask for a first concrete commitment",
        f"Write one sentence that says what winning {reading.topic} looks like, with a number in it",
        "Show a first result to five people who would pay for it or live with it",
    ]


def _rationale(reading: Reading, verdict: Verdict) -> list[str]:
    opening = pick(
        reading.seed,
        (
            f"The question in {reading.topic} is whether waiting makes it better. It does not, so I would move.",
            f"I read {reading.topic} as a door that stands open today. Doors like this reward whoever walks first.",
            f"Everyone will find reasons to study {reading.topic}. I look for the fastest way to know.",
        ),
    )
    pull = (
        f"The item speaks of {listed([quoted(word) for word in reading.upside[:3]])}: there lies the upside."
        if reading.upside
        else "The item names no upside in so many words; I take that as a gap in the note, not in the world."
    )
    size = (
        f"{_bet(reading)} is enough to find out. Nobody was ever ruined by a tenth."
        if verdict.label == "Option B"
        else "Going in full is right here: the way back is open, or the sum is one that we can lose and still sleep."
    )
    hurry = f"With {reading.dates[0]} ahead, delay costs more than a wrong first step." if reading.dates else ""
    return [opening, pull, size, hurry]
