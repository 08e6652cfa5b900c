"""Whether an inbox page still says what was argued about. A change raises a notice on the proposal, never a run by itself."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any, NamedTuple

from analysis import prompts
from analysis.models import Analysis, Settlement, Synthesis
from analysis.prompt_versions import Piece, difference

NAMES = {"title": "Input_Title", "content": "the text", "source": "Source", "urgent": "Urgent"}
LONGEST_COMPARED = 6_000  # characters; more would keep a page waiting
# What Notion signs anew at each reading: the same file under another address.
_SIGNATURE = re.compile(r"""\?[^\s)"'<>]*(?:X-Amz-|signature=)[^\s)"'<>]*""")


class Change(NamedTuple):
    """One thing that the page says otherwise by now."""

    name: str
    read: str
    now: str

    @property
    def pieces(self) -> list[Piece]:
        """The difference word by word; nothing where a text is too long for that."""
        too_long = max(len(self.read), len(self.now)) > LONGEST_COMPARED
        return [] if too_long else difference(self.read, self.now)


def changes(analysis: Analysis) -> list[Change]:
    """What the page says otherwise than the personas read; nothing where nobody knows what they read. Layout is no change."""
    if analysis.item_read is None:
        return []
    read, now = analysis.item_read, prompts.told_of(analysis.item)
    beside = [Change(name, _text(read[key]), _text(now[key])) for key, name in NAMES.items()]
    return [change for change in beside if _plain(change.read) != _plain(change.now)]


def notice(analysis: Analysis) -> list[Change]:
    """The changes that a person has to know of: those of an argument whose plan waits for their decision."""
    proposed = Synthesis.objects.filter(analysis=analysis, status=Synthesis.Status.DONE).exists()
    waits = (
        proposed and not analysis.superseded and not Settlement.objects.filter(synthesis__analysis=analysis).exists()
    )
    return changes(analysis) if waits else []


def digest_of_now(analysis: Analysis) -> str:
    """A hexadecimal SHA-256 of what the page says now: it differs exactly where one change is another than the other."""
    now = {key: _plain(_text(value)) for key, value in prompts.told_of(analysis.item).items()}
    return hashlib.sha256(json.dumps(now, sort_keys=True).encode()).hexdigest()


def in_words(found: list[Change]) -> str:
    """What changed, such as "Input_Title and the text"."""
    names = [change.name for change in found]
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _plain(text: str) -> str:
    return " ".join(_SIGNATURE.sub("", text).split())


def _text(value: Any) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
