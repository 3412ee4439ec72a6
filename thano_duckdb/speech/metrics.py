"""Word and character errors of hypotheses against references, with rapidfuzz, which jiwer uses as well."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import pyarrow as pa
from rapidfuzz.distance import Levenshtein

from .normalize import normalize


@dataclass(frozen=True)
class EditCounts:
    """The edit operations between a reference and a hypothesis, in words or characters.

    Attributes:
        substitutions: units of the reference that the hypothesis replaces by another.
        deletions: units of the reference that the hypothesis lacks.
        insertions: units of the hypothesis that the reference lacks.
        hits: units of the reference that the hypothesis has too.
        length: units of the reference: substitutions + deletions + hits.
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
    """Word errors of each pair of texts.

    Args:
        references: the correct transcripts.
        hypotheses: the recognised texts, one for each reference.
        normalized: whether to `normalize` the texts first; if not, they are only split at white space.

    Returns:
        The counts of each pair, None if either text is None. An empty reference has length 0, and every word of its
        hypothesis is an insertion.
    """
    return _errors(references, hypotheses, str.split, normalized=normalized)


def character_errors(
    references: Sequence[str | None], hypotheses: Sequence[str | None], *, normalized: bool = True
) -> list[EditCounts | None]:
    """Character errors (Unicode code points, including spaces between words); otherwise like `word_errors`."""
    return _errors(references, hypotheses, str.strip, normalized=normalized)


def error_rate(counts: Iterable[EditCounts | None]) -> float | None:
    """All errors divided by the total length of the references; None if that length is 0.

    So a hypothesis against an empty reference has no rate by itself; pooled with others, its insertions count.

    >>> error_rate(word_errors([""], ["a b"])) is None
    True
    >>> error_rate(word_errors(["", "a b c d"], ["a b", "a b c d"]))
    0.5
    """
    present = [pair for pair in counts if pair is not None]
    length = sum(pair.length for pair in present)
    return sum(pair.errors for pair in present) / length if length else None


def _errors(
    references: Sequence[str | None],
    hypotheses: Sequence[str | None],
    split: Callable[[str], Sequence[str]],
    *,
    normalized: bool,
) -> list[EditCounts | None]:
    if normalized:
        references, hypotheses = _normalized(references), _normalized(hypotheses)
    return [
        None if reference is None or hypothesis is None else _count(split(reference), split(hypothesis))
        for reference, hypothesis in zip(references, hypotheses, strict=True)
    ]


def _normalized(texts: Sequence[str | None]) -> Sequence[str | None]:
    normalized: list[str | None] = normalize(pa.array(texts, pa.string())).to_pylist()
    return normalized


def _count(reference: Sequence[str], hypothesis: Sequence[str]) -> EditCounts:
    length = len(reference)
    if reference == hypothesis:
        return EditCounts(0, 0, 0, length, length)
    tags = [operation.tag for operation in Levenshtein.editops(reference, hypothesis)]
    substitutions, deletions, insertions = tags.count("replace"), tags.count("delete"), tags.count("insert")
    return EditCounts(substitutions, deletions, insertions, length - substitutions - deletions, length)
