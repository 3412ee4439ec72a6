"""The alignment of a reference and a hypothesis, word by word."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa
from rapidfuzz.distance import Levenshtein

from thano_duckdb.speech.normalize import normalize
from thano_duckdb.speech.scripts import is_unspaced, units

StepKind = Literal["hit", "substitution", "deletion", "insertion", "unaligned"]


@dataclass(frozen=True)
class HypothesisWord:
    """A word of a transcript: its confidence is from 0 to 1; what is unknown is None."""

    word: str
    start_s: float | None = None
    end_s: float | None = None
    confidence: float | None = None


@dataclass(frozen=True)
class Step:
    """One step of the alignment.

    Attributes:
        kind: what the hypothesis did with the word of the reference; `unaligned` if there is no reference.
        reference: None for an insertion.
        hypothesis: None for a deletion.
    """

    kind: StepKind
    reference: str | None
    hypothesis: HypothesisWord | None

    @property
    def is_unspaced(self) -> bool:
        """Whether it is a letter of a script without spaces between words."""
        words = (self.reference, self.hypothesis and self.hypothesis.word)
        return all(is_unspaced(word[0]) for word in words if word)


def align(reference: str | None, hypothesis: Sequence[HypothesisWord]) -> list[Step]:
    """The steps from a reference to a hypothesis, with the counts of `speech.metrics.word_errors` and jiwer.

    Words are compared in the form that `normalize` gives them, and shown as they were written; punctuation that stands
    alone is omitted. Letters of scripts without spaces are words. Without a reference every word is `unaligned`, as it
    was written.
    """
    if reference is None:
        return [Step("unaligned", None, word) for word in hypothesis]
    reference_units = _units([HypothesisWord(word) for word in reference.split()])
    hypothesis_units = _units(hypothesis)
    steps: list[Step] = []
    for operation in Levenshtein.opcodes([unit for unit, _ in reference_units], [unit for unit, _ in hypothesis_units]):
        references = [word.word for _, word in reference_units[operation.src_start : operation.src_end]]
        hypotheses = [word for _, word in hypothesis_units[operation.dest_start : operation.dest_end]]
        match operation.tag:
            case "delete":
                steps += [Step("deletion", word, None) for word in references]
            case "insert":
                steps += [Step("insertion", None, word) for word in hypotheses]
            case tag:
                kind: StepKind = "hit" if tag == "equal" else "substitution"
                steps += [Step(kind, *pair) for pair in zip(references, hypotheses, strict=True)]
    return steps


def _units(words: Sequence[HypothesisWord]) -> list[tuple[str, HypothesisWord]]:
    """The words in the form in which they are compared, and as they are shown: `well-known` is two, `-` is none."""
    found: list[tuple[str, HypothesisWord]] = []
    for word, normal in zip(words, normalize(pa.array([word.word for word in words], pa.string())), strict=True):
        parts, written = units(normal.as_py()), units(word.word)
        if len(parts) == 1:
            found.append((parts[0], word))
            continue
        shown = written if len(written) == len(parts) else parts
        found += [(part, dataclasses.replace(word, word=text)) for part, text in zip(parts, shown, strict=True)]
    return found
