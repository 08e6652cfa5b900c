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

_LETTER = r"[^\W\d_]"
_SPACE = r"[^\S\n]"
_DASH = r"[-\u2013\u2014]"
_DOT = r"\\?\."  # markdown escapes it behind a number that begins a line
_GAP = rf"(?:{_SPACE}|[*_]){{0,4}}"  # markdown may set an amount in bold, and its currency not
_YEAR = r"(?:19|20)\d\d"
_APART = rf"(?:[-/]|{_DOT})"
_DATE = rf"(?:{_YEAR}(?:{_APART}\d{{1,2}}){{2}}|(?:\d{{1,2}}{_APART}){{2}}{_YEAR})(?!{_APART}?\d)"
_YEARS = rf"{_YEAR} ?[-/] ?{_YEAR}(?!{_APART}?\d)"
# Behind a plus, or the nought of a dialling code, groups may stand as far apart as the ends of a range.
_CODE_AHEAD = r"(?=\+|\(\+|(?<!\d[\s.,'\u2019])\(?0\d\d)"
_STEP = rf"(?!(?<=[\s(]){_DATE})\d"
_PHONE = (
    rf"(?!\(?(?:{_DATE}|{_YEARS}))(?:"
    rf"{_CODE_AHEAD}\(?\+?\(?\d(?:(?:{_SPACE}|[()/.\\\u00b7\u2010-\u2015-]){{0,4}}{_STEP}){{6,17}}"
    rf"|\(?\d(?:(?:{_SPACE}|[()/.\\\u00b7\u2010\u2011-]){{0,2}}{_STEP}){{6,17}})(?!\d)"
)
_SIGNS = r"$¢£¤¥฿\u20a0-\u20cf\uff04\uffe1\uffe5"
_SIGN = rf"(?:(?<!{_LETTER})(?:US|A|C|NZ|HK|S|R))?[{_SIGNS}]"
# Codes that are words as well, such as RON, TRY or PHP, are left out.
_CODE = (
    "USD|EUR|GBP|CHF|JPY|CNY|RMB|INR|CAD|AUD|NZD|HKD|SGD|TWD|KRW|BRL|MXN|ZAR|SEK|NOK|DKK|ISK|PLN|CZK|HUF|UAH|RUB|"
    "AED|THB|BTC"
)
_NAME = "(?:dollars?|euros?|pounds?|francs?|rupees?|pesos?|rubles?|kronor|kroner|yen|yuan)"
_CURRENCY = rf"(?:{_SIGN}|(?<!{_LETTER})(?:[km]?(?:{_CODE})|{_NAME}|zł|Kč|SFr\.?|kr\.?|Rs\.?)(?!{_LETTER}))"
_SCALE = (
    r"(?:k|mm?|mn|bn?|tn?|hundred|thousand|(?:m|b|tr)illion(?:s|en)?|Milliarden?|Tsd|Mio|Mrd|lakhs?|crores?)"
    rf"(?!{_LETTER})(?:(?<=Tsd|Mio|Mrd)\.)?"
)
_SUM = rf"(?!{_DATE})(?>\d+(?:(?:{_DOT}|[,'\u2019])\d+|[ \u00a0\u202f]\d{{3}}(?!\d)){{0,8}})(?:{_GAP}{_SCALE})?"
# Numbers on both sides of a currency are both hidden: "2026 EUR 400" does not say which of them is the sum.
_MONEY = (
    rf"{_CURRENCY}{_GAP}[-+~.]?{_SUM}(?:{_GAP}(?:{_DASH}|\bto\b){_GAP}{_SUM})?"
    rf"|(?<!\d)(?:{_SUM}{_GAP}(?:{_DASH}|\b(?:to|and|or)\b){_GAP})?{_SUM}(?:,{_DASH}{{1,2}})?"
    rf"{_GAP}(?:(?:{_LETTER}|\.){{2,12}} (?={_NAME}))?{_CURRENCY}(?:{_GAP}(?!{_PHONE}){_SUM})?"
)
# Of an IBAN more is digits than of words behind "FY26".
_IBAN = rf"\b(?=(?:\D{{0,8}}\d){{8}})[A-Z]{{2}}\d{{2}}(?:{_SPACE}?[A-Z0-9]{{4}}){{2,7}}(?:{_SPACE}?[A-Z0-9]{{1,3}})?\b"
_SHAPE = re.compile(
    rf"(?P<mark>\[(?:{'|'.join(kind.name for kind in Kind)})_[0-9a-f]{{8}}\])"
    r"|(?P<mail>(?<![\w.+&'\u2019\\-])[\w.+&'\u2019\\-]++(?:@|%40|\uff20)[\w-]{1,63}(?:\.[\w-]{1,63}){1,8})"
    rf"|(?P<date>(?<!\d){_DATE})"
    rf"|(?P<account>{_IBAN}|\b\d(?:(?:{_SPACE}|[-\u2011])?\d){{12,18}}\b)"
    rf"|(?P<money>{_MONEY})"
    rf"|(?P<years>(?<!\d){_YEARS})"
    rf"|(?P<number>(?<!\d){_PHONE}(?:x\d{{1,6}})?)"
    r"|(?P<run>\d{8,})",
    re.IGNORECASE,
)
# What makes no other value of a number: how it is spaced, and a comma between thousands, which may be a decimal point too.
_LAYOUT = re.compile(rf"[^\w.+,{_SIGNS}]|_|,(?=\d{{3}})")


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
        same = found[0].strip("'\u2019\\") if kind is Kind.MAIL else _LAYOUT.sub("", found[0])
        return f"[{kind.name}_{salted_hmac('analysis.exports', same.casefold()).hexdigest()[:8]}]"

    def _kind(self, found: re.Match[str]) -> Kind | None:
        """None: a mark that stands there already, or a date."""
        match found.lastgroup:
            case "mark" | "date" | "years":
                return None
            case "run":
                return Kind.ACCOUNT
            case "number":
                return Kind.ACCOUNT if re.fullmatch(r"\d{8,}", found[0]) else Kind.PHONE
        return Kind(str(found.lastgroup))
