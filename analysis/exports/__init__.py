"""Training files of what people decided: chosen, redacted, split, checked and described, a decision at a time."""

from analysis.exports.archive import pack, summary
from analysis.exports.choice import Choice, counts
from analysis.exports.formats import FORMATS
from analysis.exports.redaction import Kind
from analysis.exports.validation import problems

__all__ = ["FORMATS", "Choice", "Kind", "counts", "pack", "problems", "summary"]
