"""Word and character errors of hypotheses against references: Levenshtein distance by rapidfuzz, jiwer's own engine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import pyarrow as pa
from rapidfuzz.distance import Levenshtein

from .normalize import normalize


@dataclass(frozen=True)
class EditCounts:
    """How a hypothesis differs from its reference, in words or characters.

    Attributes:
        substitutions: of the reference, replaced by another.
        deletions: of the reference, missing in the hypothesis.
        insertions: of the hypothesis, with no counterpart.
        hits: of the reference, found in its place.
        length: of the reference: substitutions + deletions + hits.
    """

    substitutions: int
    deletions: int
    insertions: int
    hits: int
    length: int

    @property
    def errors(self) -> int:
        """Substitutions, deletions and insertions together."""
        return self.substitutions + self.deletions + self.insertions


def word_errors(
    references: Sequence[str | None], hypotheses: Sequence[str | None], *, normalized: bool = True
) -> list[EditCounts | None]:
    """Errors in words, pair by pair.

    Args:
        references: what was said.
        hypotheses: what was recognised, as many.
        normalized: compare the texts as `normalize` gives them; False: as they are, cut at white space.

    Returns:
        The counts of each pair, None where either text is None. An empty reference has length 0, and all of its
        hypothesis is insertions.
    """
    return _errors(references, hypotheses, str.split, normalized=normalized)


def character_errors(
    references: Sequence[str | None], hypotheses: Sequence[str | None], *, normalized: bool = True
) -> list[EditCounts | None]:
    """Errors in characters (Unicode code points), spaces between words included; otherwise as `word_errors`."""
    return _errors(references, hypotheses, str.strip, normalized=normalized)


def error_rate(counts: Iterable[EditCounts | None]) -> float | None:
    """Errors over the length of the references, pooled over all pairs; None where there is nothing to compare with."""
    present = [each for each in counts if each is not None]
    length = sum(each.length for each in present)
    return sum(each.errors for each in present) / length if length else None


def _errors(
    references: Sequence[str | None],
    hypotheses: Sequence[str | None],
    units: Callable[[str], Sequence[str]],
    *,
    normalized: bool,
) -> list[EditCounts | None]:
    if normalized:
        references, hypotheses = _normalized(references), _normalized(hypotheses)
    return [
        None if reference is None or hypothesis is None else _count(units(reference), units(hypothesis))
        for reference, hypothesis in zip(references, hypotheses, strict=True)
    ]


def _normalized(texts: Sequence[str | None]) -> Sequence[str | None]:
    normal: list[str | None] = normalize(pa.array(texts, pa.string())).to_pylist()
    return normal


def _count(reference: Sequence[str], hypothesis: Sequence[str]) -> EditCounts:
    length = len(reference)
    if reference == hypothesis:
        return EditCounts(0, 0, 0, length, length)
    tags = [operation.tag for operation in Levenshtein.editops(reference, hypothesis)]
    substitutions, deletions, insertions = tags.count("replace"), tags.count("delete"), tags.count("insert")
    return EditCounts(substitutions, deletions, insertions, length - substitutions - deletions, length)
