"""The export: one pass over the decisions, a file for each format and split, and a manifest that says what they are."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zipfile
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

from django.utils import timezone

from analysis import sources
from analysis.exports.choice import Choice
from analysis.exports.examples import Example, example
from analysis.exports.formats import FORMATS, Record
from analysis.exports.redaction import WHAT, Redactor
from analysis.exports.validation import FORMULA, problems

SCHEMA_VERSION = 1
MANIFEST = "manifest.json"
AT_ONCE = 200  # decisions in memory
SHOWN_PROBLEMS = 20
TOKENS = (
    "No tokenizer was used. at_most is exact as a bound: the bytes of the texts, and a token is at least one byte. "
    "estimate is a quarter of it, a rule of thumb for English; other languages take more."
)
# Some readers of JSON lines take these for the end of a line; as escapes they are none.
_LINE_ENDS = str.maketrans({"\u2028": "\\u2028", "\u2029": "\\u2029", "\x85": "\\u0085"})


class _File:
    """One file while it is written. Of records that say the same the first stays."""

    def __init__(self, folder: Path, name: str, split: str) -> None:
        self.format, self.split = name, split
        self.path = folder / ("decisions.csv" if name == "csv" else f"{name}-{split}.jsonl")
        self._seen: set[bytes] = set()
        self.duplicates = 0
        self._begin()

    def write(self, record: Record) -> None:
        if self.format == "csv" and not self.records:
            self._put(csv_line(list(record)))
        line = csv_line(record.values()) if self.format == "csv" else json_line(record)
        if (key := _key(line)) in self._seen:
            self.duplicates += 1
            return
        self._seen.add(key)
        self._add(line, record)

    def leave_to(self, other: _File) -> None:
        """Drop the records that are in `other` too. One is in memory at once; not for tables."""
        shared = self._seen & other._seen
        if not shared:
            return
        self._out.close()
        with_copies = self.path.rename(self.path.with_suffix(".copies"))
        self._begin()
        with with_copies.open("rb") as lines:
            for line in lines:
                if _key(line) in shared:
                    self.duplicates += 1
                else:
                    self._add(line, json.loads(line))
        with_copies.unlink()

    def _begin(self) -> None:
        self._out: IO[bytes] = self.path.open("wb")
        self._sha256 = hashlib.sha256()
        self.records = self.bytes = self.text_bytes = 0

    def _add(self, line: bytes, record: Record) -> None:
        self._put(line)
        self.records += 1
        self.text_bytes += sum(len(text.encode()) for text in _texts(record))

    def _put(self, line: bytes) -> None:
        self._out.write(line)
        self._sha256.update(line)
        self.bytes += len(line)

    def close(self) -> dict[str, Any]:
        """Its entry in the manifest, after a look at what was really written."""
        self._out.close()
        return {
            "name": self.path.name,
            "format": self.format,
            "split": self.split,
            "records": self.records,
            "duplicates_dropped": self.duplicates,
            "bytes": self.bytes,
            "sha256": self._sha256.hexdigest(),
            "tokens": {"estimate": -(-self.text_bytes // 4), "at_most": self.text_bytes},
            "problems": list(islice(problems(self.format, self.path), SHOWN_PROBLEMS)) if self.records else [],
            "trains": FORMATS[self.format].trains,
        }


def pack(choice: Choice, target: IO[bytes]) -> dict[str, Any]:
    """Write the zip file of `choice` to `target`; returns its manifest. Only AT_ONCE decisions are in memory at once."""
    with TemporaryDirectory(prefix="emm-export-") as name:
        folder = Path(name)
        manifest = _write(choice, folder)
        (folder / MANIFEST).write_text(json.dumps(manifest, indent=2, ensure_ascii=False), encoding="utf-8")
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(folder.iterdir()):
                archive.write(path, path.name)
    return manifest


def summary(manifest: dict[str, Any]) -> dict[str, Any]:
    """What the audit log keeps of an export."""
    files = {one["name"]: [one["records"], one["sha256"]] for one in manifest["files"]}
    return {"sha256": manifest["sha256"], "choice": manifest["choice"], "files": files}


def digest(manifest: dict[str, Any]) -> str:
    """The SHA-256 of a manifest without its own `sha256`: over JSON with sorted keys, no white space, ASCII."""
    said = {name: value for name, value in manifest.items() if name != "sha256"}
    canonical = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def json_line(record: Record) -> bytes:
    """One record as a line of JSON."""
    return f"{json.dumps(record, ensure_ascii=False).translate(_LINE_ENDS)}\n".encode()


def csv_line(cells: Any) -> bytes:
    """One row; what a spreadsheet could take for a formula begins with an apostrophe."""
    out = io.StringIO()
    csv.writer(out).writerow([_neutral(cell) for cell in cells])
    return out.getvalue().encode()


def _key(line: bytes) -> bytes:
    """What a line is known by among millions, in little memory."""
    return hashlib.sha256(line).digest()[:16]


def _neutral(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and cell.lstrip(" ").startswith(FORMULA) else cell


def _write(choice: Choice, folder: Path) -> dict[str, Any]:
    redactor = Redactor(choice.redact)
    tally: Counter[str] = Counter()
    prompts: Counter[str] = Counter()
    files = {
        (name, split): _File(folder, name, split)
        for name in choice.formats
        for split in (("all",) if name == "csv" else ("train", "validation"))
    }
    for one in _examples(choice, redactor, tally, prompts):
        for name in choice.formats:
            split = "all" if name == "csv" else "validation" if one.validation else "train"
            for record in FORMATS[name].records(one):
                files[name, split].write(record)
    for name in set(choice.formats) - {"csv"}:
        files[name, "validation"].leave_to(files[name, "train"])
    manifest: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "written_at": timezone.now().isoformat(timespec="seconds"),
        "choice": choice.as_json(),
        "decisions": tally["decisions"],
        "left_out": {"the item's text is too long": tally["too long"]},
        "item_edited_since": tally["edited since"],
        "prompts": dict(sorted(prompts.items())),
        "redacted": {
            kind.value: {"what": WHAT[kind], "values": redactor.counts[kind]} for kind in sorted(choice.redact)
        },
        "not_redacted": "names, street addresses, and what is spelled out in words",
        "split": "by the hash of the inbox page's id: an item never changes sides, nor do its revisions part; of "
        "records that say the same on both sides only the one in train is kept",
        "tokens": TOKENS,
        "files": [file.close() for file in files.values()],
    }
    return {**manifest, "sha256": digest(manifest)}


def _examples(choice: Choice, redactor: Redactor, tally: Counter[str], prompts: Counter[str]) -> Iterator[Example]:
    rows = choice.decisions().select_related("synthesis__analysis__item")
    for settlement in rows.iterator(chunk_size=AT_ONCE):
        tally["decisions"] += 1
        one = example(settlement, redactor, choice.validation_percent)
        if one is None:
            tally["too long"] += 1
            continue
        analysis = settlement.synthesis.analysis
        tally["edited since"] += bool(sources.changes(analysis))
        prompts[one.row["prompt"] or "unknown"] += 1
        yield one


def _texts(record: Any) -> Iterator[str]:
    """Every text in a record that a model would read or write."""
    if isinstance(record, dict):
        for key, value in record.items():
            if isinstance(value, str) and key != "role":
                yield value
            else:
                yield from _texts(value)
    elif isinstance(record, list):
        for value in record:
            yield from _texts(value)
