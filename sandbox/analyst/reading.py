"""What one item says: amounts, dates, names and the words that rules look for. Nothing is added to it."""

import hashlib
import re
from dataclasses import dataclass

from sandbox.analyst import vocabulary
from sandbox.analyst.wording import clean, clip, distinct, quoted

READ_AT_MOST = 50_000
YEARLY = {"month": 12, "mo": 12, "year": 1, "yr": 1, "week": 52, "day": 250, "hour": 2_000}
SCALES = {"k": 1e3, "thousand": 1e3, "m": 1e6, "mn": 1e6, "million": 1e6, "bn": 1e9, "billion": 1e9}
SYMBOLS = {"€": "€", "eur": "€", "euro": "€", "euros": "€", "£": "£", "gbp": "£", "pound": "£", "pounds": "£"}


@dataclass(frozen=True)
class Amount:
    """Money as written. `value` is a year's worth where the item names a period, in units of `symbol`.

    `gain`: the words around it speak of earning, not of spending.
    """

    text: str
    value: float
    symbol: str
    gain: bool

    def show(self, value: float) -> str:
        """Another sum in this amount's currency, e.g. "-$1,200"."""
        return f"{'-' if value < 0 else ''}{self.symbol}{abs(value):,.0f}"


@dataclass(frozen=True)
class Reading:
    """An item as the analyst understands it. Word tuples hold what was found, in order, without repetitions."""

    title: str
    content: str
    topic: str
    urgent: bool
    seed: int
    unread: int
    addressed_to_analyst: bool
    amounts: tuple[Amount, ...]
    percents: tuple[str, ...]
    dates: tuple[str, ...]
    durations: tuple[str, ...]
    people: tuple[str, ...]
    companies: tuple[str, ...]
    works: tuple[str, ...]
    systems: tuple[str, ...]
    keywords: tuple[str, ...]
    legal: tuple[str, ...]
    irreversible: tuple[str, ...]
    reversible: tuple[str, ...]
    upside: tuple[str, ...]
    choices: tuple[str, ...]
    long_term: bool

    @property
    def text(self) -> str:
        return f"{self.title}. {self.content}"

    @property
    def money(self) -> float:
        """The largest amount, currencies counted at par; 0 where none is named."""
        return max((amount.value for amount in self.amounts), default=0)

    @property
    def exposure(self) -> Amount | None:
        """The largest sum that can be lost, or simply the largest; None where no money is named."""
        spent = [amount for amount in self.amounts if not amount.gain] or list(self.amounts)
        return max(spent, key=lambda amount: amount.value, default=None)

    @property
    def hazards(self) -> list[str]:
        """The words that point to law and lock-in, in quotes, at most four."""
        return [quoted(word) for word in distinct([*self.legal, *self.irreversible])[:4]]

    @property
    def one_way(self) -> bool:
        return bool(self.irreversible and not self.reversible) or self.money >= 250_000

    @property
    def small(self) -> bool:
        """Cheaper to do than to discuss: no law, no lock-in, and little money or an announced test."""
        free = not (self.legal or self.irreversible or self.long_term)
        return free and (0 < self.money < 1_000 or (bool(self.reversible) and self.money < 1_000))

    @property
    def vague(self) -> bool:
        return len(re.findall(r"\w+", self.text)) < 3

    @property
    def counterpart(self) -> str:
        """Who is named first, people before companies; "" for nobody."""
        return next(iter(self.people + self.companies), "")


def read(title: str, content: str, urgent: bool) -> Reading:
    """Read an item. Sentences addressed to the analyst are left out before any rule runs."""
    shown = content[:READ_AT_MOST]
    kept_title, from_title = _without_orders(title[:READ_AT_MOST])
    kept, from_content = _without_orders(shown)
    heading = clip(clean(kept_title), 200)
    text = f"{heading}. {kept}"
    words = re.findall(r"[^\W\d_][\w'-]{2,30}", heading or clean(kept)[:200])
    return Reading(
        title=heading,
        content=kept,
        topic=_topic(heading or clip(clean(kept), 70)),
        urgent=urgent,
        seed=int.from_bytes(hashlib.sha256(f"{title}\0{content}".encode("utf-8", "replace")).digest()[:6], "big"),
        unread=len(content) - len(shown),
        addressed_to_analyst=from_title or from_content,
        amounts=_amounts(text),
        percents=_found(vocabulary.PERCENT, text),
        dates=_found(vocabulary.DATE, text),
        durations=_found(vocabulary.DURATION, text),
        people=_people(text),
        companies=_found(vocabulary.COMPANY, text),
        works=tuple(distinct(clean(match[1]) for match in vocabulary.WORK.finditer(kept) if clean(match[1]))[:4]),
        systems=_found(vocabulary.SYSTEM, text),
        keywords=tuple(distinct(word for word in words if word.casefold() not in vocabulary.STOPWORDS)[:5]),
        legal=_found(vocabulary.LEGAL, text),
        irreversible=_found(vocabulary.IRREVERSIBLE, text),
        reversible=_found(vocabulary.REVERSIBLE, text),
        upside=_found(vocabulary.UPSIDE, text),
        choices=_found(vocabulary.CHOICE, text),
        long_term=bool(vocabulary.LONG.search(text)) or any("year" in word for word in _durations(text)),
    )


def _without_orders(text: str) -> tuple[str, bool]:
    sentences = re.split(r"(?<=[.!?\n;])\s+", text)
    kept = [sentence for sentence in sentences if not vocabulary.ADDRESSED_TO_ANALYST.search(sentence)]
    return "\n".join(kept), len(kept) < len(sentences)


def _topic(heading: str) -> str:
    short = re.sub(r"(?i)^(?:should (?:we|i)|(?:decide )?whether (?:to|we should)|fyi:?|re:|fwd:)\s+", "", heading)
    short = short.strip(" ?!.:")
    return quoted(short, 70) if short else "this item"


def _found(pattern: re.Pattern[str], text: str) -> tuple[str, ...]:
    return tuple(distinct(clean(match[0]) for match in pattern.finditer(text))[:6])


def _durations(text: str) -> list[str]:
    return [match[0].casefold() for match in vocabulary.DURATION.finditer(text)]


def _people(text: str) -> tuple[str, ...]:
    names = (match["cued"] or match["followed"] for match in vocabulary.PERSON.finditer(text))
    return tuple(distinct(name for name in names if not vocabulary.NOT_NAMES.intersection(name.split()))[:4])


def _amounts(text: str) -> tuple[Amount, ...]:
    amounts: dict[str, Amount] = {}
    for match in vocabulary.AMOUNT.finditer(text):
        scale = SCALES.get((match["scale"] or match["scale2"] or "").strip().casefold(), 1)
        period = YEARLY.get((match["period"] or "").casefold(), 1)
        unit = (match["symbol"] or match["unit"]).casefold()
        value = _number(match["before"] or match["after"]) * scale * period
        before, after = text[max(0, match.start() - 40) : match.start()], text[match.end() : match.end() + 60]
        gain = bool(vocabulary.GAIN_BEFORE.search(before) or vocabulary.GAIN_AFTER.search(after))
        amounts.setdefault(match[0], Amount(clean(match[0]), value, SYMBOLS.get(unit, "$"), gain))
        if len(amounts) == 6:
            break
    return tuple(amounts.values())


def _number(digits: str) -> float:
    """1,500 and 1.500 are thousands; a last group of one or two digits is decimals."""
    parts = re.fullmatch(r"(.*?)(?:[.,]([0-9]{1,2}))?", digits)
    if parts is None:
        raise ValueError(f"not a number: {digits}")
    whole = re.sub(r"[^0-9]", "", parts[1])
    return float(f"{whole}.{parts[2] or 0}")
