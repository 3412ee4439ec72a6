"""What the headers of some clips of a query say about all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from thano_duckdb.audio.failure import AudioFailure, UnreadableAudioError
from thano_duckdb.audio.info import probe
from thano_duckdb.audio.limits import ReadLimits
from thano_duckdb.audio.source import Clip
from thano_duckdb.errors import located
from thano_duckdb.speech.estimate import Estimate, count_of_all, total_of_all
from thano_duckdb.speech.threads import FETCH_THREADS, CallThreads, Cancellable

from .clips import RefusedClip

ENOUGH_S = 1.0
"""After it no more headers are read."""
PATIENCE_S = 3.0
"""For all headers together, such as those of servers that do not answer."""
_POLL_S = 0.02
_N_THREADS = 8  # reading a header is waiting, not computing

Known = Callable[[Sequence[Clip]], Sequence[bool]]
"""Tells of each clip whether its transcript is known already."""


@dataclass(frozen=True)
class Survey:
    """What is known of the distinct clips of a query.

    Attributes:
        n_clips: how many there are.
        n_sampled: whose headers were read, or could not be read; the others are as likely to be like these.
        n_late: that gave no answer in time; nothing is known of them.
        audio_s: seconds of audio, of each channel where each gets a transcript.
        unreadable: clips that cannot be read.
        known: clips whose transcripts are known; None where that was not looked up.
        new_audio_s: seconds of audio that have to be transcribed.
        transcripts: one for each clip, or for each channel.
        problem: the first clip that cannot be read, and why; empty for none.
    """

    n_clips: int
    n_sampled: int
    n_late: int
    audio_s: Estimate
    unreadable: Estimate
    known: Estimate | None
    new_audio_s: Estimate
    transcripts: Estimate
    problem: str


@dataclass(frozen=True)
class _Header:
    """What the header of a clip says, or why it cannot be read."""

    clip: Clip | RefusedClip
    duration_s: float
    n_channels: int
    failure: AudioFailure | None


def survey(
    clips: Sequence[Clip | RefusedClip],
    n_clips: int,
    *,
    limits: ReadLimits,
    known: Known | None,
    each_channel: bool,
    monitor: Cancellable,
) -> Survey:
    """Look at clips, in their order, until that takes too long.

    Args:
        clips: distinct ones, drawn at random from all.
        n_clips: how many distinct ones there are.
        limits: what reading one clip may take.
        known: tells which transcripts are known; None where that is not looked up.
        each_channel: whether each channel of a clip gets a transcript, rather than their mix.
        monitor: asked whether to stop.

    Raises:
        Cancelled: `monitor` was cancelled.
    """
    headers, n_late = _headers(clips, limits, monitor)
    read = [header for header in headers if isinstance(header.clip, Clip) and header.failure is None]
    factors = [header.n_channels if each_channel else 1 for header in read]
    audio_s = [header.duration_s * factor for header, factor in zip(read, factors, strict=True)]
    is_known = [False] * len(read)
    if known is not None:
        # Of a clip with several channels it is enough to look the first one up.
        is_known = list(known([_first_channel(header.clip, each_channel) for header in read]))
    failed = [header for header in headers if header.failure is not None]
    n = len(headers)
    zeros = [0.0] * len(failed)
    new_s = [0.0 if is_old else each for each, is_old in zip(audio_s, is_known, strict=True)]
    first = failed[0] if failed else None
    return Survey(
        n_clips,
        n,
        n_late,
        total_of_all(audio_s + zeros, n_clips),
        count_of_all(len(failed), n, n_clips),
        None if known is None else count_of_all(sum(is_known), n, n_clips),
        total_of_all(new_s + zeros, n_clips),
        total_of_all([*map(float, factors), *([1.0] * len(failed))], n_clips),
        located(first.clip.location, first.failure.reason) if first and first.failure else "",
    )


def _headers(
    clips: Sequence[Clip | RefusedClip], limits: ReadLimits, monitor: Cancellable
) -> tuple[list[_Header], int]:
    """The headers of the first clips, and how many of these gave no answer in time."""
    begun_s = time.monotonic()
    found: list[_Header] = []
    n_late = 0
    n_threads = FETCH_THREADS if any(isinstance(clip, Clip) and clip.is_url for clip in clips) else _N_THREADS
    with CallThreads(n_threads, "thano-plan") as threads:
        for start in range(0, len(clips), 4 * n_threads):
            futures = [threads.submit(_header, clip, limits) for clip in clips[start : start + 4 * n_threads]]
            while not all(future.done() for future in futures) and time.monotonic() < begun_s + PATIENCE_S:
                monitor.raise_if_cancelled()
                time.sleep(_POLL_S)
            done = [future.result() for future in futures if future.done()]
            found += done
            n_late += len(futures) - len(done)
            if time.monotonic() > begun_s + ENOUGH_S:
                break
    return found, n_late


def _header(clip: Clip | RefusedClip, limits: ReadLimits) -> _Header:
    """Runs on a thread."""
    if isinstance(clip, RefusedClip):
        return _Header(clip, 0.0, 1, clip.failure)
    info = probe(clip, limits=limits)
    if isinstance(info, AudioFailure):
        return _Header(clip, 0.0, 1, info)
    try:
        limits.check_duration(info.frames, info.sample_rate_hz, by_header=True)
    except UnreadableAudioError as error:
        return _Header(clip, 0.0, 1, error.failure)
    return _Header(clip, info.duration_s, info.channels, None)


def _first_channel(clip: Clip | RefusedClip, each_channel: bool) -> Clip:
    assert isinstance(clip, Clip)
    return clip.with_channel(1) if each_channel else clip
