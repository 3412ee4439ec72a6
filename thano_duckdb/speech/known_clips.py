"""Which clips have a transcript in the cache already, without computing or loading anything."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from thano_duckdb.audio.source import Clip
from thano_duckdb.monitoring.monitor import Monitor

from .cache import TranscriptCache
from .decoding.decoder import Decoder
from .job_runner import Job, JobKey


def known_clips(
    clips: Sequence[Clip],
    *,
    cache: TranscriptCache,
    monitor: Monitor,
    fingerprint: str,
    decoder: Decoder,
    preparation: tuple[Hashable, ...],
) -> list[bool]:
    """For each clip whether the engine would find it in `cache`; what must not be cached (a URL) is not known.

    Args:
        clips: to look up.
        cache: that the statement would use.
        monitor: asked whether to stop.
        fingerprint: of the model and the decoder, see `Recognizer.fingerprint`.
        decoder: writes the texts.
        preparation: see `CallOptions.preparation`.

    Raises:
        Cancelled: `monitor` was cancelled.
    """
    contents = [clip.content_key() for clip in clips]
    jobs = [
        Job(clip, None if content is None else JobKey(fingerprint, preparation, content), decoder)
        for clip, content in zip(clips, contents, strict=True)
    ]
    return [transcript is not None for transcript in cache.get_many(jobs, monitor)]
