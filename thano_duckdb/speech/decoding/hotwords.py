"""Words that a decoder favours: how a model spells them, which of them a clip may hold, and which were found."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from thano_duckdb.speech.alphabet import Alphabet

from .beam_columns import BLANK, BeamColumns
from .vocabulary import Vocabulary

MAX_CHARS = 100
"""A hotword that is longer has no effect: nobody says it."""
WINDOW_S = 2.0
"""Which hotwords a clip may hold is asked for stretches of this length, each half in the one before: a word is said
within a second."""
LONG_LIST, LONG_LIST_MIN_LOG_PROB = 100, -5.0
"""Of more hotwords only those stay whose letters are a little likelier: otherwise they cost too much time."""


@dataclass(frozen=True, slots=True)
class Hotword:
    """A hotword as the user gave it, and as the model writes it.

    Attributes:
        given: by the user.
        spelled: in the characters of the model; empty where it cannot be spelt.
        problem: why it has no effect, as part of a sentence; None if it has.
    """

    given: str
    spelled: str
    problem: str | None = None


@functools.lru_cache(maxsize=4096)
def spell(given: str, alphabet: Alphabet) -> Hotword:
    """A hotword in the characters of a model: `Zoë's` may become `ZOE'S`."""
    if len(given) > MAX_CHARS:
        return Hotword(given, "", f"it has {len(given):,} characters, and at most {MAX_CHARS} are supported")
    labels = alphabet.labels(given)
    if labels.dropped:
        missing = ", ".join(f"'{char}'" for char in labels.dropped)
        return Hotword(given, "", f"the model's alphabet has no {missing}")
    if not labels.text:
        return Hotword(given, "", "it has no letters")
    return Hotword(given, labels.text)


@functools.lru_cache(maxsize=16)
def alphabet_of(vocabulary: Vocabulary) -> Alphabet:
    """The alphabet of a vocabulary; the same object for the same vocabulary."""
    return Alphabet(vocabulary)


@functools.lru_cache(maxsize=256)
def hotword_list(given: tuple[str, ...], columns: BeamColumns) -> HotwordList:
    """These hotwords for a model; the same object for the same arguments."""
    alphabet = alphabet_of(columns.vocabulary)
    return HotwordList(columns, tuple(spell(word, alphabet) for word in dict.fromkeys(given) if word.strip()))


@dataclass(frozen=True)
class HotwordList:
    """The hotwords of a clip.

    Attributes:
        columns: of the beam search.
        hotwords: each once.
    """

    columns: BeamColumns
    hotwords: tuple[Hotword, ...]

    @cached_property
    def unspelled(self) -> tuple[Hotword, ...]:
        """Those without effect."""
        return tuple(word for word in self.hotwords if word.problem)

    @cached_property
    def letters(self) -> tuple[str, ...]:
        """Those of a single letter, as the user gave them."""
        return tuple(word.given for word in self.hotwords if len(word.spelled) == 1)

    @cached_property
    def _for_library(self) -> NDArray[np.object_]:  # (words,)
        spelled = dict.fromkeys(word.spelled for word in self.hotwords if not word.problem)
        return np.array([self.columns.for_library(word) for word in spelled], dtype=object)

    @cached_property
    def _pairs(self) -> NDArray[np.intp]:  # (words, pairs)
        """The pairs of neighbouring columns of each word, as one number each; padded with a pair that always occurs."""
        number_of = {shown: column for column, shown in enumerate(self.columns.labels)}
        n = len(number_of)
        rows = [[number_of[char] for char in word] for word in self._for_library]
        pairs = np.full((len(rows), max(map(len, rows), default=1) or 1), n * n)
        for row, columns in enumerate(rows):
            for at, (left, right) in enumerate(itertools.pairwise(columns)):
                if left != right:
                    pairs[row, at] = left * n + right
        return pairs

    def possible(self, log_probs: NDArray[np.float32], min_log_prob: float, frame_s: float) -> list[str]:
        """The hotwords that the beam search could write at all, for the library, which is slow with long lists.

        A word needs each pair of its neighbouring letters: at some frame the first may be the last letter written,
        and the second may be written at the next. Without this a thousand hotwords take seventeen times as long.

        Args:
            log_probs: of the columns, shape (frames, columns).
            min_log_prob: less likely columns are not tried, except the best of a frame.
            frame_s: seconds from one frame to the next.
        """
        words = self._for_library
        if not self.columns.is_plain or not len(words):
            return list(words)
        n_frames = len(log_probs)
        tried = log_probs >= (min_log_prob if len(words) <= LONG_LIST else max(min_log_prob, LONG_LIST_MIN_LOG_PROB))
        tried[np.arange(n_frames), log_probs.argmax(axis=1)] = True
        frame = np.arange(n_frames)[:, None]
        last_tried = np.maximum.accumulate(np.where(tried, frame, -1))
        last_without_blank = np.maximum.accumulate(np.where(tried[:, [BLANK]], -1, frame))
        may_be_last = (last_tried >= 0) & (last_tried >= last_without_blank)
        before, after = may_be_last[:-1].astype(np.float32), tried[1:].astype(np.float32)
        found = np.zeros(len(words), np.bool_)
        hop = max(1, round(WINDOW_S / 2 / frame_s))
        for start in range(0, max(1, n_frames - hop), hop):
            window = slice(start, start + 2 * hop)
            is_possible = np.append(before[window].T @ after[window] > 0, True)
            found |= is_possible[self._pairs].all(axis=1)
        return list(words[found])

    @cached_property
    def _by_first_word(self) -> dict[str, list[tuple[tuple[str, ...], Hotword]]]:
        phrases: dict[str, list[tuple[tuple[str, ...], Hotword]]] = {}
        for hotword in self.hotwords:
            if parts := tuple(self.columns.vocabulary.composed(hotword.spelled).split()):
                phrases.setdefault(parts[0], []).append((parts, hotword))
        return phrases

    def in_text(self, words: Sequence[str]) -> Iterator[tuple[Hotword, int, int]]:
        """Each hotword that a text has, with the numbers of its first word and of the one after its last."""
        for start, word in enumerate(words):
            for parts, hotword in self._by_first_word.get(word, ()):
                if tuple(words[start : start + len(parts)]) == parts:
                    yield hotword, start, start + len(parts)
