"""CTC prefix beam search with a word n-gram model and with hotwords (Graves & Jaitly 2014; Hannun et al. 2014)."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from thano_duckdb.errors import ModelError
from thano_duckdb.language.language_model import LanguageModel
from thano_duckdb.speech.transcript import Alternative, FoundHotword, Words
from thano_duckdb.speech.windows import SAMPLE_RATE_HZ

from .alignment import align
from .beam_columns import BLANK, SPACE, BeamColumns
from .beam_confidence import word_confidences
from .beam_library import MIN_LABEL_LOG_PROB, PRUNE_LOG_PROB, Beam, NativeDecoder, native_decoder, version
from .decoder import FrameScores, Hypothesis
from .greedy import MAX_GAP_S
from .hotwords import HotwordList, hotword_list
from .pieces import best_texts, cut_at_pauses
from .vocabulary import Vocabulary

LM_WEIGHT = 0.8
WORD_SCORE = 2.0
BEAM_WIDTH = 100
HOTWORD_WEIGHT = 6.0
"""Defaults, found on the training clips of the tutorial (docs/decoding.md)."""
LABELS_PER_FRAME = 8
"""With more, the same texts on all test sets; with 4, a tenth more errors."""
MAX_PIECE_S = 20.0
"""A clip that is longer is cut at its pauses."""


@dataclass(frozen=True)
class BeamDecoder:
    """A `Decoder` that searches for the best text, with or without a language model.

    Attributes:
        language_model: None for none.
        lm_weight: weight of its log-probability beside that of the acoustic model.
        word_score: added for each word.
        beam_width: hypotheses that are kept in each frame.
        hotwords: words and phrases that are favoured, as people write them.
        hotword_weight: how much; with 0 they are only looked for.
        n_best: how many alternative texts to give; None for none.
    """

    language_model: LanguageModel | None = None
    lm_weight: float = LM_WEIGHT
    word_score: float = WORD_SCORE
    beam_width: int = BEAM_WIDTH
    hotwords: tuple[str, ...] = ()
    hotword_weight: float = HOTWORD_WEIGHT
    n_best: int | None = None
    labels_per_frame: int | None = field(default=LABELS_PER_FRAME, init=False)
    runs_aside: bool = field(default=True, init=False)

    @cached_property
    def fingerprint(self) -> str:
        """See `Decoder`."""
        settings = (
            version(), PRUNE_LOG_PROB, MIN_LABEL_LOG_PROB, LABELS_PER_FRAME, MAX_PIECE_S,
            self.language_model and (self.language_model.fingerprint, self.language_model.is_upper_case),
            self.lm_weight, self.word_score, self.beam_width, self.hotwords, self.hotword_weight, self.n_best,
        )  # fmt: skip
        return f"beam {hashlib.sha256(repr(settings).encode()).hexdigest()}"

    def load(self, vocabulary: Vocabulary) -> None:
        """Load the language model, which takes a moment; `decode` does it too where it is not loaded yet.

        Raises:
            ModelError: it cannot be loaded, or does not go with the vocabulary, or there is no beam search here.
        """
        self._native(self._columns(vocabulary))

    def hotwords_for(self, vocabulary: Vocabulary) -> HotwordList:
        """The hotwords as a model spells them, those that it cannot spell among them."""
        return hotword_list(self.hotwords, self._columns(vocabulary))

    def decode(self, clips: Sequence[FrameScores], vocabulary: Vocabulary, *, stride: int) -> list[Hypothesis]:
        """See `Decoder`."""
        columns = self._columns(vocabulary)
        native = self._native(columns)
        hotwords = hotword_list(self.hotwords, columns)
        return [self._decode(clip, columns, native, hotwords, stride) for clip in clips]

    def _columns(self, vocabulary: Vocabulary) -> BeamColumns:
        if vocabulary.word_start_ids:
            raise ModelError(
                "this model writes subwords or phonemes: language models, hotwords and alternatives need a model that "
                "writes characters"
            )
        model = self.language_model
        return BeamColumns(vocabulary, None if model is None else model.is_upper_case)

    def _native(self, columns: BeamColumns) -> NativeDecoder:
        if not columns.vocabulary.delimiter_ids and (self.language_model or self.hotwords):
            raise ModelError(
                "language models and hotwords are made of words, and this model writes no spaces between words"
            )
        return native_decoder(columns.labels, self.language_model, self.lm_weight, self.word_score)

    def _decode(
        self, clip: FrameScores, columns: BeamColumns, native: NativeDecoder, hotwords: HotwordList, stride: int
    ) -> Hypothesis:
        log_probs = columns.log_probs(clip)
        words: list[str] = []
        frames: list[tuple[int, int]] = []
        confidences: list[float] = []
        letters: list[_Letters] = []
        texts = []
        for piece in cut_at_pauses(log_probs, int(MAX_PIECE_S * SAMPLE_RATE_HZ / stride)):
            beams = self._beams(log_probs[piece], native, hotwords, stride / SAMPLE_RATE_HZ)
            if beams and beams[0].frames:
                found = beams[0].text.split()
                words += map(columns.of_library, found)
                if columns.vocabulary.is_unspaced:
                    letters += [
                        _Letters.of(word, columns, log_probs[piece][start:stop], piece.start + start)
                        for word, (start, stop) in zip(found, beams[0].frames, strict=True)
                    ]
                frames += [(piece.start + start, piece.start + stop) for start, stop in beams[0].frames]
                confidences += word_confidences(beams, log_probs[piece]).tolist()
            texts.append([(beam.text, beam.score) for beam in beams[: self.n_best or 1]])
        # A piece ends anywhere where no delimiters are written.
        delimiter = columns.vocabulary.delimiter if columns.vocabulary.delimiter_ids else ""
        if columns.vocabulary.delimiter_ids:
            is_letter = ~np.isin(log_probs.argmax(axis=1), (BLANK, SPACE))
            max_gap = int(MAX_GAP_S * SAMPLE_RATE_HZ / stride)
            frames = [_without_long_gaps(*of_word, is_letter, max_gap) for of_word in frames]
        times_s = np.array(frames, np.float64).reshape(-1, 2) * stride / SAMPLE_RATE_HZ
        alternatives = None
        if self.n_best is not None:
            alternatives = tuple(
                Alternative(delimiter.join(map(columns.of_library, text.split())), score)
                for text, score in best_texts(texts, self.n_best)
            )
        return Hypothesis(
            text=delimiter.join(words),
            confidence=float(np.mean(confidences)) if words else _confidence_of_silence(clip),
            words=_words_of_letters(letters, confidences, stride) if letters else Words.of(words, times_s, confidences),
            alternatives=alternatives,
            hotwords=tuple(_found(hotwords, words, times_s)) if self.hotwords else None,
        )

    def _beams(
        self, log_probs: NDArray[np.float32], native: NativeDecoder, hotwords: HotwordList, frame_s: float
    ) -> list[Beam]:
        favoured = hotwords.possible(log_probs, MIN_LABEL_LOG_PROB, frame_s) if self.hotword_weight else []
        return native.beams(
            log_probs, beam_width=self.beam_width, hotwords=favoured, hotword_weight=self.hotword_weight
        )


@dataclass(frozen=True)
class _Letters:
    """What a word of the search is made of where letters are words: their texts, and their first and last frames."""

    texts: tuple[str, ...]
    frames: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, word: str, columns: BeamColumns, log_probs: NDArray[np.float32], first_frame: int) -> _Letters:
        spelled = columns.columns_of(word)
        spans = align(log_probs, spelled)
        if spans is None:  # the search adds paths, of which none may be the best one here
            edges = np.linspace(0, len(log_probs), len(spelled) + 1).astype(int).tolist()
            spans = list(itertools.pairwise(edges))
        begins = np.flatnonzero(columns.vocabulary.begins_word(columns.label_of[spelled])).tolist()
        bounds = sorted({0, *begins, len(spelled)})
        parts = list(itertools.pairwise(bounds))
        return cls(
            tuple(columns.of_library("".join(columns.labels[each] for each in spelled[a:b])) for a, b in parts),
            tuple((first_frame + spans[a][0], first_frame + spans[b - 1][1]) for a, b in parts),
        )


def _words_of_letters(letters: Sequence[_Letters], confidences: Sequence[float], stride: int) -> Words:
    """Letters as words, each with the confidence of the word of the search that it is in."""
    frames = np.array([span for word in letters for span in word.frames], np.float64)
    shared = [value for word, value in zip(letters, confidences, strict=True) for _ in word.texts]
    return Words.of([text for word in letters for text in word.texts], frames * stride / SAMPLE_RATE_HZ, shared)


def _without_long_gaps(start: int, stop: int, is_letter: NDArray[np.bool_], max_gap: int) -> tuple[int, int]:
    """The stretch of a word that has most of its letters' frames, as in greedy decoding (`greedy_decode`).

    Args:
        start, stop: the first frame of the word, and the one after its last.
        is_letter: of the frames of the clip, where a letter is likelier than a blank or a space, shape (frames,).
        max_gap: frames without a letter that a word may have in a row.
    """
    if stop - start <= max_gap:
        return start, stop
    inside = start + np.flatnonzero(is_letter[start:stop])
    letters = np.union1d(inside, [start, stop - 1])  # the search may have chosen letters that are not the likeliest
    stretches = np.split(letters, 1 + np.flatnonzero(np.diff(letters) > max_gap + 1))
    longest = max(stretches, key=len)
    return int(longest[0]), int(longest[-1]) + 1


def _found(hotwords: HotwordList, words: Sequence[str], times_s: NDArray[np.float64]) -> Iterator[FoundHotword]:
    """The hotwords in a text in its order, then those that cannot be found."""
    for hotword, first, stop in hotwords.in_text(words):
        yield FoundHotword(hotword.given, float(times_s[first, 0]), float(times_s[stop - 1, 1]), None)
    for hotword in hotwords.unspelled:
        yield FoundHotword(hotword.given, None, None, hotword.problem)


def _confidence_of_silence(clip: FrameScores) -> float:
    """As in greedy decoding: the geometric mean of the best probabilities of all frames."""
    if not len(clip.log_probs):
        return 0.0
    return float(np.minimum(1.0, np.exp(clip.log_probs[:, 0].mean(dtype=np.float64))))  # unlike `min`, NaN for NaN
