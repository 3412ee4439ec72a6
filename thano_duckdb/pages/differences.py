"""What was said over what was heard, word by word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa
from rapidfuzz.distance import Levenshtein

from thano_duckdb.speech.normalize import normalize

Kind = Literal["hit", "substitution", "deletion", "insertion", "heard"]


@dataclass(frozen=True)
class Heard:
    """A word of a transcript as `PREDICT` gives it: times in seconds, confidence from 0 to 1; None where not known."""

    word: str
    start_s: float | None = None
    end_s: float | None = None
    confidence: float | None = None


@dataclass(frozen=True)
class Step:
    """A step of the alignment.

    Attributes:
        kind: what became of the word; `heard` where there is no reference.
        reference: what was said; None for an insertion.
        hypothesis: what was heard; None for a deletion.
    """

    kind: Kind
    reference: str | None
    hypothesis: Heard | None


def align(reference: str | None, hypothesis: Sequence[Heard]) -> list[Step]:
    """The steps from a reference to a hypothesis, with the counts of `speech.metrics.word_errors` and jiwer.

    Words are compared as `normalize` gives them and shown as they were written; marks that stand alone are left out.
    Without a reference every word is `heard`, as it was written.
    """
    if reference is None:
        return [Step("heard", None, word) for word in hypothesis]
    said = _units([Heard(word) for word in reference.split()])
    heard = _units(hypothesis)
    steps: list[Step] = []
    for operation in Levenshtein.opcodes([unit for unit, _ in said], [unit for unit, _ in heard]):
        references = [word.word for _, word in said[operation.src_start : operation.src_end]]
        hypotheses = [word for _, word in heard[operation.dest_start : operation.dest_end]]
        match operation.tag:
            case "delete":
                steps += [Step("deletion", word, None) for word in references]
            case "insert":
                steps += [Step("insertion", None, word) for word in hypotheses]
            case tag:
                kind: Kind = "hit" if tag == "equal" else "substitution"
                steps += [Step(kind, *pair) for pair in zip(references, hypotheses, strict=True)]
    return steps


def _units(words: Sequence[Heard]) -> list[tuple[str, Heard]]:
    """The words as they are compared, each with what it is shown as: `well-known` is two, `-` is none."""
    units: list[tuple[str, Heard]] = []
    for word, normal in zip(words, normalize(pa.array([word.word for word in words], pa.string())), strict=True):
        parts = normal.as_py().split()
        if len(parts) == 1:
            units.append((parts[0], word))
        else:
            units += [(part, Heard(part, word.start_s, word.end_s, word.confidence)) for part in parts]
    return units
