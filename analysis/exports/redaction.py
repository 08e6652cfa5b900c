"""Mail addresses and numbers out of texts. The same value always gets the same mark, which nobody can turn back.

It goes by form alone: names, street addresses and what is spelled out in words stay.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection
from enum import StrEnum
from typing import Any

from django.utils.crypto import salted_hmac

from emm import logs


class Kind(StrEnum):
    MAIL = "mail"
    ACCOUNT = "account"
    MONEY = "money"
    PHONE = "phone"


WHAT = {
    Kind.MAIL: "mail addresses",
    Kind.ACCOUNT: "IBANs, card numbers and runs of eight digits or more",
    Kind.MONEY: "sums with a currency before or behind them",
    Kind.PHONE: "groups of seven digits or more that are no date",
}

_CODES = "USD|EUR|GBP|CHF|JPY|INR|CAD|AUD|SEK|NOK|DKK|PLN|CZK|dollars?|euros?|pounds?|francs?"
_CURRENCY = rf"(?:[$€£¥₹]|\b(?:US|A|C|NZ)\$|\b(?:{_CODES})\b)"
_SUM = r"\d{1,15}(?:[.,'\u00a0\u202f ]\d{2,3}){0,5}(?: ?(?:k|m|mn|bn|thousand|million|billion)\b)?"
_SHAPE = re.compile(
    r"(?P<mail>(?<![\w.+-])[\w.+-]++@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8})"
    r"|(?P<account>\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b|\b\d(?:[ -]?\d){12,18}\b)"
    rf"|(?P<money>{_CURRENCY} ?{_SUM}|\b{_SUM} ?{_CURRENCY})"
    r"|(?P<number>(?<![\w.])\+?\(?\d(?:[ ()/.\u00a0-]{0,2}\d){6,17}(?!\w))",
    re.IGNORECASE,
)
_DATES = re.compile(
    r"(?:\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{4})(?: \d{1,2}(?:[:.]?\d{2})?)?"
    r"|(?:19|20)\d\d ?- ?(?:19|20)\d\d"
)


class Redactor:
    """Hides the wanted kinds, and whatever looks like a secret of ours. `counts`: how many values of each kind it hid."""

    def __init__(self, kinds: Collection[Kind]) -> None:
        self.kinds = frozenset(kinds)
        self.counts: Counter[str] = Counter()

    def hide(self, value: Any) -> Any:
        """`value` with every text in it redacted, however deep; the keys of objects stay."""
        if isinstance(value, dict):
            return {key: self.hide(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.hide(inner) for inner in value]
        return _SHAPE.sub(self._mark, logs.hide(value)) if isinstance(value, str) else value

    def _mark(self, found: re.Match[str]) -> str:
        kind = self._kind(found)
        if kind is None or kind not in self.kinds:
            return found[0]
        self.counts[kind.value] += 1
        same = re.sub(r"[^\w@.+]", "", found[0]).casefold()
        return f"[{kind.name}_{salted_hmac('analysis.exports', same).hexdigest()[:8]}]"

    def _kind(self, found: re.Match[str]) -> Kind | None:
        """None: a number that is a date."""
        if found.lastgroup != "number":
            return Kind(str(found.lastgroup))
        if _DATES.fullmatch(found[0]):
            return None
        return Kind.ACCOUNT if re.fullmatch(r"\d{8,}", found[0]) else Kind.PHONE
