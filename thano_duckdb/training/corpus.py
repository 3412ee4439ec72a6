"""Turns the rows of a query into the utterances of a build: decoded once, checked, and in a fixed order."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

from thano_duckdb.audio.decode import AudioFailure
from thano_duckdb.audio.source import Clip
from thano_duckdb.errors import AudioError, ThanoError, brief_location, counted, located
from thano_duckdb.monitoring.monitor import Monitor
from thano_duckdb.speech.alphabet import Alphabet, Labels, describe_dropped, describe_lost_accents, name_dropped
from thano_duckdb.speech.readahead import FIRST_READS, ReadAhead
from thano_duckdb.speech.windows import SAMPLE_RATE_HZ, FrameGrid

from .audio_store import AudioStore
from .split import choose_held_out, connected_rows, overlap_keys
from .training_options import Example

MAX_CLIP_S = 60.0
"""A longer clip would need too much memory in a step, and cannot be cut, because its text cannot be cut with it."""
NO_ROWS = "the query returns no rows to train on"
N_EXAMPLES = 3
"""Skipped rows that a warning describes; it only counts the others."""
_DECODE_THREADS = min(16, max(2, os.cpu_count() or 1))


@dataclass(frozen=True)
class Utterance:
    """A row to train on or to evaluate on.

    Attributes:
        key: a hash of its content.
        source: its audio.
        text: its transcript, as in the row.
        labels: the transcript in the alphabet of the model.
        n_samples: its length at 16 kHz.
        recording: a hash of its samples, the same for every path and format of the same recording.
        group: see `Example`.
    """

    key: bytes
    source: Clip
    text: str
    labels: Labels
    n_samples: int
    recording: bytes
    group: tuple[str | None] | None


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

    train: tuple[Utterance, ...]
    validation: tuple[Utterance, ...]
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
    rows = sorted((_row(example) for example in examples), key=lambda row: (row.key, repr(row.example.group)))
    usable: list[Utterance] = []
    skipped = _Skipped()
    monitor.clips_received(len(rows))
    with ReadAhead(
        lambda row: _check(row, alphabet, grid, store, skip_unwritable=skip_unwritable),
        rows,
        n_bytes=lambda _outcome: 0,
        max_bytes=1,
        n_threads=min(FIRST_READS if any(row.is_url for row in rows) else _DECODE_THREADS, max(1, len(rows))),
        monitor=monitor,
    ) as outcomes:
        for row, outcome in zip(rows, outcomes, strict=True):
            monitor.raise_if_cancelled()
            seconds = outcome.n_samples / SAMPLE_RATE_HZ if isinstance(outcome, Utterance) else 0.0
            monitor.clips_done(1, seconds)
            if isinstance(outcome, Utterance):
                usable.append(outcome)
            elif fail_on_error and outcome.is_audio:
                raise AudioError(f"{row.location}: {outcome.reason} The build stopped because of on_error='fail'.")
            else:
                skipped.add(row.location, outcome)
    if not rows:
        raise ThanoError(NO_ROWS)
    if not usable:
        none = "the only row of the query cannot" if len(rows) == 1 else f"none of the query's {len(rows)} rows can"
        raise ThanoError(f"{none} be used for training ({skipped.reasons})")
    train, validation = _split(usable, validation_split, seed)
    warnings = [
        skipped.describe() if skipped.n else None,
        _describe_unwritable(skipped.unwritable, [row.labels for row in usable]),
        describe_lost_accents([row.labels for row in usable]),
        _describe_share(len(validation), len(usable), validation_split),
    ]
    return Corpus(
        train=train,
        validation=validation,
        n_skipped=skipped.n,
        warnings=tuple(warning for warning in warnings if warning),
        digest=_digest(train, validation),
    )


@dataclass(frozen=True)
class _Row:
    key: bytes
    example: Example

    @property
    def is_url(self) -> bool:
        clip = self.example.clip
        return isinstance(clip, Clip) and clip.is_url

    @property
    def location(self) -> str:
        audio = self.example.clip
        return "NULL" if audio is None else brief_location(audio.location) if isinstance(audio, Clip) else ""


@dataclass(frozen=True)
class _Unusable:
    reason: str
    is_audio: bool = False
    unwritable: Labels | None = None


@dataclass
class _Skipped:
    n: int = 0
    examples: list[str] = field(default_factory=list)
    unwritable: list[Labels] = field(default_factory=list)

    def add(self, location: str, row: _Unusable) -> None:
        self.n += 1
        if len(self.examples) < N_EXAMPLES:
            self.examples.append(located(location, row.reason))
        if row.unwritable is not None:
            self.unwritable.append(row.unwritable)

    @property
    def reasons(self) -> str:
        n_more = self.n - len(self.examples)
        return "; ".join([*self.examples, *([f"and {n_more} more"] if n_more else [])])

    def describe(self) -> str:
        rows = "1 row was" if self.n == 1 else f"{self.n} rows were"
        return f"{rows} skipped in training ({self.reasons})"


def _row(example: Example) -> _Row:
    digest = hashlib.blake2b(digest_size=16)
    for part in (*_identity(example.clip), (example.text or "").encode()):
        digest.update(len(part).to_bytes(8, "little") + part)
    return _Row(digest.digest(), example)


def _identity(audio: Clip | AudioFailure | None) -> tuple[bytes, ...]:
    """What distinguishes a clip from those of other rows."""
    if not isinstance(audio, Clip):
        return (b"",)
    selected = (audio.channel, audio.start_s, audio.stop_s)
    source = audio.data if audio.data is not None else audio.location.encode()
    return (source, repr(selected).encode()) if any(each is not None for each in selected) else (source,)


def _check(
    row: _Row, alphabet: Alphabet, grid: FrameGrid, store: AudioStore, *, skip_unwritable: bool
) -> Utterance | _Unusable:
    """Decode and check a row; runs on a decode thread."""
    source, text = row.example.clip, row.example.text
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
    samples = store.read(row.key, source)
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
    recording = hashlib.blake2b(samples.data, digest_size=16).digest()
    return Utterance(row.key, source, text, labels, n_samples, recording, row.example.group)


def _describe_unwritable(skipped: Sequence[Labels], used: Sequence[Labels]) -> str | None:
    """One sentence that names the characters that the alphabet lacks."""
    if skipped:
        return f"{counted(len(skipped), 'row')} skipped because of on_unwritable='skip': {name_dropped(skipped)}"
    dropped = describe_dropped(used)
    return dropped and f"{dropped}; OPTIONS (on_unwritable='skip') skips their rows"


def _split(usable: Sequence[Utterance], share: float, seed: int) -> tuple[tuple[Utterance, ...], tuple[Utterance, ...]]:
    if not share:
        return tuple(usable), ()
    if len(usable) < 2:
        raise ThanoError("option 'validation_split' needs at least two usable rows, but there is only one")
    has_groups = any(utterance.group for utterance in usable)
    overlaps = overlap_keys([_part(utterance.source) for utterance in usable])
    groups = connected_rows(
        [
            [utterance.recording, utterance.group or utterance.recording, *shared]
            for utterance, shared in zip(usable, overlaps, strict=True)
        ]
    )
    if len(groups) == 1:
        common = "value of split_by, or share a recording" if has_groups else "recording"
        raise ThanoError(
            f"option 'validation_split' cannot hold out any row: all {len(usable)} usable rows have the same {common}"
        )
    held_out = choose_held_out(groups, share, seed)
    train = tuple(utterance for index, utterance in enumerate(usable) if index not in held_out)
    return train, tuple(usable[index] for index in sorted(held_out))


def _part(clip: Clip) -> tuple[Hashable, float, float]:
    """The recording of a clip, and where in it the clip starts and stops, in seconds."""
    recording = clip.location if clip.data is None else hashlib.blake2b(clip.data, digest_size=16).digest()
    return recording, clip.start_s or 0.0, math.inf if clip.stop_s is None else clip.stop_s


def _describe_share(n_held_out: int, n_usable: int, share: float) -> str | None:
    """One sentence if the rows that are held out are half as many as asked for, or twice as many."""
    n_asked = max(1, round(share * n_usable))
    if not share or n_asked / 2 < n_held_out < n_asked * 2:
        return None
    return (
        f"{n_held_out} of {n_usable} rows are held out, not {n_asked} as validation_split={share:g} asks for, because "
        "rows of the same recording or the same value of split_by stay together"
    )


def _digest(train: Sequence[Utterance], validation: Sequence[Utterance]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for part in (train, validation):
        for utterance in part:
            digest.update(utterance.key + utterance.n_samples.to_bytes(8, "little"))
        digest.update(b"|")
    return digest.hexdigest()
