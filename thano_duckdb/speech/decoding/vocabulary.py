"""The meaning of the labels of a CTC model."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


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

    @property
    def has_words(self) -> bool:
        """Whether the labels say where words end."""
        return bool(self.delimiter_ids or self.word_start_ids)

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
    def texts(self) -> pa.StringArray:  # (vocab,)
        """`tokens` as an array, to look up many labels at once."""
        return pa.array(self.tokens, pa.string())
