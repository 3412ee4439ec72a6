"""The meaning of the labels of a CTC model."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from thano_duckdb.speech.scripts import is_unspaced


@dataclass(frozen=True)
class Vocabulary:
    """The meaning of each output of a model.

    Attributes:
        tokens: the text of each label; None for labels that are never written (the blank, `<s>`, `</s>`, `<unk>`).
        delimiter_ids: the labels that end a word; empty if the language is written without spaces.
        delimiter: the text between two words.
        blank_id: the label of the CTC blank.
        word_start_ids: the written labels that begin a new word: all phonemes, and the subwords that bear the mark of a
            word's start. Empty for characters.
    """

    tokens: tuple[str | None, ...]
    delimiter_ids: frozenset[int]
    delimiter: str = " "
    blank_id: int = 0
    word_start_ids: frozenset[int] = frozenset()

    @cached_property
    def is_written(self) -> NDArray[np.bool_]:  # (vocab,)
        """Which labels are written as part of a word."""
        return np.array([token is not None for token in self.tokens]) & ~self.is_delimiter

    @cached_property
    def is_delimiter(self) -> NDArray[np.bool_]:  # (vocab,)
        """Which labels end a word."""
        return np.array([index in self.delimiter_ids for index in range(len(self.tokens))])

    @cached_property
    def is_word_break(self) -> NDArray[np.bool_]:  # (vocab,)
        """Which labels are not part of the word before them."""
        breaks = self.delimiter_ids | self.word_start_ids
        return np.array([index in breaks for index in range(len(self.tokens))])

    @cached_property
    def has_jamo(self) -> bool:
        """Whether labels are conjoining jamo, the parts of Korean syllables, which texts put together."""
        return any(token and "\u1100" <= token[0] <= "\u11ff" for token in self.tokens)

    def composed(self, text: str) -> str:
        """What labels spell as it is written: jamo as syllables."""
        return unicodedata.normalize("NFC", text) if self.has_jamo else text

    @cached_property
    def is_unspaced(self) -> bool:
        """Whether words are not separated by delimiters: there are none, or most labels are of a script without spaces.

        Many Chinese and Thai models have a delimiter that they hardly ever write.
        """
        if self.word_start_ids:
            return False
        n_unspaced, n_written = map(np.count_nonzero, (self._is_of_unspaced_script, self.is_written))
        return not self.delimiter_ids or bool(2 * n_unspaced > n_written)

    @cached_property
    def _is_of_unspaced_script(self) -> NDArray[np.bool_]:  # (vocab,)
        is_of_script = np.array([is_unspaced(token[0]) if token else False for token in self.tokens])
        return is_of_script & self.is_written

    @cached_property
    def _is_alone(self) -> NDArray[np.bool_]:  # (vocab,)
        """Which labels are words of their own.

        Among letters of a script without spaces those of others make words; where there are none, every label is one.
        """
        if not self.is_unspaced:
            return np.zeros(len(self.tokens), np.bool_)
        return self._is_of_unspaced_script if self._is_of_unspaced_script.any() else self.is_written

    @cached_property
    def _continues(self) -> NDArray[np.bool_]:  # (vocab,)
        """Which labels belong to the one before them: marks, and the jamo of a Korean syllable after the first."""
        return np.array(
            [
                not token or unicodedata.category(token[0])[0] == "M" or "\u1160" <= token[0] <= "\u11ff"
                for token in self.tokens
            ]
        )

    @property
    def locale(self) -> str | None:
        """`tr` for an alphabet with the dotless i, see `normalize`."""
        return "tr" if "\u0131" in self.tokens or "\u0130" in self.tokens else None

    def begins_word(self, labels: NDArray[np.integer]) -> NDArray[np.bool_]:
        """Which labels begin a word although no delimiter is before them.

        Args:
            labels: written labels in a row, shape (labels,).
        """
        is_alone = self._is_alone[labels]
        is_after_one = np.concatenate([[False], is_alone])[:-1]
        begins: NDArray[np.bool_] = (is_alone | is_after_one) & ~self._continues[labels]
        return begins

    @cached_property
    def texts(self) -> pa.StringArray:  # (vocab,)
        """`tokens` as an array, to look up many labels at once."""
        return pa.array(self.tokens, pa.string())
