"""Turns the rows of a query into the utterances of a build: decoded once, checked, and in a fixed order."""

from __future__ import annotations

import hashlib
import math
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from thano_duckdb.audio.decode import AudioFailure
from thano_duckdb.audio.source import Clip
from thano_duckdb.errors import AudioError, ThanoError, counted, located
from thano_duckdb.monitoring.monitor import Monitor
from thano_duckdb.speech.alphabet import Alphabet, Labels, describe_dropped, describe_lost_accents, name_dropped
from thano_duckdb.speech.readahead import FIRST_READS, ReadAhead
from thano_duckdb.speech.windows import SAMPLE_RATE_HZ, FrameGrid

from .audio_store import AudioStore
from .split import choose_held_out, connected_rows, equal_rows, overlapping_parts
from .training_options import Example
from .utterances import HASH_BYTES, Utterances

MAX_CLIP_S = 60.0
"""A longer clip would need too much memory in a step, and cannot be cut, because its text cannot be cut with it."""
NO_ROWS = "the query returns no rows to train on"
N_EXAMPLES = 3
"""Skipped rows that a warning describes; it only counts the others."""
_OUTCOMES_AHEAD = 4096
"""Rows that were read and wait for their turn."""
_DECODE_THREADS = min(16, max(2, os.cpu_count() or 1))


@dataclass(frozen=True)
class Corpus:
    """The usable rows.

    Attributes:
        train: the utterances to train on.
        validation: the held-out utterances.
        n_skipped: the number of rows that could not be used.
        warnings: at most one sentence each about skipped rows, characters that cannot be written, lost accents, and a
            share that was not met.
        digest: a hash of the usable rows and of which of them are held out.
    """

    train: Utterances
    validation: Utterances
    n_skipped: int
    warnings: tuple[str, ...]
    digest: str


def prepare_corpus(
    examples: Sequence[Example],
    alphabet: Alphabet,
    grid: FrameGrid,
    store: AudioStore,
    *,
    validation_split: float,
    seed: int,
    fail_on_error: bool,
    skip_unwritable: bool = False,
    monitor: Monitor,
) -> Corpus:
    """Decode and check every row, and hold some out.

    The database's threads return rows in any order. Here they are sorted by a hash of their content, so that the same
    rows always give the same build.

    Args:
        examples: the rows.
        alphabet: the characters that the model can write.
        grid: the frame grid of the model.
        store: decodes the clips and keeps them.
        validation_split: share of the usable rows to hold out; at least one row, but never all. Rows of the same
            recording, and of the same group, stay together.
        seed: for the choice of the held-out rows.
        fail_on_error: whether to stop at the first clip that cannot be read.
        skip_unwritable: skip a row whose text has characters that the alphabet lacks; otherwise they are dropped.
        monitor: receives progress for every clip, and is asked whether to stop.

    Raises:
        AudioError: a clip cannot be read and `fail_on_error` is set.
        ThanoError: there are no rows, or none of them can be used.
        Cancelled: `monitor` was cancelled.
    """
    hashes = _hashes(examples, monitor)
    order = _order(hashes.keys, examples)
    usable = _Usable(len(examples))
    skipped = _Skipped()
    monitor.clips_received(len(examples))
    with ReadAhead(
        lambda row: _check(row, examples[row], alphabet, grid, store, skip_unwritable=skip_unwritable),
        map(int, order),
        n_bytes=lambda _outcome: 1,
        max_bytes=_OUTCOMES_AHEAD,
        n_threads=min(FIRST_READS if hashes.has_urls else _DECODE_THREADS, max(1, len(examples))),
        monitor=monitor,
    ) as outcomes:
        for row, outcome in zip(map(int, order), outcomes, strict=True):
            monitor.raise_if_cancelled()
            seconds = outcome.n_samples / SAMPLE_RATE_HZ if isinstance(outcome, _Decoded) else 0.0
            monitor.clips_done(1, seconds)
            if isinstance(outcome, _Decoded):
                usable.add(row, outcome)
            elif fail_on_error and outcome.is_audio:
                location = examples[row].location
                raise AudioError(f"{location}: {outcome.reason} The build stopped because of on_error='fail'.")
            else:
                skipped.add(examples[row].location, outcome)
            outcomes.release(1)
    if not examples:
        raise ThanoError(NO_ROWS)
    if not usable.n:
        n_rows = len(examples)
        none = "the only row of the query cannot" if n_rows == 1 else f"none of the query's {n_rows} rows can"
        raise ThanoError(f"{none} be used for training ({skipped.reasons})")
    utterances = usable.utterances(examples, alphabet, hashes.keys)
    train, validation = _split(utterances, hashes, validation_split, seed)
    warnings = [
        skipped.describe() if skipped.n else None,
        _describe_unwritable(skipped, usable.dropped),
        describe_lost_accents(usable.without_accent),
        _describe_share(len(validation), len(utterances), validation_split),
    ]
    return Corpus(
        train=train,
        validation=validation,
        n_skipped=skipped.n,
        warnings=tuple(warning for warning in warnings if warning),
        digest=_digest(train, validation),
    )


@dataclass(frozen=True)
class _RowHashes:
    """What is known of all rows before any is decoded.

    Attributes:
        keys: (n, 16) a hash of the content of each row.
        sources: (n, 16) a hash of the path, the URL or the BLOB of each.
        parts: (n, 2) where in it the clip starts and stops, in seconds.
        has_urls: whether any has to be fetched.
    """

    keys: NDArray[np.uint8]
    sources: NDArray[np.uint8]
    parts: NDArray[np.float64]
    has_urls: bool


def _hashes(examples: Sequence[Example], monitor: Monitor) -> _RowHashes:
    keys, sources = np.zeros((2, len(examples), HASH_BYTES), np.uint8)
    parts = np.tile((0.0, math.inf), (len(examples), 1))
    has_urls = False
    for row, example in enumerate(examples):
        monitor.raise_if_cancelled()
        clip = example.clip
        identity = _identity(clip)
        keys[row] = _hash(*identity, (example.text or "").encode())
        if isinstance(clip, Clip):
            sources[row] = _hash(b"path" if clip.data is None else b"content", identity[0])
            parts[row] = (clip.start_s or 0.0, math.inf if clip.stop_s is None else clip.stop_s)
            has_urls = has_urls or clip.is_url
    return _RowHashes(keys, sources, parts, has_urls)


def _hash(*parts: bytes) -> NDArray[np.uint8]:
    digest = hashlib.blake2b(digest_size=HASH_BYTES)
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return np.frombuffer(digest.digest(), np.uint8)


def _order(keys: NDArray[np.uint8], examples: Sequence[Example]) -> NDArray[np.int64]:
    """The rows in the order of their keys (n, 16), and rows of the same key in the order of their groups."""
    high, low = keys.view(">u8").T
    order = np.lexsort((low, high))
    same = np.flatnonzero((keys[order[1:]] == keys[order[:-1]]).all(axis=1))
    for first, last in _runs(same):
        tied = order[first : last + 2].tolist()
        order[first : last + 2] = sorted(tied, key=lambda row: repr(examples[row].group))
    return order


def _runs(numbers: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """The first and the last of each run of ascending numbers without a gap."""
    for run in np.split(numbers, np.flatnonzero(np.diff(numbers) != 1) + 1):
        if len(run):
            yield int(run[0]), int(run[-1])


@dataclass(frozen=True)
class _Decoded:
    n_samples: int
    recording: bytes
    labels: Labels


class _Usable:
    """Collects the rows that can be used, in arrays."""

    def __init__(self, n_rows: int) -> None:
        self.n = 0
        self.dropped = Counter[str]()
        self.without_accent = Counter[str]()
        self._rows = np.empty(n_rows, np.int64)
        self._n_samples = np.empty(n_rows, np.int64)
        self._n_labels = np.empty(n_rows, np.int32)
        self._recordings = np.empty((n_rows, HASH_BYTES), np.uint8)

    def add(self, row: int, decoded: _Decoded) -> None:
        self._rows[self.n] = row
        self._n_samples[self.n] = decoded.n_samples
        self._n_labels[self.n] = len(decoded.labels.ids)
        self._recordings[self.n] = np.frombuffer(decoded.recording, np.uint8)
        self.n += 1
        self.dropped.update(decoded.labels.dropped)
        self.without_accent.update(decoded.labels.without_accent)

    def utterances(self, examples: Sequence[Example], alphabet: Alphabet, keys: NDArray[np.uint8]) -> Utterances:
        rows = self._rows[: self.n]
        columns = (each[: self.n] for each in (self._n_samples, self._n_labels, self._recordings))
        return Utterances(examples, alphabet, rows, keys[rows], *columns)  # type: ignore[arg-type]


@dataclass(frozen=True)
class _Unusable:
    reason: str
    is_audio: bool = False
    unwritable: Labels | None = None


@dataclass
class _Skipped:
    n: int = 0
    examples: list[str] = field(default_factory=list)
    n_unwritable: int = 0
    unwritable: Counter[str] = field(default_factory=Counter)

    def add(self, location: str, row: _Unusable) -> None:
        self.n += 1
        if len(self.examples) < N_EXAMPLES:
            self.examples.append(located(location, row.reason))
        if row.unwritable is not None:
            self.n_unwritable += 1
            self.unwritable.update(row.unwritable.dropped)

    @property
    def reasons(self) -> str:
        n_more = self.n - len(self.examples)
        return "; ".join([*self.examples, *([f"and {n_more} more"] if n_more else [])])

    def describe(self) -> str:
        rows = "1 row was" if self.n == 1 else f"{self.n} rows were"
        return f"{rows} skipped in training ({self.reasons})"


def _identity(audio: Clip | AudioFailure | None) -> tuple[bytes, ...]:
    """What distinguishes a clip from those of other rows."""
    if not isinstance(audio, Clip):
        return (b"",)
    selected = (audio.channel, audio.start_s, audio.stop_s)
    source = audio.data if audio.data is not None else audio.location.encode()
    return (source, repr(selected).encode()) if any(each is not None for each in selected) else (source,)


def _check(
    row: int, example: Example, alphabet: Alphabet, grid: FrameGrid, store: AudioStore, *, skip_unwritable: bool
) -> _Decoded | _Unusable:
    """Decode and check a row; runs on a decode thread."""
    source, text = example.clip, example.text
    if isinstance(source, AudioFailure):
        return _Unusable(source.reason, is_audio=True)
    if source is None:
        return _Unusable("The audio is NULL.")
    if text is None:
        return _Unusable("The text is NULL.")
    labels = alphabet.labels(text)
    if not labels.ids:
        return _Unusable(
            "The text is empty." if not text.strip() else f"No character of {text[:40]!r} is in the model's alphabet."
        )
    if skip_unwritable and labels.dropped:
        lacking = ", ".join(map(repr, [*labels.dropped][:N_EXAMPLES]))
        return _Unusable(f"The model's alphabet lacks {lacking} of its text.", unwritable=labels)
    samples = store.read(row, lambda: source)
    if isinstance(samples, AudioFailure):
        return _Unusable(samples.reason, is_audio=True)
    n_samples, n_frames = len(samples), grid.n_frames(len(samples))
    if n_samples > MAX_CLIP_S * SAMPLE_RATE_HZ:
        return _Unusable(f"It lasts {n_samples / SAMPLE_RATE_HZ:.0f} s; the limit for training is {MAX_CLIP_S:.0f} s.")
    if n_frames < labels.n_frames_needed:
        return _Unusable(
            f"It is too short for its text: {n_samples / SAMPLE_RATE_HZ:.2f} s give {counted(n_frames, 'frame')}, "
            f"but the text needs at least {labels.n_frames_needed}."
        )
    return _Decoded(n_samples, hashlib.blake2b(samples.data, digest_size=HASH_BYTES).digest(), labels)


def _describe_unwritable(skipped: _Skipped, dropped: Counter[str]) -> str | None:
    """One sentence that names the characters that the alphabet lacks."""
    if skipped.n_unwritable:
        rows = counted(skipped.n_unwritable, "row")
        return f"{rows} skipped because of on_unwritable='skip': {name_dropped(skipped.unwritable)}"
    sentence = describe_dropped(dropped)
    return sentence and f"{sentence}; OPTIONS (on_unwritable='skip') skips their rows"


def _split(usable: Utterances, hashes: _RowHashes, share: float, seed: int) -> tuple[Utterances, Utterances]:
    if not share:
        return usable, usable[:0]
    if len(usable) < 2:
        raise ThanoError("option 'validation_split' needs at least two usable rows, but there is only one")
    groups = connected_rows(len(usable), _links(usable, hashes))
    if len(groups) == 1:
        common = "value of split_by, or share a recording" if usable[0].group else "recording"
        raise ThanoError(
            f"option 'validation_split' cannot hold out any row: all {len(usable)} usable rows have the same {common}"
        )
    held_out = np.zeros(len(usable), np.bool_)
    held_out[[*choose_held_out(groups, share, seed)]] = True
    return usable.take(np.flatnonzero(~held_out)), usable.take(np.flatnonzero(held_out))


def _links(usable: Utterances, hashes: _RowHashes) -> Iterator[tuple[int, int]]:
    """Pairs of rows that must stay on the same side: of the same recording, of the same group, or overlapping."""
    yield from equal_rows(usable.recordings.view(np.uint64))
    first_of: dict[tuple[str | None], int] = {}
    for index, row in enumerate(usable.rows.tolist()):
        if (group := usable.examples[row].group) is not None:
            yield first_of.setdefault(group, index), index
    starts_s, stops_s = hashes.parts[usable.rows].T
    yield from overlapping_parts(hashes.sources[usable.rows].view(np.uint64), starts_s, stops_s)


def _describe_share(n_held_out: int, n_usable: int, share: float) -> str | None:
    """One sentence if the rows that are held out are half as many as asked for, or twice as many."""
    n_asked = max(1, round(share * n_usable))
    if not share or n_asked / 2 < n_held_out < n_asked * 2:
        return None
    return (
        f"{n_held_out} of {n_usable} rows are held out, not {n_asked} as validation_split={share:g} asks for, because "
        "rows of the same recording or the same value of split_by stay together"
    )


def _digest(train: Utterances, validation: Utterances) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for part in (train, validation):
        n_samples = part.n_samples.astype("<i8").view(np.uint8).reshape(-1, 8)
        digest.update(np.hstack([part.keys, n_samples]).tobytes())
        digest.update(b"|")
    return digest.hexdigest()
