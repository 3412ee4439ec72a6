"""The meaning of the labels of a CTC model."""

from __future__ import annotations

import unicodedata
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
    """

    tokens: tuple[str | None, ...]
    delimiter_ids: frozenset[int]
    delimiter: str = " "
    blank_id: int = 0

    @cached_property
    def is_written(self) -> NDArray[np.bool_]:  # (vocab,)
        """Which labels are written as part of a word."""
        return np.array([token is not None for token in self.tokens]) & ~self.is_delimiter

    @cached_property
    def is_delimiter(self) -> NDArray[np.bool_]:  # (vocab,)
        """Which labels end a word."""
        return np.array([index in self.delimiter_ids for index in range(len(self.tokens))])

    @cached_property
    def has_jamo(self) -> bool:
        """Whether labels are conjoining jamo, the parts of Korean syllables, which texts put together."""
        return any(token and "\u1100" <= token[0] <= "\u11ff" for token in self.tokens)

    def composed(self, text: str) -> str:
        """What labels spell as it is written: jamo as syllables."""
        return unicodedata.normalize("NFC", text) if self.has_jamo else text

    @cached_property
    def texts(self) -> pa.StringArray:  # (vocab,)
        """`tokens` as an array, to look up many labels at once."""
        return pa.array(self.tokens, pa.string())
