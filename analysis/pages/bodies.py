"""The bodies of the pages that an analysis makes: what a person reads before and after deciding."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date

from analysis.agreement import Conflict, band
from analysis.answers import Persona, PerspectiveAnswer, Plan, Reject, SynthesisAnswer
from analysis.pages.economics import economics_section
from analysis.pages.options import named, options_section, recommended
from analysis.pages.orders import warning_section
from analysis.pages.plan import kill_text, resources_text, shorten
from analysis.pages.rebuttals import rebuttals_section
from analysis.pages.values import LISTED_CHANGES, STANCES, Voice
from analysis.personas import CHARACTERS
from notion_sync.document import (
    Block,
    Bullet,
    Callout,
    Document,
    Heading,
    Numbered,
    Paragraph,
    Quote,
    Span,
    Table,
    Todo,
    Toggle,
)

PLANS_BYTES = 330_000  # of a page's two plans as JSON; one request carries 450,000 with all that goes around them
SHORT = 5_000  # characters of each text of a person, where that is not enough

AGREEMENT = {
    Conflict.CONSENSUS: "the personas agree",
    Conflict.MINOR: "the personas agree on the direction and differ on the option",
    Conflict.SPLIT: "the personas are split",
    Conflict.MAJOR: "the personas contradict each other",
}
DOORS = {
    "Two-way door": "A two-way door: you could go back within some weeks at a bearable cost.",
    "One-way door": "A one-way door: going back would be slow, dear or impossible.",
}


def intent_page(
    title: str,
    answer: SynthesisAnswer,
    voices: Sequence[Voice],
    conflict: Conflict,
    today: date,
    rival: SynthesisAnswer | None = None,
    depth: str = "standard",
    orders: Sequence[Mapping[str, str]] | None = None,
) -> Document:
    """The whole argument about one question: what speaks against relying on it, then the decision.

    `voices`: all that were asked, heard or not.

    `today`: when it was proposed. `rival`: what the same opinions in reversed order led to, where that is another option.
    `orders`: what in the item reads like orders to a model, as stored on it.
    """
    return [
        *_rejects(voices),
        *warning_section(orders),
        *_contested(answer, rival),
        *_missing(voices),
        _decision(answer, voices, conflict),
        *_question(title, answer),
        *options_section(answer),
        *economics_section(voices),
        *_disagreement(answer, voices, conflict),
        *rebuttals_section(voices, depth),
        *_dissent(answer, voices),
        Heading(f"What each persona {'said first' if any(voice.rebuttal for voice in voices) else 'says'}"),
        *(_voice(voice.name, voice.answer) for voice in voices if voice.answer),
        *plan_section(answer, today),
        *_how_to_decide(),
    ]


def voices_page(voices: Sequence[Voice]) -> list[Block]:
    """What was said so far about a question that nobody has brought together yet."""
    return [
        *_rejects(voices),
        *economics_section(voices),
        *(_voice(voice.name, voice.answer) for voice in voices if voice.answer),
        *_missing(voices),
    ]


def action_page(title: str, revision: int, voices: Sequence[Voice], analysis: Document = ()) -> Document:
    """What to do on an Action page, whoever says no or is missing first.

    `analysis`: the argument of a later revision; the Intent has the first.
    """
    if not analysis:
        where = f'The whole argument about "{title}" is on the page under Intent, above.'
        return [*_rejects(voices), *_missing(voices), *_how_to_decide(), Paragraph(where)]
    return [
        Callout(
            f"This is revision {revision}. The page under Intent shows the first argument; this one replaces it.", "🔁"
        ),
        *analysis,
    ]


def training_page(
    proposed: Plan, final: Plan, changes: Sequence[str], persona_rates: Mapping[str, float], note: str = ""
) -> Document:
    """What a person made of a plan: the changes, each persona's rate, and both plans whole.

    A final plan that is too long for one page is shortened field by field, each with a mark and its real length.
    """
    texts = json.dumps([proposed.model_dump(), final.model_dump(), note], ensure_ascii=False)
    if len(texts.encode()) > PLANS_BYTES:
        final, note = _shortened(final), shorten(note, SHORT)
    more = len(changes) - LISTED_CHANGES
    return [
        Heading("What was changed"),
        *(Bullet(change) for change in changes[:LISTED_CHANGES]),
        *([Paragraph(f"… and {more:,} more changes")] if more > 0 else []),
        *([] if changes else [Paragraph("Nothing.")]),
        *([Quote(note)] if note else []),
        *_rates(persona_rates),
        *plan_whole("The plan as proposed", proposed),
        *plan_whole("The plan as decided", final),
    ]


def _rejects(voices: Sequence[Voice]) -> list[Block]:
    """A ground on which a persona says no comes before everything else."""
    return [
        Callout(
            [
                Span(f"{voice.name} says that this must not go on: {voice.answer.reject}.", bold=True),
                f"\n{voice.answer.reject_reason}",
            ],
            "⛔",
            "red_background",
        )
        for voice in voices
        if voice.answer and voice.answer.reject != Reject.NONE
    ]


def _contested(answer: SynthesisAnswer, rival: SynthesisAnswer | None) -> list[Block]:
    if rival is None:
        return []
    return [
        Callout(
            [
                Span("Contested. ", bold=True),
                f"Read in one order, the opinions led to {named(recommended(answer))}; in the other, to "
                f"{named(recommended(rival))}: {rival.decision}\nThe plan below is the first; the lower confidence counts.",
            ],
            "⚖️",
            "yellow_background",
        )
    ]


def _decision(answer: SynthesisAnswer, voices: Sequence[Voice], conflict: Conflict) -> Block:
    heard = sum(voice.answer is not None for voice in voices)
    agreement = AGREEMENT[conflict] if heard > 1 else "only one persona was heard"
    return Callout(
        [
            Span(f"Recommended: {named(recommended(answer))}", bold=True),
            f"\n{answer.decision}\n",
            Span(
                f"Confidence {answer.confidence:.0%}, {_sure(answer.confidence)}; {agreement} ({_band(voices)}).",
                italic=True,
            ),
        ],
        "🧭",
        "blue_background",
    )


def _question(title: str, answer: SynthesisAnswer) -> list[Block]:
    return [Heading("What to decide"), Paragraph([Span(title, bold=True), f"\n{DOORS[answer.reversibility]}"])]


def _disagreement(answer: SynthesisAnswer, voices: Sequence[Voice], conflict: Conflict) -> list[Block]:
    heard = [(voice.name, voice.verdict) for voice in voices if voice.verdict]
    return [
        Heading("Where the personas disagree"),
        Table(
            ["Persona", "Says", "Recommends", "Confidence"],
            [[name, STANCES[said.stance], said.recommended, f"{said.confidence:.0%}"] for name, said in heard],
        ),
        *(Bullet([Span(point.topic, bold=True), f": {point.positions}"]) for point in answer.conflicts),
        *([] if answer.conflicts else [Paragraph(f"No point of conflict was named: {conflict.value}.")]),
    ]


def _dissent(answer: SynthesisAnswer, voices: Sequence[Voice]) -> list[Block]:
    """The case against, and word for word whoever recommends something else. What is quoted is not said twice."""
    others = [
        (voice.name, voice.verdict)
        for voice in voices
        if voice.verdict and voice.verdict.recommended != answer.recommended
    ]
    found: list[Block] = [Heading("The dissent")]
    if answer.dissent and all(answer.dissent != said.rationale for _, said in others):
        found.append(Paragraph([Span("The strongest case against: ", bold=True), answer.dissent]))
    for name, said in others:
        found.append(Quote([said.rationale, Span(f"\n{name}, who recommends {said.recommended}", italic=True)]))
    if not others:
        found.append(Paragraph("No persona that was heard recommends another option."))
    return found


def _voice(name: str, said: PerspectiveAnswer) -> Block:
    return Toggle(
        [Span(name, bold=True), f": {STANCES[said.stance]}, {named(recommended(said))}, {said.confidence:.0%} sure"],
        [
            Paragraph(said.rationale),
            *(Bullet([Span("Assumes: ", italic=True), assumption]) for assumption in said.assumptions),
            Paragraph(
                [
                    Span("Would have you do:", bold=True),
                    "".join(f"\n• {task}" for task in said.tasks),
                    Span("\nThat takes:", bold=True),
                    f"\n{resources_text(said.resources)}",
                ]
            ),
            Paragraph([Span("Would change its mind: ", bold=True), said.would_change_my_mind]),
        ],
    )


def _missing(voices: Sequence[Voice]) -> list[Block]:
    return [
        Callout(f"{voice.name} was not heard. {voice.missing}".strip(), "⚠️", "yellow_background")
        for voice in voices
        if voice.answer is None
    ]


def plan_section(answer: SynthesisAnswer, today: date) -> list[Block]:
    """What a synthesis says besides its verdict: the risks, the tasks, when to stop, the test and the prediction."""
    return [
        Heading("What could go wrong"),
        Paragraph(answer.risk_assessment),
        Paragraph(Span("Suppose it failed within a year. This would be why:", italic=True)),
        *(Bullet(cause) for cause in answer.premortem),
        Heading("Next steps"),
        *(Todo(task) for task in answer.tasks),
        Heading("When to stop"),
        *(Bullet(kill_text(criterion, today)) for criterion in answer.kill_criteria),
        Heading("The cheapest next test"),
        Paragraph(answer.next_test),
        Heading("What we predict"),
        Paragraph(
            f"{answer.prediction} ({answer.prediction_probability:.0%} likely). We ask how it went after "
            f"{answer.review_in_days} days."
        ),
        Heading("How you will know that it worked"),
        *(Bullet(criterion) for criterion in answer.success_criteria),
    ]


def _how_to_decide() -> list[Block]:
    return [
        Heading("How to decide"),
        Numbered("In Action Pipes, change the plan until it is yours: the option, the texts, the tasks (one a line)."),
        Numbered("Set Approval_Status there. What happens then:"),
        Bullet("Approved: after a short time the tasks are made and, from three tasks up, a project around them."),
        Bullet("Rejected: nothing is made. Rejection_Reason tells us why."),
        Bullet("Needs_Revision: the personas argue again, with what you write in User_Notes, and propose anew."),
        Paragraph("Changed your mind at once? Set Approval_Status back to Pending before the tasks are made."),
        Paragraph("What you changed is measured and kept, so that the next proposals come closer to what you want."),
    ]


def _shortened(plan: Plan) -> Plan:
    return Plan(
        recommended_option=plan.recommended_option,
        scenario_options=shorten(plan.scenario_options, SHORT),
        risk_assessment=shorten(plan.risk_assessment, SHORT),
        required_resources=shorten(plan.required_resources, SHORT),
        tasks=[shorten("\n".join(plan.tasks), SHORT)],
    )


def _rates(persona_rates: Mapping[str, float]) -> list[Block]:
    rows = [[CHARACTERS[Persona(name)].name, f"{rate:.0%}"] for name, rate in persona_rates.items()]
    return [Heading("How close each persona came"), Table(["Persona", "Rate"], rows)] if rows else []


def plan_whole(name: str, plan: Plan) -> list[Block]:
    """All five fields of a plan, under a heading."""
    fields = {
        "Recommended option": plan.recommended_option,
        "Scenario options": plan.scenario_options,
        "Risk assessment": plan.risk_assessment,
        "Required resources": plan.required_resources,
        "Tasks": "\n".join(plan.tasks),
    }
    return [
        Heading(name),
        *(Paragraph([Span(field, bold=True), f"\n{text or '(empty)'}"]) for field, text in fields.items()),
    ]


def _band(voices: Sequence[Voice]) -> str:
    return band(voice.verdict.stance for voice in voices if voice.verdict).value


def _sure(confidence: float) -> str:
    """A fraction in words."""
    for least, words in ((0.85, "almost sure"), (0.65, "likely"), (0.45, "about even")):
        if confidence >= least:
            return words
    return "more doubt than trust"
