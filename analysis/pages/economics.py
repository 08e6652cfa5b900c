"""The section of a page that shows what the advisers' chances and payoffs come to."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.answers import Payoff, Persona, PerspectiveAnswer
from analysis.economics import Bet, dominated, weigh
from analysis.pages.values import Voice
from notion_sync.document import Block, Bullet, Heading, Paragraph, Span, Table, Text, Toggle

NO_FIGURES = "The Quant named no chances and payoffs, so no expected value is computed."


def economics_section(voices: Sequence[Voice]) -> list[Block]:
    """Expected values by whoever named payoffs, computed here; where the Quant named none, that this is so."""
    found = [(voice.name, voice.answer) for voice in voices if voice.answer and voice.answer.payoffs]
    if not found:
        silent = any(voice.answer and voice.persona == Persona.QUANT for voice in voices)
        return [Paragraph(Span(NO_FIGURES, italic=True))] if silent else []
    return [Heading("What it comes to in numbers"), *(block for name, said in found for block in _of(name, said))]


def _of(name: str, said: PerspectiveAnswer) -> list[Block]:
    by = f"By {name}, whose chances and payoffs were added up by us. {_origin(said.payoffs)}"
    return [Paragraph(Span(by, italic=True)), *figures_section(said.payoffs)]


def _origin(payoffs: Sequence[Payoff]) -> str:
    given, cited = (sum(payoff.basis == basis for payoff in payoffs) for basis in ("given", "cited"))
    sources = f", {cited} with a source that nobody looked up" if cited else ""
    return f"Amounts: {given} of {len(payoffs)} stand in the item{sources}. The chances are its own estimates."


def figures_section(payoffs: list[Payoff]) -> list[Block]:
    """What one persona's figures come to for each option, and which option is dominated; nothing where it named none."""
    if not payoffs:
        return []
    bets = weigh(payoffs)
    beaten = dominated(bets)
    some_left = any(bet.left for bet in bets)
    header = ["Option", "Expected", "Worst", "Best", "Amounts", *(["Chance left, counts as 0"] if some_left else [])]
    return [
        Table(header, [_row(bet)[: len(header)] for bet in bets]),
        *(
            Bullet(f"{option} is dominated: {better} is no worse on average and in the worst case.")
            for option, better in beaten.items()
        ),
        *(Bullet(f"{bet.option} was not added up: {bet.problem}.") for bet in bets if bet.problem),
        Toggle("The figures behind it", [Paragraph("\n".join(_figure(payoff) for payoff in payoffs))]),
    ]


def _figure(payoff: Payoff) -> str:
    source = f" ({payoff.source})" if payoff.source else ""
    amount = f"{_amount(payoff.value, payoff.unit)}, {payoff.basis}{source}"
    return f"{payoff.option}, {payoff.outcome}: a chance of {payoff.probability:.0%} of {amount}"


def _row(bet: Bet) -> list[Text]:
    figures = f"{bet.figures}, {bet.guessed} guessed"
    sums = [_amount(value, bet.unit) if value is not None else "none" for value in (bet.expected, bet.worst, bet.best)]
    return [bet.option, *sums, figures, f"{bet.left:.0%}" if bet.left else "none"]


def _amount(value: float, unit: str) -> str:
    return f"{value:,.0f} {unit}" if abs(value) >= 100 or value == round(value) else f"{value:,.2f} {unit}"
