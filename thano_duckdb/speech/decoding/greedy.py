"""Greedy CTC decoding (Graves et al. 2006): collapse repeats, then drop blanks.

We do not use Hugging Face's `skip_special_tokens=True`: it drops blanks before it collapses, so `HELLO` becomes `HELO`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from thano_duckdb.speech.transcript import WORD_RECORD, Words
from thano_duckdb.speech.windows import SAMPLE_RATE_HZ

from .decoder import FrameScores, Hypothesis
from .greedy_confidence import word_confidences
from .vocabulary import Vocabulary

MAX_GAP_S = 1.0
"""The times of a word span no longer gap between two of its letters."""


@dataclass(frozen=True)
class GreedyDecoder:
    """A `Decoder` that takes the best label of each frame."""

    labels_per_frame: int | None = field(default=1, init=False)
    runs_aside: bool = field(default=False, init=False)
    fingerprint: str = field(default="greedy", init=False)

    def decode(self, clips: Sequence[FrameScores], vocabulary: Vocabulary, *, stride: int) -> list[Hypothesis]:
        """See `Decoder` and `greedy_decode`."""
        return greedy_decode(
            [clip.ids[:, 0] for clip in clips], [clip.log_probs[:, 0] for clip in clips], vocabulary, stride=stride
        )


def greedy_decode(
    ids: Sequence[NDArray[np.integer]],
    log_probs: Sequence[NDArray[np.float32]],
    vocabulary: Vocabulary,
    *,
    stride: int,
) -> list[Hypothesis]:
    """The texts of the best paths of any number of clips; decoding many at a time is faster per clip.

    A word lasts from the start of its first frame to the end of its last: a frame is one whose best label is a
    character of the word. Letters of one word may be far apart, with nothing but blanks between them, when the model
    writes no delimiter over a silence: then the word has all its letters, and the times of the stretch with most of its
    frames among those that no gap of more than `MAX_GAP_S` cuts. Where words are not separated by delimiters
    (`Vocabulary.is_unspaced`), letters are words, and the text has nothing between them. The confidence of a word is
    the probability that it is right (see `greedy_confidence`), and the confidence of the text is the mean of its words.
    Without any words it is the geometric mean of the best probabilities of all frames. Where the path has delimiters,
    the text has the delimiter of the vocabulary, a space in most; there is none at the ends.

    Args:
        ids: for each clip, the best id of each frame (at least one), shape (frames,).
        log_probs: for each clip, the log-probabilities of these ids (natural logarithms), shape (frames,).
        vocabulary: the meaning of the ids.
        stride: samples from one frame to the next.
    """
    if not ids:
        return []
    # All clips are concatenated; runs of equal ids, words and frames are numbered across all clips.
    n_clips = len(ids)
    clip_frames = np.array([len(clip) for clip in ids])
    clip_starts = np.cumsum(clip_frames) - clip_frames
    frame_ids = np.concatenate(ids)
    frame_log_probs = np.concatenate(log_probs).astype(np.float64)

    is_start = np.ones(len(frame_ids), np.bool_)
    np.not_equal(frame_ids[1:], frame_ids[:-1], out=is_start[1:])
    is_start[clip_starts] = True
    run_starts = np.flatnonzero(is_start)  # first frame of each run
    run_stops = np.append(run_starts[1:], len(frame_ids))
    run_log_probs = np.add.reduceat(frame_log_probs, run_starts)
    clip_log_probs = np.add.reduceat(frame_log_probs, clip_starts) / clip_frames
    run_ids = frame_ids[run_starts]
    run_clips = np.repeat(np.arange(n_clips), clip_frames)[run_starts]

    written = np.flatnonzero(vocabulary.is_written[run_ids])  # the runs that are part of a word
    n_breaks = np.cumsum(vocabulary.is_word_break[run_ids]) + run_clips  # up to and with each run
    is_apart = np.diff(n_breaks[written], prepend=-1) > 0  # from the written run before it
    is_first = is_apart.copy()  # run of a word
    gaps = run_starts[written[1:]] - run_stops[written[:-1]]
    is_far = np.insert(gaps * stride > MAX_GAP_S * SAMPLE_RATE_HZ, 0, False)[: len(written)]
    if vocabulary.is_unspaced:
        is_first |= vocabulary.begins_word(run_ids[written]) | is_far
    first = np.flatnonzero(is_first)  # run of each word, into `written`
    bounds = np.append(first, len(written))
    n_frames = (run_stops - run_starts)[written]
    sums = run_log_probs[written]
    word_clips = run_clips[written[first]]

    from_run: NDArray[np.integer] = first
    to_run: NDArray[np.integer] = bounds[1:] - 1
    cuts = np.flatnonzero(is_far)
    if len(cuts):
        from_run, to_run = _longest_stretches(first, cuts, n_frames)

    records = np.empty(len(first), WORD_RECORD)
    records["start_s"] = (run_starts[written[from_run]] - clip_starts[word_clips]) * stride / SAMPLE_RATE_HZ
    records["end_s"] = (run_stops[written[to_run]] - clip_starts[word_clips]) * stride / SAMPLE_RATE_HZ
    records["confidence"] = word_confidences(
        np.add.reduceat(sums, first) / np.add.reduceat(n_frames, first),
        _sums(frame_log_probs, run_starts[written[from_run]], run_stops[written[to_run]]),
        clip_log_probs[word_clips],
    )

    clip_words = np.bincount(word_clips, minlength=n_clips)
    # Rounding may make a sum of log-probabilities slightly positive.
    of_silence = np.exp(np.minimum(0.0, clip_log_probs))
    of_words = np.bincount(word_clips, records["confidence"], n_clips) / np.maximum(1, clip_words)
    confidences = np.where(clip_words, of_words, of_silence)

    tokens = vocabulary.texts.take(pa.array(run_ids[written]))
    words = pc.binary_join(_lists(tokens, bounds), "")
    if vocabulary.has_jamo:
        words = pc.utf8_normalize(words, "NFC")
    records["n_bytes"] = pc.binary_length(words)
    word_stops = np.cumsum(clip_words, dtype=np.int32)
    by_clip = _lists(words, np.insert(word_stops, 0, 0))
    packed, record_stops = records.tobytes(), word_stops * WORD_RECORD.itemsize
    parts = by_clip
    if vocabulary.is_unspaced:  # in the texts only delimiters separate
        part_first = np.flatnonzero(is_apart)
        n_parts = np.bincount(run_clips[written[part_first]], minlength=n_clips)
        joined = pc.binary_join(_lists(tokens, np.append(part_first, len(written))), "")
        parts = _lists(joined, np.insert(np.cumsum(n_parts, dtype=np.int32), 0, 0))
    return [
        Hypothesis(text, confidence, Words(utf8, packed[start:stop]))
        for text, confidence, utf8, start, stop in zip(
            pc.binary_join(parts, vocabulary.delimiter).to_pylist(),
            confidences.tolist(),
            pc.binary_join(by_clip, "").cast(pa.binary()).to_pylist(),
            (record_stops - clip_words * WORD_RECORD.itemsize).tolist(),
            record_stops.tolist(),
            strict=True,
        )
    ]


def _longest_stretches(
    first: NDArray[np.integer], cuts: NDArray[np.integer], n_frames: NDArray[np.integer]
) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
    """The first and the last run of the stretch of each word that has most frames, the earliest among equals.

    Args:
        first: first run of each word, shape (words,).
        cuts: runs before which there is a long gap.
        n_frames: frames of each run, shape (runs,).
    """
    starts = np.union1d(first, cuts)  # of the stretches
    stops = np.append(starts[1:], len(n_frames))
    words = np.searchsorted(first, starts, side="right") - 1
    frames = np.add.reduceat(n_frames, starts) if len(starts) else starts
    order = np.lexsort((starts, -frames, words))
    chosen = order[np.unique(words[order], return_index=True)[1]]
    return starts[chosen], stops[chosen] - 1


def _sums(values: NDArray[np.float64], starts: NDArray[np.integer], stops: NDArray[np.integer]) -> NDArray[np.float64]:
    """The sum of each stretch, which depends on nothing else than its values; stretches do not overlap."""
    if not len(starts):
        return np.zeros(0)
    edges = np.stack([starts, stops], axis=1).ravel()
    return np.add.reduceat(np.append(values, 0.0), edges)[::2]


def _lists(values: pa.Array, bounds: NDArray[np.integer]) -> pa.ListArray:
    """Split values into lists, from each bound to the next."""
    return pa.ListArray.from_arrays(pa.array(bounds, pa.int32()), values)
