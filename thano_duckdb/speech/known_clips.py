"""Which clips have a transcript in the cache already, without computing or loading anything."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from thano_duckdb.audio.source import Clip

from .cache import TranscriptCache


def known_clips(
    clips: Sequence[Clip], cache: TranscriptCache, *, fingerprint: str, preparation: Hashable
) -> list[bool]:
    """For each clip whether the engine would find it in `cache`; what must not be cached (a URL) is not known.

    Args:
        clips: to look up.
        cache: that the statement would use.
        fingerprint: of the model and the decoder, see `Recognizer.fingerprint`.
        preparation: what else of the call's options the texts depend on, as `Engine.transcribe` has it.
    """
    contents = [clip.content_key() for clip in clips]
    return [
        content is not None and cache.get(((fingerprint, preparation), content)) is not None for content in contents
    ]
