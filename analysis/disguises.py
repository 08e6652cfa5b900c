"""How words hide from a reader's eye or from a search: characters that show nothing, codes, look-alikes. Pure."""

from __future__ import annotations

import base64
import binascii
import codecs
import re
import unicodedata
from collections.abc import Iterator

LONGEST_TURNED = 20_000  # characters that are also read backwards and in ROT13

_HIDDEN = re.compile(
    "(?<!\U0001f3f4)(?<![\U000e0020-\U000e007e])[\U000e0001\U000e0020-\U000e007f]+"  # tags, but not those of a flag
    "|[\u202d\u202e]"  # overrides of the reading direction
    "|[\ufe00-\ufe0f\U000e0100-\U000e01ef]{3,}"  # variation selectors, that vary nothing
    "|[\u200b-\u200d\u2060-\u2064\ufeff]{4,}"
    "|(?:(?<=[A-Za-z])[\u200b\u2060\ufeff\u00ad\u200c\u200d](?=[A-Za-z]).{0,12}?){3}"
    "|[\u0300-\u036f]{6,}",
    re.DOTALL,
)
_SHOWS_NOTHING = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\U000e0000-\U000e01ef]")
_LOOK_ALIKE = str.maketrans(
    "аеорсухіјѕԁһӏьАВЕКМНОРСТУХІЅԍꓲοανρτυικεΑΒΕΗΙΚΜΝΟΡΤΥΧΖ",  # that they look alike is the point
    "aeopcyxijsdhlbABEKMHOPCTYXISgIoavptuikeABEHIKMNOPTYXZ",
)
_SPELT_OUT = re.compile(r"(?<![^\W_])[^\W_](?:[ .\-_][^\W_]){2,}(?![^\W_])")
_BASE64 = re.compile(r"(?<![A-Za-z0-9+/=_-])[A-Za-z0-9+/_-]{32,20000}={0,2}(?![A-Za-z0-9+/=_-])")
_HEX = re.compile(r"(?<![0-9A-Za-z])(?:(?:0x|\\x)?[0-9a-fA-F]{2}[ :,]{0,2}){20,5000}(?![0-9A-Za-z])")
_ESCAPES = re.compile(
    r"(?:%[0-7][0-9a-fA-F]){12,2000}|(?:\\u00[0-7][0-9a-fA-F]){8,2000}|(?:&#(?:x[0-9a-fA-F]{2}|[0-9]{2,3});){8,2000}"
)
_WORDS = re.compile(r"[A-Za-z]{2,}(?:[ ,.;:'!?-]{1,3}[A-Za-z]{1,20}){3}")


def hidden(text: str) -> Iterator[tuple[int, int]]:
    """Where characters stand that show nothing, or not what stands there, and that no ordinary text needs."""
    yield from (match.span() for match in _HIDDEN.finditer(text))


def plain(text: str) -> str:
    """`text` as it is searched: what shows nothing taken away, compatible forms and spelt-out words put together."""
    text = _SHOWS_NOTHING.sub("", unicodedata.normalize("NFKC", text).replace("\\", ""))
    text = _SPELT_OUT.sub(lambda match: re.sub(r"[ .\-_]", "", match[0]), text)
    return re.sub(r"[^\S\n]+", " ", text)


def disguised(text: str) -> Iterator[tuple[str, str]]:
    """What stands in `text` in a code, decoded: ("text", words), or ("turned", text) for all of it read in another way,
    which is nothing unusual in itself."""
    for match in _BASE64.finditer(text):
        yield from _words(_unbase64(match[0]))
    for match in _HEX.finditer(text):
        digits = re.sub(r"0x|\\x|[ :,]", "", match[0])
        yield from _words(bytes.fromhex(digits[: len(digits) // 2 * 2]))
    for match in _ESCAPES.finditer(text):
        numbers = re.findall(r"(?:%|\\u00|&#x)([0-9a-fA-F]{2})|&#([0-9]{2,3})", match[0])
        yield from _words(bytes((int(hexed, 16) if hexed else int(decimal)) & 0xFF for hexed, decimal in numbers))
    smuggled = "".join(chr(ord(sign) - 0xE0000) for sign in text if "\U000e0020" <= sign <= "\U000e007e")
    if len(smuggled) > 20:
        yield "text", smuggled
    beginning = plain(text[:LONGEST_TURNED])
    for turned in (
        codecs.encode(beginning, "rot13"),
        beginning[::-1],
        beginning.translate(_LOOK_ALIKE),
    ):
        if turned != beginning:
            yield "turned", turned


def _unbase64(text: str) -> bytes:
    try:
        return base64.b64decode(
            text.replace("-", "+").replace("_", "/").rstrip("=") + "=" * (-len(text.rstrip("=")) % 4)
        )
    except binascii.Error:
        return b""


def _words(decoded: bytes) -> Iterator[tuple[str, str]]:
    try:
        text = decoded.decode()
    except UnicodeDecodeError:
        return
    if _WORDS.search(text) or (not text.isascii() and len(text.split()) > 3 and text.isprintable()):
        yield "text", text
