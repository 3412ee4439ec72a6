"""Word and character errors of hypotheses against references, with rapidfuzz, which jiwer uses as well."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa
from rapidfuzz.distance import Levenshtein

from .normalize import normalize
from .scripts import units

WordUnit = Literal["mixed", "word"]
"""What counts as a word: `word`, what white space separates; `mixed`, the same, but each letter of a script without
spaces between words (see `scripts`) is one of its own. For texts without such letters both are the same."""


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
    references: Sequence[str | None],
    hypotheses: Sequence[str | None],
    *,
    normalized: bool = True,
    unit: WordUnit = "mixed",
    locale: str | None = None,
) -> list[EditCounts | None]:
    """Word errors of each pair of texts.

    Args:
        references: the correct transcripts.
        hypotheses: the recognised texts, one for each reference.
        normalized: whether to `normalize` the texts first; if not, they are only split.
        unit: what counts as a word.
        locale: see `normalize`.

    Returns:
        The counts of each pair, None if either text is None. An empty reference has length 0, and every word of its
        hypothesis is an insertion.
    """
    split = str.split if unit == "word" else units
    return _errors(references, hypotheses, split, normalized=normalized, locale=locale)


def character_errors(
    references: Sequence[str | None],
    hypotheses: Sequence[str | None],
    *,
    normalized: bool = True,
    ignore_spaces: bool = False,
    locale: str | None = None,
) -> list[EditCounts | None]:
    """Character errors (Unicode code points); otherwise like `word_errors`.

    Args:
        references, hypotheses, normalized, locale: as in `word_errors`.
        ignore_spaces: whether the spaces between words do not count as characters.
    """
    split = _without_spaces if ignore_spaces else str.strip
    return _errors(references, hypotheses, split, normalized=normalized, locale=locale)


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
    locale: str | None,
) -> list[EditCounts | None]:
    if normalized:
        references, hypotheses = _normalized(references, locale), _normalized(hypotheses, locale)
    return [
        None if reference is None or hypothesis is None else _count(split(reference), split(hypothesis))
        for reference, hypothesis in zip(references, hypotheses, strict=True)
    ]


def _normalized(texts: Sequence[str | None], locale: str | None) -> Sequence[str | None]:
    normalized: list[str | None] = normalize(pa.array(texts, pa.string()), locale=locale).to_pylist()
    return normalized


def _without_spaces(text: str) -> str:
    return "".join(text.split())


def _count(reference: Sequence[str], hypothesis: Sequence[str]) -> EditCounts:
    length = len(reference)
    if reference == hypothesis:
        return EditCounts(0, 0, 0, length, length)
    tags = [operation.tag for operation in Levenshtein.editops(reference, hypothesis)]
    substitutions, deletions, insertions = tags.count("replace"), tags.count("delete"), tags.count("insert")
    return EditCounts(substitutions, deletions, insertions, length - substitutions - deletions, length)
