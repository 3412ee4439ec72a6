"""The labels of a model as the columns of the beam search: one blank, one space, and what is written."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from .decoder import FrameScores
from .vocabulary import Vocabulary

BLANK, SPACE = 0, 1
MIN_PROBABILITY = 1e-15
"""Of a label that is not among the most likely ones of a frame: the smallest that the library tells from zero."""
_PRIVATE = (range(0xE000, 0xF900), range(0xF0000, 0xFFFFE))
"""Unicode's private use areas."""
_SPECIAL = re.compile(r"[\s\0_#|<>\[\]\u2581\u2047]")
"""In a label the library may take these for a mark of its own; private characters stand in for such labels."""


@dataclass(frozen=True)
class BeamColumns:
    """The columns of the beam search for a vocabulary.

    Labels that are never written (`<s>`, `<unk>`) act as blanks, and all delimiters as one space: their probabilities
    are summed.

    Attributes:
        vocabulary: of the model.
        is_upper_case: whether the words of the language model are written in capitals; None: the labels stay as they
            are.
    """

    vocabulary: Vocabulary
    is_upper_case: bool | None = None

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The text of each column, in the case of the language model."""
        return ("", " ", *self._in_library.values())

    @cached_property
    def is_plain(self) -> bool:
        """Whether every label is a single character."""
        return all(len(text) == 1 for text in self._in_library)

    @cached_property
    def number_of(self) -> dict[str, int]:
        """The column of the text of each label."""
        return {text: column for column, text in enumerate(self._in_library, start=2)}

    @cached_property
    def _in_library(self) -> dict[str, str]:
        """For the text of each label that is written, what the library is given."""
        tokens, is_written = self.vocabulary.tokens, self.vocabulary.is_written
        texts = dict.fromkeys(token for token, written in zip(tokens, is_written, strict=True) if token and written)
        changed = {text: self._in_case(text) for text in texts}
        pairs = {pair for text in texts for pair in zip(changed[text], text, strict=True)}
        if len({shown for shown, _char in pairs}) < len(pairs):  # the model distinguishes `a` from `A`
            changed = {text: text for text in texts}
        used = {char for shown in changed.values() for char in shown}
        free = (char for char in map(chr, itertools.chain(*_PRIVATE)) if char not in used)
        return {text: next(free) if _SPECIAL.search(shown) else shown for text, shown in changed.items()}

    def _in_case(self, text: str) -> str:
        if self.is_upper_case is None:
            return text
        changed = text.upper() if self.is_upper_case else text.lower()
        return changed if len(changed) == len(text) else text

    @cached_property
    def _column_of(self) -> NDArray[np.intp]:  # (vocab,)
        """The column of each label."""
        return np.array(
            [
                SPACE if index in self.vocabulary.delimiter_ids else self.number_of.get(token or "", BLANK)
                for index, token in enumerate(self.vocabulary.tokens)
            ]
        )

    def columns_of(self, word: str) -> list[int]:
        """The columns that spell a word of the library, the longest label that fits first."""
        numbers = {shown: column for column, shown in enumerate(self.labels) if column > SPACE}
        longest = max(map(len, numbers), default=1)
        columns, at = [], 0
        while at < len(word):
            fits = (word[at : at + length] for length in range(min(longest, len(word) - at), 0, -1))
            label = next((text for text in fits if text in numbers), None)
            if label is not None:
                columns.append(numbers[label])
            at += len(label or " ")
        return columns

    @cached_property
    def label_of(self) -> NDArray[np.intp]:  # (columns,)
        """A label for each column."""
        labels = np.zeros(len(self.labels), np.intp)
        labels[self._column_of[::-1]] = np.arange(len(self._column_of))[::-1]
        return labels

    def log_probs(self, scores: FrameScores) -> NDArray[np.float32]:
        """The log-probabilities of the columns, shape (frames, columns); those of labels without a score are tiny."""
        n_frames, n_columns = len(scores.ids), len(self.labels)
        cells = self._column_of[scores.ids] + n_columns * np.arange(n_frames)[:, None]
        probabilities = np.bincount(cells.ravel(), np.exp(scores.log_probs.ravel()), n_frames * n_columns)
        return np.log(np.clip(probabilities, MIN_PROBABILITY, 1.0)).astype(np.float32).reshape(n_frames, n_columns)

    def for_library(self, word: str) -> str:
        """A word or a phrase of the model's characters as the library is given it."""
        return "".join(self._in_library.get(char, char) for char in word)

    def of_library(self, word: str) -> str:
        """A word that the library found, as the model writes it."""
        return self.vocabulary.composed(word.translate(self._back))

    @cached_property
    def _back(self) -> dict[int, str]:
        """The model's character for each character of the library's."""
        back: dict[str, str] = {}
        for text, shown in self._in_library.items():
            back |= {shown: text} if len(shown) == 1 else dict(zip(shown, text, strict=True))
        return {ord(shown): text for shown, text in back.items()}
